// Package pillar makes networks whose activations are polynomials: it fits the
// polynomials, and says how training keeps values where they fit. Fast and Private
// Inference of Deep Neural Networks by Co-designing Activation Functions (Diaa et
// al., 2024), section 4, calls this PILLAR.
//
// A private inference evaluates polynomials with integer coefficients, P(x) =
// Σ α_k x^k / 2^q. Fit finds the best α: not the rounded least squares fit, which
// is a different polynomial and can be a far worse one, but the least squares fit
// among polynomials with such coefficients, proven by exhaustion.
//
// Outside of the range of its fit a polynomial runs away from the function. Penalty
// is the term of the loss that teaches a network to stay inside.
//
// The package has no randomness: the same problem has the same answer, always.
package pillar

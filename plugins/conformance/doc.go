// Package conformance finds out whether a [correlation.Backend] keeps its
// contract: [Check] runs both parties of it, with a twin between them in memory,
// and reports a list of named checks; [Bench] says what its correlations cost.
// Where the backend runs, here or behind a plugin, makes no difference.
//
// # What is checked
//
// Of the backend, its description; and of every kind it declares:
//
//	answers      calls end in time, and return halves of what was asked for
//	algebra      the halves are correlations (correlation.Verify)
//	uniform      each column of each half is uniform
//	fresh        no seed, no value, comes twice, in a call, a run or two runs
//	independent  no half tells anything of the other
//	refusals     impossible requests are errors, at both parties
//	broken twin  when the other party is gone, a run ends with an error, for good
//	cancelling   a call ends with its context
//	recovery     a run that failed does not spoil the next
//
// # How sure a statistical check is
//
// Uniform, fresh and independent rest on statistics, and all of them on one
// fact: what party p holds, together with the operands (all but shares of
// products) that the other one holds, is uniform and independent, word by word.
// Here this is called p's view. It leaves out the other's shares of the products
// alone, which the algebra determines.
//
// Every elementary test has a level of 2^−64: a bound, for any number of words
// and without approximations, on the probability that words which are uniform
// and independent fail it.
//
//   - The parity of some bits of a word is 1 in k of n words: |2k − n| is at least
//     √(2·65·ln 2·n) with a probability of at most 2^−64 (Hoeffding). This is done
//     for every set of bits within a byte, and for every pair of bits of a word,
//     of two columns, or of two words in a row.
//   - The counts of the 256 values of a byte: their relative entropy D to uniform
//     satisfies n·D ≥ x > 255 with a probability of at most e^−x·(e·x/255)^255
//     (Agrawal, Finite-Sample Concentration of the Multinomial in Relative
//     Entropy, 2020, theorem 1.2). 2·n·D is the chi-square statistic's equal, but
//     has an exact bound.
//   - Words that come twice: of M words of b bits, r repeat earlier ones with a
//     probability of at most binom(M, r)·(M/2^b)^r; r is the least that makes it
//     2^−64.
//   - Linear relations: the D bits of a view, over D + 65 elements, satisfy a
//     linear equation mod 2 with a probability of at most 2^−64.
//   - Two seeds of 256 bits agree in fewer than 48 bits, or in more than 208, with
//     a probability of at most 2^−76.
//
// The report counts the tests and states the union bound. A quick check of all
// kinds makes fewer than 2^24 of them, a thorough one fewer than 2^26: a correct
// backend fails with a probability below 2^−38.
//
// On the other side: where the parity of some bits of a byte is 1 with a
// probability of (1 ± δ)/2, or two bits agree with that probability, that is found
// with a probability above 1 − 2^−40 once δ·√n ≥ 9.5 + 7.5. The columns of the main
// specification of a kind have 12,000 to 36,000 words in a quick check, so δ is
// 0.16 to 0.09, and 50,000 to 180,000 in a thorough one. Seeds and values that are
// used again, columns that are constant, equal, opposite, that differ by a
// constant or satisfy a linear equation, and shares of products that are sums of
// products of operands are always found.
//
// What is hidden computationally is not found: a half that is a hash of the other
// one passes. Nor does this package look at what the twin carries.
package conformance

package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// errTentative ends an attempt of [scaling.remedies].
var errTentative = errors.New("no scales fit")

// refuse returns the error of a network that cannot meet the budget at node i:
// it names the layer whose range leaves too few bits, and what would help.
func (s *scaling) refuse(i int) error {
	if s.tentative {
		return errTentative
	}
	sink := &s.g.Nodes[s.sink[i]]
	if s.opts.ActivationBits != 0 || s.opts.WeightBits != 0 {
		return fmt.Errorf("layer %q leaves %d fractional bits at %q, which the asked-for %d of activations and %d of weights do not fit; "+
			"ask for fewer, or for none to have them chosen", sink.Name, max(0, s.room[i]), s.g.Nodes[i].Name, s.opts.ActivationBits, s.opts.WeightBits)
	}
	if s.sink[i] == i && sink.Op == OpPolynomial {
		return fmt.Errorf("layer %q: its polynomial's values reach %.4g in calibration, which leaves %d of %d bits for fractions, and at least %d are needed; "+
			"take a polynomial that is fitted where its inputs are, up to ±%.4g, or train with a range penalty (PILLAR) so that they stay where it is fitted",
			sink.Name, s.seen[i].Max, max(0, s.room[i]), outputRoom, MinBits, s.seen[sink.Inputs[0]].Max)
	}
	if sink.Op != OpPolynomial {
		return fmt.Errorf("layer %q reaches %.4g in calibration after %s, whose fractional bits do not fit beside that in %d; "+
			"merge linear layers, scale the weights down, or train with a range penalty (PILLAR) so that polynomials' inputs stay where they are fitted",
			sink.Name, s.seen[s.sink[i]].Max, inARow(s.chain[s.sink[i]]), outputRoom)
	}
	in := sink.Inputs[0]
	limit := openedBits - int(s.opts.Sigma)
	return fmt.Errorf("layer %q does not fit%s: its polynomial's input, from %q, reaches ±%.4g in calibration (±%.4g with the margin of %.3g) and must stay below 2^%d units to hide with σ = %d bits; "+
		"that leaves %d fractional bits, and %s; "+
		"train with a range penalty (PILLAR) so that pre-activations stay near the polynomial's range, scale the layer down, merge linear layers, or lower the margin or σ",
		sink.Name, s.remedies(in), s.g.Nodes[in].Name, s.seen[in].Max, s.bound(in), s.opts.Margin, limit, s.opts.Sigma,
		max(0, s.bitsBelow(in, limit)), s.least[in])
}

// inARow writes a number of linear layers.
func inARow(n int) string {
	if n == 1 {
		return "a linear layer"
	}
	return fmt.Sprintf("%d linear layers in a row", n)
}

// String says what needs how many bits.
func (l least) String() string {
	var text string
	switch l.linear {
	case 0:
		// The opening drops some of a polynomial's input.
		return fmt.Sprintf("at least %d are needed", max(l.bits(), MinBits+minDropped))
	case 1:
		text = "the linear layer before it and what that multiplies"
	default:
		text = fmt.Sprintf("the %d linear layers before it and what they multiply", l.linear)
	}
	text += fmt.Sprintf(" need at least %d each", MinBits)
	if l.pools > 0 {
		text += fmt.Sprintf(" and average pooling %d", l.pools)
	}
	return fmt.Sprintf("%s, together %d", text, l.bits())
}

// belowOne times a power of two is below that, in logarithms too.
const belowOne = 0.999

// remedies says what would let the network fit, each by itself: a lower σ, or a
// smaller range of node in. It says nothing where neither does.
func (s *scaling) remedies(in int) string {
	var would []string
	for sigma := s.opts.Sigma - 1; sigma >= MinSigma; sigma-- {
		opts := *s.opts
		opts.Sigma = sigma
		if s.fits(&opts, s.seen) {
			would = append(would, fmt.Sprintf("with σ = %d", sigma))
			break
		}
	}
	// What counts is the power of two above the range.
	for exp := math.Floor(math.Log2(s.bound(in))); exp > -maxFrac; exp-- {
		seen := slices.Clone(s.seen)
		seen[in].Max = threeDigits(belowOne * math.Exp2(exp) / s.opts.Margin)
		if !s.fits(s.opts, seen) {
			continue
		}
		would = append(would, fmt.Sprintf("with inputs within ±%.3g in calibration", seen[in].Max))
		opts := *s.opts
		opts.Margin = threeDigits(belowOne * math.Exp2(exp) / s.seen[in].Max)
		if opts.Margin > 1 && opts.Margin < s.opts.Margin && s.fits(&opts, s.seen) {
			would = append(would, fmt.Sprintf("with a margin of %.3g", opts.Margin))
		}
		break
	}
	if len(would) == 0 {
		return ""
	}
	return "; it fits " + strings.Join(would, ", or ")
}

// threeDigits rounds a positive number down to three digits: what is advised must
// fit as it is written.
func threeDigits(x float64) float64 {
	unit := math.Pow10(2 - int(math.Floor(math.Log10(x))))
	return math.Floor(x*unit) / unit
}

// fits reports whether there are scales for other options, or after another
// calibration.
func (s *scaling) fits(opts *Options, seen []NodeCalibration) bool {
	t := newScaling(s.g, seen, opts)
	t.tentative = true
	return t.choose() == nil
}

package model

import (
	"fmt"
	"math"
	"math/big"

	"pascaline/correlation"
)

// Limits of a plan. They bound memory before it is taken and keep every product
// of sizes within an int.
const (
	// MinSigma and MaxSigma bound the statistical security parameter.
	MinSigma = 30
	MaxSigma = 60

	maxNodes     = 1 << 14
	maxInputs    = 64
	maxDim       = 1 << 20
	maxText      = 256 // bytes of a name or a label
	maxPlanBytes = 1 << 20
	// maxElements bounds the elements of one tensor, and maxTotal those of all
	// nodes' outputs together and of all weights together.
	maxElements = 1 << 26
	maxTotal    = 1 << 28
	// maxFrac bounds the fractional bits of every tensor: there must be room
	// for a value above them.
	maxFrac = 60
	// maxWeight bounds |w| (design section 3).
	maxWeight = 1<<15 - 1
)

// openedBits is the width of one party's part of an opened value's mask: R_i is
// uniform below 2^62 (ρ_i below 2^MaskBits, λ_i below 2^Fw), so the sum of both
// parties' parts and a pre-activation stays below 2^64 (design section 4).
const openedBits = 62

// truncationSigma: a truncation may go wrong with probability 2^−40 at most.
const truncationSigma = 40

// HidingBits returns the bits with which an opened value of the calibrated
// range hides.
//
// A party that knows its own part of the mask sees C = y + R + off, with R the
// other party's part, uniform below 2^62. The distributions of y + R and of R
// alone, which anyone can draw without knowing y, differ on |y| of the 2^62
// values at either end: their statistical distance is |y| / 2^62 < 2^(M−62).
func (a *Activation) HidingBits() uint { return openedBits - a.M }

// Distance bounds the statistical distance between what one party sees of all
// opened values of one inference and what can be drawn without the other's
// secrets: the masks are independent, so the distances 2^(M−62) of the single
// values add up (a hybrid argument, one value at a time). It holds while every
// pre-activation stays in the calibrated range.
func (p *Plan) Distance() float64 {
	sum := 0.0
	for i := range p.Nodes {
		if a := p.Nodes[i].Act; a != nil {
			sum += float64(p.Nodes[i].Shape.Len()) * math.Ldexp(1, -int(a.HidingBits()))
		}
	}
	return sum
}

// TruncationError bounds the probability that one inference truncates any
// activation wrongly: by more than one unit.
//
// Shares p_S uniform and p_C = v − p_S mod 2^128 of an integer |v| < 2^127 are
// shifted right by s bits one by one, and 64 bits are kept. Read as integers in
// [−2^127, 2^127) they add up to v or to v ± 2^128, the latter for |v| of the
// 2^128 values of p_S, with probability below |v| / 2^127. After the shift the
// difference is 2^(128−s), which is zero mod 2^64 where s ≤ 64: then nothing can
// go wrong, however large v is. Where s > 64 the single values' probabilities
// add up.
func (p *Plan) TruncationError() float64 {
	sum := 0.0
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if n.Act != nil && n.Act.truncationShift(n.Frac) > 64 {
			sum += float64(n.Shape.Len()) * math.Ldexp(1, n.Act.magnitude()-127)
		}
	}
	return sum
}

// truncates reports whether one activation is truncated to frac fractional bits
// with an error rarer than 2^−truncationSigma.
func (a *Activation) truncates(frac uint) error {
	s := a.truncationShift(frac)
	if s < 1 || s > 127 {
		return fmt.Errorf("its value is truncated by %d bits; it must be from 1 to 127", s)
	}
	if m := a.magnitude(); s > 64 && m > 127-truncationSigma {
		return fmt.Errorf("its value has up to %d bits and is truncated by %d; beyond 64, an error rarer than 2^-%d allows values of %d bits",
			m, s, truncationSigma, 127-truncationSigma)
	}
	return nil
}

// truncationShift returns how far the 128-bit value of the polynomial is
// shifted to leave frac fractional bits: Fa·d + Q − frac.
func (a *Activation) truncationShift(frac uint) int {
	return int(a.Fa)*a.Degree() + int(a.Q) - int(frac)
}

// magnitude returns the number of bits of the largest |v|, v = P(t)·2^(Fa·d+Q),
// for |t| up to 2^(M−Fw) units of 2^−Fa: |v| ≤ Σ |α_k|·2^(Fa(d−k))·2^((M−Fw)k).
func (a *Activation) magnitude() int {
	d := a.Degree()
	sum := new(big.Int)
	for k, alpha := range a.Alpha {
		term := new(big.Int).Abs(big.NewInt(alpha))
		sum.Add(sum, term.Lsh(term, a.Fa*uint(d-k)+(a.M-a.Fw)*uint(k)))
	}
	return sum.BitLen()
}

// Degrees that the online phase evaluates.
const (
	minDegree = correlation.MinDegree
	maxDegree = correlation.MaxDegree
)

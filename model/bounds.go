package model

import (
	"fmt"
	"math"
	"math/bits"

	"pascaline/correlation"
	"pascaline/ring"
)

// Limits of a plan. They bound memory before it is taken and keep every product
// of sizes within an int.
const (
	// MinSigma and MaxSigma bound the statistical security parameter.
	MinSigma = 30
	MaxSigma = 60

	maxNodes     = 1 << 14
	maxInputs    = 64
	maxParts     = 1 << 13 // of a concatenation
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

// truncationSigma: in one inference a truncation may go wrong with probability 2^−40
// at most.
const truncationSigma = 40

// HidingBits returns the bits with which an opened value of the calibrated
// range hides.
//
// A party that knows its own part of the mask sees C = y + R + off, with R the
// other party's part, uniform below 2^62. The distributions of y + R and of R
// alone, which anyone can draw without knowing y, differ on |y| of the 2^62
// values at either end: their statistical distance is |y| / 2^62 < 2^(M−62).
func (a *Activation) HidingBits() uint { return openedBits - a.M }

// outputFrac is how many fractional bits of an output mean something: what lies
// below is rounding noise of the layers before.
const outputFrac = 12

// DitherBits is the width of the noise that the server adds to the output, all
// of it below 2^−outputFrac. Without it the client could read the last place of
// an output, and with it, once in many inferences, one bit about the noise of
// the homomorphic evaluation, which depends on the weights (docs/protocol.md,
// section 6).
func (p *Plan) DitherBits() uint {
	frac := p.Nodes[len(p.Nodes)-1].Frac
	return frac - min(frac, outputFrac)
}

// What homomorphic generation adds to the statistical distance (offline/powers.go):
// powersDistance for each power of each element, its mask being 2^45 times wider than
// what it hides, and the flood of a ciphertext that is full adding little; and for each
// power of a degree that occurs, partlyFilled. A ciphertext is flooded as a whole, 2^13
// coefficients at 2^−52, however few elements it has. The elements of one inference
// lie in two that they do not fill, at most, for each of the replies' ciphertexts, of
// which there are no more than five for each power.
const (
	powersDistance = 0x1p-45
	partlyFilled   = 5 * 2 * 0x1p-39
)

// Distance bounds the statistical distance between what one party sees in one
// inference, bundle included, and what can be drawn without the other's secrets,
// given the output (docs/protocol.md, section 4, says of which function). The
// masks are independent, so the distances of single values add up (a hybrid
// argument, one value at a time): those of [Plan.OpeningDistance], and that of powers
// by homomorphic encryption, which bundles from a dealer do not have.
func (p *Plan) Distance() float64 {
	sum := p.OpeningDistance()
	var occurs [maxDegree + 1]bool
	for i := range p.Nodes {
		if a := p.Nodes[i].Act; a != nil {
			sum += float64(p.Nodes[i].Shape.Len()*a.Degree()) * powersDistance
			occurs[a.Degree()] = true
		}
	}
	for degree, any := range occurs {
		if any {
			sum += float64(degree) * partlyFilled
		}
	}
	return sum
}

// OpeningDistance is what the openings add to [Plan.Distance]: 2^(M−62) for each
// opened value, while it stays in the calibrated range.
func (p *Plan) OpeningDistance() float64 {
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
// Shares p_S and p_C = v − p_S mod 2^128 of an integer |v| < 2^127 are shifted
// right by s bits one by one, and 64 bits are kept. As integers, p_S and −p_C
// differ by v, or by v ± 2^128 where p_S is one of |v| values at one end. After
// the shift that difference is 2^(128−s), which is zero mod 2^64 where s ≤ 64:
// then nothing can go wrong, as long as the result fits 64 bits. Where s > 64 the
// single values' probabilities add up. p_S is uniform over the 2^(128−j) integers
// of one remainder mod 2^j, 2^j being the largest power of two in α_d: it is
// (−1)^d·α_d times a uniform share of ρ^d, plus terms that do not depend on that.
// At most |v|/2^j + 1 of them wrap: the probability is (|v| + 2^j) / 2^128.
func (p *Plan) TruncationError() float64 {
	sum := 0.0
	for i := range p.Nodes {
		sum += p.Nodes[i].truncationError()
	}
	return sum
}

// truncationError is [Plan.TruncationError] of one node's elements.
func (n *Node) truncationError() float64 {
	if n.Act == nil {
		return 0
	}
	poly, err := n.Act.pascal(n.Frac)
	if err != nil || poly.Shift() <= 64 {
		return 0
	}
	j := bits.TrailingZeros64(uint64(n.Act.Alpha[n.Act.Degree()]))
	each := math.Ldexp(1, poly.Magnitude(n.Act.largestArgument())-128) + math.Ldexp(1, j-128)
	return float64(n.Shape.Len()) * each
}

// truncates reports what keeps the activation from being truncated to frac
// fractional bits without an overflow in its calibrated range, and with an error
// in any of so many elements that is rarer than 2^−truncationSigma.
func (a *Activation) truncates(frac uint, elements int) error {
	poly, err := a.pascal(frac)
	if err != nil {
		return err
	}
	if poly.Shift() < 1 {
		return fmt.Errorf("its value has %d fractional bits and is not truncated at all", frac)
	}
	switch m, most := poly.Magnitude(a.largestArgument()), valueBits(poly.Shift(), elements); {
	case m <= most:
		return nil
	case poly.Shift() <= 64:
		return fmt.Errorf("its value has up to %d bits in the calibrated range; truncated by %d, 64 bits hold %d of them", m, poly.Shift(), most)
	default:
		return fmt.Errorf("its value has up to %d bits in the calibrated range and is truncated by %d; beyond 64, errors rarer than 2^-%d in %d elements allow values of %d bits",
			m, poly.Shift(), truncationSigma, elements, most)
	}
}

// valueBits returns how many bits the values of so many elements may have before
// shift of them are dropped: what is left must fit 64 bits with its sign, and where
// wraps show, all elements together must not wrap more often than
// 2^−truncationSigma.
func valueBits(shift uint, elements int) int {
	if shift <= 64 {
		return 63 + int(shift)
	}
	return 128 - truncationSigma - bits.Len(uint(elements))
}

// ExactBits returns how far beyond its range an input still computes as it should:
// while it is below 2^ExactBits units of its last place. From there on the opening
// (2^61) or the polynomial's value overflows, or is truncated wrongly too often.
// It hides less the further it is out: by 62 bits less those that it has.
func (n *Node) ExactBits() uint {
	poly, err := n.Act.pascal(n.Frac)
	if err != nil {
		return 0
	}
	most, fits := valueBits(poly.Shift(), n.Shape.Len()), n.Act.M
	for fits < exactOpening && poly.Magnitude(1<<(fits+1-n.Act.Fw)+1) <= most {
		fits++
	}
	return fits
}

// exactOpening: every |y| below 2^61 opens as it is (ring.OpenMasked).
const exactOpening = 61

// pascal prepares the polynomial for results of frac fractional bits.
func (a *Activation) pascal(frac uint) (*ring.Pascal, error) {
	return ring.NewPascal(a.Alpha, a.Q, a.Fa, frac)
}

// largestArgument bounds |t| in the calibrated range, in units of 2^−Fa: an
// integer less than one and a half units off y/2^Fw.
func (a *Activation) largestArgument() uint64 { return 1<<(a.M-a.Fw) + 1 }

// Degrees that the online phase evaluates.
const (
	minDegree = correlation.MinDegree
	maxDegree = correlation.MaxDegree
)

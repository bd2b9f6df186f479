package correlation

import (
	"fmt"
	"math/bits"

	"pascaline/ring"
)

// Limits of a powers correlation. Degree 8 is the highest polynomial the online
// phase evaluates; the mask must leave room for the opened value in 64 bits.
const (
	MinDegree   = 2
	MaxDegree   = 8
	MaxMaskBits = 61
	maxElements = 1 << 28
)

// PowersSpec says what a powers correlation is: N elements, each with ρ = ρ_0 +
// ρ_1, both parts uniform below 2^MaskBits and never wrapping, and shares of ρ²
// to ρ^Degree in Z_{2^128}. The share of ρ itself is the party's own part.
type PowersSpec struct {
	N        int
	Degree   int
	MaskBits uint
}

// Validate reports what makes s impossible.
func (s PowersSpec) Validate() error {
	switch {
	case s.N < 1 || s.N > maxElements:
		return fmt.Errorf("powers of %d elements; there must be from 1 to %d", s.N, maxElements)
	case s.Degree < MinDegree || s.Degree > MaxDegree:
		return fmt.Errorf("powers to degree %d; it must be from %d to %d", s.Degree, MinDegree, MaxDegree)
	case s.MaskBits < 1 || s.MaskBits > MaxMaskBits:
		return fmt.Errorf("powers of masks of %d bits; it must be from 1 to %d", s.MaskBits, MaxMaskBits)
	}
	return nil
}

// PowersHalf is one party's half of a powers correlation.
type PowersHalf struct {
	Spec PowersSpec
	// Seed expands to this party's ρ and, where Shares is nil, to its shares.
	Seed ring.Seed
	// Shares[k−2] holds the shares of ρ^k, k = 2..Degree.
	Shares []ring.Vec128
}

// Validate reports the first part of h that does not fit its specification.
func (h PowersHalf) Validate() error {
	if err := h.Spec.Validate(); err != nil {
		return err
	}
	if h.Shares == nil {
		return nil
	}
	if len(h.Shares) != h.Spec.Degree-1 {
		return fmt.Errorf("shares of %d powers, not of %d", len(h.Shares), h.Spec.Degree-1)
	}
	for i, v := range h.Shares {
		if len(v.Lo) != h.Spec.N || len(v.Hi) != h.Spec.N {
			return fmt.Errorf("%d and %d words of shares of power %d, not %d", len(v.Lo), len(v.Hi), i+2, h.Spec.N)
		}
	}
	return nil
}

// Format keeps the half out of logs, errors and debug output, whatever the verb.
func (h PowersHalf) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "powers(%d elements, degree %d, redacted)", h.Spec.N, h.Spec.Degree)
}

// Rho returns this party's part of the masks, integers below 2^MaskBits.
func (h PowersHalf) Rho() []uint64 {
	rho := make([]uint64, h.Spec.N)
	ring.NewStream(h.Seed, "powers/rho").FillBits(rho, h.Spec.MaskBits)
	return rho
}

// Expand returns the shares of ρ² to ρ^Degree, expanding them from the seed
// where the half is one: element i, power k is element i of the stream
// "powers/share" with index k.
func (h PowersHalf) Expand() []ring.Vec128 {
	if h.Shares != nil {
		return h.Shares
	}
	shares := make([]ring.Vec128, h.Spec.Degree-1)
	for i := range shares {
		shares[i] = ring.MakeVec128(h.Spec.N)
		ring.NewStream(h.Seed, "powers/share", uint64(i+2)).Fill128(shares[i])
	}
	return shares
}

// VerifyPowers checks that two halves form a powers correlation: equal specs
// and, for every element and every k, shares that add up to (ρ_0 + ρ_1)^k mod
// 2^128.
func VerifyPowers(h0, h1 PowersHalf) error {
	if h0.Spec != h1.Spec {
		return fmt.Errorf("verifying powers: party 0 holds %+v, party 1 %+v", h0.Spec, h1.Spec)
	}
	for party, h := range []PowersHalf{h0, h1} {
		if err := h.Validate(); err != nil {
			return fmt.Errorf("verifying powers: party %d: %w", party, err)
		}
	}
	rho0, rho1 := h0.Rho(), h1.Rho()
	s0, s1 := h0.Expand(), h1.Expand()
	for i := range rho0 {
		rho := rho0[i] + rho1[i] // below 2^62: no wrap
		lo, hi := rho, uint64(0)
		for k := range s0 {
			// (hi, lo) · rho mod 2^128
			h, l := bits.Mul64(lo, rho)
			lo, hi = l, h+hi*rho
			sumLo, carry := bits.Add64(s0[k].Lo[i], s1[k].Lo[i], 0)
			sumHi, _ := bits.Add64(s0[k].Hi[i], s1[k].Hi[i], carry)
			if sumLo != lo || sumHi != hi {
				return fmt.Errorf("verifying powers: element %d: the shares of power %d do not add up", i, k+2)
			}
		}
	}
	return nil
}

package correlation

import (
	"fmt"
	"math/bits"

	"pascaline/ring"
)

// Verify checks that two halves form a correlation of the kind they say. For
// linear ones see [VerifyLinear].
func Verify(h0, h1 *Half) error {
	if err := matching(h0, h1); err != nil {
		return err
	}
	spec := h0.Spec
	var err error
	switch spec.Kind {
	case Triples:
		err = sumsTo(h0, h1, times(sum(h0.A(), h1.A()), sum(h0.B(), h1.B())))
	case Squares:
		a := sum(h0.A(), h1.A())
		err = sumsTo(h0, h1, times(a, a))
	case Products:
		err = sumsTo(h0, h1, times(h0.A(), h1.B()))
	case Matrix, Convolution:
		err = sumsTo(h0, h1, convolved(spec, sum(h0.A(), h1.A()), sum(h0.B(), h1.B())))
	case Powers:
		err = verifyPowers(h0, h1)
	default:
		err = fmt.Errorf("linear correlations are verified with weights and masks")
	}
	if err != nil {
		return fmt.Errorf("verifying %v: %w", spec.Kind, err)
	}
	return nil
}

// matching checks that both halves are valid, and of one correlation.
func matching(h0, h1 *Half) error {
	for party, h := range []*Half{h0, h1} {
		if err := h.Validate(); err != nil {
			return fmt.Errorf("verifying: party %d: %w", party, err)
		}
		if h.Party != party {
			return fmt.Errorf("verifying %v: a half of party %d in the place of party %d's", h.Spec.Kind, h.Party, party)
		}
	}
	if h0.Spec != h1.Spec {
		return fmt.Errorf("verifying: party 0 holds %v, party 1 %v", h0.Spec, h1.Spec)
	}
	return nil
}

func sum(x, y []uint64) []uint64 {
	z := make([]uint64, len(x))
	ring.Add(z, x, y)
	return z
}

func times(x, y []uint64) []uint64 {
	z := make([]uint64, len(x))
	for i := range z {
		z[i] = x[i] * y[i]
	}
	return z
}

// convolved returns a∗b, image after image.
func convolved(spec Spec, a, b []uint64) []uint64 {
	s := spec.Shape
	c := make([]uint64, spec.N*s.OutLen())
	for i := range spec.N {
		w := b
		if !spec.Fixed {
			w = b[i*s.WeightLen():][:s.WeightLen()]
		}
		ring.ConvWide(c[i*s.OutLen():][:s.OutLen()], a[i*s.InLen():][:s.InLen()], w, s)
	}
	return c
}

// sumsTo checks that the shares of column c add up to want.
func sumsTo(h0, h1 *Half, want []uint64) error {
	c0, c1 := h0.C(), h1.C()
	for i := range want {
		if c0[i]+c1[i] != want[i] {
			return fmt.Errorf("the shares of product %d do not add up", i)
		}
	}
	return nil
}

// verifyPowers checks, for every element and every k, that the shares add up to
// (ρ_0 + ρ_1)^k mod 2^128.
func verifyPowers(h0, h1 *Half) error {
	rho0, rho1 := h0.Rho(), h1.Rho()
	s0, s1 := h0.Powers(), h1.Powers()
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
				return fmt.Errorf("element %d: the shares of power %d do not add up", i, k+2)
			}
		}
	}
	return nil
}

// LinearTolerance is how far, in units of the last place, an element of a
// linear correlation may lie from W·r: homomorphic evaluation rounds once
// (docs/protocol.md, section 6, says what one unit of 2^−(fa+fw) does and shows).
const LinearTolerance = 1

// VerifyLinear checks that two halves form a linear correlation with weights w
// and the client's masks r, up to [LinearTolerance].
func VerifyLinear(w []int16, r []uint64, h0, h1 *Half) error {
	if err := matching(h0, h1); err != nil {
		return err
	}
	spec, c := h0.Spec, h0.Spec.Shape
	if spec.Kind != Linear {
		return fmt.Errorf("verifying %v as linear", spec.Kind)
	}
	if len(w) != c.WeightLen() || len(r) != spec.N*c.InLen() {
		return fmt.Errorf("verifying linear: %d weights and %d elements of r do not fit %v", len(w), len(r), spec)
	}
	s, y, want := h0.S(), h1.Y(), make([]uint64, c.OutLen())
	for n := range spec.N {
		ring.Conv(want, r[n*c.InLen():][:c.InLen()], w, c)
		for i, j := 0, n*c.OutLen(); i < len(want); i, j = i+1, j+1 {
			if d := int64(s[j] + y[j] - want[i]); d > LinearTolerance || d < -LinearTolerance {
				return fmt.Errorf("verifying linear: output %d of inference %d is off by %d units", i, n, d)
			}
		}
	}
	return nil
}

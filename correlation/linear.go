package correlation

import (
	"fmt"

	"pascaline/ring"
)

// LinearSpec says what a linear correlation is: for the server's matrix W of
// one layer, the server holds s, the client r and W·r − s mod 2^64. A
// convolution is the matrix that it multiplies by.
type LinearSpec struct{ Shape ring.ConvShape }

// Validate reports what makes s impossible.
func (s LinearSpec) Validate() error {
	if err := s.Shape.Validate(); err != nil {
		return fmt.Errorf("linear correlation: %w", err)
	}
	return nil
}

// LinearHalf0 is the server's half of a linear correlation.
type LinearHalf0 struct {
	Spec LinearSpec
	// Seed expands to s where S is nil.
	Seed ring.Seed
	S    []uint64
}

// LinearHalf1 is the client's half of a linear correlation.
type LinearHalf1 struct {
	Spec LinearSpec
	// Seed expands to r where R is nil, and to W·r − s where Y is nil.
	Seed ring.Seed
	R    []uint64
	Y    []uint64
}

// Mask returns s, mod 2^64: where the half is a seed, the stream "linear/s".
func (h LinearHalf0) Mask() []uint64 {
	return orExpanded(h.S, h.Seed, "linear/s", h.Spec.Shape.OutLen())
}

// Mask returns r, mod 2^64: where it is not explicit, the stream "linear/r".
func (h LinearHalf1) Mask() []uint64 {
	return orExpanded(h.R, h.Seed, "linear/r", h.Spec.Shape.InLen())
}

// Share returns W·r − s, mod 2^64: where it is not explicit, the stream
// "linear/y".
func (h LinearHalf1) Share() []uint64 {
	return orExpanded(h.Y, h.Seed, "linear/y", h.Spec.Shape.OutLen())
}

// orExpanded returns v, or if it is nil n uniform elements of Z_{2^64}.
func orExpanded(v []uint64, seed ring.Seed, domain string, n int) []uint64 {
	if v == nil {
		v = make([]uint64, n)
		ring.NewStream(seed, domain).Fill(v)
	}
	return v
}

// LinearTolerance is how far, in units of the last place, an element of a
// linear correlation may lie from W·r: homomorphic evaluation rounds once
// (docs/protocol.md, section 6, says what one unit of 2^−(fa+fw) does and shows).
const LinearTolerance = 1

// VerifyLinearHalves checks that two halves form a linear correlation with
// weights w, up to [LinearTolerance].
func VerifyLinearHalves(w []int16, h0 LinearHalf0, h1 LinearHalf1) error {
	if h0.Spec != h1.Spec {
		return fmt.Errorf("verifying linear: party 0 holds %+v, party 1 %+v", h0.Spec, h1.Spec)
	}
	if err := h0.Spec.Validate(); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	return VerifyLinear(h0.Spec, w, h0.Mask(), h1.Mask(), h1.Share())
}

// VerifyLinear is [VerifyLinearHalves] on the vectors themselves: s is the
// server's half, r and y = W·r − s are the client's.
func VerifyLinear(spec LinearSpec, w []int16, s, r, y []uint64) error {
	if err := spec.Validate(); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	c := spec.Shape
	if len(w) != c.WeightLen() || len(r) != c.InLen() || len(s) != c.OutLen() || len(y) != c.OutLen() {
		return fmt.Errorf("verifying linear: %d weights, %d, %d and %d elements of r, s and W·r − s do not fit the shape %+v",
			len(w), len(r), len(s), len(y), c)
	}
	want := make([]uint64, c.OutLen())
	ring.Conv(want, r, w, c)
	for i := range want {
		if d := int64(s[i] + y[i] - want[i]); d > LinearTolerance || d < -LinearTolerance {
			return fmt.Errorf("verifying linear: output %d is off by %d units", i, d)
		}
	}
	return nil
}

// Validate reports the first part of h that does not fit its specification.
func (h LinearHalf0) Validate() error {
	if err := h.Spec.Validate(); err != nil {
		return err
	}
	return fits("s", h.S, h.Spec.Shape.OutLen())
}

// Validate reports the first part of h that does not fit its specification.
func (h LinearHalf1) Validate() error {
	if err := h.Spec.Validate(); err != nil {
		return err
	}
	if err := fits("r", h.R, h.Spec.Shape.InLen()); err != nil {
		return err
	}
	return fits("W·r − s", h.Y, h.Spec.Shape.OutLen())
}

func fits(name string, v []uint64, n int) error {
	if v != nil && len(v) != n {
		return fmt.Errorf("linear correlation: %d elements of %s, not %d", len(v), name, n)
	}
	return nil
}

// Format keeps the half out of logs, errors and debug output, whatever the verb.
func (h LinearHalf0) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "linear(party 0, %d outputs, redacted)", h.Spec.Shape.K)
}

// Format keeps the half out of logs, errors and debug output, whatever the verb.
func (h LinearHalf1) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "linear(party 1, %d outputs, redacted)", h.Spec.Shape.K)
}

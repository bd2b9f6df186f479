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

// LinearTolerance is how far, in units of the last place, an element of a
// linear correlation may lie from W·r: homomorphic evaluation rounds once
// (docs/protocol.md says why one unit of 2^−(fa+fw) is harmless).
const LinearTolerance = 1

// VerifyLinear checks that s (the server's half) and r, y (the client's) form a
// linear correlation with weights w, up to [LinearTolerance].
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

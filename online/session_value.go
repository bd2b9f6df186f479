package online

import (
	"fmt"
	"math"
	"slices"

	"pascaline/correlation"
)

// maxFrac bounds the fractional bits of a value, and maxBits the magnitude of
// what goes in: values below 2^61 open correctly wherever they are opened under
// a mask.
const (
	maxFrac = 61
	maxBits = 61
)

// A Value is a tensor that both parties share: the integer v of each element is
// the sum of the parties' shares mod 2^64, in two's complement, and stands for v
// / 2^Frac. It belongs to one session and does not change.
type Value struct {
	session *Session
	origin  string // the operation it results from
	shape   []int
	frac    uint
	share   []uint64 // nil while pending
}

// Shape returns the dimensions, outermost first: elements are row-major, images
// NHWC. A scalar has none.
func (v *Value) Shape() []int { return slices.Clone(v.shape) }

// Frac returns the fractional bits.
func (v *Value) Frac() uint { return v.frac }

// Len returns the number of elements.
func (v *Value) Len() int { return elements(v.shape) }

// Share returns this party's share, mod 2^64; nil while v is pending. It is
// secret from the other party.
func (v *Value) Share() []uint64 { return slices.Clone(v.share) }

// Format prints what v is and keeps its share out of logs, errors and debug
// output, whatever the verb.
func (v Value) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "value(%v, %d fractional bits, redacted)", v.shape, v.frac)
}

// Opened is what [Session.Open] opens.
type Opened struct {
	frac  uint
	words []uint64
}

// Words returns the elements mod 2^64, and Floats the numbers they stand for.
// Both are nil before [Session.Run], and at a party that the value was not opened
// to.
func (o *Opened) Words() []uint64 { return slices.Clone(o.words) }
func (o *Opened) Floats() []float64 {
	if o.words == nil {
		return nil
	}
	x := make([]float64, len(o.words))
	for i, v := range o.words {
		x[i] = math.Ldexp(float64(int64(v)), -int(o.frac))
	}
	return x
}

// Format keeps the value out of logs, errors and debug output, whatever the verb.
func (o Opened) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "opened(%d elements, redacted)", len(o.words))
}

// Encode returns the integers that stand for x with frac fractional bits,
// rounded to nearest, in two's complement. They must be below 2^61.
func Encode(frac uint, x ...float64) ([]uint64, error) {
	if frac > maxFrac {
		return nil, fmt.Errorf("encoding with %d fractional bits; there can be %d", frac, maxFrac)
	}
	words := make([]uint64, len(x))
	for i, f := range x {
		r := math.RoundToEven(math.Ldexp(f, int(frac)))
		if !(math.Abs(r) < 1<<maxBits) { // NaN too
			return nil, fmt.Errorf("encoding: element %d is no number below %g in magnitude, the most that %d fractional bits leave room for",
				i, math.Ldexp(1, maxBits-int(frac)), frac)
		}
		words[i] = uint64(int64(r))
	}
	return words, nil
}

// elements returns the product of the dimensions.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// checkShape reports a shape that no value can have.
func checkShape(shape []int) error {
	n := 1
	for _, d := range shape {
		if d < 1 || d > correlation.MaxElements {
			return fmt.Errorf("the shape %v has a dimension of %d; they must be from 1 to %d", shape, d, correlation.MaxElements)
		}
		if n *= d; n > correlation.MaxElements {
			return fmt.Errorf("the shape %v has more than %d elements", shape, correlation.MaxElements)
		}
	}
	return nil
}

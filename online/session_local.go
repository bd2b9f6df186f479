package online

import (
	"fmt"
	"math"
	"slices"

	"pascaline/ring"
)

// Add returns a + b, and Sub a − b. Both have the same fractional bits; the shape
// of b is that of a or its innermost dimensions, over which b is repeated. They
// are exact mod 2^64 and cost no message.
func (s *Session) Add(a, b *Value) *Value {
	return s.elementwise("add", a, b, func(x, y uint64) uint64 { return x + y })
}

func (s *Session) Sub(a, b *Value) *Value {
	return s.elementwise("sub", a, b, func(x, y uint64) uint64 { return x - y })
}

func (s *Session) elementwise(name string, a, b *Value, f func(x, y uint64) uint64) *Value {
	if !s.ready(name, a, b) {
		return s.none()
	}
	name = fmt.Sprintf("%s of %v and %v", name, a.shape, b.shape)
	outer := len(a.shape) - len(b.shape)
	if outer < 0 || !slices.Equal(a.shape[outer:], b.shape) {
		return s.fail("%s: the second must have the shape of the first or its innermost dimensions", name)
	}
	if a.frac != b.frac {
		return s.fail("%s: they have %d and %d fractional bits; scale or truncate one", name, a.frac, b.frac)
	}
	share := make([]uint64, len(a.share))
	for from := 0; from < len(share); from += len(b.share) {
		x, dst := a.share[from:][:len(b.share)], share[from:][:len(b.share)]
		for i, y := range b.share {
			dst[i] = f(x[i], y)
		}
	}
	return s.result(name, a.shape, a.frac, share)
}

// Neg returns −v.
func (s *Session) Neg(v *Value) *Value { return s.Scale(v, -1) }

// Scale returns c·v for a public integer, with the same fractional bits: exact
// mod 2^64, no message.
func (s *Session) Scale(v *Value, c int64) *Value {
	if !s.ready("scale", v) {
		return s.none()
	}
	return s.result(fmt.Sprintf("scale of %v", v.shape), v.shape, v.frac, scaled(v.share, c))
}

// ScaleFixed returns c·v for a public number, which is rounded to frac fractional
// bits: the result has as many more than v, and is exact for the rounded c.
func (s *Session) ScaleFixed(v *Value, c float64, frac uint) *Value {
	if !s.ready("scale", v) {
		return s.none()
	}
	name := fmt.Sprintf("scale of %v by %v", v.shape, c)
	frac = min(frac, maxFrac+1) // more is refused below, and must not overflow here
	r := math.RoundToEven(math.Ldexp(c, int(frac)))
	if !(math.Abs(r) < 1<<maxBits) {
		return s.fail("%s: with %d fractional bits it is no number below 2^%d", name, frac, maxBits)
	}
	return s.result(name, v.shape, v.frac+frac, scaled(v.share, int64(r)))
}

func scaled(share []uint64, c int64) []uint64 {
	dst := make([]uint64, len(share))
	for i, x := range share {
		dst[i] = x * uint64(c)
	}
	return dst
}

// Reshape returns the same elements in the same order with other dimensions.
func (s *Session) Reshape(v *Value, shape ...int) *Value {
	if !s.ready("reshape", v) {
		return s.none()
	}
	name := fmt.Sprintf("reshape of %v to %v", v.shape, shape)
	if err := checkShape(shape); err != nil {
		return s.fail("%s: %w", name, err)
	}
	if elements(shape) != len(v.share) {
		return s.fail("%s: %d elements are not %d", name, len(v.share), elements(shape))
	}
	return s.result(name, slices.Clone(shape), v.frac, v.share)
}

// Sum returns the sums over one dimension, which the result lacks.
func (s *Session) Sum(v *Value, axis int) *Value {
	if !s.ready("sum", v) {
		return s.none()
	}
	name := fmt.Sprintf("sum of %v over dimension %d", v.shape, axis)
	if axis < 0 || axis >= len(v.shape) {
		return s.fail("%s: it has dimensions 0 to %d", name, len(v.shape)-1)
	}
	inner, terms := elements(v.shape[axis+1:]), v.shape[axis]
	share := make([]uint64, len(v.share)/terms)
	for i := range len(v.share) / inner {
		dst := share[i/terms*inner:][:inner]
		ring.Add(dst, dst, v.share[i*inner:][:inner])
	}
	return s.result(name, slices.Delete(slices.Clone(v.shape), axis, axis+1), v.frac, share)
}

// SumPool returns, for images N×H×W×C, the sums over the windows of kh×kw pixels
// of each channel. Padding counts as zeros.
func (s *Session) SumPool(v *Value, kh, kw int, w Window) *Value {
	if !s.ready("pool", v) {
		return s.none()
	}
	name := fmt.Sprintf("pool of %v by %d×%d", v.shape, kh, kw)
	if len(v.shape) != 4 {
		return s.fail("%s: images have the dimensions N, H, W, C", name)
	}
	shape := w.shape(v.shape, kh, kw, v.shape[3])
	if err := shape.Validate(); err != nil {
		return s.fail("%s: %w", name, err)
	}
	share := make([]uint64, v.shape[0]*shape.OutLen())
	for i := range v.shape[0] {
		ring.SumPool(share[i*shape.OutLen():][:shape.OutLen()], v.share[i*shape.InLen():][:shape.InLen()], shape)
	}
	return s.result(name, []int{v.shape[0], shape.OutH(), shape.OutW(), shape.K}, v.frac, share)
}

// Window says how a kernel moves over an image: strides, of which 0 counts as 1,
// and padding with zeros.
type Window struct {
	StrideH, StrideW                     int
	PadTop, PadLeft, PadBottom, PadRight int
}

// shape returns the geometry on images N×H×W×C with a kernel of kh×kw pixels and
// k output channels.
func (w Window) shape(images []int, kh, kw, k int) ring.ConvShape {
	c := ring.ConvShape{
		H: images[1], W: images[2], C: images[3], K: k, KH: kh, KW: kw,
		StrideH: w.StrideH, StrideW: w.StrideW,
		PadTop: w.PadTop, PadLeft: w.PadLeft, PadBottom: w.PadBottom, PadRight: w.PadRight,
	}
	if c.StrideH == 0 {
		c.StrideH = 1
	}
	if c.StrideW == 0 {
		c.StrideW = 1
	}
	return c
}

package ring

import "fmt"

// ConvShape is the geometry of one two-dimensional convolution on one image, in
// elements. A matrix product is the convolution of a 1×1 image with a 1×1
// kernel: see [LinearShape].
//
// The input is H×W×C (NHWC), the output OutH()×OutW()×K, the weights
// KH×KW×C×K (output channel innermost). Padding is with zeros.
type ConvShape struct {
	H, W, C                              int // input
	K                                    int // output channels
	KH, KW                               int // kernel
	StrideH, StrideW                     int
	PadTop, PadLeft, PadBottom, PadRight int
}

// LinearShape is the shape of the product of a vector of in elements by an
// in×out matrix.
func LinearShape(in, out int) ConvShape {
	return ConvShape{H: 1, W: 1, C: in, K: out, KH: 1, KW: 1, StrideH: 1, StrideW: 1}
}

// OutH returns the height of the output.
func (s ConvShape) OutH() int { return (s.H+s.PadTop+s.PadBottom-s.KH)/s.StrideH + 1 }

// OutW returns the width of the output.
func (s ConvShape) OutW() int { return (s.W+s.PadLeft+s.PadRight-s.KW)/s.StrideW + 1 }

// InRows returns how many rows of the input, from the top, the first n rows of
// the output depend on.
func (s ConvShape) InRows(n int) int {
	if n == 0 {
		return 0
	}
	return min(max(0, (n-1)*s.StrideH-s.PadTop+s.KH), s.H)
}

// InLen, OutLen and WeightLen return the number of elements of the input, the
// output and the weights.
func (s ConvShape) InLen() int     { return s.H * s.W * s.C }
func (s ConvShape) OutLen() int    { return s.OutH() * s.OutW() * s.K }
func (s ConvShape) WeightLen() int { return s.KH * s.KW * s.C * s.K }

// MACs returns the number of multiplications of the direct algorithm, those
// with padding included.
func (s ConvShape) MACs() int { return s.OutLen() * s.KH * s.KW * s.C }

// maxDim bounds every dimension, and maxElements every tensor, of a shape from
// outside, so that no product of them overflows an int.
const (
	maxDim      = 1 << 20
	maxElements = 1 << 28
)

// Validate reports the first thing that makes s no convolution, or one larger
// than this package takes (2^28 elements in any tensor).
func (s ConvShape) Validate() error {
	for _, d := range []struct {
		name string
		v    int
		min  int
	}{
		{"input height", s.H, 1}, {"input width", s.W, 1}, {"input channels", s.C, 1},
		{"output channels", s.K, 1}, {"kernel height", s.KH, 1}, {"kernel width", s.KW, 1},
		{"vertical stride", s.StrideH, 1}, {"horizontal stride", s.StrideW, 1},
		{"top padding", s.PadTop, 0}, {"left padding", s.PadLeft, 0},
		{"bottom padding", s.PadBottom, 0}, {"right padding", s.PadRight, 0},
	} {
		if d.v < d.min || d.v > maxDim {
			return fmt.Errorf("%s is %d; it must be from %d to %d", d.name, d.v, d.min, maxDim)
		}
	}
	if s.KH > s.H+s.PadTop+s.PadBottom || s.KW > s.W+s.PadLeft+s.PadRight {
		return fmt.Errorf("kernel %d×%d is larger than the padded input %d×%d",
			s.KH, s.KW, s.H+s.PadTop+s.PadBottom, s.W+s.PadLeft+s.PadRight)
	}
	for _, t := range []struct {
		name string
		dims []int
	}{
		{"input", []int{s.H, s.W, s.C}},
		{"output", []int{s.OutH(), s.OutW(), s.K}},
		{"weights", []int{s.KH, s.KW, s.C, s.K}},
	} {
		n := 1
		for _, d := range t.dims {
			if n *= d; n > maxElements {
				return fmt.Errorf("%s has more than %d elements", t.name, maxElements)
			}
		}
	}
	return nil
}

package correlation

import (
	"fmt"
	"strconv"
	"strings"

	"pascaline/ring"
)

// Limits of specifications. Degree 8 is the highest polynomial that the online
// phase evaluates; masks must leave room for the opened value in 64 bits.
const (
	MinDegree   = 2
	MaxDegree   = 8
	MaxMaskBits = 61
	MaxElements = 1 << 28
	// MaxWords bounds one half, in words of eight bytes.
	MaxWords = 1 << 27
)

// Spec says what a correlation is: N elements of a kind. Specifications are
// compared with ==.
type Spec struct {
	Kind Kind
	// N counts the elements: triples, squares, products, elements of a vector of
	// powers, products of matrices or images, and for Linear inferences.
	N int

	// Powers: ρ = ρ_0 + ρ_1, both parts uniform below 2^MaskBits and never
	// wrapping, and shares of ρ² to ρ^Degree in Z_{2^128}.
	Degree   int
	MaskBits uint

	// Convolution and Linear: the geometry of one image. Matrix: that of
	// [MatrixShape].
	Shape ring.ConvShape
	// Fixed: all N products of a Matrix or Convolution have the same second
	// operand B, so that what multiplies it (a model's weights) is opened against
	// it once.
	Fixed bool

	// Layer is the index in [Run.Layers] of a Linear's weights.
	Layer int
}

// MatrixShape is the product of an m×k by a k×n matrix as a convolution: of an
// image of m×1 pixels and k channels with a kernel of one pixel. Both are
// row-major.
func MatrixShape(m, k, n int) ring.ConvShape {
	return ring.ConvShape{H: m, W: 1, C: k, K: n, KH: 1, KW: 1, StrideH: 1, StrideW: 1}
}

// MatrixSpec is the specification of count products of an m×k by a k×n matrix.
func MatrixSpec(m, k, n, count int, fixed bool) Spec {
	return Spec{Kind: Matrix, N: count, Shape: MatrixShape(m, k, n), Fixed: fixed}
}

// Validate reports what makes s impossible.
func (s Spec) Validate() error {
	if s.Kind < Triples || s.Kind > Linear {
		return fmt.Errorf("correlation of unknown %v", s.Kind)
	}
	if s.N < 1 || s.N > MaxElements {
		return fmt.Errorf("%v of %d elements; there must be from 1 to %d", s.Kind, s.N, MaxElements)
	}
	if err := s.validateKind(); err != nil {
		return err
	}
	if foreign := s.foreign(); foreign != "" {
		return fmt.Errorf("%v with %s, which is for other kinds", s.Kind, foreign)
	}
	if w := s.Words(); w > MaxWords {
		return fmt.Errorf("%v of %d elements take %d MiB; make at most %d MiB at a time", s.Kind, s.N, w>>17, MaxWords>>17)
	}
	return nil
}

// validateKind checks what belongs to the kind.
func (s Spec) validateKind() error {
	switch s.Kind {
	case Powers:
		if s.Degree < MinDegree || s.Degree > MaxDegree {
			return fmt.Errorf("powers to degree %d; it must be from %d to %d", s.Degree, MinDegree, MaxDegree)
		}
		if s.MaskBits < 1 || s.MaskBits > MaxMaskBits {
			return fmt.Errorf("powers of masks of %d bits; it must be from 1 to %d", s.MaskBits, MaxMaskBits)
		}
	case Matrix, Convolution, Linear:
		if err := s.Shape.Validate(); err != nil {
			return fmt.Errorf("%v: %w", s.Kind, err)
		}
		if c := s.Shape; s.Kind == Matrix && c != MatrixShape(c.H, c.C, c.K) {
			return fmt.Errorf("matrix of the shape of a convolution, %s", shapeText(c))
		}
		if s.Kind == Linear && (s.Layer < 0 || s.Layer > MaxElements) {
			return fmt.Errorf("linear: layer %d; it must be from 0 to %d", s.Layer, MaxElements)
		}
	}
	return nil
}

// foreign names the first field that is set and means nothing for the kind of s.
func (s Spec) foreign() string {
	bilinear := s.Kind == Matrix || s.Kind == Convolution
	switch {
	case s.Degree != 0 && s.Kind != Powers:
		return "a degree"
	case s.MaskBits != 0 && s.Kind != Powers:
		return "a number of mask bits"
	case s.Shape != ring.ConvShape{} && !bilinear && s.Kind != Linear:
		return "a shape"
	case s.Fixed && !bilinear:
		return "a fixed operand"
	case s.Layer != 0 && s.Kind != Linear:
		return "a layer"
	}
	return ""
}

// String says in words what s is: its number of elements, and its pool.
func (s Spec) String() string {
	text := fmt.Sprintf("%d of %s", s.N, s.Pool())
	if s.Kind == Linear {
		text += fmt.Sprintf(" layer %d, %s", s.Layer, shapeText(s.Shape))
	}
	return text
}

// Pool names what s is but for its number of elements, in text, as stores and
// command lines name it: triples, squares, products, powers/DEGREE/MASKBITS,
// matrix/MxKxN, convolution/HxWxC/KHxKWxK/sHxW/pTxLxBxR, the last two with /fixed
// where their second operand is. Linear correlations belong to a run and have no
// pool.
func (s Spec) Pool() string {
	text := s.Kind.String()
	switch c := s.Shape; s.Kind {
	case Powers:
		text += fmt.Sprintf("/%d/%d", s.Degree, s.MaskBits)
	case Matrix:
		text += fmt.Sprintf("/%dx%dx%d", c.H, c.C, c.K)
	case Convolution:
		text += "/" + shapeText(c)
	}
	if s.Fixed {
		text += "/fixed"
	}
	return text
}

// shapeText names a shape: input, kernel and output channels, strides, padding.
func shapeText(c ring.ConvShape) string {
	return fmt.Sprintf("%dx%dx%d/%dx%dx%d/s%dx%d/p%dx%dx%dx%d",
		c.H, c.W, c.C, c.KH, c.KW, c.K, c.StrideH, c.StrideW, c.PadTop, c.PadLeft, c.PadBottom, c.PadRight)
}

// ParsePool is the inverse of [Spec.Pool]: the specification has n elements and
// is valid.
func ParsePool(pool string, n int) (Spec, error) {
	text, fixed := strings.CutSuffix(pool, "/fixed")
	name, rest, _ := strings.Cut(text, "/")
	kind, err := ParseKind(name)
	if err != nil {
		return Spec{}, err
	}
	s := Spec{Kind: kind, N: n, Fixed: fixed}
	numbers, ok := parseNumbers(rest)
	form := name
	switch {
	case kind == Linear:
		return Spec{}, fmt.Errorf("linear correlations are made with a model's bundles only")
	case kind == Powers:
		form = "powers/DEGREE/MASKBITS, like powers/4/52"
		if ok = ok && len(numbers) == 2; ok {
			s.Degree, s.MaskBits = numbers[0], uint(numbers[1])
		}
	case kind == Matrix:
		form = "matrix/MxKxN, like matrix/64x128x10"
		if ok = ok && len(numbers) == 3; ok {
			s.Shape = MatrixShape(numbers[0], numbers[1], numbers[2])
		}
	case kind == Convolution:
		form = "convolution/HxWxC/KHxKWxK/sHxW/pTxLxBxR, like convolution/28x28x1/5x5x16/s1x1/p2x2x2x2"
		if v := numbers; ok && len(v) == 12 {
			s.Shape = ring.ConvShape{H: v[0], W: v[1], C: v[2], KH: v[3], KW: v[4], K: v[5], StrideH: v[6], StrideW: v[7],
				PadTop: v[8], PadLeft: v[9], PadBottom: v[10], PadRight: v[11]}
		}
	}
	// What is written in another way than Pool writes it would name another pool.
	if !ok || s.Pool() != pool {
		return Spec{}, fmt.Errorf("%.120q is no pool of %s; write %s", pool, name, form)
	}
	if err := s.Validate(); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// parseNumbers reads the numbers between slashes and crosses, which may have the
// letters s and p before them.
func parseNumbers(text string) (numbers []int, ok bool) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == '/' || r == 'x' }) {
		n, err := strconv.Atoi(strings.TrimLeft(part, "sp"))
		if err != nil || n < 0 || n > MaxElements {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, true
}

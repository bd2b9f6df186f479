package online

import (
	"fmt"
	"slices"

	"pascaline/correlation"
	"pascaline/ring"
)

// Mul returns a·b, elementwise: one round, a triple and 16 bytes per element and
// party. Of a value by itself it takes a square and 8 bytes. The fractional bits
// add up; the product is exact mod 2^64.
//
// With a triple a, b, ab the parties open e = x − a and d = y − b, which are
// uniform, and x·y = e·y + d·a + ab.
func (s *Session) Mul(x, y *Value) *Value {
	if !s.ready("mul", x, y) {
		return s.none()
	}
	name := fmt.Sprintf("mul of %v and %v", x.shape, y.shape)
	if !slices.Equal(x.shape, y.shape) {
		return s.fail("%s: they must have the same shape", name)
	}
	v := s.result(name, x.shape, x.frac+y.frac, nil)
	if x == y {
		return s.square(name, x, v)
	}
	spec := correlation.Spec{Kind: correlation.Triples, N: len(x.share)}
	return s.enqueue(operation{name: name, spec: spec, begin: func(half *correlation.Half) *opening {
		return beaver(x.share, y.share, half, func(product []uint64) *opening {
			v.share = product
			return nil
		})
	}}, v)
}

// beaver multiplies shares x and y with the triples of a half and hands on the
// shares of the products, which are uniform.
func beaver(x, y []uint64, half *correlation.Half, then func(product []uint64) *opening) *opening {
	n := len(x)
	a := half.A()
	send := make([]uint64, 2*n)
	ring.Sub(send[:n], x, a)
	ring.Sub(send[n:], y, half.B())
	return &opening{send: send, expect: 2 * n, then: func(theirs []uint64) *opening {
		ring.Add(theirs, theirs, send)
		e, d := theirs[:n], theirs[n:]
		product := slices.Clone(half.C())
		for i := range product {
			product[i] += e[i]*y[i] + d[i]*a[i]
		}
		return then(product)
	}}
}

// square sets v to x²: with a, a² the parties open e = x − a, and x² = e·(x + a)
// + a².
func (s *Session) square(name string, x, v *Value) *Value {
	spec := correlation.Spec{Kind: correlation.Squares, N: len(x.share)}
	return s.enqueue(operation{name: name, spec: spec, begin: func(half *correlation.Half) *opening {
		a := half.A()
		send := make([]uint64, len(x.share))
		ring.Sub(send, x.share, a)
		return &opening{send: send, expect: len(send), then: func(theirs []uint64) *opening {
			ring.Add(theirs, theirs, send)
			v.share = slices.Clone(half.C())
			for i, e := range theirs {
				v.share[i] += e * (x.share[i] + a[i])
			}
			return nil
		}}
	}}, v)
}

// MatMul returns the product of x (m×k) by y (k×n): one round, one matrix triple,
// 8·(m·k + k·n) bytes per party. The fractional bits add up; the product is exact
// mod 2^64.
func (s *Session) MatMul(x, y *Value) *Value {
	if !s.ready("matmul", x, y) {
		return s.none()
	}
	name := fmt.Sprintf("matmul of %v and %v", x.shape, y.shape)
	if len(x.shape) != 2 || len(y.shape) != 2 || x.shape[1] != y.shape[0] {
		return s.fail("%s: it takes m×k and k×n", name)
	}
	shape := []int{x.shape[0], y.shape[1]}
	return s.bilinear(name, x, y, correlation.MatrixSpec(x.shape[0], x.shape[1], y.shape[1], 1, false), shape)
}

// Conv2D returns the convolution of the images x (N×H×W×C) with the kernel y
// (KH×KW×C×K), N×OutH×OutW×K: one round, one convolution triple for each image,
// of which all have the same second operand, and 8 bytes for each element of x
// and y. The fractional bits add up; the convolution is exact mod 2^64.
func (s *Session) Conv2D(x, y *Value, w Window) *Value {
	if !s.ready("conv2d", x, y) {
		return s.none()
	}
	name := fmt.Sprintf("conv2d of %v and %v", x.shape, y.shape)
	if len(x.shape) != 4 || len(y.shape) != 4 || x.shape[3] != y.shape[2] {
		return s.fail("%s: it takes images N×H×W×C and a kernel KH×KW×C×K", name)
	}
	c := w.shape(x.shape, y.shape[0], y.shape[1], y.shape[3])
	spec := correlation.Spec{Kind: correlation.Convolution, N: x.shape[0], Shape: c, Fixed: x.shape[0] > 1}
	if err := spec.Validate(); err != nil {
		return s.fail("%s: %w", name, err)
	}
	return s.bilinear(name, x, y, spec, []int{x.shape[0], c.OutH(), c.OutW(), c.K})
}

// bilinear opens e = x − a and d = y − b, which are uniform: x∗y = e∗y + a∗d +
// a∗b.
func (s *Session) bilinear(name string, x, y *Value, spec correlation.Spec, shape []int) *Value {
	v := s.result(name, shape, x.frac+y.frac, nil)
	return s.enqueue(operation{name: name, spec: spec, begin: func(half *correlation.Half) *opening {
		n := len(x.share)
		send := make([]uint64, n+len(y.share))
		ring.Sub(send[:n], x.share, half.A())
		ring.Sub(send[n:], y.share, half.B())
		return &opening{send: send, expect: len(send), then: func(theirs []uint64) *opening {
			ring.Add(theirs, theirs, send)
			v.share = convolve(theirs[:n], y.share, theirs[n:], half)
			return nil
		}}
	}}, v)
}

// convolve returns e∗y + a∗d + c, image after image.
func convolve(e, y, d []uint64, half *correlation.Half) []uint64 {
	shape, count := half.Spec.Shape, half.Spec.N
	if half.Spec.Kind == correlation.Matrix {
		// Matrices with the same second operand are one matrix.
		shape, count = correlation.MatrixShape(count*shape.H, shape.C, shape.K), 1
	}
	in, out := shape.InLen(), shape.OutLen()
	a, dst := half.A(), slices.Clone(half.C())
	term := make([]uint64, out)
	for i := range count {
		sum := dst[i*out:][:out]
		ring.ConvWide(term, e[i*in:][:in], y, shape)
		ring.Add(sum, sum, term)
		ring.ConvWide(term, a[i*in:][:in], d, shape)
		ring.Add(sum, sum, term)
	}
	return dst
}

// A Fixed is a second operand, a model's weights, that multiplies several first
// ones: it is opened against its correlations' b once, and then each product
// costs the opening of its first operand alone. The correlations, all with the
// same b, come from the source in one piece, so that they are bound to this
// operand: another one opened against the same b would give away the difference.
type Fixed struct {
	session *Session
	name    string
	frac    uint
	y       []uint64 // share of the operand
	d       []uint64 // y − b in the clear; nil while pending
	half    *correlation.Half
	used    int
}

// FixMatrix fixes y (k×n) for uses products with m×k matrices: one round, that
// many matrix triples, 8·k·n bytes per party.
func (s *Session) FixMatrix(y *Value, m, uses int) *Fixed {
	if !s.ready("fix matrix", y) {
		return &Fixed{session: s}
	}
	name := fmt.Sprintf("fix matrix %v for %d×k", y.shape, m)
	if len(y.shape) != 2 {
		s.fail("%s: it takes k×n", name)
		return &Fixed{session: s}
	}
	return s.fix(name, y, correlation.MatrixSpec(m, y.shape[0], y.shape[1], uses, true))
}

// FixKernel fixes a kernel y (KH×KW×C×K) for convolutions with images of h×w
// pixels, as many as there are uses: one round, that many convolution triples, 8
// bytes for each element of y and party.
func (s *Session) FixKernel(y *Value, h, w int, window Window, uses int) *Fixed {
	if !s.ready("fix kernel", y) {
		return &Fixed{session: s}
	}
	name := fmt.Sprintf("fix kernel %v for %d×%d pixels", y.shape, h, w)
	if len(y.shape) != 4 {
		s.fail("%s: it takes KH×KW×C×K", name)
		return &Fixed{session: s}
	}
	shape := window.shape([]int{uses, h, w, y.shape[2]}, y.shape[0], y.shape[1], y.shape[3])
	return s.fix(name, y, correlation.Spec{Kind: correlation.Convolution, N: uses, Shape: shape, Fixed: true})
}

func (s *Session) fix(name string, y *Value, spec correlation.Spec) *Fixed {
	f := &Fixed{session: s, name: name, frac: y.frac, y: y.share}
	s.enqueue(operation{name: name, spec: spec, begin: func(half *correlation.Half) *opening {
		send := make([]uint64, len(y.share))
		ring.Sub(send, y.share, half.B())
		return &opening{send: send, expect: len(send), then: func(theirs []uint64) *opening {
			f.half, f.d = half, slices.Clone(theirs)
			ring.Add(f.d, f.d, send)
			return nil
		}}
	}}, nil)
	return f
}

// Left returns how many uses are left.
func (f *Fixed) Left() int {
	if f.half == nil {
		return 0
	}
	return f.half.Spec.N - f.used
}

// Mul returns the product of x by the fixed operand: of u matrices m×k, one below
// the other, u uses; of images N×H×W×C N uses. One round, 8 bytes for each element of x and party. The
// fractional bits add up; the product is exact mod 2^64.
func (f *Fixed) Mul(x *Value) *Value {
	s := f.session
	if !s.ready("mul by a fixed operand", x) {
		return s.none()
	}
	name := fmt.Sprintf("mul of %v by %s", x.shape, f.name)
	if f.half == nil {
		return s.fail("%s: the fixed operand is pending; call Run first", name)
	}
	spec := f.half.Spec
	c, uses := spec.Shape, 0
	var shape []int
	switch {
	case spec.Kind == correlation.Matrix && len(x.shape) == 2 && x.shape[0]%c.H == 0 && x.shape[1] == c.C:
		uses = x.shape[0] / c.H
		shape = []int{x.shape[0], c.K}
	case spec.Kind == correlation.Convolution && len(x.shape) == 4 && slices.Equal(x.shape[1:], []int{c.H, c.W, c.C}):
		uses = x.shape[0]
		shape = []int{uses, c.OutH(), c.OutW(), c.K}
	default:
		return s.fail("%s: the operand is for %v", name, operandShape(spec))
	}
	if uses > f.Left() {
		return s.fail("%s: it takes %d uses of the %d that are left of %d; fix it for more", name, uses, f.Left(), spec.N)
	}
	half := f.half.Slice(f.used, f.used+uses)
	f.used += uses
	v := s.result(name, shape, x.frac+f.frac, nil)
	return s.enqueue(operation{name: name, begin: func(*correlation.Half) *opening {
		send := make([]uint64, len(x.share))
		ring.Sub(send, x.share, half.A())
		return &opening{send: send, expect: len(send), then: func(theirs []uint64) *opening {
			ring.Add(theirs, theirs, send)
			v.share = convolve(theirs, f.y, f.d, half)
			return nil
		}}
	}}, v)
}

// operandShape names the first operands that fit.
func operandShape(spec correlation.Spec) string {
	if c := spec.Shape; spec.Kind == correlation.Convolution {
		return fmt.Sprintf("images N×%d×%d×%d", c.H, c.W, c.C)
	}
	return fmt.Sprintf("matrices %d×%d", spec.Shape.H, spec.Shape.C)
}

// Format keeps the operand out of logs, errors and debug output, whatever the
// verb.
func (f Fixed) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "%s(redacted)", f.name) }

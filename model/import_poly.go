package model

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pascaline/internal/onnxpb"
)

// polynomial holds the coefficients c_0, c_1, … of an elementwise polynomial.
// Its last coefficient is not zero, unless it is the only one.
type polynomial []float64

func identity() polynomial { return polynomial{0, 1} }

func (p polynomial) degree() int { return len(p) - 1 }

func (p polynomial) isIdentity() bool { return len(p) == 2 && p[0] == 0 && p[1] == 1 }

func (p polynomial) trim() polynomial {
	for len(p) > 1 && p[len(p)-1] == 0 {
		p = p[:len(p)-1]
	}
	return p
}

// plus returns p + factor·q.
func (p polynomial) plus(q polynomial, factor float64) polynomial {
	sum := make(polynomial, max(len(p), len(q)))
	copy(sum, p)
	for i, c := range q {
		sum[i] += factor * c
	}
	return sum.trim()
}

func (p polynomial) times(q polynomial) polynomial {
	product := make(polynomial, len(p)+len(q)-1)
	for i, a := range p {
		for j, b := range q {
			product[i+j] += a * b
		}
	}
	return product.trim()
}

// of returns p(q(x)).
func (p polynomial) of(q polynomial) polynomial {
	r := polynomial{0}
	for i := len(p) - 1; i >= 0; i-- {
		r = r.times(q).plus(polynomial{p[i]}, 1)
	}
	return r
}

func (p polynomial) check() error {
	if p.degree() > maxDegree {
		return fmt.Errorf("makes a polynomial of degree %d; activations have degree %d at most", p.degree(), maxDegree)
	}
	for _, c := range p {
		if math.IsInf(c, 0) || math.IsNaN(c) {
			return errors.New("makes a polynomial whose coefficients overflow")
		}
	}
	return nil
}

// arithmetic imports Add, Sub, Mul, Div and Pow.
func (im *importer) arithmetic(n *onnxpb.NodeProto) (*value, error) {
	var v [2]*value
	for i := range v {
		var err error
		if v[i], err = im.get(n, i); err != nil {
			return nil, err
		}
		if v[i] == nil {
			return nil, fmt.Errorf("lacks input %d", i)
		}
		if err := v[i].unpadded(); err != nil {
			return nil, err
		}
	}
	a, b := v[0], v[1]
	switch {
	case a.isConstant() && b.isConstant():
		return im.constantArithmetic(n, a, b)
	case b.isConstant():
		t, err := b.tensor()
		if err != nil {
			return nil, fmt.Errorf("its input %q: %w", n.Input[1], err)
		}
		return im.withConstant(n, a, t)
	case a.isConstant():
		t, err := a.tensor()
		if err != nil {
			return nil, fmt.Errorf("its input %q: %w", n.Input[0], err)
		}
		return im.constantWith(n, t, b)
	}
	if !slices.Equal(a.dims, b.dims) {
		return nil, fmt.Errorf("combines tensors of shapes %d and %d; they must have the same shape", a.dims, b.dims)
	}
	if a.base == b.base && a.image() == b.image() {
		switch n.OpType {
		case "Add":
			return elementwise(n, a, a.poly.plus(b.poly, 1))
		case "Sub":
			return elementwise(n, a, a.poly.plus(b.poly, -1))
		case "Mul":
			return elementwise(n, a, a.poly.times(b.poly))
		}
	}
	switch n.OpType {
	case "Add":
		return im.addBranches(n, a, b)
	case "Sub":
		negative, err := elementwise(n, b, b.poly.times(polynomial{-1}))
		if err != nil {
			return nil, err
		}
		return im.addBranches(n, a, negative)
	case "Mul":
		return nil, errors.New("multiplies two different tensors of the network; only the powers of one tensor can be" +
			" computed: replace gates and attention by convolutions and polynomial activations")
	}
	return nil, fmt.Errorf("takes two tensors of the network; only Add, Sub and Mul can: %s", polynomialRemedy)
}

// addBranches adds the outputs of two steps.
func (im *importer) addBranches(n *onnxpb.NodeProto, a, b *value) (*value, error) {
	if len(a.dims) != 4 && a.order != b.order && !(sameOrder(a.order) && sameOrder(b.order)) {
		return nil, fmt.Errorf("adds flattened images of %v and %v, whose elements are in different orders; add before the Flatten",
			a.order, b.order)
	}
	s := &step{GraphNode: GraphNode{Op: OpAdd}}
	for _, v := range []*value{a, b} {
		in, err := im.step(v)
		if err != nil {
			return nil, err
		}
		s.Shape = in.Shape
		s.inputs = append(s.inputs, in)
	}
	v := im.result(n, s, a.dims)
	v.order = a.order
	return v, nil
}

// elementwise returns the value p of v's base.
func elementwise(n *onnxpb.NodeProto, v *value, p polynomial) (*value, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return &value{base: v.base, poly: p, dims: v.dims, order: v.order, last: nodeName(n), from: describe(n)}, nil
}

// withConstant combines v with a constant on its right.
func (im *importer) withConstant(n *onnxpb.NodeProto, v *value, t *tensor) (*value, error) {
	if n.OpType == "Pow" {
		return power(n, v, t)
	}
	if err := t.fits(v.dims); err != nil {
		return nil, err
	}
	product := n.OpType == "Mul" || n.OpType == "Div"
	if c, ok := t.uniform(); ok {
		switch {
		case n.OpType == "Div" && c == 0:
			return nil, errDivision
		case n.OpType == "Div":
			c = 1 / c
		case n.OpType == "Sub":
			c = -c
		}
		if product {
			return elementwise(n, v, v.poly.times(polynomial{c}))
		}
		return elementwise(n, v, v.poly.plus(polynomial{c}, 1))
	}
	if err := im.charge(t.len()); err != nil {
		return nil, err
	}
	operand := t.elements()
	for i, c := range operand {
		switch {
		case n.OpType == "Div" && c == 0:
			return nil, errDivision
		case n.OpType == "Div":
			operand[i] = 1 / c
		case n.OpType == "Sub":
			operand[i] = -c
		}
	}
	if product {
		return im.affine(n, v, operand, channels{0})
	}
	return im.affine(n, v, channels{1}, operand)
}

var errDivision = errors.New("divides by zero")

// constantWith combines v with a constant on its left.
func (im *importer) constantWith(n *onnxpb.NodeProto, t *tensor, v *value) (*value, error) {
	switch n.OpType {
	case "Add", "Mul":
		return im.withConstant(n, v, t)
	case "Sub":
		if err := t.fits(v.dims); err != nil {
			return nil, err
		}
		if c, ok := t.uniform(); ok {
			return elementwise(n, v, polynomial{c}.plus(v.poly, -1))
		}
		if err := im.charge(t.len()); err != nil {
			return nil, err
		}
		return im.affine(n, v, channels{-1}, t.elements())
	case "Div":
		return nil, fmt.Errorf("divides by a tensor of the network: %s", polynomialRemedy)
	}
	return nil, fmt.Errorf("raises a constant to a power that the network computes: %s", polynomialRemedy)
}

func power(n *onnxpb.NodeProto, v *value, t *tensor) (*value, error) {
	e, ok := t.uniform()
	if !ok || len(t.dims) > len(v.dims) || e != math.Trunc(e) || e < 1 || e > maxDegree {
		if ok {
			return nil, fmt.Errorf("raises to the power of %v; only whole numbers from 1 to %d are supported", e, maxDegree)
		}
		return nil, fmt.Errorf("raises to a power of shape %d; only one number, from 1 to %d, is supported", t.dims, maxDegree)
	}
	if d := v.poly.degree() * int(e); d > maxDegree {
		return nil, fmt.Errorf("makes a polynomial of degree %d; activations have degree %d at most", d, maxDegree)
	}
	p := v.poly
	for range int(e) - 1 {
		p = p.times(v.poly)
	}
	return elementwise(n, v, p)
}

// negate imports Neg.
func (im *importer) negate(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	return elementwise(n, v, v.poly.times(polynomial{-1}))
}

// maxFolded bounds a constant that is computed from others.
const maxFolded = 1 << 16

// constantArithmetic computes a constant from two, of which one may be a single
// number.
func (im *importer) constantArithmetic(n *onnxpb.NodeProto, va, vb *value) (*value, error) {
	a, err := va.tensor()
	if err != nil {
		return nil, fmt.Errorf("its input %q: %w", n.Input[0], err)
	}
	b, err := vb.tensor()
	if err != nil {
		return nil, fmt.Errorf("its input %q: %w", n.Input[1], err)
	}
	big, small := a, b
	if b.len() > a.len() || b.len() == a.len() && len(b.dims) > len(a.dims) {
		big, small = b, a
	}
	size := big.len()
	fits := slices.Equal(a.dims, b.dims) || small.len() == 1 && len(small.dims) <= len(big.dims)
	if !fits || small.len() == 0 || size > maxFolded {
		return nil, fmt.Errorf("computes with constants of shapes %d and %d; export the model with constant folding"+
			" (do_constant_folding=True)", a.dims, b.dims)
	}
	if err := im.charge(size); err != nil {
		return nil, err
	}
	out := &tensor{dims: big.dims, double: make([]float64, size)}
	whole := a.int != nil && b.int != nil && n.OpType != "Pow"
	if whole {
		out.int = make([]int64, size)
	}
	for i := range size {
		x, y := a.at(i%a.len()), b.at(i%b.len())
		var r float64
		switch n.OpType {
		case "Add":
			r = x + y
		case "Sub":
			r = x - y
		case "Mul":
			r = x * y
		case "Div":
			r = x / y
		default:
			r = math.Pow(x, y)
		}
		if math.IsNaN(r) || math.IsInf(r, 0) {
			return nil, fmt.Errorf("its value is %v", r)
		}
		if whole {
			out.int[i] = int64(math.Trunc(r))
		}
		out.double[i] = r
	}
	if whole {
		out.double = nil
	}
	return &value{constant: out}, nil
}

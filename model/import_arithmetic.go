package model

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pascaline/internal/onnxpb"
)

var errDivision = errors.New("divides by zero")

// arithmetic imports Add, Sub, Mul, Div and Pow, and Sum and Mean of any number.
func (im *importer) arithmetic(n *onnxpb.NodeProto) (*value, error) {
	if len(n.Input) == 0 || len(n.Input) > maxInputs || len(n.Input) != 2 && n.OpType != "Sum" && n.OpType != "Mean" {
		return nil, fmt.Errorf("combines %d tensors", len(n.Input))
	}
	op := n.OpType
	if op == "Sum" || op == "Mean" {
		op = "Add"
	}
	out, err := im.term(n, 0)
	if err != nil {
		return nil, err
	}
	for i := range n.Input[1:] {
		v, err := im.term(n, i+1)
		if err != nil {
			return nil, err
		}
		if out, err = im.binary(n, op, out, v); err != nil {
			return nil, err
		}
	}
	if n.OpType == "Mean" {
		mean := &tensor{double: []float64{1 / float64(len(n.Input))}}
		return im.withConstant(n, "Mul", out, mean)
	}
	return out, nil
}

// term returns input i of n, constant or not, without padding.
func (im *importer) term(n *onnxpb.NodeProto, i int) (*value, error) {
	v, err := im.get(n, i)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, fmt.Errorf("lacks input %d", i)
	case v.isConstant():
		if _, err := v.tensor(); err != nil {
			return nil, fmt.Errorf("its input %q: %w", n.Input[i], err)
		}
		return v, nil
	case v.pad != nil:
		return im.unpadded(im.resolved(v))
	}
	return v, nil
}

// argument returns input 0 of n, an elementwise function, without padding.
func (im *importer) argument(n *onnxpb.NodeProto) (*value, error) {
	if _, err := im.operand(n, 0); err != nil {
		return nil, err
	}
	return im.term(n, 0)
}

func (im *importer) binary(n *onnxpb.NodeProto, op string, a, b *value) (*value, error) {
	switch {
	case a.isConstant() && b.isConstant(): // of Sum, beside others
		t, err := im.combine(op, a.constant, b.constant)
		return &value{constant: t}, err
	case b.isConstant():
		return im.withConstant(n, op, a, b.constant)
	case a.isConstant():
		return im.constantWith(n, op, a.constant, b)
	}
	switch rank := len(a.layout) - len(b.layout); {
	case rank < 0:
		a = a.viewed(n, a.layout.ranked(len(b.layout)))
	case rank > 0:
		b = b.viewed(n, b.layout.ranked(len(a.layout)))
	}
	if !slices.Equal(a.dims(), b.dims()) {
		return nil, fmt.Errorf("combines tensors of shapes %s and %s; they must have the same shape", shapeText(a.dims()), shapeText(b.dims()))
	}
	if a.base != b.base {
		a, b = im.resolved(a), im.resolved(b)
	}
	if a.base == b.base && a.layout.equal(b.layout) {
		if v, err := im.together(n, op, a, b); v != nil || err != nil {
			return v, err
		}
	}
	switch op {
	case "Add":
		return im.addBranches(n, im.resolved(a), im.resolved(b))
	case "Sub":
		b = im.resolved(b)
		negative, err := elementwise(n, b, b.poly.times(polynomial{-1}), nil)
		if err != nil {
			return nil, err
		}
		return im.addBranches(n, im.resolved(a), negative)
	case "Mul":
		return nil, errors.New("multiplies two different tensors of the network; only the powers of one tensor can be" +
			" computed: replace gates and attention by convolutions and polynomial activations")
	}
	return nil, fmt.Errorf("takes two tensors of the network; only Add, Sub and Mul can: %s", polynomialRemedy)
}

// together combines two functions of the same elements, or returns nil for an
// operator that cannot.
func (im *importer) together(n *onnxpb.NodeProto, op string, a, b *value) (*value, error) {
	sign := 1.
	switch op {
	case "Add":
	case "Sub":
		sign = -1
	case "Mul":
		switch {
		case a.f == nil && b.f != nil:
			a, b = b, a
		case a.f != nil && b.f != nil:
			a, b = im.resolved(a), im.resolved(b)
			return im.binary(n, op, a, b)
		}
		return elementwise(n, a, a.poly.times(b.poly), a.f.times(b.poly))
	default:
		return nil, nil
	}
	f, ok := a.f.plus(b.f, sign)
	if !ok {
		return im.binary(n, op, im.resolved(a), im.resolved(b))
	}
	return elementwise(n, a, a.poly.plus(b.poly, sign), f)
}

// addBranches adds the outputs of two steps.
func (im *importer) addBranches(n *onnxpb.NodeProto, a, b *value) (*value, error) {
	l := a.layout
	var s, t *step
	var err error
	if a.layout.equal(b.layout) {
		if s, err = im.step(a); err == nil {
			t, err = im.shaped(b, s.Shape)
		}
	} else if len(l) == 4 && size(l[0]) == 1 {
		if s, err = im.image(a); err == nil {
			t, err = im.image(b)
			l = imageLayout(s.Shape)
		}
	} else {
		return nil, fmt.Errorf("adds tensors of shape %s (from %s and %s) whose elements are in different orders; add before the Flatten",
			shapeText(a.dims()), a.from, b.from)
	}
	if err != nil {
		return nil, err
	}
	v := im.result(n, &step{GraphNode: GraphNode{Op: OpAdd, Shape: s.Shape}, inputs: []*step{s, t}})
	v.layout = l
	return v, nil
}

// elementwise returns the value p, and f, of v's base.
func elementwise(n *onnxpb.NodeProto, v *value, p polynomial, f *applied) (*value, error) {
	if err := errors.Join(p.check(), f.check()); err != nil {
		return nil, err
	}
	out := *v
	out.expression = &expression{base: v.base, poly: p, f: f, replaces: v.replaces, last: nodeName(n), from: describe(n)}
	return &out, nil
}

// withConstant combines v with a constant on its right.
func (im *importer) withConstant(n *onnxpb.NodeProto, op string, v *value, t *tensor) (*value, error) {
	if op == "Pow" {
		return im.power(n, v, t)
	}
	product := op == "Mul" || op == "Div"
	if t.len() == 1 && len(t.dims) > len(v.layout) {
		v = v.viewed(n, v.layout.ranked(len(t.dims)))
	}
	c, err := im.operands(v, t)
	if err != nil {
		return nil, err
	}
	for i, x := range c {
		switch {
		case op == "Div" && x == 0:
			return nil, errDivision
		case op == "Div":
			c[i] = 1 / x
		case op == "Sub":
			c[i] = -x
		}
	}
	switch {
	case len(c) == 1 && product:
		return elementwise(n, v, v.poly.times(polynomial{c[0]}), v.f.times(polynomial{c[0]}))
	case len(c) == 1:
		return elementwise(n, v, v.poly.plus(polynomial{c[0]}, 1), v.f)
	case product:
		return im.affine(n, v, c, channels{0})
	}
	return im.affine(n, v, channels{1}, c)
}

// constantWith combines v with a constant on its left.
func (im *importer) constantWith(n *onnxpb.NodeProto, op string, t *tensor, v *value) (*value, error) {
	switch op {
	case "Add", "Mul":
		return im.withConstant(n, op, v, t)
	case "Sub":
		minus := polynomial{-1}
		negative, err := elementwise(n, v, v.poly.times(minus), v.f.times(minus))
		if err != nil {
			return nil, err
		}
		return im.withConstant(n, "Add", negative, t)
	case "Div":
		return nil, fmt.Errorf("divides by a tensor of the network: %s", polynomialRemedy)
	}
	return nil, fmt.Errorf("raises a constant to a power that the network computes: %s", polynomialRemedy)
}

// operands returns what a constant has for each element of v's step: a number for
// all, one for each channel, or one for each element.
func (im *importer) operands(v *value, t *tensor) (channels, error) {
	dims := v.dims()
	lead := len(dims) - len(t.dims)
	if lead < 0 {
		return nil, fmt.Errorf("a constant of shape %s would give a value of shape %s more dimensions", shapeText(t.dims), shapeText(dims))
	}
	n := v.base.Shape.C
	for i, d := range t.dims {
		axis := v.layout[lead+i]
		if d != 1 && d != size(axis) {
			return nil, fmt.Errorf("a constant of shape %s does not fit a value of shape %s", shapeText(t.dims), shapeText(dims))
		}
		if d != 1 && !within(axis, n) {
			n = v.base.Shape.Len()
		}
	}
	if c, ok := t.uniform(); ok {
		return channels{c}, nil
	}
	if err := im.charge(n); err != nil {
		return nil, err
	}
	c := make(channels, n)
	at := make([]int, len(t.dims))
	for e := range c {
		for i := range at {
			at[i] = coordinate(v.layout[lead+i], e)
		}
		c[e] = t.at(place(at, t.dims))
	}
	return c, nil
}

// affine returns each element of v times scale plus shift, as a step that [fold]
// will merge into its neighbours.
func (im *importer) affine(n *onnxpb.NodeProto, v *value, scale, shift channels) (*value, error) {
	in, err := im.step(im.resolved(v))
	if err != nil {
		return nil, err
	}
	out := im.result(n, &step{GraphNode: GraphNode{Op: opAffine, Shape: in.Shape}, inputs: []*step{in}, scale: scale, shift: shift})
	out.layout = v.layout
	return out, nil
}

// power imports Pow.
func (im *importer) power(n *onnxpb.NodeProto, v *value, t *tensor) (*value, error) {
	e, ok := t.uniform()
	if !ok || len(t.dims) > len(v.layout) && t.len() > 1 {
		return nil, fmt.Errorf("raises to a power of shape %s; only one number, from 0 to %d, is supported", shapeText(t.dims), maxDegree)
	}
	if e != math.Trunc(e) || e < 0 || e > maxDegree {
		return nil, fmt.Errorf("raises to the power of %v; only whole numbers from 0 to %d are supported", e, maxDegree)
	}
	if e != 1 {
		v = im.resolved(v)
	}
	if d := v.poly.degree() * int(e); d > maxDegree {
		return nil, errDegree(d)
	}
	p := polynomial{1}
	for range int(e) {
		p = p.times(v.poly)
	}
	return elementwise(n, v, p, v.f)
}

// negate imports Neg.
func (im *importer) negate(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.argument(n)
	if err != nil {
		return nil, err
	}
	minus := polynomial{-1}
	return elementwise(n, v, v.poly.times(minus), v.f.times(minus))
}

package model

import (
	"errors"
	"fmt"
	"slices"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

// value is what an ONNX name stands for: a constant, or an elementwise function of
// a step's output, in some layout.
type value struct {
	// unknown is the value of a node that could not be imported.
	unknown bool

	proto    *onnxpb.TensorProto // a constant not decoded yet
	constant *tensor

	*expression
	layout layout
	pad    *padding // zeros around the image, which the consumer takes over
	view   string   // the name of the node that last changed the layout
}

// expression is an elementwise function of a step's output: a polynomial and, if f
// is set, what that adds.
type expression struct {
	base *step
	poly polynomial
	f    *applied

	made     *step       // the step made for poly, once something needed it
	resolved *expression // what it became without f, once something needed that
	replaces string      // the function that poly stands in for on its argument, if one
	last     string      // the name for it
	from     string      // the same node as errors show it
}

// padding is in elements; made is the value with it as a step of its own, once
// something needed that.
type padding struct {
	top, left, bottom, right int
	made                     *value
}

// errUnknown is the error of what depends on a node that could not be imported.
var errUnknown = errors.New("depends on what could not be imported")

// isConstant reports whether v is the same for all inputs of the network.
func (v *value) isConstant() bool { return v.expression == nil && !v.unknown }

// dims returns the shape of a value that is no constant.
func (v *value) dims() []int {
	d := v.layout.dims()
	if p := v.pad; p != nil {
		d[2] += p.top + p.bottom
		d[3] += p.left + p.right
	}
	return d
}

// missing explains why the name of a reachable node has no value.
func (im *importer) missing(name string) error {
	return fmt.Errorf("%q is a further output of %s; only the first can be used", name, describe(im.producers[name]))
}

// get returns input i of n, which may be absent.
func (im *importer) get(n *onnxpb.NodeProto, i int) (*value, error) {
	if i >= len(n.Input) || n.Input[i] == "" {
		return nil, nil
	}
	v := im.values[n.Input[i]]
	if v == nil {
		return nil, im.missing(n.Input[i])
	}
	if v.unknown {
		return nil, errUnknown
	}
	return v, nil
}

// operand returns input i of n, which must depend on the network's input.
func (im *importer) operand(n *onnxpb.NodeProto, i int) (*value, error) {
	v, err := im.get(n, i)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, fmt.Errorf("lacks input %d", i)
	case v.isConstant():
		return nil, fmt.Errorf("its input %d, %q, is a constant; it must depend on the network's input", i, n.Input[i])
	}
	return v, nil
}

// padded is operand for what can take over padding.
func (im *importer) padded(n *onnxpb.NodeProto, i int) (*value, error) {
	v, err := im.operand(n, i)
	if err != nil {
		return nil, err
	}
	return im.resolved(v), nil
}

// dynamic is operand for what needs a polynomial of a step without padding.
func (im *importer) dynamic(n *onnxpb.NodeProto, i int) (*value, error) {
	v, err := im.padded(n, i)
	if err != nil {
		return nil, err
	}
	return im.unpadded(v)
}

// unpadded returns v with its padding as a step of its own: a sum over windows of
// one element, which costs nothing.
func (im *importer) unpadded(v *value) (*value, error) {
	if v.pad == nil {
		return v, nil
	}
	if v.pad.made != nil {
		return v.pad.made, nil
	}
	in, err := im.unpaddedStep(v)
	if err != nil {
		return nil, err
	}
	s := in.Shape.window()
	s.PadTop, s.PadLeft, s.PadBottom, s.PadRight = v.pad.top, v.pad.left, v.pad.bottom, v.pad.right
	if err := s.Validate(); err != nil {
		return nil, err
	}
	v.pad.made = im.yield(poolStep(in, s, 1), v.view, v.from)
	return v.pad.made, nil
}

// window is that of one element, of each channel by itself.
func (s Shape) window() ring.ConvShape {
	return ring.ConvShape{H: s.H, W: s.W, C: s.C, K: s.C, KH: 1, KW: 1, StrideH: 1, StrideW: 1}
}

// unpaddedStep returns the image below v's padding, which the caller takes over.
func (im *importer) unpaddedStep(v *value) (*step, error) {
	inner := *v
	inner.pad = nil
	return im.image(&inner)
}

// constant returns input i of n, what it is for, which must be a constant; nil
// if it is absent.
func (im *importer) constant(n *onnxpb.NodeProto, i int, what string) (*tensor, error) {
	v, err := im.get(n, i)
	if err != nil || v == nil {
		return nil, err
	}
	if !v.isConstant() {
		return nil, fmt.Errorf("its %s %q depends on the network's input; it must be a constant", what, n.Input[i])
	}
	t, err := v.tensor()
	if err != nil {
		return nil, fmt.Errorf("its %s %q: %w", what, n.Input[i], err)
	}
	return t, nil
}

// tensor decodes a constant.
func (v *value) tensor() (*tensor, error) {
	if v.constant == nil {
		t, err := decodeTensor(v.proto)
		if err != nil {
			return nil, err
		}
		v.constant, v.proto = t, nil
	}
	return v.constant, nil
}

// step returns the step that yields v's elements in whatever layout, making one if
// v is more than the output of its base.
func (im *importer) step(v *value) (*step, error) {
	e := v.expression
	if e.made != nil {
		return e.made, nil
	}
	s := &step{GraphNode: GraphNode{Shape: e.base.Shape}, inputs: []*step{e.base}, from: e.from}
	switch d := e.poly.degree(); {
	case d == 0:
		return nil, fmt.Errorf("%s does not depend on the network's input", e.from)
	case e.poly.isIdentity():
		e.made = e.base
		return e.made, nil
	case d == 1:
		s.Op, s.scale, s.shift = opAffine, channels{e.poly[1]}, channels{e.poly[0]}
	default:
		s.Op, s.Coeffs, s.Replaces = OpPolynomial, e.poly, e.replaces
	}
	for _, same := range e.base.functions { // written out twice
		if same.Op == s.Op && slices.Equal(same.Coeffs, s.Coeffs) && slices.Equal(same.scale, s.scale) && slices.Equal(same.shift, s.shift) {
			e.made = same
			return same, nil
		}
	}
	e.made = im.add(s, e.last)
	e.base.functions = append(e.base.functions, s)
	return s, nil
}

// shaped returns the step that yields v as a tensor of that shape, in the same
// order.
func (im *importer) shaped(v *value, shape Shape) (*step, error) {
	s, err := im.step(v)
	if err != nil || s.Shape == shape {
		return s, err
	}
	for _, have := range s.views {
		if have.Shape == shape {
			return have, nil
		}
	}
	name := v.view
	if name == "" {
		name = s.Name
	}
	r := im.add(&step{GraphNode: GraphNode{Op: OpReshape, Shape: shape}, inputs: []*step{s}, from: v.from}, name)
	s.views = append(s.views, r)
	return r, nil
}

// image returns the step that yields v, of shape 1×C×H×W, as an image H×W×C.
// Channels in another order are put right.
func (im *importer) image(v *value) (*step, error) {
	dims := v.layout.dims()
	shape := Shape{dims[2], dims[3], dims[1]}
	if v.layout.equal(imageLayout(shape)) {
		return im.shaped(v, shape)
	}
	p, err := im.pixels(v, 1)
	if err != nil {
		return nil, err
	}
	if !p.rest.equal(layout{nil, nil, axis(factor{shape.H, shape.W}), axis(factor{shape.W, 1})}) {
		return nil, errOrder(v)
	}
	in, err := im.shaped(v, shape)
	if err != nil {
		return nil, err
	}
	return im.add(&step{GraphNode: GraphNode{Op: OpConcat, Shape: shape, Parts: partsOf(0, p.order)}, inputs: []*step{in}, from: v.from}, v.view), nil
}

func errOrder(v *value) error {
	return fmt.Errorf("takes a tensor of shape %s whose elements lie in another order than an image's (from %s); %s",
		shapeText(v.dims()), v.from, layoutRemedy)
}

// pixels is a value as channels along one axis of many pixels.
type pixels struct {
	order []int  // where in a pixel each channel is
	rest  layout // of the pixels, with an empty axis for the channels
}

// pixels looks at v along an axis. It fails if the elements along it are not next
// to each other.
func (im *importer) pixels(v *value, along int) (*pixels, error) {
	l := slices.Clone(v.layout)
	channels := l[along]
	n := size(channels)
	l[along] = nil
	if !within(channels, n) || slices.ContainsFunc(l, func(a []factor) bool { return !beyond(a, n) }) {
		return nil, errOrder(v)
	}
	if err := im.charge(n); err != nil {
		return nil, err
	}
	p := &pixels{rest: l.scaled(n, 1)}
	for i := range n {
		p.order = append(p.order, offset(channels, i))
	}
	return p, nil
}

// layout returns that of pixels of n channels in order.
func (p *pixels) layout(along, n int) layout {
	l := p.rest.scaled(1, n)
	l[along] = axis(factor{n, 1})
	return l
}

// pixelShape returns a shape of n channels for v: its step's, if that has them.
func (v *value) pixelShape(n int) Shape {
	if s := v.base.Shape; s.C == n {
		return s
	}
	return Shape{v.base.Shape.Len() / n, 1, n}
}

// result is the value that a step made for n yields as an image.
func (im *importer) result(n *onnxpb.NodeProto, s *step) *value {
	return im.yield(s, nodeName(n), describe(n))
}

// yield adds s under a name and returns its image.
func (im *importer) yield(s *step, name, from string) *value {
	s.from = from
	im.add(s, name)
	return &value{
		expression: &expression{base: s, poly: identity(), last: s.Name, from: s.from},
		layout:     imageLayout(s.Shape), view: s.Name,
	}
}

// viewed returns v in another layout.
func (v *value) viewed(n *onnxpb.NodeProto, l layout) *value {
	out := *v
	out.layout, out.view = l, nodeName(n)
	return &out
}

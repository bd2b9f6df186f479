package model

import (
	"errors"
	"fmt"
	"slices"

	"pascaline/internal/onnxpb"
)

// partsOf returns the channels of an input in some order as parts of a
// concatenation.
func partsOf(input int, order []int) []Part {
	var parts []Part
	for _, c := range order {
		if last := len(parts) - 1; last >= 0 && parts[last].From+parts[last].Channels == c {
			parts[last].Channels++
		} else {
			parts = append(parts, Part{input, c, 1})
		}
	}
	return parts
}

// zeros returns n channels of zeros.
func zeros(n int) []Part {
	if n == 0 {
		return nil
	}
	return []Part{{-1, 0, n}}
}

// joined returns a concatenation along an axis, which p looks along.
func (im *importer) joined(n *onnxpb.NodeProto, values []*value, p *pixels, along int, parts []Part) (*value, error) {
	first := values[0]
	shape := first.pixelShape(size(first.layout[along]))
	for _, v := range values { // the first image tells height and width
		if c := size(v.layout[along]); v.base.Shape.C == c {
			shape = v.base.Shape
			break
		}
	}
	if shape.C = 0; len(parts) > maxParts {
		return nil, fmt.Errorf("joins %d runs of channels; at most %d are taken", len(parts), maxParts)
	}
	for _, part := range parts {
		shape.C += part.Channels
	}
	if err := checkShape(shape); err != nil {
		return nil, err
	}
	s := &step{GraphNode: GraphNode{Op: OpConcat, Shape: shape, Parts: parts}}
	for _, v := range values {
		in, err := im.shaped(v, Shape{shape.H, shape.W, size(v.layout[along])})
		if err != nil {
			return nil, err
		}
		s.inputs = append(s.inputs, in)
	}
	out := im.result(n, s)
	out.layout = p.layout(along, shape.C)
	return out, nil
}

// concat imports the Concat of tensors of the network.
func (im *importer) concat(n *onnxpb.NodeProto) (*value, error) {
	if len(n.Input) > maxInputs {
		return nil, fmt.Errorf("joins %d tensors; at most %d can be, join some of them first", len(n.Input), maxInputs)
	}
	var values []*value
	var parts []Part
	var first *pixels
	along := 0
	for i := range n.Input {
		v, err := im.get(n, i)
		if err != nil {
			return nil, err
		}
		if v != nil && v.isConstant() {
			return nil, fmt.Errorf("joins a constant, %q, to tensors of the network, which is not supported", n.Input[i])
		}
		if v, err = im.dynamic(n, i); err != nil {
			return nil, err
		}
		if i == 0 {
			if along, err = axisOf(n, "axis", 0, len(v.layout)); err != nil {
				return nil, err
			}
		} else if len(v.layout) != len(values[0].layout) {
			return nil, fmt.Errorf("joins tensors of shapes %s and %s", shapeText(values[0].dims()), shapeText(v.dims()))
		}
		p, err := im.pixels(v, along)
		if err != nil {
			return nil, fmt.Errorf("joins along axis %d, which is not that of the channels; only channels can be joined (dim=1)", along)
		}
		if first == nil {
			first = p
		} else if !p.rest.equal(first.rest) {
			return nil, fmt.Errorf("joins tensors of shapes %s and %s, or of pixels in different orders", shapeText(values[0].dims()), shapeText(v.dims()))
		}
		values = append(values, v)
		parts = append(parts, partsOf(i, p.order)...)
	}
	if len(values) == 1 {
		return values[0].viewed(n, values[0].layout), nil
	}
	return im.joined(n, values, first, along, parts)
}

// slicing is the part of an axis that a Slice takes.
type slicing struct{ start, step, count int }

func (s slicing) whole(n int) bool { return s.start == 0 && s.step == 1 && s.count == n }

// slicesOf returns what a Slice takes of every axis of a tensor of shape dims.
func (im *importer) slicesOf(n *onnxpb.NodeProto, dims []int) ([]slicing, error) {
	var given [4][]int64
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		var err error
		if given[i], err = im.intsOf(n, name, i+1); err != nil {
			return nil, err
		}
	}
	starts, ends, axes, steps := given[0], given[1], given[2], given[3]
	out := make([]slicing, len(dims))
	for i, d := range dims {
		out[i] = slicing{0, 1, d}
	}
	if axes == nil {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if steps == nil {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(starts) != len(ends) || len(starts) != len(axes) || len(starts) != len(steps) {
		return nil, fmt.Errorf("has %d starts, %d ends, %d axes and %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	for i, a := range axes {
		if a < 0 {
			a += int64(len(dims))
		}
		if a < 0 || a >= int64(len(dims)) || steps[i] == 0 {
			return nil, fmt.Errorf("takes every %d of axis %d of a tensor of shape %s", steps[i], axes[i], shapeText(dims))
		}
		out[a] = slicingOf(starts[i], ends[i], steps[i], int64(dims[a]))
	}
	return out, nil
}

// slicingOf is as ONNX has it for an axis of n elements: negative numbers count from
// the end, and bounds beyond are the last there is.
func slicingOf(start, end, step, n int64) slicing {
	if n == 0 {
		return slicing{0, 1, 0}
	}
	step = max(-n, min(step, n)) // a longer step takes one element too
	bound := func(v, low, high int64) int64 {
		if v < 0 {
			v = max(v, -n-1) + n
		}
		return min(max(v, low), high)
	}
	if step < 0 {
		start, end = bound(start, 0, n-1), bound(end, -1, n-1)
		return slicing{int(start), int(step), int(max(0, (start-end-step-1)/-step))}
	}
	start, end = bound(start, 0, n), bound(end, 0, n)
	return slicing{int(start), int(step), int(max(0, (end-start+step-1)/step))}
}

// slice imports Slice: of channels, or of every so many rows and columns of an
// image.
func (im *importer) slice(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.view(n)
	if err != nil {
		return nil, err
	}
	all, err := im.slicesOf(n, x.dims())
	if err != nil {
		return nil, err
	}
	for i, s := range all {
		if s.whole(size(x.layout[i])) {
			continue
		}
		if s.count == 0 {
			return nil, fmt.Errorf("takes nothing of axis %d of a tensor of shape %s", i, shapeText(x.dims()))
		}
		which := make([]int, s.count)
		for k := range which {
			which[k] = s.start + k*s.step
		}
		if x, err = im.taken(n, x, i, which); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// taken returns some elements along an axis.
func (im *importer) taken(n *onnxpb.NodeProto, x *value, along int, which []int) (*value, error) {
	x, err := im.unpadded(im.resolved(x))
	if err != nil {
		return nil, err
	}
	p, err := im.pixels(x, along)
	if err != nil {
		return im.strided(n, x, along, which)
	}
	if err := im.charge(len(which)); err != nil {
		return nil, err
	}
	order := make([]int, len(which))
	for k, i := range which {
		order[k] = p.order[i]
	}
	return im.joined(n, []*value{x}, p, along, partsOf(0, order))
}

// strided returns every so many rows or columns of an image: sums over windows of
// one element.
func (im *importer) strided(n *onnxpb.NodeProto, x *value, along int, which []int) (*value, error) {
	dims := x.dims()
	step := dims[along]
	if len(which) > 1 {
		step = which[1] - which[0]
	}
	uneven := false
	for k, i := range which {
		uneven = uneven || i != k*step
	}
	if len(dims) != 4 || dims[0] != 1 || along < 2 || uneven || step < 1 || (dims[along]-1)/step+1 != len(which) {
		return nil, fmt.Errorf("cuts axis %d of a tensor of shape %s; only channels can be cut, and every so many rows or columns taken"+
			" from the first to the last; use a convolution or average pooling with a stride", along, shapeText(dims))
	}
	in, err := im.image(x)
	if err != nil {
		return nil, err
	}
	s := in.Shape.window()
	if along == 2 {
		s.StrideH = step
	} else {
		s.StrideW = step
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return im.result(n, poolStep(in, s, 1)), nil
}

// gather imports the Gather of elements along an axis.
func (im *importer) gather(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.view(n)
	if err != nil {
		return nil, err
	}
	t, err := im.constant(n, 1, "indices")
	if err != nil {
		return nil, err
	}
	along, err := axisOf(n, "axis", 0, len(x.layout))
	if err != nil {
		return nil, err
	}
	if t == nil || len(t.dims) > 1 || t.len() == 0 {
		return nil, errors.New("has no list of indices")
	}
	which, err := picksOf(t, size(x.layout[along]))
	if err != nil {
		return nil, err
	}
	if size(x.layout[along]) > 1 || len(which) > 1 {
		if x, err = im.taken(n, x, along, which); err != nil {
			return nil, err
		}
	}
	if len(t.dims) == 0 {
		return x.viewed(n, x.layout.without(map[int]bool{along: true})), nil
	}
	return x, nil
}

// split imports Split, which has an output for each part of an axis.
func (im *importer) split(n *onnxpb.NodeProto) ([]*value, error) {
	x, err := im.view(n)
	if err != nil {
		return nil, err
	}
	along, err := axisOf(n, "axis", 0, len(x.layout))
	if err != nil {
		return nil, err
	}
	sizes, err := im.intsOf(n, "split", 1)
	if err != nil {
		return nil, err
	}
	have := size(x.layout[along])
	if sizes == nil { // as equal as can be, the last smaller
		each := (have + len(n.Output) - 1) / max(1, len(n.Output))
		for i := range n.Output {
			sizes = append(sizes, int64(max(0, min(each, have-i*each))))
		}
	}
	at := 0
	var out []*value
	for _, s := range sizes {
		if s < 1 || s > int64(have-at) {
			return nil, fmt.Errorf("splits axis %d of a tensor of shape %s into %d", along, shapeText(x.dims()), sizes)
		}
		which := make([]int, s)
		for k := range which {
			which[k] = at + k
		}
		at += int(s)
		v := x
		if int(s) < have {
			if v, err = im.taken(n, x, along, which); err != nil {
				return nil, err
			}
		}
		out = append(out, v)
	}
	if at != have || len(out) != len(n.Output) {
		return nil, fmt.Errorf("splits axis %d of a tensor of shape %s into %d, for %d outputs", along, shapeText(x.dims()), sizes, len(n.Output))
	}
	return out, nil
}

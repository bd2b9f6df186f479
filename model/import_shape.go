package model

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

func (im *importer) averagePool(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.padded(n, 0)
	if err != nil {
		return nil, err
	}
	if len(x.dims) != 4 {
		return nil, fmt.Errorf("pools a tensor of shape %d; only two-dimensional pooling of an N×C×H×W tensor is supported", x.dims)
	}
	at := attributes{node: n}
	kernel := at.sizes("kernel_shape", []int{0, 0}, 1)
	ceil, padded := at.int("ceil_mode", 0), at.int("count_include_pad", 0)
	if at.err == nil && kernel[0] == 0 {
		return nil, errors.New("lacks its kernel_shape")
	}
	s := ring.ConvShape{H: x.dims[2], W: x.dims[3], C: x.dims[1], K: x.dims[1], KH: kernel[0], KW: kernel[1]}
	own := *x
	own.pad = nil
	if err := window(&at, &own, &s); err != nil {
		return nil, err
	}
	if s.PadTop+s.PadLeft+s.PadBottom+s.PadRight > 0 && padded == 0 {
		return nil, errors.New("divides by fewer elements at the border (count_include_pad=0); use count_include_pad=True or no padding")
	}
	if err := window(&at, x, &s); err != nil {
		return nil, err
	}
	if ceil != 0 && ((s.H+s.PadTop+s.PadBottom-s.KH)%s.StrideH != 0 || (s.W+s.PadLeft+s.PadRight-s.KW)%s.StrideW != 0) {
		return nil, errors.New("has windows that reach beyond the image (ceil_mode=1); use ceil_mode=False")
	}
	return im.pool(n, x, s, 4)
}

// pool averages over windows; the result has rank dimensions.
func (im *importer) pool(n *onnxpb.NodeProto, x *value, s ring.ConvShape, rank int) (*value, error) {
	in, err := im.unpaddedStep(x)
	if err != nil {
		return nil, err
	}
	p := &step{
		GraphNode: GraphNode{
			Op: OpPool, Shape: Shape{s.OutH(), s.OutW(), s.C}, Pool: s, Divisor: float64(s.KH) * float64(s.KW),
		},
		inputs: []*step{in},
	}
	return im.result(n, p, []int{1, s.C, s.OutH(), s.OutW()}[:rank]), nil
}

func (im *importer) globalAveragePool(n *onnxpb.NodeProto) (*value, error) {
	return im.poolImage(n, 4)
}

// reduceMean imports the mean over an image's height and width.
func (im *importer) reduceMean(n *onnxpb.NodeProto) (*value, error) {
	axes, err := im.intsOf(n, "axes", 1)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	keep := at.int("keepdims", 1)
	if at.err != nil {
		return nil, at.err
	}
	for i := range axes {
		if axes[i] < 0 {
			axes[i] += 4
		}
	}
	slices.Sort(axes)
	if !slices.Equal(axes, []int64{2, 3}) {
		return nil, fmt.Errorf("takes the mean over the axes %d; only the mean over an image's height and width, axes 2 and 3,"+
			" is supported (AdaptiveAvgPool2d(1))", axes)
	}
	if keep == 0 {
		return im.poolImage(n, 2)
	}
	return im.poolImage(n, 4)
}

func (im *importer) poolImage(n *onnxpb.NodeProto, rank int) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	if len(x.dims) != 4 {
		return nil, fmt.Errorf("pools a tensor of shape %d; only images, N×C×H×W, are supported", x.dims)
	}
	c, h, w := x.dims[1], x.dims[2], x.dims[3]
	if h == 1 && w == 1 {
		return im.reshaped(n, x, x.dims[:rank])
	}
	s := ring.ConvShape{H: h, W: w, C: c, K: c, KH: h, KW: w, StrideH: 1, StrideW: 1}
	return im.pool(n, x, s, rank)
}

// padTensor imports Pad: zeros around an image, which the convolution or the
// pooling layer behind takes over. PyTorch writes padded pooling like this.
func (im *importer) padTensor(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.padded(n, 0)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	if mode := at.string("mode", "constant"); mode != "constant" {
		return nil, fmt.Errorf("pads in the mode %q; only zeros can be added (padding_mode='zeros')", mode)
	}
	fill := at.float("value", 0)
	if at.err != nil {
		return nil, at.err
	}
	if t, err := im.constant(n, 2, "fill value"); err != nil {
		return nil, err
	} else if t != nil && t.len() == 1 {
		fill = t.at(0)
	}
	if fill != 0 {
		return nil, fmt.Errorf("pads with %v; only zeros can be added", fill)
	}
	if v, err := im.get(n, 3); v != nil || err != nil {
		return nil, errors.New("pads named axes; export the model with opset_version=13")
	}
	pads, err := im.intsOf(n, "pads", 1)
	if err != nil {
		return nil, err
	}
	if len(pads) != 2*len(x.dims) {
		return nil, fmt.Errorf("has %d paddings for a tensor of shape %d", len(pads), x.dims)
	}
	if slices.Max(pads) == 0 && slices.Min(pads) == 0 {
		return x, nil
	}
	if len(x.dims) != 4 || slices.Min(pads) < 0 || slices.Max(pads) > maxDim || pads[0]+pads[1]+pads[4]+pads[5] != 0 {
		return nil, fmt.Errorf("pads a tensor of shape %d by %d; only the height and width of an image can be padded", x.dims, pads)
	}
	v := *x
	v.pad = &padding{int(pads[2]), int(pads[3]), int(pads[6]), int(pads[7])}
	if x.pad != nil {
		return nil, errors.New("pads a padded tensor; pad once")
	}
	v.from = describe(n)
	return &v, nil
}

func (im *importer) flatten(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	axis := at.int("axis", 1)
	if at.err != nil {
		return nil, at.err
	}
	if axis < 0 {
		axis += int64(len(x.dims))
	}
	if axis < 0 || axis > int64(len(x.dims)) {
		return nil, fmt.Errorf("flattens from axis %d of a tensor of shape %d", axis, x.dims)
	}
	return im.reshaped(n, x, []int{count(x.dims[:axis]), count(x.dims[axis:])})
}

// count returns the number of elements of a tensor of shape dims.
func count(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func (im *importer) reshape(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	shape, err := im.intsOf(n, "shape", 1)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	zeroIsZero := at.int("allowzero", 0)
	if at.err != nil {
		return nil, at.err
	}
	have, known, free := count(x.dims), 1, -1
	dims := make([]int, len(shape))
	for i, d := range shape {
		switch {
		case d == 0 && zeroIsZero == 0 && i < len(x.dims):
			dims[i] = x.dims[i]
		case d == -1 && free < 0:
			dims[i], free = 1, i
		case d < 1 || d > int64(have):
			return nil, fmt.Errorf("reshapes %d elements of shape %d to %d", have, x.dims, shape)
		default:
			dims[i] = int(d)
		}
		if known *= dims[i]; known > have {
			return nil, fmt.Errorf("reshapes %d elements of shape %d to %d", have, x.dims, shape)
		}
	}
	if free >= 0 && have%known == 0 {
		dims[free] = have / known
		known = have
	}
	if known != have {
		return nil, fmt.Errorf("reshapes %d elements of shape %d to %d", have, x.dims, shape)
	}
	return im.reshaped(n, x, dims)
}

// reshaped returns x with the shape dims of as many elements, which must keep
// them in the graph's order.
func (im *importer) reshaped(n *onnxpb.NodeProto, x *value, dims []int) (*value, error) {
	if slices.Equal(x.dims, dims) {
		return x, nil
	}
	unsupported := fmt.Errorf("reshapes %d to %d; only images, 1×C×H×W, can be flattened to vectors, 1×features", x.dims, dims)
	rank := len(dims)
	if rank != 1 && rank != 2 && rank != 4 || rank > 1 && dims[0] != 1 {
		return nil, unsupported
	}
	image := x.image()
	if rank == 4 {
		if to := flatShape(dims); to != image && !(sameOrder(to) && sameOrder(image)) {
			return nil, unsupported
		}
	}
	v := *x
	v.dims = dims
	if shape := flatShape(dims); shape != x.base.Shape {
		in, err := im.step(x)
		if err != nil {
			return nil, err
		}
		v = *im.result(n, &step{GraphNode: GraphNode{Op: OpReshape, Shape: shape}, inputs: []*step{in}}, dims)
	}
	v.order = image
	return &v, nil
}

// squeeze and unsqueeze import dimensions of one element that go and come.
func (im *importer) squeeze(n *onnxpb.NodeProto) (*value, error) {
	x, dims, err := im.shaped(n)
	if err != nil {
		return nil, err
	}
	axes, err := im.axes(n, len(dims))
	if err != nil {
		return nil, err
	}
	var kept []int
	for i, d := range dims {
		if drop := axes[i] || len(axes) == 0 && d == 1; !drop {
			kept = append(kept, d)
		} else if d != 1 {
			return nil, fmt.Errorf("drops dimension %d of a tensor of shape %d", i, dims)
		}
	}
	return im.withDims(n, x, kept)
}

func (im *importer) unsqueeze(n *onnxpb.NodeProto) (*value, error) {
	x, dims, err := im.shaped(n)
	if err != nil {
		return nil, err
	}
	given, err := im.intsOf(n, "axes", 1)
	if err != nil {
		return nil, err
	}
	axes, err := im.axes(n, len(dims)+len(given))
	if err != nil {
		return nil, err
	}
	if len(axes) != len(given) {
		return nil, fmt.Errorf("names an axis twice: %d", given)
	}
	var out []int
	for i := range len(dims) + len(given) {
		if axes[i] {
			out = append(out, 1)
		} else {
			out, dims = append(out, dims[0]), dims[1:]
		}
	}
	return im.withDims(n, x, out)
}

// shaped returns input 0 and its shape.
func (im *importer) shaped(n *onnxpb.NodeProto) (*value, []int, error) {
	x, err := im.get(n, 0)
	switch {
	case err != nil:
		return nil, nil, err
	case x == nil:
		return nil, nil, errors.New("lacks input 0")
	case !x.isConstant():
		return x, x.dims, x.unpadded()
	}
	t, err := x.tensor()
	if err != nil {
		return nil, nil, fmt.Errorf("its input %q: %w", n.Input[0], err)
	}
	return x, t.dims, nil
}

// withDims returns x, constant or not, with a shape of as many elements.
func (im *importer) withDims(n *onnxpb.NodeProto, x *value, dims []int) (*value, error) {
	if !x.isConstant() {
		return im.reshaped(n, x, dims)
	}
	t := *x.constant
	t.dims = dims
	return &value{constant: &t}, nil
}

// axes returns the axes that n names, of rank.
func (im *importer) axes(n *onnxpb.NodeProto, rank int) (map[int]bool, error) {
	given, err := im.intsOf(n, "axes", 1)
	if err != nil {
		return nil, err
	}
	axes := map[int]bool{}
	for _, a := range given {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) {
			return nil, fmt.Errorf("names the axes %d of a tensor of %d dimensions", given, rank)
		}
		axes[int(a)] = true
	}
	return axes, nil
}

// intsOf returns the integers that newer operator sets give as input i and
// older ones as an attribute; none if both are absent.
func (im *importer) intsOf(n *onnxpb.NodeProto, name string, i int) ([]int64, error) {
	t, err := im.constant(n, i, name)
	if err != nil {
		return nil, err
	}
	if t == nil {
		at := attributes{node: n}
		return slices.Clone(at.ints(name)), at.err
	}
	v, err := t.ints()
	if err != nil {
		return nil, fmt.Errorf("its %s %q %w", name, n.Input[i], err)
	}
	return slices.Clone(v), nil
}

// cast imports a change of type, which changes nothing between real numbers.
func (im *importer) cast(n *onnxpb.NodeProto) (*value, error) {
	x, _, err := im.shaped(n)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	to := onnxpb.TensorProto_DataType(at.int("to", 0))
	if at.err != nil {
		return nil, at.err
	}
	floating := to == onnxpb.TensorProto_FLOAT || to == onnxpb.TensorProto_DOUBLE
	if floating && (!x.isConstant() || x.constant.int == nil) {
		return x, nil
	}
	whole := to == onnxpb.TensorProto_INT64 || to == onnxpb.TensorProto_INT32
	if !x.isConstant() || !floating && !whole || x.constant.len() > maxFolded {
		return nil, fmt.Errorf("converts to %v; the network must compute in float32 throughout", to)
	}
	if whole && x.constant.int != nil {
		return x, nil
	}
	t := x.constant
	if err := im.charge(t.len()); err != nil {
		return nil, err
	}
	out := &tensor{dims: t.dims}
	for i := range t.len() {
		if floating {
			out.double = append(out.double, t.at(i))
		} else {
			out.int = append(out.int, int64(math.Trunc(t.at(i))))
		}
	}
	return &value{constant: out}, nil
}

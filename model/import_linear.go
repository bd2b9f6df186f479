package model

import (
	"errors"
	"fmt"
	"math"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

func (im *importer) conv(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.padded(n, 0)
	if err != nil {
		return nil, err
	}
	w, err := im.constant(n, 1, "weights")
	if err != nil {
		return nil, err
	}
	b, err := im.constant(n, 2, "bias")
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, errors.New("lacks its weights")
	}
	if len(x.dims) != 4 || len(w.dims) != 4 {
		return nil, fmt.Errorf("convolves a tensor of shape %d with weights of shape %d;"+
			" only two-dimensional convolutions of an N×C×H×W tensor are supported", x.dims, w.dims)
	}
	at := attributes{node: n}
	if group := at.int("group", 1); group != 1 {
		return nil, fmt.Errorf("has %d groups; use an ordinary convolution (groups=1), which mixes all channels", group)
	}
	s := ring.ConvShape{H: x.dims[2], W: x.dims[3], C: x.dims[1], K: w.dims[0], KH: w.dims[2], KW: w.dims[3]}
	if err := window(&at, x, &s); err != nil {
		return nil, err
	}
	if w.dims[1] != s.C {
		return nil, fmt.Errorf("its weights of shape %d do not fit a tensor of shape %d", w.dims, x.dims)
	}
	if err := im.charge(s.WeightLen()); err != nil {
		return nil, err
	}
	in, err := im.unpaddedStep(x)
	if err != nil {
		return nil, err
	}
	bias, err := biasOf(b, s.K, 1)
	if err != nil {
		return nil, err
	}
	// ONNX has the weights as K×C×KH×KW.
	weights := make([]float32, s.WeightLen())
	taps := s.KH * s.KW
	for k := range s.K {
		for c := range s.C {
			for t := range taps {
				weights[(t*s.C+c)*s.K+k] = float32(w.at((k*s.C+c)*taps + t))
			}
		}
	}
	return im.result(n, linearStep(in, s, weights, bias), []int{1, s.K, s.OutH(), s.OutW()}), nil
}

// window completes and checks the shape of a convolution or pooling layer of x
// whose H, W, C, K, KH and KW are set.
func window(at *attributes, x *value, s *ring.ConvShape) error {
	if mode := at.string("auto_pad", "NOTSET"); mode != "NOTSET" && mode != "VALID" {
		return fmt.Errorf("pads automatically (auto_pad=%s); give the padding in numbers (padding=…)", mode)
	}
	if kernel := at.sizes("kernel_shape", []int{s.KH, s.KW}, 1); kernel[0] != s.KH || kernel[1] != s.KW {
		return fmt.Errorf("its kernel is %d, but its weights are for %d×%d", kernel, s.KH, s.KW)
	}
	strides := at.sizes("strides", []int{1, 1}, 1)
	pads := at.sizes("pads", []int{0, 0, 0, 0}, 0)
	if d := at.sizes("dilations", []int{1, 1}, 1); d[0] != 1 || d[1] != 1 {
		return fmt.Errorf("is dilated by %d; use dilation=1, with a larger kernel if need be", d)
	}
	if at.err != nil {
		return at.err
	}
	s.StrideH, s.StrideW = strides[0], strides[1]
	s.PadTop, s.PadLeft, s.PadBottom, s.PadRight = pads[0], pads[1], pads[2], pads[3]
	if p := x.pad; p != nil {
		s.PadTop, s.PadLeft, s.PadBottom, s.PadRight = s.PadTop+p.top, s.PadLeft+p.left, s.PadBottom+p.bottom, s.PadRight+p.right
	}
	return s.Validate()
}

// unpaddedStep returns the step below x's padding, which the caller takes over.
func (im *importer) unpaddedStep(x *value) (*step, error) {
	if x.pad == nil {
		return im.step(x)
	}
	inner := *x
	inner.pad = nil
	return im.step(&inner)
}

// biasOf returns the k elements of a bias times factor; a bias of one element,
// or none, serves for all.
func biasOf(t *tensor, k int, factor float64) ([]float32, error) {
	bias := make([]float32, k)
	if t == nil {
		return bias, nil
	}
	if err := t.fits([]int{1, k}); err != nil {
		return nil, fmt.Errorf("its bias: %w", err)
	}
	v := t.elements()
	for i := range bias {
		bias[i] = float32(factor * v.at(i))
	}
	return bias, nil
}

func (im *importer) gemm(n *onnxpb.NodeProto) (*value, error) {
	at := attributes{node: n}
	alpha, beta := at.float("alpha", 1), at.float("beta", 1)
	transA, transB := at.int("transA", 0), at.int("transB", 0)
	if at.err != nil {
		return nil, at.err
	}
	if transA != 0 {
		return nil, errors.New("multiplies the transposed input (transA=1); use nn.Linear on a batch of vectors")
	}
	c, err := im.constant(n, 2, "bias")
	if err != nil {
		return nil, err
	}
	return im.matrix(n, transB != 0, alpha, func(k int) ([]float32, error) { return biasOf(c, k, beta) })
}

func (im *importer) matMul(n *onnxpb.NodeProto) (*value, error) {
	return im.matrix(n, false, 1, func(k int) ([]float32, error) { return biasOf(nil, k, 1) })
}

// matrix multiplies the vector x, input 0, by the constant matrix at input 1
// times alpha.
func (im *importer) matrix(n *onnxpb.NodeProto, transposed bool, alpha float64, bias func(k int) ([]float32, error)) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	w, err := im.constant(n, 1, "matrix")
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, errors.New("lacks its matrix")
	}
	if len(x.dims) > 2 || len(w.dims) != 2 {
		return nil, fmt.Errorf("multiplies a tensor of shape %d by one of shape %d; only a vector by a matrix is supported"+
			" (flatten images first)", x.dims, w.dims)
	}
	rows, columns := w.dims[0], w.dims[1]
	rowStep, columnStep := columns, 1
	if transposed {
		rows, columns = columns, rows
		rowStep, columnStep = 1, rows
	}
	if rows != x.dims[len(x.dims)-1] {
		return nil, fmt.Errorf("its matrix takes %d elements, but its input has shape %d", rows, x.dims)
	}
	s := ring.LinearShape(rows, columns)
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := im.charge(s.WeightLen()); err != nil {
		return nil, err
	}
	in, err := im.step(x)
	if err != nil {
		return nil, err
	}
	b, err := bias(columns)
	if err != nil {
		return nil, err
	}
	weights := make([]float32, s.WeightLen())
	for i := range rows {
		from := channelFirst(i, x.order)
		for k := range columns {
			weights[i*columns+k] = float32(alpha * w.at(from*rowStep+k*columnStep))
		}
	}
	dims := append([]int(nil), x.dims...)
	dims[len(dims)-1] = columns
	return im.result(n, linearStep(in, s, weights, b), dims), nil
}

// channelFirst returns where element i of an image in the order H, W, C is in
// the order C, H, W.
func channelFirst(i int, s Shape) int {
	return i%s.C*s.H*s.W + i/s.C
}

func (im *importer) batchNorm(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	epsilon, training, spatial := at.float("epsilon", 1e-5), at.int("training_mode", 0), at.int("spatial", 1)
	if at.err != nil {
		return nil, at.err
	}
	if training != 0 || spatial != 1 {
		return nil, errors.New("normalises by the batch at hand; export the model for inference (model.eval())")
	}
	if len(x.dims) != 2 && len(x.dims) != 4 {
		return nil, fmt.Errorf("normalises a tensor of shape %d; it must be N×C or N×C×H×W", x.dims)
	}
	var p [4]*tensor
	for i, what := range []string{"scale", "offset", "mean", "variance"} {
		if p[i], err = im.constant(n, i+1, what); err != nil {
			return nil, err
		}
		if p[i] == nil || p[i].len() != x.dims[1] {
			return nil, fmt.Errorf("its %s has not the %d values that a tensor of shape %d needs", what, x.dims[1], x.dims)
		}
	}
	if err := im.charge(2 * x.dims[1]); err != nil {
		return nil, err
	}
	scale, shift := make(channels, x.dims[1]), make(channels, x.dims[1])
	for c := range scale {
		deviation := math.Sqrt(p[3].at(c) + epsilon)
		if !(deviation > 0) { // also when it is no number
			return nil, fmt.Errorf("the variance of channel %d is %v", c, p[3].at(c))
		}
		scale[c] = p[0].at(c) / deviation
		shift[c] = p[1].at(c) - p[2].at(c)*scale[c]
	}
	return im.affine(n, x, scale, shift)
}

// affine returns x with each element along axis 1 times scale plus shift, as a
// step that [fold] will merge into its neighbours.
func (im *importer) affine(n *onnxpb.NodeProto, x *value, scale, shift channels) (*value, error) {
	in, err := im.step(x)
	if err != nil {
		return nil, err
	}
	if len(x.dims) != 4 && !sameOrder(x.order) {
		scale, shift = scale.channelLast(x.order), shift.channelLast(x.order)
	}
	v := im.result(n, &step{GraphNode: GraphNode{Op: opAffine, Shape: in.Shape}, inputs: []*step{in}, scale: scale, shift: shift}, x.dims)
	v.order = x.order
	return v, nil
}

// channelLast takes numbers for the elements of a flattened image from the
// order C, H, W to H, W, C.
func (c channels) channelLast(image Shape) channels {
	if len(c) == 1 {
		return c
	}
	out := make(channels, len(c))
	for i := range out {
		out[i] = c[channelFirst(i, image)]
	}
	return out
}

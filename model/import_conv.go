package model

import (
	"errors"
	"fmt"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

// conv imports Conv. Groups and dilation become zeros among the weights.
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
	dims := x.layout.dims()
	if len(dims) != 4 || len(w.dims) != 4 || dims[0] != 1 {
		return nil, fmt.Errorf("convolves a tensor of shape %s with weights of shape %s;"+
			" only two-dimensional convolutions of an N×C×H×W tensor are supported", shapeText(dims), shapeText(w.dims))
	}
	at := attributes{node: n}
	group := int(min(max(at.int("group", 1), 0), maxDim))
	s := ring.ConvShape{H: dims[2], W: dims[3], C: dims[1], K: w.dims[0], KH: w.dims[2], KW: w.dims[3]}
	dilation, err := window(&at, x, &s)
	if err != nil {
		return nil, err
	}
	if group < 1 || s.K%group != 0 || w.dims[1]*group != s.C {
		return nil, fmt.Errorf("its weights of shape %s, in %d groups, do not fit a tensor of shape %s", shapeText(w.dims), group, shapeText(dims))
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
	i := 0
	for k := range s.K {
		for c := range w.dims[1] {
			channel := k/(s.K/group)*w.dims[1] + c
			for y := range w.dims[2] {
				for x := range w.dims[3] {
					tap := y*dilation[0]*s.KW + x*dilation[1]
					weights[(tap*s.C+channel)*s.K+k] = float32(w.at(i))
					i++
				}
			}
		}
	}
	return im.result(n, linearStep(in, s, weights, bias)), nil
}

// window completes and checks the shape of a convolution or pooling layer of x
// whose H, W, C, K, KH and KW are set, and returns its dilation, which is already
// part of its kernel.
func window(at *attributes, x *value, s *ring.ConvShape) (dilation []int, err error) {
	if kernel := at.sizes("kernel_shape", []int{s.KH, s.KW}, 1); kernel[0] != s.KH || kernel[1] != s.KW {
		return nil, fmt.Errorf("its kernel is %s, but its weights are for %d×%d", shapeText(kernel), s.KH, s.KW)
	}
	strides := at.sizes("strides", []int{1, 1}, 1)
	pads := at.sizes("pads", []int{0, 0, 0, 0}, 0)
	dilation = at.sizes("dilations", []int{1, 1}, 1)
	mode := at.string("auto_pad", "NOTSET")
	if at.err != nil {
		return nil, at.err
	}
	s.KH, s.KW = (s.KH-1)*dilation[0]+1, (s.KW-1)*dilation[1]+1
	s.StrideH, s.StrideW = strides[0], strides[1]
	switch mode {
	case "NOTSET":
	case "VALID":
		pads = []int{0, 0, 0, 0}
	case "SAME_UPPER", "SAME_LOWER":
		dims := x.dims()
		for i, k := range []int{s.KH, s.KW} {
			n, stride := dims[2+i], strides[i]
			total := max(0, (n+stride-1)/stride*stride-stride+k-n)
			pads[i], pads[2+i] = total/2, total-total/2
			if mode == "SAME_LOWER" {
				pads[i], pads[2+i] = pads[2+i], pads[i]
			}
		}
	default:
		return nil, fmt.Errorf("pads automatically (auto_pad=%s); give the padding in numbers (padding=…)", mode)
	}
	s.PadTop, s.PadLeft, s.PadBottom, s.PadRight = pads[0], pads[1], pads[2], pads[3]
	if p := x.pad; p != nil {
		s.PadTop, s.PadLeft, s.PadBottom, s.PadRight = s.PadTop+p.top, s.PadLeft+p.left, s.PadBottom+p.bottom, s.PadRight+p.right
	}
	return dilation, s.Validate()
}

// linearStep is a step of one convolution or matrix product.
func linearStep(in *step, s ring.ConvShape, w, bias []float32) *step {
	return &step{
		GraphNode: GraphNode{Op: OpLinear, Shape: Shape{s.OutH(), s.OutW(), s.K}, Linear: s, W: w, Bias: bias},
		inputs:    []*step{in},
	}
}

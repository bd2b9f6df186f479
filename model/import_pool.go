package model

import (
	"errors"
	"fmt"
	"slices"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
)

func (im *importer) averagePool(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.padded(n, 0)
	if err != nil {
		return nil, err
	}
	dims := x.layout.dims()
	if len(dims) != 4 || dims[0] != 1 {
		return nil, fmt.Errorf("pools a tensor of shape %s; only two-dimensional pooling of an N×C×H×W tensor is supported", shapeText(dims))
	}
	at := attributes{node: n}
	kernel := at.sizes("kernel_shape", []int{0, 0}, 1)
	ceil, counted := at.int("ceil_mode", 0), at.int("count_include_pad", 0)
	if at.err == nil && kernel[0] == 0 {
		return nil, errors.New("lacks its kernel_shape")
	}
	s := ring.ConvShape{H: dims[2], W: dims[3], C: dims[1], K: dims[1], KH: kernel[0], KW: kernel[1]}
	dilation, err := window(&at, x, &s)
	if err != nil {
		return nil, err
	}
	if dilation[0] != 1 || dilation[1] != 1 {
		return nil, fmt.Errorf("is dilated by %s; use average pooling without dilation", shapeText(dilation))
	}
	own := s.PadTop + s.PadLeft + s.PadBottom + s.PadRight
	if p := x.pad; p != nil {
		own -= p.top + p.left + p.bottom + p.right
	}
	if own > 0 && counted == 0 {
		return nil, errors.New("divides by fewer elements at the border (count_include_pad=0); use count_include_pad=True or no padding")
	}
	if ceil != 0 && ((s.H+s.PadTop+s.PadBottom-s.KH)%s.StrideH != 0 || (s.W+s.PadLeft+s.PadRight-s.KW)%s.StrideW != 0) {
		return nil, errors.New("has windows that reach beyond the image (ceil_mode=1); use ceil_mode=False")
	}
	in, err := im.unpaddedStep(x)
	if err != nil {
		return nil, err
	}
	return im.result(n, poolStep(in, s, float64(s.KH)*float64(s.KW))), nil
}

// poolStep sums over windows and divides.
func poolStep(in *step, s ring.ConvShape, divisor float64) *step {
	return &step{
		GraphNode: GraphNode{Op: OpPool, Shape: Shape{s.OutH(), s.OutW(), s.C}, Pool: s, Divisor: divisor},
		inputs:    []*step{in},
	}
}

func (im *importer) globalAveragePool(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	if len(x.layout) != 4 {
		return nil, fmt.Errorf("pools a tensor of shape %s; only images, N×C×H×W, are supported", shapeText(x.dims()))
	}
	return im.reduced(n, x, map[int]bool{2: true, 3: true}, true, true)
}

// reduce imports ReduceMean and ReduceSum.
func (im *importer) reduce(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.dynamic(n, 0)
	if err != nil {
		return nil, err
	}
	axes, err := im.axesOf(n, len(x.layout))
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	keep, nothing := at.int("keepdims", 1), at.int("noop_with_empty_axes", 0)
	if at.err != nil {
		return nil, at.err
	}
	if len(axes) == 0 {
		if nothing != 0 {
			return x, nil
		}
		for i := range x.layout {
			axes[i] = true
		}
	}
	return im.reduced(n, x, axes, keep != 0, n.OpType == "ReduceMean")
}

// reduced sums over axes, and divides by the number of elements for a mean. The
// axes must be those of an image's height, of its width, or of both.
func (im *importer) reduced(n *onnxpb.NodeProto, x *value, axes map[int]bool, keep, mean bool) (*value, error) {
	shape := x.base.Shape
	var over []factor
	for i := range axes {
		over = append(over, x.layout[i]...)
	}
	// In the order of the step, whatever that of the axes.
	slices.SortFunc(over, func(a, b factor) int { return b.stride - a.stride })
	over = axis(over...)
	rows, columns := factor{shape.H, shape.W * shape.C}, factor{shape.W, shape.C}
	s := shape.window()
	switch {
	case len(over) == 0:
	case slices.Equal(over, axis(rows, columns)):
		s.KH, s.KW = shape.H, shape.W
	case slices.Equal(over, axis(rows)):
		s.KH = shape.H
	case slices.Equal(over, axis(columns)):
		s.KW = shape.W
	default:
		return nil, fmt.Errorf("adds over the axes %s of a tensor of shape %s; only the sum and the mean over an image's height, width"+
			" or both are supported, axes 2 and 3 (AdaptiveAvgPool2d(1))", axesText(axes), shapeText(x.dims()))
	}
	l := slices.Clone(x.layout)
	for i, a := range l {
		if l[i] = nil; axes[i] {
			continue
		}
		for _, f := range a {
			if f.stride >= rows.stride && s.KW > 1 {
				f.stride /= shape.W
			}
			l[i] = append(l[i], f)
		}
		l[i] = axis(l[i]...)
	}
	if !keep {
		l = l.without(axes)
	}
	if len(over) == 0 {
		return x.viewed(n, l), nil
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	in, err := im.step(x)
	if err != nil {
		return nil, err
	}
	divisor := 1.
	if mean {
		divisor = float64(s.KH) * float64(s.KW)
	}
	out := im.result(n, poolStep(in, s, divisor))
	out.layout = l
	return out, nil
}

func axesText(axes map[int]bool) string {
	var list []int
	for i := range axes {
		list = append(list, i)
	}
	slices.Sort(list)
	return fmt.Sprint(list)
}

// padTensor imports Pad: zeros around an image, which the convolution or the
// pooling layer behind takes over, or as channels.
func (im *importer) padTensor(n *onnxpb.NodeProto) (*value, error) {
	x, err := im.padded(n, 0)
	if err != nil {
		return nil, err
	}
	if err := im.zerosOnly(n); err != nil {
		return nil, err
	}
	dims := x.dims()
	before, after, err := im.padsOf(n, len(dims))
	if err != nil {
		return nil, err
	}
	for i := range dims {
		if before[i] == 0 && after[i] == 0 || len(dims) == 4 && i >= 2 {
			continue
		}
		if x, err = im.unpadded(x); err != nil {
			return nil, err
		}
		p, err := im.pixels(x, i)
		if err != nil || i == 0 && len(dims) > 1 {
			return nil, fmt.Errorf("pads axis %d of a tensor of shape %s; only the channels, the height and the width of an image can be padded", i, shapeText(dims))
		}
		parts := slices.Concat(zeros(before[i]), partsOf(0, p.order), zeros(after[i]))
		if x, err = im.joined(n, []*value{x}, p, i, parts); err != nil {
			return nil, err
		}
	}
	if len(dims) != 4 || before[2]+before[3]+after[2]+after[3] == 0 {
		return x, nil
	}
	if dims[0] != 1 {
		return nil, fmt.Errorf("pads a tensor of shape %s; only images, 1×C×H×W, can be padded", shapeText(dims))
	}
	v := x.viewed(n, x.layout)
	v.pad = &padding{top: before[2], left: before[3], bottom: after[2], right: after[3]}
	if p := x.pad; p != nil {
		v.pad.top, v.pad.left, v.pad.bottom, v.pad.right = v.pad.top+p.top, v.pad.left+p.left, v.pad.bottom+p.bottom, v.pad.right+p.right
	}
	return v, nil
}

// zerosOnly checks that a Pad adds zeros and nothing else.
func (im *importer) zerosOnly(n *onnxpb.NodeProto) error {
	at := attributes{node: n}
	if mode := at.string("mode", "constant"); mode != "constant" {
		return fmt.Errorf("pads in the mode %q; only zeros can be added (padding_mode='zeros')", mode)
	}
	fill := at.float("value", 0)
	if at.err != nil {
		return at.err
	}
	t, err := im.constant(n, 2, "fill value")
	if err != nil {
		return err
	}
	if t != nil && t.len() > 0 {
		fill = t.at(0)
	}
	if fill != 0 {
		return fmt.Errorf("pads with %v; only zeros can be added", fill)
	}
	return nil
}

// padsOf returns how many zeros a Pad adds before and after each of rank axes.
func (im *importer) padsOf(n *onnxpb.NodeProto, rank int) (before, after []int, err error) {
	pads, err := im.intsOf(n, "pads", 1)
	if err != nil {
		return nil, nil, err
	}
	axes := make([]int64, rank)
	for i := range axes {
		axes[i] = int64(i)
	}
	if t, err := im.constant(n, 3, "axes"); err != nil {
		return nil, nil, err
	} else if t != nil {
		if axes, err = t.ints(); err != nil {
			return nil, nil, err
		}
	}
	if len(pads) != 2*len(axes) {
		return nil, nil, fmt.Errorf("has %d paddings for %d axes", len(pads), len(axes))
	}
	before, after = make([]int, rank), make([]int, rank)
	for k, a := range axes {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) {
			return nil, nil, fmt.Errorf("pads the axes %d of a tensor of %d dimensions", axes, rank)
		}
		for _, p := range []int64{pads[k], pads[k+len(axes)]} {
			if p < 0 || p > maxDim {
				return nil, nil, fmt.Errorf("pads by %d; only zeros can be added, from 0 to %d of them, and nothing cut off", pads, maxDim)
			}
		}
		before[a], after[a] = int(pads[k]), int(pads[k+len(axes)])
	}
	return before, after, nil
}

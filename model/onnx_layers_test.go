package model

import (
	"pascaline/internal/onnxpb"
)

// spatial adds a convolution with whatever attributes.
func (b *onnxBuilder) spatial(x string, w []int64, attributes ...any) string {
	return b.node("Conv", append([]any{x, b.random(0, w...), b.random(0, w[0])}, attributes...)...)
}

// layers are convolutions, products, pools and what is folded into them, as ONNX
// allows them and not all of PyTorch's versions write them.
var layers = []network{
	{"groups", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 5, 5)
		return b, b.spatial("x", []int64{6, 2, 3, 3}, intAttr("group", 2), intsAttr("pads", 1, 1, 1, 1))
	}, "linear"},
	{"a depthwise convolution of two filters for each channel", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 5, 5)
		return b, b.spatial("x", []int64{6, 1, 3, 3}, intAttr("group", 3), intsAttr("strides", 2, 2))
	}, "linear"},
	{"dilation", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 7, 8)
		return b, b.spatial("x", []int64{3, 2, 2, 3}, intsAttr("dilations", 3, 2), intsAttr("pads", 1, 0, 2, 1), intsAttr("strides", 2, 1))
	}, "linear"},
	{"automatic padding", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 7, 8)
		y := b.spatial("x", []int64{3, 2, 4, 3}, stringAttr("auto_pad", "SAME_UPPER"), intsAttr("strides", 2, 2))
		return b, b.spatial(b.square(y), []int64{2, 3, 2, 2}, stringAttr("auto_pad", "SAME_LOWER"), intsAttr("dilations", 1, 2))
	}, "linear polynomial linear"},
	{"normalised data and a convolution with padding", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 5, 5)
		x := b.node("Div", b.node("Sub", "x", b.random(0.5, 1, 3, 1, 1)), b.random(1, 1, 3, 1, 1))
		return b, b.spatial(x, []int64{2, 3, 3, 3}, intsAttr("pads", 1, 2, 0, 1), intsAttr("strides", 2, 1))
	}, "linear"},
	{"one offset for all and a convolution with padding", func() (*onnxBuilder, string) {
		b := newONNX(1, 1, 6, 6)
		return b, b.conv(b.node("Sub", "x", b.number(0.5)), 1, 2, 5, 1, 2)
	}, "linear"},
	{"batch norm behind an activation, before padding", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		return b, b.conv(b.batchNorm(b.square(b.conv("x", 2, 3, 3, 1, 1)), 3), 3, 2, 3, 1, 1)
	}, "linear polynomial linear"},
	{"batch norm behind an activation, before padded pools and a matrix", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		y := b.batchNorm(b.square(b.conv("x", 2, 3, 3, 1, 1)), 3)
		y = b.node("AveragePool", y, intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1), intAttr("count_include_pad", 1))
		return b, b.linear(b.node("Flatten", y), 75, 3)
	}, "linear polynomial pool reshape linear"},
	{"batch norm behind padded pooling", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 6, 6)
		y := b.node("AveragePool", b.conv("x", 4, 4, 3, 1, 1), intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1),
			intAttr("count_include_pad", 1))
		return b, b.batchNorm(y, 4)
	}, "linear pool linear"},
	{"batch norm behind what a shortcut also reads", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 6, 6)
		y := b.conv("x", 4, 4, 3, 1, 1)
		return b, b.node("Add", b.square(b.batchNorm(y, 4)), y)
	}, "linear linear polynomial add"},
	{"batch norm of the output", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 4, 4)
		return b, b.batchNorm(b.square("x"), 3)
	}, "polynomial linear"},
	{"a factor behind what a shortcut also reads", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 6, 6)
		y := b.conv("x", 4, 4, 3, 1, 1)
		return b, b.node("Add", b.conv(y, 4, 4, 3, 1, 1), b.node("AveragePool", b.node("Mul", y, b.number(2)),
			intsAttr("kernel_shape", 1, 1)))
	}, "linear linear linear pool add"},
	{"coefficients of a polynomial that differ by channel", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 6, 6)
		y := b.conv("x", 4, 4, 3, 1, 1)
		return b, b.node("Add", b.node("Mul", b.node("Mul", y, y), b.random(1, 4, 1, 1)), y)
	}, "linear polynomial linear add"},
	{"the mean picture", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 5)
		return b, b.conv(b.node("Sub", "x", b.random(0.5, 2, 4, 5)), 2, 3, 3, 1, 1)
	}, "linear"},
	{"an offset for each pixel behind a convolution and an addition", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 5)
		y := b.node("Add", b.conv("x", 2, 2, 3, 1, 1), "x")
		return b, b.conv(b.node("Add", y, b.random(0, 1, 2, 4, 5)), 2, 2, 3, 2, 0)
	}, "linear add linear"},
	{"an offset for each pixel of the output", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 5)
		return b, b.node("Add", b.square("x"), b.random(0, 4, 5))
	}, "polynomial linear"},
	{"an offset of channels in another view", func() (*onnxBuilder, string) {
		b := newONNX(1, 6, 2, 2)
		y := b.conv("x", 6, 6, 3, 1, 1)
		y = b.node("Reshape", b.node("Transpose", y, intsAttr("perm", 0, 2, 3, 1)), b.ints(1, 8, 3))
		return b, b.node("Reshape", b.node("Add", b.node("Mul", y, b.random(1, 3)), b.random(0, 8, 3)), b.ints(24))
	}, "linear"},
	{"offsets of two views, of tokens of 6 and of 4", func() (*onnxBuilder, string) {
		b := newONNX(1, 6, 2, 2)
		y := b.node("Reshape", b.node("Transpose", b.square("x"), intsAttr("perm", 0, 2, 3, 1)), b.ints(1, 4, 6))
		y = b.node("Mul", b.node("Add", y, b.random(0, 6)), b.random(1, 6))
		y = b.node("MatMul", b.node("Reshape", y, b.ints(1, 6, 4)), b.random(0, 4, 4))
		y = b.node("Reshape", b.node("Mul", b.node("Add", y, b.random(0, 4)), b.random(1, 4)), b.ints(1, 4, 6))
		return b, b.node("Reshape", b.node("MatMul", b.node("Add", y, b.random(0, 6)), b.random(0, 6, 5)), b.ints(20))
	}, "polynomial linear reshape linear reshape linear"},
	{"concatenations take batch norm", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Concat", b.conv("x", 2, 3, 3, 1, 1), b.conv("x", 2, 1, 1, 1, 0), intAttr("axis", 1))
		return b, b.square(b.batchNorm(y, 4))
	}, "linear linear concat polynomial"},
	{"concatenations hand offsets on", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.square("x")
		y = b.node("Concat", y, b.batchNorm(y, 2), "x", b.node("Add", y, b.random(0, 2, 4, 4)), intAttr("axis", 1))
		return b, b.conv(y, 8, 3, 3, 1, 1)
	}, "polynomial concat linear"},
	{"sums of many, and their mean", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Sum", "x", b.conv("x", 2, 2, 3, 1, 1), b.number(2), b.conv("x", 2, 2, 1, 1, 0))
		return b, b.node("Mean", y, b.conv("x", 2, 2, 1, 1, 0))
	}, "linear linear add add linear add linear"},
	{"Gemm transposes either factor", func() (*onnxBuilder, string) {
		b := newONNX(1, 6)
		y := b.node("Gemm", b.node("Transpose", "x"), b.random(0, 6, 4), b.random(0, 4), intAttr("transA", 1))
		y = b.node("Gemm", y, b.random(0, 5, 4), b.random(0, 1, 5), intAttr("transB", 1), floatAttr("alpha", 0.5), floatAttr("beta", 2))
		y = b.node("Gemm", b.random(0, 3, 5), y, b.random(0, 3, 1), intAttr("transB", 1), floatAttr("beta", 0.5))
		y = b.node("Gemm", b.random(0, 3, 4), y, intAttr("transA", 1))
		return b, b.node("Transpose", y)
	}, "linear linear linear linear"},
	{"Gemm adds a tensor of the network", func() (*onnxBuilder, string) {
		b := newONNX(1, 4)
		return b, b.node("Gemm", "x", b.random(0, 4, 4), "x", floatAttr("beta", 0.25))
	}, "linear linear add"},
	{"products with vectors and with more dimensions", func() (*onnxBuilder, string) {
		b := newONNX(6)
		y := b.node("MatMul", b.random(0, 5, 6), "x")
		y = b.node("MatMul", y, b.random(0, 1, 5, 4))
		y = b.node("MatMul", b.random(0, 3, 4), b.node("Transpose", b.node("Unsqueeze", y, b.ints(1)), intsAttr("perm", 0, 2, 1)))
		return b, b.node("Squeeze", y)
	}, "linear linear linear"},
	{"a matrix for every pixel", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 3, 2)
		y := b.node("Transpose", b.square("x"), intsAttr("perm", 0, 2, 3, 1))
		y = b.node("Add", b.node("MatMul", y, b.random(0, 4, 5)), b.random(0, 5))
		return b, b.node("Transpose", b.square(y), intsAttr("perm", 0, 3, 1, 2))
	}, "polynomial linear polynomial"},
	{"dropout that does nothing", func() (*onnxBuilder, string) {
		b := newONNX(1, 4)
		off := b.initializer(&onnxpb.TensorProto{DataType: onnxpb.TensorProto_BOOL, RawData: []byte{0}})
		return b, b.node("Dropout", b.square("x"), b.number(0.5), off)
	}, "polynomial"},
	{"means and sums of height, width and both", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 4, 5)
		b.model.OpsetImport[0].Version = 18
		y := b.node("ReduceMean", "x", b.ints(-1), intAttr("keepdims", 0))
		y = b.node("ReduceSum", y, b.ints(2), intAttr("keepdims", 1))
		z := b.node("ReduceSum", "x", b.ints(2), intAttr("keepdims", 0))
		z = b.node("ReduceMean", z, b.ints(2))
		return b, b.linear(b.node("Flatten", b.node("Concat", y, z, b.node("Squeeze", b.node("ReduceMean", "x", b.ints(3, 2)), b.ints(3)), intAttr("axis", 1))), 9, 2)
	}, "pool pool pool pool pool concat linear"},
	{"means in another layout", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 4, 5)
		y := b.node("Transpose", b.node("Reshape", b.square("x"), b.ints(0, 3, 20)), intsAttr("perm", 0, 2, 1))
		return b, b.node("ReduceMean", y, intsAttr("axes", 1), intAttr("keepdims", 0))
	}, "polynomial pool"},
	{"a mean of one element is none", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 1, 1)
		return b, b.node("ReduceMean", b.square("x"), intsAttr("axes", 2, 3), intAttr("keepdims", 0))
	}, "polynomial"},
	{"numbers computed from numbers", func() (*onnxBuilder, string) {
		b := newONNX(1, 5)
		root := b.node("Sqrt", b.node("Add", b.random(2, 5), b.number(0.001)))
		c := b.node("Neg", b.node("Reciprocal", b.node("Max", root, b.number(1), b.number(1.2))))
		c = b.node("Add", c, b.node("Cast", b.node("Sub", b.ints(5), b.ints(7)), intAttr("to", 1)))
		return b, b.linear(b.node("Mul", b.square("x"), b.node("Min", c, b.number(4))), 5, 3)
	}, "polynomial linear"},
	{"weights that are transposed and cut", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		w := b.node("Transpose", b.random(0, 3, 3, 2, 6), intsAttr("perm", 3, 2, 0, 1))
		w = b.node("Slice", w, b.ints(5, 0), b.ints(0, 9), b.ints(0, 2), b.ints(-2, 1))
		return b, b.node("Conv", "x", b.node("Concat", w, w, intAttr("axis", 0)), b.node("Expand", b.random(0, 1), b.ints(6)))
	}, "linear"},
}

package model

import (
	"pascaline/internal/onnxpb"
)

func ints64(v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{DataType: onnxpb.TensorProto_INT64, Dims: []int64{int64(len(v))}, Int64Data: v}
}

// layouts are changes of shape and order, channels joined and cut, and padding.
var layouts = []network{
	{"inputs without a batch", func() (*onnxBuilder, string) {
		b := newONNX(3, 4, 5)
		return b, b.conv(b.node("Unsqueeze", "x", b.ints(0)), 3, 2, 3, 1, 1)
	}, "linear"},
	{"grey pictures without channels", func() (*onnxBuilder, string) {
		b := newONNX(0, 4, 5)
		return b, b.linear(b.node("Flatten", b.square(b.conv(b.node("Unsqueeze", "x", b.ints(1)), 1, 2, 3, 1, 1))), 40, 3)
	}, "linear polynomial reshape linear"},
	{"flattened with the channels last", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 4, 5)
		y := b.node("Flatten", b.node("Transpose", b.square("x"), intsAttr("perm", 0, 2, 3, 1)))
		return b, b.linear(y, 60, 4)
	}, "polynomial reshape linear"},
	{"flattened in an order of its own", func() (*onnxBuilder, string) {
		b := newONNX(1, 6, 4, 5)
		y := b.node("Reshape", b.square("x"), b.ints(1, 2, 3, 20))
		y = b.node("Transpose", y, intsAttr("perm", 3, 2, 0, 1))
		return b, b.linear(b.node("Reshape", y, b.ints(1, -1)), 120, 4)
	}, "polynomial reshape linear"},
	{"and back again", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 4, 5)
		y := b.node("Transpose", b.square("x"), intsAttr("perm", 3, 2, 1, 0))
		y = b.node("Reshape", b.node("Squeeze", y), b.ints(20, 3))
		y = b.node("Transpose", b.node("Reshape", y, b.ints(5, 4, 3, 1)), intsAttr("perm", 3, 2, 1, 0))
		return b, b.conv(y, 3, 2, 3, 1, 1)
	}, "polynomial linear"},
	{"a Transpose of nothing but ones", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 1, 1)
		return b, b.conv(b.node("Transpose", b.square("x"), intsAttr("perm", 3, 1, 0, 2)), 3, 2, 1, 1, 0)
	}, "polynomial linear"},
	{"channels shuffled", func() (*onnxBuilder, string) {
		b := newONNX(1, 6, 4, 4)
		y := b.node("Transpose", b.node("Reshape", "x", b.ints(1, 2, 3, 4, 4)), intsAttr("perm", 0, 2, 1, 3, 4))
		return b, b.conv(b.node("Reshape", y, b.ints(0, -1, 4, 4)), 6, 2, 3, 1, 1)
	}, "concat linear"},
	{"a sum of transposed branches", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 4, 4)
		y := b.node("Transpose", b.square("x"), intsAttr("perm", 0, 2, 3, 1))
		z := b.node("Transpose", b.conv("x", 3, 3, 3, 1, 1), intsAttr("perm", 0, 2, 3, 1))
		return b, b.node("Transpose", b.node("Add", y, z), intsAttr("perm", 0, 3, 1, 2))
	}, "linear polynomial add"},
	{"channels joined", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		return b, b.node("Concat", "x", b.conv("x", 2, 3, 3, 1, 1), b.square("x"), "x", intAttr("axis", -3))
	}, "linear polynomial concat"},
	{"channels last joined", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Transpose", "x", intsAttr("perm", 0, 2, 3, 1))
		y = b.node("Concat", y, b.node("MatMul", y, b.random(0, 2, 3)), intAttr("axis", 3))
		return b, b.node("Transpose", y, intsAttr("perm", 0, 3, 1, 2))
	}, "linear concat"},
	{"vectors joined, one of them a flattened image", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 2, 2)
		y := b.node("Flatten", b.square("x"))
		return b, b.linear(b.node("Concat", b.linear(y, 12, 4), y, intAttr("axis", 1)), 16, 3)
	}, "polynomial reshape linear concat linear"},
	{"a sequence joined to vectors of the same length", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 2, 2)
		tokens := func(y string) string {
			return b.node("Transpose", b.node("Reshape", y, b.ints(1, 3, 4)), intsAttr("perm", 0, 2, 1))
		}
		y := b.node("Concat", tokens("x"), tokens(b.square("x")), intAttr("axis", 2))
		return b, b.node("ReduceMean", b.node("MatMul", y, b.random(0, 6, 3)), intsAttr("axes", 1), intAttr("keepdims", 0))
	}, "polynomial concat linear pool"},
	{"channels split evenly, and not", func() (*onnxBuilder, string) {
		b := newONNX(1, 5, 4, 4)
		b.node("Split", "x", b.ints(2, 3), intAttr("axis", 1))
		b.last().Output = []string{"a", "b"}
		b.node("Split", "x", intAttr("axis", 1), intAttr("num_outputs", 2))
		b.last().Output = []string{"c", "d"}
		return b, b.node("Concat", "d", "b", "a", "c", intAttr("axis", 1))
	}, "concat concat concat concat concat"},
	{"a split of which a part is not used", func() (*onnxBuilder, string) {
		b := newONNX(1, 5, 4, 4)
		b.node("Split", "x", intsAttr("split", 2, 3), intAttr("axis", 1))
		b.last().Output = []string{"", "b"}
		return b, b.square("b")
	}, "concat polynomial"},
	{"channels cut in every way", func() (*onnxBuilder, string) {
		b := newONNX(1, 8, 3, 3)
		y := b.square("x")
		y = b.node("Concat", b.node("Slice", y, b.ints(1), b.ints(-2), b.ints(1)),
			b.node("Slice", y, b.ints(-1), b.ints(-1<<62), b.ints(-3), b.ints(-3)),
			b.node("Slice", y, b.ints(0, 0), b.ints(9, 1<<62), b.ints(1, 2)),
			b.node("Gather", y, b.ints(7, 0, -2, 0), intAttr("axis", 1)), intAttr("axis", 1))
		return b, b.conv(y, 20, 2, 3, 1, 0)
	}, "polynomial concat concat concat concat linear"},
	{"a Slice of the first version", func() (*onnxBuilder, string) {
		b := newONNX(1, 8, 3, 3)
		return b, b.square(b.node("Slice", "x", intsAttr("starts", 2), intsAttr("ends", 5), intsAttr("axes", 1)))
	}, "concat polynomial"},
	{"every other row, every third column", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 7, 6)
		return b, b.square(b.node("Slice", "x", b.ints(0, 0), b.ints(1<<62, 6), b.ints(2, 3), b.ints(2, 3)))
	}, "pool pool polynomial"},
	{"one of a batch of one", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Gather", b.node("Slice", "x", b.ints(0), b.ints(1)), b.node("Constant", &onnxpb.AttributeProto{Name: "value_int", Type: onnxpb.AttributeProto_INT}))
		return b, b.square(b.node("Unsqueeze", y, b.ints(0)))
	}, "polynomial"},
	{"padding before an addition and an activation", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Pad", b.square("x"), b.ints(0, 0, 1, 0, 0, 0, 0, 2))
		z := b.square(b.node("Pad", "x", b.ints(0, 0, 0, 1, 0, 0, 1, 1)))
		return b, b.node("Add", y, z)
	}, "pool polynomial pool polynomial add"},
	{"padding twice, then a convolution", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Pad", b.node("Pad", "x", b.ints(0, 0, 1, 0, 0, 0, 0, 2)), b.ints(0, 0, 0, 1, 0, 0, 1, 1))
		return b, b.conv(y, 2, 3, 3, 1, 1)
	}, "linear"},
	{"padding of named axes, and of channels", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		b.model.OpsetImport[0].Version = 18
		y := b.node("Pad", b.square("x"), b.ints(1, 2, 0, 1), b.number(0), b.ints(-1, 1))
		return b, b.conv(y, 5, 3, 3, 1, 1)
	}, "polynomial concat linear"},
	{"padding of the output", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		return b, b.node("Pad", "x", b.ints(0, 1, 1, 0, 0, 0, 0, 2))
	}, "concat pool"},
	{"padding behind batch norm, whose offset it is not", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		y := b.node("Pad", b.batchNorm(b.square("x"), 2), b.ints(0, 0, 1, 0, 0, 0, 0, 2))
		return b, b.conv(b.node("Add", y, b.number(0.5)), 2, 3, 3, 1, 0)
	}, "polynomial pool linear"},
	{"padding of a vector", func() (*onnxBuilder, string) {
		b := newONNX(1, 4)
		return b, b.linear(b.node("Pad", b.square("x"), b.ints(0, 2, 0, 1)), 7, 2)
	}, "polynomial concat linear"},
	{"paddings computed as PyTorch does", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		zeros := b.node("ConstantOfShape", b.ints(4), tensorAttr("value", ints64(0)))
		pads := b.node("Reshape", b.node("Concat", b.ints(1, 2, 0, 1), zeros, intAttr("axis", 0)), b.ints(-1, 2))
		pads = b.node("Slice", pads, b.ints(-1), b.ints(-9223372036854775807), b.ints(0), b.ints(-1))
		pads = b.node("Cast", b.node("Reshape", b.node("Transpose", pads, intsAttr("perm", 1, 0)), b.ints(-1)), intAttr("to", 7))
		return b, b.conv(b.node("Pad", "x", pads, ""), 2, 3, 3, 1, 0)
	}, "linear"},
	{"sizes computed in every way", func() (*onnxBuilder, string) {
		b := newONNX(0, 2, 3, 4)
		y := b.square("x")
		shape := b.node("Shape", y)
		rest := b.node("ReduceProd", b.node("Slice", shape, b.ints(1), b.ints(1<<62)), intAttr("keepdims", 1))
		batch := b.node("Unsqueeze", b.node("Squeeze", b.node("Gather", shape, b.ints(0)), b.ints(0)), b.ints(0))
		x := b.node("Reshape", y, b.node("Concat", batch, rest, intAttr("axis", 0)))
		order := b.node("Range", b.node("Constant", tensorAttr("value", &onnxpb.TensorProto{DataType: onnxpb.TensorProto_INT64, Int64Data: []int64{0}})),
			b.node("Constant", tensorAttr("value", &onnxpb.TensorProto{DataType: onnxpb.TensorProto_INT64, Int64Data: []int64{24}})),
			b.node("Constant", tensorAttr("value", &onnxpb.TensorProto{DataType: onnxpb.TensorProto_INT32, Int32Data: []int32{2}})))
		return b, b.linear(b.node("Gather", x, order, intAttr("axis", 1)), 12, 2)
	}, "polynomial reshape concat linear"},
}

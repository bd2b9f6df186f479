package model

import (
	"pascaline/internal/onnxpb"
)

// refusals are networks that cannot be imported, with parts of the error that
// must say where and what to do.
var refusals = []struct {
	name  string
	build func(b *onnxBuilder) string // on an input of 1×4×6×6
	want  []string
}{
	{"max pooling", func(b *onnxBuilder) string { return b.node("MaxPool", "x", intsAttr("kernel_shape", 2, 2)) },
		[]string{`"/MaxPool_0" (MaxPool)`, "AvgPool2d"}},
	{"relu twice", func(b *onnxBuilder) string { return b.node("Relu", b.conv(b.node("Relu", "x"), 4, 4, 3, 1, 1)) },
		[]string{`"/Relu_0" (Relu) of a tensor 1×4×6×6`, "1 more", "polynomial activation", "322", "--activation relu=poly:4:5", "docs/pytorch.md"}},
	{"several unknown operators at once", func(b *onnxBuilder) string {
		return b.node("LeakyRelu", b.node("GlobalMaxPool", b.node("LayerNormalization", "x")))
	}, []string{"(LayerNormalization)", "BatchNorm", "(GlobalMaxPool)", "AvgPool2d", "(LeakyRelu)", "polynomial activation"}},
	{"SiLU", func(b *onnxBuilder) string { return b.node("Mul", "x", b.node("Sigmoid", "x")) },
		[]string{"(Sigmoid)", "polynomial activation", "--activation silu=poly:4:5"}},
	{"a sigmoid", func(b *onnxBuilder) string { return b.conv(b.node("Sigmoid", "x"), 4, 4, 3, 1, 1) },
		[]string{"(Sigmoid)", "--activation sigmoid=poly:4:5"}},
	{"GELU written out", func(b *onnxBuilder) string {
		y := b.node("Erf", b.node("Div", "x", b.number(1.4142135)))
		return b.node("Mul", b.node("Mul", "x", b.node("Add", y, b.number(1))), b.number(0.5))
	}, []string{"(Erf)", "--activation gelu=poly:4:5"}},
	{"an error function", func(b *onnxBuilder) string { return b.node("Erf", "x") }, []string{"(Erf)", "not supported", "polynomial activation"}},
	{"activations of what is unknown", func(b *onnxBuilder) string {
		y := b.node("MaxPool", "x")
		return b.node("Tanh", b.conv(b.node("Erf", y), 4, 4, 3, 1, 1))
	}, []string{"(MaxPool)", "(Erf)", "gelu=poly", "(Tanh)", "tanh=poly"}},
	{"ELU of another slope", func(b *onnxBuilder) string { return b.node("Elu", "x", floatAttr("alpha", 0.5)) }, []string{"(Elu)", "α = 0.5"}},
	{"SELU of other constants", func(b *onnxBuilder) string { return b.node("Selu", "x", floatAttr("alpha", 1)) }, []string{"(Selu)", "SELU's"}},
	{"PReLU", func(b *onnxBuilder) string { return b.node("PRelu", "x", b.random(0, 4, 1, 1)) }, []string{"(PRelu)", "polynomial activation"}},
	{"everything that is wrong, at once", func(b *onnxBuilder) string {
		y := b.node("Relu", b.node("Conv", "x", b.random(0, 4, 3, 3, 3)))
		y = b.node("Add", b.node("Relu", "x"), y)
		return b.node("Add", b.node("Pow", "x", b.number(0.5)), y)
	}, []string{"(Conv)", "do not fit", "(Relu)", "(Pow)", "whole numbers"}},
	{"clip", func(b *onnxBuilder) string { return b.node("Clip", "x", b.number(-5), b.number(5)) },
		[]string{"(Clip)", "self.training", "--activation clip=drop"}},
	{"clipping a constant", func(b *onnxBuilder) string { return b.node("Mul", "x", b.node("Clip", b.number(1), b.number(0))) },
		[]string{"(Clip)", "is a constant"}},
	{"clipping from below", func(b *onnxBuilder) string { return b.node("Clip", "x", b.number(0)) }, []string{"(Clip)", "relu=poly"}},
	{"clipping to nothing", func(b *onnxBuilder) string { return b.node("Clip", "x", b.number(1), b.number(0)) }, []string{"(Clip)", "empty range"}},
	{"clipping by tensors", func(b *onnxBuilder) string { return b.node("Clip", "x", b.random(0, 4, 1, 1)) }, []string{"(Clip)", "element to element"}},
	{"the larger of two", func(b *onnxBuilder) string { return b.node("Max", "x", b.conv("x", 4, 4, 3, 1, 1)) },
		[]string{"(Max)", "two tensors"}},
	{"softmax at the end", func(b *onnxBuilder) string { return b.node("Softmax", "x") },
		[]string{"(Softmax)", "leave it out", "softmax=drop", "order of the classes does not change"}},
	{"softmax inside", func(b *onnxBuilder) string { return b.conv(b.node("Softmax", "x"), 4, 4, 3, 1, 1) },
		[]string{"(Softmax)", "attention"}},
	{"argmax", func(b *onnxBuilder) string { return b.node("ArgMax", "x") }, []string{"(ArgMax)", "client decides"}},
	{"upsampling", func(b *onnxBuilder) string { return b.node("Resize", "x") }, []string{"(Resize)", "stride"}},
	{"an operator nobody knows", func(b *onnxBuilder) string { return b.node("Frobnicate", "x") },
		[]string{"(Frobnicate)", "convolutions, linear layers"}},
	{"another domain", func(b *onnxBuilder) string {
		out := b.node("Conv", "x")
		b.last().Domain = "pkg.onnxscript.torch_lib"
		return out
	}, []string{`"pkg.onnxscript.torch_lib"`, "ONNX's own operators"}},
	{"groups that do not divide the filters", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 3, 2, 3, 3), intAttr("group", 2))
	}, []string{`"/Conv_0" (Conv)`, "2 groups", "do not fit"}},
	{"no groups", func(b *onnxBuilder) string { return b.node("Conv", "x", b.random(0, 3, 2, 3, 3), intAttr("group", 0)) },
		[]string{"(Conv)", "do not fit"}},
	{"a transposed convolution", func(b *onnxBuilder) string { return b.node("ConvTranspose", "x", b.random(0, 4, 2, 3, 3)) },
		[]string{"(ConvTranspose) of a tensor 1×4×6×6", "no upsampling"}},
	{"dilation beyond the image", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 2, 2), intsAttr("dilations", 7, 1))
	}, []string{"(Conv)", "larger than the padded input"}},
	{"dilated pools", func(b *onnxBuilder) string {
		return b.node("AveragePool", "x", intsAttr("kernel_shape", 2, 2), intsAttr("dilations", 2, 2))
	}, []string{"(AveragePool)", "dilated by 2×2"}},
	{"automatic padding of another kind", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 3, 3), stringAttr("auto_pad", "WIDER"))
	}, []string{"(Conv)", "WIDER", "padding=…"}},
	{"one-dimensional convolution", func(b *onnxBuilder) string { return b.node("Conv", "x", b.random(0, 4, 4, 3)) },
		[]string{"(Conv)", "two-dimensional"}},
	{"weights for other channels", func(b *onnxBuilder) string { return b.conv("x", 3, 4, 3, 1, 1) },
		[]string{"(Conv)", "do not fit"}},
	{"a kernel larger than the image", func(b *onnxBuilder) string { return b.conv("x", 4, 4, 9, 1, 1) },
		[]string{"(Conv)", "larger than the padded input"}},
	{"strides of the wrong number", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 3, 3), intsAttr("strides", 1))
	}, []string{"(Conv)", `"strides"`}},
	{"a kernel that is not the weights'", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 3, 3), intsAttr("kernel_shape", 5, 5))
	}, []string{"(Conv)", "3×3"}},
	{"weights that the network computes", func(b *onnxBuilder) string { return b.node("Conv", "x", b.node("Neg", "x")) },
		[]string{"(Conv)", "must be a constant"}},
	{"no weights", func(b *onnxBuilder) string { return b.node("Conv", "x") }, []string{"(Conv)", "lacks its weights"}},
	{"a bias of another length", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 3, 3), b.random(0, 3))
	}, []string{"(Conv)", "bias"}},
	{"an attribute of another type", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 3, 3), intAttr("strides", 1))
	}, []string{"(Conv)", `"strides"`, "damaged"}},
	{"a matrix of another size", func(b *onnxBuilder) string { return b.linear(b.node("Flatten", "x"), 100, 2) },
		[]string{"(Gemm)", "takes 100 elements"}},
	{"an image times a matrix", func(b *onnxBuilder) string { return b.node("MatMul", "x", b.random(0, 6, 2)) },
		[]string{"(MatMul)", "another order", "flatten"}},
	{"a product with a cube", func(b *onnxBuilder) string { return b.node("MatMul", "x", b.random(0, 4, 6, 2)) },
		[]string{"(MatMul)", "shape 4×6×2", "only matrices"}},
	{"attention", func(b *onnxBuilder) string { return b.node("MatMul", "x", "x") },
		[]string{"(MatMul)", "must be a constant", "attention"}},
	{"batch norm in training", func(b *onnxBuilder) string {
		out := b.batchNorm("x", 4)
		b.last().Attribute = append(b.last().Attribute, intAttr("training_mode", 1))
		return out
	}, []string{"(BatchNormalization)", "model.eval()"}},
	{"batch norm for other channels", func(b *onnxBuilder) string { return b.batchNorm("x", 3) },
		[]string{"(BatchNormalization)", "scale"}},
	{"batch norm of negative variance", func(b *onnxBuilder) string {
		return b.node("BatchNormalization", "x", b.random(1, 4), b.random(0, 4), b.random(0, 4), b.random(-2, 4))
	}, []string{"(BatchNormalization)", "variance"}},
	{"a factor for each pixel", func(b *onnxBuilder) string { return b.conv(b.node("Mul", "x", b.random(0, 6, 6)), 4, 4, 3, 1, 1) },
		[]string{"(Mul)", "pixel to pixel"}},
	{"a constant of another shape", func(b *onnxBuilder) string { return b.node("Add", "x", b.random(0, 3, 1, 1)) },
		[]string{"(Add)", "does not fit"}},
	{"a constant of more dimensions", func(b *onnxBuilder) string { return b.node("Mul", "x", b.random(0, 1, 1, 4, 1, 1)) },
		[]string{"(Mul)", "more dimensions"}},
	{"degree 9", func(b *onnxBuilder) string {
		y := b.node("Pow", "x", b.number(3))
		return b.node("Mul", b.node("Mul", y, y), y)
	}, []string{"(Mul)", "degree 9", "8 at most"}},
	{"degree 16 by Pow", func(b *onnxBuilder) string { return b.node("Pow", b.square("x"), b.number(8)) },
		[]string{"(Pow)", "degree 16"}},
	{"a square root by Pow", func(b *onnxBuilder) string { return b.node("Pow", "x", b.number(0.5)) },
		[]string{"(Pow)", "power of 0.5", "whole numbers"}},
	{"an exponential by Pow", func(b *onnxBuilder) string { return b.node("Pow", b.number(2), "x") },
		[]string{"(Pow)", "polynomial activation"}},
	{"a reciprocal", func(b *onnxBuilder) string { return b.node("Div", b.number(1), "x") },
		[]string{"(Div)", "polynomial activation"}},
	{"a quotient of tensors", func(b *onnxBuilder) string { return b.node("Div", b.square("x"), "x") },
		[]string{"(Div)", "polynomial activation"}},
	{"division by zero", func(b *onnxBuilder) string { return b.node("Div", "x", b.number(0)) }, []string{"(Div)", "by zero"}},
	{"coefficients that overflow", func(b *onnxBuilder) string {
		for y := "x"; ; {
			if y = b.node("Mul", y, b.number(3e38)); b.count > 40 {
				return b.node("Mul", y, "x")
			}
		}
	}, []string{"(Mul)", "overflow"}},
	{"gates", func(b *onnxBuilder) string { return b.node("Mul", "x", b.conv("x", 4, 4, 3, 1, 1)) },
		[]string{"(Mul)", "two different tensors", "gates"}},
	{"a gate of one number", func(b *onnxBuilder) string { return b.node("Mul", "x", b.node("GlobalAveragePool", "x")) },
		[]string{"(Mul)", "same shape"}},
	{"branches of different shapes", func(b *onnxBuilder) string { return b.node("Add", "x", b.conv("x", 4, 4, 3, 1, 0)) },
		[]string{"(Add)", "same shape"}},
	{"flattened branches in different orders", func(b *onnxBuilder) string {
		f := b.node("Flatten", "x")
		return b.linear(b.node("Add", b.linear(f, 144, 144), f), 144, 2)
	}, []string{"(Add)", "different orders", "before the Flatten"}},
	{"an activation of nothing", func(b *onnxBuilder) string { return b.node("Sub", "x", "x") },
		[]string{"(Sub)", "does not depend"}},
	{"a constant output", func(b *onnxBuilder) string { return b.number(1) }, []string{"does not depend"}},
	{"a flattened output", func(b *onnxBuilder) string { return b.node("Flatten", b.square("x")) },
		[]string{"another order", "before the Flatten"}},
	{"the input as output", func(b *onnxBuilder) string { return b.node("Identity", "x") }, []string{"computes nothing"}},
	{"pooling that does not count padding", func(b *onnxBuilder) string {
		return b.node("AveragePool", "x", intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1))
	}, []string{"(AveragePool)", "count_include_pad=True"}},
	{"pooling beyond the image", func(b *onnxBuilder) string {
		return b.node("AveragePool", "x", intsAttr("kernel_shape", 3, 3), intsAttr("strides", 2, 2), intAttr("ceil_mode", 1))
	}, []string{"(AveragePool)", "ceil_mode=False"}},
	{"pooling without a kernel", func(b *onnxBuilder) string { return b.node("AveragePool", "x") },
		[]string{"(AveragePool)", "kernel_shape"}},
	{"a mean over channels", func(b *onnxBuilder) string { return b.node("ReduceMean", "x", intsAttr("axes", 1)) },
		[]string{"(ReduceMean)", "AdaptiveAvgPool2d"}},
	{"padding by reflection", func(b *onnxBuilder) string {
		return b.node("Pad", "x", b.ints(0, 0, 1, 1, 0, 0, 1, 1), stringAttr("mode", "reflect"))
	}, []string{"(Pad)", "reflect", "zeros"}},
	{"padding with ones", func(b *onnxBuilder) string {
		return b.node("Pad", "x", b.ints(0, 0, 1, 1, 0, 0, 1, 1), b.number(1))
	}, []string{"(Pad)", "pads with 1"}},
	{"a padded batch", func(b *onnxBuilder) string { return b.node("Pad", "x", b.ints(1, 0, 0, 0, 0, 0, 0, 0)) },
		[]string{"(Pad)", "axis 0", "height and the width"}},
	{"paddings for other axes", func(b *onnxBuilder) string { return b.node("Pad", "x", b.ints(1, 1)) }, []string{"(Pad)", "2 paddings for 4 axes"}},
	{"cropping", func(b *onnxBuilder) string { return b.node("Pad", "x", b.ints(0, 0, -1, 0, 0, 0, 0, 0)) },
		[]string{"(Pad)", "cut off"}},
	{"cropping by a slice", func(b *onnxBuilder) string { return b.node("Slice", "x", b.ints(1), b.ints(5), b.ints(2)) },
		[]string{"(Slice)", "cuts axis 2", "with a stride"}},
	{"a slice of nothing", func(b *onnxBuilder) string { return b.node("Slice", "x", b.ints(5), b.ints(5), b.ints(1)) }, []string{"(Slice)", "takes nothing"}},
	{"a slice without steps", func(b *onnxBuilder) string { return b.node("Slice", "x", b.ints(0), b.ints(5), b.ints(1), b.ints(0)) }, []string{"(Slice)", "every 0"}},
	{"a slice with too few ends", func(b *onnxBuilder) string { return b.node("Slice", "x", b.ints(0, 0), b.ints(5)) }, []string{"(Slice)", "2 starts"}},
	{"a split into too much", func(b *onnxBuilder) string {
		b.node("Split", "x", b.ints(2, 3), intAttr("axis", 1))
		b.last().Output = []string{"a", "b"}
		return b.node("Add", "a", "b")
	}, []string{"(Split)", "into [2 3]"}},
	{"rows joined", func(b *onnxBuilder) string { return b.node("Concat", "x", "x", intAttr("axis", 2)) },
		[]string{"(Concat)", "axis 2", "dim=1"}},
	{"a constant joined", func(b *onnxBuilder) string { return b.node("Concat", "x", b.random(0, 1, 1, 6, 6), intAttr("axis", 1)) },
		[]string{"(Concat)", "joins a constant"}},
	{"images of different sizes joined", func(b *onnxBuilder) string {
		return b.node("Concat", "x", b.conv("x", 4, 4, 3, 1, 0), intAttr("axis", 1))
	}, []string{"(Concat)", "1×4×6×6 and 1×4×4×4"}},
	{"dropout in training", func(b *onnxBuilder) string {
		on := b.initializer(&onnxpb.TensorProto{DataType: onnxpb.TensorProto_BOOL, RawData: []byte{1}})
		return b.node("Dropout", "x", b.number(0.5), on)
	}, []string{"(Dropout)", "model.eval()"}},
	{"constants that do not fit each other", func(b *onnxBuilder) string {
		return b.node("Mul", "x", b.node("Add", b.random(0, 2), b.random(0, 3)))
	}, []string{"(Add)", "do not fit"}},
	{"a root of a negative number", func(b *onnxBuilder) string { return b.node("Mul", "x", b.node("Sqrt", b.number(-1))) }, []string{"(Sqrt)", "NaN"}},
	{"a huge constant from a small file", func(b *onnxBuilder) string {
		return b.node("Mul", "x", b.node("ConstantOfShape", b.ints(1<<14, 1<<14)))
	}, []string{"(ConstantOfShape)", "many times what the file holds"}},
	{"an endless range", func(b *onnxBuilder) string {
		return b.node("Mul", "x", b.node("Range", b.number(0), b.number(1e30), b.number(1)))
	},
		[]string{"(Range)", "elements"}},
	{"axes that are none", func(b *onnxBuilder) string { return b.node("Transpose", "x", intsAttr("perm", 0, 1, 1, 2)) }, []string{"(Transpose)", "orders 4 axes"}},
	{"pixels shuffled by a reshape", func(b *onnxBuilder) string {
		return b.conv(b.node("Reshape", "x", b.ints(1, 6, 4, 6)), 6, 2, 3, 1, 1)
	}, []string{"across the order", "move no pixels"}},
	{"height and width exchanged", func(b *onnxBuilder) string {
		return b.conv(b.node("Transpose", "x", intsAttr("perm", 0, 1, 3, 2)), 4, 2, 3, 1, 1)
	}, []string{"(Conv)", `from the input`, "another order", "move no pixels"}},
	{"a reshape to another size", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.ints(1, 100)) },
		[]string{"(Reshape)", "144 elements"}},
	{"a reshape with two free dimensions", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.ints(-1, -1)) },
		[]string{"(Reshape)", "144 elements"}},
	{"a shape of real numbers", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.random(0, 2)) },
		[]string{"(Reshape)", "integers"}},
	{"half precision inside", func(b *onnxBuilder) string { return b.node("Cast", "x", intAttr("to", 10)) },
		[]string{"(Cast)", "float32 throughout"}},
	{"channels of rows", func(b *onnxBuilder) string {
		return b.conv(b.node("Transpose", "x", intsAttr("perm", 0, 2, 3, 1)), 6, 2, 3, 1, 1)
	}, []string{"(Conv)", "N×C×H×W"}},
	{"rows at uneven distances", func(b *onnxBuilder) string {
		return b.node("Gather", "x", b.ints(0, 1, 1, 3, 4, 5), intAttr("axis", 2))
	},
		[]string{"(Gather)", "cuts axis 2"}},
	{"one row of an image", func(b *onnxBuilder) string { return b.node("Gather", "x", b.ints(1), intAttr("axis", 2)) },
		[]string{"(Gather)", "cuts axis 2"}},
	{"one of a batch that there is not", func(b *onnxBuilder) string { return b.node("Gather", "x", b.ints(1)) }, []string{"(Gather)", "picks element 1 of 1"}},
	{"a dropout mask", func(b *onnxBuilder) string {
		b.node("Dropout", "x")
		b.last().Output = append(b.last().Output, "mask")
		return b.node("Mul", "mask", "x")
	}, []string{`"mask"`, "(Dropout)", "only the first"}},
	{"a cycle", func(b *onnxBuilder) string {
		out := b.node("Add", "x", "v1")
		return b.node("Neg", out)
	}, []string{"depends on its own output"}},
	{"a missing input", func(b *onnxBuilder) string { return b.node("Neg", "nowhere") },
		[]string{"(Neg)", `"nowhere"`, "nothing produces"}},
	{"too few inputs", func(b *onnxBuilder) string { return b.node("Add", "x") }, []string{"(Add)", "combines 1 tensors"}},
	{"an input left out", func(b *onnxBuilder) string { return b.node("Add", "x", "") }, []string{"(Add)", "lacks input 1"}},
	{"an output that nothing produces", func(b *onnxBuilder) string { b.node("Neg", "x"); return "y" },
		[]string{"output", `"y"`}},
	{"an output without a name", func(b *onnxBuilder) string { b.node("Neg", "x"); return "" },
		[]string{"output", `""`, "nothing produces"}},
	{"a name produced twice", func(b *onnxBuilder) string {
		b.node("Neg", "x")
		out := b.node("Neg", "x")
		b.last().Output[0] = "v0"
		return out
	}, []string{`"/Neg_0"`, `"/Neg_1"`, `"v0"`}},
	{"a node that overwrites the input", func(b *onnxBuilder) string {
		b.node("Neg", "x")
		b.last().Output[0] = "x"
		return "x"
	}, []string{`"/Neg_0"`, `"x"`, "already"}},
	{"two initializers of one name", func(b *onnxBuilder) string {
		b.random(0, 1)
		b.random(0, 1)
		b.graph.Initializer[1].Name = "w0"
		return b.node("Mul", "x", "w0")
	}, []string{"two initializers", `"w0"`}},
	{"two inputs", func(b *onnxBuilder) string {
		b.graph.Input = append(b.graph.Input, valueInfo("mask", 1, 4))
		return b.node("Neg", "x")
	}, []string{"2 inputs", `"mask"`}},
	{"a batch", func(b *onnxBuilder) string {
		b.graph.Input[0] = valueInfo("x", 8, 4, 6, 6)
		return b.square("x")
	}, []string{`"x"`, "batch of 8", "batch of 1"}},
	{"sizes that vary", func(b *onnxBuilder) string {
		b.graph.Input[0] = valueInfo("x", 1, 4, 0, 0)
		return b.square("x")
	}, []string{`"x"`, "fixed sizes"}},
	{"a volume", func(b *onnxBuilder) string {
		b.graph.Input[0] = valueInfo("x", 1, 4, 6, 6, 6)
		return b.square("x")
	}, []string{`"x"`, "5 dimensions", "1×C×H×W"}},
	{"an image too large", func(b *onnxBuilder) string {
		b.graph.Input[0] = valueInfo("x", 1, 1<<20, 1<<20, 1<<20)
		return b.square("x")
	}, []string{`"x"`, "elements"}},
	{"an input in half precision", func(b *onnxBuilder) string {
		b.graph.Input[0].Type.TensorType.ElemType = onnxpb.TensorProto_FLOAT16
		return b.square("x")
	}, []string{`"x"`, "float32"}},
	{"an input of tokens", func(b *onnxBuilder) string {
		b.graph.Input[0].Type.TensorType.ElemType = onnxpb.TensorProto_INT64
		return b.square("x")
	}, []string{`"x"`, "INT64", "float32"}},
	{"an input without a type", func(b *onnxBuilder) string { b.graph.Input[0].Type = nil; return b.square("x") },
		[]string{`"x"`, "float32"}},
	{"an old operator set", func(b *onnxBuilder) string { b.model.OpsetImport[0].Version = 6; return b.square("x") },
		[]string{"version 6", "opset_version"}},
	{"weights in another file", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		w := b.graph.Initializer[0]
		w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL
		w.ExternalData = []*onnxpb.StringStringEntryProto{{Key: "location", Value: "/etc/passwd"}}
		return out
	}, []string{"(Conv)", `"w0"`, "another file", "external_data=False"}},
	{"fewer values than the shape has", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		b.graph.Initializer[0].RawData = b.graph.Initializer[0].RawData[4:]
		return out
	}, []string{"(Conv)", `"w0"`, "143 values", "144"}},
	{"a part of a value", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		b.graph.Initializer[0].RawData = b.graph.Initializer[0].RawData[1:]
		return out
	}, []string{"(Conv)", `"w0"`, "no whole number"}},
	{"a huge shape without values", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		b.graph.Initializer[0].Dims = []int64{1 << 40, 1 << 40}
		return out
	}, []string{"(Conv)", `"w0"`, "shape"}},
	{"a shape that overflows", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		b.graph.Initializer[0].Dims = []int64{1 << 28, 1 << 28, 1 << 28, 1 << 28}
		return out
	}, []string{"(Conv)", `"w0"`, "elements"}},
	{"a negative dimension", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		b.graph.Initializer[0].Dims = []int64{-1, -144}
		return out
	}, []string{"(Conv)", `"w0"`, "dimension"}},
	{"half-precision weights", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		b.graph.Initializer[0].DataType = onnxpb.TensorProto_FLOAT16
		return out
	}, []string{"(Conv)", `"w0"`, "model.float()"}},
	{"weights that are no numbers", func(b *onnxBuilder) string {
		out := b.conv("x", 4, 4, 3, 1, 1)
		copy(b.graph.Initializer[0].RawData, []byte{0, 0, 0xc0, 0x7f})
		return out
	}, []string{"(Conv)", `"w0"`, "NaN"}},
}

package model

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/internal/onnxpb"
	"pascaline/ring"
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
		[]string{`"/Relu_0" (Relu)`, "1 more", "polynomial activation", "322"}},
	{"several unknown operators at once", func(b *onnxBuilder) string {
		return b.node("LeakyRelu", b.node("GlobalMaxPool", b.node("LayerNormalization", "x")))
	}, []string{"(LayerNormalization)", "BatchNorm", "(GlobalMaxPool)", "AvgPool2d", "(LeakyRelu)", "polynomial activation"}},
	{"SiLU", func(b *onnxBuilder) string { return b.node("Mul", "x", b.node("Sigmoid", "x")) },
		[]string{"(Sigmoid)", "polynomial activation"}},
	{"clip", func(b *onnxBuilder) string { return b.node("Clip", "x") }, []string{"(Clip)", "polynomial activation"}},
	{"softmax at the end", func(b *onnxBuilder) string { return b.node("Softmax", "x") },
		[]string{"(Softmax)", "leave it out", "order of the classes does not change"}},
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
	{"groups", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 1, 3, 3), intAttr("group", 4))
	}, []string{`"/Conv_0" (Conv)`, "4 groups", "groups=1"}},
	{"dilation", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 2, 2), intsAttr("dilations", 2, 2))
	}, []string{"(Conv)", "dilated", "dilation=1"}},
	{"automatic padding", func(b *onnxBuilder) string {
		return b.node("Conv", "x", b.random(0, 4, 4, 3, 3), stringAttr("auto_pad", "SAME_UPPER"))
	}, []string{"(Conv)", "SAME_UPPER", "padding=…"}},
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
	{"a transposed input", func(b *onnxBuilder) string {
		return b.node("Gemm", b.node("Flatten", "x"), b.random(0, 144, 2), intAttr("transA", 1))
	}, []string{"(Gemm)", "transA=1"}},
	{"a matrix of another size", func(b *onnxBuilder) string { return b.linear(b.node("Flatten", "x"), 100, 2) },
		[]string{"(Gemm)", "takes 100 elements"}},
	{"an image times a matrix", func(b *onnxBuilder) string { return b.node("MatMul", "x", b.random(0, 6, 2)) },
		[]string{"(MatMul)", "flatten"}},
	{"attention", func(b *onnxBuilder) string { return b.node("MatMul", "x", "x") }, []string{"(MatMul)", "must be a constant"}},
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
	{"batch norm behind an activation, before padding", func(b *onnxBuilder) string {
		y := b.square(b.conv("x", 4, 4, 3, 1, 1))
		return b.conv(b.batchNorm(y, 4), 4, 4, 3, 1, 1)
	}, []string{"(BatchNormalization)", `follows node "/Add_4" (Add)`, "before the activation"}},
	{"batch norm behind padded pooling", func(b *onnxBuilder) string {
		y := b.node("AveragePool", b.conv("x", 4, 4, 3, 1, 1), intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1),
			intAttr("count_include_pad", 1))
		return b.batchNorm(y, 4)
	}, []string{"(BatchNormalization)", "(AveragePool)", "directly behind a convolution"}},
	{"batch norm behind what a shortcut also reads", func(b *onnxBuilder) string {
		y := b.conv("x", 4, 4, 3, 1, 1)
		return b.node("Add", b.square(b.batchNorm(y, 4)), y)
	}, []string{"(BatchNormalization)", "used elsewhere too"}},
	{"a factor behind what a shortcut also reads", func(b *onnxBuilder) string {
		y := b.conv("x", 4, 4, 3, 1, 1)
		return b.node("Add", b.conv(y, 4, 4, 3, 1, 1), b.node("AveragePool", b.node("Mul", y, b.number(2)),
			intsAttr("kernel_shape", 1, 1)))
	}, []string{"(Mul)", "used elsewhere too"}},
	{"normalised data into padding", func(b *onnxBuilder) string {
		return b.conv(b.node("Sub", "x", b.number(0.5)), 4, 4, 3, 1, 1)
	}, []string{"(Sub)", "normalise the data before"}},
	{"a polynomial with coefficients for each channel", func(b *onnxBuilder) string {
		y := b.conv("x", 4, 4, 3, 1, 1)
		return b.node("Add", b.node("Mul", b.node("Mul", y, y), b.random(1, 4, 1, 1)), y)
	}, []string{"(Mul)", "one number for all channels"}},
	{"a constant for each pixel", func(b *onnxBuilder) string { return b.node("Add", "x", b.random(0, 6, 6)) },
		[]string{"(Add)", "pixel to pixel"}},
	{"a constant of another shape", func(b *onnxBuilder) string { return b.node("Add", "x", b.random(0, 3, 1, 1)) },
		[]string{"(Add)", "does not fit"}},
	{"a constant of more dimensions", func(b *onnxBuilder) string { return b.node("Mul", "x", b.random(0, 1, 1, 1, 1, 1)) },
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
	{"a flattened output", func(b *onnxBuilder) string { return b.node("Flatten", "x") },
		[]string{"another order", "before the Flatten"}},
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
	{"padded channels", func(b *onnxBuilder) string { return b.node("Pad", "x", b.ints(0, 1, 0, 0, 0, 0, 0, 0)) },
		[]string{"(Pad)", "height and width"}},
	{"cropping", func(b *onnxBuilder) string { return b.node("Pad", "x", b.ints(0, 0, -1, 0, 0, 0, 0, 0)) },
		[]string{"(Pad)", "height and width"}},
	{"padding before an addition", func(b *onnxBuilder) string {
		return b.node("Mul", b.node("Pad", "x", b.ints(0, 0, 1, 1, 0, 0, 1, 1)), b.number(2))
	}, []string{"(Mul)", `"/Pad_0"`, "inside the convolution"}},
	{"a padded output", func(b *onnxBuilder) string { return b.node("Pad", "x", b.ints(0, 0, 1, 1, 0, 0, 1, 1)) },
		[]string{"output", `"/Pad_0"`}},
	{"a sequence", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.ints(1, 4, 36)) },
		[]string{"(Reshape)", "only images"}},
	{"pixels shuffled by a reshape", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.ints(1, 6, 4, 6)) },
		[]string{"(Reshape)", "only images"}},
	{"a reshape to another size", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.ints(1, 100)) },
		[]string{"(Reshape)", "144 elements"}},
	{"a reshape with two free dimensions", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.ints(-1, -1)) },
		[]string{"(Reshape)", "144 elements"}},
	{"a shape of real numbers", func(b *onnxBuilder) string { return b.node("Reshape", "x", b.random(0, 2)) },
		[]string{"(Reshape)", "integers"}},
	{"half precision inside", func(b *onnxBuilder) string { return b.node("Cast", "x", intAttr("to", 10)) },
		[]string{"(Cast)", "float32 throughout"}},
	{"moved axes", func(b *onnxBuilder) string { return b.node("Transpose", "x", intsAttr("perm", 0, 2, 3, 1)) },
		[]string{"(Transpose)", "N×C×H×W throughout"}},
	{"joined branches", func(b *onnxBuilder) string { return b.node("Concat", "x", "x", intAttr("axis", 1)) },
		[]string{"(Concat)", "addition instead"}},
	{"one row of an image", func(b *onnxBuilder) string { return b.node("Gather", "x", b.ints(1)) },
		[]string{"(Gather)", "not supported"}},
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
	{"too few inputs", func(b *onnxBuilder) string { return b.node("Add", "x") }, []string{"(Add)", "lacks input 1"}},
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

func TestWhatCannotBeImportedIsRefusedWithTheNodeAndARemedy(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			b := newONNX(1, 4, 6, 6)
			g, err := ImportONNX(b.bytes(t, r.build(b)))
			if err == nil {
				t.Fatalf("imported as %s", ops(g))
			}
			for _, w := range r.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q: %v", w, err)
				}
			}
		})
	}
}

func TestSeveralOutputsAreRefused(t *testing.T) {
	b := newONNX(1, 4)
	out := b.square("x")
	b.bytes(t, out)
	b.graph.Output = append(b.graph.Output, valueInfo("v0"))
	data, err := proto.Marshal(b.model)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = ImportONNX(data); err == nil || !strings.Contains(err.Error(), "2 outputs") {
		t.Errorf("error %v", err)
	}
}

func smallModel(t testing.TB) []byte {
	b := newONNX(1, 1, 4, 4)
	f := b.node("Flatten", b.square(b.batchNorm(b.conv("x", 1, 2, 3, 1, 1), 2)))
	return b.bytes(t, b.linear(f, 32, 2))
}

func TestAFileCutShortIsRefused(t *testing.T) {
	data := smallModel(t)
	if _, err := ImportONNX(data); err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := ImportONNX(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were imported", n, len(data))
		}
	}
}

func TestADamagedByteNeverPanics(t *testing.T) {
	data := smallModel(t)
	for i := range data {
		for _, v := range []byte{0, 0x7f, 0xff, data[i] ^ 1} {
			old := data[i]
			data[i] = v
			if g, err := ImportONNX(data); err == nil {
				if err := g.Validate(); err != nil {
					t.Errorf("byte %d = %d: %v", i, v, err)
				}
			}
			data[i] = old
		}
	}
}

func TestAlienFilesAreRefused(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "text": "hello, world\n", "PNG": "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "zip": "PK\x03\x04\x14\x00",
		"pickle": "\x80\x02}q\x00.", "zeros": "\x00\x00\x00\x00",
	} {
		if _, err := ImportONNX([]byte(data)); err == nil || !strings.Contains(err.Error(), "no ONNX file") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAFileTakesNoMoreMemoryThanAFewTimesItsSize(t *testing.T) {
	heap := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	t.Run("empty nodes", func(t *testing.T) {
		// Each node of two bytes would take more than a hundred.
		graph := strings.Repeat("\x0a\x00", 1<<21)
		data := []byte("\x08\x07\x3a\x80\x80\x80\x02" + graph)
		if took := heap(func() {
			if _, err := ImportONNX(data); err == nil || !strings.Contains(err.Error(), "more than") {
				t.Errorf("error %v", err)
			}
		}); took > 1<<20 {
			t.Errorf("took %d bytes", took)
		}
	})
	t.Run("one tensor for many convolutions", func(t *testing.T) {
		b := newONNX(1, 128, 1, 1)
		w, x := b.random(0, 128, 128, 1, 1), "x"
		for range minWeights/(128*128) + 1 {
			x = b.node("Conv", x, w)
		}
		_, err := ImportONNX(b.bytes(t, x))
		if err == nil || !strings.Contains(err.Error(), "weights") {
			t.Errorf("error %v", err)
		}
	})
}

func TestAFileThatCannotBeReadIsAnErrorWithItsPath(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.onnx")
	if err := os.WriteFile(bad, []byte("not a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, dir, filepath.Join(dir, "absent.onnx")} {
		if _, err := ImportONNXFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v", err)
		}
	}
	large := filepath.Join(dir, "large.onnx")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxONNXBytes+1); err != nil {
		t.Skip(err)
	}
	if _, err := ImportONNXFile(large); err == nil || !strings.Contains(err.Error(), fmt.Sprint(maxONNXBytes)) {
		t.Errorf("error %v", err)
	}
}

func FuzzImportONNX(f *testing.F) {
	f.Add(smallModel(f))
	for _, n := range networks {
		b, out := n.build()
		f.Add(b.bytes(f, out))
	}
	for _, r := range refusals {
		b := newONNX(1, 4, 6, 6)
		f.Add(b.bytes(f, r.build(b)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ImportONNX(data)
		if err != nil {
			return
		}
		elements := 0
		for _, n := range g.Nodes {
			elements += n.Shape.Len()
			for _, s := range []ring.ConvShape{n.Linear, n.Pool} {
				if s.C > 0 {
					elements += s.MACs()
				}
			}
		}
		if elements > 1<<20 {
			return // sound, but slow
		}
		if _, err := g.Float(make([]float64, g.Nodes[0].Shape.Len())); err != nil {
			t.Errorf("an imported graph cannot be evaluated: %v", err)
		}
	})
}

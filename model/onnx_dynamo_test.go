package model

import (
	"encoding/binary"
	"math"
	"testing"

	"pascaline/internal/onnxpb"
)

// The exporter that PyTorch has by default since 2.9 (torch.export, with ONNX's
// operators of version 18 or 20) writes the same operators in other words: numbers
// are initializers without dimensions, shapes and axes are initializers too, nodes
// are named after ATen's operators, and attributes are written out.

func (b *onnxBuilder) scalar(v float32) string {
	return b.initializer(&onnxpb.TensorProto{
		DataType: onnxpb.TensorProto_FLOAT, RawData: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)),
	})
}

// aten appends a node under the name that the exporter gives it.
func (b *onnxBuilder) aten(name, op string, arguments ...any) string {
	b.node(op, arguments...)
	b.last().Name, b.last().Output[0] = "node_"+name, name
	return name
}

func (b *onnxBuilder) atenConv(name, x string, c, k, kernel, stride, pad int64) string {
	return b.aten(name, "Conv", x, b.random(0, k, c, kernel, kernel), b.random(0, k), stringAttr("auto_pad", "NOTSET"),
		intsAttr("dilations", 1, 1), intAttr("group", 1), intsAttr("kernel_shape", kernel, kernel), intsAttr("pads", pad, pad, pad, pad),
		intsAttr("strides", stride, stride))
}

// atenPolynomial is Horner's rule, as in docs/pytorch.md.
func (b *onnxBuilder) atenPolynomial(name, x string) string {
	y := b.aten("mul"+name, "Mul", x, b.scalar(-3./1024))
	for i, c := range []float32{0, 160. / 1024, 0.5} {
		suffix := name + string(rune('a'+i))
		y = b.aten("mul"+suffix, "Mul", b.aten("add"+suffix, "Add", y, b.scalar(c)), x)
	}
	return b.aten("add"+name, "Add", y, b.scalar(322./1024))
}

func newDynamo(opset int64, dims ...int64) *onnxBuilder {
	b := newONNX(dims...)
	b.model.IrVersion, b.model.ProducerName = 10, "pytorch"
	b.model.OpsetImport = []*onnxpb.OperatorSetIdProto{{Domain: "pkg.onnxscript.torch_lib.common", Version: 1}, {Version: opset}}
	return b
}

var dynamo = []network{
	{"a residual network", func() (*onnxBuilder, string) {
		b := newDynamo(18, 1, 3, 8, 8)
		x := b.atenPolynomial("_1", b.atenConv("conv2d", "x", 3, 4, 3, 1, 1))
		y := b.atenPolynomial("_2", b.atenConv("conv2d_1", x, 4, 4, 3, 1, 1))
		y = b.aten("conv2d_2", "Conv", y, b.random(0, 4, 4, 3, 3), intsAttr("pads", 1, 1, 1, 1))
		y = b.aten("_native_batch_norm_legit_no_training__0", "BatchNormalization", y, b.random(1, 4), b.random(0, 4), b.random(0, 4), b.random(1.5, 4),
			floatAttr("epsilon", 1e-5), floatAttr("momentum", 0.9), intAttr("training_mode", 0))
		x = b.atenPolynomial("_3", b.aten("add_30", "Add", y, x))
		x = b.aten("mean", "ReduceMean", x, b.ints(-1, -2), intAttr("keepdims", 1), intAttr("noop_with_empty_axes", 0))
		x = b.aten("view", "Reshape", x, b.ints(1, 4), intAttr("allowzero", 1))
		return b, b.aten("linear", "Gemm", x, b.random(0, 10, 4), b.random(0, 10), floatAttr("alpha", 1), floatAttr("beta", 1), intAttr("transA", 0), intAttr("transB", 1))
	}, "linear polynomial linear polynomial linear add polynomial pool linear"},
	{"branches, cut and joined", func() (*onnxBuilder, string) {
		b := newDynamo(20, 1, 4, 8, 8)
		b.aten("split_split_0", "Split", "x", b.ints(2, 2), intAttr("axis", 1))
		b.last().Output = append(b.last().Output, "split_split_1")
		p := b.aten("avg_pool2d", "AveragePool", "split_split_1", stringAttr("auto_pad", "NOTSET"), intAttr("ceil_mode", 0),
			intAttr("count_include_pad", 1), intsAttr("dilations", 1, 1), intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1), intsAttr("strides", 1, 1))
		y := b.aten("cat", "Concat", "split_split_0", b.atenConv("conv2d", p, 2, 3, 3, 1, 1), intAttr("axis", 1))
		y = b.aten("slice_1", "Slice", b.atenPolynomial("_1", y), b.ints(1), b.ints(9223372036854775807), b.ints(1), b.ints(1))
		y = b.aten("pad", "Pad", y, b.ints(0, 0, 1, 1, 0, 0, 1, 1), b.scalar(0), stringAttr("mode", "constant"))
		y = b.atenPolynomial("_2", b.atenConv("conv2d_1", y, 4, 3, 3, 2, 0))
		y = b.aten("permute", "Transpose", y, intsAttr("perm", 0, 2, 3, 1))
		return b, b.aten("linear", "Gemm", b.aten("view", "Reshape", y, b.ints(1, 48), intAttr("allowzero", 1)), b.random(0, 5, 48), intAttr("transB", 1))
	}, "concat concat pool linear concat polynomial concat linear polynomial reshape linear"},
	{"a matrix product of three dimensions", func() (*onnxBuilder, string) {
		b := newDynamo(18, 1, 3, 4, 4)
		y := b.aten("view", "Reshape", b.atenConv("conv2d", "x", 3, 6, 2, 2, 0), b.ints(1, 6, 4), intAttr("allowzero", 1))
		y = b.aten("transpose", "Transpose", y, intsAttr("perm", 0, 2, 1))
		y = b.aten("linear", "Add", b.aten("val_2", "MatMul", y, b.random(0, 6, 5)), b.random(0, 5))
		y = b.aten("pow_1", "Pow", y, b.scalar(2))
		y = b.aten("mean", "ReduceMean", y, b.ints(1), intAttr("keepdims", 0), intAttr("noop_with_empty_axes", 0))
		return b, b.aten("linear_1", "Gemm", y, b.random(0, 2, 5), b.random(0, 2), intAttr("transB", 1))
	}, "linear linear polynomial pool linear"},
}

func TestTheNewerExportersNetworksComputeWhatONNXDefines(t *testing.T) {
	for _, n := range dynamo {
		t.Run(n.name, func(t *testing.T) {
			b, out := n.build()
			g := importsAs(t, b, out)
			if got := ops(g); got != n.ops {
				t.Errorf("became %s, not %s", got, n.ops)
			}
		})
	}
}

// Activations in the newer exporter's words: the Gelu of version 20 by name, the
// others as formulas.
func TestTheNewerExportersActivationsAreReplaced(t *testing.T) {
	b := newDynamo(20, 1, 2, 4, 4)
	x := b.aten("gelu", "Gelu", b.atenConv("conv2d", "x", 2, 2, 3, 1, 1), stringAttr("approximate", "none"))
	x = b.atenConv("conv2d_1", x, 2, 2, 3, 1, 1)
	x = b.aten("silu", "Mul", x, b.aten("val_7", "Sigmoid", x))
	x = b.aten("relu", "Relu", b.atenConv("conv2d_2", x, 2, 2, 3, 1, 1))
	x = b.aten("hardtanh", "Clip", b.atenConv("conv2d_3", x, 2, 2, 3, 1, 1), b.scalar(0), b.scalar(6))
	data := b.bytes(t, x)
	g, _, err := ImportONNX(data, ImportOptions{Activations: stands("gelu", "silu", "relu", "relu6")})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"gelu", "silu", "relu", "relu6"}
	for _, n := range g.Nodes {
		if n.Op == OpPolynomial {
			if n.Replaces != names[0] || !stand(names[0]).near(n.Coeffs) {
				t.Errorf("%q replaces %s with %v, not %s", n.Name, n.Replaces, n.Coeffs, names[0])
			}
			names = names[1:]
		}
	}
	if len(names) > 0 {
		t.Errorf("nothing replaces %s", names)
	}
}

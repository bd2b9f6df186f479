package model

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/internal/onnxpb"
)

// onnxBuilder writes ONNX models as an exporter would. The network's input is
// "x"; node i is called /Op_i and yields vi.
type onnxBuilder struct {
	model *onnxpb.ModelProto
	graph *onnxpb.GraphProto
	rand  *rand.Rand
	count int
}

// newONNX starts a model whose input has the shape dims; 0 is a dimension of
// any size.
func newONNX(dims ...int64) *onnxBuilder {
	g := &onnxpb.GraphProto{Name: "test", Input: []*onnxpb.ValueInfoProto{valueInfo("x", dims...)}}
	return &onnxBuilder{
		model: &onnxpb.ModelProto{
			IrVersion: 7, ProducerName: "test", Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 13}},
		},
		graph: g,
		rand:  rand.New(rand.NewSource(1)),
	}
}

func valueInfo(name string, dims ...int64) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		dim := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}}
		if d == 0 {
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "batch"}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: onnxpb.TensorProto_FLOAT, Shape: shape},
	}}
}

// node appends a node and returns the name of its output. The arguments behind
// op are names of inputs (string) and attributes.
func (b *onnxBuilder) node(op string, arguments ...any) string {
	out := fmt.Sprintf("v%d", b.count)
	n := &onnxpb.NodeProto{OpType: op, Name: fmt.Sprintf("/%s_%d", op, b.count), Output: []string{out}}
	b.count++
	for _, a := range arguments {
		switch a := a.(type) {
		case string:
			n.Input = append(n.Input, a)
		case *onnxpb.AttributeProto:
			n.Attribute = append(n.Attribute, a)
		default:
			panic(fmt.Sprintf("argument %T", a))
		}
	}
	b.graph.Node = append(b.graph.Node, n)
	return out
}

func (b *onnxBuilder) last() *onnxpb.NodeProto { return b.graph.Node[len(b.graph.Node)-1] }

func intAttr(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: v}
}

func intsAttr(name string, v ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
}

func floatAttr(name string, v float32) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: v}
}

func stringAttr(name, v string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
}

func tensorAttr(name string, t *onnxpb.TensorProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_TENSOR, T: t}
}

// initializer adds t and returns its name.
func (b *onnxBuilder) initializer(t *onnxpb.TensorProto) string {
	t.Name = fmt.Sprintf("w%d", len(b.graph.Initializer))
	b.graph.Initializer = append(b.graph.Initializer, t)
	return t.Name
}

// random adds a tensor of random numbers around mean, in raw_data as PyTorch
// writes it.
func (b *onnxBuilder) random(mean float64, dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	t := &onnxpb.TensorProto{DataType: onnxpb.TensorProto_FLOAT, Dims: dims}
	for range n {
		t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(float32(mean+b.rand.Float64()-0.5)))
	}
	return b.initializer(t)
}

func (b *onnxBuilder) ints(v ...int64) string {
	return b.initializer(&onnxpb.TensorProto{
		DataType: onnxpb.TensorProto_INT64, Dims: []int64{int64(len(v))}, Int64Data: v,
	})
}

// number writes a constant as PyTorch does: a Constant node without dimensions.
func (b *onnxBuilder) number(v float64) string {
	return b.node("Constant", tensorAttr("value", &onnxpb.TensorProto{
		DataType: onnxpb.TensorProto_FLOAT, RawData: binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v))),
	}))
}

func (b *onnxBuilder) conv(x string, c, k, kernel, stride, pad int64) string {
	return b.node("Conv", x, b.random(0, k, c, kernel, kernel), b.random(0, k),
		intsAttr("kernel_shape", kernel, kernel), intsAttr("strides", stride, stride), intsAttr("pads", pad, pad, pad, pad),
		intsAttr("dilations", 1, 1), intAttr("group", 1))
}

func (b *onnxBuilder) linear(x string, in, out int64) string {
	return b.node("Gemm", x, b.random(0, out, in), b.random(0, out), intAttr("transB", 1))
}

func (b *onnxBuilder) batchNorm(x string, c int64) string {
	return b.node("BatchNormalization", x, b.random(1, c), b.random(0, c), b.random(0, c), b.random(1.5, c))
}

// square is x² + x/2.
func (b *onnxBuilder) square(x string) string {
	return b.node("Add", b.node("Mul", x, x), b.node("Mul", x, b.number(0.5)))
}

// bytes finishes the model with the given output.
func (b *onnxBuilder) bytes(t testing.TB, output string) []byte {
	t.Helper()
	b.graph.Output = []*onnxpb.ValueInfoProto{valueInfo(output)}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.model)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ops writes what the nodes of g behind the input do.
func ops(g *Graph) string {
	s := ""
	for _, n := range g.Nodes[1:] {
		s += n.Op.String() + " "
	}
	return s[:max(len(s)-1, 0)]
}

// ones is the attribute of a Constant of n ones, one for each channel.
func (b *onnxBuilder) ones(n int) *onnxpb.AttributeProto {
	t := &onnxpb.TensorProto{DataType: onnxpb.TensorProto_FLOAT}
	for range n {
		t.FloatData = append(t.FloatData, 1)
	}
	shape := b.graph.Input[0].Type.TensorType.Shape.Dim
	t.Dims = []int64{int64(n), 1, 1}
	if len(shape) == 2 {
		t.Dims = t.Dims[:1]
	}
	return tensorAttr("value", t)
}

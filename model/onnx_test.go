package model

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pascaline/internal/onnxpb"
)

// network is a small network, with the nodes that it must become.
type network struct {
	name  string
	build func() (*onnxBuilder, string)
	ops   string
}

var networks = []network{
	{"a convolution", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 6, 5)
		return b, b.conv("x", 3, 4, 3, 1, 1)
	}, "linear"},
	{"a convolution without bias, with oblong kernel, strides and padding", func() (*onnxBuilder, string) {
		b := newONNX(0, 2, 7, 8)
		return b, b.node("Conv", "x", b.random(0, 3, 2, 2, 3), intsAttr("strides", 2, 3), intsAttr("pads", 1, 0, 2, 1))
	}, "linear"},
	{"valid automatic padding is none", func() (*onnxBuilder, string) {
		b := newONNX(0, 2, 4, 4)
		return b, b.node("Conv", "x", b.random(0, 3, 2, 3, 3), stringAttr("auto_pad", "VALID"))
	}, "linear"},
	{"flattened images reach the matrix in its order", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 3)
		c := b.square(b.conv("x", 2, 5, 3, 1, 1))
		return b, b.linear(b.node("Flatten", c), 60, 7)
	}, "linear polynomial reshape linear"},
	{"a matrix not transposed, with factors", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 3)
		f := b.node("Flatten", "x", intAttr("axis", -3))
		return b, b.node("Gemm", f, b.random(0, 24, 5), b.random(0, 1, 5), floatAttr("alpha", 0.5), floatAttr("beta", 2))
	}, "reshape linear"},
	{"one bias for all outputs", func() (*onnxBuilder, string) {
		b := newONNX(1, 6)
		return b, b.node("Gemm", "x", b.random(0, 6, 5), b.random(3))
	}, "linear"},
	{"no bias", func() (*onnxBuilder, string) {
		b := newONNX(1, 6)
		return b, b.node("Gemm", "x", b.random(0, 6, 5))
	}, "linear"},
	{"a product and a sum", func() (*onnxBuilder, string) {
		b := newONNX(0, 6)
		return b, b.node("Add", b.random(0, 4), b.node("MatMul", "x", b.random(0, 6, 4)))
	}, "linear"},
	{"a transposed constant and the difference of a row", func() (*onnxBuilder, string) {
		b := newONNX(0, 6)
		return b, b.node("Sub", b.node("MatMul", "x", b.node("Transpose", b.random(0, 4, 6), intsAttr("perm", 1, 0))), b.random(0, 1, 4))
	}, "linear"},
	{"a row minus a product", func() (*onnxBuilder, string) {
		b := newONNX(0, 6)
		return b, b.node("Sub", b.random(0, 4), b.node("MatMul", "x", b.random(0, 6, 4)))
	}, "linear"},
	{"batch norm behind a convolution", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		return b, b.square(b.batchNorm(b.conv("x", 2, 3, 3, 2, 1), 3))
	}, "linear polynomial"},
	{"batch norm behind a product", func() (*onnxBuilder, string) {
		b := newONNX(1, 6)
		m := b.node("MatMul", "x", b.random(0, 6, 4))
		return b, b.batchNorm(b.node("Add", m, b.random(0, 4)), 4)
	}, "linear"},
	{"batch norm behind average pooling", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 6, 6)
		p := b.node("AveragePool", b.conv("x", 2, 3, 3, 1, 1), intsAttr("kernel_shape", 2, 2), intsAttr("strides", 2, 2))
		return b, b.batchNorm(p, 3)
	}, "linear pool"},
	{"batch norm behind an addition of branches that nothing else reads", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		s := b.node("Add", b.conv("x", 2, 3, 3, 1, 1), b.conv("x", 2, 3, 1, 1, 0))
		return b, b.batchNorm(s, 3)
	}, "linear linear add"},
	{"batch norm behind a flattened activation goes into the next matrix", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 3)
		f := b.node("Flatten", b.square(b.conv("x", 2, 3, 3, 1, 1)))
		return b, b.linear(b.batchNorm(f, 36), 36, 4)
	}, "linear polynomial reshape linear"},
	{"batch norm between an activation and a convolution without padding", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		return b, b.conv(b.batchNorm(b.square(b.conv("x", 2, 3, 3, 1, 1)), 3), 3, 2, 3, 1, 0)
	}, "linear polynomial linear"},
	{"normalised data", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 5, 5)
		x := b.node("Div", b.node("Sub", "x", b.random(0, 1, 3, 1, 1)), b.random(1, 3, 1, 1))
		return b, b.conv(x, 3, 2, 3, 1, 0)
	}, "linear"},
	{"normalised data, flattened", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 2, 2)
		x := b.node("Div", b.node("Sub", "x", b.random(0, 3, 1, 1)), b.random(1, 3, 1, 1))
		return b, b.linear(b.node("Flatten", x), 12, 2)
	}, "reshape linear"},
	{"normalised data, flattened and activated", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 2, 2)
		x := b.node("Div", b.node("Sub", "x", b.number(0.1307)), b.number(0.3081))
		return b, b.linear(b.square(b.node("Flatten", x)), 12, 2)
	}, "polynomial reshape linear"},
	{"normalised data, pooled", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 6, 6)
		x := b.node("AveragePool", b.batchNorm("x", 3), intsAttr("kernel_shape", 2, 2))
		return b, b.conv(b.batchNorm(x, 3), 3, 2, 3, 1, 0)
	}, "pool linear"},
	{"batch norm of one channel and an activation", func() (*onnxBuilder, string) {
		b := newONNX(1, 1, 3, 3)
		return b, b.square(b.batchNorm("x", 1))
	}, "linear polynomial"},
	{"scaled data and a padded convolution", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 5, 5)
		return b, b.conv(b.node("Div", "x", b.number(255)), 3, 2, 3, 1, 1)
	}, "linear"},
	{"a factor for each channel and a padded convolution", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 5, 5)
		return b, b.conv(b.node("Mul", b.random(1, 3, 1, 1), "x"), 3, 2, 3, 1, 1)
	}, "linear"},
	{"average pooling with counted padding", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		return b, b.node("AveragePool", "x", intsAttr("kernel_shape", 3, 2), intsAttr("strides", 2, 1),
			intsAttr("pads", 1, 0, 1, 1), intAttr("count_include_pad", 1))
	}, "pool"},
	{"ceil mode where nothing sticks out", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		return b, b.node("AveragePool", "x", intsAttr("kernel_shape", 2, 2), intsAttr("strides", 2, 2), intAttr("ceil_mode", 1))
	}, "pool"},
	{"padding written apart", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 5, 5)
		p := b.node("Pad", b.square("x"), b.ints(0, 0, 1, 2, 0, 0, 0, 1), stringAttr("mode", "constant"))
		p = b.node("AveragePool", p, intsAttr("kernel_shape", 2, 2))
		p = b.node("Pad", p, intsAttr("pads", 0, 0, 1, 1, 0, 0, 1, 1))
		p = b.conv(p, 2, 2, 3, 1, 0)
		return b, b.node("Pad", p, b.ints(0, 0, 0, 0, 0, 0, 0, 0))
	}, "polynomial pool linear"},
	{"global average pooling", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 5, 3)
		return b, b.linear(b.node("Flatten", b.node("GlobalAveragePool", "x")), 4, 3)
	}, "pool linear"},
	{"means over height and width", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 5, 3)
		return b, b.linear(b.node("ReduceMean", "x", intsAttr("axes", -1, -2), intAttr("keepdims", 0)), 4, 3)
	}, "pool linear"},
	{"squeezed and unsqueezed pixels", func() (*onnxBuilder, string) {
		b := newONNX(1, 4, 2, 2)
		p := b.node("Squeeze", b.node("GlobalAveragePool", "x"), b.ints(2, 3))
		p = b.node("Unsqueeze", b.linear(p, 4, 3), b.ints(2, 3))
		return b, b.conv(b.square(p), 3, 2, 1, 1, 0)
	}, "pool linear polynomial linear"},
	{"a view by the batch size", func() (*onnxBuilder, string) {
		b := newONNX(0, 2, 3, 4)
		size := b.node("Gather", b.node("Shape", "x"), b.node("Constant", &onnxpb.AttributeProto{Name: "value_int", Type: onnxpb.AttributeProto_INT}))
		size = b.node("Unsqueeze", size, b.ints(0))
		x := b.node("Reshape", b.conv("x", 2, 2, 3, 1, 1), b.node("Concat", size, b.ints(-1), intAttr("axis", 0)))
		return b, b.linear(x, 24, 3)
	}, "linear reshape linear"},
	{"reshape with zero and minus one", func() (*onnxBuilder, string) {
		b := newONNX(0, 2, 3, 4)
		x := b.node("Reshape", "x", b.ints(0, 2, -1, 4))
		return b, b.linear(b.node("Reshape", x, b.ints(-1, 24)), 24, 3)
	}, "reshape linear"},
	{"vectors made images of one channel", func() (*onnxBuilder, string) {
		b := newONNX(1, 12)
		return b, b.conv(b.node("Reshape", "x", b.ints(-1, 1, 3, 4)), 1, 2, 3, 1, 1)
	}, "reshape linear"},
	{"flattened and back", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 3, 4)
		return b, b.conv(b.node("Reshape", b.square(b.node("Flatten", "x")), b.ints(1, 2, 3, 4)), 2, 2, 3, 1, 1)
	}, "polynomial linear"},
	{"no batch dimension", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 3, 2)
		f := b.square(b.node("Reshape", "x", b.ints(-1)))
		return b, b.node("Add", b.node("MatMul", f, b.random(0, 12, 3)), b.random(0, 3))
	}, "polynomial reshape linear"},
	{"a residual block", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 6, 6)
		x := b.square(b.conv("x", 3, 4, 3, 1, 1))
		y := b.square(b.batchNorm(b.conv(x, 4, 4, 3, 1, 1), 4))
		y = b.batchNorm(b.conv(y, 4, 4, 3, 1, 1), 4)
		return b, b.square(b.node("Add", y, x))
	}, "linear polynomial linear polynomial linear add polynomial"},
	{"a residual block with a strided shortcut", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 6, 6)
		y := b.conv(b.square(b.batchNorm(b.conv("x", 3, 4, 3, 2, 1), 4)), 4, 4, 3, 1, 1)
		return b, b.node("Add", b.batchNorm(y, 4), b.batchNorm(b.conv("x", 3, 4, 1, 2, 0), 4))
	}, "linear polynomial linear linear add"},
	{"a difference of branches, one scaled", func() (*onnxBuilder, string) {
		b := newONNX(1, 3, 6, 6)
		y := b.node("Mul", b.conv("x", 3, 3, 3, 1, 1), b.number(0.1))
		return b, b.node("Sub", "x", y)
	}, "linear add"},
	{"sums of flattened branches", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 3, 4)
		y := b.node("Flatten", b.conv("x", 2, 2, 3, 1, 1))
		return b, b.linear(b.node("Add", y, b.node("Flatten", "x")), 24, 3)
	}, "linear add reshape linear"},
	{"an activation shared by two layers is one node", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 3, 4)
		y := b.square("x")
		return b, b.node("Add", b.conv(y, 2, 3, 3, 1, 1), b.conv(y, 2, 3, 1, 1, 0))
	}, "polynomial linear linear add"},
	{"dropout and identity", func() (*onnxBuilder, string) {
		b := newONNX(1, 5)
		y := b.node("Dropout", b.linear("x", 5, 4), b.number(0.5), b.node("Constant", tensorAttr("value",
			&onnxpb.TensorProto{DataType: onnxpb.TensorProto_BOOL, RawData: []byte{0}})))
		return b, b.node("Cast", b.node("Identity", b.linear(b.square(y), 4, 3)), intAttr("to", 1))
	}, "linear polynomial linear"},
	{"sizes computed and cast", func() (*onnxBuilder, string) {
		b := newONNX(0, 2, 3, 4)
		pick := func(i int64) string {
			return b.node("Cast", b.node("Cast", b.node("Gather", b.node("Shape", "x"), b.ints(i)), intAttr("to", 1)), intAttr("to", 7))
		}
		features := b.node("Mul", b.node("Mul", pick(1), pick(2)), pick(3))
		return b, b.linear(b.node("Reshape", "x", b.node("Concat", b.ints(-1), features, intAttr("axis", 0))), 24, 3)
	}, "reshape linear"},
	{"constants through identity, and computed", func() (*onnxBuilder, string) {
		b := newONNX(1, 5)
		w := b.node("Identity", b.random(0, 5, 4))
		c := b.node("Div", b.node("Sub", b.number(7), b.number(3)), b.node("Mul", b.number(2), b.number(4)))
		return b, b.node("Mul", b.node("MatMul", "x", w), b.node("Pow", c, b.number(2)))
	}, "linear"},
	{"a factor behind flattened pooled activations reaches the polynomial", func() (*onnxBuilder, string) {
		b := newONNX(1, 2, 4, 4)
		p := b.node("AveragePool", b.square(b.conv("x", 2, 3, 3, 1, 1)), intsAttr("kernel_shape", 2, 2))
		return b, b.linear(b.node("Mul", b.node("Flatten", p), b.number(4)), 27, 2)
	}, "linear polynomial pool reshape linear"},
}

func TestEveryNetworkComputesWhatONNXDefines(t *testing.T) {
	for _, n := range slices.Concat(networks, layouts, layers) {
		t.Run(n.name, func(t *testing.T) {
			b, out := n.build()
			g := importsAs(t, b, out)
			if got := ops(g); got != n.ops {
				t.Errorf("became %s, not %s", got, n.ops)
			}
		})
	}
}

func TestEveryEncodingOfATensorIsRead(t *testing.T) {
	values := []float64{0.5, -2, 3, 0.25, 1, -1}
	tensors := map[string]*onnxpb.TensorProto{
		"float_data":  {DataType: onnxpb.TensorProto_FLOAT},
		"float raw":   {DataType: onnxpb.TensorProto_FLOAT},
		"double_data": {DataType: onnxpb.TensorProto_DOUBLE},
		"double raw":  {DataType: onnxpb.TensorProto_DOUBLE},
	}
	for _, v := range values {
		tensors["float_data"].FloatData = append(tensors["float_data"].FloatData, float32(v))
		tensors["double_data"].DoubleData = append(tensors["double_data"].DoubleData, v)
		tensors["float raw"].RawData = binary.LittleEndian.AppendUint32(tensors["float raw"].RawData, math.Float32bits(float32(v)))
		tensors["double raw"].RawData = binary.LittleEndian.AppendUint64(tensors["double raw"].RawData, math.Float64bits(v))
	}
	for name, p := range tensors {
		t.Run(name, func(t *testing.T) {
			b := newONNX(1, 3)
			p.Dims = []int64{3, 2}
			g := importsAs(t, b, b.node("MatMul", "x", b.initializer(p)))
			for i, w := range g.Nodes[1].W {
				if float64(w) != values[i] {
					t.Errorf("weight %d is %v, not %v", i, w, values[i])
				}
			}
		})
	}
	t.Run("shapes in raw_data", func(t *testing.T) {
		b := newONNX(1, 1, 2, 2)
		shape := &onnxpb.TensorProto{DataType: onnxpb.TensorProto_INT64, Dims: []int64{2}}
		for _, d := range []int64{1, -1} {
			shape.RawData = binary.LittleEndian.AppendUint64(shape.RawData, uint64(d))
		}
		importsAs(t, b, b.linear(b.node("Reshape", "x", b.initializer(shape)), 4, 2))
	})
}

func TestInitializersMayBeListedAsInputs(t *testing.T) {
	b := newONNX(1, 3)
	out := b.linear("x", 3, 2)
	for _, i := range b.graph.Initializer {
		b.graph.Input = append(b.graph.Input, valueInfo(i.Name, i.Dims...))
	}
	importsAs(t, b, out)
}

func TestNodesThatNothingNeedsAreLeftOut(t *testing.T) {
	b := newONNX(1, 3)
	out := b.linear("x", 3, 2)
	b.node("Softmax", out)
	b.linear(b.square(out), 2, 2)
	g, _, err := ImportONNX(b.bytes(t, out), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ops(g); got != "linear" {
		t.Errorf("became %s, not linear", got)
	}
}

func TestNodesNeedNotBeSorted(t *testing.T) {
	b := newONNX(1, 3)
	out := b.linear(b.square(b.linear("x", 3, 3)), 3, 2)
	data := b.bytes(t, out)
	want, _, err := ImportONNX(data, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(b.graph.Node)
	got, _, err := ImportONNX(b.bytes(t, out), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ops(got) != ops(want) || got.Nodes[1].Name != want.Nodes[1].Name {
		t.Errorf("became %s, not %s", ops(got), ops(want))
	}
}

func TestEveryNodeHasANameOfItsOwn(t *testing.T) {
	b := newONNX(1, 3)
	out := b.linear(b.square(b.linear("x", 3, 3)), 3, 2)
	for _, n := range b.graph.Node {
		n.Name = "layer\n"
	}
	b.last().Name = ""
	g := importsAs(t, b, out)
	var names []string
	for _, n := range g.Nodes {
		names = append(names, n.Name)
	}
	if want := []string{"x", "layer_", "layer_#2", "v5"}; !slices.Equal(names, want) {
		t.Errorf("names %q, not %q", names, want)
	}
}

const mnist = "testdata/mnist-cnn.onnx"

func TestTheMNISTNetworkBecomesItsLayers(t *testing.T) {
	g, _, err := ImportONNXFile(mnist, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if g.Name != "mnist-cnn" {
		t.Errorf("it is called %q", g.Name)
	}
	if got := ops(g); got != "linear polynomial linear polynomial reshape linear polynomial linear" {
		t.Errorf("it became %s", got)
	}
	shapes := []Shape{{28, 28, 1}, {14, 14, 16}, {14, 14, 16}, {7, 7, 32}, {7, 7, 32}, {1, 1, 1568}, {1, 1, 100}, {1, 1, 100}, {1, 1, 10}}
	for i, n := range g.Nodes {
		if n.Shape != shapes[i] {
			t.Errorf("node %d %q has shape %v, not %v", i, n.Name, n.Shape, shapes[i])
		}
		if n.Op == OpPolynomial {
			want := []float64{322. / 1024, 512. / 1024, 160. / 1024, 0, -3. / 1024}
			if err := near(n.Coeffs, want); err != nil {
				t.Errorf("node %d %q: the polynomial is %v, not %v", i, n.Name, n.Coeffs, want)
			}
		}
	}
}

// TestTheMNISTNetworkKeepsItsAccuracy takes every tenth image, or all 10,000
// with PASCALINE_LONG=1.
func TestTheMNISTNetworkKeepsItsAccuracy(t *testing.T) {
	const data = "../../shared/data/mnist"
	if _, err := os.Stat(data); err != nil {
		t.Skipf("no MNIST test images: %v", err)
	}
	step := 10
	if raceDetector {
		step = 100
	} else if os.Getenv("PASCALINE_LONG") != "" {
		step = 1
	}
	images := gunzip(t, filepath.Join(data, "t10k-images-idx3-ubyte.gz"))[16:]
	labels := gunzip(t, filepath.Join(data, "t10k-labels-idx1-ubyte.gz"))[8:]
	g, _, err := ImportONNXFile(mnist, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewFloatEvaluator(g)
	if err != nil {
		t.Fatal(err)
	}
	right, all, start := 0, 0, time.Now()
	x := make([]float64, 28*28)
	for n := 0; n < len(labels); n += step {
		all++
		for i := range x {
			x[i] = float64(images[n*len(x)+i]) / 255
		}
		values, err := e.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		logits := values[len(values)-1]
		if slices.Index(logits, slices.Max(logits)) == int(labels[n]) {
			right++
		}
	}
	t.Logf("%d of %d right, in %v", right, all, time.Since(start))
	if right*100 < 99*all {
		t.Errorf("%d of %d right, fewer than 99 %%", right, all)
	}
}

func gunzip(t *testing.T, path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

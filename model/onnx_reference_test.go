package model

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"pascaline/internal/onnxpb"
)

// array is a tensor as ONNX has it: row-major, N×C×H×W.
type array struct {
	dims []int
	data []float64
}

func newArray(dims ...int) array {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return array{dims, make([]float64, n)}
}

// at reads an element by its index, in which dimensions of one element, and
// missing ones in front, are stretched as NumPy does.
func (a array) at(index []int) float64 {
	i := 0
	for k, d := range a.dims {
		j := index[len(index)-len(a.dims)+k]
		if d == 1 {
			j = 0
		}
		i = i*d + j
	}
	return a.data[i]
}

// each calls f for every index of a.
func (a array) each(f func(i int, index []int)) {
	index := make([]int, len(a.dims))
	for i := range a.data {
		f(i, index)
		for k := len(index) - 1; k >= 0; k-- {
			if index[k]++; index[k] < a.dims[k] {
				break
			}
			index[k] = 0
		}
	}
}

// runONNX computes an ONNX graph literally, node by node, from the definitions
// of the operators, and shares nothing with the import.
func runONNX(t testing.TB, g *onnxpb.GraphProto, x array) array {
	t.Helper()
	values := map[string]array{"x": x}
	for _, init := range g.Initializer {
		values[init.Name] = arrayOf(init)
	}
	for _, n := range g.Node {
		var in []array
		for _, name := range n.Input {
			v, ok := values[name]
			if !ok && name != "" {
				t.Fatalf("%s: no %q", n.Name, name)
			}
			in = append(in, v)
		}
		values[n.Output[0]] = runNode(t, n, in)
	}
	return values[g.Output[0].Name]
}

func arrayOf(p *onnxpb.TensorProto) array {
	dims := []int{}
	for _, d := range p.Dims {
		dims = append(dims, int(d))
	}
	a := newArray(dims...)
	for i := range a.data {
		switch {
		case p.DataType == onnxpb.TensorProto_BOOL:
			a.data[i] = float64(p.RawData[i])
		case p.DataType == onnxpb.TensorProto_FLOAT && p.RawData != nil:
			a.data[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(p.RawData[4*i:])))
		case p.DataType == onnxpb.TensorProto_FLOAT:
			a.data[i] = float64(p.FloatData[i])
		case p.DataType == onnxpb.TensorProto_DOUBLE && p.RawData != nil:
			a.data[i] = math.Float64frombits(binary.LittleEndian.Uint64(p.RawData[8*i:]))
		case p.DataType == onnxpb.TensorProto_DOUBLE:
			a.data[i] = p.DoubleData[i]
		case p.RawData != nil:
			a.data[i] = float64(int64(binary.LittleEndian.Uint64(p.RawData[8*i:])))
		default:
			a.data[i] = float64(p.Int64Data[i])
		}
	}
	return a
}

func runNode(t testing.TB, n *onnxpb.NodeProto, in []array) array {
	attr := func(name string) *onnxpb.AttributeProto {
		for _, a := range n.Attribute {
			if a.Name == name {
				return a
			}
		}
		return nil
	}
	number := func(name string, absent float64) float64 {
		if a := attr(name); a != nil {
			return float64(a.F) + float64(a.I)
		}
		return absent
	}
	list := func(name string, absent ...int64) []int {
		if a := attr(name); a != nil {
			absent = a.Ints
		}
		out := []int{}
		for _, v := range absent {
			out = append(out, int(v))
		}
		return out
	}
	axes := func() []int {
		if len(in) > 1 {
			out := []int{}
			for _, v := range in[1].data {
				out = append(out, int(v))
			}
			return out
		}
		return list("axes")
	}
	switch n.OpType {
	case "Identity", "Dropout", "Cast":
		return in[0]
	case "Constant":
		switch a := n.Attribute[0]; a.Name {
		case "value_float":
			return array{nil, []float64{float64(a.F)}}
		case "value_int":
			return array{nil, []float64{float64(a.I)}}
		default:
			return arrayOf(a.T)
		}
	case "Add", "Sub", "Mul", "Div", "Pow":
		return runArithmetic(n.OpType, in[0], in[1])
	case "Neg":
		return runArithmetic("Mul", in[0], array{nil, []float64{-1}})
	case "Conv":
		if len(in) < 3 {
			in = append(in, newArray(in[1].dims[0]))
		}
		return runConv(in[0], in[1], in[2], list("strides", 1, 1), list("pads", 0, 0, 0, 0))
	case "AveragePool":
		k := list("kernel_shape")
		return runPool(in[0], k, list("strides", 1, 1), list("pads", 0, 0, 0, 0))
	case "GlobalAveragePool":
		return runPool(in[0], in[0].dims[2:], []int{1, 1}, make([]int, 4))
	case "ReduceMean":
		p := runPool(in[0], in[0].dims[2:], []int{1, 1}, make([]int, 4))
		if number("keepdims", 1) == 0 {
			p.dims = p.dims[:2]
		}
		return p
	case "Pad":
		p := list("pads")
		if len(in) > 1 {
			p = axes()
		}
		x := in[0]
		out := newArray(x.dims[0], x.dims[1], x.dims[2]+p[2]+p[6], x.dims[3]+p[3]+p[7])
		out.each(func(i int, ix []int) {
			if y, z := ix[2]-p[2], ix[3]-p[3]; y >= 0 && y < x.dims[2] && z >= 0 && z < x.dims[3] {
				out.data[i] = x.at([]int{ix[0], ix[1], y, z})
			}
		})
		return out
	case "BatchNormalization":
		out := newArray(in[0].dims...)
		out.each(func(i int, ix []int) {
			c := ix[1]
			out.data[i] = in[1].data[c]*(in[0].data[i]-in[3].data[c])/math.Sqrt(in[4].data[c]+number("epsilon", 1e-5)) + in[2].data[c]
		})
		return out
	case "MatMul", "Gemm":
		a, b, c := in[0], in[1], array{nil, []float64{0}}
		if len(in) > 2 {
			c = in[2]
		}
		if number("transB", 0) == 1 {
			b = runTranspose(b)
		}
		out := newArray(append(slices.Clone(a.dims[:len(a.dims)-1]), b.dims[1])...)
		for i := range out.data {
			for j, v := range a.data {
				out.data[i] += number("alpha", 1) * v * b.data[j*b.dims[1]+i]
			}
			out.data[i] += number("beta", 1) * c.data[i%len(c.data)]
		}
		return out
	case "Transpose":
		return runTranspose(in[0])
	case "Flatten":
		axis := int(number("axis", 1))
		if axis < 0 {
			axis += len(in[0].dims)
		}
		return array{[]int{len(newArray(in[0].dims[:axis]...).data), len(newArray(in[0].dims[axis:]...).data)}, in[0].data}
	case "Reshape":
		dims, known, free := axes(), 1, -1
		for i, d := range dims {
			switch d {
			case 0:
				dims[i] = in[0].dims[i]
			case -1:
				dims[i], free = 1, i
			}
			known *= dims[i]
		}
		if free >= 0 {
			dims[free] = len(in[0].data) / known
		}
		return array{dims, in[0].data}
	case "Squeeze":
		dims := []int{}
		for i, d := range in[0].dims {
			if !slices.Contains(axes(), i) && !slices.Contains(axes(), i-len(in[0].dims)) {
				dims = append(dims, d)
			}
		}
		return array{dims, in[0].data}
	case "Unsqueeze":
		dims := slices.Clone(in[0].dims)
		for _, a := range axes() {
			dims = slices.Insert(dims, a, 1)
		}
		return array{dims, in[0].data}
	case "Shape":
		out := newArray(len(in[0].dims))
		for i, d := range in[0].dims {
			out.data[i] = float64(d)
		}
		return out
	case "Gather":
		out := newArray(in[1].dims...)
		for i, j := range in[1].data {
			out.data[i] = in[0].data[int(j)]
		}
		return out
	case "Concat":
		var all []float64
		for _, a := range in {
			all = append(all, a.data...)
		}
		return array{[]int{len(all)}, all}
	}
	t.Fatalf("the reference has no %s", n.OpType)
	return array{}
}

func runTranspose(a array) array {
	out := newArray(a.dims[1], a.dims[0])
	out.each(func(i int, ix []int) { out.data[i] = a.at([]int{ix[1], ix[0]}) })
	return out
}

func runArithmetic(op string, a, b array) array {
	rank := max(len(a.dims), len(b.dims))
	dims := make([]int, rank)
	for i := range dims {
		for _, d := range [][]int{a.dims, b.dims} {
			if j := i - rank + len(d); j >= 0 {
				dims[i] = max(dims[i], d[j])
			}
		}
	}
	out := newArray(dims...)
	out.each(func(i int, index []int) {
		x, y := a.at(index), b.at(index)
		out.data[i] = map[string]float64{"Add": x + y, "Sub": x - y, "Mul": x * y, "Div": x / y, "Pow": math.Pow(x, y)}[op]
	})
	return out
}

// windows calls f for every element of an output of c channels with each
// element of its window that lies in the image.
func windows(x array, c int, kernel, stride, pad []int, f func(out array, o, c, ky, kx, iy, ix int)) array {
	h, w := x.dims[2], x.dims[3]
	out := newArray(1, c, (h+pad[0]+pad[2]-kernel[0])/stride[0]+1, (w+pad[1]+pad[3]-kernel[1])/stride[1]+1)
	out.each(func(o int, index []int) {
		for ky := range kernel[0] {
			for kx := range kernel[1] {
				iy, ix := index[2]*stride[0]+ky-pad[0], index[3]*stride[1]+kx-pad[1]
				if iy >= 0 && iy < h && ix >= 0 && ix < w {
					f(out, o, index[1], ky, kx, iy, ix)
				}
			}
		}
	})
	return out
}

func runConv(x, w, bias array, stride, pad []int) array {
	out := windows(x, w.dims[0], w.dims[2:], stride, pad, func(out array, o, k, ky, kx, iy, ix int) {
		for c := range x.dims[1] {
			out.data[o] += x.at([]int{0, c, iy, ix}) * w.at([]int{k, c, ky, kx})
		}
	})
	out.each(func(i int, index []int) { out.data[i] += bias.data[index[1]] })
	return out
}

func runPool(x array, kernel, stride, pad []int) array {
	return windows(x, x.dims[1], kernel, stride, pad, func(out array, o, c, _, _, iy, ix int) {
		out.data[o] += x.at([]int{0, c, iy, ix}) / float64(kernel[0]*kernel[1])
	})
}

// channelsLast returns a's elements in the graph's order.
func channelsLast(a array) []float64 {
	if len(a.dims) != 4 {
		return a.data
	}
	out := newArray(a.dims[2], a.dims[3], a.dims[1])
	out.each(func(i int, ix []int) { out.data[i] = a.at([]int{0, ix[2], ix[0], ix[1]}) })
	return out.data
}

// importsAs imports the model and compares the graph with the reference on
// random inputs.
func importsAs(t *testing.T, b *onnxBuilder, output string) *Graph {
	t.Helper()
	g, err := ImportONNX(b.bytes(t, output))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		dims := []int{}
		for _, d := range b.graph.Input[0].Type.TensorType.Shape.Dim {
			dims = append(dims, max(int(d.GetDimValue()), 1))
		}
		x := newArray(dims...)
		for i := range x.data {
			x.data[i] = 2*b.rand.Float64() - 1
		}
		want := channelsLast(runONNX(t, b.graph, x))
		got, err := g.Float(channelsLast(x))
		if err != nil {
			t.Fatal(err)
		}
		if err := near(got, want); err != nil {
			t.Fatalf("graph %s: %v", ops(g), err)
		}
	}
	return g
}

// near allows for the rounding of folded weights to float32.
func near(got, want []float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d elements, not %d", len(got), len(want))
	}
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= 2e-6*scale) {
			return fmt.Errorf("element %d is %v, not %v", i, v, want[i])
		}
	}
	return nil
}

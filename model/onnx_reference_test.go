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
		if n.OpType == "Split" {
			for i, v := range runSplit(n, in) {
				values[n.Output[i]] = v
			}
			continue
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
		case p.Int32Data != nil:
			a.data[i] = float64(p.Int32Data[i])
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
	case "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean":
		out := in[0]
		for _, v := range in[1:] {
			out = runArithmetic(n.OpType, out, v)
		}
		if n.OpType == "Mean" {
			out = runArithmetic("Div", out, array{nil, []float64{float64(len(in))}})
		}
		return out
	case "Neg":
		return runArithmetic("Mul", in[0], array{nil, []float64{-1}})
	case "Sqrt":
		return runArithmetic("Pow", in[0], array{nil, []float64{0.5}})
	case "Reciprocal":
		return runArithmetic("Div", array{nil, []float64{1}}, in[0])
	case "Clip":
		out := in[0]
		for i, op := range []string{"Max", "Min"} {
			if len(in) > i+1 && in[i+1].data != nil {
				out = runArithmetic(op, out, in[i+1])
			}
		}
		return out
	case "Conv":
		if len(in) < 3 {
			in = append(in, newArray(in[1].dims[0]))
		}
		strides, dilation := list("strides", 1, 1), list("dilations", 1, 1)
		pads := list("pads", 0, 0, 0, 0)
		if a := attr("auto_pad"); a != nil && string(a.S) != "NOTSET" {
			pads = runAutoPad(string(a.S), in[0].dims[2:], in[1].dims[2:], strides, dilation)
		}
		return runConv(in[0], in[1], in[2], strides, pads, dilation, int(number("group", 1)))
	case "AveragePool":
		k := list("kernel_shape")
		return runPool(in[0], k, list("strides", 1, 1), list("pads", 0, 0, 0, 0))
	case "GlobalAveragePool":
		return runPool(in[0], in[0].dims[2:], []int{1, 1}, make([]int, 4))
	case "ReduceMean", "ReduceSum":
		return runReduce(in[0], axes(), number("keepdims", 1) != 0, n.OpType == "ReduceMean")
	case "Pad":
		p := list("pads")
		if len(in) > 1 {
			p = axes()
		}
		x := in[0]
		before, after := p[:len(p)/2], p[len(p)/2:]
		if len(in) > 3 {
			before, after = make([]int, len(x.dims)), make([]int, len(x.dims))
			for k, a := range in[3].data {
				i := (int(a) + len(x.dims)) % len(x.dims)
				before[i], after[i] = p[k], p[k+len(in[3].data)]
			}
		}
		dims := slices.Clone(x.dims)
		for i := range dims {
			dims[i] += before[i] + after[i]
		}
		out := newArray(dims...)
		out.each(func(o int, ix []int) {
			at := slices.Clone(ix)
			for i := range at {
				if at[i] -= before[i]; at[i] < 0 || at[i] >= x.dims[i] {
					return
				}
			}
			out.data[o] = x.at(at)
		})
		return out
	case "BatchNormalization":
		out := newArray(in[0].dims...)
		out.each(func(i int, ix []int) {
			c := ix[1]
			out.data[i] = in[1].data[c]*(in[0].data[i]-in[3].data[c])/math.Sqrt(in[4].data[c]+number("epsilon", 1e-5)) + in[2].data[c]
		})
		return out
	case "MatMul":
		return runMatMul(in[0], in[1])
	case "Gemm":
		for i, name := range []string{"transA", "transB"} {
			if number(name, 0) == 1 {
				in[i] = runTranspose(in[i], []int{1, 0})
			}
		}
		out := runArithmetic("Mul", runMatMul(in[0], in[1]), array{nil, []float64{number("alpha", 1)}})
		if len(in) > 2 {
			out = runArithmetic("Add", out, runArithmetic("Mul", in[2], array{nil, []float64{number("beta", 1)}}))
		}
		return out
	case "Transpose":
		perm := []int{}
		for i := range in[0].dims {
			perm = append(perm, len(in[0].dims)-1-i)
		}
		if attr("perm") != nil {
			perm = list("perm")
		}
		return runTranspose(in[0], perm)
	case "ConstantOfShape":
		out := newArray(shapeOf(in[0])...)
		for i := range out.data {
			if a := attr("value"); a != nil {
				out.data[i] = arrayOf(a.T).data[0]
			}
		}
		return out
	case "Expand":
		return runArithmetic("Add", in[0], newArray(shapeOf(in[1])...))
	case "Range":
		var out array
		for v := in[0].data[0]; v < in[1].data[0]; v += in[2].data[0] {
			out.data = append(out.data, v)
		}
		out.dims = []int{len(out.data)}
		return out
	case "ReduceProd":
		out := array{[]int{1}, []float64{1}}
		for _, v := range in[0].data {
			out.data[0] *= v
		}
		return out
	case "Slice":
		for _, name := range []string{"starts", "ends", "axes"} {
			if a := attr(name); a != nil {
				v := newArray(len(a.Ints))
				for i, x := range a.Ints {
					v.data[i] = float64(x)
				}
				in = append(in, v)
			}
		}
		return runSlice(in)
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
		axis := (int(number("axis", 0)) + len(in[0].dims)) % len(in[0].dims)
		out := newArray(slices.Concat(in[0].dims[:axis], in[1].dims, in[0].dims[axis+1:])...)
		out.each(func(i int, ix []int) {
			j := int(in[1].at(ix[axis : axis+len(in[1].dims)]))
			if j < 0 {
				j += in[0].dims[axis]
			}
			out.data[i] = in[0].at(slices.Concat(ix[:axis], []int{j}, ix[axis+len(in[1].dims):]))
		})
		return out
	case "Concat":
		axis := (int(number("axis", 0)) + len(in[0].dims)) % len(in[0].dims)
		dims := slices.Clone(in[0].dims)
		for _, a := range in[1:] {
			dims[axis] += a.dims[axis]
		}
		out := newArray(dims...)
		out.each(func(i int, ix []int) {
			at := slices.Clone(ix)
			for _, a := range in {
				if at[axis] < a.dims[axis] {
					out.data[i] = a.at(at)
					return
				}
				at[axis] -= a.dims[axis]
			}
		})
		return out
	}
	t.Fatalf("the reference has no %s", n.OpType)
	return array{}
}

func runTranspose(a array, perm []int) array {
	dims := make([]int, len(perm))
	for i, p := range perm {
		dims[i] = a.dims[p]
	}
	out := newArray(dims...)
	out.each(func(i int, ix []int) {
		at := make([]int, len(ix))
		for k, p := range perm {
			at[p] = ix[k]
		}
		out.data[i] = a.at(at)
	})
	return out
}

// runMatMul is NumPy's: a vector is a row on the left and a column on the right.
func runMatMul(a, b array) array {
	row, column := len(a.dims) == 1, len(b.dims) == 1
	if row {
		a.dims = []int{1, a.dims[0]}
	}
	if column {
		b.dims = []int{b.dims[0], 1}
	}
	rank := max(len(a.dims), len(b.dims))
	dims := slices.Repeat([]int{1}, rank)
	for _, x := range [][]int{a.dims, b.dims} {
		for i, d := range x[:len(x)-2] {
			dims[rank-len(x)+i] = max(d, dims[rank-len(x)+i])
		}
	}
	inner := a.dims[len(a.dims)-1]
	dims[rank-2], dims[rank-1] = a.dims[len(a.dims)-2], b.dims[len(b.dims)-1]
	out := newArray(dims...)
	out.each(func(i int, ix []int) {
		for j := range inner {
			p, q := slices.Clone(ix), slices.Clone(ix)
			p[rank-1], q[rank-2] = j, j
			out.data[i] += a.at(p) * b.at(q)
		}
	})
	out.dims = dims[:rank-2]
	if !row {
		out.dims = append(out.dims, a.dims[len(a.dims)-2])
	}
	if !column {
		out.dims = append(out.dims, b.dims[len(b.dims)-1])
	}
	return out
}

func runReduce(x array, axes []int, keep, mean bool) array {
	over := map[int]bool{}
	for _, a := range axes {
		over[(a+len(x.dims))%len(x.dims)] = true
	}
	if len(axes) == 0 {
		for i := range x.dims {
			over[i] = true
		}
	}
	dims, kept, n := slices.Clone(x.dims), []int{}, 1
	for i, d := range x.dims {
		if over[i] {
			dims[i], n = 1, n*d
		} else {
			kept = append(kept, d)
		}
	}
	out := newArray(dims...)
	x.each(func(i int, ix []int) {
		o := 0
		for k, d := range dims {
			if o *= d; d > 1 {
				o += ix[k]
			}
		}
		out.data[o] += x.data[i]
	})
	if mean {
		out = runArithmetic("Div", out, array{nil, []float64{float64(n)}})
	}
	if !keep {
		out.dims = kept
	}
	return out
}

// shapeOf reads a shape.
func shapeOf(a array) []int {
	dims := []int{}
	for _, v := range a.data {
		dims = append(dims, int(v))
	}
	return dims
}

// runSlice is Python's slicing, literally: an index runs until it meets the end.
func runSlice(in []array) array {
	x := in[0]
	for k := range in[1].data {
		axis, step := k, 1.
		if len(in) > 3 && in[3].data != nil {
			axis = (int(in[3].data[k]) + len(x.dims)) % len(x.dims)
		}
		if len(in) > 4 {
			step = in[4].data[k]
		}
		n := float64(x.dims[axis])
		start, end := in[1].data[k], in[2].data[k]
		if start < 0 {
			start += n
		}
		if end < 0 {
			end += n
		}
		var which []int
		if step > 0 {
			for i := max(0, start); i < min(n, end); i += step {
				which = append(which, int(i))
			}
		} else {
			for i := min(n-1, start); i > max(-1, end); i += step {
				which = append(which, int(i))
			}
		}
		dims := slices.Clone(x.dims)
		dims[axis] = len(which)
		out := newArray(dims...)
		out.each(func(i int, ix []int) {
			at := slices.Clone(ix)
			at[axis] = which[ix[axis]]
			out.data[i] = x.at(at)
		})
		x = out
	}
	return x
}

func runSplit(n *onnxpb.NodeProto, in []array) []array {
	axis := 0
	var sizes []int64
	for _, a := range n.Attribute {
		switch a.Name {
		case "axis":
			axis = (int(a.I) + len(in[0].dims)) % len(in[0].dims)
		case "split":
			sizes = a.Ints
		}
	}
	if len(in) > 1 {
		for _, v := range in[1].data {
			sizes = append(sizes, int64(v))
		}
	}
	size := (in[0].dims[axis] + len(n.Output) - 1) / len(n.Output)
	var all []array
	at := 0
	for i := range n.Output {
		if sizes != nil {
			size = int(sizes[i])
		}
		one := func(v int) array { return array{[]int{1}, []float64{float64(v)}} }
		all = append(all, runSlice([]array{in[0], one(at), one(min(at+size, in[0].dims[axis])), one(axis)}))
		at += size
	}
	return all
}

// runAutoPad is the padding of SAME_UPPER and SAME_LOWER: the output has as many
// elements as the input divided by the stride, rounded up.
func runAutoPad(mode string, in, kernel, strides, dilation []int) []int {
	pads := make([]int, 4)
	for i := range 2 {
		out := (in[i] + strides[i] - 1) / strides[i]
		for (in[i]+pads[i]+pads[2+i]-(kernel[i]-1)*dilation[i]-1)/strides[i]+1 < out && mode != "VALID" {
			if upper := mode == "SAME_UPPER"; upper == (pads[i] == pads[2+i]) {
				pads[2+i]++
			} else {
				pads[i]++
			}
		}
	}
	return pads
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
		out.data[i] = map[string]float64{"Add": x + y, "Sum": x + y, "Mean": x + y, "Sub": x - y, "Mul": x * y, "Div": x / y,
			"Pow": math.Pow(x, y), "Max": max(x, y), "Min": min(x, y)}[op]
	})
	return out
}

// windows calls f for every element of an output of c channels with each
// element of its window that lies in the image.
func windows(x array, c int, kernel, stride, pad, dilation []int, f func(out array, o, c, ky, kx, iy, ix int)) array {
	h, w := x.dims[2], x.dims[3]
	out := newArray(1, c, (h+pad[0]+pad[2]-(kernel[0]-1)*dilation[0]-1)/stride[0]+1, (w+pad[1]+pad[3]-(kernel[1]-1)*dilation[1]-1)/stride[1]+1)
	out.each(func(o int, index []int) {
		for ky := range kernel[0] {
			for kx := range kernel[1] {
				iy, ix := index[2]*stride[0]+ky*dilation[0]-pad[0], index[3]*stride[1]+kx*dilation[1]-pad[1]
				if iy >= 0 && iy < h && ix >= 0 && ix < w {
					f(out, o, index[1], ky, kx, iy, ix)
				}
			}
		}
	})
	return out
}

func runConv(x, w, bias array, stride, pad, dilation []int, groups int) array {
	inputs, outputs := x.dims[1]/groups, w.dims[0]/groups // of a group
	out := windows(x, w.dims[0], w.dims[2:], stride, pad, dilation, func(out array, o, k, ky, kx, iy, ix int) {
		for c := range inputs {
			out.data[o] += x.at([]int{0, k/outputs*inputs + c, iy, ix}) * w.at([]int{k, c, ky, kx})
		}
	})
	out.each(func(i int, index []int) { out.data[i] += bias.data[index[1]] })
	return out
}

func runPool(x array, kernel, stride, pad []int) array {
	return windows(x, x.dims[1], kernel, stride, pad, []int{1, 1}, func(out array, o, c, _, _, iy, ix int) {
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
	g, _, err := ImportONNX(b.bytes(t, output), ImportOptions{})
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
		if len(dims) == 3 { // an image without a batch
			dims = append([]int{1}, dims...)
		}
		got, err := g.Float(channelsLast(array{dims, x.data}))
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

package model

import (
	"fmt"
	"math"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"pascaline/internal/onnxpb"
)

// randomGraph grows an ONNX graph node by node. What the import refuses of a node
// drawn at random is taken back; what it takes must compute what ONNX defines.
type randomGraph struct {
	*onnxBuilder
	t      testing.TB
	values map[string]array // what the reference makes of x, by name
	names  []string
}

// insideOne says that inputs are from −1 to 1, so that some clips do nothing.
var insideOne = ImportOptions{Low: -1, High: 1}

func newRandomGraph(t testing.TB, seed int64) *randomGraph {
	r := rand.New(rand.NewSource(seed))
	x := newArray(1, 1+r.Intn(6), 1+r.Intn(5), 1+r.Intn(5))
	for i := range x.data {
		x.data[i] = 2*r.Float64() - 1
	}
	b := newONNX(1, int64(x.dims[1]), int64(x.dims[2]), int64(x.dims[3]))
	b.rand = r
	return &randomGraph{onnxBuilder: b, t: t, values: map[string]array{"x": x}, names: []string{"x"}}
}

// grow adds so many nodes.
func (r *randomGraph) grow(nodes int) {
	for tries := 0; len(r.names) <= nodes && tries < 20*nodes; tries++ {
		had, constants, count := len(r.graph.Node), len(r.graph.Initializer), r.count
		if out := r.draw(); out == "" || !r.take(out) {
			r.graph.Node, r.graph.Initializer, r.count = r.graph.Node[:had], r.graph.Initializer[:constants], count
		}
	}
}

// take reports whether the import takes a node, and its values are neither many nor
// large.
func (r *randomGraph) take(out string) bool {
	if _, _, err := ImportONNX(r.bytes(r.t, out), insideOne); err != nil {
		return false
	}
	v := runONNX(r.t, r.graph, r.values["x"])
	if len(v.data) == 0 || len(v.data) > 2000 || slices.ContainsFunc(v.data, func(e float64) bool { return math.Abs(e) > 1e4 }) {
		return false
	}
	r.values[out] = v
	r.names = append(r.names, out)
	return true
}

// pick returns some value, late ones more often, so that the graph grows deep.
func (r *randomGraph) pick() string {
	n := len(r.names)
	return r.names[n-1-min(r.rand.Intn(n), r.rand.Intn(n))]
}

// few adds a constant of few different numbers: what is the same may be folded as one.
func (r *randomGraph) few(dims ...int64) string {
	t := &onnxpb.TensorProto{DataType: onnxpb.TensorProto_FLOAT, Dims: dims}
	for n := count(ints(dims)); n > 0; n-- {
		t.FloatData = append(t.FloatData, []float32{1, 1, 1, 0.5, -1, 2}[r.rand.Intn(6)])
	}
	return r.initializer(t)
}

func ints(dims []int64) (out []int) {
	for _, d := range dims {
		out = append(out, int(d))
	}
	return out
}

func (r *randomGraph) divisor(n int) int64 {
	var all []int64
	for d := 1; d <= n; d++ {
		if n%d == 0 {
			all = append(all, int64(d))
		}
	}
	return all[r.rand.Intn(len(all))]
}

// draw appends a node of some kind and returns its output, or nothing where the value
// that it was to take has not the shape.
func (r *randomGraph) draw() string {
	in, some := r.pick(), r.rand.Intn
	d := r.values[in].dims
	rank := len(d)
	axis := some(rank)
	image := rank == 4 && d[0] == 1
	switch kind := some(18); {
	case kind < 2 && image:
		return r.convolution(in, int64(d[1]))
	case kind < 3 && rank > 1:
		return r.batchNorm(in, int64(d[1]))
	case kind < 6:
		return r.withNumbers(in, d)
	case kind < 7:
		return r.node("Mul", in, in)
	case kind < 9:
		if other := r.pick(); slices.Equal(r.values[other].dims, d) {
			return r.node([]string{"Add", "Sub"}[some(2)], in, other)
		}
	case kind < 10:
		return r.join(in, axis)
	case kind < 11:
		a, b := some(d[axis]), some(d[axis])
		return r.node("Slice", in, r.ints(int64(min(a, b))), r.ints(int64(max(a, b)+1)), r.ints(int64(axis)), r.ints(int64(1+some(2))))
	case kind < 12:
		which := make([]int64, 1+some(d[axis]+1))
		for i := range which {
			which[i] = int64(some(d[axis]))
		}
		return r.node("Gather", in, r.ints(which...), intAttr("axis", int64(axis)))
	case kind < 13:
		p := make([]int64, 2*rank)
		for i := range p {
			if i%rank > 0 {
				p[i] = int64(max(0, some(4)-2))
			}
		}
		return r.node("Pad", in, r.ints(p...))
	case kind < 14 && image:
		k := int64(1 + some(3))
		return []func() string{
			func() string { return r.node("GlobalAveragePool", in) },
			func() string {
				return r.node("AveragePool", in, intsAttr("kernel_shape", k, k), intsAttr("strides", k, 1))
			},
			func() string {
				axes := [][]int64{{2}, {3}, {2, 3}}[some(3)]
				return r.node([]string{"ReduceMean", "ReduceSum"}[some(2)], in, r.ints(axes...), intAttr("keepdims", int64(some(2))))
			},
		}[some(3)]()
	case kind < 15:
		var perm []int64
		for _, p := range r.rand.Perm(rank) {
			perm = append(perm, int64(p))
		}
		if rank == 4 && some(2) == 0 {
			perm = [][]int64{{0, 2, 3, 1}, {0, 3, 1, 2}}[some(2)]
		}
		return r.node("Transpose", in, intsAttr("perm", perm...))
	case kind < 16:
		var shape []int64
		left := count(d)
		for len(shape) < 3 && some(5) > 0 {
			shape = append(shape, r.divisor(left))
			left /= int(shape[len(shape)-1])
		}
		return r.node("Reshape", in, r.ints(append(shape, int64(left))...))
	case kind < 17:
		return r.node("Clip", in, r.few(), r.few())
	case rank == 2 && some(2) == 0:
		return r.linear(in, int64(d[1]), int64(1+some(4)))
	default:
		return r.node("MatMul", in, r.random(0, int64(d[rank-1]), int64(1+some(4))))
	}
	return ""
}

func (r *randomGraph) convolution(in string, c int64) string {
	some := r.rand.Intn
	groups := int64(1)
	if some(3) == 0 {
		groups = r.divisor(int(c))
	}
	k, kernel := groups*int64(1+some(3)), int64(1+some(3))
	bit := func() int64 { return int64(some(2)) }
	return r.node("Conv", in, r.random(0, k, c/groups, kernel, kernel), r.random(0, k), intAttr("group", groups),
		intsAttr("strides", 1+bit(), 1+bit()), intsAttr("pads", bit(), bit(), bit(), bit()))
}

// withNumbers combines a value with a number, or with numbers along some of its axes.
func (r *randomGraph) withNumbers(in string, d []int) string {
	some := r.rand.Intn
	op := []string{"Mul", "Add", "Sub", "Div"}[some(4)]
	if some(4) == 0 {
		return r.node(op, in, r.number(0.5))
	}
	var dims []int64
	for i := range d {
		dims = append(dims, 1)
		if some(2) == 0 || i == 1 && some(2) == 0 {
			dims[i] = int64(d[i])
		}
	}
	if op != "Div" && some(3) == 0 {
		return r.node(op, r.few(dims...), in)
	}
	return r.node(op, in, r.few(dims...))
}

// join joins a value along an axis with others of its shape but for that, itself
// perhaps.
func (r *randomGraph) join(in string, axis int) string {
	d := r.values[in].dims
	if len(d) == 4 && r.rand.Intn(4) > 0 {
		axis = 1
	}
	arguments := []any{in, intAttr("axis", int64(axis))}
	for range 1 + r.rand.Intn(2) {
		other := r.pick()
		if e := slices.Clone(r.values[other].dims); len(e) == len(d) {
			if e[axis] = d[axis]; slices.Equal(e, d) {
				arguments = append(arguments, other)
			}
		}
	}
	return r.node("Concat", arguments...)
}

// check compares every value as an output, and as one of the network whose pools have
// given their divisors to the layers beside them.
func (r *randomGraph) check() error {
	x := channelsLast(r.values["x"])
	for _, out := range r.names[1:] {
		v := r.values[out]
		want := v.data
		if v.dims[0] == 1 {
			want = channelsLast(v)
		}
		g, _, err := ImportONNX(r.bytes(r.t, out), insideOne)
		if err != nil {
			return err
		}
		for _, fold := range []func(*Graph) (*Graph, error){func(g *Graph) (*Graph, error) { return g, nil }, foldDivisors} {
			f, err := fold(g)
			if err != nil {
				continue // no layer takes the divisor
			}
			got, err := f.Float(x)
			if err == nil {
				err = near(got, want)
			}
			if err != nil {
				return fmt.Errorf("output %s, graph %s: %w%s", out, ops(g), err, r.describe())
			}
		}
	}
	return nil
}

func (r *randomGraph) describe() string {
	var b strings.Builder
	for _, n := range r.graph.Node {
		fmt.Fprintf(&b, "\n%s = %s %v %v, shape %v", n.Output[0], n.OpType, n.Input, n.Attribute, r.values[n.Output[0]].dims)
	}
	return b.String()
}

func checkRandomGraphs(t *testing.T, from, to int64) {
	outputs := 0
	for seed := from; seed < to; seed++ {
		r := newRandomGraph(t, seed)
		r.grow(4 + r.rand.Intn(10))
		if err := r.check(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		outputs += len(r.names) - 1
	}
	if outputs < int(4*(to-from)) {
		t.Errorf("%d graphs have %d nodes", to-from, outputs)
	}
}

// TestRandomGraphsComputeWhatONNXDefines combines all that is imported: branches,
// layouts, channels that are joined and cut, padding, factors and offsets.
func TestRandomGraphsComputeWhatONNXDefines(t *testing.T) { checkRandomGraphs(t, 0, 150) }

func TestLongRandomGraphsComputeWhatONNXDefines(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("set PASCALINE_LONG=1 to try five thousand")
	}
	checkRandomGraphs(t, 150, 5_000)
}

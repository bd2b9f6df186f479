package network

import (
	"fmt"
	"math"
	"sync"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/ring"
)

// relu4 is PILLAR's polynomial of degree 4.
var relu4 = []float64{322. / 1024, 512. / 1024, 160. / 1024, 0, -3. / 1024}

func goBackend(t testing.TB) Backend {
	t.Helper()
	b, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shared is the backend of all tests: tensors belong to one.
var shared = sync.OnceValues(func() (Backend, error) { return OpenBackend("go") })

// objective evaluates, in float64, Σ logits·c + strength·penalty and its gradient
// for every parameter.
func objective(t *testing.T, n *Network, k kernels, q Penalty, strength float64, batch int) func(parameters [][]float64) (float64, [][]float64) {
	t.Helper()
	in, images, direction := n.Input(), ring.NewStream(ring.Seed{1}, "images"), ring.NewStream(ring.Seed{2}, "direction")
	x := make([]float64, in.C*batch*in.H*in.W)
	for i := range x {
		x[i] = normal(images)
	}
	c := make([]float64, n.Classes()*batch)
	for i := range c {
		c[i] = normal(direction)
	}
	exec, err := NewExec(goBackend(t).Backend, func(nodes []*Node) []*Node {
		parameters, x, c := nodes[:len(n.Params)], nodes[len(n.Params)], nodes[len(n.Params)+1]
		p := n.forward(k, parameters, x, nil, nil)
		weight := Const(x.Graph(), strength)
		gradients := make([]*Node, len(parameters))
		p.gradient(c, q, weight, gradients)
		value := ReduceAllSum(Mul(p.logits(), c))
		if q.on() {
			value = Add(value, Mul(weight, q.total(k, []*pass{p})))
		}
		return append([]*Node{value}, gradients...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(parameters [][]float64) (float64, [][]float64) {
		var args []any
		for i, w := range parameters {
			args = append(args, tensors.FromFlatDataAndDimensions(w, n.Params[i].Dims...))
		}
		args = append(args, tensors.FromFlatDataAndDimensions(x, in.C, batch, in.H, in.W), tensors.FromFlatDataAndDimensions(c, n.Classes(), batch))
		out, err := exec.Call(args...)
		if err != nil {
			t.Fatal(err)
		}
		var gradients [][]float64
		for _, g := range out[1:] {
			gradients = append(gradients, tensors.MustCopyFlatData[float64](g))
		}
		return tensors.ToScalar[float64](out[0]), gradients
	}
}

// checkGradient holds the gradient against central differences, in a few random
// directions of each parameter.
func checkGradient(t *testing.T, n *Network, k kernels, q Penalty, strength float64) {
	t.Helper()
	f := objective(t, n, k, q, strength, 3)
	at := make([][]float64, len(n.Params))
	for i, w := range n.Initial(ring.Seed{3}) {
		s := ring.NewStream(ring.Seed{4}, "around", uint64(i))
		at[i] = make([]float64, len(w))
		for j := range w {
			at[i][j] = float64(w[j]) + 0.1*normal(s) // gains and biases that are not all alike
		}
	}
	_, gradient := f(at)
	const h = 1e-5
	for i := range at {
		s := ring.NewStream(ring.Seed{5}, "direction", uint64(i))
		direction := make([]float64, len(at[i]))
		want, norm := 0.0, 0.0
		for j := range direction {
			direction[j] = normal(s)
			want += direction[j] * gradient[i][j]
			norm += math.Abs(direction[j] * gradient[i][j])
		}
		moved := at[i]
		shifted := func(by float64) float64 {
			at[i] = make([]float64, len(moved))
			for j := range moved {
				at[i][j] = moved[j] + by*direction[j]
			}
			v, _ := f(at)
			at[i] = moved
			return v
		}
		got := (shifted(h) - shifted(-h)) / (2 * h)
		if math.Abs(got-want) > 1e-5*(1+norm) {
			t.Errorf("%s: the value changes by %g along a direction, the gradient says %g", n.Params[i].Name, got, want)
		}
	}
}

// Every layer of every kind, on both kinds of backend, with the penalty, has the
// gradient that finite differences have. The batch is small, so that what goes through
// the statistics of batch norm weighs much.
func TestGradientsAreThoseOfFiniteDifferences(t *testing.T) {
	image := model.Shape{H: 7, W: 6, C: 2}
	networks := map[string]*model.Graph{
		"centred":             small(image, ring.ConvShape{K: 3, KH: 3, KW: 5, StrideH: 1, StrideW: 1, PadTop: 1, PadBottom: 1, PadLeft: 2, PadRight: 2}, nil),
		"centred, stride 2":   small(image, ring.ConvShape{K: 3, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}, nil),
		"unpadded":            small(image, ring.ConvShape{K: 3, KH: 3, KW: 2, StrideH: 1, StrideW: 1}, nil),
		"uneven, stride 3, 2": small(image, ring.ConvShape{K: 2, KH: 4, KW: 3, StrideH: 3, StrideW: 2, PadTop: 1, PadRight: 2}, nil),
		"one pixel":           small(image, ring.ConvShape{K: 4, KH: 1, KW: 1, StrideH: 1, StrideW: 1}, nil),
		"one pixel, stride 2": small(image, ring.ConvShape{K: 4, KH: 1, KW: 1, StrideH: 2, StrideW: 2}, nil),
		"wide":                small(image, ring.ConvShape{K: widestDiagonal + 1, KH: 1, KW: 1, StrideH: 3, StrideW: 3}, nil),
		"tiling pool":         small(image, ring.ConvShape{K: 3, KH: 2, KW: 1, StrideH: 1, StrideW: 1}, &ring.ConvShape{KH: 2, KW: 3, StrideH: 2, StrideW: 3}),
		"overlapping pool":    small(image, ring.ConvShape{K: 3, KH: 1, KW: 1, StrideH: 1, StrideW: 1}, &ring.ConvShape{KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}),
	}
	for name, size := range map[string]model.Shape{"lenet": {H: 4, W: 4, C: 1}, "resnet8": {H: 5, W: 5, C: 1}} {
		g, err := zoo.Topology(name, size, 3, relu4)
		if err != nil {
			t.Fatal(err)
		}
		networks[name] = g
	}
	for name, g := range networks {
		for _, compiled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/compiled=%v", name, compiled), func(t *testing.T) {
				n, err := New(g, Activation{Coeffs: relu4, Range: 5, Clip: true})
				if err != nil {
					t.Fatal(err)
				}
				checkGradient(t, n, kernels{compiled}, Penalty{Gamma: 4, Range: 2}, 0.01)
			})
		}
	}
}

// ReLU and the clipping of polynomials pass the gradient where they are passed through.
func TestGradientsOfActivationsWithEdges(t *testing.T) {
	g := small(model.Shape{H: 4, W: 4, C: 2}, ring.ConvShape{K: 3, KH: 3, KW: 3, StrideH: 1, StrideW: 1}, nil)
	for name, a := range map[string]Activation{
		"relu":    {},
		"clipped": {Coeffs: relu4, Range: 0.5, Clip: true},
		"odd":     {Coeffs: []float64{0.1, 0.5, 0, 0.25}},
		"square":  {Coeffs: []float64{0, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := New(g, a)
			if err != nil {
				t.Fatal(err)
			}
			checkGradient(t, n, kernels{}, Penalty{}, 0)
		})
	}
}

// small is a network of a convolution, a pool unless it is nil, an activation and a
// dense layer.
func small(image model.Shape, conv ring.ConvShape, pool *ring.ConvShape) *model.Graph {
	g := &model.Graph{Name: "small", Nodes: []model.GraphNode{{Name: "image", Op: model.OpInput, Shape: image}}}
	add := func(n model.GraphNode) model.Shape {
		n.Inputs = []int{len(g.Nodes) - 1}
		g.Nodes = append(g.Nodes, n)
		return n.Shape
	}
	conv.H, conv.W, conv.C = image.H, image.W, image.C
	s := add(model.GraphNode{Name: "conv", Op: model.OpLinear, Linear: conv, Shape: model.Shape{H: conv.OutH(), W: conv.OutW(), C: conv.K}})
	if pool != nil {
		p := *pool
		p.H, p.W, p.C, p.K = s.H, s.W, s.C, s.C
		s = add(model.GraphNode{Name: "pool", Op: model.OpPool, Pool: p, Divisor: float64(p.KH * p.KW), Shape: model.Shape{H: p.OutH(), W: p.OutW(), C: s.C}})
	}
	add(model.GraphNode{Name: "act", Op: model.OpPolynomial, Shape: s, Coeffs: relu4})
	add(model.GraphNode{Name: "flat", Op: model.OpReshape, Shape: model.Shape{H: 1, W: 1, C: s.Len()}})
	add(model.GraphNode{Name: "dense", Op: model.OpLinear, Linear: ring.LinearShape(s.Len(), 3), Shape: model.Shape{H: 1, W: 1, C: 3}})
	return g
}

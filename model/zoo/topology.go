package zoo

import (
	"fmt"

	"pascaline/model"
	"pascaline/ring"
)

// A topology is a graph while it is built: its linear nodes have no weights yet.
// Every method adds a node behind another and returns the new one's index.
type topology struct {
	g       *model.Graph
	classes int
	coeffs  []float64 // of every activation
}

func newTopology(name string, input model.Shape, classes int, coeffs []float64) *topology {
	return &topology{
		g:       &model.Graph{Name: name, Nodes: []model.GraphNode{{Name: "image", Op: model.OpInput, Shape: input}}},
		classes: classes,
		coeffs:  coeffs,
	}
}

func (t *topology) add(n model.GraphNode) int {
	n.Name = fmt.Sprintf("%s%d", n.Name, len(t.g.Nodes))
	t.g.Nodes = append(t.g.Nodes, n)
	return len(t.g.Nodes) - 1
}

// conv adds a square convolution, padded so that a stride of 1 keeps the size.
func (t *topology) conv(in, channels, kernel, stride int) int {
	s, p := t.g.Nodes[in].Shape, kernel/2
	return t.linear("conv", in, ring.ConvShape{H: s.H, W: s.W, C: s.C, K: channels, KH: kernel, KW: kernel,
		StrideH: stride, StrideW: stride, PadTop: p, PadLeft: p, PadBottom: p, PadRight: p})
}

// dense adds a fully connected layer.
func (t *topology) dense(in, outputs int) int {
	if s := t.g.Nodes[in].Shape; s.H*s.W > 1 {
		in = t.add(model.GraphNode{Name: "flat", Op: model.OpReshape, Inputs: []int{in}, Shape: model.Shape{H: 1, W: 1, C: s.Len()}})
	}
	return t.linear("dense", in, ring.LinearShape(t.g.Nodes[in].Shape.C, outputs))
}

func (t *topology) linear(name string, in int, s ring.ConvShape) int {
	return t.add(model.GraphNode{Name: name, Op: model.OpLinear, Inputs: []int{in}, Linear: s,
		Shape: model.Shape{H: s.OutH(), W: s.OutW(), C: s.K}})
}

// pool adds an average pool; windows that reach into the padding count its
// zeros.
func (t *topology) pool(in, window, stride, pad int) int {
	s := t.g.Nodes[in].Shape
	p := ring.ConvShape{H: s.H, W: s.W, C: s.C, K: s.C, KH: window, KW: window,
		StrideH: stride, StrideW: stride, PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad}
	return t.add(model.GraphNode{Name: "pool", Op: model.OpPool, Inputs: []int{in}, Pool: p, Divisor: float64(window * window),
		Shape: model.Shape{H: p.OutH(), W: p.OutW(), C: s.C}})
}

// globalPool adds an average pool over the whole image.
func (t *topology) globalPool(in int) int {
	s := t.g.Nodes[in].Shape
	return t.add(model.GraphNode{Name: "pool", Op: model.OpPool, Inputs: []int{in}, Divisor: float64(s.H * s.W),
		Pool:  ring.ConvShape{H: s.H, W: s.W, C: s.C, K: s.C, KH: s.H, KW: s.W, StrideH: s.H, StrideW: s.W},
		Shape: model.Shape{H: 1, W: 1, C: s.C}})
}

func (t *topology) activation(in int) int {
	return t.add(model.GraphNode{Name: "act", Op: model.OpPolynomial, Inputs: []int{in}, Shape: t.g.Nodes[in].Shape, Coeffs: t.coeffs})
}

func (t *topology) sum(a, b int) int {
	return t.add(model.GraphNode{Name: "sum", Op: model.OpAdd, Inputs: []int{a, b}, Shape: t.g.Nodes[a].Shape})
}

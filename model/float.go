package model

import (
	"fmt"

	"pascaline/ring"
)

// FloatEvaluator computes a graph in float64, on all cores. It keeps the tensors
// of one evaluation, so that many inputs cost no memory. It is for one goroutine
// at a time.
type FloatEvaluator struct {
	graph  *Graph
	values [][]float64
	inputs [][]float64 // of one node, kept between calls
}

// NewFloatEvaluator returns an evaluator of g, which must not change while it
// is used.
func NewFloatEvaluator(g *Graph) (*FloatEvaluator, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	e := &FloatEvaluator{graph: g, values: make([][]float64, len(g.Nodes))}
	for i := range g.Nodes {
		e.values[i] = make([]float64, g.Nodes[i].Shape.Len())
	}
	return e, nil
}

// Eval returns the values of all nodes for one input, in the order H, W, C.
// They are overwritten by the next call.
func (e *FloatEvaluator) Eval(input []float64) ([][]float64, error) {
	if want := e.graph.Nodes[0].Shape; len(input) != want.Len() {
		return nil, fmt.Errorf("evaluating %q: the input has %d elements; %v takes %d", e.graph.Name, len(input), want, want.Len())
	}
	copy(e.values[0], input)
	for i := 1; i < len(e.values); i++ {
		n := &e.graph.Nodes[i]
		e.inputs = e.inputs[:0]
		for _, j := range n.Inputs {
			e.inputs = append(e.inputs, e.values[j])
		}
		n.Eval(e.values[i], e.inputs...)
	}
	return e.values, nil
}

// Eval sets dst to the node's output, given its inputs' values, of a node of a
// valid graph other than the input.
func (n *GraphNode) Eval(dst []float64, inputs ...[]float64) {
	src := inputs[0]
	switch n.Op {
	case OpLinear:
		floatConv(dst, src, n.W, n.Bias, n.Linear)
	case OpPool:
		floatPool(dst, src, n.Pool, n.Divisor)
	case OpReshape:
		copy(dst, src)
	case OpPolynomial:
		floatPolynomial(dst, src, n.Coeffs)
	case OpConcat:
		n.concat(dst, inputs)
	case OpAdd:
		copy(dst, src)
		for _, in := range inputs[1:] {
			for k, v := range in {
				dst[k] += v
			}
		}
	}
}

// concat sets dst to the parts of an OpConcat.
func (n *GraphNode) concat(dst []float64, inputs [][]float64) {
	at, pixels := 0, n.Shape.H*n.Shape.W
	for _, p := range n.Parts {
		for i := range pixels {
			out := dst[i*n.Shape.C+at:][:p.Channels]
			if p.Input < 0 {
				clear(out)
				continue
			}
			in := inputs[p.Input]
			copy(out, in[i*(len(in)/pixels)+p.From:])
		}
		at += p.Channels
	}
}

// EvalFloat returns the values of all nodes for one input, in the order H, W,
// C. For many inputs, use a [FloatEvaluator].
func (g *Graph) EvalFloat(input []float64) ([][]float64, error) {
	e, err := NewFloatEvaluator(g)
	if err != nil {
		return nil, err
	}
	return e.Eval(input)
}

// Float returns the output for one input. For many inputs, use a
// [FloatEvaluator].
func (g *Graph) Float(input []float64) ([]float64, error) {
	values, err := g.EvalFloat(input)
	if err != nil {
		return nil, err
	}
	return values[len(values)-1], nil
}

func floatPool(dst, src []float64, s ring.ConvShape, divisor float64) {
	clear(dst)
	oh, ow := s.OutH(), s.OutW()
	for y := range oh {
		for x := range ow {
			out := dst[(y*ow+x)*s.C:][:s.C]
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
					if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
						continue
					}
					for c, v := range src[(iy*s.W+ix)*s.C:][:s.C] {
						out[c] += v
					}
				}
			}
			for c := range out {
				out[c] /= divisor
			}
		}
	}
}

func floatPolynomial(dst, src, coeffs []float64) {
	parallelBlocks(len(src), func(from, to int) {
		out := dst[from:to]
		for i, t := range src[from:to] {
			v := 0.0
			for k := len(coeffs) - 1; k >= 0; k-- {
				v = v*t + coeffs[k]
			}
			out[i] = v
		}
	})
}

package model

import (
	"fmt"

	"pascaline/ring"
)

// FloatEvaluator computes a graph in float64. It keeps the graph's weights and
// the tensors of one evaluation, so that many inputs cost no memory. It is for
// one goroutine at a time.
type FloatEvaluator struct {
	graph  *Graph
	w      [][]float64 // of each OpLinear node
	values [][]float64
	inputs [][]float64 // of one node, kept between calls
}

// NewFloatEvaluator returns an evaluator of g, which must not change while it
// is used.
func NewFloatEvaluator(g *Graph) (*FloatEvaluator, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	e := &FloatEvaluator{graph: g, w: make([][]float64, len(g.Nodes)), values: make([][]float64, len(g.Nodes))}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		e.values[i] = make([]float64, n.Shape.Len())
		e.w[i] = make([]float64, len(n.W))
		for j, w := range n.W {
			e.w[i][j] = float64(w)
		}
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
		dst, src := e.values[i], e.inputs[0]
		switch n.Op {
		case OpLinear:
			floatConv(dst, src, e.w[i], n.Bias, n.Linear)
		case OpPool:
			floatPool(dst, src, n.Pool, n.Divisor)
		case OpReshape:
			copy(dst, src)
		case OpPolynomial:
			floatPolynomial(dst, src, n.Coeffs)
		case OpAdd:
			copy(dst, src)
			for _, in := range e.inputs[1:] {
				for k, v := range in {
					dst[k] += v
				}
			}
		}
	}
	return e.values, nil
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

// floatConv is [ring.Conv] in float64, plus a bias. It adds runs of input
// elements that lie next to each other, a kernel row, four at a time to all
// output channels.
func floatConv(dst, src, w []float64, bias []float32, s ring.ConvShape) {
	oh, ow := s.OutH(), s.OutW()
	for y := range oh {
		for x := range ow {
			out := dst[(y*ow+x)*s.K:][:s.K]
			for k, b := range bias {
				out[k] = float64(b)
			}
			left := x*s.StrideW - s.PadLeft
			from, to := max(left, 0), min(left+s.KW, s.W)
			if from >= to {
				continue
			}
			for ky := range s.KH {
				iy := y*s.StrideH + ky - s.PadTop
				if iy < 0 || iy >= s.H {
					continue
				}
				in := src[(iy*s.W+from)*s.C : (iy*s.W+to)*s.C]
				addRows(out, in, w[(ky*s.KW+from-left)*s.C*s.K:])
			}
		}
	}
}

// addRows adds to out the product of the vector in by a matrix of rows of
// len(out) elements.
func addRows(out, in, rows []float64) {
	n := len(out)
	i := 0
	for ; i+4 <= len(in); i += 4 {
		v0, v1, v2, v3 := in[i], in[i+1], in[i+2], in[i+3]
		if v0 == 0 && v1 == 0 && v2 == 0 && v3 == 0 {
			continue // the background of many images
		}
		r := rows[i*n : (i+4)*n]
		r0, r1, r2, r3 := r[:n], r[n:][:n], r[2*n:][:n], r[3*n:][:n]
		for k := range out {
			out[k] += v0*r0[k] + v1*r1[k] + v2*r2[k] + v3*r3[k]
		}
	}
	for ; i < len(in); i++ {
		v := in[i]
		for k, r := range rows[i*n:][:n] {
			out[k] += v * r
		}
	}
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
	for i, t := range src {
		v := 0.0
		for k := len(coeffs) - 1; k >= 0; k-- {
			v = v*t + coeffs[k]
		}
		dst[i] = v
	}
}

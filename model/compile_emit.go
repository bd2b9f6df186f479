package model

import (
	"fmt"
	"math"
)

// plan returns the network at the chosen scales.
func (s *scaling) plan() *Plan {
	p := &Plan{Name: s.opts.Name, Sigma: s.opts.Sigma, Labels: s.opts.Labels, Nodes: make([]Node, len(s.g.Nodes))}
	for i := range s.g.Nodes {
		g := &s.g.Nodes[i]
		n := &p.Nodes[i]
		*n = Node{Name: g.Name, Op: g.Op, Inputs: g.Inputs, Shape: g.Shape, Frac: uint(s.frac[i])}
		switch g.Op {
		case OpLinear:
			n.Linear, n.PixelBias = g.Linear, len(g.Bias) != g.Linear.K
		case OpPool:
			n.Pool = g.Pool
		case OpAdd, OpConcat:
			n.Parts = g.Parts
			for _, j := range g.Inputs {
				n.Shifts = append(n.Shifts, uint(s.frac[i]-s.frac[j]))
			}
		case OpPolynomial:
			n.Act = s.act[i]
		}
	}
	return p
}

// weights returns the weights, rounded to the chosen scales.
func (s *scaling) weights(st *stats) (*Weights, error) {
	w := new(Weights)
	for i := range s.g.Nodes {
		g := &s.g.Nodes[i]
		if g.Op != OpLinear {
			continue
		}
		l, err := quantize(g, st.patch[i], s.weight[i], s.frac[i])
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", g.Name, err)
		}
		w.Layers = append(w.Layers, l)
	}
	return w, nil
}

// quantize rounds the weights of a linear node to weightBits fractional bits
// and its bias to frac. The mean input, patch, tells by how much rounding the
// weights moves the mean of each output channel; the bias takes that back
// (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
// Correction, section 4.2).
func quantize(n *GraphNode, patch []float64, weightBits, frac int) (LayerWeights, error) {
	l := LayerWeights{W: make([]int16, len(n.W)), Bias: make([]uint64, len(n.Bias))}
	for i, x := range n.W {
		v := math.RoundToEven(math.Ldexp(float64(x), weightBits))
		if math.Abs(v) > maxWeight {
			return l, fmt.Errorf("weight %d is %v, which %d fractional bits take beyond 16 bits", i, x, weightBits)
		}
		l.W[i] = int16(v)
	}
	moved := make([]float64, n.Linear.K)
	for j, mean := range patch {
		for k := range moved {
			w := j*len(moved) + k
			moved[k] += mean * (float64(n.W[w]) - math.Ldexp(float64(l.W[w]), -weightBits))
		}
	}
	for i, x := range n.Bias {
		b := float64(x) + moved[i%len(moved)]
		v := math.RoundToEven(math.Ldexp(b, frac))
		if math.Abs(v) >= 1<<outputRoom {
			return l, fmt.Errorf("bias %d is %v, which %d fractional bits take beyond %d bits", i, x, frac, outputRoom)
		}
		l.Bias[i] = uint64(int64(v))
	}
	return l, nil
}

// report compares the model with the network it came from, on the calibration
// inputs and what that made of them.
func (s *scaling) report(m *Model, calibration [][]float32, outputs [][]float64) (*Report, error) {
	r := &Report{Samples: len(calibration)}
	l := 0
	for i := range s.g.Nodes {
		n := &s.g.Nodes[i]
		switch n.Op {
		case OpLinear:
			r.Layers = append(r.Layers, LayerReport{
				Node: n.Name, Op: n.Op, Max: s.seen[i].Max, Bits: uint(s.weight[i]),
				WeightError: weightError(n.W, m.Weights.Layers[l].W, s.weight[i]),
			})
			l++
		case OpPolynomial:
			a := s.act[i]
			r.Layers = append(r.Layers, LayerReport{
				Node: n.Name, Op: n.Op, Max: s.seen[n.Inputs[0]].Max, Bits: a.Fa,
				WeightError: coefficientError(n.Coeffs, a),
			})
		}
	}
	e, err := NewFixedEvaluator(m)
	if err != nil {
		return nil, err
	}
	same := 0
	for k, x := range calibration {
		in, err := m.Plan.EncodeInput(x)
		if err != nil {
			return nil, fmt.Errorf("calibration input %d: %w", k, err)
		}
		v, err := e.Eval(in)
		if err != nil {
			return nil, err
		}
		got, want := m.Plan.DecodeOutput(v), outputs[k]
		for i := range want {
			r.OutputMax = math.Max(r.OutputMax, math.Abs(want[i]))
			r.OutputError = math.Max(r.OutputError, math.Abs(got[i]-want[i]))
		}
		if largest(got) == largest(want) {
			same++
		}
	}
	r.Agreement = float64(same) / float64(len(calibration))
	return r, nil
}

func weightError(x []float32, w []int16, bits int) float64 {
	e := 0.0
	for i := range x {
		e = math.Max(e, math.Abs(math.Ldexp(float64(w[i]), -bits)-float64(x[i])))
	}
	return e
}

func coefficientError(c []float64, a *Activation) float64 {
	e := 0.0
	for k, alpha := range a.Alpha {
		e = math.Max(e, math.Abs(math.Ldexp(float64(alpha), -int(a.Q))-c[k]))
	}
	return e
}

// largest returns the index of the largest element.
func largest(v []float64) int {
	k := 0
	for i := range v {
		if v[i] > v[k] {
			k = i
		}
	}
	return k
}

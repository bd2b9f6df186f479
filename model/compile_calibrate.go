package model

import (
	"fmt"
	"math"

	"pascaline/ring"
)

// stats is what calibration saw of each node.
type stats struct {
	max    []float64 // largest absolute value
	meanSq []float64 // mean square
	// patch is, for a linear node, the mean input of each of its weights'
	// places (KH×KW×C), over all windows.
	patch   [][]float64
	outputs [][]float64
}

// calibrate runs g on every input.
func calibrate(g *Graph, inputs [][]float32) (*stats, error) {
	s := &stats{
		max:    make([]float64, len(g.Nodes)),
		meanSq: make([]float64, len(g.Nodes)),
		patch:  make([][]float64, len(g.Nodes)),
	}
	e, err := NewFloatEvaluator(g)
	if err != nil {
		return nil, err
	}
	x := make([]float64, g.Nodes[0].Shape.Len())
	for k, input := range inputs {
		if len(input) != len(x) {
			return nil, fmt.Errorf("calibration input %d: %d elements; the network takes %d (%v)", k, len(input), len(x), g.Nodes[0].Shape)
		}
		for i, f := range input {
			x[i] = float64(f)
		}
		values, err := e.Eval(x)
		if err != nil {
			return nil, fmt.Errorf("calibration input %d: %w", k, err)
		}
		for i, v := range values {
			sum := 0.0
			for _, f := range v {
				if math.IsNaN(f) || math.IsInf(f, 0) {
					return nil, fmt.Errorf("calibration input %d: node %q yields %v: values grow beyond all bounds on the way to it; "+
						"either the network was trained on inputs of another scale (normalised, perhaps), and these must be brought to it, "+
						"or its polynomials' inputs leave the range where they are fitted, and it must be trained with a range penalty (PILLAR)",
						k, g.Nodes[i].Name, f)
				}
				s.max[i] = math.Max(s.max[i], math.Abs(f))
				sum += f * f
			}
			s.meanSq[i] += sum / float64(len(v)) / float64(len(inputs))
			if n := &g.Nodes[i]; n.Op == OpLinear {
				if s.patch[i] == nil {
					s.patch[i] = make([]float64, n.Linear.KH*n.Linear.KW*n.Linear.C)
				}
				addPatches(s.patch[i], values[n.Inputs[0]], n.Linear, 1/float64(n.Shape.H*n.Shape.W*len(inputs)))
			}
		}
		s.outputs = append(s.outputs, append([]float64(nil), values[len(values)-1]...))
	}
	return s, nil
}

// calibration sums up what decides about scales.
func (s *stats) calibration(g *Graph, opts *Options) *Calibration {
	c := &Calibration{
		Samples: len(s.outputs), Margin: opts.Margin, ActivationBits: opts.ActivationBits, WeightBits: opts.WeightBits,
		Nodes: make([]NodeCalibration, len(g.Nodes)),
	}
	masked := make([]bool, len(g.Nodes)) // a polynomial lies before it
	for i := range g.Nodes {
		n, d := &g.Nodes[i], &c.Nodes[i]
		masked[i] = n.Op == OpPolynomial
		for _, j := range n.Inputs {
			masked[i] = masked[i] || masked[j]
		}
		d.Max = s.max[i]
		if n.Op == OpLinear {
			for _, w := range n.W {
				d.LargestWeight = math.Max(d.LargestWeight, math.Abs(float64(w)))
			}
			d.Balance = s.balance(g, i, masked[i])
		}
	}
	return c
}

// balance returns by how many bits the weights of linear node i should have more
// than what they multiply has less, so that rounding either does as much harm to
// the output. A weight is off by a twelfth of a unit squared, times the variance of
// what it multiplies (the bias makes up for the mean); an element of the network's
// input by a twelfth; an activation, truncated as two shares (masked), by a sixth,
// at random.
func (s *stats) balance(g *Graph, i int, masked bool) float64 {
	n := &g.Nodes[i]
	fromInput, fromWeights := 0.0, s.meanSq[n.Inputs[0]]*float64(len(s.patch[i]))
	for _, w := range n.W {
		fromInput += float64(w) * float64(w)
	}
	fromInput /= float64(n.Linear.K)
	if masked {
		fromInput *= 2 * randomWeight
	}
	for _, mean := range s.patch[i] {
		fromWeights -= mean * mean
	}
	if !(fromInput > 0 && fromWeights > 0) {
		return 0
	}
	return math.Log2(fromWeights/fromInput) / 4
}

// randomWeight is how much more the rounding of activations counts than that of
// weights. The latter is part of the model and moves outputs alike in every
// evaluation; the former is random, and what a private inference differs by
// from the model and from the next one of the same input.
const randomWeight = 128

// addPatches adds to sum the windows of src, each times weight.
func addPatches(sum, src []float64, s ring.ConvShape, weight float64) {
	for y := range s.OutH() {
		for x := range s.OutW() {
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
					if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
						continue
					}
					tap := sum[(ky*s.KW+kx)*s.C:][:s.C]
					for c, v := range src[(iy*s.W+ix)*s.C:][:s.C] {
						tap[c] += v * weight
					}
				}
			}
		}
	}
}

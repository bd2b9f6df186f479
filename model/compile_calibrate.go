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
					return nil, fmt.Errorf("calibration input %d: node %q yields %v; check the input's scale (the network may expect it normalised) and the weights",
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

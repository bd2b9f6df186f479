package model

import (
	"fmt"
	"math"
)

// Graph returns the network of real numbers that m computes but for the rounding
// of activations: its weights, biases and coefficients are m's integers, over
// the powers of two that they carry. It is not the network that m was compiled
// from, whose weights m has rounded.
func (m *Model) Graph() (*Graph, error) {
	if m.Weights == nil {
		return nil, fmt.Errorf("turning model into real numbers: it %w", ErrNoWeights)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("turning model into real numbers: %w", err)
	}
	g := m.Plan.graph()
	l := 0
	for i := range g.Nodes {
		n := &m.Plan.Nodes[i]
		if n.Op != OpLinear {
			continue
		}
		w, real := &m.Weights.Layers[l], &g.Nodes[i]
		weightFrac := n.Frac - m.Plan.Nodes[n.Inputs[0]].Frac
		real.W = make([]float32, len(w.W))
		for k, v := range w.W {
			real.W[k] = float32(math.Ldexp(float64(v), -int(weightFrac)))
		}
		for k, v := range w.Bias {
			real.Bias[k] = float32(math.Ldexp(float64(int64(v)), -int(n.Frac)))
		}
		l++
	}
	if err := g.Validate(); err != nil {
		return nil, fmt.Errorf("turning model into real numbers: %w", err)
	}
	return g, nil
}

// graph returns the network of the plan with all that it says, and zeros for
// biases.
func (p *Plan) graph() *Graph {
	g := &Graph{Name: p.Name, Nodes: make([]GraphNode, len(p.Nodes))}
	for i := range p.Nodes {
		n, real := &p.Nodes[i], &g.Nodes[i]
		*real = GraphNode{Name: n.Name, Op: n.Op, Inputs: n.Inputs, Shape: n.Shape, Linear: n.Linear, Pool: n.Pool, Parts: n.Parts}
		switch n.Op {
		case OpLinear:
			real.Bias = make([]float32, n.BiasLen())
		case OpPool:
			// A pool with more fractional bits than its input divides by that.
			real.Divisor = math.Ldexp(1, int(n.Frac-p.Nodes[n.Inputs[0]].Frac))
		case OpPolynomial:
			for _, alpha := range n.Act.Alpha {
				real.Coeffs = append(real.Coeffs, math.Ldexp(float64(alpha), -int(n.Act.Q)))
			}
		}
	}
	return g
}

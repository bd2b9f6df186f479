package model

import (
	"fmt"
	"math"
)

// Variant says in what a plan is to differ from one that there is; what is zero
// stays as it is.
type Variant struct {
	Sigma                      uint
	Margin                     float64
	ActivationBits, WeightBits uint // of [Options]
	// Polynomial, where not nil, returns the coefficients that take the place of
	// every polynomial's, given what its inputs stay below.
	Polynomial func(bound float64) ([]float64, error)
}

// Variant returns the plan that compiling the same network on the same inputs with
// other options would make, or why it is refused. It has no weights. Where m has
// no calibration, ranges are the plan's, which has them up to a power of two, and
// bits are shared out in the plan's proportions.
func (m *Model) Variant(v Variant) (*Plan, error) {
	p, err := m.variant(v)
	if err != nil {
		return nil, fmt.Errorf("changing plan %q: %w", printable(m.Plan.Name), err)
	}
	return p, nil
}

func (m *Model) variant(v Variant) (*Plan, error) {
	opts := Options{Name: m.Plan.Name, Labels: m.Plan.Labels, Sigma: m.Plan.Sigma, Margin: 1}
	seen := m.Calibration
	if seen != nil {
		opts.Margin, opts.ActivationBits, opts.WeightBits = seen.Margin, seen.ActivationBits, seen.WeightBits
	} else if v.Margin != 0 {
		return nil, fmt.Errorf("a margin of %v is on top of what calibration saw, and a plan alone does not say that; use the model's file with its weights, from a compilation that kept it", v.Margin)
	}
	if v.Sigma != 0 {
		opts.Sigma = v.Sigma
	}
	if v.Margin != 0 {
		opts.Margin = v.Margin
	}
	if v.ActivationBits != 0 {
		opts.ActivationBits = v.ActivationBits
	}
	if v.WeightBits != 0 {
		opts.WeightBits = v.WeightBits
	}
	g := m.Plan.graph()
	if err := opts.setDefaults(g); err != nil {
		return nil, err
	}
	if seen == nil {
		seen = m.deduced(g)
	}
	if v.Polynomial != nil {
		if err := replacePolynomials(g, seen, &opts, v.Polynomial); err != nil {
			return nil, err
		}
	}
	s := newScaling(g, seen.Nodes, &opts)
	if err := s.choose(); err != nil {
		return nil, err
	}
	p := s.plan()
	return p, p.Validate()
}

func replacePolynomials(g *Graph, seen *Calibration, opts *Options, polynomial func(float64) ([]float64, error)) error {
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != OpPolynomial {
			continue
		}
		c, err := polynomial(opts.Margin * seen.Nodes[n.Inputs[0]].Max)
		if err != nil {
			return fmt.Errorf("layer %q: %w", n.Name, err)
		}
		n.Coeffs = c
	}
	return nil
}

// deduced returns what can be known of the calibration of a model that does not
// have it: of polynomials' inputs the range, of weights the largest, where there
// are weights, and how the plan shares bits out. A node of unknown range limits
// nothing.
func (m *Model) deduced(g *Graph) *Calibration {
	p := m.Plan
	c := &Calibration{Margin: 1, Nodes: make([]NodeCalibration, len(p.Nodes))}
	for i := range p.Nodes {
		c.Nodes[i].Max = math.Exp2(-maxFrac)
	}
	layer := 0
	for i := range p.Nodes {
		switch n := &p.Nodes[i]; n.Op {
		case OpPolynomial:
			in := n.Inputs[0]
			bound := math.Ldexp(belowOne, int(n.Act.M)-int(p.Nodes[in].Frac))
			c.Nodes[in].Max = max(c.Nodes[in].Max, bound)
		case OpLinear:
			if m.Weights != nil {
				bits := int(n.Frac - p.Nodes[n.Inputs[0]].Frac)
				for _, w := range m.Weights.Layers[layer].W {
					c.Nodes[i].LargestWeight = max(c.Nodes[i].LargestWeight, math.Abs(math.Ldexp(float64(w), -bits)))
				}
			}
			layer++
		}
	}
	s := newScaling(g, c.Nodes, &Options{Sigma: p.Sigma, Margin: 1})
	s.setChains()
	for i := len(p.Nodes) - 1; i >= 0; i-- {
		s.setRoom(i)
		if n := &p.Nodes[i]; n.Op == OpLinear {
			s.weight[i] = int(n.Frac - p.Nodes[n.Inputs[0]].Frac)
			if s.chain[i] == 1 {
				c.Nodes[i].Balance = float64(s.weight[i]) - float64(s.room[i])/2
			}
		}
	}
	return c
}

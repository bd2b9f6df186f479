package model

import (
	"errors"
	"fmt"
	"math"

	"pascaline/ring"
)

// Validate reports the first thing that makes g no graph. A graph that passes
// can be evaluated and compiled without further checks of shapes and lengths.
func (g *Graph) Validate() error {
	if err := g.validate(); err != nil {
		return fmt.Errorf("graph %q: %w", printable(g.Name), err)
	}
	return nil
}

func (g *Graph) validate() error {
	if err := checkText(g.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if len(g.Nodes) < 2 || len(g.Nodes) > maxNodes {
		return fmt.Errorf("has %d nodes; there must be from 2 to %d", len(g.Nodes), maxNodes)
	}
	used := make([]bool, len(g.Nodes))
	elements, weights := 0, 0
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := g.validateNode(i); err != nil {
			return fmt.Errorf("node %d %q: %w", i, printable(n.Name), err)
		}
		for _, j := range n.Inputs {
			used[j] = true
		}
		elements += n.Shape.Len()
		weights += len(n.W)
		if elements > maxTotal || weights > maxTotal {
			return fmt.Errorf("up to node %d, the nodes have %d elements and %d weights; at most %d of each are taken",
				i, elements, weights, maxTotal)
		}
	}
	for i := range len(g.Nodes) - 1 {
		if !used[i] {
			return fmt.Errorf("node %d %q: nothing uses its output", i, g.Nodes[i].Name)
		}
	}
	return nil
}

func (g *Graph) validateNode(i int) error {
	n := &g.Nodes[i]
	if err := checkText(n.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := checkStep(i, n.Op, n.Inputs, n.Shape); err != nil {
		return err
	}
	if n.Op != OpLinear && (n.Linear != (ring.ConvShape{}) || len(n.W)+len(n.Bias) > 0) ||
		n.Op != OpPool && (n.Pool != (ring.ConvShape{}) || n.Divisor != 0) || n.Op != OpConcat && len(n.Parts) > 0 ||
		n.Op != OpPolynomial && len(n.Coeffs) > 0 {
		return fmt.Errorf("its parameters are not those of %v", n.Op)
	}
	switch n.Op {
	case OpLinear:
		if err := checkWindow(n.Op, n.Linear, g.Nodes[n.Inputs[0]].Shape, n.Shape); err != nil {
			return err
		}
		if len(n.W) != n.Linear.WeightLen() || len(n.Bias) != n.Linear.K && len(n.Bias) != n.Shape.Len() {
			return fmt.Errorf("has %d weights and %d biases; its shape needs %d and %d, or %d for each pixel",
				len(n.W), len(n.Bias), n.Linear.WeightLen(), n.Linear.K, n.Linear.K)
		}
		return errors.Join(checkFinite("weight", n.W), checkFinite("bias", n.Bias))
	case OpPool:
		if !(n.Divisor > 0) || math.IsInf(n.Divisor, 0) {
			return fmt.Errorf("divides by %v; the divisor must be positive", n.Divisor)
		}
		return checkWindow(n.Op, n.Pool, g.Nodes[n.Inputs[0]].Shape, n.Shape)
	case OpAdd:
		for _, j := range n.Inputs {
			if in := &g.Nodes[j]; in.Shape != n.Shape {
				return fmt.Errorf("adds %v to %v", in.Shape, n.Shape)
			}
		}
	case OpConcat:
		shapes := make([]Shape, len(n.Inputs))
		for k, j := range n.Inputs {
			shapes[k] = g.Nodes[j].Shape
		}
		return checkParts(n.Parts, shapes, n.Shape)
	case OpReshape:
		if in := &g.Nodes[n.Inputs[0]]; in.Shape.Len() != n.Shape.Len() {
			return fmt.Errorf("reshapes %v to %v", in.Shape, n.Shape)
		}
	case OpPolynomial:
		if in := &g.Nodes[n.Inputs[0]]; in.Shape != n.Shape {
			return fmt.Errorf("turns %v into %v; it is elementwise", in.Shape, n.Shape)
		}
		d := len(n.Coeffs) - 1
		if d < minDegree || d > maxDegree || n.Coeffs[d] == 0 {
			return fmt.Errorf("polynomial with the coefficients %v; its degree must be from %d to %d", n.Coeffs, minDegree, maxDegree)
		}
		return checkFinite("coefficient", n.Coeffs)
	}
	return nil
}

func checkFinite[T float32 | float64](what string, values []T) error {
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s %d is %v; train the network again, or export a sound checkpoint", what, i, v)
		}
	}
	return nil
}

// padded reports whether some windows of s reach into padding.
func padded(s ring.ConvShape) bool {
	return s.PadTop+s.PadLeft+s.PadBottom+s.PadRight > 0
}

package online

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// A Circuit is a model laid out for the protocol: what does not depend on the
// inferences and is prepared once. It does not change and serves any number of
// machines at the same time.
type Circuit struct {
	plan    *model.Plan
	spec    *correlation.BundleSpec
	weights *model.Weights // the server's; nil at the client
	kernels []*ring.Kernel // by linear layer, the server's
	pascal  []*ring.Pascal // by activation
	// layer is the index among the activations or the linear layers of each
	// such node.
	layer []int
	// rounds are those of the activations and at last that of the output; input
	// is what the client sends first.
	rounds []round
	input  []cut
}

// NewCircuit lays out a valid plan, with the weights at the server and without
// them (nil) at the client.
func NewCircuit(plan *model.Plan, weights *model.Weights) (*Circuit, error) {
	c := &Circuit{plan: plan, spec: plan.Bundle(), weights: weights, layer: make([]int, len(plan.Nodes))}
	if weights != nil && len(weights.Layers) != len(c.spec.Linear) {
		return nil, fmt.Errorf("laying out plan %q: weights of %d layers for %d", plan.Name, len(weights.Layers), len(c.spec.Linear))
	}
	linear := 0
	for i := range plan.Nodes {
		n := &plan.Nodes[i]
		switch n.Op {
		case model.OpPolynomial:
			c.layer[i] = len(c.pascal)
			pascal, err := ring.NewPascal(n.Act.Alpha, n.Act.Q, n.Act.Fa, n.Frac)
			if err != nil {
				return nil, fmt.Errorf("laying out plan %q: activation %q: %w", plan.Name, n.Name, err)
			}
			c.pascal = append(c.pascal, pascal)
		case model.OpLinear:
			c.layer[i] = linear
			if weights != nil {
				c.kernels = append(c.kernels, ring.NewKernel(weights.Layers[linear].W, n.Linear))
			}
			linear++
		}
	}
	c.input = c.cuts([]int{0})
	for _, nodes := range plan.Rounds() {
		c.rounds = append(c.rounds, c.round(nodes, true))
	}
	c.rounds = append(c.rounds, c.round([]int{len(plan.Nodes) - 1}, false))
	return c, nil
}

// Rounds returns how many round trips an inference takes: one for each round of
// activations and one for the output.
func (c *Circuit) Rounds() int { return len(c.rounds) }

// round lays out a round that opens the activations nodes, or sends the output.
func (c *Circuit) round(nodes []int, opened bool) round {
	r := round{cuts: c.cuts(nodes)}
	for k := range r.cuts {
		c.trace(&r.cuts[k], opened)
	}
	return r
}

// elements returns how many elements the given nodes have together.
func (c *Circuit) elements(nodes []int) int {
	n := 0
	for _, i := range nodes {
		n += c.plan.Nodes[i].Shape.Len()
	}
	return n
}

// checkBundles reports a bundle that is not the given party's half for this
// plan.
func (c *Circuit) checkBundles(party int, bundles []*correlation.Bundle) error {
	if len(bundles) == 0 {
		return fmt.Errorf("a batch needs at least one bundle")
	}
	for i, b := range bundles {
		switch {
		case b.Party != party:
			return fmt.Errorf("bundle %d is the half of party %d, not of %d", i, b.Party, party)
		case b.Spec.Plan != c.spec.Plan:
			return fmt.Errorf("bundle %d is for plan %x, not for %x", i, b.Spec.Plan[:8], c.spec.Plan[:8])
		}
	}
	return nil
}

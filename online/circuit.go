package online

import (
	"fmt"
	"runtime"
	"sync"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// circuit is a plan laid out for the protocol.
type circuit struct {
	plan *model.Plan
	spec *correlation.BundleSpec
	// rounds[k] lists the polynomial nodes opened in round k, and ready[k] the
	// other nodes that can be computed once those of round k−1 are known.
	rounds [][]int
	ready  [][]int
	// layer is the index among the activations or the linear layers of each
	// such node.
	layer  []int
	pascal []*ring.Pascal // by activation
}

func newCircuit(p *model.Plan) (*circuit, error) {
	c := &circuit{plan: p, spec: p.Bundle(), rounds: p.Rounds(), layer: make([]int, len(p.Nodes))}
	c.ready = make([][]int, len(c.rounds)+1)
	depth := make([]int, len(p.Nodes))
	linear := 0
	for i, n := range p.Nodes {
		for _, j := range n.Inputs {
			depth[i] = max(depth[i], depth[j])
		}
		switch n.Op {
		case model.OpInput:
			continue
		case model.OpPolynomial:
			depth[i]++
			c.layer[i] = len(c.pascal)
			pascal, err := ring.NewPascal(n.Act.Alpha, n.Act.Q, n.Act.Fa, n.Frac)
			if err != nil {
				return nil, fmt.Errorf("activation %q: %w", n.Name, err)
			}
			c.pascal = append(c.pascal, pascal)
			continue
		case model.OpLinear:
			c.layer[i] = linear
			linear++
		}
		c.ready[depth[i]] = append(c.ready[depth[i]], i)
	}
	return c, nil
}

// masked lists the nodes whose masked shares the client sends at the start of
// round k: the input, then the activations of the round before.
func (c *circuit) masked(k int) []int {
	if k == 0 {
		return []int{0}
	}
	return c.rounds[k-1]
}

// elements returns how many elements the given nodes have together.
func (c *circuit) elements(nodes []int) int {
	n := 0
	for _, i := range nodes {
		n += c.plan.Nodes[i].Shape.Len()
	}
	return n
}

// checkBundles reports a bundle that is not the given party's half for this
// plan.
func (c *circuit) checkBundles(party int, bundles []*correlation.Bundle) error {
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

// each runs f for 0 to n−1 on all cores.
func each(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

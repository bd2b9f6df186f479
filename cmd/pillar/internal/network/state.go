package network

import (
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/ring"
)

// State is what a step takes and returns: parameters, running statistics of the
// batch norms, and what the optimizer keeps.
type State struct {
	Parameters, Means, Variances, Slots []*tensors.Tensor
}

// Start returns the state that training begins with.
func (n *Network) Start(o Optimizer, seed ring.Seed) *State {
	s := &State{}
	for i, w := range n.Initial(seed) {
		dims := n.Params[i].Dims
		s.Parameters = append(s.Parameters, tensors.FromFlatDataAndDimensions(w, dims...))
		for range o.slots() {
			s.Slots = append(s.Slots, tensors.FromFlatDataAndDimensions(make([]float32, len(w)), dims...))
		}
	}
	for _, i := range n.norms {
		c := n.Topology.Nodes[i].Linear.K
		s.Means = append(s.Means, tensors.FromFlatDataAndDimensions(make([]float32, c), c))
		s.Variances = append(s.Variances, tensors.FromFlatDataAndDimensions(slices.Repeat([]float32{1}, c), c))
	}
	return s
}

// List returns all tensors in one order.
func (s *State) List() []*tensors.Tensor {
	return slices.Concat(s.Parameters, s.Means, s.Variances, s.Slots)
}

// With returns a state of the tensors in all, which are as many as List returns, and
// in the same order.
func (s *State) With(all []*tensors.Tensor) *State {
	next := &State{}
	for _, part := range []struct{ to, like *[]*tensors.Tensor }{
		{&next.Parameters, &s.Parameters}, {&next.Means, &s.Means}, {&next.Variances, &s.Variances}, {&next.Slots, &s.Slots},
	} {
		*part.to, all = slices.Clip(all[:len(*part.like)]), all[len(*part.like):]
	}
	return next
}

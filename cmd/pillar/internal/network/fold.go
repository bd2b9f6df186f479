package network

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/model"
)

// Fold returns the trained network as a graph: every batch norm is folded into the
// linear layer before it, and clipping is left out.
func (n *Network) Fold(state *State) (*model.Graph, error) {
	g := &model.Graph{Name: n.Topology.Name, Nodes: slices.Clone(n.Topology.Nodes)}
	for i := range g.Nodes {
		node, l := &g.Nodes[i], n.layers[i]
		if node.Op != model.OpLinear {
			continue
		}
		w, err := tensors.CopyFlatData[float32](state.Parameters[l.weight])
		if err != nil {
			return nil, fmt.Errorf("reading the weights of %q: %w", node.Name, err)
		}
		node.W = w
		if l.gain < 0 {
			if node.Bias, err = tensors.CopyFlatData[float32](state.Parameters[l.bias]); err != nil {
				return nil, fmt.Errorf("reading the bias of %q: %w", node.Name, err)
			}
			continue
		}
		var norm [4][]float32 // gain, offset, mean, variance
		for k, t := range []*tensors.Tensor{state.Parameters[l.gain], state.Parameters[l.gain+1], state.Means[l.norm], state.Variances[l.norm]} {
			if norm[k], err = tensors.CopyFlatData[float32](t); err != nil {
				return nil, fmt.Errorf("reading the batch norm of %q: %w", node.Name, err)
			}
		}
		channels := node.Linear.K
		node.Bias = make([]float32, channels)
		for c := range channels {
			scale := float64(norm[0][c]) / math.Sqrt(float64(norm[3][c])+epsilon)
			node.Bias[c] = float32(float64(norm[1][c]) - scale*float64(norm[2][c]))
			for j := c; j < len(w); j += channels {
				w[j] = float32(float64(w[j]) * scale)
			}
		}
	}
	return g, nil
}

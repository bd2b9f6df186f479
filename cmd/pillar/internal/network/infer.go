package network

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Inference evaluates a network as it will be used: with the running statistics
// and without clipping.
type Inference struct {
	net  *Network
	exec *Exec
}

// NewInference compiles the evaluation of batches, in any number of shards.
func (n *Network) NewInference(b Backend) (*Inference, error) {
	exec, err := NewExec(b.Backend, func(in []*Node) []*Node {
		np, nn := len(n.Params), len(n.norms)
		parameters, means, variances, images := in[:np], in[np:np+nn], in[np+nn:np+2*nn], in[np+2*nn:]
		var logits []*Node
		var passes []*pass
		for _, x := range images {
			p := n.forward(kernels{b.Compiled}, parameters, x, means, variances)
			logits, passes = append(logits, p.logits()), append(passes, p)
		}
		return append(logits, largest(passes)...)
	})
	if err != nil {
		return nil, fmt.Errorf("compiling the evaluation of %q: %w", n.Topology.Name, err)
	}
	return &Inference{n, exec}, nil
}

// Run returns the logits of each shard (classes×B), and of each activation layer
// the largest |x| that enters it.
func (f *Inference) Run(state *State, images []*tensors.Tensor) (logits [][]float32, largest []float64, err error) {
	var args []any
	for _, l := range [][]*tensors.Tensor{state.Parameters, state.Means, state.Variances, images} {
		for _, t := range l {
			args = append(args, t)
		}
	}
	out, err := f.exec.Call(args...)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluating %q: %w", f.net.Topology.Name, err)
	}
	for _, t := range out[:len(images)] {
		l, err := tensors.CopyFlatData[float32](t)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the outputs of %q: %w", f.net.Topology.Name, err)
		}
		logits = append(logits, l)
	}
	for _, t := range out[len(images):] {
		largest = append(largest, float64(tensors.ToScalar[float32](t)))
	}
	return logits, largest, nil
}

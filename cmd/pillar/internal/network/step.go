package network

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// statisticsMomentum is how much a batch counts in the running statistics of batch
// norm, as in PyTorch.
const statisticsMomentum = 0.1

// Config is what a step of training is compiled for.
type Config struct {
	Optimizer Optimizer
	Penalty   Penalty
	Decay     float64 // of the weights, at each step times the rate
	Shards    int     // parts of a batch, each with batch norm of its own, evaluated side by side
	Observe   bool    // also say how far values escape, which costs time
}

// Scalars are the numbers that change from step to step.
type Scalars struct {
	Rate float64
	// Labels multiplies the loss of the labels: 1, or 0 while the penalty acts alone.
	Labels float64
	// Beta multiplies the penalty: the mean over the activation layers of the sum over
	// the batch's elements (pillar.Penalty).
	Beta float64
	Step int // counted from 1, for Adam
}

// Step is a compiled step of training.
type Step struct {
	net    *Network
	config Config
	exec   *Exec
}

// Result is what a step says of itself. All is of the parameters before it.
type Result struct {
	Logits  [][]float32 // of each shard, classes×B
	Penalty float64     // Σ |x/ℓ|^γ, its mean over the layers
	Largest []float64   // of each activation layer, |x|, if observed
	Escaped []float64   // of each activation layer, how many of the elements are beyond the range
}

// NewStep compiles a step of training for a backend. The images of a step are
// shards of C×B×H×W; their labels are classes×B, one where the class is.
func (n *Network) NewStep(b Backend, c Config) (*Step, error) {
	exec, err := NewExec(b.Backend, func(in []*Node) []*Node { return n.step(kernels{b.Compiled}, c, in) })
	if err != nil {
		return nil, fmt.Errorf("compiling a training step of %q: %w", n.Topology.Name, err)
	}
	return &Step{n, c, exec}, nil
}

// Run makes one step.
func (s *Step) Run(state *State, images, labels []*tensors.Tensor, v Scalars) (*State, *Result, error) {
	rate := v.Rate
	if s.config.Optimizer == Adam {
		rate *= adamCorrection(v.Step)
	}
	total := 0
	for _, x := range images {
		total += x.Shape().Dimensions[1]
	}
	args := []any{float32(rate), float32(v.Rate * s.config.Decay), float32(v.Labels / float64(total)),
		float32(v.Beta / float64(max(1, len(s.net.activated))))}
	for _, l := range [][]*tensors.Tensor{state.List(), images, labels} {
		for _, t := range l {
			args = append(args, t)
		}
	}
	out, err := s.exec.Call(args...)
	if err != nil {
		return nil, nil, fmt.Errorf("a training step of %q: %w", s.net.Topology.Name, err)
	}
	size := len(state.List())
	next, out := state.With(out[:size]), out[size:]
	r := &Result{}
	for range images {
		l, err := tensors.CopyFlatData[float32](out[0])
		if err != nil {
			return nil, nil, fmt.Errorf("reading the outputs of a training step: %w", err)
		}
		r.Logits, out = append(r.Logits, l), out[1:]
	}
	if s.config.Penalty.on() {
		r.Penalty, out = float64(tensors.ToScalar[float32](out[0]))/float64(len(s.net.activated)), out[1:]
	}
	if s.config.Observe {
		for _, to := range []*[]float64{&r.Largest, &r.Escaped} {
			for range s.net.activated {
				*to, out = append(*to, float64(tensors.ToScalar[float32](out[0]))), out[1:]
			}
		}
	}
	return next, r, nil
}

// step builds the graph of Run.
func (n *Network) step(k kernels, c Config, in []*Node) []*Node {
	rate, decay, labelWeight, strength := in[0], in[1], in[2], in[3]
	in = in[4:]
	take := func(count int) []*Node {
		part := in[:count]
		in = in[count:]
		return part
	}
	parameters, means, variances := take(len(n.Params)), take(len(n.norms)), take(len(n.norms))
	slots := take(c.Optimizer.slots() * len(parameters))
	images, labels := take(c.Shards), take(c.Shards)

	gradients := make([]*Node, len(parameters))
	passes := make([]*pass, c.Shards)
	var logits []*Node
	for i := range passes {
		p := n.forward(k, parameters, images[i], nil, nil)
		passes[i] = p
		l := p.logits()
		logits = append(logits, l)
		p.gradient(Mul(Sub(softmax(l), labels[i]), labelWeight), c.Penalty, strength, gradients)
	}

	var out []*Node
	slot := slots
	var nextSlots []*Node
	for i, w := range parameters {
		next, kept := c.Optimizer.apply(w, gradients[i], slot[:c.Optimizer.slots()], rate)
		if n.Params[i].Role == Weight {
			next = Sub(next, Mul(w, decay))
		}
		out, nextSlots, slot = append(out, next), append(nextSlots, kept...), slot[c.Optimizer.slots():]
	}
	out = append(out, running(means, passes, func(p *pass) []*Node { return p.means })...)
	out = append(out, running(variances, passes, func(p *pass) []*Node { return p.variances })...)
	out = append(out, nextSlots...)
	out = append(out, logits...)
	if c.Penalty.on() {
		out = append(out, c.Penalty.total(k, passes))
	}
	if c.Observe {
		out = append(append(out, largest(passes)...), escaped(passes, n.Activation.Range)...)
	}
	return out
}

// softmax returns that of each column.
func softmax(logits *Node) *Node {
	classes := logits.Shape().Dimensions[0]
	columns := logits.Shape().Dimensions[1]
	e := Exp(Sub(logits, Reshape(ReduceMax(logits, 0), 1, columns)))
	total := Dot(Ones(logits.Graph(), withDims(logits, 1, classes)), e).Product()
	return Div(e, total)
}

// running returns the next running statistics.
func running(old []*Node, passes []*pass, of func(*pass) []*Node) []*Node {
	next := make([]*Node, len(old))
	for i := range old {
		var total *Node
		for _, p := range passes {
			total = sum(total, of(p)[i])
		}
		next[i] = Add(MulScalar(old[i], 1-statisticsMomentum), MulScalar(total, statisticsMomentum/float64(len(passes))))
	}
	return next
}

// total returns the sum of the penalty over all activation layers and shards.
func (q Penalty) total(k kernels, passes []*pass) *Node {
	var total *Node
	for _, p := range passes {
		for _, x := range p.entering() {
			total = sum(total, q.value(k, x))
		}
	}
	return total
}

// escaped returns how many of the elements that enter each activation are beyond the
// range.
func escaped(passes []*pass, bound float64) []*Node {
	counts := make([]*Node, len(passes[0].net.activated))
	for _, p := range passes {
		for k, x := range p.entering() {
			counts[k] = sum(counts[k], ReduceAllSum(ConvertDType(GreaterThan(Abs(x), ConstAs(x, bound)), x.DType())))
		}
	}
	return counts
}

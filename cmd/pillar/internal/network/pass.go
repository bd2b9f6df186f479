package network

import (
	. "github.com/gomlx/gomlx/core/graph"

	"pascaline/model"
)

// pass is one evaluation of a network on one part of a batch.
type pass struct {
	net        *Network
	kernels    kernels
	parameters []*Node
	values     []*Node    // of each node of the topology
	means      []*Node    // of each batch norm, of training
	variances  []*Node    //
	back       []backward // of each node
}

// backward takes the gradient of a node's output to those of its inputs, in their
// order, and adds those of its parameters to gradients. An input that needs none
// has nil.
type backward func(dy *Node, gradients []*Node) []*Node

// forward evaluates the network on images (C×B×H×W), with the statistics of the
// batch if means is nil, and with the given ones and without clipping otherwise.
func (n *Network) forward(k kernels, parameters []*Node, images *Node, means, variances []*Node) *pass {
	nodes := n.Topology.Nodes
	p := &pass{net: n, kernels: k, parameters: parameters, values: make([]*Node, len(nodes)), back: make([]backward, len(nodes))}
	p.values[0] = images
	training := means == nil
	for i := 1; i < len(nodes); i++ {
		node := &nodes[i]
		in := p.values[node.Inputs[0]]
		switch node.Op {
		case model.OpLinear:
			p.linear(i, in, means, variances)
		case model.OpPolynomial:
			y, back := n.Activation.activate(in, training)
			p.values[i] = y
			p.back[i] = func(dy *Node, _ []*Node) []*Node { return []*Node{back(dy)} }
		case model.OpAdd:
			p.values[i] = Add(in, p.values[node.Inputs[1]])
			p.back[i] = func(dy *Node, _ []*Node) []*Node { return []*Node{dy, dy} }
		case model.OpPool:
			y, back := k.pool(in, node.Pool, node.Divisor)
			p.values[i] = y
			p.back[i] = func(dy *Node, _ []*Node) []*Node { return []*Node{back(dy)} }
		case model.OpReshape: // flattens; the weights behind it are in the order H, W, C
			d := in.Shape().Dimensions
			p.values[i] = Reshape(TransposeAllAxes(in, 2, 3, 0, 1), d[0]*d[2]*d[3], d[1], 1, 1)
			p.back[i] = func(dy *Node, _ []*Node) []*Node {
				return []*Node{TransposeAllAxes(Reshape(dy, d[2], d[3], d[0], d[1]), 2, 3, 0, 1)}
			}
		}
	}
	return p
}

// linear evaluates a linear layer and the batch norm behind it.
func (p *pass) linear(i int, in *Node, means, variances []*Node) {
	node, l := &p.net.Topology.Nodes[i], p.net.layers[i]
	first := node.Inputs[0] == 0
	y, convBack := p.kernels.conv(in, p.parameters[l.weight], node.Linear)
	if l.gain < 0 {
		bias := p.parameters[l.bias]
		p.values[i] = Add(y, p.kernels.spread(bias, y))
		p.back[i] = func(dy *Node, gradients []*Node) []*Node {
			dx, dw := convBack(dy, !first)
			gradients[l.weight] = sum(gradients[l.weight], dw)
			gradients[l.bias] = sum(gradients[l.bias], p.kernels.sums(dy))
			return []*Node{dx}
		}
		return
	}
	gain, offset := p.parameters[l.gain], p.parameters[l.gain+1]
	if means != nil {
		p.values[i] = p.kernels.fixedNorm(y, gain, offset, means[l.norm], variances[l.norm])
		return
	}
	z, mean, variance, normBack := p.kernels.norm(y, gain, offset)
	p.values[i] = z
	p.means, p.variances = append(p.means, mean), append(p.variances, variance)
	p.back[i] = func(dz *Node, gradients []*Node) []*Node {
		dy, dGain, dOffset := normBack(dz)
		dx, dw := convBack(dy, !first)
		gradients[l.weight] = sum(gradients[l.weight], dw)
		gradients[l.gain] = sum(gradients[l.gain], dGain)
		gradients[l.gain+1] = sum(gradients[l.gain+1], dOffset)
		return []*Node{dx}
	}
}

// logits returns the outputs (classes×B).
func (p *pass) logits() *Node {
	y := p.values[len(p.values)-1]
	return Reshape(y, y.Shape().Size()/y.Shape().Dimensions[1], y.Shape().Dimensions[1])
}

// entering returns what enters each activation, in their order.
func (p *pass) entering() []*Node {
	var x []*Node
	for _, i := range p.net.activated {
		x = append(x, p.values[p.net.Topology.Nodes[i].Inputs[0]])
	}
	return x
}

// largest returns the largest |x| that enters each activation in any of the passes.
func largest(passes []*pass) []*Node {
	var most []*Node
	for _, p := range passes {
		for k, x := range p.entering() {
			m := ReduceAllMax(Abs(x))
			if k == len(most) {
				most = append(most, m)
			} else {
				most[k] = Max(most[k], m)
			}
		}
	}
	return most
}

// gradient adds to gradients, one for each parameter, those of the loss whose
// gradient at the logits is dLogits (classes×B), and those of the penalty
// strength·Σ |x/ℓ|^γ over what enters each activation.
func (p *pass) gradient(dLogits *Node, penalty Penalty, strength *Node, gradients []*Node) {
	nodes := p.net.Topology.Nodes
	d := make([]*Node, len(nodes)) // of the values
	last := len(nodes) - 1
	d[last] = Reshape(dLogits, p.values[last].Shape().Dimensions...)
	for i := last; i > 0; i-- {
		inputs := p.back[i](d[i], gradients)
		for k, in := range nodes[i].Inputs {
			dx := inputs[k]
			if dx == nil {
				continue
			}
			if nodes[i].Op == model.OpPolynomial && penalty.on() {
				dx = Add(dx, Mul(penalty.slope(p.values[in]), strength))
			}
			d[in] = sum(d[in], dx)
		}
		d[i] = nil
	}
}

// Penalty is PILLAR's (section 4.3): strength·Σ |x/Range|^Gamma, of even Gamma. The
// zero value is none.
type Penalty struct {
	Gamma int
	Range float64
}

func (q Penalty) on() bool { return q.Gamma > 0 }

// value returns Σ |x/ℓ|^γ.
func (q Penalty) value(k kernels, x *Node) *Node {
	half := power(DivScalar(x, q.Range), q.Gamma/2)
	return ReduceAllSum(k.products(half, half))
}

// slope returns the derivative of |x/ℓ|^γ at every element.
func (q Penalty) slope(x *Node) *Node {
	return MulScalar(power(DivScalar(x, q.Range), q.Gamma-1), float64(q.Gamma)/q.Range)
}

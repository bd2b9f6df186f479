package model

import (
	"pascaline/correlation"
	"pascaline/ring"
)

// Op is what a node of a plan does.
type Op uint8

const (
	OpInput      Op = iota // the network's input
	OpLinear               // convolution or matrix product with secret weights, plus a secret bias
	OpPool                 // sums over windows; divisors live in scales and weights
	OpAdd                  // sum of the inputs, each shifted left by Shifts
	OpReshape              // the same elements in the same order
	OpPolynomial           // elementwise polynomial activation
	OpConcat               // channels of the inputs, and of zeros, side by side: see Parts
)

// Shape is height × width × channels, the order of a tensor's elements. A
// vector of n elements is 1×1×n.
type Shape struct{ H, W, C int }

// Len returns the number of elements.
func (s Shape) Len() int { return s.H * s.W * s.C }

// Plan is the public part of a compiled model: what both parties know and the
// online protocol follows. All tensors are fixed point: the integer v of a node
// stands for v / 2^Frac.
type Plan struct {
	Name  string
	Sigma uint // every opened value hides at least this many bits
	// Nodes are in topological order; node 0 is the only input and the last
	// node the output.
	Nodes []Node
	// Labels, if any, name the outputs.
	Labels []string
	// Weights is SHA-256(salt ‖ weights): it ties the plan to one set of
	// weights without revealing them.
	Weights [32]byte
}

// Node is one step of a plan.
type Node struct {
	Name   string
	Op     Op
	Inputs []int // indices of earlier nodes
	Shape  Shape // of the output
	Frac   uint  // fractional bits of the output

	Linear ring.ConvShape // OpLinear
	// PixelBias says that an OpLinear has a bias for each element of its output
	// instead of one for each channel: what an offset of its input, folded into it,
	// amounts to where windows reach into padding.
	PixelBias bool
	Pool      ring.ConvShape // OpPool: C = K; each window of one channel is summed
	Shifts    []uint         // OpAdd and OpConcat, one for each input
	Parts     []Part         // OpConcat
	Act       *Activation    // OpPolynomial
}

// Part is neighbouring channels of an OpConcat's output.
type Part struct {
	Input    int // index into Inputs, or −1 for zeros
	From     int // the first channel of the input
	Channels int // how many
}

// BiasLen returns how many biases an OpLinear has.
func (n *Node) BiasLen() int {
	if n.PixelBias {
		return n.Shape.Len()
	}
	return n.Linear.K
}

// Activation is the arithmetic of one polynomial layer (design section 4).
type Activation struct {
	Alpha []int64 // α_0..α_d; P(t) = Σ α_k t^k / 2^Q
	Q     uint
	Fa    uint // fractional bits of t: the input's Frac − Fw
	Fw    uint // bits dropped by the opening
	// M bounds the input: |y| < 2^M in the calibrated range, in units of the
	// input's last place.
	M uint
	// MaskBits is B = 62 − Fw: the masks use all the room there is, so each
	// opened value hides with 62 − M ≥ Sigma bits.
	MaskBits uint
}

// Degree returns the degree of the polynomial.
func (a *Activation) Degree() int { return len(a.Alpha) - 1 }

// Weights is the secret part of a compiled model: for each OpLinear node of the
// plan, in order, its weights and bias.
type Weights struct{ Layers []LayerWeights }

// LayerWeights are the weights (KH×KW×C×K, see [ring.ConvShape]; |w| < 2^15)
// carrying fw fractional bits, and the bias (one for each output channel or, with
// PixelBias, element, at the fractional bits of the output) of one linear layer.
type LayerWeights struct {
	W    []int16
	Bias []uint64
}

// Bundle returns what one inference needs: activation layers and linear layers
// in the order of their nodes.
func (p *Plan) Bundle() *correlation.BundleSpec {
	s := &correlation.BundleSpec{
		Plan:   p.Hash(),
		Input:  p.Nodes[0].Shape.Len(),
		Output: p.Nodes[len(p.Nodes)-1].Shape.Len(),
	}
	for _, n := range p.Nodes {
		switch n.Op {
		case OpLinear:
			s.Linear = append(s.Linear, correlation.Spec{Kind: correlation.Linear, N: 1, Shape: n.Linear, Layer: len(s.Linear)})
		case OpPolynomial:
			s.Activations = append(s.Activations, correlation.ActivationSpec{
				Powers:  correlation.Spec{Kind: correlation.Powers, N: n.Shape.Len(), Degree: n.Act.Degree(), MaskBits: n.Act.MaskBits},
				LowBits: n.Act.Fw,
			})
		}
	}
	return s
}

// Rounds returns the polynomial nodes grouped by the round of the online
// protocol that opens them: a node is in round k if the longest path to it from
// the input passes k other polynomial nodes. Layers of one round share their
// messages.
func (p *Plan) Rounds() [][]int {
	depth := make([]int, len(p.Nodes))
	var rounds [][]int
	for i, n := range p.Nodes {
		for _, j := range n.Inputs {
			depth[i] = max(depth[i], depth[j])
		}
		if n.Op == OpPolynomial {
			for len(rounds) <= depth[i] {
				rounds = append(rounds, nil)
			}
			rounds[depth[i]] = append(rounds[depth[i]], i)
			depth[i]++
		}
	}
	return rounds
}

// InputRows returns how many rows of node j, an input of node i, the first n rows
// of node i depend on.
func (p *Plan) InputRows(i, j, n int) int {
	node, in := &p.Nodes[i], p.Nodes[j].Shape
	switch node.Op {
	case OpLinear:
		return node.Linear.InRows(n)
	case OpPool:
		return node.Pool.InRows(n)
	case OpReshape:
		row := in.W * in.C
		return (n*node.Shape.W*node.Shape.C + row - 1) / row
	}
	return n
}

// Public sets dst to node i's output given its inputs' values, or to one
// party's share of it given its shares of the inputs, for the operations that
// need no secret: OpPool, OpAdd, OpConcat and OpReshape.
func (p *Plan) Public(i int, dst []uint64, inputs ...[]uint64) {
	p.PublicRows(i, 0, p.Nodes[i].Shape.H, dst, inputs...)
}

// PublicRows is [Plan.Public] for rows y0 to y1 (exclusive) of the output alone;
// dst and the inputs are whole tensors.
func (p *Plan) PublicRows(i, y0, y1 int, dst []uint64, inputs ...[]uint64) {
	n := &p.Nodes[i]
	from, to := y0*n.Shape.W*n.Shape.C, y1*n.Shape.W*n.Shape.C
	switch n.Op {
	case OpReshape:
		copy(dst[from:to], inputs[0][from:to])
	case OpAdd:
		dst := dst[from:to]
		clear(dst)
		for j, in := range inputs {
			shift := n.Shifts[j]
			for e, v := range in[from:to] {
				dst[e] += v << shift
			}
		}
	case OpConcat:
		at := 0
		for _, part := range n.Parts {
			p.placePart(i, part, at, dst[from:to], inputs, y0)
			at += part.Channels
		}
	case OpPool:
		ring.SumPoolRows(dst, inputs[0], n.Pool, y0, y1)
	default:
		panic("model: Public called on a node that needs a secret")
	}
}

// placePart sets the channels from at on of dst, rows from y0 on of OpConcat i.
func (p *Plan) placePart(i int, part Part, at int, dst []uint64, inputs [][]uint64, y0 int) {
	n := &p.Nodes[i]
	if part.Input < 0 {
		for ; at < len(dst); at += n.Shape.C {
			clear(dst[at:][:part.Channels])
		}
		return
	}
	c, shift := p.Nodes[n.Inputs[part.Input]].Shape.C, n.Shifts[part.Input]
	src := inputs[part.Input][y0*n.Shape.W*c:]
	for from := part.From; at < len(dst); from, at = from+c, at+n.Shape.C {
		out := dst[at:][:part.Channels]
		for e, v := range src[from:][:part.Channels] {
			out[e] = v << shift
		}
	}
}

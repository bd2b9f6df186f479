package model

import (
	"fmt"
	"math"
)

// Limits of the scales that a compilation chooses.
const (
	// Below MinBits fractional bits activations or a layer's weights are noise, and
	// beyond the others nothing is gained: floats have no more.
	MinBits           = 4
	MaxActivationBits = 24
	MaxWeightBits     = 24
	// outputBits is the fractional bits of activations, and of weights, where
	// only outputs follow and there is room: outputs are opened to the client
	// alone and need not hide.
	outputBits = 13
	// outputRoom bounds outputs and whatever else is never opened: |v| < 2^60,
	// well inside the ring.
	outputRoom = 60
	// An opening drops as few bits as it may, for it adds an error of up to one
	// unit of what it keeps; below 6 dropped bits the masks (62 bits with these)
	// begin to cost generation larger ciphertexts.
	minDropped, maxDropped = 2, 6
	// The argument of a polynomial keeps guardBits more than its result, so
	// that the opening's error is small beside that of truncating the result,
	// but need not have more than enoughBits.
	guardBits, enoughBits = 2, 12
)

// scaling chooses the fractional bits of every node. A polynomial's input must
// stay below 2^(62−σ) units, which leaves it a fixed number of fractional bits;
// these are shared out among the activation tensor and the weights on every
// path that leads to it. Scales add up along linear layers; nothing is
// truncated between two polynomials.
type scaling struct {
	g    *Graph
	opts *Options
	seen []NodeCalibration // by node

	users [][]int
	// chain is the number of linear layers on the longest path to a node, itself
	// included, from the last polynomial or the input.
	chain  []int
	least  []least       // the fewest fractional bits that a node can have
	room   []int         // the most that it may have
	sink   []int         // the node whose range set room
	weight []int         // fractional bits of a linear node's weights
	frac   []int         // fractional bits of a node
	act    []*Activation // of a polynomial node
	// elements counts those of all polynomial nodes.
	elements int
	// tentative scales are not to be kept: why there are none does not matter.
	tentative bool
}

func newScaling(g *Graph, seen []NodeCalibration, opts *Options) *scaling {
	n := len(g.Nodes)
	s := &scaling{
		g: g, opts: opts, seen: seen,
		users: make([][]int, n), chain: make([]int, n), least: make([]least, n), room: make([]int, n), sink: make([]int, n),
		weight: make([]int, n), frac: make([]int, n), act: make([]*Activation, n),
	}
	for i := range g.Nodes {
		for _, j := range g.Nodes[i].Inputs {
			s.users[j] = append(s.users[j], i)
		}
		if g.Nodes[i].Op == OpPolynomial {
			s.elements += g.Nodes[i].Shape.Len()
		}
	}
	return s
}

// choose sets everything: backwards the room of each node and the share of it
// that each linear layer's weights take, then forwards the scales that result,
// where weights take up what their input left.
func (s *scaling) choose() error {
	s.setChains()
	for i := len(s.g.Nodes) - 1; i >= 0; i-- {
		s.setRoom(i)
		if s.g.Nodes[i].Op == OpLinear {
			s.weight[i] = s.weightShare(i)
		}
	}
	for i := range s.g.Nodes {
		if err := s.setFrac(i); err != nil {
			return err
		}
	}
	return nil
}

// least is what takes fractional bits on the path to a node, from the last polynomial
// or the input, that takes the most of them: so many linear layers, and pools so many
// bits together.
type least struct{ linear, pools int }

// bits counts MinBits for the tensor at the path's beginning too.
func (l least) bits() int { return MinBits*(l.linear+1) + l.pools }

// setChains sets the chain of every node, and the fewest bits that it can have.
func (s *scaling) setChains() {
	for i := range s.g.Nodes {
		n := &s.g.Nodes[i]
		for _, j := range n.Inputs {
			if s.g.Nodes[j].Op == OpPolynomial {
				continue
			}
			s.chain[i] = max(s.chain[i], s.chain[j])
			if s.least[j].bits() > s.least[i].bits() {
				s.least[i] = s.least[j]
			}
		}
		switch n.Op {
		case OpLinear:
			s.chain[i]++
			s.least[i].linear++
		case OpPool:
			s.least[i].pools += divisorBits(n)
		}
	}
}

// bound returns what the values of node i stay below: the largest seen, with the
// margin. It is finite.
func (s *scaling) bound(i int) float64 { return min(s.opts.Margin*s.seen[i].Max, math.MaxFloat64) }

// bitsBelow returns the most fractional bits with which a value of node i, the
// margin included, stays below 2^limit units.
func (s *scaling) bitsBelow(i, limit int) int {
	if s.seen[i].Max == 0 {
		return MaxActivationBits
	}
	return limit - int(math.Floor(math.Log2(s.bound(i)))) - 1
}

// setRoom sets the room of node i, after that of its users and their weights.
func (s *scaling) setRoom(i int) {
	s.room[i], s.sink[i] = s.bitsBelow(i, outputRoom), i
	limit := func(bits, sink int) {
		if bits < s.room[i] {
			s.room[i], s.sink[i] = bits, sink
		}
	}
	if len(s.users[i]) == 0 {
		limit(outputBits*(s.chain[i]+1), i)
	}
	for _, u := range s.users[i] {
		switch n := &s.g.Nodes[u]; n.Op {
		case OpPolynomial:
			limit(s.bitsBelow(i, openedBits-int(s.opts.Sigma)), u)
		case OpLinear:
			limit(s.room[u]-s.weight[u], s.sink[u])
		case OpPool:
			limit(s.room[u]-divisorBits(n), s.sink[u])
		default:
			limit(s.room[u], s.sink[u])
		}
	}
}

// divisorBits returns log2 of a pool's divisor, which is a power of two.
func divisorBits(n *GraphNode) int {
	_, exp := math.Frexp(n.Divisor)
	return exp - 1
}

// weightShare returns the fractional bits for the weights of linear node i: their
// share, among the linear layers in a row, of the node's room; for the first of
// them with their balance.
func (s *scaling) weightShare(i int) int {
	limit := weightLimit(s.seen[i].LargestWeight)
	if s.opts.WeightBits != 0 {
		return min(int(s.opts.WeightBits), limit)
	}
	share := float64(s.room[i]) / float64(s.chain[i]+1)
	if s.chain[i] == 1 {
		share += s.seen[i].Balance
	}
	// The other layers of the row, pools between them and the tensor before it need
	// theirs.
	limit = min(limit, s.room[i]-s.least[i].bits()+MinBits)
	return max(MinBits, min(int(math.Round(share)), limit))
}

// weightLimit returns the most fractional bits that keep weights below 2^15.
func weightLimit(largest float64) int {
	if largest == 0 {
		return MaxWeightBits
	}
	limit := MaxWeightBits
	for limit > -maxFrac && math.Round(math.Ldexp(largest, limit)) > maxWeight {
		limit--
	}
	return limit
}

// setFrac sets the scale of node i, after those of its inputs.
func (s *scaling) setFrac(i int) error {
	n := &s.g.Nodes[i]
	switch n.Op {
	case OpInput:
		return s.setSource(i)
	case OpPolynomial:
		if err := s.setActivation(i); err != nil {
			return err
		}
		return s.setSource(i)
	case OpLinear:
		in := s.frac[n.Inputs[0]]
		limit := weightLimit(s.seen[i].LargestWeight)
		if s.opts.WeightBits == 0 {
			s.weight[i] = min(limit, s.room[i]-in)
		}
		if s.weight[i] < MinBits && limit < MinBits {
			return fmt.Errorf("layer %q: its largest weight leaves %d fractional bits in 16, and at least %d are needed; "+
				"scale the weights down (fold the factor into the next layer)", n.Name, limit, MinBits)
		}
		if s.opts.WeightBits != 0 && int(s.opts.WeightBits) > limit {
			return fmt.Errorf("layer %q: weights with %d fractional bits do not fit in 16 bits; at most %d do", n.Name, s.opts.WeightBits, limit)
		}
		if s.weight[i] < MinBits {
			return s.refuse(i)
		}
		s.frac[i] = in + s.weight[i]
	case OpPool:
		s.frac[i] = s.frac[n.Inputs[0]] + divisorBits(n)
	default:
		for _, j := range n.Inputs {
			s.frac[i] = max(s.frac[i], s.frac[j])
		}
	}
	if s.frac[i] > s.room[i] || s.frac[i] < 0 {
		return s.refuse(i)
	}
	return nil
}

// setSource sets the scale of a tensor that can have any: the input, or the
// output of a polynomial.
func (s *scaling) setSource(i int) error {
	s.frac[i] = min(s.room[i], MaxActivationBits)
	if a := s.act[i]; a != nil {
		s.frac[i] = min(s.frac[i], fullFrac(a)-1)
	}
	if b := int(s.opts.ActivationBits); b != 0 {
		if b > s.frac[i] {
			return s.refuse(i)
		}
		s.frac[i] = b
	}
	if s.frac[i] < MinBits {
		return s.refuse(i)
	}
	return nil
}

// fullFrac returns the number of fractional bits of an activation's value before
// it is truncated.
func fullFrac(a *Activation) int { return int(a.Fa)*a.Degree() + int(a.Q) }

// setActivation sets the arithmetic of polynomial node i.
func (s *scaling) setActivation(i int) error {
	n := &s.g.Nodes[i]
	in := n.Inputs[0]
	frac, bound := s.frac[in], s.bound(in)
	alpha, q, err := coefficients(n.Coeffs, bound)
	if err != nil {
		return fmt.Errorf("layer %q: %w", n.Name, err)
	}
	a := &Activation{Alpha: alpha, Q: q, M: 1}
	for math.Ldexp(bound, frac) >= math.Ldexp(1, int(a.M)) {
		a.M++
	}
	if s.room[i] < MinBits {
		return s.refuse(i)
	}
	out := min(s.room[i], MaxActivationBits)
	if b := int(s.opts.ActivationBits); b != 0 {
		out = min(out, b)
	}
	dropped := max(minDropped, min(frac-min(out+guardBits, enoughBits), maxDropped))
	for ; dropped <= frac-MinBits; dropped++ {
		a.Fw, a.Fa, a.MaskBits = uint(dropped), uint(frac-dropped), maskBits(uint(dropped))
		a.M = max(a.M, a.Fw)
		if err = a.truncates(uint(min(out, fullFrac(a)-1)), s.elements); err == nil {
			s.act[i] = a
			return nil
		}
	}
	if frac-MinBits < minDropped {
		return s.refuse(in)
	}
	return fmt.Errorf("layer %q: a polynomial of degree %d on inputs up to %.3g (%.3g with the margin) does not fit in 128 bits, even if its argument has %d fractional bits (%w); "+
		"use a lower degree or fewer fractional bits, or train with a range penalty (PILLAR) so that its inputs stay small",
		n.Name, a.Degree(), s.seen[in].Max, bound, a.Fa, err)
}

package online

import (
	"slices"

	"pascaline/model"
)

// The tensors of a round travel in several messages, so that one part of a layer
// is computed while another is on its way: the server convolves the next rows of
// an image while the client evaluates the activations of those before, and begins
// the next layer while the end of this one is still out. Both parties cut alike,
// from the plan and the size of the batch.

// bandElements is how many elements a message aims at. It is part of the
// protocol. Smaller messages hide more of a transfer behind the work of both
// parties, and each costs some 30 µs: with 2^13 elements, 64 KiB, ResNet-18 takes
// half the time over a link of 1 Gbit/s that it takes in whole layers, and on
// loopback the same (docs/benchmarks.md).
const bandElements = 1 << 13

// A round is the activation nodes that are opened together, or the output.
type round struct{ cuts []cut }

// A cut is what one message carries of each of its inferences.
type cut struct {
	pieces   []piece
	elements int
	// needs are the rows of inputs and activations that the server must hold to
	// compute the pieces, and steps the rows of the nodes in between that it
	// computes for that, in their order.
	needs, steps []rows
}

// A piece is neighbouring rows of a node: elements from to to (exclusive), and row
// end is the one after the last.
type piece struct{ node, from, to, end int }

// rows are the first n rows of a node.
type rows struct{ node, n int }

// cuts cuts the tensors of nodes: not at all if they have bandElements together,
// and otherwise each node into rows, as equal as can be.
func (c *Circuit) cuts(nodes []int) []cut {
	whole := c.elements(nodes) <= bandElements
	var all []cut
	for _, i := range nodes {
		shape := c.plan.Nodes[i].Shape
		parts := 1
		if !whole {
			parts = min(shape.H, (shape.Len()+bandElements-1)/bandElements)
		}
		for k := range parts {
			y0, y1, row := k*shape.H/parts, (k+1)*shape.H/parts, shape.W*shape.C
			p := piece{node: i, from: y0 * row, to: y1 * row, end: y1}
			if !whole || len(all) == 0 {
				all = append(all, cut{})
			}
			last := &all[len(all)-1]
			last.pieces = append(last.pieces, p)
			last.elements += p.to - p.from
		}
	}
	return all
}

// trace finds what the server has to compute for a cut: from its nodes, or if they
// are opened from what goes into them, back to the activations and the input.
func (c *Circuit) trace(t *cut, opened bool) {
	nodes := c.plan.Nodes
	need, pending, last := map[int]int{}, 0, 0
	demand := func(i, n int) {
		if _, known := need[i]; !known {
			pending++
		}
		need[i] = max(need[i], n)
	}
	for _, p := range t.pieces {
		i := p.node
		if opened {
			i = nodes[i].Inputs[0]
		}
		demand(i, p.end)
		last = max(last, i)
	}
	// Inputs come before their nodes, so one pass downwards is enough.
	for i := last; pending > 0; i-- {
		n, known := need[i]
		if !known {
			continue
		}
		pending--
		if op := nodes[i].Op; op == model.OpInput || op == model.OpPolynomial {
			t.needs = append(t.needs, rows{i, n})
			continue
		}
		t.steps = append(t.steps, rows{i, n})
		for _, j := range nodes[i].Inputs {
			demand(j, c.plan.InputRows(i, j, n))
		}
	}
	slices.Reverse(t.steps)
}

// A band is one message: a cut of each of the inferences from g0 to g1
// (exclusive), one after the other. Where a round is not cut, a message carries
// several small inferences.
type band struct {
	*cut
	g0, g1 int
}

func (b *band) bytes() int { return 8 * b.elements * (b.g1 - b.g0) }

// bands lists the messages of a round of n inferences.
func bands(cuts []cut, n int) []band {
	group := 1
	if len(cuts) == 1 {
		group = max(1, bandElements/cuts[0].elements)
	}
	var all []band
	for g := 0; g < n; g += group {
		for k := range cuts {
			all = append(all, band{&cuts[k], g, min(g+group, n)})
		}
	}
	return all
}

// schedule lists the messages of a batch of n inferences in their order: those of
// the client with the input, those that both parties send for the activations, and
// those of the server with the output.
func (c *Circuit) schedule(n int) (input, activations, output []band) {
	last := len(c.rounds) - 1
	for _, r := range c.rounds[:last] {
		activations = append(activations, bands(r.cuts, n)...)
	}
	return bands(c.input, n), activations, bands(c.rounds[last].cuts, n)
}

// What one core works on at a time of a band: of an evaluation, so much that what it
// reads and writes stays in the second-level cache; of an addition, so much that it
// takes longer than waking another core.
const (
	evaluationBlock = 2048
	additionBlock   = 1 << 14
)

// A block is neighbouring elements of a piece: of inference g, at at in the
// message.
type block struct {
	g, node, from, to, at int
}

// blocks cuts a band into blocks of at most size elements, for the cores.
func (b *band) blocks(size int) []block {
	all := make([]block, 0, (b.g1-b.g0)*(len(b.pieces)+b.elements/size))
	at := 0
	for g := b.g0; g < b.g1; g++ {
		for _, p := range b.pieces {
			for from := p.from; from < p.to; from += size {
				to := min(from+size, p.to)
				all = append(all, block{g, p.node, from, to, at})
				at += to - from
			}
		}
	}
	return all
}

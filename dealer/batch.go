package dealer

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// The domains of what the dealer and the parties expand alike; "half/…" are
// correlation.Half's. Each root seed is one party's in one batch, and each
// correlation of a batch has its own index.
const (
	halfDomain   = "dealer/half"   // of a root: the seed of a half
	inputDomain  = "dealer/input"  // of party 1's root: r′ of a linear
	outputDomain = "dealer/output" // of party 1's root: u of a linear
	blindDomain  = "dealer/blind"  // of party 0's seed for a run: B of a layer
)

// A batch is what two matched requests ask for, while it is dealt.
type batch struct {
	name  [batchSize]byte
	specs []correlation.Spec
	keys  [2]link.PublicKey // by party
	roots [2]ring.Seed      // by party
	blind ring.Seed         // of B, by layer

	dealt chan struct{} // closed once party 0 has been sent everything
	// failed is over once either party is lost to the batch; fail says why.
	failed context.Context
	fail   context.CancelCauseFunc
}

// Format keeps the seeds out of logs, errors and debug output, whatever the verb.
func (b batch) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "batch(%x, %s, redacted)", b.name[:4], contents(b.specs))
}

// newHalf returns one party's half of correlation i of a batch, as far as its
// root seed says.
func newHalf(spec correlation.Spec, party int, root ring.Seed, i int) *correlation.Half {
	return correlation.SeedHalf(spec, party, root.Derive(halfDomain, uint64(i)))
}

// inferenceStream returns a stream of party 1's root for linear correlation i of
// its batch, at inference n, each of which takes so many words.
func inferenceStream(root ring.Seed, domain string, i, n, words int) *ring.Stream {
	s := ring.NewStream(root, domain, uint64(i))
	s.Seek(uint64(n) * uint64(words))
	return s
}

// blinding returns B for a layer, uniform mod 2^64.
func blinding(blind ring.Seed, layer correlation.Spec) []uint64 {
	b := make([]uint64, layer.Shape.WeightLen())
	ring.NewStream(blind, blindDomain, uint64(layer.Layer)).Fill(b)
	return b
}

// A source makes the corrections of one correlation.
type source struct {
	spec   correlation.Spec
	index  int
	halves [2]*correlation.Half // as the parties have them, fixed columns expanded
	root   ring.Seed            // party 1's
	b      []uint64             // B, where linear
}

// source returns that of correlation i; last is that of one before it, or nil.
func (b *batch) source(i int, last *source) *source {
	c := &source{spec: b.specs[i], index: i, root: b.roots[1]}
	if isLinear(c.spec) {
		if last != nil && isLinear(last.spec) && last.spec.Layer == c.spec.Layer && last.spec.Shape == c.spec.Shape {
			c.b = last.b
		} else {
			c.b = blinding(b.blind, c.spec)
		}
		return c
	}
	for party := range c.halves {
		h := newHalf(c.spec, party, b.roots[party], i)
		for j, column := range c.spec.Columns(party) {
			if column.Fixed {
				h.Columns[j] = h.Column(j)
			}
		}
		c.halves[party] = h
	}
	return c
}

// corrections makes the message of elements from to to (exclusive), in the memory
// of one that is done with, where that is enough.
func (c *source) corrections(from, to int, msg []byte) []byte {
	size := 8 * (to - from) * correctionWords(c.spec)
	msg = slices.Grow(msg[:0], size)[:size]
	switch {
	case isLinear(c.spec):
		putWords(msg, c.linear(from, to))
	case elementwise(c.spec.Kind):
		newStrip(c.halves, from).fill(msg, to-from)
	default: // of matrices or images: one column is a product
		h := c.halves[0].Slice(from, to)
		correlation.Complete(h, c.halves[1].Slice(from, to))
		putWords(msg, h.C())
	}
	return msg
}

// linear returns c = B∗r′ − u of inferences from to to (exclusive).
func (c *source) linear(from, to int) []uint64 {
	shape := c.spec.Shape
	in, out := shape.InLen(), shape.OutLen()
	inputs := inferenceStream(c.root, inputDomain, c.index, from, in)
	outputs := inferenceStream(c.root, outputDomain, c.index, from, out)
	v, r, u := make([]uint64, (to-from)*out), make([]uint64, in), make([]uint64, out)
	for n := range to - from {
		inputs.Fill(r)
		outputs.Fill(u)
		y := v[n*out:][:out]
		ring.ConvWide(y, r, c.b, shape)
		ring.Sub(y, y, u)
	}
	return v
}

// corrections makes the corrections of the batch, at most so many blocks at a
// time, on all cores, and sends them in order; send does not keep what it is
// given. All it started has ended when it returns.
func (b *batch) corrections(ctx context.Context, atOnce int, send func(ctx context.Context, msg []byte) error) error {
	group, ctx := errgroup.WithContext(ctx)
	free := make(chan []byte, atOnce) // messages that are done with
	for range atOnce {
		free <- nil
	}
	queue := make(chan chan []byte, atOnce)
	group.Go(func() error {
		defer close(queue)
		var c *source
		for k := range blocks(b.specs) {
			var msg []byte
			select {
			case msg = <-free:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if c == nil || c.index != k.index {
				c = b.source(k.index, c)
			}
			made, c := make(chan []byte, 1), c
			queue <- made
			group.Go(func() error {
				made <- c.corrections(k.from, k.to, msg)
				return nil
			})
		}
		return nil
	})
	group.Go(func() error {
		for made := range queue {
			msg := <-made
			if err := send(ctx, msg); err != nil {
				return err
			}
			free <- msg
		}
		return nil
	})
	return group.Wait()
}

// Memory of a batch while it is dealt.
const (
	// blockMemory is what all blocks together take where they are many.
	blockMemory = 64 << 20
	// copies bounds how often the words of a block are there: expanded for either
	// party, added up, multiplied, encoded.
	copies = 4
)

// memory returns how many blocks of the batch are made at a time on so many
// cores, and how many bytes that takes at most.
func (b *batch) memory(cores int) (atOnce int, bytes int64) {
	var most int64
	for _, s := range b.specs {
		most = max(most, 8*blockSize(s))
	}
	// Two at least: one is made while another is sent.
	atOnce = int(max(2, min(int64(cores)+1, blockMemory/most)))
	return atOnce, int64(atOnce+1) * most // and what the next one shares with others
}

// blockSize returns how many words making a block takes, those that it shares
// with other blocks of its correlation counted to each.
func blockSize(s correlation.Spec) int64 {
	var row, once, shared int
	for _, c := range s.Columns(0) {
		if c.Fixed {
			once, shared = c.Width, 2*c.Width
		} else {
			row += c.Width
		}
	}
	if isLinear(s) {
		once, shared = s.Shape.InLen(), s.Shape.WeightLen()
	}
	return int64(shared) + copies*(int64(once)+int64(blockElements(s))*int64(row))
}

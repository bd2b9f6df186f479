package online

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pascaline/internal/plantest"
	"pascaline/model"
	"pascaline/ring"
)

// histogram counts the values of one byte position over many elements.
type histogram struct {
	counts [256]int
	n      int
}

func (h *histogram) add(b byte) { h.counts[b]++; h.n++ }

// uniform is a chi-square test with 255 degrees of freedom: a uniform byte
// exceeds 400 with probability 1e-8, a byte with a missing mask by far.
func (h *histogram) uniform() (chi2 float64, ok bool) {
	expected := float64(h.n) / 256
	for _, c := range h.counts {
		d := float64(c) - expected
		chi2 += d * d / expected
	}
	return chi2, chi2 < 400
}

// tallies has a histogram for each byte of a 64-bit word.
type tallies [8]histogram

func (t *tallies) add(words []uint64) {
	for _, v := range words {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		for i := range b {
			t[i].add(b[i])
		}
	}
}

func (t *tallies) addMessage(msg []byte) {
	words := make([]uint64, len(msg)/8)
	ring.Words(words, msg)
	t.add(words)
}

// check requires the bytes below limit to be uniform.
func (t *tallies) check(tt *testing.T, what string, limit int) {
	tt.Helper()
	for i := range limit {
		if chi2, ok := t[i].uniform(); !ok {
			tt.Errorf("%s: byte %d is not uniform (chi-square %.0f over %d values)", what, i, chi2, t[i].n)
		}
	}
}

// The same input over and over, so that whatever varies is a mask.
func TestEverythingSentIsMasked(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	p, w := plantest.Network(r)
	x := plantest.Input(r, p.Nodes[0].Shape.Len(), 9)
	var masked, sums, output, openedByServer, openedByClient tallies
	for range 60 {
		s, c, b0, b1 := pairUp(t, p, w, 1)
		_, toServer, toClient := exchange(t, s, c, [][]uint64{x})
		for _, m := range toServer {
			masked.addMessage(m)
		}
		for _, m := range toClient[:len(toClient)-1] {
			sums.addMessage(m)
		}
		output.addMessage(toClient[len(toClient)-1])

		// What each party makes of the first opening by taking its own mask
		// away: y + off plus the other's, uniform below 2^62.
		z0 := make([]uint64, p.Nodes[1].Shape.Len())
		ring.Words(z0, toClient[0])
		opened := make([]uint64, len(z0))
		ring.Add(opened, z0, b1[0].Opening[0])
		left := make([]uint64, len(z0))
		ring.Sub(left, opened, b0[0].OpeningMask(0))
		openedByServer.add(left)
		ring.Sub(left, opened, b1[0].OpeningMask(0))
		openedByClient.add(left)
	}
	masked.check(t, "p_C − r, client to server", 8)
	sums.check(t, "z_S, server to client", 8)
	output.check(t, "y_S of the output", 8)
	openedByServer.check(t, "C less the server's own mask", 7)
	openedByClient.check(t, "C less the client's own mask", 7)
}

// The test above must be able to fail: an activation without its mask r, which
// is what the server would hold if the client forgot it, is far from uniform.
func TestAForgottenMaskIsNoticed(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	p, w := plantest.Network(r)
	x := plantest.Input(r, p.Nodes[0].Shape.Len(), 9)
	var bare tallies
	for range 60 {
		s, c, _, b1 := pairUp(t, p, w, 1)
		exchange(t, s, c, [][]uint64{x})
		activation := make([]uint64, p.Nodes[2].Shape.Len())
		ring.Add(activation, s.inferences[0].shares[2], b1[0].ActivationMask(0))
		bare.add(activation)
	}
	for i := range bare {
		if _, ok := bare[i].uniform(); ok {
			t.Errorf("byte %d of unmasked activations passes for uniform", i)
		}
	}
}

// A tensor may be read many times: here each element of the input stands twice in a
// concatenation, which goes into two activations. So each value is opened four times,
// and what any two messages about it differ by must be masks, of which none is known
// to whoever gets them.
func TestAValueThatIsReadAgainIsMaskedAgain(t *testing.T) {
	const n = 4096
	act := &model.Activation{Alpha: []int64{100, 512, 256}, Q: 10, Fa: 9, Fw: 8, M: 21, MaskBits: 54}
	one, two := model.Shape{H: 1, W: 1, C: n}, model.Shape{H: 1, W: 1, C: 2 * n}
	p := &model.Plan{Name: "twice", Sigma: 40, Nodes: []model.Node{
		{Name: "input", Op: model.OpInput, Shape: one, Frac: 17},
		{Name: "join", Op: model.OpConcat, Inputs: []int{0, 0}, Shape: two, Frac: 17, Shifts: []uint{0, 0},
			Parts: []model.Part{{Input: 0, Channels: n}, {Input: 1, Channels: n}}},
		{Name: "act1", Op: model.OpPolynomial, Inputs: []int{1}, Shape: two, Frac: 9, Act: act},
		{Name: "act2", Op: model.OpPolynomial, Inputs: []int{1}, Shape: two, Frac: 9, Act: act},
		{Name: "join2", Op: model.OpConcat, Inputs: []int{2, 3}, Shape: model.Shape{H: 1, W: 1, C: 4 * n}, Frac: 9, Shifts: []uint{0, 0},
			Parts: []model.Part{{Input: 0, Channels: 2 * n}, {Input: 1, Channels: 2 * n}}},
	}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(27, 28))
	x := plantest.Input(r, n, 17)
	s, c, b0, b1 := pairUp(t, p, &model.Weights{}, 1)
	_, toServer, toClient := exchange(t, s, c, [][]uint64{x})

	// What the server gets, and what the client gets, of all four in turn.
	words := func(messages [][]byte) []uint64 {
		all := bytes.Join(messages, nil)
		v := make([]uint64, len(all)/8)
		ring.Words(v, all)
		return v
	}
	answers, sums := words(toServer)[n:], words(toClient)[:4*n]
	opened := slices.Concat(b1[0].Opening...)
	ring.Add(opened, opened, sums)
	for what, v := range map[string]struct {
		words []uint64
		bytes int // below the top of a mask of 62 bits
	}{
		"p_C − r":                      {answers, 8},
		"d = p − r":                    {slices.Concat(s.inferences[0].shares[2], s.inferences[0].shares[3]), 8},
		"z_S":                          {sums, 7},
		"z_C":                          {slices.Concat(b0[0].Opening...), 7},
		"C":                            {opened, 7},
		"C less the server's own mask": {less(opened, b0[0].OpeningMask(0), b0[0].OpeningMask(1)), 7},
		"C less the client's own mask": {less(opened, b1[0].OpeningMask(0), b1[0].OpeningMask(1)), 7},
	} {
		for i := range 4 {
			for j := range i {
				var differences tallies
				d := make([]uint64, n)
				ring.Sub(d, v.words[i*n:][:n], v.words[j*n:][:n])
				differences.add(d)
				differences.check(t, fmt.Sprintf("%s, reading %d less reading %d", what, i, j), v.bytes)
			}
		}
	}
}

// less returns v less the masks of its two halves.
func less(v []uint64, masks ...[]uint64) []uint64 {
	out := make([]uint64, len(v))
	ring.Sub(out, v, slices.Concat(masks...))
	return out
}

// docs/protocol.md, section 6: what a unit of a linear layer's error says must not
// show in the output.
func TestTheOutputIsDithered(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 26))
	p, w := plantest.Network(r)
	s, c, b0, _ := pairUp(t, p, w, 2)
	x := [][]uint64{plantest.Input(r, p.Nodes[0].Shape.Len(), 9), plantest.Input(r, p.Nodes[0].Shape.Len(), 9)}
	_, _, toClient := exchange(t, s, c, x)
	sent := make([]uint64, 2*p.Nodes[len(p.Nodes)-1].Shape.Len())
	ring.Words(sent, toClient[len(toClient)-1])
	zero := true
	for g := range x {
		for e, y := range s.inferences[g].shares[len(p.Nodes)-1] {
			dither := b0[g].Dither(p.DitherBits())[e]
			zero = zero && dither == 0
			if sent[0] != y+dither {
				t.Fatalf("element %d of output %d is sent %d above its share, want its dither %d", e, g, int64(sent[0]-y), int64(dither))
			}
			sent = sent[1:]
		}
	}
	if zero {
		t.Error("no element has a dither")
	}
}

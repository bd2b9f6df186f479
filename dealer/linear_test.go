package dealer

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// asked puts both parties' requests into lists.
func asked(pairs ...[2]correlation.Request) (requests [2][]correlation.Request) {
	for _, p := range pairs {
		for party, r := range p {
			requests[party] = append(requests[party], r)
		}
	}
	return requests
}

// makeLinear is generate where nothing may fail, and verifies what comes.
func (c *couple) makeLinear(t testing.TB, layers []correlation.Layer, requests [2][]correlation.Request) [2][]*correlation.Half {
	t.Helper()
	halves, errs := c.generate(t.Context(), requests)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	for i, r := range requests[1] {
		if err := correlation.VerifyLinear(layers[r.Spec.Layer].Weights, r.Input, halves[0][i], halves[1][i]); err != nil {
			t.Errorf("correlation %d: %v", i, err)
		}
		// Unlike homomorphic encryption, this is exact.
		c, w, r := r.Spec.Shape, layers[r.Spec.Layer].Weights, r.Input
		want := make([]uint64, c.OutLen())
		ring.Conv(want, r[:c.InLen()], w, c)
		for j, v := range want {
			if halves[0][i].S()[j]+halves[1][i].Y()[j] != v {
				t.Fatalf("correlation %d: output %d is not exact", i, j)
			}
		}
	}
	return halves
}

func TestLinearCorrelationsAreExact(t *testing.T) {
	layers := []correlation.Layer{
		layer(image),
		layer(ring.LinearShape(100, 10)),
		layer(ring.ConvShape{H: 40, W: 40, C: 8, K: 24, KH: 1, KW: 1, StrideH: 1, StrideW: 1}), // an image larger than a block
		layer(ring.LinearShape(300, 700)), // weights larger than a message between the parties
	}
	c := newTable(t, 2).newCouple(t, layers...)
	one := func(l, n int) [2]correlation.Request { return linear(layers[l].Shape, l, n) }
	c.makeLinear(t, layers, asked(one(0, 5), one(0, 1), one(1, 3), one(0, 2)))
	c.makeLinear(t, layers, asked(one(2, 2), one(3, 2), one(1, 4000)))
	c.make(t, triples(10)) // other kinds in between
	c.makeLinear(t, layers, asked(one(3, 1), one(0, 1)))
}

// words reads what putWords wrote.
func words(msg []byte) []uint64 {
	v := make([]uint64, len(msg)/8)
	getWords(v, msg)
	return v
}

func TestBlindedWeightsAreSentOnceInARun(t *testing.T) {
	layers := []correlation.Layer{layer(image), layer(ring.LinearShape(9, 4))}
	c := newTable(t, 2).newCouple(t, layers...)
	batch := func() { // two inferences of layer 0, and one of layer 1
		c.makeLinear(t, layers, asked(linear(image, 0, 2), linear(layers[1].Shape, 1, 1)))
	}
	batch()
	sizes := func(p *pipe) (n []int) {
		for _, msg := range p.sent[1:] { // the first is the greeting
			n = append(n, len(msg)/8)
		}
		return n
	}
	weights := []int{len(layers[0].Weights), len(layers[1].Weights)}
	inputs := []int{image.InLen(), image.InLen(), 9}
	if got := sizes(c.pipes[0]); !slices.Equal(got, weights) {
		t.Errorf("party 0 sent party 1 messages of %v words, not %v", got, weights)
	}
	if got := sizes(c.pipes[1]); !slices.Equal(got, inputs) {
		t.Errorf("party 1 sent party 0 messages of %v words, not %v", got, inputs)
	}
	batch()
	if got := sizes(c.pipes[0]); !slices.Equal(got, weights) {
		t.Errorf("party 0 sent the blinded weights again: messages of %v words", got)
	}
	if got := sizes(c.pipes[1]); !slices.Equal(got, slices.Concat(inputs, inputs)) {
		t.Errorf("party 1 sent party 0 messages of %v words", got)
	}
}

func TestWhatThePartiesSendEachOtherIsUniform(t *testing.T) {
	shape := ring.LinearShape(500, 40)
	flat := correlation.Layer{Shape: shape, Weights: slices.Repeat([]int16{1}, shape.WeightLen())}
	other := correlation.Layer{Shape: shape, Weights: flat.Weights}
	b := newTable(t, 2)
	var f, e, s, y [][]uint64
	for range 2 {
		layers := []correlation.Layer{flat, other}
		c := b.newCouple(t, layers...)
		zero := linear(shape, 0, 8)
		clear(zero[1].Input)
		halves := c.makeLinear(t, layers, asked(zero, zero, linear(shape, 1, 1)))
		for _, msg := range c.pipes[0].sent[1:] {
			f = append(f, words(msg))
		}
		for _, msg := range c.pipes[1].sent[1:] {
			e = append(e, words(msg))
		}
		for i := range 2 {
			s, y = append(s, halves[0][i].S()), append(y, halves[1][i].Y())
		}
	}
	// F of either layer and run; e, s and y of either request and run, though r
	// and W are the same throughout.
	for _, c := range []struct {
		name string
		v    [][]uint64
	}{{"F", f}, {"e", e}, {"s", s}, {"y", y}} {
		all := slices.Concat(c.v...)
		isUniform(t, all, 64, "%s", c.name)
		for i, v := range c.v {
			for _, w := range c.v[:i] {
				if len(v) == len(w) && overlap(v, w) {
					t.Errorf("two of the %s share elements", c.name)
				}
			}
		}
	}
	if len(f) != 4 || len(e) != 34 {
		t.Errorf("%d messages with weights, %d with inputs", len(f), len(e))
	}
}

// overlap reports whether v and w are equal at any place. Independent words are
// not, but once in 2^64.
func overlap(v, w []uint64) bool {
	for i := range v {
		if v[i] == w[i] {
			return true
		}
	}
	return false
}

// spy answers nothing, and keeps all that reaches the dealer.
type spy struct {
	mu    sync.Mutex
	deals map[link.PublicKey]*api.Deal
	bytes map[link.PublicKey]int64
}

func (s *spy) handle(ctx context.Context, stream *link.Stream) error {
	var m api.Deal
	if err := api.Receive(ctx, stream, api.Kind_DEAL, dealLimit, &m); err != nil {
		return err
	}
	s.mu.Lock()
	s.deals[stream.Peer()], s.bytes[stream.Peer()] = &m, stream.Traffic().ReceivedBytes
	s.mu.Unlock()
	return errors.New("seen")
}

func TestTheDealerSeesNeitherWeightsNorInputs(t *testing.T) {
	// All that reaches it is one Deal from either party. The fields of that are
	// public, or a seed and a name that were there before weights and inputs
	// were looked at.
	s := &spy{}
	b := &table{handler: s.handle}
	b.open(t, 2)
	for range 2 {
		s.deals, s.bytes = map[link.PublicKey]*api.Deal{}, map[link.PublicKey]int64{}
		layers := []correlation.Layer{layer(image)}
		c := b.newCouple(t, layers...)
		blind := c.runs[0].(*run).blind
		requests := asked(linear(image, 0, 3))
		_, errs := c.generate(t.Context(), requests)
		for party, err := range errs {
			mustSay(t, err, "seen")
			spec, err := requests[0][0].Spec.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			peer := b.players[1-party].Public()
			want := &api.Deal{Version: 1, Batch: c.runs[party].(*run).batchName(0), Party: uint32(party), Peer: peer[:], Specs: spec}
			if party == 0 {
				want.Blind = blind[:]
			}
			got := s.deals[b.players[party].Public()]
			if !proto.Equal(got, want) {
				t.Errorf("party %d told the dealer something else than it needs: %v", party, got)
			}
			if n := s.bytes[b.players[party].Public()]; n != int64(proto.Size(want)) {
				t.Errorf("party %d sent the dealer %d bytes, not the %d of a Deal", party, n, proto.Size(want))
			}
		}
	}
}

func TestAfterItsDealAPartySendsTheDealerNothing(t *testing.T) {
	layers := []correlation.Layer{layer(ring.LinearShape(200, 100))}
	c := newTable(t, 2).newCouple(t, layers...)
	for batches, inferences := range []int{1, 64} {
		c.makeLinear(t, layers, asked(linear(layers[0].Shape, 0, inferences)))
		for party, g := range c.runs {
			if n := g.(*run).conn.Traffic().SentMessages; n != int64(batches+1) {
				t.Errorf("party %d sent the dealer %d messages for %d batches", party, n, batches+1)
			}
		}
	}
}

func TestPartyOneRefusesWeightsOfAnotherLength(t *testing.T) {
	layers := []correlation.Layer{layer(ring.LinearShape(9, 4))}
	c := newTable(t, 2).newCouple(t, layers...)
	c.make(t, triples(1))
	g := c.runs[0].(*run)
	g.Twin = shortening{g.Twin}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	requests := asked(linear(layers[0].Shape, 0, 1))
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.runs[0].Generate(ctx, requests[0])
	}()
	_, err := c.runs[1].Generate(ctx, requests[1])
	mustSay(t, err, "a message of 280 bytes where 288 are due", "blinded weights of linear layer 0")
	cancel()
	<-done
}

// shortening drops the last word of every message.
type shortening struct{ correlation.Twin }

func (s shortening) Send(ctx context.Context, msg []byte) error {
	return s.Twin.Send(ctx, msg[:len(msg)-8])
}

func TestWordsAreLittleEndian(t *testing.T) {
	b := make([]byte, 16)
	putWords(b, []uint64{1, 1 << 56})
	if binary.BigEndian.Uint64(b) != 1<<56 || binary.BigEndian.Uint64(b[8:]) != 1 {
		t.Errorf("%x", b)
	}
}

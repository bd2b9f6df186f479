package dealer

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

func TestWhatARunSendsIsKnownBeforehand(t *testing.T) {
	// A dealer that counts what crosses each party's streams.
	var mu sync.Mutex
	counted := map[link.PublicKey]*[2]correlation.Flow{} // from and to the party
	ended := make(chan struct{}, 100)
	b := &table{}
	server := NewServer(slog.New(slog.NewTextHandler(&b.log, nil)))
	b.handler = func(ctx context.Context, stream *link.Stream) error {
		err := server.Handle(ctx, stream)
		defer func() { ended <- struct{}{} }()
		mu.Lock()
		defer mu.Unlock()
		if counted[stream.Peer()] == nil {
			counted[stream.Peer()] = &[2]correlation.Flow{}
		}
		c, f := stream.Traffic(), counted[stream.Peer()]
		f[0].Add(correlation.Flow{Messages: int(c.ReceivedMessages), Bytes: c.ReceivedBytes}, 1)
		f[1].Add(correlation.Flow{Messages: int(c.SentMessages), Bytes: c.SentBytes}, 1)
		return err
	}
	b.open(t, 2)
	layers := []correlation.Layer{layer(image), layer(ring.LinearShape(300, 700)), layer(ring.LinearShape(100, 10))}
	c := b.newCouple(t, layers...)
	powers := correlation.Spec{Kind: correlation.Powers, N: 70_000, Degree: 4, MaskBits: 56}
	small := correlation.Spec{Kind: correlation.Powers, N: 5, Degree: 2, MaskBits: 50}
	calls := [][]correlation.Spec{{powers, small, powers}}
	c.make(t, calls[0]...)
	for range 2 { // the second time party 1 has F
		var pairs [][2]correlation.Request
		var call []correlation.Spec
		for l, n := range []int{3, 2, 1} {
			pairs = append(pairs, linear(layers[l].Shape, l, n))
			call = append(call, pairs[l][0].Spec)
		}
		c.makeLinear(t, layers, asked(pairs...))
		calls = append(calls, call)
	}
	cost := NewCost(calls)
	want := cost.Once
	want.Add(cost.Parties, 1)
	var got correlation.Traffic
	for party, f := range []*correlation.Flow{&got.Down, &got.Up} {
		for _, msg := range c.pipes[party].sent {
			f.Send(len(msg))
		}
	}
	if got != want {
		t.Errorf("the parties sent each other %+v, not %+v", got, want)
	}
	for range 2 * len(calls) {
		<-ended
	}
	for party, p := range b.players[:2] {
		if got := *counted[p.Public()]; got != [2]correlation.Flow{cost.Asked[party], cost.Dealt[party]} {
			t.Errorf("party %d and the dealer sent %+v, not %+v and %+v", party, got, cost.Asked[party], cost.Dealt[party])
		}
	}
	words := (2*70_000*3 + 5) * 2
	products := 0
	for l, n := range []int{3, 2, 1} {
		words += 2 * n * layers[l].Shape.OutLen()
		products += 2 * n * layers[l].Shape.MACs()
	}
	if cost.Corrections != words || cost.Products != products {
		t.Errorf("%d words of corrections and %d products, not %d and %d", cost.Corrections, cost.Products, words, products)
	}
}

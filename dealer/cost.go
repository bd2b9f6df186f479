package dealer

import (
	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// Cost is what the backend sends and multiplies to answer some calls of Generate.
type Cost struct {
	Once    correlation.Traffic // between the parties, once in a run: greetings, and F of each layer
	Parties correlation.Traffic // between the parties, for these calls
	// Asked and Dealt are what each party sends to the dealer, and it to them.
	Asked, Dealt [2]correlation.Flow
	// Corrections counts the words that are dealt to party 0, Products the
	// multiplications of linear layers: as many at the dealer and at each party.
	Corrections, Products int
}

// NewCost adds up what the given calls of one run take.
func NewCost(calls [][]correlation.Spec) *Cost {
	c := &Cost{}
	met, opened := false, map[int]bool{}
	for _, call := range calls {
		if len(call) == 0 {
			continue
		}
		if !met {
			c.Once.Up.Send(helloSize(1))
			c.Once.Down.Send(helloSize(0))
			met = true
		}
		for party := range c.Asked {
			c.Asked[party].Send(dealSize(party, call))
			c.Dealt[party].Send(proto.Size(&api.DealReply{Seed: make([]byte, ring.SeedSize)}))
		}
		for b := range blocks(call) {
			words := (b.to - b.from) * correctionWords(call[b.index])
			c.Dealt[0].Send(8 * words)
			c.Corrections += words
		}
		for _, s := range call {
			if !isLinear(s) {
				continue
			}
			if !opened[s.Layer] {
				opened[s.Layer] = true
				sendPieces(&c.Once.Down, s.Shape.WeightLen())
			}
			for range s.N {
				sendPieces(&c.Parties.Up, s.Shape.InLen())
			}
			c.Products += s.N * multiplications(s)
		}
	}
	return c
}

// helloSize returns the size of a party's greeting to the other's backend.
func helloSize(party int) int {
	key := make([]byte, len(link.PublicKey{}))
	return proto.Size(&api.DealHello{Version: protocolVersion, Party: uint32(party), Key: key, Peer: key, Dealer: key, Nonce: make([]byte, nonceSize)})
}

// dealSize returns the size of a party's request.
func dealSize(party int, specs []correlation.Spec) int {
	m := &api.Deal{
		Version: protocolVersion, Batch: make([]byte, batchSize), Party: uint32(party),
		Peer: make([]byte, len(link.PublicKey{})), Specs: make([]byte, specSize*len(specs)),
	}
	if party == 0 && isLinear(specs[0]) {
		m.Blind = make([]byte, ring.SeedSize)
	}
	return proto.Size(m)
}

// sendPieces counts the messages that sendWords sends.
func sendPieces(f *correlation.Flow, words int) {
	for ; words > 0; words -= pieceWords {
		f.Send(8 * min(words, pieceWords))
	}
}

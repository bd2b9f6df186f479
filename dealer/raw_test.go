package dealer

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
)

// raw is a player's stream to the dealer without a backend.
type raw struct {
	*link.Stream
	conn *link.Conn
}

// sit opens a stream for a player.
func (b *table) sit(t testing.TB, p player) raw {
	t.Helper()
	conn, err := link.Dial(t.Context(), b.address, p.Identity, b.id.Public(), link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return again(t, conn)
}

// again opens another stream of a connection.
func again(t testing.TB, conn *link.Conn) raw {
	t.Helper()
	s, err := conn.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return raw{s, conn}
}

// say sends a request.
func (r raw) say(t testing.TB, m *api.Deal) {
	t.Helper()
	if err := api.Send(t.Context(), r, api.Kind_DEAL, m); err != nil {
		t.Fatal(err)
	}
}

// hear waits for the seed.
func (r raw) hear(ctx context.Context) error {
	_, err := r.Recv(ctx, api.Kind_DEAL_REPLY, replyLimit)
	return err
}

// dealOf is a right request.
func dealOf(t testing.TB, party int, peer player, specs ...correlation.Spec) *api.Deal {
	t.Helper()
	key := peer.Public()
	m := &api.Deal{Version: protocolVersion, Batch: make([]byte, batchSize), Party: uint32(party), Peer: key[:]}
	for _, s := range specs {
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		m.Specs = append(m.Specs, b...)
		if isLinear(s) && party == 0 {
			m.Blind = make([]byte, 32)
		}
	}
	return m
}

// encode encodes a request.
func encode(t testing.TB, m *api.Deal) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

package estimate

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"pascaline/dealer"
	"pascaline/link"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/party"
	"pascaline/store"
)

// parties are a server, a client and a dealer, with stores of their own.
type parties struct {
	t        *testing.T
	client   *party.Client
	dirs     [2]string
	stores   [2]*store.Store
	backends map[string]offline.Backend // the client's

}

// player is somebody with a key.
type player struct {
	link.Identity
	path string
}

func newPlayer(t *testing.T) player {
	t.Helper()
	id, err := link.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := id.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return player{id, path}
}

// listen serves on loopback and returns the address.
func listen(t *testing.T, id link.Identity, allowed []link.PublicKey, handle link.Handler) string {
	t.Helper()
	s, err := link.NewServer(id, link.Allow(allowed...), handle, link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func meet(t *testing.T, m *model.Model) *parties {
	t.Helper()
	p := &parties{t: t, backends: map[string]offline.Backend{}}
	server, client, third := newPlayer(t), newPlayer(t), newPlayer(t)
	dealing := listen(t, third.Identity, []link.PublicKey{server.Public(), client.Public()}, dealer.NewServer(slog.New(slog.DiscardHandler)).Handle)
	backends := func(own player) (all []offline.Backend) {
		settings := map[string]string{"dealer": dealing, "dealer-key": third.Public().String(), "key": own.path}
		lattigo, err := offline.NewBackend(t.Context(), offline.Lattigo{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		dealt, err := offline.NewBackend(t.Context(), dealer.Backend{}, settings)
		if err != nil {
			t.Fatal(err)
		}
		return []offline.Backend{lattigo, dealt}
	}
	for _, b := range backends(client) {
		p.backends[b.Name] = b
	}
	for i := range p.stores {
		p.dirs[i] = t.TempDir()
		var err error
		if p.stores[i], err = store.Open(p.dirs[i]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.stores[i].Close() })
	}
	s, err := party.NewServer(party.Config{Model: m, Store: p.stores[0], Backends: backends(server), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := link.Dial(t.Context(), listen(t, server.Identity, []link.PublicKey{client.Public()}, s.Handle), client.Identity, server.Public(), link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if p.client, _, err = party.NewClient(t.Context(), conn, server.Public(), m.Plan, p.stores[1]); err != nil {
		t.Fatal(err)
	}
	return p
}

// holds returns how many bytes each store says it holds, and how many bytes its
// segments have, which hold groups of a mebibyte and more.
func (p *parties) holds() (bytes, segments [2]int64) {
	for i, st := range p.stores {
		entries, err := st.Inventory()
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range entries {
			bytes[i] += e.Bytes
		}
		files, err := filepath.Glob(filepath.Join(p.dirs[i], "segments", "*"))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				p.t.Fatal(err)
			}
			segments[i] += info.Size()
		}
	}
	return bytes, segments
}

// checkProduction makes bundles by both backends and spends one on an inference, and
// holds what is stored and sent against the estimate.
func checkProduction(t *testing.T, m *model.Model, bundles int) {
	p := meet(t, m)
	e := estimated(t, m, Options{Bundles: bundles})
	ready := 0
	var before, segmentsBefore [2]int64
	for _, b := range e.Backends {
		made, err := p.client.Produce(t.Context(), ready+bundles, p.backends[b.Name], nil)
		if err != nil {
			t.Fatal(err)
		}
		ready = made.Ready
		bytes, segments := p.holds()
		for i, each := range []int{b.ServerStore, b.ClientStore} {
			if got, want := bytes[i]-before[i], int64(bundles*each); got != want {
				t.Errorf("%s: party %d stores %d bytes, not %d", b.Name, i, got, want)
			}
			// In a segment the values lie with four bytes of checksum each, behind 17.
			if got, want := segments[i]-segmentsBefore[i], int64(bundles*(each+4)+17); got != 0 && got != want {
				t.Errorf("%s: party %d has %d bytes of segments, not %d", b.Name, i, got, want)
			}
		}
		before, segmentsBefore = bytes, segments
		checkWire(t, b.Name+", client to server", made.Traffic.SentBytes, float64(bundles)*b.UpBytes)
		checkWire(t, b.Name+", server to client", made.Traffic.ReceivedBytes, float64(bundles)*b.DownBytes)
	}

	batch, err := p.client.Warm(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	_, run, err := batch.Infer(t.Context(), [][]uint64{make([]uint64, e.Inputs)})
	if err != nil {
		t.Fatal(err)
	}
	want := link.Traffic{
		SentBytes: int64(e.BytesUp), ReceivedBytes: int64(e.BytesDown),
		SentMessages: int64(e.Online.UpMessages), ReceivedMessages: int64(e.Online.DownMessages),
	}
	got := run.Payload
	got.Rounds = 0 // those that a stream counts: bands answer each other
	if got != want || run.Rounds != e.Rounds {
		t.Errorf("an inference sent %+v in %d rounds, not %+v in %d", got, run.Rounds, want, e.Rounds)
	}
	checkWire(t, "inferring, client to server", run.Traffic.SentBytes, float64(e.BytesUp))
	checkWire(t, "inferring, server to client", run.Traffic.ReceivedBytes, float64(e.BytesDown))
}

// checkWire allows for what carries messages: a two-hundredth, and some hundred bytes
// for each stream and for windows and pings of the other direction.
func checkWire(t *testing.T, what string, wire int64, messages float64) {
	t.Helper()
	if over := float64(wire) - messages; over < 0 || over > 0.005*messages+2048 {
		t.Errorf("%s: %d bytes on the wire for %.0f of messages, %.2f %% more", what, wire, messages, 100*over/messages)
	} else {
		t.Logf("%s: %d bytes on the wire for %.0f of messages, %.2f %% more", what, wire, messages, 100*over/messages)
	}
}

func TestStoresAndLinksCarryWhatIsEstimated(t *testing.T) {
	t.Run("built-in", func(t *testing.T) { checkProduction(t, builtIn(t), 5) })
	t.Run("minionn", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes seconds")
		}
		checkProduction(t, network(t, "minionn/2"), 1)
	})
}

func TestLongStoresAndLinksCarryWhatIsEstimatedOfNetworks(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("takes minutes: set PASCALINE_LONG=1 to run it")
	}
	for _, name := range []string{"minionn", "resnet32", "resnet18/6"} {
		t.Run(name, func(t *testing.T) { checkProduction(t, network(t, name), 3) })
	}
}

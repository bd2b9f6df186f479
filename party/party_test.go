package party_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pascaline/internal/mnist"
	"pascaline/internal/plantest"
	"pascaline/link"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/party"
	"pascaline/store"
)

// world is two parties, each with an identity and a store of its own.
type world struct {
	t                    *testing.T
	model                *model.Model
	serverID, clientID   link.Identity
	serverDir, clientDir string
	serverStore          *store.Store
	party                *party.Server
	server               *link.Server
	address              string
	stall                time.Duration // the server's, if not the default
	clientStore          store.ID
	programs             map[string]party.Program
}

func newWorld(t *testing.T, m *model.Model) *world {
	t.Helper()
	return newWorldWith(t, m, nil)
}

func newWorldWith(t *testing.T, m *model.Model, programs map[string]party.Program) *world {
	t.Helper()
	w := &world{t: t, model: m, programs: programs, serverDir: t.TempDir(), clientDir: t.TempDir()}
	var err error
	if w.serverID, err = link.GenerateIdentity(); err != nil {
		t.Fatal(err)
	}
	if w.clientID, err = link.GenerateIdentity(); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(w.clientDir)
	if err != nil {
		t.Fatal(err)
	}
	w.clientStore = st.ID()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	w.startServer()
	t.Cleanup(w.stopServer)
	return w
}

func smallModel() *model.Model {
	plan, weights := plantest.Network(rand.New(rand.NewPCG(1, 2)))
	return &model.Model{Plan: plan, Weights: weights}
}

func (w *world) startServer() {
	w.t.Helper()
	var err error
	if w.serverStore, err = store.Open(w.serverDir); err != nil {
		w.t.Fatal(err)
	}
	p, err := party.NewServer(party.Config{Model: w.model, Store: w.serverStore, Backends: []offline.Backend{byLattigo(), faulty()}, Programs: w.programs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.party = p
	if w.server, err = link.NewServer(w.serverID, link.Allow(w.clientID.Public()), p.Handle, link.Options{Stall: w.stall}); err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = l.Addr().String()
	go w.server.Serve(l)
}

// stopServer ends the server at once, as a signal would, with all it is doing.
func (w *world) stopServer() {
	if w.server == nil {
		return
	}
	w.server.Stop()
	w.serverStore.Close()
	w.server = nil
}

// client is a connected client with an open store.
type client struct {
	*party.Client
	met   party.Meeting
	conn  *link.Conn
	store *store.Store
}

func (c *client) close() {
	c.conn.Close()
	c.store.Close()
}

func (w *world) connect(plan *model.Plan) (*client, error) {
	st, err := store.Open(w.clientDir)
	if err != nil {
		return nil, err
	}
	conn, err := link.Dial(w.t.Context(), w.address, w.clientID, w.serverID.Public(), link.Options{})
	if err != nil {
		st.Close()
		return nil, err
	}
	c, met, err := party.NewClient(w.t.Context(), conn, w.serverID.Public(), plan, st)
	if err != nil {
		conn.Close()
		st.Close()
		return nil, err
	}
	return &client{Client: c, met: met, conn: conn, store: st}, nil
}

func (w *world) mustConnect() *client {
	w.t.Helper()
	c, err := w.connect(w.model.Plan)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) pairs() (atServer, atClient store.Pair) {
	hash := w.model.Plan.Hash()
	return store.Pair{Peer: w.clientID.Public(), Plan: hash, Twin: w.clientStore},
		store.Pair{Peer: w.serverID.Public(), Plan: hash, Twin: w.serverStore.ID()}
}

func (w *world) produce(c *client, n int) party.Production {
	w.t.Helper()
	p, err := c.Produce(w.t.Context(), n, byLattigo(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func ids(t *testing.T, st *store.Store, pair store.Pair, state store.State) map[store.ID]bool {
	t.Helper()
	halves, err := st.Halves(pair)
	if err != nil {
		t.Fatal(err)
	}
	m := map[store.ID]bool{}
	for _, h := range halves {
		if h.State == state {
			m[h.ID] = true
		}
	}
	return m
}

func same(a, b map[store.ID]bool) bool {
	for id := range a {
		if !b[id] {
			return false
		}
	}
	return len(a) == len(b)
}

// infer runs one batch on random inputs and checks the outputs.
func (w *world) infer(c *client, n int) error {
	b, err := c.Warm(w.t.Context(), n)
	if err != nil {
		return err
	}
	return w.run(b)
}

func (w *world) run(b *party.Batch) error {
	plan := w.model.Plan
	r := rand.New(rand.NewPCG(7, uint64(b.Size())))
	var inputs [][]uint64
	for range b.Size() {
		inputs = append(inputs, plantest.Input(r, plan.Nodes[0].Shape.Len(), 9))
	}
	outputs, _, err := b.Infer(w.t.Context(), inputs)
	if err != nil {
		return err
	}
	for g, x := range inputs {
		want := plantest.Evaluate(plan, w.model.Weights, x)
		for e := range want {
			got := float64(int64(outputs[g][e])) / math.Ldexp(1, int(plan.Nodes[len(plan.Nodes)-1].Frac))
			if math.Abs(got-want[e]) > 0.05 {
				return fmt.Errorf("inference %d: output %d is %.4f, want %.4f", g, e, got, want[e])
			}
		}
	}
	return nil
}

func TestBundlesAreProducedAndSpent(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	if p := w.produce(c, 5); p.Made != 5 || p.Ready != 5 {
		t.Fatalf("produced %d, %d ready; want 5 and 5", p.Made, p.Ready)
	}
	if p := w.produce(c, 3); p.Made != 0 {
		t.Fatalf("produced %d more though enough were ready", p.Made)
	}
	atServer, atClient := w.pairs()
	if !same(ids(t, w.serverStore, atServer, store.Ready), ids(t, c.store, atClient, store.Ready)) {
		t.Fatal("the two stores hold different bundles")
	}
	for _, n := range []int{1, 3} {
		if err := w.infer(c, n); err != nil {
			t.Fatalf("batch of %d: %v", n, err)
		}
	}
	if n, err := c.Ready(); n != 1 || err != nil {
		t.Fatalf("%d bundles left (%v), want 1", n, err)
	}
	if err := w.infer(c, 2); !errors.Is(err, party.ErrEmpty) {
		t.Fatalf("a batch of 2 from 1 bundle: %v", err)
	}
	if !same(ids(t, w.serverStore, atServer, store.Ready), ids(t, c.store, atClient, store.Ready)) {
		t.Fatal("the two stores hold different bundles after inferences")
	}
}

// The README's flow: the server is killed in the middle of an inference and
// started again.
func TestAnInterruptedInferenceLosesItsBundleOnly(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	w.produce(c, 3)
	_, atClient := w.pairs()
	before := ids(t, c.store, atClient, store.Ready)
	b, err := c.Warm(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	left := ids(t, c.store, atClient, store.Ready)
	w.stopServer()
	if err := w.run(b); err == nil {
		t.Fatal("an inference succeeds without a server")
	}
	c.close()

	w.startServer()
	c = w.mustConnect()
	defer c.close()
	atServer, _ := w.pairs()
	if got := ids(t, w.serverStore, atServer, store.Ready); !same(got, left) {
		t.Fatalf("after the restart the server holds %d bundles, want the %d that were not claimed", len(got), len(left))
	}
	if c.met.Ready != 2 || len(before) != 3 {
		t.Fatalf("%d bundles are ready after the restart, want 2", c.met.Ready)
	}
	if err := w.infer(c, 2); err != nil {
		t.Fatalf("inferring after the restart: %v", err)
	}
}

// A crash between the two parties' claims: the client has claimed, the server
// never heard of it.
func TestABundleClaimedByOnePartyIsDroppedByTheOther(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	w.produce(c, 3)
	atServer, atClient := w.pairs()
	var claimed store.ID
	for id := range ids(t, c.store, atClient, store.Ready) {
		claimed = id
		break
	}
	if _, err := c.store.Claim(atClient, []store.ID{claimed}); err != nil {
		t.Fatal(err)
	}
	c.close()
	c = w.mustConnect()
	if ids(t, w.serverStore, atServer, store.Ready)[claimed] || c.met.Ready != 2 {
		t.Fatal("the server still holds a bundle that the client has claimed")
	}
	// And the other way round.
	for id := range ids(t, w.serverStore, atServer, store.Ready) {
		claimed = id
		break
	}
	if _, err := w.serverStore.Claim(atServer, []store.ID{claimed}); err != nil {
		t.Fatal(err)
	}
	c.close()
	c = w.mustConnect()
	defer c.close()
	if ids(t, c.store, atClient, store.Ready)[claimed] || c.met.Dropped != 1 {
		t.Fatal("the client still holds a bundle that the server has claimed")
	}
	if err := w.infer(c, 1); err != nil {
		t.Fatal(err)
	}
}

// The server refuses to claim what it does not hold as ready, so a client whose
// store came back from a copy cannot spend a bundle again.
func TestASpentBundleIsRefusedByTheServer(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.produce(c, 2)
	atServer, atClient := w.pairs()
	for id := range ids(t, c.store, atClient, store.Ready) {
		if _, err := w.serverStore.Claim(atServer, []store.ID{id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.infer(c, 1); err == nil || !strings.Contains(err.Error(), "claim") {
		t.Fatalf("a bundle that the server has claimed before is used: %v", err)
	}
}

// Both parties have written their halves, but the client crashed before it
// heard that the server confirmed: the next meeting finds the twins.
func TestPendingTwinsBecomeReadyAtTheNextMeeting(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	atServer, atClient := w.pairs()
	half := []store.NewHalf{{ID: store.ID{1}, Digest: [32]byte{2}, Data: []byte("x")}}
	if err := w.serverStore.Put(atServer, half); err != nil {
		t.Fatal(err)
	}
	if err := c.store.Put(atClient, half); err != nil {
		t.Fatal(err)
	}
	// The same id from another transcript is no twin, and one party's own is
	// none either.
	for i, st := range []*store.Store{w.serverStore, c.store} {
		pair := []store.Pair{atServer, atClient}[i]
		if err := st.Put(pair, []store.NewHalf{
			{ID: store.ID{3}, Digest: [32]byte{byte(i)}, Data: []byte("x")},
			{ID: store.ID{4, byte(i)}, Digest: [32]byte{5}, Data: []byte("x")},
		}); err != nil {
			t.Fatal(err)
		}
	}
	c.close()
	c = w.mustConnect()
	defer c.close()
	if c.met.Ready != 1 || c.met.Dropped != 2 {
		t.Fatalf("the meeting leaves %d ready and drops %d, want 1 and 2", c.met.Ready, c.met.Dropped)
	}
	want := map[store.ID]bool{{1}: true}
	if !same(ids(t, w.serverStore, atServer, store.Ready), want) || !same(ids(t, c.store, atClient, store.Ready), want) {
		t.Fatal("the stores disagree after the meeting")
	}
}

// A mistyped directory at either party is a store that was never met: nothing is
// dropped, and both sides say that there are bundles elsewhere.
func TestAnotherStoreCostsNothing(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	w.produce(c, 3)
	c.close()
	clientDir, serverDir := w.clientDir, w.serverDir

	w.clientDir = t.TempDir()
	c = w.mustConnect()
	if c.met.Ready != 0 || c.met.Dropped != 0 || c.met.AtServer != 3 {
		t.Fatalf("with another store of the client: %+v", c.met)
	}
	c.close()
	w.clientDir = clientDir

	w.stopServer()
	w.serverDir = t.TempDir()
	w.startServer()
	c = w.mustConnect()
	if c.met.Ready != 0 || c.met.Dropped != 0 || c.met.Elsewhere != 3 {
		t.Fatalf("with another store of the server: %+v", c.met)
	}
	c.close()
	w.stopServer()
	w.serverDir = serverDir
	w.startServer()

	c = w.mustConnect()
	defer c.close()
	if c.met.Ready != 3 || c.met.Dropped != 0 || c.met.Elsewhere != 0 || c.met.AtServer != 0 {
		t.Fatalf("with both stores back: %+v", c.met)
	}
	if err := w.infer(c, 3); err != nil {
		t.Fatal(err)
	}
}

// One damaged half is no reason not to use the others.
func TestADamagedHalfIsPassedOver(t *testing.T) {
	m, err := mnist.Model()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, m)
	c := w.mustConnect()
	const made = 5 // more than 1 MiB: they lie in a segment, where damage is easily done
	w.produce(c, made)
	c.close()
	segments, err := filepath.Glob(filepath.Join(w.clientDir, "segments", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(segments) == 0 {
		t.Fatal("there is no segment to damage")
	}
	f, err := os.OpenFile(segments[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c = w.mustConnect()
	defer c.close()
	b, err := c.Warm(t.Context(), made-1)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Infer(t.Context(), make2D(made-1, m.Plan.Nodes[0].Shape.Len())); err != nil {
		t.Fatal(err)
	}
}

func make2D(n, m int) [][]uint64 {
	v := make([][]uint64, n)
	for i := range v {
		v[i] = make([]uint64, m)
	}
	return v
}

// A refusal for want of memory comes before anything is claimed.
func TestARefusedBatchCostsNoBundles(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.produce(c, 2)
	for _, n := range []int{0, 1025} {
		if _, err := c.Warm(t.Context(), n); err == nil {
			t.Errorf("a batch of %d is warmed", n)
		}
	}
	party.FillQuota(w.party, w.clientID.Public())
	if _, err := c.Warm(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "nothing was claimed") {
		t.Fatalf("warming beyond the quota: %v", err)
	}
	if n, err := c.Ready(); n != 2 || err != nil {
		t.Fatalf("%d bundles are ready after the refusal (%v), want 2", n, err)
	}
}

func TestWhatCannotWorkIsRefusedFirst(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	if _, err := c.Produce(t.Context(), 1<<20, byLattigo(), nil); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("producing more than two stores can compare: %v", err)
	}
	if n := c.Ahead(1, 4); n != 4 {
		t.Errorf("%d small batches can be warm, want 4", n)
	}
	if n := c.Ahead(1<<20, 4); n != 1 {
		t.Errorf("%d huge batches can be warm, want 1", n)
	}
}

func TestProductionAndInferenceRunSideBySide(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.produce(c, 6)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var producing sync.WaitGroup
	producing.Go(func() {
		for range 3 {
			ready, err := c.Ready()
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := c.Produce(ctx, ready+2, byLattigo(), nil); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var inferring sync.WaitGroup
	for range 3 {
		inferring.Go(func() {
			for range 2 {
				if err := w.infer(c, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	inferring.Wait()
	producing.Wait()
	atServer, atClient := w.pairs()
	if !same(ids(t, w.serverStore, atServer, store.Ready), ids(t, c.store, atClient, store.Ready)) {
		t.Fatal("the two stores hold different bundles in the end")
	}
}

func TestAnotherPlanIsRefused(t *testing.T) {
	w := newWorld(t, smallModel())
	other := smallModel().Plan
	other.Name = "another"
	_, err := w.connect(other)
	if err == nil || !strings.Contains(err.Error(), "plan") {
		t.Fatalf("a client with another plan: %v", err)
	}
	var remote *link.RemoteError
	if !errors.As(err, &remote) {
		t.Errorf("the refusal does not say that it is the server's: %v", err)
	}
}

// Online traffic on the wire, TLS and HTTP/2 included: 8 bytes for each masked
// element each way and at most 5 % more; rounds = activation layers + 1.
func TestTrafficIsEightBytesPerActivation(t *testing.T) {
	m, err := mnist.Model()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, m)
	c := w.mustConnect()
	defer c.close()
	w.produce(c, 3)
	spec := m.Plan.Bundle()
	activations := 0
	for _, a := range spec.Activations {
		activations += a.Powers.N
	}
	for range 3 {
		b, err := c.Warm(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		_, report, err := b.Infer(t.Context(), [][]uint64{make([]uint64, spec.Input)})
		if err != nil {
			t.Fatal(err)
		}
		if want := len(spec.Activations) + 1; report.Rounds != want {
			t.Errorf("%d rounds, want activation layers + 1 = %d", report.Rounds, want)
		}
		for _, d := range []struct {
			way       string
			bytes     int64
			essential int
		}{
			{"to the server", report.Traffic.SentBytes, 8 * (spec.Input + activations)},
			{"to the client", report.Traffic.ReceivedBytes, 8 * (activations + spec.Output)},
		} {
			over := float64(d.bytes)/float64(d.essential) - 1
			if over < 0 || over > 0.05 {
				t.Errorf("%d bytes %s for %d of shares: %.1f %% framing, want 0 to 5", d.bytes, d.way, d.essential, 100*over)
			}
		}
	}
}

// byLattigo is the backend of the tests, in this process.
func byLattigo() offline.Backend {
	b, err := offline.NewBackend(context.Background(), offline.Lattigo{}, nil)
	if err != nil {
		panic(err)
	}
	return b
}

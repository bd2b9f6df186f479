package party_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/offline"
	"pascaline/party"
	"pascaline/store"
)

func powersOf(n int) correlation.Spec {
	return correlation.Spec{Kind: correlation.Powers, N: n, Degree: 2, MaskBits: 40}
}

func matrices(n int, fixed bool) correlation.Spec { return correlation.MatrixSpec(2, 3, 2, n, fixed) }

// show is a program that reserves and takes correlations and shows them to the
// other party, so that both can check them.
func show(specs ...correlation.Spec) party.Program {
	return func(ctx context.Context, j *party.Joint) error {
		if err := j.Reserve(ctx, specs...); err != nil {
			return err
		}
		for _, spec := range specs {
			h, err := j.Take(ctx, spec)
			if err != nil {
				return err
			}
			data, err := h.Explicit().MarshalBinary()
			if err != nil {
				return err
			}
			if data, err = j.Exchange(ctx, data, 2*len(data)); err != nil {
				return err
			}
			theirs, err := correlation.UnmarshalHalf(spec, 1-j.Party(), data)
			if err != nil {
				return err
			}
			halves := [2]*correlation.Half{}
			halves[j.Party()], halves[1-j.Party()] = h, theirs
			if err := correlation.Verify(halves[0], halves[1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// ledger records what the programs at one party have claimed.
type ledger struct {
	mu      sync.Mutex
	claimed []party.Extent
}

func (l *ledger) record(p party.Program) party.Program {
	return func(ctx context.Context, j *party.Joint) error {
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.claimed = append(l.claimed, j.Claimed()...)
		}()
		return p(ctx, j)
	}
}

// elements counts the elements claimed, and fails if any was claimed twice.
func (l *ledger) elements(t *testing.T) int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range l.claimed {
		for _, r := range e.Ranges {
			for i := r.From; i < r.To; i++ {
				key := fmt.Sprint(e.Batch, i)
				if seen[key] {
					t.Fatalf("element %d of batch %v was claimed twice", i, e.Batch)
				}
				seen[key] = true
			}
		}
	}
	return len(seen)
}

func (w *world) pool(c *client, spec correlation.Spec, b offline.Backend) {
	w.t.Helper()
	if _, err := c.ProducePool(w.t.Context(), spec, b, nil); err != nil {
		w.t.Fatal(err)
	}
}

func poolPairs(w *world) (atServer, atClient store.Pair) {
	atServer, atClient = w.pairs()
	atServer.Plan, atClient.Plan = [32]byte{}, [32]byte{}
	return atServer, atClient
}

func batches(t *testing.T, st *store.Store, pair store.Pair) []store.Batch {
	t.Helper()
	list, err := st.Batches(pair)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPoolsAreProducedAndSpentByRange(t *testing.T) {
	program := show(powersOf(300), powersOf(41))
	w := newWorldWith(t, smallModel(), map[string]party.Program{"show": program})
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(1000), byLattigo())
	for want := 1000 - 341; want > 0; want -= 341 {
		if err := c.Run(t.Context(), "show", program); err != nil {
			t.Fatal(err)
		}
		if ready, err := c.PoolReady(powersOf(1)); err != nil || ready != want {
			t.Fatalf("%d ready, %v; want %d", ready, err, want)
		}
	}
	err := c.Run(t.Context(), "show", program)
	if !errors.Is(err, party.ErrExhausted) || !strings.Contains(err.Error(), "powers/2/40: 318 of the 341 needed; run pascaline produce --kind powers/2/40 --count 341") {
		t.Errorf("an empty pool: %v", err)
	}
	atServer, atClient := poolPairs(w)
	if s, c := batches(t, w.serverStore, atServer), batches(t, c.store, atClient); !slices.Equal(s[0].Spent, c[0].Spent) || s[0].ID != c[0].ID {
		t.Errorf("spent at the server: %v, at the client: %v", s[0].Spent, c[0].Spent)
	}
	// More is made until the pool holds what is asked for, in another batch, and
	// a claim may take from both.
	w.pool(c, powersOf(400), byLattigo())
	if err := c.Run(t.Context(), "show", program); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentProgramsClaimDisjointRanges(t *testing.T) {
	var atServer, atClient ledger
	program := show(powersOf(37))
	w := newWorldWith(t, smallModel(), map[string]party.Program{"show": atServer.record(program)})
	c := w.mustConnect()
	defer c.close()
	const programs = 12
	w.pool(c, powersOf(programs*37), byLattigo())
	var group errgroup.Group
	for range programs {
		group.Go(func() error { return c.Run(t.Context(), "show", atClient.record(program)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if s, c := atServer.elements(t), atClient.elements(t); s != programs*37 || c != programs*37 {
		t.Errorf("%d elements claimed at the server, %d at the client, want %d", s, c, programs*37)
	}
}

// Whoever has spent more wins: what the other still has of it is burnt.
func TestTheStoreThatHasSpentMoreWins(t *testing.T) {
	var atClient ledger
	program := show(powersOf(100))
	w := newWorldWith(t, smallModel(), map[string]party.Program{"show": program})
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(1000), byLattigo())
	serverPair, clientPair := poolPairs(w)
	id := batches(t, c.store, clientPair)[0].ID
	// As a crash leaves it: claimed at one party, not at the other.
	if err := w.serverStore.Burn(serverPair, id, []store.Range{{From: 0, To: 150}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), "show", atClient.record(program)); err != nil {
		t.Fatal(err)
	}
	if err := c.store.Burn(clientPair, id, []store.Range{{From: 250, To: 400}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), "show", atClient.record(program)); err != nil {
		t.Fatal(err)
	}
	want := []party.Extent{
		{Batch: id, Pool: "powers/2/40", Ranges: []store.Range{{From: 150, To: 250}}},
		{Batch: id, Pool: "powers/2/40", Ranges: []store.Range{{From: 400, To: 500}}},
	}
	if fmt.Sprint(atClient.claimed) != fmt.Sprint(want) {
		t.Errorf("claimed %v, want %v", atClient.claimed, want)
	}
	// The meeting settles the rest.
	again, err := w.connectAgain(c)
	if err != nil {
		t.Fatal(err)
	}
	defer again.conn.Close()
	for _, b := range append(batches(t, w.serverStore, serverPair), batches(t, c.store, clientPair)...) {
		if !slices.Equal(b.Spent, []store.Range{{From: 0, To: 500}}) {
			t.Errorf("after the meeting %v are spent", b.Spent)
		}
	}
}

// connectAgain meets the server anew over the same store.
func (w *world) connectAgain(c *client) (*client, error) {
	conn, err := link.Dial(w.t.Context(), w.address, w.clientID, w.serverID.Public(), link.Options{})
	if err != nil {
		return nil, err
	}
	fresh, met, err := party.NewClient(w.t.Context(), conn, w.serverID.Public(), w.model.Plan, c.store)
	return &client{Client: fresh, met: met, conn: conn, store: c.store}, err
}

func TestABatchWithoutATwinIsDropped(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(10), byLattigo())
	serverPair, clientPair := poolPairs(w)
	for _, orphan := range []struct {
		at   *store.Store
		pair store.Pair
	}{{w.serverStore, serverPair}, {c.store, clientPair}} {
		b := store.NewBatch{ID: store.ID{1, 2, 3}, Kind: "powers/2/40", N: 5}
		if err := orphan.at.PutBatch(orphan.pair, b); err != nil {
			t.Fatal(err)
		}
		again, err := w.connectAgain(c)
		if err != nil {
			t.Fatal(err)
		}
		again.conn.Close()
		if n := len(batches(t, orphan.at, orphan.pair)); n != 1 {
			t.Errorf("%d batches after the meeting, want 1", n)
		}
	}
}

func TestAFixedBatchIsClaimedWhole(t *testing.T) {
	program := show(matrices(5, true))
	w := newWorldWith(t, smallModel(), map[string]party.Program{"show": program})
	c := w.mustConnect()
	defer c.close()
	w.pool(c, matrices(9, true), byLattigo())
	w.pool(c, matrices(6, true), byLattigo())
	if err := c.Run(t.Context(), "show", program); err != nil {
		t.Fatal(err)
	}
	// The smaller batch is gone, and the other untouched.
	if ready, err := c.PoolReady(matrices(1, true)); err != nil || ready != 9 {
		t.Errorf("%d ready, %v; want 9", ready, err)
	}
	// A client that claims a part is refused, and one that claims what the server
	// does not know is told so: it may be a batch of which nothing was checked.
	serverPair, _ := poolPairs(w)
	whole := batches(t, w.serverStore, serverPair)[0]
	if _, err := w.claim(c, whole.ID, 0, 3); err == nil || !strings.Contains(err.Error(), "only whole") {
		t.Errorf("a part of a fixed batch: %v", err)
	}
	if reply, err := w.claim(c, store.ID{7}, 0, 3); err != nil || len(reply.Behind) == 0 {
		t.Errorf("an unknown batch: %v, %v", reply, err)
	}
	if now := batches(t, w.serverStore, serverPair)[0]; len(now.Spent) > 0 {
		t.Errorf("after refusals %v are spent", now.Spent)
	}
	if err := w.serverStore.Burn(serverPair, batches(t, w.serverStore, serverPair)[0].ID, []store.Range{{From: 0, To: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), "show", program); !errors.Is(err, party.ErrExhausted) {
		t.Errorf("a batch of which a part is spent: %v", err)
	}
}

// claim sends the server a claim as a client may that does not keep to the
// protocol.
func (w *world) claim(c *client, id store.ID, from, to uint32) (*api.PoolClaimReply, error) {
	ctx := w.t.Context()
	s, err := c.conn.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	hello := &api.Hello{Version: 3, Purpose: api.Purpose_PURPOSE_VERIFY, Store: w.clientStore[:]}
	ask := &api.PoolClaim{Ranges: []*api.PoolRange{{Id: id[:], From: from, To: to}}}
	reply := &api.PoolClaimReply{}
	return reply, errors.Join(
		api.Send(ctx, s, api.Kind_HELLO, hello),
		api.Receive(ctx, s, api.Kind_WELCOME, 4096, &api.Welcome{}),
		api.Send(ctx, s, api.Kind_POOL_CLAIM, ask),
		api.Receive(ctx, s, api.Kind_POOL_CLAIM_REPLY, 4096, reply))
}

// A client that is gone when its claim is answered leaves nothing in the server's
// memory.
func TestAClaimThatIsNotAwaitedTakesNoMemory(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(1000), byLattigo())
	serverPair, _ := poolPairs(w)
	id := batches(t, w.serverStore, serverPair)[0].ID
	for i := range uint32(10) {
		s, err := c.conn.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello := &api.Hello{Version: 3, Purpose: api.Purpose_PURPOSE_VERIFY, Store: w.clientStore[:]}
		ask := &api.PoolClaim{Ranges: []*api.PoolRange{{Id: id[:], From: 100 * i, To: 100*i + 100}}}
		if err := errors.Join(
			api.Send(t.Context(), s, api.Kind_HELLO, hello),
			api.Receive(t.Context(), s, api.Kind_WELCOME, 4096, &api.Welcome{}),
			api.Send(t.Context(), s, api.Kind_POOL_CLAIM, ask),
		); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	w.server.Stop() // returns when the handlers have
	if n := w.party.Warm(); n != 0 {
		t.Errorf("%d bytes are set aside for clients that are gone", n)
	}
}

func TestVerifyBurnsWhatItChecks(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(500), byLattigo())
	v, err := c.Verify(t.Context(), powersOf(100))
	if err != nil || v.Checked != 100 {
		t.Fatalf("%+v, %v", v, err)
	}
	serverPair, clientPair := poolPairs(w)
	s, cl := batches(t, w.serverStore, serverPair)[0], batches(t, c.store, clientPair)[0]
	if s.Left() != 400 || !slices.Equal(s.Spent, cl.Spent) {
		t.Errorf("spent at the server: %v, at the client: %v", s.Spent, cl.Spent)
	}
	if _, err := c.Verify(t.Context(), powersOf(401)); !errors.Is(err, party.ErrExhausted) {
		t.Errorf("more than there is: %v", err)
	}
	if v, err := c.Verify(t.Context(), powersOf(400)); err != nil || v.Checked != 400 {
		t.Errorf("all that is left: %+v, %v", v, err)
	}
}

func TestVerifyFindsAFaultyElement(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(50), faulty())
	_, err := c.Verify(t.Context(), powersOf(20))
	if ready, readyErr := c.PoolReady(powersOf(1)); readyErr != nil || ready != 0 {
		t.Errorf("%d elements of a faulty batch are ready, %v", ready, readyErr)
	}
	if !errors.Is(err, party.ErrFaulty) || !strings.Contains(err.Error(), "do not add up") {
		t.Errorf("%v", err)
	}
}

// wrong is a backend whose correlations are none.
type wrong struct{ correlation.Generator }

func (wrong) Describe(context.Context) (correlation.Description, error) {
	return correlation.Description{Name: "wrong", Version: "1", Kinds: correlation.Kinds()}, nil
}

func (wrong) Open(_ context.Context, run correlation.Run) (correlation.Generator, error) {
	return wrongRun{run.Party}, nil
}

type wrongRun struct{ party int }

func (r wrongRun) Generate(_ context.Context, requests []correlation.Request) (halves []*correlation.Half, err error) {
	for _, q := range requests {
		halves = append(halves, correlation.NewHalf(q.Spec, r.party))
	}
	return halves, nil
}

func (wrongRun) Close() error { return nil }

func faulty() offline.Backend {
	b, err := offline.NewBackend(context.Background(), wrong{}, nil)
	if err != nil {
		panic(err)
	}
	return b
}

// What cannot be is an error, whoever asks for it.
func TestAnImpossiblePoolIsNotProduced(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	for _, spec := range []correlation.Spec{{Kind: correlation.Matrix, N: 4}, {Kind: correlation.Convolution}, powersOf(0), {}} {
		if _, err := c.ProducePool(t.Context(), spec, byLattigo(), nil); err == nil {
			t.Errorf("%+v was produced", spec)
		}
	}
}

func TestAProgramThatTheServerDoesNotKnow(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	if err := c.Run(t.Context(), "unknown", show()); err == nil || !strings.Contains(err.Error(), `no program "unknown"`) {
		t.Errorf("%v", err)
	}
}

func TestProgramsThatDifferEndWithAnError(t *testing.T) {
	w := newWorldWith(t, smallModel(), map[string]party.Program{"show": show(powersOf(10))})
	c := w.mustConnect()
	defer c.close()
	w.pool(c, powersOf(100), byLattigo())
	if err := c.Run(t.Context(), "show", show(powersOf(11))); err == nil || !strings.Contains(err.Error(), "same program") {
		t.Errorf("%v", err)
	}
}

func TestABackendThatTheServerDoesNotUse(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	other := byLattigo()
	other.Name = "other"
	_, err := c.ProducePool(t.Context(), powersOf(10), other, nil)
	if err == nil || !strings.Contains(err.Error(), `does not use backend "other"; it uses lattigo, wrong`) {
		t.Errorf("%v", err)
	}
	other = byLattigo()
	other.Version = "0"
	if _, err = c.ProducePool(t.Context(), powersOf(10), other, nil); err == nil || !strings.Contains(err.Error(), "run the same on both sides") {
		t.Errorf("%v", err)
	}
}

func TestPoolsNeedNoModel(t *testing.T) {
	program := show(powersOf(10))
	w := newWorldWith(t, nil, map[string]party.Program{"show": program})
	c, err := w.connect(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	w.pool(c, powersOf(10), byLattigo())
	if err := c.Run(t.Context(), "show", program); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Produce(t.Context(), 1, byLattigo(), nil); err == nil || !strings.Contains(err.Error(), "needs the plan") {
		t.Errorf("bundles without a plan: %v", err)
	}
}

package party_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
	"pascaline/internal/dealtest"
	"pascaline/internal/plantest"
	"pascaline/link"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/party"
	"pascaline/store"
)

// dealing is a backend whose two parties are in one process and take from one
// dealer.
type dealing struct{ dealer *dealtest.Dealer }

func (dealing) Describe(context.Context) (correlation.Description, error) {
	return correlation.Description{Name: "dealing", Version: "1", Kinds: correlation.Kinds()}, nil
}

func (b dealing) Open(_ context.Context, run correlation.Run) (correlation.Generator, error) {
	return dealingRun{b.dealer.Source(run.Party)}, nil
}

type dealingRun struct{ source dealtest.Source }

func (r dealingRun) Generate(ctx context.Context, requests []correlation.Request) (halves []*correlation.Half, err error) {
	for _, q := range requests {
		h, err := r.source.Take(ctx, q.Spec)
		if err != nil {
			return nil, err
		}
		halves = append(halves, h)
	}
	return halves, nil
}

func (dealingRun) Close() error { return nil }

// duo is two servers of shared models, an owner and two clients.
type duo struct {
	t        *testing.T
	model    *model.Model
	keys     [2]link.Identity
	owner    link.Identity
	clients  [2]link.Identity
	servers  [2]*party.SharedServer
	links    [2]*link.Server
	address  [2]string
	dirs     [2]string
	stores   [2]*store.Store
	dealer   *dealtest.Dealer
	patience time.Duration
}

func identity(t *testing.T) link.Identity {
	t.Helper()
	id, err := link.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newDuo(t *testing.T) *duo {
	t.Helper()
	// As a program of one party: a test that waits for what does not come takes so
	// long, and so may the others on a busy machine.
	return newDuoWith(t, time.Minute)
}

func newDuoWith(t *testing.T, patience time.Duration) *duo {
	t.Helper()
	d := &duo{t: t, model: sharedModel(t), owner: identity(t), dealer: &dealtest.Dealer{}, patience: patience}
	for i := range 2 {
		d.keys[i], d.clients[i], d.dirs[i] = identity(t), identity(t), t.TempDir()
	}
	for i := range 2 {
		d.start(i)
		t.Cleanup(func() { d.stop(i) })
	}
	return d
}

// sharedModel is small, but with every operation.
func sharedModel(t *testing.T) *model.Model {
	t.Helper()
	plan, weights := plantest.Network(rand.New(rand.NewPCG(1, 2)))
	m, err := model.NewModel(plan, weights)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (d *duo) start(i int) {
	d.t.Helper()
	var err error
	if d.stores[i], err = store.Open(d.dirs[i]); err != nil {
		d.t.Fatal(err)
	}
	backend, err := offline.NewBackend(d.t.Context(), dealing{d.dealer}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	c := party.SharedConfig{
		Peer:     d.keys[1-i].Public(),
		Owners:   []link.PublicKey{d.owner.Public()},
		Clients:  []link.PublicKey{d.clients[0].Public(), d.clients[1].Public()},
		Store:    d.stores[i],
		Backends: []offline.Backend{backend},
		Patience: d.patience,
		Log:      slog.New(slog.DiscardHandler),
	}
	if i == 1 {
		c.Dial = func(ctx context.Context) (*link.Conn, error) {
			return link.Dial(ctx, d.address[0], d.keys[1], d.keys[0].Public(), link.Options{})
		}
	}
	if d.servers[i], err = party.NewSharedServer(c); err != nil {
		d.t.Fatal(err)
	}
	if d.links[i], err = link.NewServer(d.keys[i], link.Allow(d.servers[i].Allowed()...), d.servers[i].Handle, link.Options{}); err != nil {
		d.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	d.address[i] = l.Addr().String()
	go d.links[i].Serve(l)
}

// stop ends a server at once, as a signal would.
func (d *duo) stop(i int) {
	if d.servers[i] == nil {
		return
	}
	d.links[i].Stop()
	d.servers[i].Close()
	d.stores[i].Close()
	d.servers[i] = nil
}

// dial connects somebody to both servers.
func (d *duo) dial(id link.Identity) (conns [2]*link.Conn) {
	d.t.Helper()
	for i := range conns {
		var err error
		if conns[i], err = link.Dial(d.t.Context(), d.address[i], id, d.keys[i].Public(), link.Options{}); err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(func() { conns[i].Close() })
	}
	return conns
}

func (d *duo) deal(inferences int) {
	d.t.Helper()
	if _, err := party.DealShared(d.t.Context(), d.dial(d.owner), d.model, inferences, nil); err != nil {
		d.t.Fatal(err)
	}
}

func (d *duo) client(i, batch int) *party.SharedClient {
	d.t.Helper()
	c, err := party.NewSharedClient(d.t.Context(), d.dial(d.clients[i]), d.model.Plan, batch)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.Close)
	return c
}

// inputs returns n random inputs.
func (d *duo) inputs(seed uint64, n int) (x [][]uint64) {
	r := rand.New(rand.NewPCG(34, seed))
	for range n {
		x = append(x, plantest.Input(r, d.model.Plan.Nodes[0].Shape.Len(), 9))
	}
	return x
}

// check holds outputs against the evaluation in the clear.
func (d *duo) check(inputs, outputs [][]uint64) {
	d.t.Helper()
	clear, err := model.NewFixedEvaluator(d.model)
	if err != nil {
		d.t.Fatal(err)
	}
	if len(outputs) != len(inputs) {
		d.t.Fatalf("%d outputs of %d inputs", len(outputs), len(inputs))
	}
	frac := int(d.model.Plan.Nodes[len(d.model.Plan.Nodes)-1].Frac)
	for i, x := range inputs {
		want, err := clear.Eval(x)
		if err != nil {
			d.t.Fatal(err)
		}
		for e := range want {
			// As online's own test of shared models.
			if diff := math.Ldexp(float64(int64(outputs[i][e]-want[e])), -frac); math.Abs(diff) > 0.05 {
				d.t.Errorf("input %d: output %d is off by %g", i, e, diff)
			}
		}
	}
}

func mustSay(t *testing.T, err error, says ...string) {
	t.Helper()
	for _, s := range says {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("%v does not say %q", err, s)
		}
	}
}

func TestASharedModelIsEvaluatedForAClient(t *testing.T) {
	d := newDuo(t)
	var progress []float64
	p, err := party.DealShared(t.Context(), d.dial(d.owner), d.model, 6, func(f float64) { progress = append(progress, f) })
	if err != nil {
		t.Fatal(err)
	}
	if p.Took <= 0 || p.Sent[0] == 0 || p.Sent[1] == 0 {
		t.Errorf("preparing cost %+v", p)
	}
	c := d.client(0, 4)
	for seed, n := range []int{1, 4, 1} { // different inputs, alone and together
		x := d.inputs(uint64(seed), n)
		y, run, err := c.Infer(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		d.check(x, y)
		// Of one inference, 8 bytes for each element that is multiplied or raised.
		if each := 2 * 8 * (72 + 108 + 2*108 + 2*108 + 45 + 45); run.Rounds != 6 || run.Exchanged != int64(n*each) {
			t.Errorf("%d inferences took %d rounds and %d bytes, not 6 and %d", n, run.Rounds, run.Exchanged, n*each)
		}
		for i, traffic := range run.Traffic {
			if traffic.SentBytes == 0 || traffic.ReceivedBytes == 0 || traffic.Rounds != 1 {
				t.Errorf("with server %d: %+v", i, traffic)
			}
		}
	}
}

func TestASpentModelSaysHowToGoOn(t *testing.T) {
	d := newDuo(t)
	d.deal(3)
	c := d.client(0, 4)
	_, _, err := c.Infer(t.Context(), d.inputs(1, 4))
	mustSay(t, err, "prepared for 3 inferences; 3 of them are left, and 4 are asked for", "pascaline shared deal --inferences")
	c = d.client(0, 4)
	if _, _, err := c.Infer(t.Context(), d.inputs(1, 3)); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Infer(t.Context(), d.inputs(2, 1))
	mustSay(t, err, "prepared for 3 inferences; 0 of them are left", "pascaline shared deal --inferences")
	// Dealt anew, it works again, and a client that stayed need not know.
	d.deal(2)
	c = d.client(0, 1)
	x := d.inputs(3, 1)
	y, _, err := c.Infer(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	d.check(x, y)
	d.deal(1) // before the other is spent
	y, _, err = c.Infer(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	d.check(x, y)
}

func TestClientsOfASharedModelTakeTurns(t *testing.T) {
	d := newDuo(t)
	const each = 6
	d.deal(4 * each)
	var group errgroup.Group
	var outputs, inputs [4][][]uint64
	for k := range inputs {
		c := d.client(k%2, 2)
		inputs[k] = d.inputs(uint64(k), each)
		group.Go(func() error {
			for pair := range slices.Chunk(inputs[k], 2) {
				y, _, err := c.Infer(t.Context(), pair)
				if err != nil {
					return err
				}
				outputs[k] = append(outputs[k], y...)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for k := range inputs {
		d.check(inputs[k], outputs[k])
	}
}

func TestTwoModelsAtATime(t *testing.T) {
	d := newDuo(t)
	d.deal(2)
	first := d.client(0, 1)
	small := d.model
	plan, weights := plantest.Network(rand.New(rand.NewPCG(5, 6)))
	plan.Name = "other"
	other, err := model.NewModel(plan, weights)
	if err != nil {
		t.Fatal(err)
	}
	d.model = other
	d.deal(2)
	second := d.client(1, 1)
	x := d.inputs(1, 1)
	for range 2 {
		for _, c := range []struct {
			client *party.SharedClient
			model  *model.Model
		}{{first, small}, {second, other}} {
			y, _, err := c.client.Infer(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			d.model = c.model
			d.check(x, y)
		}
	}
}

func TestAPlanThatWasNotDealt(t *testing.T) {
	d := newDuo(t)
	_, err := party.NewSharedClient(t.Context(), d.dial(d.clients[0]), d.model.Plan, 1)
	mustSay(t, err, "holds no model of plan", "pascaline shared deal")
}

func TestWhoMayDoWhatWithSharedModels(t *testing.T) {
	d := newDuo(t)
	_, err := party.DealShared(t.Context(), d.dial(d.clients[0]), d.model, 1, nil)
	mustSay(t, err, "from its owners alone", "--owner")
	_, err = party.NewSharedClient(t.Context(), d.dial(d.owner), d.model.Plan, 1)
	mustSay(t, err, "from its clients alone", "--allow")
	conns := d.dial(d.owner)
	conns[1] = conns[0]
	_, err = party.DealShared(t.Context(), conns, d.model, 1, nil)
	mustSay(t, err, "the same key")
	for _, n := range []int{0, 1 << 30} {
		_, err = party.DealShared(t.Context(), d.dial(d.owner), d.model, n, nil)
		mustSay(t, err, "inferences")
	}
	// What serves bundles serves no shared models, and the other way round.
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	_, _, err = party.NewClient(t.Context(), d.dial(d.clients[0])[0], d.keys[0].Public(), nil, st)
	mustSay(t, err, "shared models and nothing else")
}

// A server that dies takes the model with it: the other says so to its owner and
// its clients, and both servers take the model anew.
func TestAServerOfASharedModelDies(t *testing.T) {
	for dies := range 2 {
		d := newDuo(t)
		d.deal(50)
		c, other := d.client(0, 1), d.client(1, 1)
		if _, _, err := c.Infer(t.Context(), d.inputs(1, 1)); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error)
		started := make(chan struct{})
		go func() { // in the middle of whatever it does
			for k := range 40 {
				if _, _, err := c.Infer(t.Context(), d.inputs(1, 1)); err != nil {
					failed <- err
					return
				}
				if k == 3 {
					close(started)
				}
			}
			failed <- nil
		}()
		<-started
		d.stop(dies)
		if err := <-failed; err == nil {
			t.Error("a server died, and nobody noticed")
		}
		_, _, err := other.Infer(t.Context(), d.inputs(1, 1))
		if err == nil {
			t.Error("a server died, and another client did not notice")
		}
		d.start(dies)
		for { // the one that stayed may not have noticed yet
			_, err := party.DealShared(t.Context(), d.dial(d.owner), d.model, 2, nil)
			if err == nil {
				break
			}
			t.Log(err)
			if t.Context().Err() != nil {
				t.Fatal(err)
			}
		}
		x := d.inputs(2, 1)
		y, _, err := d.client(0, 1).Infer(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		d.check(x, y)
	}
}

func TestAnOwnerIsToldThatAServerIsNotThere(t *testing.T) {
	d := newDuo(t)
	conns := d.dial(d.owner)
	d.stop(0)
	_, err := party.DealShared(t.Context(), conns, d.model, 1, nil)
	if !errors.Is(err, link.ErrLost) && !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("%v", err)
	}
}

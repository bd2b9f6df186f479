package offline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/internal/plantest"
	"pascaline/model"
	"pascaline/ring"
)

// message is one message of a pipe.
type message struct {
	kind    api.Kind
	payload []byte
}

// pipe is one end of an api.Conn in memory. Fault, if not nil, may change or refuse
// what is sent.
type pipe struct {
	out, in chan message
	fault   func(i int, m *message) error
	mu      sync.Mutex
	sent    int
}

func newPipes() (a, b *pipe) {
	x, y := make(chan message, 4), make(chan message, 4)
	return &pipe{out: x, in: y}, &pipe{out: y, in: x}
}

func (p *pipe) Send(ctx context.Context, kind api.Kind, payload []byte) error {
	m := message{kind, slices.Clone(payload)}
	p.mu.Lock()
	i := p.sent
	p.sent++
	p.mu.Unlock()
	if p.fault != nil {
		if err := p.fault(i, &m); err != nil {
			return err
		}
	}
	select {
	case p.out <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipe) Recv(ctx context.Context, kind api.Kind, limit int) ([]byte, error) {
	select {
	case m := <-p.in:
		if m.kind != kind || len(m.payload) > limit {
			return nil, fmt.Errorf("got %v of %d bytes, %v of at most %d was due", m.kind, len(m.payload), kind, limit)
		}
		return m.payload, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ledger is a Sink in memory.
type ledger struct {
	put, confirmed []*Group
	refuse         error
}

func (l *ledger) Put(_ context.Context, g *Group) error {
	l.put = append(l.put, g)
	return l.refuse
}

func (l *ledger) Confirm(_ context.Context, g *Group) error {
	l.confirmed = append(l.confirmed, g)
	return nil
}

// lattigoBackend is the backend of the tests.
func lattigoBackend(ctx context.Context, _ string) (Backend, error) {
	return NewBackend(ctx, Lattigo{}, nil)
}

// produce runs both sides for groups of the given sizes. It returns the
// client's groups, and both sides' errors.
func produce(t *testing.T, plan *model.Plan, w *model.Weights, sink *ledger, sizes []int, client, server *pipe) (groups []*Group, clientErr, serverErr error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := Serve(ctx, server, plan, w, lattigoBackend, sink)
		if err != nil {
			cancel() // as a broken link would tell the other side
		}
		done <- err
	}()
	run := func() error {
		b, err := lattigoBackend(ctx, "lattigo")
		if err != nil {
			return err
		}
		c, err := NewClient(ctx, client, plan, b)
		if err != nil {
			return err
		}
		for _, n := range sizes {
			g, err := c.Group(ctx, n)
			if err != nil {
				return err
			}
			if err := c.Commit(ctx, g); err != nil {
				return err
			}
			groups = append(groups, g)
		}
		_, err = c.Finish(ctx)
		return err
	}
	if clientErr = run(); clientErr != nil {
		cancel()
	}
	return groups, clientErr, <-done
}

// checkBundle verifies every correlation of a bundle from both halves, and that
// the openings and the output bind them to the network.
func checkBundle(t *testing.T, p *model.Plan, w *model.Weights, b0, b1 *correlation.Bundle) {
	t.Helper()
	shares := make([][]uint64, len(p.Nodes))
	act, linear := 0, 0
	for i, n := range p.Nodes {
		shares[i] = make([]uint64, n.Shape.Len())
		switch n.Op {
		case model.OpInput:
			shares[i] = b1.InputMask()
		case model.OpLinear:
			// The client's share of the output shows only where it is bound; it
			// is W·r − s within a unit, which checkOpening allows for.
			ring.Conv(shares[i], shares[n.Inputs[0]], w.Layers[linear].W, n.Linear)
			ring.Sub(shares[i], shares[i], b0.Linear[linear].S())
			linear++
		case model.OpPolynomial:
			if err := correlation.Verify(b0.Powers[act], b1.Powers[act]); err != nil {
				t.Fatalf("layer %s: %v", n.Name, err)
			}
			if !slices.Equal(b0.Opening[act], b1.Opening[act]) {
				t.Fatalf("layer %s: the parties hold different openings", n.Name)
			}
			y := make([]uint64, len(shares[i]))
			ring.Sub(y, b1.Opening[act], b1.OpeningMask(act))
			checkWithin(t, n.Name, y, shares[n.Inputs[0]])
			shares[i] = b1.ActivationMask(act)
			act++
		default:
			in := make([][]uint64, len(n.Inputs))
			for j, k := range n.Inputs {
				in[j] = shares[k]
			}
			p.Public(i, shares[i], in...)
		}
	}
	checkWithin(t, "output", b1.Output, shares[len(shares)-1])
}

// checkWithin allows for the unit of a linear correlation in each of the four
// windows that a pool sums.
func checkWithin(t *testing.T, what string, got, want []uint64) {
	t.Helper()
	for e := range got {
		if d := int64(got[e] - want[e]); d > 4 || d < -4 {
			t.Fatalf("%s: the client's share of element %d is off by %d units", what, e, d)
		}
	}
}

func TestARunMakesCompleteBundles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	plan, w := plantest.Network(r)
	client, server := newPipes()
	sink := &ledger{}
	groups, clientErr, serverErr := produce(t, plan, w, sink, []int{5, 1}, client, server)
	if clientErr != nil || serverErr != nil {
		t.Fatal(clientErr, serverErr)
	}
	if len(sink.confirmed) != 2 {
		t.Fatalf("%d groups confirmed at the server, want 2", len(sink.confirmed))
	}
	seen := map[[16]byte]bool{}
	for i, g := range groups {
		s := sink.confirmed[i]
		if g.Digest != s.Digest || !slices.Equal(g.IDs, s.IDs) {
			t.Fatalf("group %d: the parties disagree about its digest or ids", i)
		}
		for k, b1 := range g.Bundles {
			if seen[g.IDs[k]] {
				t.Fatalf("id %x is given twice", g.IDs[k])
			}
			seen[g.IDs[k]] = true
			checkBundle(t, plan, w, s.Bundles[k], b1)
		}
	}
}

// Consecutive linear layers, with no activation in between: the second one's
// correlation is for the first one's output.
func TestLinearLayersInARow(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	plan := &model.Plan{Name: "row", Sigma: 40, Nodes: []model.Node{
		{Name: "input", Op: model.OpInput, Shape: model.Shape{H: 1, W: 1, C: 7}, Frac: 8},
		{Name: "a", Op: model.OpLinear, Inputs: []int{0}, Shape: model.Shape{H: 1, W: 1, C: 5}, Frac: 14, Linear: ring.LinearShape(7, 5)},
		{Name: "b", Op: model.OpLinear, Inputs: []int{1}, Shape: model.Shape{H: 1, W: 1, C: 3}, Frac: 20, Linear: ring.LinearShape(5, 3)},
	}}
	w := &model.Weights{}
	for _, n := range plan.Nodes[1:] {
		l := model.LayerWeights{W: make([]int16, n.Linear.WeightLen()), Bias: make([]uint64, n.Linear.K)}
		for i := range l.W {
			l.W[i] = int16(r.IntN(100) - 50)
		}
		w.Layers = append(w.Layers, l)
	}
	client, server := newPipes()
	sink := &ledger{}
	groups, clientErr, serverErr := produce(t, plan, w, sink, []int{3}, client, server)
	if clientErr != nil || serverErr != nil {
		t.Fatal(clientErr, serverErr)
	}
	for k, b1 := range groups[0].Bundles {
		b0 := sink.confirmed[0].Bundles[k]
		y := make([]uint64, 5)
		ring.Conv(y, b1.InputMask(), w.Layers[0].W, plan.Nodes[1].Linear)
		ring.Sub(y, y, b0.Linear[0].S())
		z := make([]uint64, 3)
		ring.Conv(z, y, w.Layers[1].W, plan.Nodes[2].Linear)
		ring.Sub(z, z, b0.Linear[1].S())
		for e := range z {
			// The first layer's unit is multiplied by up to five weights of 50.
			if d := int64(b1.Output[e] - z[e]); d > 251 || d < -251 {
				t.Errorf("bundle %d: output %d is off by %d", k, e, d)
			}
		}
	}
}

func TestAChangedMessageIsNotCommitted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	plan, w := plantest.Network(r)
	// Each direction, a message in the middle: one bit of its last byte.
	for _, fromClient := range []bool{true, false} {
		client, server := newPipes()
		flip := func(i int, m *message) error {
			if m.kind == api.Kind_OPENING || m.kind == api.Kind_TWIN && i == 4 {
				m.payload[len(m.payload)-1] ^= 1
			}
			return nil
		}
		if fromClient {
			client.fault = flip
		} else {
			server.fault = flip
		}
		sink := &ledger{}
		groups, clientErr, serverErr := produce(t, plan, w, sink, []int{2}, client, server)
		if clientErr == nil || serverErr == nil || len(groups) > 0 || len(sink.confirmed) > 0 {
			t.Errorf("changed from the client: %v: client %v, server %v, %d groups, %d confirmed",
				fromClient, clientErr, serverErr, len(groups), len(sink.confirmed))
		}
	}
}

var errCut = errors.New("cut")

// Whichever message is the last one that gets through, both sides end with an
// error and nothing is confirmed by one of them alone before the other has put
// it down.
func TestARunCutAtAnyMessageEndsOnBothSides(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	plan, w := plantest.Network(r)
	count := func() (toServer, toClient int) {
		client, server := newPipes()
		if _, clientErr, serverErr := produce(t, plan, w, &ledger{}, []int{1}, client, server); clientErr != nil || serverErr != nil {
			t.Fatal(clientErr, serverErr)
		}
		return client.sent, server.sent
	}
	toServer, toClient := count()
	step := 1
	if testing.Short() {
		step = 4
	}
	for _, side := range []struct {
		name  string
		count int
	}{{"client", toServer}, {"server", toClient}} {
		for cut := 0; cut < side.count; cut += step {
			client, server := newPipes()
			fault := func(i int, _ *message) error {
				if i >= cut {
					return errCut
				}
				return nil
			}
			if side.name == "client" {
				client.fault = fault
			} else {
				server.fault = fault
			}
			sink := &ledger{}
			_, clientErr, serverErr := produce(t, plan, w, sink, []int{1}, client, server)
			if clientErr == nil || serverErr == nil {
				t.Errorf("cut at message %d of the %s: client %v, server %v", cut, side.name, clientErr, serverErr)
			}
			if len(sink.confirmed) > len(sink.put) {
				t.Errorf("cut at message %d of the %s: confirmed before it was put", cut, side.name)
			}
		}
	}
}

func TestABrokenRunDoesNotGoOn(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	plan, w := plantest.Network(r)
	client, server := newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	full := errors.New("disk full")
	go func() {
		Serve(ctx, server, plan, w, lattigoBackend, &ledger{refuse: full})
		cancel()
	}()
	b, err := lattigoBackend(ctx, "lattigo")
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(ctx, client, plan, b)
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.Group(ctx, 1)
	if err == nil {
		err = c.Commit(ctx, g)
	}
	if err == nil {
		t.Fatal("a group is committed that the server could not write")
	}
	if _, err := c.Group(t.Context(), 1); !errors.Is(err, errBroken) {
		t.Errorf("the run goes on: %v", err)
	}
	if err := c.Commit(t.Context(), &Group{}); !errors.Is(err, errBroken) {
		t.Errorf("the run still commits: %v", err)
	}
}

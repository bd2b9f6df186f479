package online

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/dealtest"
	"pascaline/internal/plantest"
	"pascaline/model"
	"pascaline/ring"
)

// pairUp prepares both machines for a batch of n with fresh bundles.
func pairUp(t testing.TB, p *model.Plan, w *model.Weights, n int) (*Server, *Client, []*correlation.Bundle, []*correlation.Bundle) {
	t.Helper()
	var b0, b1 []*correlation.Bundle
	for range n {
		s, c := dealtest.Bundle(p, w)
		b0, b1 = append(b0, s), append(b1, c)
	}
	server, err := NewServer(layOut(t, p, w), b0)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(layOut(t, p, nil), b1)
	if err != nil {
		t.Fatal(err)
	}
	return server, client, b0, b1
}

func layOut(t testing.TB, p *model.Plan, w *model.Weights) *Circuit {
	t.Helper()
	c, err := NewCircuit(p, w)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// begin starts the client and returns its first messages.
func begin(t testing.TB, c *Client, inputs [][]uint64) (messages [][]byte) {
	t.Helper()
	if err := c.Start(inputs); err != nil {
		t.Fatal(err)
	}
	for msg := c.Next(nil); msg != nil; msg = c.Next(nil) {
		messages = append(messages, msg)
	}
	return messages
}

// exchange runs a batch and returns the outputs and every message, in order.
func exchange(t testing.TB, s *Server, c *Client, inputs [][]uint64) (outputs [][]uint64, toServer, toClient [][]byte) {
	t.Helper()
	toServer = begin(t, c, inputs)
	for step := 0; !s.Done(); step++ {
		reply, output := s.Next(nil)
		if reply == nil {
			msg := toServer[s.received]
			if want := s.Due(); len(msg) != want {
				t.Fatalf("the client sends %d bytes, the server waits for %d", len(msg), want)
			}
			if step%2 == 0 { // or Step does it
				s.Evaluate()
			}
			if err := s.Step(msg); err != nil {
				t.Fatal(err)
			}
			continue
		}
		toClient = append(toClient, slices.Clone(reply))
		if want, due := c.Due(); len(reply) != want || due != output {
			t.Fatalf("the server sends %d bytes (output: %v), the client waits for %d (output: %v)", len(reply), output, want, due)
		}
		answer, done, err := c.Step(reply)
		if err != nil {
			t.Fatal(err)
		}
		if done != s.Done() {
			t.Fatalf("the client is done: %v, the server: %v", done, s.Done())
		}
		if answer != nil {
			toServer = append(toServer, answer)
		}
	}
	return c.Outputs(), toServer, toClient
}

func TestPrivateInferenceComputesTheNetwork(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p, w := plantest.Network(r)
	for _, batch := range []int{1, 5} {
		s, c, _, _ := pairUp(t, p, w, batch)
		var inputs [][]uint64
		for range batch {
			inputs = append(inputs, plantest.Input(r, p.Nodes[0].Shape.Len(), 9))
		}
		outputs, _, _ := exchange(t, s, c, inputs)
		for g := range inputs {
			want := plantest.Evaluate(p, w, inputs[g])
			for e := range want {
				got := float64(int64(outputs[g][e])) / math.Ldexp(1, int(p.Nodes[len(p.Nodes)-1].Frac))
				// Each activation is off by at most 2.5 units of 2^−9, and the
				// network between amplifies that by a small factor.
				if math.Abs(got-want[e]) > 0.05 {
					t.Errorf("batch of %d, inference %d: output %d is %.4f, want %.4f", batch, g, e, got, want[e])
				}
			}
		}
	}
}

// Section 3 of docs/protocol.md, steps 1 and 2: what is opened is y + R + off as
// an integer, with y what the parties' shares of the layer's input add up to.
func TestOpeningIsTheMaskedPreActivation(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p, w := plantest.Network(r)
	s, c, b0, b1 := pairUp(t, p, w, 1)
	x := plantest.Input(r, p.Nodes[0].Shape.Len(), 9)
	_, _, toClient := exchange(t, s, c, [][]uint64{x})

	y := make([]uint64, p.Nodes[1].Shape.Len())
	ring.Conv(y, x, w.Layers[0].W, p.Nodes[1].Linear)
	act := p.Nodes[2].Act
	r0 := b0[0].OpeningMask(0)
	r1 := b1[0].OpeningMask(0)
	z0 := make([]uint64, len(y))
	ring.Words(z0, toClient[0])
	for e := range y {
		y[e] += w.Layers[0].Bias[e%p.Nodes[1].Linear.K]
		opened := z0[e] + b1[0].Opening[0][e]
		off := uint64(1)<<act.M - 1<<(act.Fw-1)
		if want := y[e] + r0[e] + r1[e] + off; opened != want {
			t.Fatalf("element %d opens %#x, want y + R + off = %#x", e, opened, want)
		}
		if r0[e]>>62 != 0 || r1[e]>>62 != 0 {
			t.Fatalf("element %d: a party's part of R is not below 2^62", e)
		}
		// Step 2: t = c − ρ is y/2^fw to within one and a half units.
		rho := b0[0].Powers[0].Rho()[e] + b1[0].Powers[0].Rho()[e]
		tt := int64(opened>>act.Fw) - 1<<(act.M-act.Fw) - int64(rho)
		if d := float64(tt) - float64(int64(y[e]))/math.Ldexp(1, int(act.Fw)); math.Abs(d) >= 1.5 {
			t.Fatalf("element %d: the truncation is off by %.3f units", e, d)
		}
	}
}

// Section 2: what the server holds of an activation is p − r, with r the
// client's mask; and the two sides' shares of every linear output add up.
func TestServerHoldsMaskedActivations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	p, w := plantest.Network(r)
	s, c, _, b1 := pairUp(t, p, w, 1)
	x := plantest.Input(r, p.Nodes[0].Shape.Len(), 9)
	exchange(t, s, c, [][]uint64{x})
	d := s.inferences[0].shares[0]
	mask := b1[0].InputMask()
	for e := range x {
		if d[e] != x[e]-mask[e] {
			t.Fatalf("the server's share of input element %d is not x − r", e)
		}
	}
	// act1 in real arithmetic from the exact pre-activation.
	y := make([]uint64, p.Nodes[1].Shape.Len())
	ring.Conv(y, x, w.Layers[0].W, p.Nodes[1].Linear)
	act, mask := s.inferences[0].shares[2], b1[0].ActivationMask(0)
	for e := range y {
		v := float64(int64(y[e]+w.Layers[0].Bias[e%3])) / math.Ldexp(1, 17)
		want := (322 + 512*v + 160*v*v - 3*v*v*v*v) / 1024
		slope := math.Abs(512+320*v-12*v*v*v) / 1024
		got := float64(int64(act[e]+mask[e])) / math.Ldexp(1, 9)
		if math.Abs(got-want) > (1.5*slope+1.1)/512 {
			t.Fatalf("activation %d is %.5f, want %.5f", e, got, want)
		}
	}
}

func TestRoundsAndBytesFollowFromThePlan(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	p, w := plantest.Network(r)
	s, c, _, _ := pairUp(t, p, w, 2)
	inputs := [][]uint64{plantest.Input(r, 72, 9), plantest.Input(r, 72, 9)}
	_, toServer, toClient := exchange(t, s, c, inputs)
	// Three rounds of activations (act2 and act3 share one), and the output.
	if len(toServer) != 4 || len(toClient) != 4 {
		t.Fatalf("%d messages up and %d down, want 4 and 4", len(toServer), len(toClient))
	}
	for k, want := range []int{72, 108, 216, 45} {
		if len(toServer[k]) != 2*8*want {
			t.Errorf("message %d to the server has %d bytes, want 8 for each of %d elements, twice", k, len(toServer[k]), want)
		}
	}
	for k, want := range []int{108, 216, 45, 5} {
		if len(toClient[k]) != 2*8*want {
			t.Errorf("message %d to the client has %d bytes, want 8 for each of %d elements, twice", k, len(toClient[k]), want)
		}
	}
}

func TestAnActivationFarOutOfRangeStillComputes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	p, w := plantest.Network(r)
	s, c, _, b1 := pairUp(t, p, w, 1)
	// Pre-activations of tens of thousands instead of 16.
	x := plantest.Input(r, 72, 22)
	exchange(t, s, c, [][]uint64{x})
	y := make([]uint64, p.Nodes[1].Shape.Len())
	ring.Conv(y, x, w.Layers[0].W, p.Nodes[1].Linear)
	act, mask := s.inferences[0].shares[2], b1[0].ActivationMask(0)
	for e := range y {
		v := float64(int64(y[e]+w.Layers[0].Bias[e%3])) / math.Ldexp(1, 17)
		want := (322 + 512*v + 160*v*v - 3*v*v*v*v) / 1024
		got := float64(int64(act[e]+mask[e])) / math.Ldexp(1, 9)
		if tolerance := 1e-6*math.Abs(want) + (1.5*math.Abs(512+320*v-12*v*v*v)/1024+2)/512; math.Abs(got-want) > tolerance {
			t.Fatalf("activation %d of %.1f is %.5g, want %.5g", e, v, got, want)
		}
	}
}

func TestAMachineRunsForwardOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	p, w := plantest.Network(r)
	x := [][]uint64{plantest.Input(r, 72, 9)}

	s, c, _, _ := pairUp(t, p, w, 1)
	exchange(t, s, c, x)
	if err := s.Step(make([]byte, 8*72)); !errors.Is(err, errSpent) {
		t.Errorf("a server that has ended takes another step: %v", err)
	}
	if reply, _ := s.Next(nil); reply != nil || s.Evaluate() || s.Due() != 0 {
		t.Error("a server that has ended goes on")
	}
	if err := c.Start(x); !errors.Is(err, errSpent) {
		t.Errorf("a client that has ended starts again: %v", err)
	}
	if _, _, err := c.Step(make([]byte, 8*5)); !errors.Is(err, errSpent) {
		t.Errorf("a client that has ended takes another step: %v", err)
	}

	s, c, _, _ = pairUp(t, p, w, 1)
	if msg := c.Next(nil); msg != nil {
		t.Error("a client sends before it has an input")
	}
	if _, _, err := c.Step(make([]byte, 8*108)); !errors.Is(err, errSpent) {
		t.Errorf("a client takes a step before its input has left: %v", err)
	}
	msg := begin(t, c, x)[0]
	if err := c.Start(x); !errors.Is(err, errSpent) {
		t.Errorf("a client starts twice, masking two inputs alike: %v", err)
	}
	for _, bad := range [][]byte{nil, msg[:len(msg)-8], append(slices.Clone(msg), 0)} {
		s, _, _, _ := pairUp(t, p, w, 1)
		if err := s.Step(bad); err == nil {
			t.Errorf("the server takes a message of %d bytes for one of %d", len(bad), len(msg))
		}
		if err := s.Step(msg); !errors.Is(err, errSpent) {
			t.Errorf("the server goes on after an error: %v", err)
		}
		if reply, _ := s.Next(nil); reply != nil {
			t.Error("the server sends after an error")
		}
	}
	if reply, _ := s.Next(nil); reply != nil {
		t.Error("the server sends before it has the input")
	}
	if err := s.Step(msg); err != nil {
		t.Fatal(err)
	}
	// An answer to what was not sent would be added to shares that are not there.
	early, _, _, _ := pairUp(t, p, w, 1)
	if err := early.Step(msg); err != nil {
		t.Fatal(err)
	}
	if err := early.Step(make([]byte, 8*108)); err == nil {
		t.Error("the server takes the answer to a message that it has not sent")
	}
	if reply, _ := early.Next(nil); reply != nil || early.Due() != 0 {
		t.Error("the server goes on after an answer to a message that it has not sent")
	}
	reply, _ := s.Next(nil)
	if _, _, err := c.Step(reply[1:]); err == nil {
		t.Error("the client takes a message that is a byte short")
	}
	if _, _, err := c.Step(reply); !errors.Is(err, errSpent) {
		t.Errorf("the client goes on after an error: %v", err)
	}
}

func TestBundlesOfAnotherPlanOrPartyAreRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	p, w := plantest.Network(r)
	b0, b1 := dealtest.Bundle(p, w)
	if _, err := NewServer(layOut(t, p, w), []*correlation.Bundle{b1}); err == nil {
		t.Error("the server takes the client's half")
	}
	if _, err := NewClient(layOut(t, p, nil), []*correlation.Bundle{b0}); err == nil {
		t.Error("the client takes the server's half")
	}
	other, _ := plantest.Network(r)
	other.Name = "other"
	if _, err := NewClient(layOut(t, other, nil), []*correlation.Bundle{b1}); err == nil {
		t.Error("the client takes a bundle of another plan")
	}
	if _, err := NewServer(layOut(t, p, w), nil); err == nil {
		t.Error("a batch of nothing is prepared")
	}
	if _, err := NewServer(layOut(t, p, nil), []*correlation.Bundle{b0}); err == nil {
		t.Error("a server is prepared without weights")
	}
	if _, err := NewCircuit(p, &model.Weights{Layers: w.Layers[1:]}); err == nil {
		t.Error("a model is laid out with the weights of another")
	}
}

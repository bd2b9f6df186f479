package online

import (
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"pascaline/internal/plantest"
	"pascaline/model"
)

func TestLargeLayersTravelInBandsOfRows(t *testing.T) {
	p, w := plantest.Large(rand.New(rand.NewPCG(31, 32)))
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	input, activations, output := layOut(t, p, w).schedule(2)
	if len(input) != 2 || len(output) != 1 || input[0].elements != 54*64*2 || output[0].bytes() != 2*8*135*3 {
		t.Errorf("%d messages of input and %d of output", len(input), len(output))
	}
	// 69,120 elements are cut in nine, 34,560 in five; of two inferences each.
	var got, want []int
	for _, b := range activations {
		if b.g1 != b.g0+1 {
			t.Errorf("a band of a large layer carries inferences %d to %d", b.g0, b.g1)
		}
		got = append(got, b.elements)
	}
	for range 2 {
		want = append(want, slices.Repeat([]int{6 * 1280}, 9)...)
	}
	for range 2 {
		want = append(want, 5*1280, 5*1280, 6*1280, 5*1280, 6*1280)
	}
	if !slices.Equal(got, want) {
		t.Errorf("messages of %d elements, want %d", got, want)
	}
}

// Every element of every round is sent once, whatever the size of the batch.
func TestBandsCoverEachRoundOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	small, _ := plantest.Network(r)
	large, _ := plantest.Large(r)
	for _, p := range []*model.Plan{small, large} {
		for _, n := range []int{1, 2, 7, 1000} {
			c := layOut(t, p, nil)
			input, activations, output := c.schedule(n)
			seen := make([][]int, len(p.Nodes))
			for i := range seen {
				seen[i] = make([]int, n) // elements so far, in order
			}
			for _, b := range slices.Concat(input, activations, output) {
				if b.bytes() > 8*max(bandElements, b.elements) {
					t.Errorf("a message of %d bytes for %d inferences", b.bytes(), b.g1-b.g0)
				}
				at := 0
				for _, k := range b.blocks(1000) {
					if k.at != at || k.from != seen[k.node][k.g] {
						t.Fatalf("%s: elements %d to %d of node %d lie at %d, after %d at %d", p.Name, k.from, k.to, k.node, k.at, seen[k.node][k.g], at)
					}
					seen[k.node][k.g] = k.to
					at += k.to - k.from
				}
			}
			for i, node := range p.Nodes {
				want := 0
				if node.Op == model.OpInput || node.Op == model.OpPolynomial || i == len(p.Nodes)-1 {
					want = node.Shape.Len()
				}
				for g, got := range seen[i] {
					if got != want {
						t.Fatalf("%s: %d elements of node %d of inference %d are sent, want %d", p.Name, got, i, g, want)
					}
				}
			}
		}
	}
}

// run lets the two machines run with messages under way: whenever the server could
// send or take, chance decides, and so for the client. It returns the outputs and how
// often the server sent while answers to what it had sent before were out.
func run(t *testing.T, r *rand.Rand, s *Server, c *Client, inputs [][]uint64) (outputs [][]uint64, ahead int) {
	t.Helper()
	up, down := begin(t, c, inputs), [][]byte(nil)
	for c.Outputs() == nil {
		if r.IntN(2) == 0 {
			if reply, _ := s.Next(nil); reply != nil {
				down = append(down, reply)
				if s.Unanswered() > len(reply) {
					ahead++
				}
			}
		}
		if r.IntN(3) == 0 {
			s.Evaluate()
		}
		if r.IntN(2) == 0 && len(up) > 0 {
			if err := s.Step(up[0]); err != nil {
				t.Fatal(err)
			}
			up = up[1:]
		}
		if r.IntN(2) == 0 && len(down) > 0 {
			answer, _, err := c.Step(down[0])
			if err != nil {
				t.Fatal(err)
			}
			down = down[1:]
			if answer != nil {
				up = append(up, answer)
			}
		}
	}
	return c.Outputs(), ahead
}

// The order in which messages overtake work decides nothing: the same bundles give
// the same outputs, and they are the network's.
func TestOverlappingMessagesChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 36))
	p, w := plantest.Large(r)
	server, client, b0, b1 := pairUp(t, p, w, 2)
	inputs := [][]uint64{plantest.Input(r, 54*64*2, 9), plantest.Input(r, 54*64*2, 9)}
	want, _, toClient := exchange(t, server, client, inputs)
	for g := range inputs {
		clear := plantest.Evaluate(p, w, inputs[g])
		for e := range clear {
			got := float64(int64(want[g][e])) / (1 << 17)
			if d := got - clear[e]; d > 0.1 || d < -0.1 {
				t.Fatalf("inference %d: output %d is %.4f, want %.4f", g, e, got, clear[e])
			}
		}
	}
	if len(toClient) != 2*9+2*5+1 {
		t.Errorf("%d messages to the client, want %d", len(toClient), 2*9+2*5+1)
	}
	pipelined := 0
	for range 5 {
		s, err := NewServer(layOut(t, p, w), b0)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewClient(layOut(t, p, nil), b1)
		if err != nil {
			t.Fatal(err)
		}
		got, ahead := run(t, r, s, c, inputs)
		pipelined += ahead
		for g := range want {
			if !slices.Equal(got[g], want[g]) {
				t.Errorf("another order of messages gives another output of inference %d", g)
			}
		}
	}
	if pipelined == 0 {
		t.Error("the server never sent before all it had sent was answered")
	}
}

// Buffers go round: what a batch allocates does not grow with its elements.
func TestStepsTakeNoMemoryForElements(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // or it empties the kernels' pools
	r := rand.New(rand.NewPCG(37, 38))
	p, w := plantest.Large(r)
	x := [][]uint64{plantest.Input(r, 54*64*2, 9)}
	step := func() (allocated, sent uint64) {
		s, c, _, _ := pairUp(t, p, w, 1)
		up, down := make([]byte, s.LongestMessage()), make([]byte, c.LongestMessage())
		if err := c.Start(x); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for msg := c.Next(up); msg != nil; msg = c.Next(up) {
			if err := s.Step(msg); err != nil {
				t.Fatal(err)
			}
			sent += uint64(len(msg))
		}
		for !s.Done() {
			msg, _ := s.Next(down)
			answer, _, err := c.Step(msg)
			if err != nil {
				t.Fatal(err)
			}
			if sent += uint64(len(msg) + len(answer)); answer != nil {
				if err := s.Step(answer); err != nil {
					t.Fatal(err)
				}
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, sent
	}
	step() // fills the pools
	if allocated, sent := step(); allocated > sent/10 {
		t.Errorf("%d bytes allocated for messages of %d", allocated, sent)
	} else {
		t.Logf("%d bytes allocated for messages of %d", allocated, sent)
	}
}

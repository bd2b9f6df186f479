package online

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/dealtest"
	"pascaline/internal/plantest"
	"pascaline/model"
	"pascaline/ring"
)

// evaluateShared evaluates batches of inputs of a model that is shared out, and
// returns the outputs that the shares add up to.
func evaluateShared(t testing.TB, sessions [2]*Session, p *model.Plan, w *model.Weights, batches [][][]uint64) (outputs [][]uint64) {
	t.Helper()
	var weights [2]Dealt
	weights[0], weights[1] = DealWeights(w)
	inferences := 0
	inputs := make([][2]Dealt, len(batches))
	for b, batch := range batches {
		inferences += len(batch)
		inputs[b][0], inputs[b][1] = Deal(slices.Concat(batch...))
	}
	var shares [2][]uint64
	err := runBoth(sessions, func(ctx context.Context, s *Session) error {
		m, err := NewSharedModel(ctx, s, p, weights[s.party], inferences)
		if err != nil {
			return err
		}
		in := p.Nodes[0]
		for b, batch := range batches {
			x := inputs[b][s.party].Share(s, []int{len(batch), in.Shape.H, in.Shape.W, in.Shape.C}, in.Frac)
			y, err := m.Evaluate(ctx, x)
			if err != nil {
				return err
			}
			if y.Frac() != p.Nodes[len(p.Nodes)-1].Frac {
				return fmt.Errorf("outputs with %d fractional bits", y.Frac())
			}
			shares[s.party] = append(shares[s.party], y.Share()...)
		}
		if m.Left() != 0 {
			return fmt.Errorf("%d inferences are left", m.Left())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ring.Add(shares[0], shares[0], shares[1])
	return slices.Collect(slices.Chunk(shares[0], p.Nodes[len(p.Nodes)-1].Shape.Len()))
}

func TestASharedModelComputesTheNetwork(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 1))
	p, w := plantest.Network(r)
	m, err := model.NewModel(p, w)
	if err != nil {
		t.Fatal(err)
	}
	evaluator, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	var batches [][][]uint64
	for _, n := range []int{1, 4} {
		var batch [][]uint64
		for range n {
			batch = append(batch, plantest.Input(r, p.Nodes[0].Shape.Len(), 9))
		}
		batches = append(batches, batch)
	}
	sessions := twoSessions()
	var taken []correlation.Spec
	sessions[0].source = watched{sessions[0].source, func(h *correlation.Half) { taken = append(taken, h.Spec) }}
	outputs := evaluateShared(t, sessions, p, w, batches)
	frac := p.Nodes[len(p.Nodes)-1].Frac
	for g, x := range slices.Concat(batches...) {
		fixed, err := evaluator.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		for e, want := range plantest.Evaluate(p, w, x) {
			got := math.Ldexp(float64(int64(outputs[g][e])), -int(frac))
			clear := math.Ldexp(float64(int64(fixed[e])), -int(frac))
			// Each activation is off by at most 2.5 units of 2^−9, and the network
			// between amplifies that by a small factor.
			if math.Abs(got-want) > 0.05 || math.Abs(got-clear) > 0.05 {
				t.Errorf("inference %d: output %d is %.4f, %.4f by the evaluator, want %.4f", g, e, got, clear, want)
			}
		}
	}
	if want := SharedSpecs(p, 4, 4); len(want) != 8 {
		t.Errorf("a batch of the network takes %v", want)
	}
	// Five inferences in batches of 1 and 4: the weights for five, the powers of
	// each batch.
	want := append(SharedSpecs(p, 5, 5)[:4], append(SharedSpecs(p, 1, 1)[4:], SharedSpecs(p, 4, 4)[4:]...)...)
	if !reflect.DeepEqual(taken, want) {
		t.Errorf("evaluating takes %v, not the %v that were announced", taken, want)
	}
}

func TestAnnouncedSpecsCoverTheLastSmallBatch(t *testing.T) {
	p, _ := plantest.Network(rand.New(rand.NewPCG(33, 2)))
	var n []int
	for _, s := range SharedSpecs(p, 5, 2) {
		if s.Kind == correlation.Powers && s.N%36 == 0 && s.Degree == 3 {
			n = append(n, s.N/108)
		}
		if s.Kind != correlation.Powers && (s.N != 5 || !s.Fixed) {
			t.Errorf("weights are fixed by %+v", s)
		}
	}
	if !slices.Equal(n, []int{2, 2, 1}) {
		t.Errorf("five inferences in batches of 2 are %v", n)
	}
}

func TestRoundsAndBytesOfASharedModel(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 3))
	p, w := plantest.Network(r)
	sessions := twoSessions()
	evaluateShared(t, sessions, p, w, [][][]uint64{{plantest.Input(r, 72, 9), plantest.Input(r, 72, 9)}})
	// The weights; then conv, act, two conv, two act, act, linear.
	weights := 3*3*2*3 + 2*3*3*3*3 + 45*5
	inputs := 72 + 108 + 2*108 + 2*108 + 45 + 45
	checkCost(t, "two inferences", sessions, 1+6, 8*(weights+2*inputs))
}

// Pre-activations of tens of thousands instead of 16.
func TestASharedActivationFarOutOfRangeStillComputes(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 4))
	p, w := plantest.Network(r)
	p.Nodes, w.Layers = p.Nodes[:3], w.Layers[:1]
	x := plantest.Input(r, 72, 22)
	got := evaluateShared(t, twoSessions(), p, w, [][][]uint64{{x}})[0]
	for e, want := range plantest.Evaluate(p, w, x) {
		if math.Abs(math.Ldexp(float64(int64(got[e])), -9)-want) > 1e-3*math.Abs(want)+0.1 {
			t.Fatalf("activation %d is %.5g, want %.5g", e, math.Ldexp(float64(int64(got[e])), -9), want)
		}
	}
}

func TestWhatASharedModelRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 5))
	p, w := plantest.Network(r)
	weights, rest := DealWeights(w)
	ctx := context.Background()
	fresh := func() *Session {
		var dealer dealtest.Dealer
		return NewSession(0, dealer.Source(0), func(_ context.Context, _ []byte, limit int) ([]byte, error) {
			return make([]byte, limit), nil
		})
	}
	if _, err := NewSharedModel(ctx, fresh(), p, Dealt{Words: rest.Words[1:]}, 1); err == nil || !strings.Contains(err.Error(), "the share of the weights has 559 words, not 560") {
		t.Errorf("error %v", err)
	}
	if _, err := NewSharedModel(ctx, fresh(), p, weights, 0); err == nil || !strings.Contains(err.Error(), `weights of layer "conv1": convolution of 0 elements`) {
		t.Errorf("error %v", err)
	}
	s := fresh()
	m, err := NewSharedModel(ctx, s, p, weights, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		shape []int
		frac  uint
		want  string
	}{
		{[]int{1, 6, 2, 6}, 9, "the input has the shape [1 6 2 6] and 9 fractional bits; it takes N×6×6×2 and 9"},
		{[]int{72}, 9, "the shape [72]"},
		{[]int{1, 6, 6, 2}, 8, "8 fractional bits"},
		{[]int{3, 6, 6, 2}, 9, "3 inferences of the 2 that its weights are fixed for"},
	} {
		if _, err := m.Evaluate(ctx, s.Share(tc.shape, tc.frac, make([]uint64, elements(tc.shape)))); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
	if _, err := m.Evaluate(ctx, fresh().Share([]int{1, 6, 6, 2}, 9, make([]uint64, 72))); err == nil || !strings.Contains(err.Error(), "another session") {
		t.Errorf("error %v", err)
	}
}

func TestDealtSharesAddUpAndAreUniform(t *testing.T) {
	words := make([]uint64, 40000)
	for i := range words {
		words[i] = uint64(i % 3)
	}
	part0, part1 := Deal(words)
	for _, part := range []*Dealt{&part0, &part1} {
		data, err := part.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if *part, err = UnmarshalDealt(len(words), data); err != nil {
			t.Fatal(err)
		}
	}
	s := [2]*Session{NewSession(0, nil, nil), NewSession(1, nil, nil)}
	a, b := part0.Share(s[0], []int{200, 200}, 0), part1.Share(s[1], []int{200, 200}, 0)
	sum := make([]uint64, len(words))
	ring.Add(sum, a.share, b.share)
	checkWords(t, "sum of the shares", sum, words)
	for _, v := range []*Value{a, b} {
		var all tallies
		all.add(v.share)
		all.check(t, "a dealt share", 8)
	}
	if text := fmt.Sprintf("%v %+v %#v", part0, part1, part1); strings.Count(text, "redacted") != 3 || len(text) > 100 {
		t.Errorf("dealt shares print %s", text)
	}
	part1.Share(s[1], []int{199, 200}, 0)
	if err := s[1].Err(); err == nil || !strings.Contains(err.Error(), "a dealt share of [199 200] has 40000 words, not 39800") {
		t.Errorf("error %v", err)
	}
}

func FuzzUnmarshalDealt(f *testing.F) {
	f.Add(4, make([]byte, 33))
	f.Add(2, append([]byte{2}, make([]byte, 16)...))
	f.Fuzz(func(t *testing.T, n int, data []byte) {
		n &= 0xff
		d, err := UnmarshalDealt(n, data)
		if err != nil {
			return
		}
		if again, err := d.MarshalBinary(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x is decoded and encoded as %x, %v", data, again, err)
		}
	})
}

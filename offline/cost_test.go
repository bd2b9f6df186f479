package offline

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/mnist"
	"pascaline/internal/plantest"
	"pascaline/model"
)

// recorded is a backend that remembers what it was asked for.
type recorded struct {
	Lattigo
	mu    sync.Mutex
	calls [2][][]correlation.Spec // by party
}

type recordedRun struct {
	correlation.Generator
	party int
	from  *recorded
}

func (r *recorded) Open(ctx context.Context, run correlation.Run) (correlation.Generator, error) {
	g, err := r.Lattigo.Open(ctx, run)
	return recordedRun{g, run.Party, r}, err
}

func (r recordedRun) Generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	var specs []correlation.Spec
	for _, q := range requests {
		specs = append(specs, q.Spec)
	}
	r.from.mu.Lock()
	r.from.calls[r.party] = append(r.from.calls[r.party], specs)
	r.from.mu.Unlock()
	return r.Generator.Generate(ctx, requests)
}

// measured makes groups of the given sizes and returns what either party was asked
// for and what they sent.
func measured(t *testing.T, plan *model.Plan, w *model.Weights, sizes []int) (*recorded, correlation.Traffic) {
	t.Helper()
	var traffic correlation.Traffic
	client, server := newPipes()
	for p, f := range map[*pipe]*correlation.Flow{client: &traffic.Up, server: &traffic.Down} {
		p.fault = func(_ int, m *message) error { f.Send(len(m.payload)); return nil }
	}
	r := &recorded{}
	backend := func(ctx context.Context, _ string) (Backend, error) { return NewBackend(ctx, r, nil) }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, server, plan, w, backend, &ledger{}) }()
	b, err := backend(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(ctx, client, plan, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		g, err := c.Group(ctx, n)
		if err == nil {
			err = c.Commit(ctx, g)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return r, traffic
}

func TestWhatARunAsksForAndSendsIsKnownBeforehand(t *testing.T) {
	small := &model.Model{}
	small.Plan, small.Weights = plantest.Network(rand.New(rand.NewPCG(1, 2)))
	builtIn, err := mnist.Model()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m     *model.Model
		sizes []int
	}{{small, []int{3, 3, 1}}, {builtIn, []int{2, 9}}} {
		r, traffic := measured(t, c.m.Plan, c.m.Weights, c.sizes)
		var calls [][]correlation.Spec
		d, _ := Lattigo{}.Describe(t.Context())
		want, _ := HostTraffic(c.m.Plan, 1, d)
		for _, n := range c.sizes {
			calls = append(calls, Calls(c.m.Plan, n)...)
			_, group := HostTraffic(c.m.Plan, n, d)
			want.Add(group, 1)
		}
		for party := range 2 {
			if !slices.EqualFunc(r.calls[party], calls, slices.Equal) {
				t.Errorf("plan %q: party %d asked for something else than it was to", c.m.Plan.Name, party)
			}
		}
		cost, err := NewLattigoCost(calls)
		if err != nil {
			t.Fatal(err)
		}
		want.Add(cost.Keys, 1)
		want.Add(cost.Traffic(), 1)
		if traffic != want {
			t.Errorf("plan %q: sent %+v, not %+v", c.m.Plan.Name, traffic, want)
		}
	}
}

// The two tails that decryption of powers is left to, computed rather than quoted.
func TestAPowersReplyAlmostNeverFailsToDecrypt(t *testing.T) {
	const n, q = float64(PowersSlots), 2.0 / 3
	p := powersWeight / n
	weight := -n * (p*math.Log2(p/q) + (1-p)*math.Log2((1-p)/(1-q)))
	if weight > powersWeightBits || weight < powersWeightBits-1 {
		t.Errorf("a secret is heavier than %d with 2^%.2f, not 2^%d", powersWeight, weight, powersWeightBits)
	}
	if sigma := math.Sqrt(n * q * (1 - q)); powersWeight < n*q+9.99*sigma {
		t.Errorf("%d is %.2f standard deviations above the mean", powersWeight, (powersWeight-n*q)/sigma)
	}
	for degree := correlation.MinDegree; degree <= correlation.MaxDegree; degree++ {
		one, err := PowersError(degree, 56, 1)
		if err != nil {
			t.Fatal(err)
		}
		// docs/planning.md: 12 ciphertexts at degree 4, 39 at degree 8.
		ciphers := map[int]float64{4: 12, 8: 39}[degree]
		if want := math.Exp2(-74) + 2*ciphers*8192*2*math.Exp(-6*222*222/5888.0); ciphers > 0 && math.Abs(one/want-1) > 1e-9 {
			t.Errorf("degree %d: an element, which may lie in either of two replies, is wrong with %g, not %g", degree, one, want)
		}
		many, err := PowersError(degree, 56, 1000*PowersSlots)
		if err != nil {
			t.Fatal(err)
		}
		if bits := math.Log2(one); bits > -51 || bits < -60 {
			t.Errorf("degree %d: an element is wrong with 2^%.1f", degree, bits)
		}
		if many < 400*one || many > 600*one {
			t.Errorf("degree %d: a thousand batches are wrong %.0f times as often as two", degree, many/one)
		}
	}
}

// A plan counts what homomorphic powers reveal: the masks' part of each power above
// the first, and the flood's of each coefficient of the replies in which elements lie,
// which are sent whole.
func TestAPlanCountsWhatHomomorphicPowersReveal(t *testing.T) {
	// The masks of 30 bits are those of 32 dropped, as many as a plan opens.
	for _, maskBits := range []uint{30, 44, 50, 53, 56, 58, 60, 61} {
		for degree := correlation.MinDegree; degree <= correlation.MaxDegree; degree++ {
			powers, err := planPowers(degree, maskBits)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 100, 5000, 2*PowersSlots + 1, 1 << 20} {
				shape := model.Shape{H: 1, W: 1, C: n}
				act := &model.Activation{Alpha: make([]int64, degree+1), Fw: 62 - maskBits, MaskBits: maskBits}
				p := &model.Plan{Nodes: []model.Node{{Op: model.OpInput, Shape: shape}, {Op: model.OpPolynomial, Inputs: []int{0}, Shape: shape, Act: act}}}
				masks := float64(n*(degree-1)) * math.Exp2(-powersMaskSigma)
				coefficients := float64((ceilDiv(n, PowersSlots) + 1) * PowersSlots * powers.replies())
				reveals := masks + coefficients*math.Exp2(-powersFloodSigma)
				if counted := p.Distance() - p.OpeningDistance(); counted < reveals || counted > 100*reveals {
					t.Errorf("degree %d, masks of %d bits: %d elements reveal up to 2^%.1f, and 2^%.1f is counted",
						degree, maskBits, n, math.Log2(reveals), math.Log2(counted))
				}
			}
		}
	}
}

package party

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"pascaline/internal/dealtest"
	"pascaline/internal/mnist"
	"pascaline/internal/plantest"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/online"
	"pascaline/ring"
)

func TestBlocksAreWhatOneBatchOfEachOperandIsEnoughFor(t *testing.T) {
	m, err := mnist.Model()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 100, 500, 2000} {
		sizes, err := blocks(m.Plan, n)
		if err != nil {
			t.Fatal(err)
		}
		total, words := 0, 0
		for _, size := range sizes {
			total += size
			for _, spec := range online.SharedSpecs(m.Plan, size, size) {
				if words += spec.Words(); spec.Fixed && spec.N > offline.BatchSize(spec) {
					t.Errorf("a block of %d takes %d of %s; a batch has %d", size, spec.N, spec.Pool(), offline.BatchSize(spec))
				}
			}
		}
		if total != n || 8*words > warmEach {
			t.Errorf("blocks of %d inferences hold %d and take %d MiB", n, total, words>>17)
		}
	}
	for _, n := range []int{0, -1, 1 << 20, math.MaxInt} {
		if _, err := blocks(m.Plan, n); err == nil || !strings.Contains(err.Error(), "they must be from 1 to") {
			t.Errorf("%d inferences: %v", n, err)
		}
	}
	specs, err := needs(m.Plan, 500)
	if err != nil {
		t.Fatal(err)
	}
	pools := map[string]int{}
	for _, s := range specs {
		pools[s.Pool()] += s.N
		if !s.Fixed && pools[s.Pool()] != s.N {
			t.Errorf("%s is named twice", s.Pool())
		}
	}
	for pool, n := range pools {
		if each := map[bool]int{true: 3136 + 1568 + 128, false: 1}[strings.HasPrefix(pool, "powers")]; n != 500*each {
			t.Errorf("500 inferences take %d of %s, not %d", n, pool, 500*each)
		}
	}
}

func TestABatchMaySpanBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 1))
	plan, w := plantest.Network(r)
	m, err := model.NewModel(plan, w)
	if err != nil {
		t.Fatal(err)
	}
	clear, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	var inputs [][]uint64
	for range 6 {
		inputs = append(inputs, plantest.Input(r, inputWords(plan), 9))
	}
	var dealer dealtest.Dealer
	var weights, shares [2]online.Dealt
	weights[0], weights[1] = online.DealWeights(w)
	shares[0], shares[1] = online.Deal(slices.Concat(inputs...))
	var outputs [2]request
	var group errgroup.Group
	for i, exchange := range dealtest.Link() {
		group.Go(func() error {
			p := &prepared{plan: plan, session: online.NewSession(i, dealer.Source(i), exchange), left: 7}
			for _, n := range []int{1, 4, 2} {
				block, err := online.NewSharedModel(t.Context(), p.session, plan, weights[i], n)
				if err != nil {
					return err
				}
				p.blocks = append(p.blocks, block)
			}
			outputs[i] = request{inferences: len(inputs), share: shares[i]}
			if err := p.evaluate(t.Context(), &outputs[i]); err != nil {
				return err
			}
			if p.left != 1 || len(p.blocks) != 1 || p.blocks[0].Left() != 1 {
				t.Errorf("%d are left, in %d blocks", p.left, len(p.blocks))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	y := outputs[0].output.Words
	ring.Add(y, y, outputs[1].output.Words)
	frac := int(plan.Nodes[len(plan.Nodes)-1].Frac)
	for i, x := range inputs {
		want, err := clear.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		for e := range want {
			if diff := math.Ldexp(float64(int64(y[i*len(want)+e]-want[e])), -frac); math.Abs(diff) > 0.05 {
				t.Errorf("inference %d: output %d is off by %g", i, e, diff)
			}
		}
	}
}

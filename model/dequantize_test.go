package model_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pascaline/internal/plantest"
	"pascaline/model"
)

// The graph of a compiled network is that network in real numbers, as an
// evaluation of the plan itself computes it, node by node and window by window.
func TestTheGraphOfAModelComputesWhatItsIntegersStandFor(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		p, w := plantest.Network(r)
		m, err := model.NewModel(p, w)
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		x := plantest.Input(r, p.Nodes[0].Shape.Len(), 9)
		real := make([]float64, len(x))
		for i, v := range x {
			real[i] = math.Ldexp(float64(int64(v)), -int(p.Nodes[0].Frac))
		}
		got, err := g.Float(real)
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range plantest.Evaluate(p, w, x) {
			if math.Abs(got[k]-want) > 1e-9*(1+math.Abs(want)) {
				t.Errorf("output %d is %v, want %v", k, got[k], want)
			}
		}
	}
}

func TestAPlanAloneHasNoGraph(t *testing.T) {
	p, w := plantest.Network(rand.New(rand.NewPCG(5, 6)))
	m, err := model.NewModel(p, w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.PlanOnly().Graph(); !errors.Is(err, model.ErrNoWeights) {
		t.Errorf("the error is %v", err)
	}
}

package pillar

import (
	"math"
	"testing"
)

func TestPenaltyWarmsUpAsInThePaper(t *testing.T) {
	p := Penalty{Beta: 1e-2, Gamma: PenaltyGamma, Range: 4.5}
	for epoch, want := range []Term{
		{Penalty{1e-4, 4, 4.5}, true},
		{Penalty{2e-4, 6, 4.5}, false},
		{Penalty{1e-3, 8, 4.5}, false},
		{Penalty{2e-3, 10, 4.5}, false},
		{Penalty{1e-2, 10, 4.5}, false},
		{Penalty{1e-2, 10, 4.5}, false},
	} {
		got := p.At(epoch)
		if math.Abs(got.Beta-want.Beta) > 1e-18 || got.Gamma != want.Gamma || got.Range != want.Range || got.Alone != want.Alone {
			t.Errorf("epoch %d: %+v, want %+v", epoch, got, want)
		}
		if (epoch < WarmUp()) == (got == Term{Penalty: p}) {
			t.Errorf("epoch %d: %+v, and the warm-up has %d epochs", epoch, got, WarmUp())
		}
	}
}

func TestPenaltyWithoutWeightLeavesTheLabelsTheLoss(t *testing.T) {
	if (Penalty{Beta: 0, Gamma: 10, Range: 5}).At(0).Alone {
		t.Error("a penalty of no weight is the whole loss")
	}
}

func TestPenaltySumsOverTheBatchAndAveragesOverLayers(t *testing.T) {
	p := Penalty{Beta: 3, Gamma: 4, Range: 2}
	got := p.Value([][]float64{{2, -4, 0}, {1}}) // 3·(1 + 16 + 0 + 1/16)/2
	if want := 3 * (17 + 1./16) / 2; math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := p.Value(nil); got != 0 {
		t.Errorf("without layers %v", got)
	}
}

func TestPenaltyGradientIsThatOfFiniteDifferences(t *testing.T) {
	p := Penalty{Beta: 0.7, Gamma: 6, Range: 4.2}
	layers := [][]float64{{-6, -1, 0, 2.5}, {4.2, 7}, {0.1}}
	gradient := p.Gradient(layers)
	const h = 1e-5
	for i := range layers {
		for j, x := range layers[i] {
			layers[i][j] = x + h
			above := p.Value(layers)
			layers[i][j] = x - h
			below := p.Value(layers)
			layers[i][j] = x
			if want := (above - below) / (2 * h); math.Abs(gradient[i][j]-want) > 1e-7*(1+math.Abs(want)) {
				t.Errorf("layer %d, %v: %v, finite differences %v", i, x, gradient[i][j], want)
			}
		}
	}
}

func TestPenaltyChecksItsNumbers(t *testing.T) {
	if err := (Penalty{Beta: 5e-5, Gamma: 10, Range: 4.5}).Check(); err != nil {
		t.Error(err)
	}
	for _, p := range []Penalty{
		{-1, 10, 5}, {math.NaN(), 10, 5}, {math.Inf(1), 10, 5}, {1, 1, 5}, {1, 1000, 5}, {1, math.NaN(), 5}, {1, 10, 0}, {1, 10, math.NaN()},
	} {
		if p.Check() == nil {
			t.Errorf("%+v passes", p)
		}
	}
}

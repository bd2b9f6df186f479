package online

import (
	"math"
	"os"
	"slices"
	"testing"

	"pascaline/model"
	"pascaline/model/zoo"
)

// Private inference of the paper's networks against the evaluator in the clear:
// outputs differ by the rounding of shares alone.
func TestLongPrivateOutputsOfTheZooAreThoseInTheClear(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("takes minutes; set PASCALINE_LONG=1")
	}
	for _, name := range zoo.Names() {
		t.Run(name, func(t *testing.T) {
			inferences := 100
			if name == "resnet50" {
				inferences = 10
			}
			network, err := zoo.Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			m, err := network.Compile()
			if err != nil {
				t.Fatal(err)
			}
			comparePrivate(t, network, m, inferences)
		})
	}
}

// comparePrivate runs so many inferences, each with a bundle of its own.
func comparePrivate(t *testing.T, network zoo.Network, m *model.Model, inferences int) {
	clear, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	var largest, total, low, high float64 = 0, 0, math.Inf(1), math.Inf(-1)
	agree, ties, gross, errors := 0, 0, 0, []float64(nil)
	for i := range inferences {
		x, err := m.Plan.EncodeInput(network.Images(1000+i, 1)[0])
		if err != nil {
			t.Fatal(err)
		}
		words, err := clear.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		s, c, _, _ := pairUp(t, m.Plan, m.Weights, 1)
		outputs, _, _ := exchange(t, s, c, [][]uint64{x})
		want, got := m.Plan.DecodeOutput(words), m.Plan.DecodeOutput(outputs[0])
		worst := 0.0
		for e := range want {
			worst = max(worst, math.Abs(got[e]-want[e]))
			total += math.Abs(got[e]-want[e]) / float64(len(want)*inferences)
			low, high = min(low, want[e]), max(high, want[e])
		}
		errors = append(errors, worst)
		largest = max(largest, worst)
		mine, theirs := slices.Index(got, slices.Max(got)), slices.Index(want, slices.Max(want))
		if mine == theirs {
			agree++
		} else if want[theirs]-want[mine] <= 2*worst {
			ties++ // two outputs closer to each other than rounding is exact
		}
	}
	for _, e := range errors {
		if e > 0.05*(high-low) {
			gross++
		}
	}
	t.Logf("%d inferences: same class %d, ties %d; logits from %.3f to %.3f, differences at most %.5f (%.3f %% of the range), mean %.6f",
		inferences, agree, ties, low, high, largest, 100*largest/(high-low), total)
	if agree+ties != inferences {
		t.Errorf("%d of %d inferences name another class than in the clear", inferences-agree-ties, inferences)
	}
	if gross > 0 {
		t.Errorf("%d inferences with a logit off by more than 0.05 of the range", gross)
	}
}

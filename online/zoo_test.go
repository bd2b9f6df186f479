package online

import (
	"math"
	"os"
	"slices"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/dealtest"
	"pascaline/model"
	"pascaline/model/zoo"
)

const (
	// logitLimit is by how much a private logit may differ from the evaluation in
	// the clear, over the range of the network's logits.
	logitLimit = 0.05
	// tieLimit is how close to the largest logit, over that range, another one is a
	// tie: rounding may decide either way.
	tieLimit = 0.02
)

// checkNetwork evaluates a network of the zoo privately on images that it was not
// calibrated on, and holds the outputs against the fixed-point evaluator's. It
// names the same class, or one that ties with it in the clear.
func checkNetwork(t *testing.T, name string, inputs int) {
	n, err := zoo.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Compile()
	if err != nil {
		t.Fatal(err)
	}
	clear, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	sc, cc := layOut(t, m.Plan, m.Weights), layOut(t, m.Plan, nil)
	var all, private [][]float64 // logits in the clear, and private ones
	low, high := math.Inf(1), math.Inf(-1)
	for i := range inputs {
		x, err := m.Plan.EncodeInput(n.Images(100+i, 1)[0])
		if err != nil {
			t.Fatal(err)
		}
		y, err := clear.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		want := m.Plan.DecodeOutput(y)
		b0, b1 := dealtest.Bundle(m.Plan, m.Weights)
		s, err := NewServer(sc, []*correlation.Bundle{b0})
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewClient(cc, []*correlation.Bundle{b1})
		if err != nil {
			t.Fatal(err)
		}
		outputs, _, _ := exchange(t, s, c, [][]uint64{x})
		all, private = append(all, want), append(private, m.Plan.DecodeOutput(outputs[0]))
		low, high = min(low, slices.Min(want)), max(high, slices.Max(want))
	}
	worst, squares, count, ties := 0.0, 0.0, 0, 0
	classes := map[int]bool{}
	for i, want := range all {
		for k, got := range private[i] {
			d := math.Abs(got-want[k]) / (high - low)
			worst, squares, count = max(worst, d), squares+d*d, count+1
			if d > logitLimit {
				t.Errorf("%v, image %d: logit %d is %.4f, %.4f in the clear, where they range over %.4f", n, i, k, got, want[k], high-low)
			}
		}
		mine, class := model.Class(private[i]), model.Class(want)
		classes[class] = true
		if mine != class {
			ties++
			if gap := (want[class] - want[mine]) / (high - low); gap > tieLimit {
				t.Errorf("%v, image %d: class %d, %d in the clear, which is ahead by %.3f of the range", n, i, mine, class, gap)
			}
		}
	}
	t.Logf("%v, %d images of %d classes: logits differ by %.4f of their range at most, %.5f rms; %d ties within rounding",
		n, inputs, len(classes), worst, math.Sqrt(squares/float64(count)), ties)
}

func TestPrivateOutputsOfANetworkAreThoseInTheClear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	checkNetwork(t, "minionn", 3)
}

func TestLongPrivateOutputsOfTheNetworksAreThoseInTheClear(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("takes minutes: set PASCALINE_LONG=1 to run it")
	}
	for _, name := range []string{"minionn", "minionn/2", "minionn/6", "resnet32", "resnet32/2", "resnet110", "vgg16", "resnet18", "resnet18/2"} {
		t.Run(name, func(t *testing.T) { checkNetwork(t, name, 100) })
	}
	t.Run("resnet50", func(t *testing.T) { checkNetwork(t, "resnet50", 10) })
}

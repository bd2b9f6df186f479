package mnist

import (
	"os"
	"path/filepath"
	"testing"

	"pascaline/dataset"
	"pascaline/model"
)

// The model is as accurate as it says, on all test images with PASCALINE_LONG=1 and on
// the first thousand without.
func TestTheModelIsAsAccurateAsItSays(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "mnist")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the images of MNIST are not beside the checkout: %v", err)
	}
	o := dataset.SetOptions{Limit: 1000}
	long := os.Getenv("PASCALINE_LONG") != ""
	if long {
		o.Limit = 0
	}
	set, err := dataset.ReadSet(dir, dataset.Test, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	f, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i := range set.Len() {
		x, err := m.Plan.EncodeInput(set.Image(i).Pixels)
		if err != nil {
			t.Fatal(err)
		}
		y, err := f.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		logits := m.Plan.DecodeOutput(y)
		best := 0
		for c := range logits {
			if logits[c] > logits[best] {
				best = c
			}
		}
		if best == int(set.Labels[i]) {
			right++
		}
	}
	got := float64(right) / float64(set.Len())
	if long && got != Accuracy || got < Accuracy-0.015 {
		t.Errorf("%d of %d test images are right, %v says the package", right, set.Len(), Accuracy)
	}
}

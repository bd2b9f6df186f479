package mnist

import (
	"os"
	"path/filepath"
	"testing"

	"pascaline/dataset"
	"pascaline/evaluation"
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
	e, err := evaluation.New(m, set)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.FixedPoint(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := e.Fixed.Accuracy; long && got != Accuracy || got < Accuracy-0.015 {
		t.Errorf("%d of %d test images are right, %v says the package", e.Fixed.Right, set.Len(), Accuracy)
	}
}

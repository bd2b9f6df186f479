package mnist

import (
	"testing"

	"pascaline/internal/digits"
	"pascaline/model"
)

func TestTheBuiltInModelReadsTheSampleDigits(t *testing.T) {
	m, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	e, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	images, err := digits.Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range images {
		x, err := m.Plan.EncodeInput(im.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		y, err := e.Eval(x)
		if err != nil {
			t.Fatal(err)
		}
		best := 0
		logits := m.Plan.DecodeOutput(y)
		for k, v := range logits {
			if v > logits[best] {
				best = k
			}
		}
		if best != im.Label {
			t.Errorf("%s is read as %d", im.Name, best)
		}
	}
}

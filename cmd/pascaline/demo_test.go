package main

import (
	"errors"
	"testing"

	"pascaline/dataset"
	"pascaline/internal/digits"
	"pascaline/internal/mnist"
	"pascaline/model"
)

// The demo's verdict must be able to be bad: one wrong class, or one logit that
// is too far off, and it fails.
func TestTheDemoFailsOnADisagreement(t *testing.T) {
	m, err := mnist.Model()
	if err != nil {
		t.Fatal(err)
	}
	clear, err := model.NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	images, err := digits.Images()
	if err != nil {
		t.Fatal(err)
	}
	images = images[:2]
	honest := func() *inferenceReport {
		r := &inferenceReport{}
		for _, im := range images {
			x, err := m.Plan.EncodeInput(im.Pixels)
			if err != nil {
				t.Fatal(err)
			}
			y, err := clear.Eval(x)
			if err != nil {
				t.Fatal(err)
			}
			logits := m.Plan.DecodeOutput(y)
			r.Results = append(r.Results, result{Name: im.Name, Class: model.Class(logits), Logits: logits})
		}
		return r
	}
	for _, c := range []struct {
		name   string
		change func(*inferenceReport)
		want   error
	}{
		{"nothing changed", func(*inferenceReport) {}, nil},
		{"another class", func(r *inferenceReport) { r.Results[1].Class++ }, errDisagree},
		{"a logit off by 0.2", func(r *inferenceReport) { r.Results[0].Logits[3] += 0.2 }, errDisagree},
	} {
		r := honest()
		c.change(r)
		d := &demo{stage: &stage{usage: map[string]usage{}}, model: m}
		if err := d.report(append([]dataset.Image(nil), images...), &productionReport{}, r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

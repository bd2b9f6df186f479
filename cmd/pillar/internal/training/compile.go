package training

import (
	"context"
	"fmt"

	"pascaline/dataset"
	"pascaline/model"
)

// calibrationImages is how many images of the training split the scales are chosen by.
const calibrationImages = 1000

// Compile compiles the network as trained so far, with scales that fit the images it
// was trained on, and their classes as its labels.
func (r *Run) Compile() (*model.Model, error) {
	g, err := r.Graph()
	if err != nil {
		return nil, err
	}
	n := min(calibrationImages, r.train.Len())
	calibration := make([][]float32, n)
	for i := range calibration {
		calibration[i] = r.train.Image(i).Pixels
	}
	m, _, err := model.Compile(g, calibration, model.Options{Labels: r.train.Classes})
	return m, err
}

// EvaluateFixed classifies a set with a compiled network, in the integers that private
// inference computes with.
func EvaluateFixed(ctx context.Context, m *model.Model, set *dataset.Set, progress func(done int)) (*Evaluation, error) {
	f, err := model.NewFixedEvaluator(m)
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Images: set.Len()}
	for i := range set.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x, err := m.Plan.EncodeInput(set.Image(i).Pixels)
		if err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		y, err := f.Eval(x)
		if err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		out := m.Plan.DecodeOutput(y)
		best := 0
		for c := range out {
			if out[c] > out[best] {
				best = c
			}
		}
		if best == int(set.Labels[i]) {
			e.Right++
		}
		if progress != nil {
			progress(i + 1)
		}
	}
	return e, nil
}

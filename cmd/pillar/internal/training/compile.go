package training

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"pascaline/dataset"
	"pascaline/model"
)

// calibrationImages is how many images of the training split the scales are chosen by.
const calibrationImages = 1000

// Compile compiles the network as trained so far to a model of the given name, with
// scales that fit the images it was trained on, and their classes as its labels.
func (r *Run) Compile(name string) (*model.Model, error) {
	g, err := r.Graph()
	if err != nil {
		return nil, err
	}
	n := min(calibrationImages, r.train.Len())
	calibration := make([][]float32, n)
	for i := range calibration {
		calibration[i] = r.train.Image(i).Pixels
	}
	m, _, err := model.Compile(g, calibration, model.Options{Name: name, Labels: r.train.Classes})
	return m, err
}

// EvaluateFixed classifies a set with a compiled network, in the integers that private
// inference computes with, side by side on all processors. Progress, unless nil, is
// called with the number of images done.
func EvaluateFixed(ctx context.Context, m *model.Model, set *dataset.Set, progress func(done int)) (*Evaluation, error) {
	e := &Evaluation{Images: set.Len()}
	var next atomic.Int64
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	for range min(set.Len(), runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			f, err := model.NewFixedEvaluator(m)
			if err != nil {
				return err
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= set.Len() {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				class, err := classFixed(f, m.Plan, set.Image(i).Pixels)
				if err != nil {
					return fmt.Errorf("evaluating image %d in fixed point: %w", i+1, err)
				}
				mu.Lock()
				if class == int(set.Labels[i]) {
					e.Right++
				}
				if done++; progress != nil {
					progress(done)
				}
				mu.Unlock()
			}
		})
	}
	return e, group.Wait()
}

// classFixed returns the class with the largest output.
func classFixed(f *model.FixedEvaluator, p *model.Plan, pixels []float32) (best int, err error) {
	x, err := p.EncodeInput(pixels)
	if err != nil {
		return 0, err
	}
	y, err := f.Eval(x)
	if err != nil {
		return 0, err
	}
	out := p.DecodeOutput(y)
	for c := range out {
		if out[c] > out[best] {
			best = c
		}
	}
	return best, nil
}

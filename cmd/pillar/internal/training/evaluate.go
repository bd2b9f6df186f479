package training

import (
	"context"

	"pascaline/dataset"
	"pascaline/ring"
)

// Evaluation is what a network makes of a labelled set, without clipping and with
// the running statistics.
type Evaluation struct {
	Images, Right int
	// Largest has of each activation layer the largest |x| that enters it.
	Largest []float64
}

// Accuracy returns the share of the images that are classified rightly.
func (e *Evaluation) Accuracy() float64 { return float64(e.Right) / float64(max(1, e.Images)) }

// Evaluate classifies a set with the network as trained so far.
func (r *Run) Evaluate(ctx context.Context, set *dataset.Set) (*Evaluation, error) {
	e := &Evaluation{Images: set.Len(), Largest: make([]float64, len(r.net.Activations()))}
	for first := 0; first < set.Len(); first += r.Options.Batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		images := make([]int, r.Options.Batch)
		for i := range images {
			images[i] = min(first+i, set.Len()-1) // the last again, to fill the batch
		}
		b := newBatch(set, images, r.Options.Shards, nil, nil)
		logits, largest, err := r.inference.Run(r.state, b.images)
		if err != nil {
			return nil, err
		}
		for k, v := range largest {
			if v > e.Largest[k] || v != v {
				e.Largest[k] = v
			}
		}
		n := r.Options.Batch / r.Options.Shards
		for i := range min(r.Options.Batch, set.Len()-first) {
			if class(logits[i/n], n, i%n) == int(set.Labels[first+i]) {
				e.Right++
			}
		}
	}
	return e, nil
}

// class returns the class with the largest of the logits (classes×n) of an image.
func class(logits []float32, n, image int) int {
	best := 0
	for c := range len(logits) / n {
		if logits[c*n+image] > logits[best*n+image] {
			best = c
		}
	}
	return best
}

// splitOff divides a set in two, of which the second has the last count images of an
// order drawn from the seed.
func (o *Options) splitOff(set *dataset.Set) (train, held *dataset.Set) {
	order := permutation(ring.NewStream(o.seed("hold out"), "pillar/hold-out"), set.Len())
	return subset(set, order[:set.Len()-o.HoldOut]), subset(set, order[set.Len()-o.HoldOut:])
}

func subset(set *dataset.Set, images []int) *dataset.Set {
	s := *set
	s.Pixels, s.Labels, s.Names = make([]uint8, 0, len(images)*set.Values()), make([]int32, 0, len(images)), nil
	for _, i := range images {
		s.Pixels = append(s.Pixels, set.Pixels[i*set.Values():(i+1)*set.Values()]...)
		s.Labels = append(s.Labels, set.Labels[i])
	}
	return &s
}

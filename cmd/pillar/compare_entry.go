package main

import (
	"slices"

	"pascaline/cmd/pillar/internal/training"
	"pascaline/pillar"
)

// comparison is runs side by side. It is what --json prints.
type comparison struct {
	Entries []*entry `json:"runs"`
}

// entry is a row of the comparison: a run, or those of several seeds.
type entry struct {
	Folder     string  `json:"folder"`
	Network    string  `json:"network"`
	Data       string  `json:"data,omitempty"` // where the report says so
	Activation string  `json:"activation"`
	Penalty    float64 `json:"penalty"` // β for batches of 128, as --penalty takes it
	// Others names the options in which runs of this comparison differ besides.
	Others []string `json:"others,omitempty"`
	Seeds  int      `json:"seeds"` // finished
	// Unfinished has of every run that is not finished how far it is.
	Unfinished []progress `json:"unfinished,omitempty"`
	TestImages int        `json:"testImages,omitempty"`
	Float      *spread    `json:"float,omitempty"`
	Fixed      *spread    `json:"fixed,omitempty"`
	// ToRelu is how far the accuracy is above that of the same network with ReLU.
	ToRelu  *float64 `json:"toRelu,omitempty"`
	Largest *float64 `json:"largest,omitempty"` // pre-activation of all test images and seeds
	Escaped *float64 `json:"escaped,omitempty"` // share in the last epoch, the mean
	Seconds float64  `json:"seconds"`           // of training, the mean
	// ImagesPerSecond is the mean speed, where the reports say enough.
	ImagesPerSecond float64 `json:"imagesPerSecond,omitempty"`

	runs    []*storedRun // the finished ones, unless none is
	digest  string
	degree  int     // of the polynomials; 0 is ReLU
	bound   float64 // of their range, ±
	options *training.Options
}

// progress is how far a run is.
type progress struct {
	Folder string `json:"folder"`
	Epoch  int    `json:"epoch"`
	Epochs int    `json:"epochs"`
}

// spread is an accuracy of several seeds.
type spread struct {
	Mean float64 `json:"mean"`
	Half float64 `json:"half"` // of what lies between the least and the most
}

func newSpread(values []float64) *spread {
	s := &spread{Half: (slices.Max(values) - slices.Min(values)) / 2}
	for _, v := range values {
		s.Mean += v / float64(len(values))
	}
	return s
}

// newEntry sums up runs of the same options, of which there is one at least: those
// that are finished or, where none is, as far as they are.
func newEntry(folder string, runs []*storedRun) *entry {
	o := &runs[0].options
	e := &entry{Folder: folder, Network: o.Network, Activation: o.Activation, Penalty: userBeta(o), options: o}
	if spec, err := pillar.ParseSpec(o.Activation); err == nil {
		e.degree, e.bound = spec.Degree, spec.Hi
	}
	for _, run := range runs {
		if run.finished != nil {
			e.runs = append(e.runs, run)
		} else {
			e.Unfinished = append(e.Unfinished, progress{run.folder, len(run.history), o.Epochs})
		}
	}
	if e.Seeds = len(e.runs); e.Seeds == 0 {
		e.runs = runs
	}
	escaped, n := 0.0, float64(len(e.runs))
	for _, run := range e.runs {
		escaped += run.history[len(run.history)-1].Escaped / n
		e.Seconds += secondsOf(run.history) / n
	}
	if e.degree > 0 {
		e.Escaped = &escaped
	}
	if e.Seeds > 0 {
		e.addResults()
	}
	return e
}

// addResults adds what finished runs came to.
func (e *entry) addResults() {
	var float, fixed, speed []float64
	largest := 0.0
	for _, run := range e.runs {
		r := run.finished
		e.Data, e.digest, e.TestImages = r.Data, r.Digest, r.TestImages
		float = append(float, r.Float)
		if r.Model != "" {
			fixed = append(fixed, r.Fixed)
		}
		largest = max(largest, largestOf(r.Largest))
		if seconds := secondsOf(run.history); r.Images > 0 && seconds > 0 {
			speed = append(speed, float64(r.Images*len(run.history))/seconds)
		}
	}
	e.Largest, e.Float = &largest, newSpread(float)
	if len(fixed) == e.Seeds {
		e.Fixed = newSpread(fixed)
	}
	if len(speed) == e.Seeds {
		e.ImagesPerSecond = newSpread(speed).Mean
	}
}

// userBeta returns β as it was given, for batches of pillar.PenaltyBatch.
func userBeta(o *training.Options) float64 {
	return o.Penalty.Beta * float64(o.Batch) / pillar.PenaltyBatch
}

// accuracy is that in private inference, or in real numbers where there is no other.
func (e *entry) accuracy() *spread {
	if e.Fixed != nil {
		return e.Fixed
	}
	return e.Float
}

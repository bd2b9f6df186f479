package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"pascaline/cmd/pillar/internal/training"
	"pascaline/internal/commandline"
)

// trainReport is what pillar train says in the end.
type trainReport struct {
	Network    string       `json:"network"`
	Data       string       `json:"data"`
	Activation string       `json:"activation"`
	Runs       []trainedRun `json:"runs"`
	// The means over the runs.
	Float   float64 `json:"float"`
	Fixed   float64 `json:"fixed"`
	Seconds float64 `json:"seconds"`

	evaluated []string // arguments of pascaline eval for the same images
}

// trainedRun is one training run.
type trainedRun struct {
	Seed       uint64  `json:"seed"`
	Data       string  `json:"data"`   // the name of the set
	Digest     string  `json:"digest"` // of the images of its training split
	Images     int     `json:"images"` // trained on in every epoch
	TestImages int     `json:"testImages"`
	Float      float64 `json:"float"`           // accuracy on the test split, in real numbers
	Fixed      float64 `json:"fixed,omitempty"` // in the integers of private inference
	// Largest has of every activation layer the largest pre-activation of the test
	// split, where nothing is clipped.
	Largest []float64        `json:"largest"`
	History []training.Epoch `json:"history"`
	// Model is the compiled network's file, and Uncompiled why there is none, of a
	// network whose activations are polynomials.
	Model      string `json:"model,omitempty"`
	Uncompiled string `json:"uncompiled,omitempty"`
}

// secondsOf returns how long all epochs took.
func secondsOf(history []training.Epoch) (s float64) {
	for _, e := range history {
		s += e.Seconds
	}
	return s
}

func (r *trainReport) mean() {
	n := float64(len(r.Runs))
	for i := range r.Runs {
		r.Float += r.Runs[i].Float / n
		r.Fixed += r.Runs[i].Fixed / n
		r.Seconds += secondsOf(r.Runs[i].History) / n
	}
	if len(r.uncompiled()) > 0 {
		r.Fixed = 0 // the others are no measure of all
	}
}

// uncompiled returns the runs that should have been compiled and could not be.
func (r *trainReport) uncompiled() (runs []*trainedRun) {
	for i := range r.Runs {
		if r.Runs[i].Uncompiled != "" {
			runs = append(runs, &r.Runs[i])
		}
	}
	return runs
}

func (r *trainReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s on %s, %s: accuracy on the %d test images\n", r.Network, r.Data, r.Activation, r.Runs[0].TestImages)
	var first *trainedRun // that is compiled
	for i := range r.Runs {
		run := &r.Runs[i]
		fmt.Fprintf(w, "  seed %-4d  float %6.2f %%", run.Seed, 100*run.Float)
		switch {
		case run.Model != "":
			fmt.Fprintf(w, "   fixed point %6.2f %%", 100*run.Fixed)
			if first == nil {
				first = run
			}
		case run.Uncompiled != "":
			fmt.Fprint(w, "   not in fixed point")
		}
		fmt.Fprintf(w, "   largest pre-activation %s   trained in %s\n", magnitude(largestOf(run.Largest)), time.Duration(secondsOf(run.History)*float64(time.Second)).Round(time.Second))
	}
	if len(r.Runs) > 1 {
		fmt.Fprintf(w, "  mean       float %6.2f %%", 100*r.Float)
		if r.Fixed > 0 {
			fmt.Fprintf(w, "   fixed point %6.2f %%", 100*r.Fixed)
		}
		fmt.Fprintln(w)
	}
	switch {
	case r.Activation == training.Relu:
		fmt.Fprintln(w, "\nNothing is compiled: ReLU cannot be evaluated privately. To hold polynomials against it: pillar compare")
	case first != nil:
		r.printNext(w, first)
	}
}

// printNext says what can be done with a compiled network.
func (r *trainReport) printNext(w io.Writer, run *trainedRun) {
	which := ""
	if len(r.Runs) > 1 {
		which = fmt.Sprintf(" (that of seed %d; the others lie beside it)", run.Seed)
	}
	private := fmt.Sprint(min(200, run.TestImages))
	fmt.Fprintf(w, `
the network:   %s%s
  for servers  %s …
  for clients  %s
  its costs    %s
  accuracy     %s
`, run.Model, which,
		commandline.Words("pascaline", "serve", "--model", run.Model),
		planPath(run.Model),
		commandline.Words("pascaline", "plan", run.Model),
		commandline.Words(append([]string{"pascaline", "eval", run.Model, "--private", private}, r.evaluated...)...))
}

// magnitude writes the size of a value with three digits, or that there was none.
func magnitude(v float64) string {
	if v >= math.MaxFloat32 {
		return "overflows"
	}
	return fmt.Sprintf("%.3g", v)
}

func largestOf(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// finite replaces what JSON cannot say by the largest number that networks are
// computed in.
func finite(values []float64) []float64 {
	for i, v := range values {
		if !(v <= math.MaxFloat32) {
			values[i] = math.MaxFloat32
		}
	}
	return values
}

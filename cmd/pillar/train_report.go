package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"pascaline/cmd/pillar/internal/training"
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
}

// trainedRun is one training run.
type trainedRun struct {
	Seed       uint64  `json:"seed"`
	TestImages int     `json:"testImages"`
	Float      float64 `json:"float"`           // accuracy on the test split, in real numbers
	Fixed      float64 `json:"fixed,omitempty"` // in the integers of private inference
	// Largest has of every activation layer the largest pre-activation of the test
	// split, where nothing is clipped.
	Largest []float64        `json:"largest"`
	History []training.Epoch `json:"history"`
	Model   string           `json:"model,omitempty"`
}

func (r *trainedRun) seconds() (s float64) {
	for _, e := range r.History {
		s += e.Seconds
	}
	return s
}

func (r *trainReport) mean() {
	n := float64(len(r.Runs))
	for i := range r.Runs {
		r.Float += r.Runs[i].Float / n
		r.Fixed += r.Runs[i].Fixed / n
		r.Seconds += r.Runs[i].seconds() / n
	}
}

func (r *trainReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s on %s, %s: accuracy on the %d test images\n", r.Network, r.Data, r.Activation, r.Runs[0].TestImages)
	for i := range r.Runs {
		run := &r.Runs[i]
		fmt.Fprintf(w, "  seed %-4d  float %6.2f %%", run.Seed, 100*run.Float)
		if run.Model != "" {
			fmt.Fprintf(w, "   fixed point %6.2f %%", 100*run.Fixed)
		}
		fmt.Fprintf(w, "   largest pre-activation %.3g   trained in %s\n", largestOf(run.Largest), time.Duration(run.seconds()*float64(time.Second)).Round(time.Second))
	}
	if len(r.Runs) > 1 {
		fmt.Fprintf(w, "  mean       float %6.2f %%", 100*r.Float)
		if r.Fixed > 0 {
			fmt.Fprintf(w, "   fixed point %6.2f %%", 100*r.Fixed)
		}
		fmt.Fprintln(w)
	}
	if last := r.Runs[len(r.Runs)-1]; last.Model != "" {
		fmt.Fprintf(w, "\nthe server:  pascaline serve --model %s …\nits clients: the .plan file beside it\n", last.Model)
	}
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

// trainDisplay shows how training gets on: a bar for every epoch on a terminal, and a
// line after it anywhere.
type trainDisplay struct {
	w       io.Writer
	options training.Options
	bar     *progressbar.ProgressBar
	tty     bool
}

func newTrainDisplay(w *os.File, o training.Options, history []training.Epoch) *trainDisplay {
	d := &trainDisplay{w: w, options: o, tty: term.IsTerminal(int(w.Fd()))}
	if n := len(history); n > 0 {
		fmt.Fprintf(w, "going on after epoch %d of %d\n", n, o.Epochs)
	}
	return d
}

func (d *trainDisplay) progress(p training.Progress) {
	if !d.tty {
		return
	}
	if d.bar == nil {
		d.bar = progressbar.NewOptions(p.Of,
			progressbar.OptionSetWriter(d.w),
			progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("images"),
			progressbar.OptionClearOnFinish(),
		)
	}
	d.bar.Describe(fmt.Sprintf("epoch %d of %d  loss %.3f  accuracy %5.2f %%  escaped %.3g %%  largest %.3g",
		p.Epoch, p.Epochs, p.Loss, 100*p.Accuracy, 100*p.Escaped, p.Largest))
	d.bar.Set(p.Images)
}

func (d *trainDisplay) finish() {
	if d.bar != nil {
		d.bar.Finish()
		d.bar = nil
	}
}

func (d *trainDisplay) done(e training.Epoch) {
	d.finish()
	held := ""
	if d.options.HoldOut > 0 {
		held = fmt.Sprintf("  held out %5.2f %%", 100*e.Held)
	}
	fmt.Fprintf(d.w, "epoch %*d of %d  loss %.3f  accuracy %5.2f %%%s  escaped %.3g %%  largest %.3g (unclipped %.3g)  %s\n",
		len(fmt.Sprint(d.options.Epochs)), e.Epoch, d.options.Epochs, e.Loss, 100*e.Accuracy, held, 100*e.Escaped, e.Largest, e.HeldLargest,
		time.Duration(e.Seconds*float64(time.Second)).Round(time.Second/10))
}

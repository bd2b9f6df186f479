package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"pascaline/cmd/pillar/internal/training"
)

// trainDisplay shows how training gets on: a bar for every epoch on a terminal, and a
// line after it anywhere.
type trainDisplay struct {
	w       io.Writer
	options training.Options
	images  int    // of an epoch
	prefix  string // of every line: the seed, where there are several
	bar     *progressbar.ProgressBar
	tty     bool
}

func newTrainDisplay(w *os.File, run *training.Run, several bool) *trainDisplay {
	o := run.Options
	d := &trainDisplay{w: w, options: o, images: run.Images(), tty: term.IsTerminal(int(w.Fd()))}
	if several {
		d.prefix = fmt.Sprintf("seed %d  ", o.Seed)
	}
	switch n := len(run.History); n {
	case 0:
	case o.Epochs:
		fmt.Fprintf(w, "%sall %d epochs are in the checkpoint\n", d.prefix, n)
	default:
		fmt.Fprintf(w, "%sgoing on after epoch %d of %d\n", d.prefix, n, o.Epochs)
	}
	return d
}

// show moves the bar of a terminal to so many images.
func (d *trainDisplay) show(images, of int, description string) {
	if !d.tty {
		return
	}
	if d.bar == nil {
		d.bar = progressbar.NewOptions(of,
			progressbar.OptionSetWriter(d.w),
			progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("images"),
			progressbar.OptionClearOnFinish(),
		)
	}
	d.bar.Describe(d.prefix + description)
	d.bar.Set(images)
}

func (d *trainDisplay) finish() {
	if d.bar != nil {
		d.bar.Finish()
		d.bar = nil
	}
}

func (d *trainDisplay) progress(p training.Progress) {
	d.show(p.Images, p.Of, fmt.Sprintf("epoch %d of %d  loss %.3f  accuracy %5.2f %%  escaped %.3g %%  largest %s",
		p.Epoch, p.Epochs, p.Loss, 100*p.Accuracy, 100*p.Escaped, magnitude(p.Largest)))
}

func (d *trainDisplay) done(e training.Epoch) {
	d.finish()
	held, unclipped := "", ""
	if d.options.HoldOut > 0 {
		held = fmt.Sprintf("  held out %5.2f %%", 100*e.Held)
		unclipped = fmt.Sprintf(" (unclipped %s)", magnitude(e.HeldLargest))
	}
	fmt.Fprintf(d.w, "%sepoch %*d of %d  loss %.3f  accuracy %5.2f %%%s  escaped %.3g %%  largest %s%s  %s, %.0f images/s\n",
		d.prefix, len(fmt.Sprint(d.options.Epochs)), e.Epoch, d.options.Epochs, e.Loss, 100*e.Accuracy, held, 100*e.Escaped, magnitude(e.Largest), unclipped,
		time.Duration(e.Seconds*float64(time.Second)).Round(time.Second/10),
		float64(d.images)/e.Seconds)
}

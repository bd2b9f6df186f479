package main

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pascaline/internal/figure"
)

// The largest pre-activations that a plot tells apart: a network that does without
// its range can reach what float32 cannot hold.
const (
	leastDrawn = 0.1
	mostDrawn  = 1e6
)

// curves are the two panels of a plot, a line in each for every row or several.
type curves struct {
	accuracy, largest *plot.Plot
	legend            plot.Legend
	least, most       float64 // of the largest pre-activations
}

func newCurves(title, accuracy, largest, x string) *curves {
	c := &curves{accuracy: figure.New(title, "", accuracy), largest: figure.New("", x, largest), legend: plot.NewLegend(),
		least: math.Inf(1), most: math.Inf(-1)}
	c.largest.Title.Padding = 0
	c.legend.Top, c.legend.Left = true, true
	c.legend.Padding = vg.Points(4)
	c.legend.TextStyle.Font.Size = vg.Points(9.5)
	return c
}

// plotComparison draws a comparison against epoch, penalty or degree.
func plotComparison(path, against string, c *comparison) error {
	var drawn *curves
	var err error
	if against == "epoch" {
		drawn, err = c.overEpochs()
	} else {
		drawn, err = c.against(against)
	}
	if err != nil {
		return err
	}
	drawn.rangeLines(c)
	figure.Logarithmic(&drawn.largest.Y, drawn.least/1.3, drawn.most*1.3)
	if ticks, ok := drawn.largest.Y.Tick.Marker.(plot.ConstantTicks); ok {
		for i := range ticks {
			if ticks[i].Value >= mostDrawn*(1-1e-9) && ticks[i].Label != "" {
				ticks[i].Label = "> " + ticks[i].Label
			}
		}
	}
	margin := max(0.2, (drawn.accuracy.Y.Max-drawn.accuracy.Y.Min)/20)
	drawn.accuracy.Y.Min, drawn.accuracy.Y.Max = drawn.accuracy.Y.Min-margin, min(100, drawn.accuracy.Y.Max+margin)
	drawn.largest.X.Min, drawn.largest.X.Max = drawn.accuracy.X.Min, drawn.accuracy.X.Max
	drawn.largest.X.Scale, drawn.largest.X.Tick = drawn.accuracy.X.Scale, drawn.accuracy.X.Tick
	return figure.SaveWithLegend(path, 17*vg.Centimeter, 17*vg.Centimeter, &drawn.legend, drawn.accuracy, drawn.largest)
}

// overEpochs draws a line for every row.
func (c *comparison) overEpochs() (*curves, error) {
	if len(c.Entries) > figure.MostSeries {
		return nil, fmt.Errorf("%d runs are to be drawn, and more than %d lines cannot be told apart: name fewer", len(c.Entries), figure.MostSeries)
	}
	common, labels := names(c.Entries)
	heldOut := !slices.ContainsFunc(c.Entries, func(e *entry) bool { return e.options.HoldOut == 0 })
	accuracy := "accuracy (%)"
	if heldOut {
		accuracy = "accuracy on images held out (%)"
	}
	d := newCurves(common, accuracy, "largest pre-activation", "epoch")
	epochs, least, most := 1, math.Inf(1), math.Inf(-1)
	polynomials, relu := 0, 0
	for i, e := range c.Entries {
		hue, dashes := figure.Grey, reluDashes(relu)
		if e.degree > 0 {
			hue, dashes = figure.Series(polynomials)
			polynomials++
		} else {
			relu++
		}
		label := labels[i]
		if !heldOut && e.options.HoldOut == 0 {
			label = join(label, "on images trained on")
		}
		lines := e.perEpoch()
		epochs = max(epochs, len(lines.mean))
		// Where the penalty begins alone, nothing is learned yet: the line may come from
		// below the panel.
		first := 0
		if e.Penalty > 0 {
			first = min(1, len(lines.mean)-1)
		}
		for k := first; k < len(lines.mean); k++ {
			least, most = min(least, lines.worst[k].Y), max(most, lines.best[k].Y)
		}
		if err := d.band(lines.worst, lines.best, hue); err != nil {
			return nil, err
		}
		line, err := d.lines(lines.mean, lines.largest, hue, dashes, len(lines.mean) == 1)
		if err != nil {
			return nil, err
		}
		d.legend.Add(short(label), line...)
	}
	d.accuracy.X.Min, d.accuracy.X.Max = 0.5, float64(epochs)+0.5
	d.accuracy.X.Tick.Marker = wholeTicks(epochs)
	d.accuracy.Y.Min, d.accuracy.Y.Max = least, most
	return d, nil
}

// reluDashes returns the dashes of the grey lines that stand for ReLU.
func reluDashes(i int) []vg.Length {
	return [][]vg.Length{figure.Dotted, figure.Dashed, figure.Solid}[i%3]
}

// drawable brings a size into what is drawn.
func drawable(v float64) float64 { return max(leastDrawn, min(mostDrawn, v)) }

// epochLines are what is drawn of the epochs that all seeds of a row have.
type epochLines struct {
	mean, worst, best, largest plotter.XYs
}

func (e *entry) perEpoch() (l epochLines) {
	epochs := math.MaxInt
	for _, run := range e.runs {
		epochs = min(epochs, len(run.history))
	}
	for i := range epochs {
		var accuracy []float64
		largest := 0.0
		for _, run := range e.runs {
			epoch := &run.history[i]
			if e.options.HoldOut > 0 {
				accuracy, largest = append(accuracy, 100*epoch.Held), max(largest, epoch.HeldLargest)
			} else {
				accuracy, largest = append(accuracy, 100*epoch.Accuracy), max(largest, epoch.Largest)
			}
		}
		x := float64(i + 1)
		l.mean = append(l.mean, plotter.XY{X: x, Y: newSpread(accuracy).Mean})
		l.worst = append(l.worst, plotter.XY{X: x, Y: slices.Min(accuracy)})
		l.best = append(l.best, plotter.XY{X: x, Y: slices.Max(accuracy)})
		l.largest = append(l.largest, plotter.XY{X: x, Y: largest})
	}
	return l
}

// wholeTicks returns ticks at epochs, of which there are some at most ten.
func wholeTicks(epochs int) (t plot.ConstantTicks) {
	step := 1
	for _, s := range []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000} {
		if step = s; epochs/s <= 10 {
			break
		}
	}
	for v := step; v <= epochs; v += step {
		t = append(t, plot.Tick{Value: float64(v), Label: fmt.Sprint(v)})
	}
	return t
}

// lines draws a line into each panel, with or without its points, and returns what
// stands for it in the legend.
func (d *curves) lines(accuracy, largest plotter.XYs, hue color.Color, dashes []vg.Length, points bool) ([]plot.Thumbnailer, error) {
	var thumbs []plot.Thumbnailer
	largest = slices.Clone(largest)
	for i := range largest {
		largest[i].Y = drawable(largest[i].Y)
		d.least, d.most = min(d.least, largest[i].Y), max(d.most, largest[i].Y)
	}
	for i, panel := range []*plot.Plot{d.accuracy, d.largest} {
		xys := [...]plotter.XYs{accuracy, largest}[i]
		line, err := figure.Line(panel, xys, hue, dashes)
		if err != nil {
			return nil, err
		}
		thumbs = []plot.Thumbnailer{line}
		if points {
			dots, err := plotter.NewScatter(xys)
			if err != nil {
				return nil, err
			}
			dots.Color, dots.Shape, dots.Radius = hue, draw.CircleGlyph{}, vg.Points(2.5)
			panel.Add(dots)
			thumbs = append(thumbs, dots)
		}
	}
	return thumbs, nil
}

// band fills what lies between the worst and the best seed.
func (d *curves) band(worst, best plotter.XYs, hue color.NRGBA) error {
	if slices.Equal(worst, best) {
		return nil
	}
	outline := slices.Clone(best)
	for _, xy := range slices.Backward(worst) {
		outline = append(outline, xy)
	}
	area, err := plotter.NewPolygon(outline)
	if err != nil {
		return err
	}
	hue.A = 0x30
	area.Color, area.LineStyle.Width = hue, 0
	d.accuracy.Add(area)
	return nil
}

// mostOfName is how many letters of a name a legend has.
const mostOfName = 60

func short(name string) string {
	if letters := []rune(name); len(letters) > mostOfName {
		return string(letters[:mostOfName-1]) + "…"
	}
	return name
}

// rangeLines draws the ranges that polynomials were fitted on.
func (d *curves) rangeLines(c *comparison) {
	drawn := map[float64]bool{}
	for _, e := range c.Entries {
		if e.bound == 0 || drawn[e.bound] {
			continue
		}
		drawn[e.bound] = true
		bound := e.bound
		line := plotter.NewFunction(func(float64) float64 { return bound })
		line.Color, line.Width, line.Dashes = figure.Grey, vg.Points(1), figure.Dashed
		d.largest.Add(line)
		d.legend.Add("range ±"+figure.Number(bound), line)
		d.least, d.most = min(d.least, bound), max(d.most, bound)
	}
}

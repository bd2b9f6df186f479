package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pascaline/internal/figure"
)

// sweep is rows that differ in what a plot is drawn against, and in nothing else.
type sweep struct {
	name   string
	points []*entry // by what the plot is drawn against
	levels []*entry // rows without a penalty, if that is what the plot is drawn against
}

// against draws what finished runs came to against their penalty or degree: a line for
// each sweep, and level ones for ReLU and for networks without a penalty.
func (c *comparison) against(what string) (*curves, error) {
	traits := []trait{(*entry).networkName, (*entry).dataName, (*entry).activationName, (*entry).othersName}
	x, label, fallback := func(e *entry) float64 { return e.Penalty }, "penalty β", "with penalty"
	if what == "degree" {
		traits = []trait{(*entry).networkName, (*entry).dataName, (*entry).rangeName, (*entry).penaltyName, (*entry).othersName}
		x, label, fallback = func(e *entry) float64 { return float64(e.degree) }, "degree", "polynomials"
	}
	var polynomials, relu []*entry
	for _, e := range c.Entries {
		switch {
		case e.Float == nil: // a warning has said that it is not finished
		case e.degree == 0:
			relu = append(relu, e)
		default:
			polynomials = append(polynomials, e)
		}
	}
	common, sweeps := sweepsOf(polynomials, traits, what == "penalty")
	var values []float64
	for i := range sweeps {
		points := sweeps[i].points
		slices.SortStableFunc(points, func(a, b *entry) int { return cmp.Compare(x(a), x(b)) })
		for _, e := range points {
			values = append(values, x(e))
		}
	}
	if len(values) == 0 || slices.Min(values) == slices.Max(values) {
		return nil, fmt.Errorf("finished runs of two different values of %s are needed for a line against it", label)
	}
	if len(sweeps)+len(relu) > figure.MostSeries {
		return nil, errors.New("there are too many lines to be told apart: name fewer runs")
	}
	slices.Sort(values)
	values = slices.Compact(values)
	least, most := values[0], values[len(values)-1]
	d := newCurves(common, "accuracy on the test images (%)", "largest pre-activation", label)
	if what == "degree" {
		d.accuracy.X.Min, d.accuracy.X.Max = least-0.5, most+0.5
		var ticks plot.ConstantTicks
		for _, v := range values {
			ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
		}
		d.accuracy.X.Tick.Marker = ticks
	} else {
		figure.Logarithmic(&d.accuracy.X, least/2, most*2)
	}
	for i := range sweeps {
		if err := d.sweep(&sweeps[i], x, i, fallback); err != nil {
			return nil, err
		}
	}
	_, names := describe(relu, (*entry).networkName, (*entry).dataName, (*entry).othersName)
	for i, e := range relu {
		style := draw.LineStyle{Color: figure.Grey, Width: vg.Points(1.5), Dashes: reluDashes(i)}
		d.legend.Add(short(join("ReLU", names[i])), level(d.accuracy, 100*e.Float.Mean, style))
	}
	return d, nil
}

// sweepsOf divides rows by their traits. Rows without a penalty are apart if that is
// what the plot is drawn against, whose axis has no zero.
func sweepsOf(entries []*entry, traits []trait, byPenalty bool) (common string, sweeps []sweep) {
	common, names := describe(entries, traits...)
	for i, e := range entries {
		k := slices.IndexFunc(sweeps, func(s sweep) bool { return s.name == names[i] })
		if k < 0 {
			k = len(sweeps)
			sweeps = append(sweeps, sweep{name: names[i]})
		}
		if byPenalty && e.Penalty == 0 {
			sweeps[k].levels = append(sweeps[k].levels, e)
		} else {
			sweeps[k].points = append(sweeps[k].points, e)
		}
	}
	return common, sweeps
}

// sweep draws a sweep, under the name fallback if it needs none.
func (d *curves) sweep(s *sweep, x func(*entry) float64, i int, fallback string) error {
	hue, dashes := figure.Series(i)
	var accuracy, largest plotter.XYs
	var errorBars plotter.YErrors
	for _, e := range s.points {
		a := e.accuracy()
		accuracy = append(accuracy, plotter.XY{X: x(e), Y: 100 * a.Mean})
		largest = append(largest, plotter.XY{X: x(e), Y: *e.Largest})
		errorBars = append(errorBars, struct{ Low, High float64 }{100 * a.Half, 100 * a.Half})
	}
	if len(s.points) > 0 {
		line, err := d.lines(accuracy, largest, hue, dashes, true)
		if err != nil {
			return err
		}
		bars, err := plotter.NewYErrorBars(struct {
			plotter.XYs
			plotter.YErrors
		}{accuracy, errorBars})
		if err != nil {
			return err
		}
		bars.Color, bars.Width = hue, vg.Points(1)
		d.accuracy.Add(bars)
		d.legend.Add(short(cmp.Or(s.name, fallback)), line...)
	}
	style := draw.LineStyle{Color: hue, Width: vg.Points(1.5), Dashes: figure.Dotted}
	for k, e := range s.levels {
		d.level(*e.Largest, style)
		line := level(d.accuracy, 100*e.accuracy().Mean, style)
		if k == 0 {
			d.legend.Add(short(join(s.name, "no penalty")), line)
		}
	}
	return nil
}

// level draws a level line into the panel of the largest pre-activations.
func (d *curves) level(size float64, style draw.LineStyle) {
	size = drawable(size)
	d.least, d.most = min(d.least, size), max(d.most, size)
	level(d.largest, size, style)
}

// level draws a level line at y.
func level(p *plot.Plot, y float64, style draw.LineStyle) plot.Thumbnailer {
	line := plotter.NewFunction(func(float64) float64 { return y })
	line.LineStyle = style
	p.Add(line)
	p.Y.Min, p.Y.Max = min(p.Y.Min, y), max(p.Y.Max, y)
	return line
}

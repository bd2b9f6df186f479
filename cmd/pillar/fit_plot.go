package main

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pascaline/internal/figure"
	"pascaline/pillar"
)

// beyond is how far a plot goes, in ranges of the fit: outside, a polynomial is
// something else, and one should see what.
const beyond = 1.5

// curvePoints is how many points a curve is drawn from.
const curvePoints = 600

// pale is the polynomial where nobody fitted it.
var pale = color.NRGBA{R: 0x9d, G: 0xc0, B: 0xdc, A: 0xff}

// plotFit draws function and polynomial, and below them the errors.
func plotFit(path string, r *fitReport, p *pillar.Problem, f *pillar.Fitted) error {
	above, err := plotFunction(r, p)
	if err != nil {
		return err
	}
	below, err := plotError(p, f)
	if err != nil {
		return err
	}
	return figure.Save(path, 18*vg.Centimeter, 18*vg.Centimeter, above, below)
}

func plotFunction(r *fitReport, p *pillar.Problem) (*plot.Plot, error) {
	panel := figure.New(fmt.Sprintf("%s on [%v, %v]: degree %d, coefficients over 2^%d", r.Function, r.Lo, r.Hi, len(r.Coefficients)-1, r.Q), "", "")
	polynomial := func(x float64) float64 { return pillar.Eval(r.Coefficients, x) }
	lo, hi := widened(p)
	least, most := math.Inf(1), math.Inf(-1)
	include := func(points plotter.XYs) {
		for _, xy := range points {
			least, most = min(least, xy.Y), max(most, xy.Y)
		}
	}
	inside := curve(polynomial, p.Lo, p.Hi)
	include(inside)
	if p.Function != nil {
		function := curve(p.Function, lo, hi)
		include(function)
		line, err := figure.Line(panel, function, figure.Orange, figure.Solid)
		if err != nil {
			return nil, err
		}
		panel.Legend.Add(r.Function, line)
	} else {
		samples := make(plotter.XYs, len(p.Samples))
		for i, s := range p.Samples {
			samples[i] = plotter.XY(s)
		}
		include(samples)
		dots, err := plotter.NewScatter(samples)
		if err != nil {
			return nil, err
		}
		dots.Color, dots.Shape, dots.Radius = figure.Orange, draw.CircleGlyph{}, vg.Points(1.5)
		panel.Add(dots)
		panel.Legend.Add(r.Function, dots)
	}
	for _, outside := range []plotter.XYs{curve(polynomial, lo, p.Lo), curve(polynomial, p.Hi, hi)} {
		if _, err := figure.Line(panel, outside, pale, figure.Solid); err != nil {
			return nil, err
		}
	}
	line, err := figure.Line(panel, inside, figure.Blue, figure.Solid)
	if err != nil {
		return nil, err
	}
	panel.Legend.Add("polynomial", line)
	margin := (most - least) / 6
	panel.X.Min, panel.X.Max = lo, hi
	panel.Y.Min, panel.Y.Max = least-margin, most+margin
	return panel, nil
}

// mostOfPanel is how many times their largest error the errors may take up.
const mostOfPanel = 4

// plotError draws P(x) − f(x) for the polynomial, the real optimum, and what
// rounding makes of that.
func plotError(p *pillar.Problem, f *pillar.Fitted) (*plot.Plot, error) {
	panel := figure.New("error", "x", "")
	lo, hi := widened(p)
	largest := 0.0
	for _, of := range []struct {
		name   string
		coeffs []float64
		color  color.Color
		dashes []vg.Length
	}{
		{"real optimum", f.Real, figure.Grey, figure.Dotted},
		{"real optimum, each coefficient rounded", f.Rounded(), figure.Orange, figure.Dashed},
		{"best integer coefficients", f.Coeffs(), figure.Blue, figure.Solid},
	} {
		points := residuals(p, of.coeffs)
		for _, xy := range points {
			if of.color != figure.Orange {
				largest = max(largest, math.Abs(xy.Y))
			}
		}
		line, err := figure.Line(panel, points, of.color, of.dashes)
		if err != nil {
			return nil, err
		}
		panel.Legend.Add(of.name, line)
	}
	// Rounding is free to leave the panel: the others would be flat otherwise.
	panel.X.Min, panel.X.Max = lo, hi
	panel.Y.Max = min(panel.Y.Max, mostOfPanel*largest)
	panel.Y.Min = max(panel.Y.Min, -mostOfPanel*largest)
	panel.Y.Max += (panel.Y.Max - panel.Y.Min) / 3 // for the legend
	return panel, nil
}

// residuals returns P(x) − f(x) over the range, or at the samples.
func residuals(p *pillar.Problem, coeffs []float64) plotter.XYs {
	if p.Function != nil {
		return curve(func(x float64) float64 { return pillar.Eval(coeffs, x) - p.Function(x) }, p.Lo, p.Hi)
	}
	points := make(plotter.XYs, len(p.Samples))
	for i, s := range p.Samples {
		points[i] = plotter.XY{X: s.X, Y: pillar.Eval(coeffs, s.X) - s.Y}
	}
	slices.SortFunc(points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
	return points
}

// widened returns the range of a plot.
func widened(p *pillar.Problem) (lo, hi float64) {
	margin := (beyond - 1) * (p.Hi - p.Lo) / 2
	return p.Lo - margin, p.Hi + margin
}

func curve(f func(float64) float64, lo, hi float64) plotter.XYs {
	points := make(plotter.XYs, curvePoints+1)
	for i := range points {
		x := lo + (hi-lo)*float64(i)/curvePoints
		points[i] = plotter.XY{X: x, Y: f(x)}
	}
	return points
}

package bench

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pascaline/internal/figure"
	"pascaline/link"
)

// PlotLatency draws the latency of a network against the round trip to a PNG file:
// what was measured without a limit of bandwidth, its floor, and for a network of
// the paper what the paper's own code takes. Both are straight lines, because a
// number of round trips follow each other; so are the axes.
func PlotLatency(path string, n *Network) error {
	if err := plotLatency(path, n); err != nil {
		return fmt.Errorf("plotting the latency of %s: %w", n.Name, err)
	}
	return nil
}

func plotLatency(path string, n *Network) error {
	var measured, floors plotter.XYs
	batch := 1
	for _, o := range n.Online {
		network, err := link.ParseNetwork(o.Setting)
		if err != nil {
			return err
		}
		if network.Bandwidth == 0 {
			rtt := 2e3 * network.Delay.Seconds()
			measured = append(measured, plotter.XY{X: rtt, Y: o.Latency})
			floors = append(floors, plotter.XY{X: rtt, Y: o.Floor})
			batch = o.Batch
		}
	}
	if len(measured) < 2 {
		return fmt.Errorf("it was measured over %d networks without a limit of bandwidth, and a line needs two", len(measured))
	}
	for _, line := range []plotter.XYs{measured, floors} {
		slices.SortFunc(line, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
	}
	p := newPlot(n, batch)
	if err := addLine(p, "pascaline", measured, figure.Blue, figure.Solid, true); err != nil {
		return err
	}
	if err := addLine(p, "floor: round trips and multiplications", floors, figure.Grey, figure.Dotted, false); err != nil {
		return err
	}
	if r, ok := References[strings.Split(n.Name, "/")[0]]; ok && n.Degree == 4 && batch == 1 {
		points := plotter.XYs{{X: 0, Y: r.Loopback}, {X: 2e3 * ReferenceDelay, Y: r.Delayed}}
		if err := addLine(p, "the paper's code (ESPN), two points", points, figure.Orange, figure.Dashed, true); err != nil {
			return err
		}
	}
	return figure.Save(path, 18*vg.Centimeter, 11*vg.Centimeter, p)
}

func newPlot(n *Network, batch int) *plot.Plot {
	what := "one private inference"
	if batch > 1 {
		what = fmt.Sprintf("a batch of %d private inferences", batch)
	}
	p := figure.New(fmt.Sprintf("%s, activations of degree %d: online latency of %s", n.Name, n.Degree, what), "round trip (ms)", "latency (s)")
	p.X.Min, p.Y.Min = 0, 0
	return p
}

// addLine draws points and what joins them, with the first and last value beside
// them.
func addLine(p *plot.Plot, name string, points plotter.XYs, c color.Color, dashes []vg.Length, marks bool) error {
	line, err := figure.Line(p, points, c, dashes)
	if err != nil {
		return err
	}
	if !marks {
		p.Legend.Add(name, line)
		p.X.Max = max(p.X.Max, 1.07*points[len(points)-1].X) // room for the last values
		return nil
	}
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	dots.Color, dots.Shape, dots.Radius = c, draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(dots)
	p.Legend.Add(name, line, dots)
	first, last := points[0], points[len(points)-1]
	labels, err := plotter.NewLabels(plotter.XYLabels{
		XYs: plotter.XYs{first, last}, Labels: []string{duration(first.Y), duration(last.Y)},
	})
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Color = c
		labels.TextStyle[i].Font.Size = vg.Points(9)
	}
	labels.Offset.X, labels.Offset.Y = vg.Points(3), vg.Points(8)
	p.Add(labels)
	p.X.Max = max(p.X.Max, 1.07*last.X)
	p.Y.Max = max(p.Y.Max, 1.25*last.Y) // and for the legend
	return nil
}

// duration writes seconds with three digits.
func duration(v float64) string {
	unit := " s"
	if v < 1 {
		v, unit = 1e3*v, " ms"
	}
	return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(v)))), 64) + unit
}

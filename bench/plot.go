package bench

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"pascaline/link"
)

// Colours that differ for those who see few, too.
var (
	ours  = color.NRGBA{R: 0x00, G: 0x5a, B: 0x9c, A: 0xff}
	below = color.NRGBA{R: 0x80, G: 0x80, B: 0x80, A: 0xff}
	paper = color.NRGBA{R: 0xc8, G: 0x55, B: 0x00, A: 0xff}
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
	if err := addLine(p, "pascaline", measured, ours, nil, true); err != nil {
		return err
	}
	if err := addLine(p, "floor: round trips and multiplications", floors, below, []vg.Length{vg.Points(2), vg.Points(3)}, false); err != nil {
		return err
	}
	if r, ok := References[strings.Split(n.Name, "/")[0]]; ok && n.Degree == 4 && batch == 1 {
		points := plotter.XYs{{X: 0, Y: r.Loopback}, {X: 2e3 * ReferenceDelay, Y: r.Delayed}}
		if err := addLine(p, "the paper's code (ESPN), two points", points, paper, []vg.Length{vg.Points(6), vg.Points(4)}, true); err != nil {
			return err
		}
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks(p.X.Max), ticks(p.Y.Max)
	return save(path, p)
}

// ticks returns four to ten round numbers from 0 to most.
func ticks(most float64) (t plot.ConstantTicks) {
	step := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, factor := range []float64{5, 2} {
		if most/(factor*step) >= 4 {
			step *= factor
			break
		}
	}
	for i := range int(most/step+1e-9) + 1 {
		v := float64(i) * step
		t = append(t, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 4, 64)})
	}
	return t
}

func newPlot(n *Network, batch int) *plot.Plot {
	p := plot.New()
	what := "one private inference"
	if batch > 1 {
		what = fmt.Sprintf("a batch of %d private inferences", batch)
	}
	p.Title.Text = fmt.Sprintf("%s, activations of degree %d: online latency of %s", n.Name, n.Degree, what)
	p.Title.TextStyle.Font.Size = vg.Points(11)
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = "round trip (ms)", "latency (s)"
	p.X.Min, p.Y.Min = 0, 0
	grid := plotter.NewGrid()
	grid.Vertical.Color = color.Gray{Y: 0xe4}
	grid.Horizontal.Color = color.Gray{Y: 0xe4}
	p.Add(grid)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(8), vg.Points(-6)
	p.Legend.Padding = vg.Points(3)
	p.Legend.TextStyle.Font.Size = vg.Points(9.5)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font.Size = vg.Points(11)
		axis.Label.Padding = vg.Points(5)
	}
	return p
}

// addLine draws points and what joins them, with the first and last value beside
// them.
func addLine(p *plot.Plot, name string, points plotter.XYs, c color.Color, dashes []vg.Length, marks bool) error {
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = c, vg.Points(1.5), dashes
	dots.Color, dots.Shape, dots.Radius = c, draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(line)
	if !marks {
		p.Legend.Add(name, line)
		p.X.Max = max(p.X.Max, 1.07*points[len(points)-1].X) // room for the last values
		return nil
	}
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

func save(path string, p *plot.Plot) (err error) {
	canvas := vgimg.NewWith(vgimg.UseWH(18*vg.Centimeter, 11*vg.Centimeter), vgimg.UseDPI(150))
	area := draw.New(canvas)
	p.Draw(draw.Crop(area, vg.Points(8), vg.Points(-8), vg.Points(8), vg.Points(-8)))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

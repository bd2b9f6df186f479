// Package figure draws plots in the project's style, to PNG files.
package figure

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Colours that differ for those who see few, too.
var (
	Blue   = color.NRGBA{R: 0x00, G: 0x5a, B: 0x9c, A: 0xff}
	Grey   = color.NRGBA{R: 0x80, G: 0x80, B: 0x80, A: 0xff}
	Orange = color.NRGBA{R: 0xc8, G: 0x55, B: 0x00, A: 0xff}
)

// Dashes, short and long; Solid has none.
var (
	Solid  []vg.Length
	Dotted = []vg.Length{vg.Points(2), vg.Points(3)}
	Dashed = []vg.Length{vg.Points(6), vg.Points(4)}
)

// CheckPath returns an error if no figure can be written to path, before anything
// is computed for it.
func CheckPath(path string) error {
	if filepath.Ext(path) != ".png" {
		return errors.New("the name must end in .png")
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s", filepath.Dir(path))
	}
	return nil
}

// New returns an empty plot with a grid, and the legend at the top left.
func New(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = vg.Points(11)
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = x, y
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

// Line joins points, and adds the line to the plot but not to its legend.
func Line(p *plot.Plot, points plotter.XYs, c color.Color, dashes []vg.Length) (*plotter.Line, error) {
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width, line.Dashes = c, vg.Points(1.5), dashes
	p.Add(line)
	return line, nil
}

// ticks returns four to ten round numbers from least to most.
func ticks(least, most float64) (t plot.ConstantTicks) {
	width := most - least
	step := math.Pow(10, math.Floor(math.Log10(width/4)))
	for _, factor := range []float64{5, 2} {
		if width/(factor*step) >= 4 {
			step *= factor
			break
		}
	}
	const half = 1e-9 // of a step: what rounding may add
	for i := math.Ceil(least/step - half); i <= most/step+half; i++ {
		t = append(t, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'g', 4, 64)})
	}
	return t
}

// Save writes plots to a PNG file, one below the other with their axes
// aligned. Limits of axes are set by now; linear ones get round ticks.
func Save(path string, width, height vg.Length, plots ...*plot.Plot) (err error) {
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(150))
	area := draw.Crop(draw.New(canvas), vg.Points(8), vg.Points(-8), vg.Points(8), vg.Points(-8))
	rows := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		rows[i] = []*plot.Plot{p}
		for _, axis := range []*plot.Axis{&p.X, &p.Y} {
			if _, linear := axis.Scale.(plot.LinearScale); linear && axis.Max > axis.Min {
				axis.Tick.Marker = ticks(axis.Min, axis.Max)
			}
		}
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10)}
	for i, row := range plot.Align(rows, tiles, area) {
		plots[i].Draw(row[0])
	}
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

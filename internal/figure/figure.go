// Package figure draws plots in the project's style, to PNG files.
package figure

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Colours that differ for those who see few, too.
var (
	Blue   = color.NRGBA{R: 0x00, G: 0x5a, B: 0x9c, A: 0xff}
	Grey   = color.NRGBA{R: 0x80, G: 0x80, B: 0x80, A: 0xff}
	Orange = color.NRGBA{R: 0xc8, G: 0x55, B: 0x00, A: 0xff}
	Green  = color.NRGBA{R: 0x00, G: 0x8a, B: 0x64, A: 0xff}
	Purple = color.NRGBA{R: 0x95, G: 0x4a, B: 0xa0, A: 0xff}
	Cyan   = color.NRGBA{R: 0x4a, G: 0xa8, B: 0xdc, A: 0xff}
	Gold   = color.NRGBA{R: 0xd0, G: 0xa0, B: 0x00, A: 0xff}
)

// series are the colours of lines that are many, in order.
var series = []color.NRGBA{Blue, Orange, Green, Purple, Cyan, Gold}

// MostSeries is how many lines Series tells apart.
const MostSeries = 18

// Series returns the colour and the dashes of line i of many.
func Series(i int) (color.NRGBA, []vg.Length) {
	return series[i%len(series)], [][]vg.Length{Solid, Dashed, Dotted}[i/len(series)%3]
}

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

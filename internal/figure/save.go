package figure

import (
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"pascaline/internal/whole"
)

// Save writes plots to a PNG file, one below the other with their axes
// aligned. Limits of axes are set by now; linear ones without ticks of their own
// get round ones.
func Save(path string, width, height vg.Length, plots ...*plot.Plot) error {
	return SaveWithLegend(path, width, height, nil, plots...)
}

// SaveWithLegend is Save with a legend, unless nil, to the right of the plots; it is
// not part of their width.
func SaveWithLegend(path string, width, height vg.Length, legend *plot.Legend, plots ...*plot.Plot) error {
	beside := vg.Length(0)
	if legend != nil {
		beside = legend.Rectangle(draw.Canvas{}).Size().X + vg.Points(12)
	}
	canvas := vgimg.NewWith(vgimg.UseWH(width+beside, height), vgimg.UseDPI(150))
	area := draw.Crop(draw.New(canvas), vg.Points(8), vg.Points(-8), vg.Points(8), vg.Points(-8))
	if legend != nil {
		legend.Draw(draw.Crop(area, width, 0, 0, vg.Points(-24))) // from below the title on
		area = draw.Crop(area, 0, -beside, 0, 0)
	}
	rows := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		rows[i] = []*plot.Plot{p}
		for _, axis := range []*plot.Axis{&p.X, &p.Y} {
			_, linear := axis.Scale.(plot.LinearScale)
			if _, unset := axis.Tick.Marker.(plot.DefaultTicks); linear && unset && axis.Max > axis.Min {
				axis.Tick.Marker = ticks(axis.Min, axis.Max)
			}
		}
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10)}
	for i, row := range plot.Align(rows, tiles, area) {
		plots[i].Draw(row[0])
	}
	return whole.WriteFile(path, 0o644, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	})
}

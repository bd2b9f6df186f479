package dataset

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHalfBlocksShowEveryPixel(t *testing.T) {
	im := Image{H: 3, W: 4, C: 1, Pixels: []float32{
		1, 0, 1, 0,
		1, 1, 0, 0,
		0, 0.9, 0.1, 0,
	}}
	if got, want := im.Text(HalfBlocks), "█▄▀\n ▀\n"; got != want {
		t.Errorf("drawn as\n%swant\n%s", got, want)
	}
}

func TestASCIIShowsTheMeanOfTwoRows(t *testing.T) {
	im := Image{H: 2, W: 4, C: 1, Pixels: []float32{
		0, 1, 1, 0.2,
		0, 1, 0, 0.2,
	}}
	if got, want := im.Text(ASCII), " @+:\n"; got != want {
		t.Errorf("drawn as %q, want %q", got, want)
	}
}

func TestTextIsNeverWiderThanATerminal(t *testing.T) {
	for _, s := range []struct{ h, w, c, rows, cols int }{
		{28, 28, 1, 14, 28}, {32, 32, 3, 16, 32}, {224, 224, 3, 28, 56}, {57, 57, 1, 15, 29}, {1, 1, 1, 1, 1},
	} {
		im := Image{H: s.h, W: s.w, C: s.c, Pixels: make([]float32, s.h*s.w*s.c)}
		for i := range im.Pixels {
			im.Pixels[i] = 1
		}
		for _, style := range []Style{HalfBlocks, ASCII} {
			lines := strings.Split(strings.TrimSuffix(im.Text(style), "\n"), "\n")
			if len(lines) != s.rows || utf8.RuneCountInString(lines[0]) != s.cols {
				t.Errorf("%d×%d×%d, style %d: %d lines of %d", s.h, s.w, s.c, style, len(lines), utf8.RuneCountInString(lines[0]))
			}
		}
	}
}

func TestTextTakesAnyValues(t *testing.T) {
	im := Image{H: 1, W: 4, C: 1, Pixels: []float32{float32(math.NaN()), float32(math.Inf(1)), -7, 9}}
	if got := im.Text(ASCII); got != " + +\n" {
		t.Errorf("drawn as %q", got)
	}
	if got := (Image{H: 9, W: 9, C: 1}).Text(ASCII); got != "" {
		t.Errorf("an image without pixels is drawn as %q", got)
	}
}

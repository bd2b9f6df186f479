package dataset

import (
	"math"
	"strings"
)

// A Style is a way of drawing an image in characters.
type Style uint8

const (
	// HalfBlocks draws two rows of pixels in a line of text, black or white, as
	// ' ', '▀', '▄' and '█'.
	HalfBlocks Style = iota
	// ASCII draws the mean of two rows of pixels as one of ten shades.
	ASCII
)

// maxColumns is the width in characters above which a picture is drawn smaller.
const maxColumns = 56

// Text draws im for a terminal, light on dark: a column of pixels is a
// character, two rows are a line, so that a 28×28 image takes 28 columns and 14
// lines. A wider image is drawn smaller, a coloured one by its luminance. Lines
// end in '\n' and have no blanks at their ends.
func (im Image) Text(style Style) string {
	if im.H < 1 || im.W < 1 || im.C < 1 || len(im.Pixels)/im.H/im.W < im.C {
		return ""
	}
	cell := (im.W + maxColumns - 1) / maxColumns // pixels per character
	rows, cols := (im.H+cell-1)/cell, (im.W+cell-1)/cell
	var out strings.Builder
	line := make([]rune, cols)
	for y := 0; y < rows; y += 2 {
		for x := range cols {
			upper, lower := im.mean(y, x, cell), im.mean(y+1, x, cell)
			if style == ASCII {
				line[x] = shade((upper + lower) / 2)
			} else {
				line[x] = halfBlock(upper, lower)
			}
		}
		out.WriteString(strings.TrimRight(string(line), " "))
		out.WriteByte('\n')
	}
	return out.String()
}

// mean returns the mean luminance, from 0 to 1, of the cell×cell pixels in row
// y and column x of cells; of none, 0.
func (im Image) mean(y, x, cell int) float64 {
	var sum float64
	n := 0
	for py := y * cell; py < min((y+1)*cell, im.H); py++ {
		for px := x * cell; px < min((x+1)*cell, im.W); px++ {
			p := im.Pixels[(py*im.W+px)*im.C:][:im.C]
			v := float64(p[0])
			if len(p) == 3 {
				v = 0.299*v + 0.587*float64(p[1]) + 0.114*float64(p[2])
			}
			if !math.IsNaN(v) {
				sum += min(max(v, 0), 1)
			}
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

func shade(v float64) rune {
	const shades = " .:-=+*#%@"
	return rune(shades[int(math.Round(v*float64(len(shades)-1)))])
}

func halfBlock(upper, lower float64) rune {
	const threshold = 0.4 // the soft edge of a stroke belongs to it
	switch up, low := upper >= threshold, lower >= threshold; {
	case up && low:
		return '█'
	case up:
		return '▀'
	case low:
		return '▄'
	}
	return ' '
}

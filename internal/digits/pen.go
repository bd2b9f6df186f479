package digits

import (
	"image"
	"math"
)

// A point is a place on the paper: x to the right, y down. A digit is written
// about 100 high; its scale and place are found when it is drawn.
type point struct{ x, y float64 }

// A stroke is what the pen draws without being lifted.
type stroke struct {
	// through are the points it passes.
	through []point
	// straight strokes run from point to point; others curve through them
	// (cubic Béziers with Catmull-Rom's tangents). One that ends where it began
	// is closed smoothly.
	straight bool
}

// A glyph is the strokes of one digit.
type glyph []stroke

const (
	extent     = 20 // the larger side of a digit in pixels, its ink included, as in MNIST
	perSegment = 16 // straight pieces for each curved segment
)

// ink draws g as the hand h writes it.
func (g glyph) ink(h hand) *image.Gray {
	var lines [][]point
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, s := range g {
		line := s.flatten()
		for i, p := range line {
			p.x -= h.slant * p.y
			line[i] = p
			low = point{min(low.x, p.x), min(low.y, p.y)}
			high = point{max(high.x, p.x), max(high.y, p.y)}
		}
		lines = append(lines, line)
	}
	scale := (extent - 2*h.pen) / max(high.x-low.x, high.y-low.y)
	for _, line := range lines {
		for i, p := range line {
			line[i] = point{
				Size/2 + (p.x-(low.x+high.x)/2)*scale,
				Size/2 + (p.y-(low.y+high.y)/2)*scale,
			}
		}
	}
	// Drawn once to be weighed, and again in its place.
	mass := centre(cover(lines, h.pen))
	for _, line := range lines {
		for i, p := range line {
			line[i] = point{p.x + Size/2 - mass.x, p.y + Size/2 - mass.y}
		}
	}
	return cover(lines, h.pen)
}

// flatten returns s as a line of straight pieces.
func (s stroke) flatten() []point {
	n := len(s.through)
	if s.straight || n < 3 {
		return append([]point(nil), s.through...)
	}
	closed := s.through[0] == s.through[n-1]
	at := func(i int) point {
		switch {
		case i < 0 && closed:
			return s.through[n-1+i]
		case i < 0:
			return s.through[0]
		case i >= n && closed:
			return s.through[i-n+1]
		case i >= n:
			return s.through[n-1]
		}
		return s.through[i]
	}
	line := []point{s.through[0]}
	for i := range n - 1 {
		a, b := at(i), at(i+1)
		before, after := at(i-1), at(i+2)
		c1 := point{a.x + (b.x-before.x)/6, a.y + (b.y-before.y)/6}
		c2 := point{b.x - (after.x-a.x)/6, b.y - (after.y-a.y)/6}
		for k := 1; k <= perSegment; k++ {
			line = append(line, bezier(a, c1, c2, b, float64(k)/perSegment))
		}
	}
	return line
}

// bezier returns the point at t, 0 to 1, of the cubic Bézier curve from a to b.
func bezier(a, c1, c2, b point, t float64) point {
	u := 1 - t
	wa, w1, w2, wb := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
	return point{
		wa*a.x + w1*c1.x + w2*c2.x + wb*b.x,
		wa*a.y + w1*c1.y + w2*c2.y + wb*b.y,
	}
}

// cover draws lines with a round pen: a pixel is covered as far as it lies
// within the pen's radius of the nearest piece, with an edge one pixel soft.
func cover(lines [][]point, pen float64) *image.Gray {
	im := image.NewGray(image.Rect(0, 0, Size, Size))
	for y := range Size {
		for x := range Size {
			d := math.Inf(1)
			for _, line := range lines {
				for i := range len(line) - 1 {
					d = min(d, distance(point{float64(x) + 0.5, float64(y) + 0.5}, line[i], line[i+1]))
				}
			}
			im.Pix[y*im.Stride+x] = uint8(math.Round(255 * min(max(pen+0.5-d, 0), 1)))
		}
	}
	return im
}

// distance returns how far p is from the piece from a to b.
func distance(p, a, b point) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	t := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		t = min(max(((p.x-a.x)*dx+(p.y-a.y)*dy)/l, 0), 1)
	}
	return math.Hypot(p.x-a.x-t*dx, p.y-a.y-t*dy)
}

// centre returns the centre of mass of the ink.
func centre(im *image.Gray) point {
	var mass, mx, my float64
	for y := range Size {
		for x := range Size {
			v := float64(im.Pix[y*im.Stride+x])
			mass += v
			mx += v * (float64(x) + 0.5)
			my += v * (float64(y) + 0.5)
		}
	}
	if mass == 0 {
		return point{Size / 2, Size / 2}
	}
	return point{mx / mass, my / mass}
}

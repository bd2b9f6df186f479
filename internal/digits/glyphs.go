package digits

// glyphs are the digits 0 to 9.
var glyphs = [10]glyph{
	0: {
		curve(35, 0, 12, 14, 0, 45, 6, 82, 29, 100, 54, 86, 64, 50, 58, 15, 35, 0),
	},
	1: {
		line(12, 0, 8, 100),
	},
	2: {
		curve(3, 22, 12, 6, 32, 0, 52, 8, 58, 26, 50, 48, 28, 74, 0, 98),
		line(0, 98, 66, 98),
	},
	3: {
		curve(2, 10, 22, 0, 46, 4, 54, 22, 44, 40, 20, 47),
		curve(20, 47, 46, 52, 58, 72, 48, 93, 24, 100, 0, 92),
	},
	4: {
		line(10, 0, 2, 54, 62, 54),
		line(56, 4, 50, 100),
	},
	5: {
		line(58, 0, 12, 0, 8, 42),
		curve(8, 42, 28, 35, 52, 44, 60, 68, 48, 92, 22, 100, 0, 90),
	},
	6: {
		curve(48, 0, 24, 18, 6, 48, 2, 76, 14, 97, 38, 99, 54, 82, 50, 62, 32, 52, 14, 60, 3, 78),
	},
	7: {
		line(0, 4, 58, 4, 22, 100),
	},
	8: {
		curve(29, 0, 8, 8, 6, 28, 29, 46, 54, 66, 54, 90, 29, 100, 4, 90, 4, 66, 29, 46, 52, 28, 50, 8, 29, 0),
	},
	9: {
		curve(54, 16, 38, 0, 14, 4, 2, 24, 8, 46, 30, 50, 48, 36, 54, 16),
		curve(54, 16, 52, 50, 46, 76, 38, 100),
	},
}

// otherGlyphs are second forms of some digits.
var otherGlyphs = map[int]glyph{
	1: {
		line(8, 22, 26, 0, 26, 100),
		line(2, 100, 50, 100),
	},
	2: {
		curve(6, 18, 20, 2, 44, 0, 60, 14, 56, 38, 38, 68, 16, 94, 0, 96, -8, 82, 2, 68, 20, 72, 40, 92, 56, 98, 74, 90),
	},
	4: {
		line(50, 100, 50, 0, 46, 0, -6, 66, 74, 66),
	},
	7: {
		line(0, 4, 58, 4, 22, 100),
		line(8, 54, 62, 50),
	},
}

// curve and line return a stroke through points given as x, y, x, y, …
func curve(xy ...float64) stroke { return stroke{through: points(xy)} }
func line(xy ...float64) stroke  { return stroke{through: points(xy), straight: true} }

func points(xy []float64) []point {
	p := make([]point, 0, len(xy)/2)
	for ; len(xy) >= 2; xy = xy[2:] {
		p = append(p, point{xy[0], xy[1]})
	}
	return p
}

package ring

// SumPool sets dst (OutH×OutW×C) to the sums over the windows of each channel
// of src (H×W×C), mod 2^64; s.K must equal s.C. Padding counts as zeros.
func SumPool(dst, src []uint64, s ConvShape) {
	sameLength("SumPool output", len(dst), s.OutLen())
	sameLength("SumPool input", len(src), s.InLen())
	sameLength("SumPool channels", s.C, s.K)
	clear(dst)
	oh, ow := s.OutH(), s.OutW()
	columns := s.columns()
	for ky := range s.KH {
		y0, y1 := inside(oh, s.H, s.StrideH, ky-s.PadTop)
		for y := y0; y < y1; y++ {
			row := (y*s.StrideH + ky - s.PadTop) * s.W
			for _, c := range columns {
				for x := c.x0; x < c.x1; x++ {
					out := dst[(y*ow+x)*s.C:][:s.C]
					for kx := c.kx0; kx < c.kx1; kx++ {
						Add(out, out, src[(row+x*s.StrideW-s.PadLeft+kx)*s.C:][:s.C])
					}
				}
			}
		}
	}
}

package ring

// SumPool sets dst (OutH×OutW×C) to the sums over the windows of each channel
// of src (H×W×C), mod 2^64; s.K must equal s.C. Padding counts as zeros.
func SumPool(dst, src []uint64, s ConvShape) { SumPoolRows(dst, src, s, 0, s.OutH()) }

// SumPoolRows is [SumPool] for the output rows y0 to y1 (exclusive) alone; dst and
// src are whole tensors.
func SumPoolRows(dst, src []uint64, s ConvShape, y0, y1 int) {
	sameLength("SumPool output", len(dst), s.OutLen())
	sameLength("SumPool input", len(src), s.InLen())
	sameLength("SumPool channels", s.C, s.K)
	oh, ow := s.OutH(), s.OutW()
	clear(dst[y0*ow*s.C : y1*ow*s.C])
	columns := s.columns()
	for ky := range s.KH {
		from, to := inside(oh, s.H, s.StrideH, ky-s.PadTop)
		for y := max(from, y0); y < min(to, y1); y++ {
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

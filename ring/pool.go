package ring

// SumPool sets dst (OutH×OutW×C) to the sums over the windows of each channel
// of src (H×W×C), mod 2^64; s.K must equal s.C. Padding counts as zeros.
func SumPool(dst, src []uint64, s ConvShape) {
	sameLength("SumPool output", len(dst), s.OutLen())
	sameLength("SumPool input", len(src), s.InLen())
	sameLength("SumPool channels", s.C, s.K)
	clear(dst)
	oh, ow := s.OutH(), s.OutW()
	for y := range oh {
		for x := range ow {
			out := dst[(y*ow+x)*s.C:][:s.C]
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
					if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
						continue
					}
					Add(out, out, src[(iy*s.W+ix)*s.C:][:s.C])
				}
			}
		}
	}
}

package ring

// ConvWide is [Conv] with weights mod 2^64.
func ConvWide(dst, src, w []uint64, s ConvShape) {
	sameLength("ConvWide output", len(dst), s.OutLen())
	sameLength("ConvWide input", len(src), s.InLen())
	sameLength("ConvWide weights", len(w), s.WeightLen())
	clear(dst)
	for y := range s.OutH() {
		for x := range s.OutW() {
			out := dst[(y*s.OutW()+x)*s.K:][:s.K]
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
					if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
						continue
					}
					for c := range s.C {
						v, row := src[(iy*s.W+ix)*s.C+c], w[((ky*s.KW+kx)*s.C+c)*s.K:][:s.K]
						for k := range out {
							out[k] += v * row[k]
						}
					}
				}
			}
		}
	}
}

package ring

// Conv sets dst (OutH×OutW×K) to the convolution of the image src (H×W×C) with
// the weights w (KH×KW×C×K), mod 2^64. dst must not overlap src.
func Conv(dst, src []uint64, w []int16, s ConvShape) {
	sameLength("Conv output", len(dst), s.OutLen())
	sameLength("Conv input", len(src), s.InLen())
	sameLength("Conv weights", len(w), s.WeightLen())
	clear(dst)
	oh, ow := s.OutH(), s.OutW()
	for y := range oh {
		for x := range ow {
			out := dst[(y*ow+x)*s.K:][:s.K]
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
					if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
						continue
					}
					for c := range s.C {
						v := src[(iy*s.W+ix)*s.C+c]
						row := w[((ky*s.KW+kx)*s.C+c)*s.K:][:s.K]
						for k, wk := range row {
							out[k] += v * uint64(int64(wk))
						}
					}
				}
			}
		}
	}
}

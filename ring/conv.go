package ring

// Conv sets dst (OutH×OutW×K) to the convolution of the image src (H×W×C) with
// the weights w (KH×KW×C×K), mod 2^64, on all cores. dst must not overlap src.
// For more than one image make a [Kernel].
func Conv(dst, src []uint64, w []int16, s ConvShape) {
	sameLength("Conv output", len(dst), s.OutLen())
	sameLength("Conv input", len(src), s.InLen())
	sameLength("Conv weights", len(w), s.WeightLen())
	clear(dst)
	NewKernel(w, s).AddRows([][]uint64{dst}, [][]uint64{src}, 0, s.OutH())
}

// MatMul sets dst (rows×out) to the product of src (rows×in) by w (in×out), mod
// 2^64, on all cores. dst must not overlap src.
func MatMul(dst, src []uint64, w []int16, rows, in, out int) {
	sameLength("MatMul output", len(dst), rows*out)
	sameLength("MatMul input", len(src), rows*in)
	sameLength("MatMul weights", len(w), in*out)
	clear(dst)
	if len(dst) == 0 || in == 0 {
		return
	}
	s := LinearShape(in, out)
	s.W = rows
	NewKernel(w, s).AddRows([][]uint64{dst}, [][]uint64{src}, 0, 1)
}

// pointwise reports whether the convolution is the product of the (H·W)×C image
// by the C×K weights.
func (s ConvShape) pointwise() bool {
	return s.KH == 1 && s.KW == 1 && s.StrideH == 1 && s.StrideW == 1 &&
		s.PadTop == 0 && s.PadLeft == 0 && s.PadBottom == 0 && s.PadRight == 0
}

// columnRange is a range of output columns, x0 to x1, that the same columns of
// the kernel, kx0 to kx1, reach without touching the padding.
type columnRange struct{ x0, x1, kx0, kx1 int }

// columns splits the columns of the output; those that lie wholly in the
// padding are left out.
func (s ConvShape) columns() []columnRange {
	var all []columnRange
	for x := range s.OutW() {
		left := x*s.StrideW - s.PadLeft
		kx0, kx1 := max(0, -left), min(s.KW, s.W-left)
		if kx0 >= kx1 {
			continue
		}
		if n := len(all); n > 0 && all[n-1].x1 == x && all[n-1].kx0 == kx0 && all[n-1].kx1 == kx1 {
			all[n-1].x1++
		} else {
			all = append(all, columnRange{x, x + 1, kx0, kx1})
		}
	}
	return all
}

// inside returns the range of i below out for which i·stride + offset lies from
// 0 to n (exclusive).
func inside(out, n, stride, offset int) (from, to int) {
	from = (max(0, -offset) + stride - 1) / stride
	to = (max(0, n-offset) + stride - 1) / stride
	return from, min(out, to)
}

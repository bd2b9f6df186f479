package ring

// Conv sets dst (OutH×OutW×K) to the convolution of the image src (H×W×C) with
// the weights w (KH×KW×C×K), mod 2^64. dst must not overlap src.
//
// In NHWC the inputs that one kernel row needs for one pixel are one contiguous
// run of KW·C elements, and so are the weights of that row: a convolution is KH
// matrix products whose left-hand rows overlap. Nothing is copied but weights;
// at the left and right edges, where padding cuts the run short, so is the
// product.
func Conv(dst, src []uint64, w []int16, s ConvShape) {
	sameLength("Conv output", len(dst), s.OutLen())
	sameLength("Conv input", len(src), s.InLen())
	sameLength("Conv weights", len(w), s.WeightLen())
	if s.pointwise() {
		MatMul(dst, src, w, s.H*s.W, s.C, s.K)
		return
	}
	clear(dst)
	run, oh, ow := s.KW*s.C, s.OutH(), s.OutW()
	columns := s.columns()
	var p panel
	for ky := range s.KH {
		y0, y1 := inside(oh, s.H, s.StrideH, ky-s.PadTop)
		for j := 0; j < run; j += panelRows {
			for k := 0; k < s.K; k += panelCols {
				p.load(w[(ky*run+j)*s.K+k:], s.K, min(panelRows, run-j), min(panelCols, s.K-k))
				for _, c := range columns {
					lo, hi := max(j, c.kx0*s.C), min(j+p.rows, c.kx1*s.C)
					if lo >= hi {
						continue
					}
					for y := y0; y < y1; y++ {
						row := y*s.StrideH + ky - s.PadTop
						first := (row*s.W+c.x0*s.StrideW-s.PadLeft)*s.C + lo
						p.mulAdd(dst[(y*ow+c.x0)*s.K+k:], s.K, src[first:], s.StrideW*s.C, c.x1-c.x0, lo-j, hi-j)
					}
				}
			}
		}
	}
}

// MatMul sets dst (rows×out) to the product of src (rows×in) by w (in×out), mod
// 2^64. dst must not overlap src.
func MatMul(dst, src []uint64, w []int16, rows, in, out int) {
	sameLength("MatMul output", len(dst), rows*out)
	sameLength("MatMul input", len(src), rows*in)
	sameLength("MatMul weights", len(w), in*out)
	clear(dst)
	if rows < panelWorth {
		for i := range rows {
			addVecMat(dst[i*out:][:out], src[i*in:][:in], w)
		}
		return
	}
	var p panel
	for j := 0; j < in; j += panelRows {
		for k := 0; k < out; k += panelCols {
			p.load(w[j*out+k:], out, min(panelRows, in-j), min(panelCols, out-k))
			p.mulAdd(dst[k:], out, src[j:], in, rows, 0, p.rows)
		}
	}
}

// panelWorth is the number of rows from which on copying the weights pays.
const panelWorth = 4

// addVecMat adds x·w to dst, four rows of w at a time, reading w once and in
// order: for one row nothing is gained by a panel.
func addVecMat(dst, x []uint64, w []int16) {
	n := len(dst)
	for ; len(x) >= 4; x = x[4:] {
		x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
		w0, w1, w2, w3 := w[:n], w[n:][:n], w[2*n:][:n], w[3*n:][:n]
		for k := range dst {
			dst[k] += x0*uint64(int64(w0[k])) + x1*uint64(int64(w1[k])) +
				x2*uint64(int64(w2[k])) + x3*uint64(int64(w3[k]))
		}
		w = w[4*n:]
	}
	for _, v := range x {
		for k, c := range w[:n] {
			dst[k] += v * uint64(int64(c))
		}
		w = w[n:]
	}
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

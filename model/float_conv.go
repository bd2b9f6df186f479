package model

import "pascaline/ring"

// A floatPanel is a block of a weight matrix, of at most floatRows rows and
// floatCols columns, copied so that the inner loop reads it in order and from the
// first-level cache. Columns come in two groups of four; what is left of the last
// is zeros.
type floatPanel [floatCols / 4][floatRows][4]float64

const (
	floatRows = 256
	floatCols = 8
)

// floatConv is [ring.Conv] in float64, plus a bias of each channel or element. In the padded image, what a
// kernel row needs for one pixel is one contiguous run, so that a convolution is
// KH matrix products. Each goroutine computes all of a few output channels, so
// that sums do not depend on how many there are.
func floatConv(dst, src []float64, w []float32, bias []float32, s ring.ConvShape) {
	src, width := floatPadded(src, s)
	oh, ow, run := s.OutH(), s.OutW(), s.KW*s.C
	if oh*ow == 1 && len(src) == run {
		floatVector(dst, src, w, bias)
		return
	}
	ring.Parallel((s.K+floatCols-1)/floatCols, func(block int) {
		from := block * floatCols
		cols := min(floatCols, s.K-from)
		for i := from; i < len(dst); i += s.K {
			for k := range cols {
				dst[i+k] = float64(bias[(i+k)%len(bias)])
			}
		}
		var p floatPanel
		for ky := range s.KH {
			for j := 0; j < run; j += floatRows {
				rows := min(floatRows, run-j)
				p.load(w[(ky*run+j)*s.K+from:], s.K, rows, cols)
				for y := range oh {
					in := src[(y*s.StrideH+ky)*width*s.C+j:]
					p.mulAdd(dst[y*ow*s.K+from:], s.K, in, s.StrideW*s.C, ow, rows, cols)
				}
			}
		}
	})
}

// floatPadded returns the image with its padding, and its width.
func floatPadded(src []float64, s ring.ConvShape) ([]float64, int) {
	if !padded(s) {
		return src, s.W
	}
	width := s.W + s.PadLeft + s.PadRight
	p := make([]float64, (s.H+s.PadTop+s.PadBottom)*width*s.C)
	for y := range s.H {
		copy(p[((y+s.PadTop)*width+s.PadLeft)*s.C:], src[y*s.W*s.C:][:s.W*s.C])
	}
	return p, width
}

// load copies the first rows×cols weights of w, whose rows are stride apart.
func (p *floatPanel) load(w []float32, stride, rows, cols int) {
	for j := range rows {
		row := w[j*stride:][:cols]
		for k := range floatCols {
			v := 0.0
			if k < cols {
				v = float64(row[k])
			}
			p[k/4][j][k%4] = v
		}
	}
}

// mulAdd adds to n rows of dst, of cols elements and dstStride apart, the
// products of n rows of src, of rows elements and srcStride apart, by the panel.
func (p *floatPanel) mulAdd(dst []float64, dstStride int, src []float64, srcStride, n, rows, cols int) {
	for i := 0; i < n; i += 2 {
		x, out := src[i*srcStride:][:rows], dst[i*dstStride:]
		y, out2 := x, []float64(nil) // an odd row goes with itself
		if i+1 < n {
			y, out2 = src[(i+1)*srcStride:][:rows], dst[(i+1)*dstStride:]
		}
		for k := 0; k < cols; k += 4 {
			a, b := floatDots(x, y, p[k/4][:rows])
			for e := range min(4, cols-k) {
				out[k+e] += a[e]
				if out2 != nil {
					out2[k+e] += b[e]
				}
			}
		}
	}
}

// floatDots returns x·w and y·w.
func floatDots(x, y []float64, w [][4]float64) (a, b [4]float64) {
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	x, y = x[:len(w)], y[:len(w)]
	for j := range w {
		u, v, row := x[j], y[j], &w[j]
		a0 += u * row[0]
		b0 += v * row[0]
		a1 += u * row[1]
		b1 += v * row[1]
		a2 += u * row[2]
		b2 += v * row[2]
		a3 += u * row[3]
		b3 += v * row[3]
	}
	return [4]float64{a0, a1, a2, a3}, [4]float64{b0, b1, b2, b3}
}

// floatVector is the product of a vector by a matrix, which is read once and in
// order.
func floatVector(dst, x []float64, w []float32, bias []float32) {
	for k, b := range bias {
		dst[k] = float64(b)
	}
	for j, v := range x {
		row := w[j*len(dst):][:len(dst)]
		for k, c := range row {
			dst[k] += v * float64(c)
		}
	}
}

package ring

import "runtime"

// ConvWide is [Conv] with weights mod 2^64, on all cores.
func ConvWide(dst, src []uint64, w []uint64, s ConvShape) {
	sameLength("ConvWide output", len(dst), s.OutLen())
	sameLength("ConvWide input", len(src), s.InLen())
	sameLength("ConvWide weights", len(w), s.WeightLen())
	if s.pointwise() {
		MatMulWide(dst, src, w, s.H*s.W, s.C, s.K)
		return
	}
	clear(dst)
	columns := s.columns()
	splitWide(s.OutH(), s.OutW(), s.K, s.KH*s.KW*s.C, func(y0, y1, k0, k1 int) {
		convWide(dst, src, w, s, columns, y0, y1, k0, k1)
	})
}

// convWide adds rows y0 to y1 (exclusive), output channels k0 to k1, of the
// convolution to dst.
func convWide(dst, src, w []uint64, s ConvShape, columns []columnRange, y0, y1, k0, k1 int) {
	run, oh, ow := s.KW*s.C, s.OutH(), s.OutW()
	var p widePanel
	for ky := range s.KH {
		from, to := inside(oh, s.H, s.StrideH, ky-s.PadTop)
		from, to = max(from, y0), min(to, y1)
		if from >= to {
			continue
		}
		for j := 0; j < run; j += widePanelRows {
			for k := k0; k < k1; k += widePanelCols {
				p.load(w[(ky*run+j)*s.K+k:], s.K, min(widePanelRows, run-j), min(widePanelCols, k1-k))
				for _, c := range columns {
					lo, hi := max(j, c.kx0*s.C), min(j+p.rows, c.kx1*s.C)
					if lo >= hi {
						continue
					}
					for y := from; y < to; y++ {
						row := y*s.StrideH + ky - s.PadTop
						first := (row*s.W+c.x0*s.StrideW-s.PadLeft)*s.C + lo
						p.mulAdd(dst[(y*ow+c.x0)*s.K+k:], s.K, src[first:], s.StrideW*s.C, c.x1-c.x0, lo-j, hi-j)
					}
				}
			}
		}
	}
}

// MatMulWide sets dst (m×n) to the product of a (m×k) by b (k×n), mod 2^64, on
// all cores. dst must overlap neither.
func MatMulWide(dst, a, b []uint64, m, k, n int) {
	sameLength("MatMulWide product", len(dst), m*n)
	sameLength("MatMulWide left operand", len(a), m*k)
	sameLength("MatMulWide right operand", len(b), k*n)
	clear(dst)
	splitWide(m, 1, n, k, func(i0, i1, c0, c1 int) {
		if m < panelWorth {
			for i := i0; i < i1; i++ {
				addVecMatWide(dst[i*n:][c0:c1], a[i*k:][:k], b[min(c0, len(b)):], n)
			}
			return
		}
		var p widePanel
		for j := 0; j < k; j += widePanelRows {
			for c := c0; c < c1; c += widePanelCols {
				p.load(b[j*n+c:], n, min(widePanelRows, k-j), min(widePanelCols, c1-c))
				p.mulAdd(dst[i0*n+c:], n, a[i0*k+j:], k, i1-i0, 0, p.rows)
			}
		}
	})
}

// addVecMatWide adds x·w to dst, four rows of w at a time; rows of w are stride
// apart.
func addVecMatWide(dst, x, w []uint64, stride int) {
	n := len(dst)
	j := 0
	for ; j+4 <= len(x); j += 4 {
		x0, x1, x2, x3 := x[j], x[j+1], x[j+2], x[j+3]
		w0, w1, w2, w3 := w[j*stride:][:n], w[(j+1)*stride:][:n], w[(j+2)*stride:][:n], w[(j+3)*stride:][:n]
		for k := range dst {
			dst[k] += x0*w0[k] + x1*w1[k] + x2*w2[k] + x3*w3[k]
		}
	}
	for ; j < len(x); j++ {
		v, row := x[j], w[j*stride:][:n]
		for k := range dst {
			dst[k] += v * row[k]
		}
	}
}

// splitWork is the number of multiplications from which on a second goroutine
// pays: some tens of microseconds.
const splitWork = 1 << 16

// splitWide calls f for parts, one for each core, of a product of `rows` rows of
// `pixels`, each with `columns` sums of `terms` terms: for the rows r0 to r1
// (exclusive) and the columns c0 to c1. It cuts rows if there are enough to go
// around, for then no two cores copy the same weights for nothing; otherwise
// columns.
func splitWide(rows, pixels, columns, terms int, f func(r0, r1, c0, c1 int)) {
	workers := min(runtime.GOMAXPROCS(0), rows*pixels*columns*terms/splitWork)
	if workers < 2 {
		f(0, rows, 0, columns)
		return
	}
	if rows*pixels >= panelWorth*workers && rows >= workers {
		Parallel(workers, func(i int) { f(i*rows/workers, (i+1)*rows/workers, 0, columns) })
		return
	}
	groups := (columns + panelGroup - 1) / panelGroup
	workers = min(workers, groups)
	Parallel(workers, func(i int) {
		f(0, rows, i*groups/workers*panelGroup, min((i+1)*groups/workers*panelGroup, columns))
	})
}

// A widePanel is a block of a weight matrix, copied so that the inner kernel
// reads it in order. Columns come in groups of panelGroup; the last group is
// filled up with zeros. It takes 32 KiB and the kernel goes over it once for
// every two rows, so it fits the first-level cache or comes from the second in
// order.
type widePanel struct {
	rows, cols int
	w          [widePanelCols / panelGroup][widePanelRows][panelGroup]uint64
}

const (
	widePanelRows = 128
	widePanelCols = 32
	panelGroup    = 4
	// panelWorth is the number of rows from which on copying the weights pays.
	panelWorth = 4
)

// load copies the first rows×cols weights of w, whose rows are stride apart.
func (p *widePanel) load(w []uint64, stride, rows, cols int) {
	p.rows, p.cols = rows, cols
	for k := 0; k < cols; k += panelGroup {
		group := p.w[k/panelGroup][:rows]
		if cols-k >= panelGroup {
			for j := range group {
				group[j] = [panelGroup]uint64(w[j*stride+k:])
			}
			continue
		}
		clear(group)
		for j := range group {
			copy(group[j][:], w[j*stride+k:][:cols-k])
		}
	}
}

// mulAdd adds, to n rows of dst, of p.cols elements and dstStride apart, the
// products of n rows of src, of hi−lo elements and srcStride apart, by rows lo to
// hi (exclusive) of p. Rows of src may overlap.
func (p *widePanel) mulAdd(dst []uint64, dstStride int, src []uint64, srcStride, n, lo, hi int) {
	i := 0
	for ; i+2 <= n; i += 2 {
		x, y := src[i*srcStride:][:hi-lo], src[(i+1)*srcStride:][:hi-lo]
		out0, out1 := dst[i*dstStride:][:p.cols], dst[(i+1)*dstStride:][:p.cols]
		for k := 0; k < p.cols; k += panelGroup {
			a, b := dotWide2(x, y, p.w[k/panelGroup][lo:hi])
			addGroup(out0[k:], &a)
			addGroup(out1[k:], &b)
		}
	}
	if i < n {
		x, out := src[i*srcStride:][:hi-lo], dst[i*dstStride:][:p.cols]
		for k := 0; k < p.cols; k += panelGroup {
			a := dotWide1(x, p.w[k/panelGroup][lo:hi])
			addGroup(out[k:], &a)
		}
	}
}

// dotWide1 returns x·w, and dotWide2 x·w and y·w at once, mod 2^64.
func dotWide1(x []uint64, w [][panelGroup]uint64) [panelGroup]uint64 {
	var a0, a1, a2, a3 uint64
	x = x[:len(w)]
	for j := range w {
		v, row := x[j], &w[j]
		a0 += v * row[0]
		a1 += v * row[1]
		a2 += v * row[2]
		a3 += v * row[3]
	}
	return [panelGroup]uint64{a0, a1, a2, a3}
}

func dotWide2(x, y []uint64, w [][panelGroup]uint64) (a, b [panelGroup]uint64) {
	var a0, a1, a2, a3, b0, b1, b2, b3 uint64
	x, y = x[:len(w)], y[:len(w)]
	for j := range w {
		u, v, row := x[j], y[j], &w[j]
		c := row[0]
		a0 += u * c
		b0 += v * c
		c = row[1]
		a1 += u * c
		b1 += v * c
		c = row[2]
		a2 += u * c
		b2 += v * c
		c = row[3]
		a3 += u * c
		b3 += v * c
	}
	return [panelGroup]uint64{a0, a1, a2, a3}, [panelGroup]uint64{b0, b1, b2, b3}
}

// addGroup adds one group of columns, or what is left of the row, to dst.
func addGroup(dst []uint64, a *[panelGroup]uint64) {
	if len(dst) >= panelGroup {
		dst[0] += a[0]
		dst[1] += a[1]
		dst[2] += a[2]
		dst[3] += a[3]
		return
	}
	for k := range dst {
		dst[k] += a[k]
	}
}

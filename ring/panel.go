package ring

// A panel is a block of a weight matrix, at most panelRows×panelCols, copied so
// that the inner kernel reads it in order and from the first-level cache (16
// KiB), whatever the width of the matrix. Columns come in groups of panelGroup;
// the last group is filled up with zeros.
type panel struct {
	rows, cols int
	w          [panelCols / panelGroup][panelRows][panelGroup]int16
}

const (
	panelRows  = 256
	panelCols  = 32
	panelGroup = 4
)

// load copies the first rows×cols weights of w, whose rows are stride apart.
func (p *panel) load(w []int16, stride, rows, cols int) {
	p.rows, p.cols = rows, cols
	for k := 0; k < cols; k += panelGroup {
		group := p.w[k/panelGroup][:rows]
		if cols-k >= panelGroup {
			for j := range group {
				group[j] = [panelGroup]int16(w[j*stride+k:])
			}
			continue
		}
		clear(group)
		for j := range group {
			copy(group[j][:], w[j*stride+k:][:cols-k])
		}
	}
}

// mulAdd is the inner kernel of [Conv] and [MatMul]: to n rows of dst, of
// p.cols elements and dstStride apart, it adds the products of n rows of src, of
// hi−lo elements and srcStride apart, by rows lo to hi (exclusive) of p. Rows of
// src may overlap.
func (p *panel) mulAdd(dst []uint64, dstStride int, src []uint64, srcStride, n, lo, hi int) {
	i := 0
	for ; i+2 <= n; i += 2 {
		x, y := src[i*srcStride:][:hi-lo], src[(i+1)*srcStride:][:hi-lo]
		out0, out1 := dst[i*dstStride:][:p.cols], dst[(i+1)*dstStride:][:p.cols]
		for k := 0; k < p.cols; k += panelGroup {
			a, b := dot2(x, y, p.w[k/panelGroup][lo:hi])
			addGroup(out0[k:], &a)
			addGroup(out1[k:], &b)
		}
	}
	if i < n {
		x, out := src[i*srcStride:][:hi-lo], dst[i*dstStride:][:p.cols]
		for k := 0; k < p.cols; k += panelGroup {
			a := dot1(x, p.w[k/panelGroup][lo:hi])
			addGroup(out[k:], &a)
		}
	}
}

// dot1 returns x·w, and dot2 x·w and y·w at once, mod 2^64. Four columns of one
// or two rows are what stays in the registers of an amd64 processor.
func dot1(x []uint64, w [][panelGroup]int16) [panelGroup]uint64 {
	var a0, a1, a2, a3 uint64
	x = x[:len(w)]
	for j := range w {
		v, row := x[j], &w[j]
		a0 += v * uint64(int64(row[0]))
		a1 += v * uint64(int64(row[1]))
		a2 += v * uint64(int64(row[2]))
		a3 += v * uint64(int64(row[3]))
	}
	return [panelGroup]uint64{a0, a1, a2, a3}
}

func dot2(x, y []uint64, w [][panelGroup]int16) (a, b [panelGroup]uint64) {
	var a0, a1, a2, a3, b0, b1, b2, b3 uint64
	x, y = x[:len(w)], y[:len(w)]
	for j := range w {
		u, v, row := x[j], y[j], &w[j]
		c := uint64(int64(row[0]))
		a0 += u * c
		b0 += v * c
		c = uint64(int64(row[1]))
		a1 += u * c
		b1 += v * c
		c = uint64(int64(row[2]))
		a2 += u * c
		b2 += v * c
		c = uint64(int64(row[3]))
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

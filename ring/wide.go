package ring

// ConvWide is [Conv] with weights mod 2^64. For more than one image make a
// [Kernel] by [NewWideKernel].
func ConvWide(dst, src []uint64, w []uint64, s ConvShape) {
	sameLength("ConvWide output", len(dst), s.OutLen())
	sameLength("ConvWide input", len(src), s.InLen())
	sameLength("ConvWide weights", len(w), s.WeightLen())
	if s.pointwise() {
		MatMulWide(dst, src, w, s.H*s.W, s.C, s.K)
		return
	}
	clear(dst)
	NewWideKernel(w, s).AddRows([][]uint64{dst}, [][]uint64{src}, 0, s.OutH())
}

// packWorth is the number of rows from which on packing the right operand pays.
const packWorth = 4

// MatMulWide sets dst (m×n) to the product of a (m×k) by b (k×n), mod 2^64, on
// all cores. dst must overlap neither.
func MatMulWide(dst, a, b []uint64, m, k, n int) {
	sameLength("MatMulWide product", len(dst), m*n)
	sameLength("MatMulWide left operand", len(a), m*k)
	sameLength("MatMulWide right operand", len(b), k*n)
	clear(dst)
	if len(dst) == 0 || k == 0 {
		return
	}
	if m >= packWorth {
		s := LinearShape(k, n)
		s.W = m
		NewWideKernel(b, s).AddRows([][]uint64{dst}, [][]uint64{a}, 0, 1)
		return
	}
	const columns = 256
	Parallel(ceilDiv(n, columns), func(i int) {
		c0, c1 := i*columns, min(n, (i+1)*columns)
		for r := range m {
			addVecMatWide(dst[r*n+c0:r*n+c1], a[r*k:][:k], b[c0:], n)
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

//go:build !amd64

package offline

// mulAdd adds the products of w and x0, x1, in halves, to sums.
func mulAdd(sums *productSums, w, x0, x1 *[productBlock]uint64) { mulAddGeneric(sums, w, x0, x1) }

// combine sets dst to the sum of weights times the values of monomials modulo
// 2^54 − delta, below 2^55 and in halves.
func combine(dst *[productBlock]uint64, table []uint64, t taps, delta uint64) {
	combineGeneric(dst, table, t, delta)
}

// vectorCombine reports whether combine is fast.
func vectorCombine() bool { return false }

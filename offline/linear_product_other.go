//go:build !amd64

package offline

// mulAdd adds products, of values in halves, to sums; there is at least one.
func mulAdd(sums *productSums, products []factors) {
	for _, p := range products {
		mulAddGeneric(sums, p)
	}
}

// combine sets dst to the sum of weights times the values of monomials modulo
// 2^54 − delta, below 2^55 and in halves.
func combine(dst *[productBlock]uint64, table []uint64, t taps, delta uint64) {
	combineGeneric(dst, table, t, delta)
}

// vectorCombine reports whether combine is fast.
func vectorCombine() bool { return false }

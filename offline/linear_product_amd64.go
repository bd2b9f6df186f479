package offline

import "golang.org/x/sys/cpu"

// mulAddAVX2 is mulAddGeneric.
//
//go:noescape
func mulAddAVX2(sums *productSums, w, x0, x1 *[productBlock]uint64)

// combineAVX2 is combineGeneric for the given number of taps, whose offsets must
// leave productBlock words in the table.
//
//go:noescape
func combineAVX2(dst *[productBlock]uint64, table *uint64, offsets *uint64, weights *int64, taps int, delta, startLow, startHigh uint64)

// mulAdd adds products, of values in halves, to sums; there is at least one.
func mulAdd(sums *productSums, products []factors) {
	if wide {
		mulAddAVX512(&sums[0][0][0][0], (*[3]*[productBlock]uint64)(&products[0]), len(products))
		return
	}
	for _, p := range products {
		if cpu.X86.HasAVX2 {
			mulAddAVX2(sums, p[0], p[1], p[2])
		} else {
			mulAddGeneric(sums, p)
		}
	}
}

// combine sets dst to the sum of weights times the values of monomials modulo
// 2^54 − delta, below 2^55 and in halves.
func combine(dst *[productBlock]uint64, table []uint64, t taps, delta uint64) {
	if !cpu.X86.HasAVX2 || len(t.weights) == 0 {
		combineGeneric(dst, table, t, delta)
		return
	}
	for _, offset := range t.offsets {
		_ = table[offset/8:][:productBlock]
	}
	low, high := combineStart(delta)
	combineAVX2(dst, &table[0], &t.offsets[0], &t.weights[0], len(t.weights), delta, low, high)
}

// vectorCombine reports whether combine is fast.
func vectorCombine() bool { return cpu.X86.HasAVX2 }

package ring

import "fmt"

// Vec128 is a vector over Z_{2^128}: element i is Hi[i]·2^64 + Lo[i]. The words
// lie apart so that a kernel can load either with one vector instruction.
type Vec128 struct{ Lo, Hi []uint64 }

// MakeVec128 returns the zero vector of n elements.
func MakeVec128(n int) Vec128 {
	w := make([]uint64, 2*n)
	return Vec128{Lo: w[:n:n], Hi: w[n:]}
}

// Len returns the number of elements.
func (v Vec128) Len() int { return len(v.Lo) }

// Slice returns elements i to j (exclusive), sharing v's memory.
func (v Vec128) Slice(i, j int) Vec128 { return Vec128{Lo: v.Lo[i:j:j], Hi: v.Hi[i:j:j]} }

// Slice128 appends elements i to j (exclusive) of each vector to dst, sharing
// memory. With room for seven, dst need not grow for any [Pascal].
func Slice128(dst, vectors []Vec128, i, j int) []Vec128 {
	for _, v := range vectors {
		dst = append(dst, v.Slice(i, j))
	}
	return dst
}

// Add sets dst = a + b mod 2^64, elementwise; dst may be a or b.
func Add(dst, a, b []uint64) {
	sameLength("Add", len(dst), len(a), len(b))
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

// Sub sets dst = a − b mod 2^64, elementwise; dst may be a or b.
func Sub(dst, a, b []uint64) {
	sameLength("Sub", len(dst), len(a), len(b))
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

// sameLength guards kernels against a caller's mistake; lengths from outside
// are checked where they are decoded.
func sameLength(op string, n int, others ...int) {
	for _, m := range others {
		if m != n {
			panic(fmt.Sprintf("ring: %s of vectors of %d and %d elements", op, n, m))
		}
	}
}

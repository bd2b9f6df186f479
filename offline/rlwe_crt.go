package offline

import (
	"math/big"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// fractions turns residues modulo the primes of a ring into the fraction that
// the element is of Q: x/Q = Σ_i y_i/q_i mod 1 with y_i = x·(Q/q_i)^−1 mod q_i.
// That is all it takes to scale to a power of two, and no number longer than
// 128 bits occurs.
type fractions struct {
	inverse  []uint64    // (Q/q_i)^−1 mod q_i, in Montgomery form
	constant [][3]uint64 // ⌊2^192/q_i⌋, low word first
}

func (r *rlwe) fractions() fractions {
	f := fractions{inverse: make([]uint64, len(r.q)), constant: make([][3]uint64, len(r.q))}
	for i, q := range r.q {
		rest := big.NewInt(1)
		for j, p := range r.q {
			if j != i {
				rest.Mul(rest, new(big.Int).SetUint64(p))
			}
		}
		f.inverse[i] = montgomery(rest.ModInverse(rest, new(big.Int).SetUint64(q)), q)
		f.constant[i] = reciprocal(q)
	}
	return f
}

// modulus returns Q.
func (r *rlwe) modulus() *big.Int { return productOf(r.q) }

// montgomery returns x·2^64 mod q.
func montgomery(x *big.Int, q uint64) uint64 {
	m := new(big.Int).Lsh(x, 64)
	return m.Mod(m, new(big.Int).SetUint64(q)).Uint64()
}

// reciprocal returns ⌊2^192/q⌋, low word first.
func reciprocal(q uint64) [3]uint64 {
	c := new(big.Int).Lsh(big.NewInt(1), 192)
	return [3]uint64(wordsOf(c.Quo(c, new(big.Int).SetUint64(q)), 3))
}

// wordsOf returns x mod 2^(64·n), low word first.
func wordsOf(x *big.Int, n int) []uint64 {
	x = new(big.Int).Set(x)
	mask := new(big.Int).SetUint64(^uint64(0))
	w := make([]uint64, n)
	for l := range w {
		w[l] = new(big.Int).And(x, mask).Uint64()
		x.Rsh(x, 64)
	}
	return w
}

// fraction returns y/q mod 1 as hi·2^−64 + lo·2^−128, for c the reciprocal of
// q; it is at most 2^−128 + y·2^−192 too small.
func fraction(y uint64, c [3]uint64) (hi, lo uint64) {
	h0, _ := bits.Mul64(y, c[0])
	h1, l1 := bits.Mul64(y, c[1])
	lo, carry := bits.Add64(h0, l1, 0)
	return h1 + y*c[2] + carry, lo
}

// of writes the fraction that each coefficient of p is of Q, rounded down to a
// multiple of 2^−128 with an error of less than a unit for each prime, to hi
// and lo. The residues may be anything below 2^64.
func (f fractions) of(hi, lo []uint64, r *rlwe, p [][]uint64) {
	clear(hi)
	clear(lo)
	for i, s := range r.sub {
		from := vectorFraction(hi, lo, p[i], s.Modulus, s.MRedConstant, f.inverse[i], &f.constant[i])
		f.addFrom(hi, lo, p[i], i, s, from)
	}
}

// addFrom adds y_i/q_i for the elements from the given one on.
func (f fractions) addFrom(hi, lo, p []uint64, i int, s *lattigo.SubRing, from int) {
	q, inv, inverse, c := s.Modulus, s.MRedConstant, f.inverse[i], f.constant[i]
	hi, lo, p = hi[from:], lo[from:][:len(hi)-from], p[from:][:len(hi)-from]
	for j, x := range p {
		h, l := fraction(lattigo.MRedLazy(x, inverse, q, inv), c)
		var carry uint64
		lo[j], carry = bits.Add64(lo[j], l, 0)
		hi[j], _ = bits.Add64(hi[j], h, carry)
	}
}

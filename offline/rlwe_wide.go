package offline

import (
	"math/big"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// wideFractions is to 256 bits what fractions is to 128, for a modulus too long
// for those: x/Q = Σ_i y_i/q_i mod 1 with y_i = x·(Q/q_i)^−1 mod q_i.
type wideFractions struct {
	*rlwe
	inverse    []uint64    // (Q/q_i)^−1 mod q_i, in Montgomery form
	reciprocal [][5]uint64 // ⌊2^320/q_i⌋, low word first
}

func (r *rlwe) wideFractions() wideFractions {
	f := wideFractions{rlwe: r, inverse: r.fractions().inverse}
	for _, q := range r.q {
		c := power2(320)
		c.Quo(c, new(big.Int).SetUint64(q))
		f.reciprocal = append(f.reciprocal, [5]uint64(wordsOf(c, 5)))
	}
	return f
}

// add adds the fraction that each coefficient of p is of Q, mod 1, to the four
// planes of sum, in units of 2^−256 and rounded down with an error of less than
// a unit for each prime. The residues may be anything below 2^64.
func (f wideFractions) add(sum, p [][]uint64) {
	const block = 512 // elements whose sums stay in the nearest cache
	for from := 0; from < len(p[0]); from += block {
		to := min(from+block, len(p[0]))
		for i, s := range f.sub {
			f.addPart(sum, from, to, p[i], i, s)
		}
	}
}

// addPart adds y_i/q_i for the elements in [from, to).
func (f wideFractions) addPart(sum [][]uint64, from, to int, p []uint64, i int, s *lattigo.SubRing) {
	q, inv, inverse := s.Modulus, s.MRedConstant, f.inverse[i]
	c0, c1, c2, c3, c4 := f.reciprocal[i][0], f.reciprocal[i][1], f.reciprocal[i][2], f.reciprocal[i][3], f.reciprocal[i][4]
	p = p[from:to]
	s0, s1, s2, s3 := sum[0][from:to][:len(p)], sum[1][from:to][:len(p)], sum[2][from:to][:len(p)], sum[3][from:to][:len(p)]
	for x, v := range p {
		y := lattigo.MRedLazy(v, inverse, q, inv)
		h0, _ := bits.Mul64(y, c0)
		h1, l1 := bits.Mul64(y, c1)
		h2, l2 := bits.Mul64(y, c2)
		h3, l3 := bits.Mul64(y, c3)
		w0, carry := bits.Add64(l1, h0, 0)
		w1, carry := bits.Add64(l2, h1, carry)
		w2, carry := bits.Add64(l3, h2, carry)
		w3 := y*c4 + h3 + carry
		s0[x], carry = bits.Add64(s0[x], w0, 0)
		s1[x], carry = bits.Add64(s1[x], w1, carry)
		s2[x], carry = bits.Add64(s2[x], w2, carry)
		s3[x] += w3 + carry
	}
}

// roundWide rounds fractions in four planes to width bits, 128 < width < 192,
// nearest; the result is in the first three planes.
func roundWide(planes [][]uint64, width uint) {
	w0, w1, w2, w3 := planes[0], planes[1], planes[2], planes[3]
	w1, w2, w3 = w1[:len(w0)], w2[:len(w0)], w3[:len(w0)]
	half, shift := uint64(1)<<(191-width), 192-width // of word 1
	for x := range w0 {
		v1, carry := bits.Add64(w1[x], half, 0)
		v2, carry := bits.Add64(w2[x], 0, carry)
		v3 := w3[x] + carry
		w0[x] = v1>>shift | v2<<(64-shift)
		w1[x] = v2>>shift | v3<<(64-shift)
		w2[x] = v3 >> shift
	}
}

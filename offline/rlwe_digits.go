package offline

import (
	"math/big"
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// mixedRadix turns residues into digits by Garner's method: the integer x below
// the product of the primes is Σ_i digit_i·weight_i, weight_i = q_0···q_(i−1)
// and digit_i below q_i. The primes ascend.
type mixedRadix struct {
	sub     []*lattigo.SubRing
	inverse [][]uint64 // [i][j]: 1/q_j mod q_i, j < i, in Montgomery form
	weight  []*big.Int
	words   [][3]uint64 // weights mod 2^192, low word first
}

// mixedRadix returns the digits of integers in residues modulo the first count
// primes of r.
func (r *rlwe) mixedRadix(count int) mixedRadix {
	m := mixedRadix{sub: r.sub[:count]}
	weight := big.NewInt(1)
	for i, q := range r.q[:count] {
		var inverse []uint64
		for _, p := range r.q[:i] {
			inverse = append(inverse, inverseMod(new(big.Int).SetUint64(p), q))
		}
		m.inverse = append(m.inverse, inverse)
		m.weight = append(m.weight, new(big.Int).Set(weight))
		m.words = append(m.words, [3]uint64(wordsOf(weight, 3)))
		weight.Mul(weight, new(big.Int).SetUint64(q))
	}
	return m
}

// inverseMod returns 1/x mod q in Montgomery form.
func inverseMod(x *big.Int, q uint64) uint64 {
	return montgomery(new(big.Int).ModInverse(x, new(big.Int).SetUint64(q)), q)
}

// digit replaces the residues in planes[i], below q_i, by digits, where the
// lower planes hold digits already.
func (m mixedRadix) digit(planes [][]uint64, i int) {
	d, q, inv := planes[i], m.sub[i].Modulus, m.sub[i].MRedConstant
	for j, g := range m.inverse[i] {
		// Digits of smaller primes are below q.
		lower := planes[j][:len(d)]
		for x, y := range d {
			d[x] = lattigo.MRed(y+q-lower[x], g, q, inv)
		}
	}
}

// digits replaces residues, below their primes, by digits.
func (m mixedRadix) digits(planes [][]uint64) {
	for i := range m.sub {
		m.digit(planes, i)
	}
}

// integer sets planes, one to three, to the integers of the digits given, mod
// 2^64 for each plane.
func (m mixedRadix) integer(planes, digits [][]uint64) {
	copy(planes[0], digits[0])
	for _, p := range planes[1:] {
		clear(p)
	}
	for i := 1; i < len(digits); i++ {
		addProduct(planes, digits[i], m.words[i])
	}
}

// addProduct adds the words of d times w to the integers in planes.
func addProduct(planes [][]uint64, d []uint64, w [3]uint64) {
	p0 := planes[0]
	d = d[:len(p0)]
	switch len(planes) {
	case 1:
		for x, v := range d {
			p0[x] += v * w[0]
		}
	case 2:
		p1 := planes[1][:len(p0)]
		for x, v := range d {
			h, l := bits.Mul64(v, w[0])
			var carry uint64
			p0[x], carry = bits.Add64(p0[x], l, 0)
			p1[x] += h + v*w[1] + carry
		}
	case 3:
		p1, p2 := planes[1][:len(p0)], planes[2][:len(p0)]
		for x, v := range d {
			h0, l0 := bits.Mul64(v, w[0])
			h1, l1 := bits.Mul64(v, w[1])
			l1, carry := bits.Add64(l1, h0, 0)
			h1 += v*w[2] + carry
			p0[x], carry = bits.Add64(p0[x], l0, 0)
			p1[x], carry = bits.Add64(p1[x], l1, carry)
			p2[x] += h1 + carry
		}
	}
}

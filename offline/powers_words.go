package offline

import (
	"math/big"
	"math/bits"

	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// Vectors of integers longer than a word are planes: plane l holds bits 64·l to
// 64·l+63 of every element. Nothing in this file branches on an element, and
// neither does lattigo's arithmetic: its conditional subtractions compile to
// conditional moves.

// centredPowers writes the powers x^1..x^d mod 2^128 of x = rho − 2^(maskBits−1)
// to powers[0..d−1], for as many elements as rho has; the rest are set to zero.
func centredPowers(powers [][][]uint64, rho []uint64, maskBits uint) {
	lo, hi := powers[0][0], powers[0][1]
	for i, r := range rho {
		x := r - 1<<(maskBits-1)
		lo[i], hi[i] = x, uint64(int64(x)>>63)
	}
	clear(lo[len(rho):])
	clear(hi[len(rho):])
	for k := 1; k < len(powers); k++ {
		lastLo, lastHi := powers[k-1][0], powers[k-1][1]
		nextLo, nextHi := powers[k][0], powers[k][1]
		for i, x := range lo {
			// x as a word is 2^64·[x < 0] more than x.
			h, l := bits.Mul64(lastLo[i], x)
			nextLo[i] = l
			nextHi[i] = h + lastHi[i]*x - lastLo[i]&hi[i]
		}
	}
}

// rebase writes to dst the shares of (ρ + c)^k, mod 2^128, for the shares of
// ρ^1..ρ^k in powers and the share one of ρ^0: dst = Σ_i binom(k, i)·c^(k−i)·ρ^i,
// where c = ±2^maskBits. dst is none of the powers.
func rebase(dst ring.Vec128, powers []ring.Vec128, one uint64, maskBits uint, negative bool) {
	k := len(powers)
	coefficient := func(i int) (hi, lo uint64) {
		c := new(big.Int).Binomial(int64(k), int64(i))
		c.Lsh(c, maskBits*uint(k-i))
		if negative && (k-i)%2 == 1 {
			c.Neg(c)
		}
		return words128(c)
	}
	h0, l0 := coefficient(0)
	for e := range dst.Lo {
		dst.Lo[e], dst.Hi[e] = one*l0, one*h0 // one is 0 or 1
	}
	for i := 1; i <= k; i++ {
		ch, cl := coefficient(i)
		s := powers[i-1]
		for e := range dst.Lo {
			h, l := bits.Mul64(s.Lo[e], cl)
			h += s.Lo[e]*ch + s.Hi[e]*cl
			var carry uint64
			dst.Lo[e], carry = bits.Add64(dst.Lo[e], l, 0)
			dst.Hi[e], _ = bits.Add64(dst.Hi[e], h, carry)
		}
	}
}

// words128 returns x mod 2^128.
func words128(x *big.Int) (hi, lo uint64) {
	m := new(big.Int).Mod(x, power2(128))
	lo = new(big.Int).And(m, new(big.Int).SetUint64(^uint64(0))).Uint64()
	return m.Rsh(m, 64).Uint64(), lo
}

// subtractSigned adds the constant 2^bit to the integers in planes and
// subtracts the signed 128-bit integers (lo, hi).
func subtractSigned(planes [][]uint64, bit uint, lo, hi []uint64) {
	constant := make([]uint64, len(planes))
	constant[bit/64] = 1 << (bit % 64)
	borrows := make([]uint64, len(lo))
	for l, p := range planes {
		c := constant[l]
		for i, v := range p {
			var x uint64
			switch l {
			case 0:
				x = lo[i]
			case 1:
				x = hi[i]
			default:
				x = uint64(int64(hi[i]) >> 63)
			}
			// borrows[i] holds a borrow in bit 0 and a carry in bit 1.
			d, borrow := bits.Sub64(v, x, borrows[i]&1)
			s, carry := bits.Add64(d, c, borrows[i]>>1)
			p[i] = s
			borrows[i] = borrow | carry<<1
		}
	}
}

// residueForm maps an integer in planes to (f·x + k) mod q, f and k fixed.
type residueForm struct {
	c       []uint64 // f·2^(64·l)·2^64 mod q for plane l
	k       uint64
	q       uint64
	inv     uint64 // 1/q mod 2^64
	barrett uint64 // ⌊2^64/q⌋
}

// newResidueForm returns the form x ↦ f·x + k mod the modulus of s, for x of
// the given number of words.
func newResidueForm(s *lattigo.SubRing, words int, f, k *big.Int) *residueForm {
	var factors []*big.Int
	for l := range words {
		factors = append(factors, new(big.Int).Lsh(f, uint(64*l)))
	}
	return newWeightedForm(s, factors, k)
}

// newWeightedForm returns the form Σ_l factors[l]·x_l + k mod the modulus of s,
// for words x_l: where they are no integer's planes.
func newWeightedForm(s *lattigo.SubRing, factors []*big.Int, k *big.Int) *residueForm {
	q := new(big.Int).SetUint64(s.Modulus)
	r := &residueForm{q: s.Modulus, inv: s.MRedConstant, barrett: s.BRedConstant[0]}
	r.k = new(big.Int).Mod(k, q).Uint64()
	for _, f := range factors {
		r.c = append(r.c, montgomery(f, s.Modulus))
	}
	return r
}

// apply sets dst to f·x + k mod q, fully reduced, for planes of one to five
// words.
func (r *residueForm) apply(dst []uint64, planes [][]uint64) {
	r.applyFrom(dst, planes, vectorForm(r, dst, planes))
}

// applyFrom is apply for the elements from the given one on.
func (r *residueForm) applyFrom(dst []uint64, planes [][]uint64, from int) {
	dst = dst[from:]
	n := len(dst)
	p0 := planes[0][from:][:n]
	switch len(r.c) {
	case 1:
		for i := range dst {
			dst[i] = r.reduce(bits.Mul64(p0[i], r.c[0]))
		}
	case 2:
		c0, c1 := r.c[0], r.c[1]
		p1 := planes[1][from:][:n]
		for i := range dst {
			hi, lo := bits.Mul64(p0[i], c0)
			dst[i] = r.reduce(multiplyAdd(hi, lo, p1[i], c1))
		}
	case 3:
		c0, c1, c2 := r.c[0], r.c[1], r.c[2]
		p1, p2 := planes[1][from:][:n], planes[2][from:][:n]
		for i := range dst {
			hi, lo := bits.Mul64(p0[i], c0)
			hi, lo = multiplyAdd(hi, lo, p1[i], c1)
			dst[i] = r.reduce(multiplyAdd(hi, lo, p2[i], c2))
		}
	case 4:
		c0, c1, c2, c3 := r.c[0], r.c[1], r.c[2], r.c[3]
		p1, p2, p3 := planes[1][from:][:n], planes[2][from:][:n], planes[3][from:][:n]
		for i := range dst {
			hi, lo := bits.Mul64(p0[i], c0)
			hi, lo = multiplyAdd(hi, lo, p1[i], c1)
			hi, lo = multiplyAdd(hi, lo, p2[i], c2)
			dst[i] = r.reduce(multiplyAdd(hi, lo, p3[i], c3))
		}
	case 5:
		c0, c1, c2, c3, c4 := r.c[0], r.c[1], r.c[2], r.c[3], r.c[4]
		p1, p2, p3, p4 := planes[1][from:][:n], planes[2][from:][:n], planes[3][from:][:n], planes[4][from:][:n]
		for i := range dst {
			hi, lo := bits.Mul64(p0[i], c0)
			hi, lo = multiplyAdd(hi, lo, p1[i], c1)
			hi, lo = multiplyAdd(hi, lo, p2[i], c2)
			hi, lo = multiplyAdd(hi, lo, p3[i], c3)
			dst[i] = r.reduce(multiplyAdd(hi, lo, p4[i], c4))
		}
	}
}

// reduce returns x/2^64 + k mod q for x below 5·2^64·q: the sum before the
// last step is below 7q < 2^64.
func (r *residueForm) reduce(hi, lo uint64) uint64 {
	h, _ := bits.Mul64(lo*r.inv, r.q)
	x := hi - h + r.q + r.k
	h, _ = bits.Mul64(x, r.barrett)
	x -= h * r.q
	return x - r.q&-((r.q-1-x)>>63)
}

// multiplyAdd returns hi·2^64 + lo + x·y, which the caller knows to be below
// 2^128.
func multiplyAdd(hi, lo, x, y uint64) (uint64, uint64) {
	h, l := bits.Mul64(x, y)
	lo, carry := bits.Add64(lo, l, 0)
	hi, _ = bits.Add64(hi, h, carry)
	return hi, lo
}

// dot sets dst to Σ_l x[l]·y[l]/2^64 mod the modulus of s, below twice it. All
// factors are reduced and there are at most eight products: their sum is below
// 8·q² < q·2^64, since q < 2^61.
func dot(dst []uint64, s *lattigo.SubRing, x, y [][]uint64) {
	dotFrom(dst, s, x, y, vectorDot(dst, x, y, s.Modulus, s.MRedConstant))
}

// dotFrom is dot for the elements from the given one on.
func dotFrom(dst []uint64, s *lattigo.SubRing, x, y [][]uint64, from int) {
	q, inv := s.Modulus, s.MRedConstant
	for i := from; i < len(dst); i++ {
		var hi, lo uint64
		for l, v := range x {
			hi, lo = multiplyAdd(hi, lo, v[i], y[l][i])
		}
		h, _ := bits.Mul64(lo*inv, q)
		dst[i] = hi - h + q
	}
}

package offline

import (
	"math/big"
	"math/bits"

	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// Vectors of integers longer than a word are planes: plane l holds bits 64·l to
// 64·l+63 of every element. Nothing in this file branches on an element.

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

// addSignedPlanes adds to the integers in planes the constant 2^bit and
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
	c     []uint64 // f·2^(64·l)·2^64 mod q for plane l
	k     uint64
	q     uint64
	inv   uint64
	bred  []uint64
	words int
}

// newResidueForm returns the form x ↦ f·x + k mod the modulus of s, for x of
// the given number of words.
func newResidueForm(s *lattigo.SubRing, words int, f, k *big.Int) *residueForm {
	q := new(big.Int).SetUint64(s.Modulus)
	r := &residueForm{q: s.Modulus, inv: s.MRedConstant, bred: s.BRedConstant, words: words}
	r.k = new(big.Int).Mod(k, q).Uint64()
	for l := range words {
		c := new(big.Int).Lsh(f, uint(64*l))
		r.c = append(r.c, montgomery(c.Mod(c, q), s.Modulus))
	}
	return r
}

// apply sets dst to f·x + k mod q, fully reduced.
func (r *residueForm) apply(dst []uint64, planes [][]uint64) {
	var acc accumulator
	for at := 0; at < len(dst); at += len(acc.lo) {
		n := min(len(dst)-at, len(acc.lo))
		acc.clear(n)
		for l, c := range r.c {
			acc.scale(planes[l][at:at+n], c)
		}
		d := dst[at : at+n]
		for i := range d {
			// Below (words+1)·q + k: five words of q < 2^61 stay below 2^64.
			h, _ := bits.Mul64(acc.lo[i]*r.inv, r.q)
			d[i] = lattigo.BRedAdd(acc.hi[i]-h+r.q+r.k, r.q, r.bred)
		}
	}
}

// accumulator sums products of two words for a block of elements. Up to eight
// products of factors below 2^61, or five of a word and a factor below 2^61,
// stay below 2^128.
type accumulator struct{ lo, hi [512]uint64 }

func (a *accumulator) clear(n int) {
	clear(a.lo[:n])
	clear(a.hi[:n])
}

// scale adds c·x.
func (a *accumulator) scale(x []uint64, c uint64) {
	lo, hi := a.lo[:len(x)], a.hi[:len(x)]
	for i, v := range x {
		h, l := bits.Mul64(v, c)
		var carry uint64
		lo[i], carry = bits.Add64(lo[i], l, 0)
		hi[i], _ = bits.Add64(hi[i], h, carry)
	}
}

// multiply adds x·y.
func (a *accumulator) multiply(x, y []uint64) {
	lo, hi := a.lo[:len(x)], a.hi[:len(x)]
	y = y[:len(x)]
	for i, v := range x {
		h, l := bits.Mul64(v, y[i])
		var carry uint64
		lo[i], carry = bits.Add64(lo[i], l, 0)
		hi[i], _ = bits.Add64(hi[i], h, carry)
	}
}

// dot sets dst to Σ_l x[l]·y[l]/2^64 mod the modulus of s, below twice it. All
// factors are reduced and there are at most eight products: their sum is below
// 8·q² < q·2^64.
func dot(dst []uint64, s *lattigo.SubRing, x, y [][]uint64) {
	var acc accumulator
	q, inv := s.Modulus, s.MRedConstant
	for at := 0; at < len(dst); at += len(acc.lo) {
		n := min(len(dst)-at, len(acc.lo))
		acc.clear(n)
		for l := range x {
			acc.multiply(x[l][at:at+n], y[l][at:at+n])
		}
		d := dst[at : at+n]
		for i := range d {
			h, _ := bits.Mul64(acc.lo[i]*inv, q)
			d[i] = acc.hi[i] - h + q
		}
	}
}

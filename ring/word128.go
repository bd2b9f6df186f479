package ring

import (
	"math/big"
	"math/bits"
)

// word128 is an element of Z_{2^128}, two's complement where a sign matters.
type word128 struct{ hi, lo uint64 }

// reduce128 returns v mod 2^128.
func reduce128(v *big.Int) word128 {
	low := new(big.Int).SetUint64(^uint64(0))
	hi := new(big.Int).Rsh(v, 64) // rounds towards −∞, as two's complement wants
	return word128{hi: hi.And(hi, low).Uint64(), lo: low.And(low, v).Uint64()}
}

// add returns a + b.
func (a word128) add(b word128) word128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return word128{hi, lo}
}

// mul returns a·b.
func (a word128) mul(b word128) word128 {
	hi, lo := bits.Mul64(a.lo, b.lo)
	return word128{hi + a.hi*b.lo + a.lo*b.hi, lo}
}

// step returns a·c + b, c a signed 64-bit integer: one step of Horner's rule.
func (a word128) step(c uint64, b *word128) word128 {
	hi, lo := bits.Mul64(a.lo, c)
	// A negative c is c − 2^64.
	hi += a.hi*c - a.lo&uint64(int64(c)>>63)
	lo, carry := bits.Add64(lo, b.lo, 0)
	hi, _ = bits.Add64(hi, b.hi, carry)
	return word128{hi, lo}
}

// negateIf returns a if mask is 0 and −a if it is all ones.
func (a word128) negateIf(mask uint64) word128 {
	lo, borrow := bits.Sub64(a.lo^mask, mask, 0)
	hi, _ := bits.Sub64(a.hi^mask, mask, borrow)
	return word128{hi, lo}
}

// shiftRight returns the low word of ⌊a/2^s⌋, a unsigned, s below 128. Of the
// three terms those that do not apply shift by 64 or more, wrapped below zero or
// not, and are zero.
func (a word128) shiftRight(s uint) uint64 {
	return a.lo>>s | a.hi<<(64-s) | a.hi>>(s-64)
}

// shiftRightSigned is shiftRight with a signed.
func (a word128) shiftRightSigned(s uint) uint64 {
	if s < 64 {
		return a.lo>>s | a.hi<<(64-s)
	}
	return uint64(int64(a.hi) >> (s - 64))
}

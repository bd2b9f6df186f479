// Command pascalasm writes the AVX-512 kernels of ring.Pascal, one for each
// degree. Go's go generate runs it in package ring.
//
// A kernel evaluates, for eight elements at a time and mod 2^128,
//
//	Σ_j c^j·L_j,  L_j = k_j + Σ_{i=1..d−j} κ_ij·ρ^i
//
// by Horner's rule in c, the κ_ij and k_j public constants, and drops s bits of
// the result. Before, it may open c, and after, subtract a mask. Numbers are in limbs of 52 bits, since VPMADD52 multiplies the low
// 52 bits of its operands, whatever is above them, and adds one half of the
// product: carries wait in the 12 bits above until a row is complete. The third
// limb counts mod 2^24, and may hold anything above.
//
// The constants come as a program, in the order in which they are used:
// ring's Pascal.program.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const minDegree, maxDegree = 2, 8

// limbs are 52-bit limbs of eight numbers, the lowest first.
type limbs []VecVirtual

func newLimbs(n int) limbs {
	l := make(limbs, n)
	for i := range l {
		l[i] = ZMM()
	}
	return l
}

// addTimes adds limb i of a times b, limb at of another number, to acc, without
// what is above 2^128. b is a register, or memory with one number for all.
func (acc limbs) addTimes(a limbs, i int, b Op, at int) {
	low, high := VPMADD52LUQ, VPMADD52HUQ
	if _, memory := b.(Mem); memory {
		low, high = VPMADD52LUQ_BCST, VPMADD52HUQ_BCST
	}
	if i+at < len(acc) {
		low(b, a[i], acc[i+at])
	}
	if i+at+1 < len(acc) {
		high(b, a[i], acc[i+at+1])
	}
}

// carry brings the lower limbs' excess over 52 bits to the next ones. The excess
// stays where it was as well: multiplications do not see it.
func (acc limbs) carry() {
	for i := range len(acc) - 1 {
		over := ZMM()
		VPSRLQ(Imm(52), acc[i], over)
		VPADDQ(over, acc[i+1], acc[i+1])
	}
}

func main() {
	for d := minDegree; d <= maxDegree; d++ {
		pascal(d)
	}
	Generate()
}

// The vectors that a kernel gets, as ring's pascalVectors has them.
const (
	result = iota
	masked
	opening
	blind
	powers // ρ, then for each ρ^i the low words and the high words
)

func pascal(degree int) {
	name := fmt.Sprintf("pascal%dAVX512", degree)
	TEXT(name, NOSPLIT, "func(vectors **uint64, program, open *uint64, n int)")
	Doc(name + " runs program, of degree " + fmt.Sprint(degree) + ", on n elements, a multiple of 8.")
	Pragma("noescape")
	vectors := Mem{Base: Load(Param("vectors"), GP64())}
	program, open := Mem{Base: Load(Param("program"), GP64())}, Mem{Base: Load(Param("open"), GP64())}
	n, e := Load(Param("n"), GP64()), GP64()
	// vector gives eight elements of a vector; where there is none it goes to
	// label none, unless that is empty.
	vector := func(i int, none string) Mem {
		base := GP64()
		MOVQ(vectors.Offset(8*i), base)
		if none != "" {
			TESTQ(base, base)
			JZ(LabelRef(none))
		}
		return Mem{Base: base}.Idx(e, 8)
	}
	XORQ(e, e)
	at := 0 // where the program is
	next := func() Mem {
		m := program.Offset(8 * at)
		at++
		return m
	}
	constant := func() limbs {
		l := newLimbs(3)
		for _, r := range l {
			VPBROADCASTQ(next(), r)
		}
		return l
	}

	Label("elements")
	x := newLimbs(3) // c, with its sign
	VMOVDQU64(vector(masked, ""), x[0])
	VPADDQ(vector(opening, "opened"), x[0], x[0])
	VPADDQ_BCST(open, x[0], x[0])
	VPSRLVQ_BCST(open.Offset(8), x[0], x[0])
	VPSUBQ_BCST(open.Offset(16), x[0], x[0])
	Label("opened")
	VPSRAQ(Imm(52), x[0], x[1])
	VPSRAQ(Imm(63), x[0], x[2])
	power := make([]limbs, degree+1) // the party's shares of ρ^i
	acc := constant()
	for j := degree - 1; j >= 0; j-- {
		row := constant()
		for i := 1; i <= degree-j; i++ {
			if power[i] == nil {
				power[i] = loadPower(i, vector)
			}
			term(row, power[i], next, fmt.Sprintf("after%d_%d", i, j))
		}
		// The lower limbs are ready first.
		for i := range acc {
			for at, b := range x {
				row.addTimes(acc, i, b, at)
			}
		}
		acc = row
		acc.carry()
	}
	lo, hi := ZMM(), ZMM()
	VPSLLQ(Imm(12), acc[0], lo)
	VPSHRDQ(Imm(12), acc[1], lo, lo)
	VPSLLQ(Imm(12), acc[1], hi)
	VPSHRDQ(Imm(24), acc[2], hi, hi)
	// A count of 64 or more, or below zero, shifts everything out.
	right, left, beyond := ZMM(), ZMM(), ZMM()
	VPBROADCASTQ(next(), right)
	VPBROADCASTQ(next(), left)
	VPBROADCASTQ(next(), beyond)
	VPSRLVQ(right, lo, lo)
	VPSLLVQ(left, hi, left)
	VPSRLVQ(beyond, hi, hi)
	VPORQ(lo, left, lo)
	VPORQ(lo, hi, lo)
	negative := ZMM()
	VPBROADCASTQ(next(), negative)
	VPXORQ(negative, lo, lo)
	VPSUBQ(negative, lo, lo)
	VPSUBQ(vector(blind, "blinded"), lo, lo)
	Label("blinded")
	VMOVDQU64(lo, vector(result, ""))
	ADDQ(Imm(8), e)
	CMPQ(e, n)
	JB(LabelRef("elements"))
	VZEROUPPER()
	RET()
}

// loadPower loads the shares of ρ^i. ρ itself has one word.
func loadPower(i int, vector func(int, string) Mem) limbs {
	if i == 1 {
		l := newLimbs(2)
		VMOVDQU64(vector(powers, ""), l[0])
		VPSRLQ(Imm(52), l[0], l[1])
		return l
	}
	l := newLimbs(3)
	VMOVDQU64(vector(powers+2*i-3, ""), l[0])
	VMOVDQU64(vector(powers+2*i-2, ""), l[2])
	VPSHRDQ(Imm(52), l[2], l[0], l[1])
	VPSRLQ(Imm(40), l[2], l[2])
	return l
}

// term adds |κ|·power, or where sign is all ones |κ| times the complement of it,
// to row. In the program: the number of limbs of |κ|, sign, the limbs.
func term(row, power limbs, next func() Mem, done string) {
	count, sign := next(), next()
	k := []Mem{next(), next(), next()}
	CMPQ(count, Imm(0))
	JE(LabelRef(done))
	signed := newLimbs(len(power))
	for i, p := range power {
		VPXORQ_BCST(sign, p, signed[i])
	}
	for i := range signed {
		row.addTimes(signed, i, k[0], 0)
	}
	CMPQ(count, Imm(1))
	JE(LabelRef(done))
	for i := range signed {
		row.addTimes(signed, i, k[1], 1)
		row.addTimes(signed, i, k[2], 2)
	}
	Label(done)
}

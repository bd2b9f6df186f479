package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

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

// pascalAVX512 writes a kernel with limbs of 52 bits, since VPMADD52 multiplies
// the low 52 bits of its operands, whatever is above them, and adds one half of
// the product. The third limb counts mod 2^24, and may hold anything above.
func pascalAVX512(degree int) {
	a := kernel(fmt.Sprintf("pascal%dAVX512", degree), "",
		fmt.Sprintf("of degree %d on n elements, a multiple of 8.", degree))
	constant := func() limbs {
		l := newLimbs(3)
		for _, r := range l {
			VPBROADCASTQ(a.next(), r)
		}
		return l
	}

	Label("elements")
	x := newLimbs(3) // c, with its sign
	VMOVDQU64(a.vector(masked, ""), x[0])
	VPADDQ(a.vector(opening, "opened"), x[0], x[0])
	VPADDQ_BCST(a.open, x[0], x[0])
	VPSRLVQ_BCST(a.open.Offset(8), x[0], x[0])
	VPSUBQ_BCST(a.open.Offset(16), x[0], x[0])
	Label("opened")
	VPSRAQ(Imm(52), x[0], x[1])
	VPSRAQ(Imm(63), x[0], x[2])
	power := make([]limbs, degree+1) // the party's shares of ρ^i
	acc := constant()
	for j := degree - 1; j >= 0; j-- {
		row := constant()
		for i := 1; i <= degree-j; i++ {
			if power[i] == nil {
				power[i] = loadPower(a, i)
			}
			row.addTerm(a, power[i], fmt.Sprintf("after%d_%d", i, j))
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
	a.finish(lo, hi, ZMM)
}

// loadPower loads the shares of ρ^i. ρ itself has one word.
func loadPower(a *arguments, i int) limbs {
	if i == 1 {
		l := newLimbs(2)
		VMOVDQU64(a.vector(powers, ""), l[0])
		VPSRLQ(Imm(52), l[0], l[1])
		return l
	}
	l := newLimbs(3)
	VMOVDQU64(a.vector(powers+2*i-3, ""), l[0])
	VMOVDQU64(a.vector(powers+2*i-2, ""), l[2])
	VPSHRDQ(Imm(52), l[2], l[0], l[1])
	VPSRLQ(Imm(40), l[2], l[2])
	return l
}

// addTerm adds |κ|·power, or where sign is all ones |κ| times the complement of it,
// to row. In the program: the number of limbs of |κ|, sign, the limbs.
func (row limbs) addTerm(a *arguments, power limbs, done string) {
	count, sign := a.next(), a.next()
	k := []Mem{a.next(), a.next(), a.next()}
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

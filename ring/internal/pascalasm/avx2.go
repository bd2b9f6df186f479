package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// narrow is the bits of a limb without VPMADD52. VPMULDQ multiplies signed words
// of 32 bits; limbs of 28 leave room for the sum of a row.
const narrow = 28

// words are limbs in memory: sixteen registers do not hold all. The last may be
// signed.
type words []Mem

func wordsAt(base Register, n int) words {
	w := make(words, n)
	for i := range w {
		w[i] = Mem{Base: base, Disp: 32 * i}
	}
	return w
}

// pascalAVX2 writes a kernel with limbs of 28 bits, for all degrees. Coefficients
// are signed, and so are the limbs of a row but for k_j, which keeps them above
// zero.
func pascalAVX2() {
	const perPower = 32 * 5
	a := kernel("pascalAVX2", ", degree", "of any degree on n elements, a multiple of 4.")
	degree := Load(Param("degree"), GP64())
	start := a.program.Base
	a.program = Mem{Base: GP64()}
	next := func(numbers int) { // what comes next is at the start
		ADDQ(Imm(uint64(8*numbers)), a.program.Base)
		a.at = 0
	}
	room := AllocLocal(32 + 32*3 + perPower*maxDegree)
	stack := GP64()
	LEAQ(room, stack)
	ADDQ(Imm(31), stack)
	ANDQ(I32(-32), stack)
	ones := YMM()
	VPCMPEQQ(ones, ones, ones)
	VPSRLQ(Imm(64-narrow), ones, ones)

	Label("elements")
	x := wordsAt(stack, 3)
	c := YMM()
	VMOVDQU(a.vector(masked, ""), c)
	VPADDQ(a.vector(opening, "opened"), c, c)
	number := func(i int) Op {
		b := YMM()
		VPBROADCASTQ(a.open.Offset(8*i), b)
		return b
	}
	VPADDQ(number(0), c, c)
	VPSRLVQ(number(1), c, c)
	VPSUBQ(number(2), c, c)
	Label("opened")
	x.store(0, c, ones)
	x.store(1, shifted(c, narrow), ones)
	VPSRAD(Imm(2*narrow-32), c, c) // its sign in the upper half of each word
	VPSRLQ(Imm(32), c, c)
	VMOVDQU(c, x[2])

	power, left, vector := GP64(), GP64(), GP64()
	LEAQ(Mem{Base: stack, Disp: 32 * 3}, power)
	storeRho(a, wordsAt(power, 5), ones)
	LEAQ(a.vectors.Offset(8*(powers+1)), vector)
	MOVQ(degree, left)
	Label("powers")
	ADDQ(Imm(perPower), power)
	storePower(a, wordsAt(power, 5), Mem{Base: vector}, ones)
	ADDQ(Imm(16), vector)
	DECQ(left)
	CMPQ(left, Imm(1))
	JNE(LabelRef("powers"))

	MOVQ(start, a.program.Base)
	acc, row := make([]VecVirtual, 5), make([]VecVirtual, 5)
	for i := range acc {
		acc[i], row[i] = YMM(), YMM()
		VPBROADCASTQ(a.next(), acc[i])
	}
	next(5)
	terms := GP64() // of the row
	XORQ(terms, terms)
	Label("rows")
	INCQ(terms)
	for i := range row {
		VPBROADCASTQ(a.next(), row[i])
	}
	next(5)
	MOVQ(terms, left)
	LEAQ(Mem{Base: stack, Disp: 32 * 3}, power)
	Label("terms")
	addSigned(a, row, wordsAt(power, 5), "added")
	next(6)
	ADDQ(Imm(perPower), power)
	DECQ(left)
	JNZ(LabelRef("terms"))
	for i := range acc {
		for at, b := range x {
			if i+at < len(row) {
				product := YMM()
				VPMULDQ(b, acc[i], product)
				VPADDQ(product, row[i+at], row[i+at])
			}
		}
	}
	for i := range row {
		if i+1 < len(row) {
			VPADDQ(shifted(row[i], narrow), row[i+1], row[i+1])
		}
		VPAND(ones, row[i], acc[i])
	}
	CMPQ(terms, degree)
	JNE(LabelRef("rows"))

	lo, hi := acc[0], acc[3]
	VPSLLQ(Imm(narrow), acc[1], acc[1])
	VPOR(acc[1], lo, lo)
	upper := shifted(acc[2], 64-2*narrow)
	VPSLLQ(Imm(2*narrow), acc[2], acc[2])
	VPOR(acc[2], lo, lo)
	VPSLLQ(Imm(3*narrow-64), hi, hi)
	VPOR(upper, hi, hi)
	VPSLLQ(Imm(4*narrow-64), acc[4], acc[4])
	VPOR(acc[4], hi, hi)
	a.finish(lo, hi, YMM)
}

func shifted(v VecVirtual, bits uint64) VecVirtual {
	r := YMM()
	VPSRLQ(Imm(bits), v, r)
	return r
}

// store keeps the low bits of v, those of ones, as limb i.
func (w words) store(i int, v, ones VecVirtual) {
	limb := YMM()
	VPAND(ones, v, limb)
	VMOVDQU(limb, w[i])
}

// storeRho stores ρ, which has one word.
func storeRho(a *arguments, w words, ones VecVirtual) {
	rho, zero := YMM(), YMM()
	VMOVDQU(a.vector(powers, ""), rho)
	w.store(0, rho, ones)
	w.store(1, shifted(rho, narrow), ones)
	w.store(2, shifted(rho, 2*narrow), ones)
	VPXOR(zero, zero, zero)
	VMOVDQU(zero, w[3])
	VMOVDQU(zero, w[4])
}

// storePower stores the shares of a further power, whose vectors are at address.
func storePower(a *arguments, w words, address Mem, ones VecVirtual) {
	lo, hi, middle := YMM(), YMM(), YMM()
	VMOVDQU(a.load(address, ""), lo)
	VMOVDQU(a.load(address.Offset(8), ""), hi)
	w.store(0, lo, ones)
	w.store(1, shifted(lo, narrow), ones)
	VPSLLQ(Imm(64-2*narrow), hi, middle)
	VPOR(shifted(lo, 2*narrow), middle, middle)
	w.store(2, middle, ones)
	w.store(3, shifted(hi, 3*narrow-64), ones)
	w.store(4, shifted(hi, 4*narrow-64), ones)
}

// addSigned adds κ·power to row. In the program: the number of limbs of κ, the
// limbs, each with the sign of κ.
func addSigned(a *arguments, row []VecVirtual, power words, done string) {
	count := a.next()
	for at := range row {
		k := a.next()
		if at < 3 { // limbs from the third on are rare
			CMPQ(count, Imm(uint64(at)))
			JE(LabelRef(done))
		}
		b := YMM()
		VPBROADCASTQ(k, b)
		for i, p := range power {
			if i+at < len(row) {
				product := YMM()
				VPMULDQ(p, b, product)
				VPADDQ(product, row[i+at], row[i+at])
			}
		}
	}
	Label(done)
}

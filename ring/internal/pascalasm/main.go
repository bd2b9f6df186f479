// Command pascalasm writes the vector kernels of ring.Pascal. Package ring runs
// it by go generate.
//
// A kernel evaluates, for as many elements at a time as fit a register, and mod
// 2^128,
//
//	Σ_j c^j·L_j,  L_j = k_j + Σ_{i=1..d−j} κ_ij·ρ^i
//
// by Horner's rule in c, the κ_ij and k_j public constants, and drops s bits of
// the result. Before, it may open c, and after, subtract a mask. Numbers are in
// limbs, with room above for the carries of a row.
//
// The constants come as a program, in the order in which they are used: ring's
// Pascal.program.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const minDegree, maxDegree = 2, 8

func main() {
	for d := minDegree; d <= maxDegree; d++ {
		pascalAVX512(d)
	}
	pascalAVX2()
	Generate()
}

// The vectors that a kernel gets, in the order of ring's Pascal.runVector.
const (
	result = iota
	masked
	opening
	blind
	powers // ρ, then for each ρ^i the low words and the high words
)

// arguments are those of a kernel.
type arguments struct {
	vectors, program, open Mem
	n, e                   Register // elements, and those done
	at                     int      // where the program is
}

// kernel begins one, with the parameters that all have and more.
func kernel(name, more, doc string) *arguments {
	TEXT(name, 0, "func(vectors **uint64, program, open *uint64, n"+more+" int)")
	Doc(name + " runs program " + doc)
	Pragma("noescape")
	a := &arguments{
		vectors: Mem{Base: Load(Param("vectors"), GP64())},
		program: Mem{Base: Load(Param("program"), GP64())},
		open:    Mem{Base: Load(Param("open"), GP64())},
		n:       Load(Param("n"), GP64()),
		e:       GP64(),
	}
	XORQ(a.e, a.e)
	return a
}

// next is the next number of the program.
func (a *arguments) next() Mem {
	m := a.program.Offset(8 * a.at)
	a.at++
	return m
}

// vector is the elements at hand of a vector; where there is none it goes to
// label none, unless that is empty.
func (a *arguments) vector(i int, none string) Mem {
	return a.load(a.vectors.Offset(8*i), none)
}

// load is vector with its place among the vectors.
func (a *arguments) load(address Mem, none string) Mem {
	base := GP64()
	MOVQ(address, base)
	if none != "" {
		TESTQ(base, base)
		JZ(LabelRef(none))
	}
	return Mem{Base: base}.Idx(a.e, 8)
}

// finish writes the result, of which lo and hi are the words: shifted, with its
// sign, blinded.
func (a *arguments) finish(lo, hi VecVirtual, register func() VecVirtual) {
	wide := lo.Size() == 64
	load := func() VecVirtual {
		r := register()
		VPBROADCASTQ(a.next(), r)
		return r
	}
	// A count of 64 or more, or below zero, shifts everything out.
	VPSRLVQ(load(), lo, lo)
	left := load()
	VPSLLVQ(left, hi, left)
	VPSRLVQ(load(), hi, hi)
	negative := load()
	if wide {
		VPORQ(lo, left, lo)
		VPORQ(lo, hi, lo)
		VPXORQ(negative, lo, lo)
	} else {
		VPOR(lo, left, lo)
		VPOR(lo, hi, lo)
		VPXOR(negative, lo, lo)
	}
	VPSUBQ(negative, lo, lo)
	VPSUBQ(a.vector(blind, "blinded"), lo, lo)
	Label("blinded")
	if wide {
		VMOVDQU64(lo, a.vector(result, ""))
	} else {
		VMOVDQU(lo, a.vector(result, ""))
	}
	ADDQ(Imm(uint64(lo.Size()/8)), a.e)
	CMPQ(a.e, a.n)
	JB(LabelRef("elements"))
	VZEROUPPER()
	RET()
}

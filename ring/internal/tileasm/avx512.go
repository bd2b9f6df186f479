package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// avx512Tile multiplies mod 2^64 as the processor does (VPMULLQ): a sum is one
// quadword, a pixel by 16 channels is two registers, and twelve pixels leave
// enough registers for the operands.
func avx512Tile(groups, pixels int, wide bool) {
	name, bytes, of := "avx512Tile", 2, ""
	if wide {
		name, bytes, of = "avx512WideTile", 8, ", of weights mod 2^64"
	}
	name += fmt.Sprintf("%dx%d", groups, pixels)
	TEXT(name, NOSPLIT, "func(t *tile)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s takes %d×%d pixels by 16 channels%s.", name, groups, pixels, of))
	p := newWalk(groups, pixels, bytes)
	p.fetchOutputs(128)
	sums := zeroed(2*groups*pixels, ZMM)
	w0, w1 := ZMM(), ZMM()
	p.eachInput(1, 16, func(i int) {
		at := Mem{Base: p.w, Disp: 16 * bytes * i}
		if wide {
			VMOVDQU64(at, w0)
			VMOVDQU64(at.Offset(64), w1)
		} else {
			VPMOVSXWQ(at, w0)
			VPMOVSXWQ(at.Offset(16), w1)
		}
		for g := range groups {
			for j := range pixels {
				multiplyAdd(p.input(g, j, i), w0, w1, sums[2*(g*pixels+j):])
			}
		}
	})
	p.eachOutput(func(g, j int, out Mem) {
		for i, s := range sums[2*(g*pixels+j):][:2] {
			at := out.Offset(64 * i)
			VPADDQ(at, s, s)
			VMOVDQU64(s, at)
		}
	})
	VZEROUPPER()
	RET()
}

// multiplyAdd adds the products of an input by 16 weights to two sums.
func multiplyAdd(input Mem, w0, w1 Register, sums []VecVirtual) {
	x, product0, product1 := ZMM(), ZMM(), ZMM()
	VPBROADCASTQ(input, x)
	VPMULLQ(x, w0, product0)
	VPMULLQ(x, w1, product1)
	VPADDQ(product0, sums[0], sums[0])
	VPADDQ(product1, sums[1], sums[1])
}

// avx512Peak does what the loop of [avx512Tile] does for 192 products, less the
// loads.
func avx512Peak() {
	TEXT("avx512Peak", NOSPLIT, "func(n int) uint64")
	Doc("avx512Peak multiplies and adds n·192 times.")
	n := Load(Param("n"), GP64())
	sums := zeroed(24, ZMM)
	x, w0, w1 := ZMM(), ZMM(), ZMM()
	VPTERNLOGQ(U8(0xff), x, x, x)
	VPSRLQ(U8(1), x, w0)
	VPSRLQ(U8(2), x, w1)
	Label("loop")
	for i := range 12 {
		product0, product1 := ZMM(), ZMM()
		VPMULLQ(x, w0, product0)
		VPMULLQ(x, w1, product1)
		VPADDQ(product0, sums[2*i], sums[2*i])
		VPADDQ(product1, sums[2*i+1], sums[2*i+1])
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	for _, s := range sums[1:] {
		VPADDQ(s, sums[0], sums[0])
	}
	result := GP64()
	VMOVQ(sums[0].AsX(), result)
	Store(result, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// zeroed returns n registers that hold zeros.
func zeroed(n int, register func() VecVirtual) []VecVirtual {
	all := make([]VecVirtual, n)
	for i := range all {
		all[i] = register()
		switch r := all[i]; r.Size() {
		case 64:
			VPXORQ(r, r, r)
		default:
			VPXOR(r, r, r)
		}
	}
	return all
}

// avx512Nested multiplies by differences of weights: of two, or of two such
// differences. What comes out is added to one place and subtracted from another,
// or both from two.
func avx512Nested(depth, groups int) {
	const pixels = 4
	name := fmt.Sprintf("avx512Nested%dx%dx%d", depth, groups, pixels)
	TEXT(name, NOSPLIT, "func(t *tile)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s takes %d×%d pixels by %d differences of 16 channels.", name, groups, pixels, depth))
	p := newWalk(groups, pixels, 2)
	sums := zeroed(2*groups*pixels, ZMM)
	var next []Register
	for i := range depth {
		n := Load(p.t.Field("wNext").Index(i), GP64())
		SHLQ(U8(1), n)
		next = append(next, n)
	}
	places, signs := corners(p.w, next)
	w0, w1, v := ZMM(), ZMM(), ZMM()
	run := Load(p.t.Field("run"), GP64())
	Label("input")
	for half, w := range []VecVirtual{w0, w1} {
		for i, place := range places {
			at := place.Offset(16 * half)
			switch {
			case i == 0:
				VPMOVSXWQ(at, w)
			case signs[i]:
				VPMOVSXWQ(at, v)
				VPADDQ(v, w, w)
			default:
				VPMOVSXWQ(at, v)
				VPSUBQ(v, w, w)
			}
		}
	}
	for g := range groups {
		for j := range pixels {
			multiplyAdd(p.input(g, j, 0), w0, w1, sums[2*(g*pixels+j):])
		}
	}
	ADDQ(I8(32), p.w)
	for _, in := range p.in {
		ADDQ(I8(8), in)
	}
	DECQ(run)
	JNZ(LabelRef("input"))

	next = nil
	for i := range depth {
		n := Load(p.t.Field("outNext").Index(i), GP64())
		SHLQ(U8(3), n)
		next = append(next, n)
	}
	sum := ZMM()
	places, signs = corners(nil, next)
	p.eachOutput(func(g, j int, out Mem) {
		for half, s := range sums[2*(g*pixels+j):][:2] {
			for i, place := range places {
				place.Base = out.Base
				at := place.Offset(64 * half)
				VMOVDQU64(at, sum)
				if signs[i] {
					VPADDQ(s, sum, sum)
				} else {
					VPSUBQ(s, sum, sum)
				}
				VMOVDQU64(sum, at)
			}
		}
	})
	VZEROUPPER()
	RET()
}

// corners returns the places that one or two steps from base lead to, and which
// of them count positively: those after an even number of steps.
func corners(base Register, steps []Register) (places []Mem, positive []bool) {
	places, positive = []Mem{{Base: base}, {Base: base, Index: steps[0], Scale: 1}}, []bool{true, false}
	if len(steps) == 2 {
		both := GP64()
		LEAQ(Mem{Base: steps[0], Index: steps[1], Scale: 1}, both)
		places = append(places, Mem{Base: base, Index: steps[1], Scale: 1}, Mem{Base: base, Index: both, Scale: 1})
		positive = append(positive, false, true)
	}
	return places, positive
}

// avx512Sum3 adds three vectors.
func avx512Sum3() {
	TEXT("avx512Sum3", NOSPLIT, "func(dst, a, b, c *uint64, n int)")
	Pragma("noescape")
	Doc("avx512Sum3 sets dst[i] = a[i] + b[i] + c[i] for i below n, a multiple of 8.")
	dst, n := Load(Param("dst"), GP64()), Load(Param("n"), GP64())
	a, b, c := Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("c"), GP64())
	i := GP64()
	XORQ(i, i)
	at := func(p Register) Mem { return Mem{Base: p, Index: i, Scale: 8} }
	Label("loop")
	sum := ZMM()
	VMOVDQU64(at(a), sum)
	VPADDQ(at(b), sum, sum)
	VPADDQ(at(c), sum, sum)
	VMOVDQU64(sum, at(dst))
	ADDQ(I8(8), i)
	CMPQ(i, n)
	JB(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// avx512AddSquare adds what the tiles of squares leave.
func avx512AddSquare() {
	TEXT("avx512AddSquare", NOSPLIT, "func(dst, src *uint64, step, rowStep, rows, cols int)")
	Pragma("noescape")
	Doc("avx512AddSquare adds rows×cols pixels of src, 3×3 of 16 channels, to dst, whose",
		"pixels are step and rows rowStep elements apart.")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	step, rowStep := Load(Param("step"), GP64()), Load(Param("rowStep"), GP64())
	rows, cols := Load(Param("rows"), GP64()), GP64()
	SHLQ(U8(3), step)
	SHLQ(U8(3), rowStep)
	from, to := GP64(), GP64()
	Label("row")
	MOVQ(src, from)
	MOVQ(dst, to)
	Load(Param("cols"), cols)
	Label("pixel")
	for half := range 2 {
		sum := ZMM()
		at := Mem{Base: to, Disp: 64 * half}
		VMOVDQU64(at, sum)
		VPADDQ(Mem{Base: from, Disp: 64 * half}, sum, sum)
		VMOVDQU64(sum, at)
	}
	ADDQ(step, to)
	ADDQ(I32(128), from)
	DECQ(cols)
	JNZ(LabelRef("pixel"))
	ADDQ(rowStep, dst)
	ADDQ(I32(3*128), src)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

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
func avx512Tile(groups, pixels int) {
	TEXT(fmt.Sprintf("avx512Tile%dx%d", groups, pixels), NOSPLIT, "func(t *tile)")
	Pragma("noescape")
	Doc(fmt.Sprintf("avx512Tile%dx%d takes %d×%d pixels by 16 channels.", groups, pixels, groups, pixels))
	p := newWalk(groups, pixels)
	p.fetchOutputs(128)
	sums := zeroed(2*groups*pixels, ZMM)
	w0, w1 := ZMM(), ZMM()
	p.eachInput(1, 16, func(i int) {
		VPMOVSXWQ(Mem{Base: p.w, Disp: 32 * i}, w0)
		VPMOVSXWQ(Mem{Base: p.w, Disp: 32*i + 16}, w1)
		for g := range groups {
			for j := range pixels {
				x, product0, product1 := ZMM(), ZMM(), ZMM()
				VPBROADCASTQ(p.input(g, j, i), x)
				VPMULLQ(x, w0, product0)
				VPMULLQ(x, w1, product1)
				s := sums[2*(g*pixels+j):]
				VPADDQ(product0, s[0], s[0])
				VPADDQ(product1, s[1], s[1])
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

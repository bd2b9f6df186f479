package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// avx2Tile has no 64-bit multiplication. Of an input x = high·2^32 + low, low
// from −2^31 to 2^31−1 (see avx2Split), times a weight of 16 bits, low·w is a
// signed product of 32 by 32 bits (VPMULDQ, four at once, of the even or the odd
// weights) and high·w is wanted mod 2^32 only (VPMULLD, eight at once). The sums
// of both are kept apart and put together at the end: three registers for a
// pixel by 8 channels.
func avx2Tile(pixels int) {
	TEXT(fmt.Sprintf("avx2Tile%d", pixels), NOSPLIT, "func(t *tile)")
	Pragma("noescape")
	Doc(fmt.Sprintf("avx2Tile%d takes %d pixels, split, by 8 channels.", pixels, pixels))
	p := newWalk(1, pixels, 2)
	sums := zeroed(3*pixels, YMM)
	w, odd := YMM(), YMM()
	p.eachInput(4, 8, func(i int) {
		VPMOVSXWD(Mem{Base: p.w, Disp: 16 * i}, w)
		VPSRLQ(U8(32), w, odd)
		for j := range pixels {
			s := sums[3*j:]
			x := p.input(0, j, i)
			low, product := YMM(), YMM()
			VPBROADCASTD(x, low)
			VPMULDQ(low, w, product)
			VPADDQ(product, s[0], s[0])
			VPMULDQ(low, odd, low)
			VPADDQ(low, s[1], s[1])
			high := YMM()
			VPBROADCASTD(x.Offset(4), high)
			VPMULLD(high, w, high)
			VPADDD(high, s[2], s[2])
		}
	})
	p.eachOutput(func(_, j int, out Mem) {
		even, odd, high := sums[3*j], sums[3*j+1], sums[3*j+2]
		shifted := YMM()
		VPSLLQ(U8(32), high, shifted)
		VPADDQ(shifted, even, even)
		VPSRLQ(U8(32), high, high)
		VPSLLQ(U8(32), high, high)
		VPADDQ(high, odd, odd)
		// Channels 0, 1, 4, 5 and 2, 3, 6, 7; then in order.
		first, second := YMM(), YMM()
		VPUNPCKLQDQ(odd, even, first)
		VPUNPCKHQDQ(odd, even, second)
		VPERM2I128(U8(0x20), second, first, even)
		VPERM2I128(U8(0x31), second, first, odd)
		for i, s := range []VecVirtual{even, odd} {
			at := out.Offset(32 * i)
			VPADDQ(at, s, s)
			VMOVDQU(s, at)
		}
	})
	VZEROUPPER()
	RET()
}

// avx2WideTile multiplies x = xh·2^32 + xl by w = wh·2^32 + wl, as they are: xl·wl
// is a product of 32 by 32 bits (VPMULUDQ, four at once), and xl·wh + xh·wl is
// wanted mod 2^32 only: with the halves of x exchanged, the two are neighbours
// (VPMULLD), added at the end.
func avx2WideTile(pixels int) {
	name := fmt.Sprintf("avx2WideTile%d", pixels)
	TEXT(name, NOSPLIT, "func(t *tile)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s takes %d pixels by 8 channels, of weights mod 2^64.", name, pixels))
	p := newWalk(1, pixels, 8)
	sums := zeroed(4*pixels, YMM)
	w := []VecVirtual{YMM(), YMM()}
	p.eachInput(2, 8, func(i int) {
		for half := range w {
			VMOVDQU(Mem{Base: p.w, Disp: 64*i + 32*half}, w[half])
		}
		for j := range pixels {
			x, exchanged, product := YMM(), YMM(), YMM()
			VPBROADCASTQ(p.input(0, j, i), x)
			VPSHUFD(U8(0b10_11_00_01), x, exchanged)
			for half := range w {
				low, cross := sums[4*j+2*half], sums[4*j+2*half+1]
				VPMULUDQ(x, w[half], product)
				VPADDQ(product, low, low)
				VPMULLD(exchanged, w[half], product)
				VPADDD(product, cross, cross)
			}
		}
	})
	p.eachOutput(func(_, j int, out Mem) {
		for half := range w {
			low, cross := sums[4*j+2*half], sums[4*j+2*half+1]
			other := YMM()
			VPSLLQ(U8(32), cross, other)
			VPADDQ(other, low, low)
			// The upper of the neighbours, alone.
			VPSRLQ(U8(32), cross, cross)
			VPSLLQ(U8(32), cross, cross)
			VPADDQ(cross, low, low)
			at := out.Offset(32 * half)
			VPADDQ(at, low, low)
			VMOVDQU(low, at)
		}
	})
	VZEROUPPER()
	RET()
}

// avx2Split brings inputs to the form that avx2Tile takes: the low half of x as
// a signed number in the low half, and what is then missing in the high one.
func avx2Split() {
	TEXT("avx2Split", NOSPLIT, "func(dst, src *uint64, n int)")
	Pragma("noescape")
	Doc("avx2Split sets dst[i] = src[i] + 2·(src[i] & 2^31) for i below n.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	ones, sign := YMM(), YMM()
	VPCMPEQD(ones, ones, ones)
	VPSRLQ(U8(63), ones, sign)
	VPSLLQ(U8(31), sign, sign)
	signX := sign.AsX()
	SUBQ(I8(4), n)
	JB(LabelRef("few"))
	Label("four")
	x, carry := YMM(), YMM()
	VMOVDQU(Mem{Base: src}, x)
	VPAND(sign, x, carry)
	VPADDQ(carry, x, x)
	VPADDQ(carry, x, x)
	VMOVDQU(x, Mem{Base: dst})
	ADDQ(I8(32), src)
	ADDQ(I8(32), dst)
	SUBQ(I8(4), n)
	JAE(LabelRef("four"))
	Label("few")
	ADDQ(I8(4), n)
	JZ(LabelRef("done"))
	Label("one")
	x1, carry1 := XMM(), XMM()
	VMOVQ(Mem{Base: src}, x1)
	VPAND(signX, x1, carry1)
	VPADDQ(carry1, x1, x1)
	VPADDQ(carry1, x1, x1)
	VMOVQ(x1, Mem{Base: dst})
	ADDQ(I8(8), src)
	ADDQ(I8(8), dst)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
	VZEROUPPER()
	RET()
}

// avx2Peak does what the loop of [avx2Tile] does for 32 products, less the
// loads.
func avx2Peak() {
	TEXT("avx2Peak", NOSPLIT, "func(n int) uint64")
	Doc("avx2Peak multiplies and adds n·32 times.")
	n := Load(Param("n"), GP64())
	sums := zeroed(12, YMM)
	x, w := YMM(), YMM()
	VPCMPEQD(x, x, x)
	VPSRLD(U8(1), x, w)
	Label("loop")
	for i := range 4 {
		s := sums[3*i:]
		product := YMM()
		VPMULDQ(x, w, product)
		VPADDQ(product, s[0], s[0])
		VPMULDQ(x, w, product)
		VPADDQ(product, s[1], s[1])
		VPMULLD(x, w, product)
		VPADDD(product, s[2], s[2])
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

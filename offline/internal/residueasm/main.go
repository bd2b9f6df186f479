// Command residueasm writes the vector kernels for residues of package offline, in
// eight lanes of AVX-512F and DQ. They compute what the portable code does, value for
// value.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	vectorBytes = 64
	sliceBytes  = 24 // of a slice's header, whose first word is the pointer
)

func main() {
	ConstraintExpr("amd64")
	form()
	dot()
	fraction()
	halves()
	mulAdd()
	Generate()
}

// word is a vector of words, and of their high halves.
type word struct{ v, high VecVirtual }

func wordOf(v VecVirtual) word {
	high := ZMM()
	VPSRLQ(Imm(32), v, high)
	return word{v, high}
}

func broadcast(m Op) VecVirtual {
	v := ZMM()
	VPBROADCASTQ(m, v)
	return v
}

// constants of every kernel.
type constants struct {
	low  VecVirtual // 2^32 − 1
	ones VecVirtual // 1
}

func newConstants() constants {
	c := constants{ZMM(), ZMM()}
	VPTERNLOGQ(Imm(0xff), c.low, c.low, c.low)
	VPSRLQ(Imm(63), c.low, c.ones)
	VPSRLQ(Imm(32), c.low, c.low)
	return c
}

// high returns the high words of x·y.
func (c constants) high(x, y word) VecVirtual {
	ll, hl, lh, hh := ZMM(), ZMM(), ZMM(), ZMM()
	VPMULUDQ(x.v, y.v, ll)
	VPMULUDQ(x.high, y.v, hl)
	VPMULUDQ(x.v, y.high, lh)
	VPMULUDQ(x.high, y.high, hh)
	VPSRLQ(Imm(32), ll, ll)
	VPADDQ(ll, hl, hl) // below 2^64
	mid := ZMM()
	VPANDQ(c.low, hl, mid)
	VPADDQ(mid, lh, lh) // below 2^64
	VPSRLQ(Imm(32), hl, hl)
	VPSRLQ(Imm(32), lh, lh)
	VPADDQ(hl, hh, hh)
	VPADDQ(lh, hh, hh)
	return hh
}

func low(x, y VecVirtual) VecVirtual {
	z := ZMM()
	VPMULLQ(x, y, z)
	return z
}

// addTo adds the number (hi, lo) to the one in (toHi, toLo).
func (c constants) addTo(toHi, toLo, hi, lo VecVirtual) {
	carry := K()
	VPADDQ(lo, toLo, toLo)
	VPCMPUQ(Imm(1), lo, toLo, carry) // toLo < lo
	VPADDQ(hi, toHi, toHi)
	VPADDQ(c.ones, toHi, carry, toHi)
}

// montgomery returns (hi·2^64 + lo)/2^64 mod q, above −q: lattigo's lazy reduction,
// but for q that is still to be added.
func (c constants) montgomery(hi, lo VecVirtual, q word, inv VecVirtual) VecVirtual {
	h := c.high(wordOf(low(lo, inv)), q)
	VPSUBQ(h, hi, hi)
	return hi
}

// elements loops over n elements, a multiple of eight, and not none.
func elements(body func(at Register)) {
	left := Load(Param("n"), GP64())
	at := GP64()
	XORQ(at, at)
	Label("elements")
	body(at)
	ADDQ(Imm(vectorBytes), at)
	SUBQ(Imm(8), left)
	JNZ(LabelRef("elements"))
	VZEROUPPER()
	RET()
}

// vector loads eight elements.
func vector(base, at Register) VecVirtual {
	v := ZMM()
	VMOVDQU64(Mem{Base: base, Index: at, Scale: 1}, v)
	return v
}

func store(v VecVirtual, base, at Register) {
	VMOVDQU64(v, Mem{Base: base, Index: at, Scale: 1})
}

// parameter broadcasts an argument.
func parameter(name string) VecVirtual {
	return broadcast(Load(Param(name), GP64()))
}

// form is residueForm.apply.
func form() {
	TEXT("formAVX512", NOSPLIT, "func(dst *uint64, planes *[]uint64, c *uint64, words, n int, q, inv, k uint64)")
	Doc("formAVX512 is residueForm.apply for the given number of words.")
	Pragma("noescape")
	dst, planes, factors := Load(Param("dst"), GP64()), Load(Param("planes"), GP64()), Load(Param("c"), GP64())
	words := Load(Param("words"), GP64())
	c := newConstants()
	q, inv, add := wordOf(parameter("q")), parameter("inv"), parameter("k")
	VPADDQ(q.v, add, add)
	double, quadruple := ZMM(), ZMM()
	VPADDQ(q.v, q.v, double)
	VPADDQ(double, double, quadruple)
	elements(func(at Register) {
		hi, lo := ZMM(), ZMM()
		VPXORQ(hi, hi, hi)
		VPXORQ(lo, lo, lo)
		header, factor, left, plane := GP64(), GP64(), GP64(), GP64()
		MOVQ(planes, header)
		MOVQ(factors, factor)
		MOVQ(words, left)
		Label("words")
		MOVQ(Mem{Base: header}, plane)
		x := vector(plane, at)
		f := broadcast(Mem{Base: factor})
		c.addTo(hi, lo, c.high(wordOf(x), wordOf(f)), low(x, f))
		ADDQ(Imm(sliceBytes), header)
		ADDQ(Imm(8), factor)
		DECQ(left)
		JNZ(LabelRef("words"))
		r := c.montgomery(hi, lo, q, inv)
		VPADDQ(add, r, r) // below 7q
		for _, m := range []VecVirtual{quadruple, double, q.v} {
			less := ZMM()
			VPSUBQ(m, r, less)
			VPMINUQ(less, r, r)
		}
		store(r, dst, at)
	})
}

// dot is the function of that name.
func dot() {
	TEXT("dotAVX512", NOSPLIT, "func(dst *uint64, x, y *[]uint64, terms, n int, q, inv uint64)")
	Doc("dotAVX512 is dot of the given number of products.")
	Pragma("noescape")
	dst, xs, ys := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("y"), GP64())
	terms := Load(Param("terms"), GP64())
	c := newConstants()
	q, inv := wordOf(parameter("q")), parameter("inv")
	elements(func(at Register) {
		hi, lo := ZMM(), ZMM()
		VPXORQ(hi, hi, hi)
		VPXORQ(lo, lo, lo)
		x, y, left, from := GP64(), GP64(), GP64(), GP64()
		MOVQ(xs, x)
		MOVQ(ys, y)
		MOVQ(terms, left)
		Label("terms")
		MOVQ(Mem{Base: x}, from)
		v := vector(from, at)
		MOVQ(Mem{Base: y}, from)
		w := vector(from, at)
		c.addTo(hi, lo, c.high(wordOf(v), wordOf(w)), low(v, w))
		ADDQ(Imm(sliceBytes), x)
		ADDQ(Imm(sliceBytes), y)
		DECQ(left)
		JNZ(LabelRef("terms"))
		r := c.montgomery(hi, lo, q, inv)
		VPADDQ(q.v, r, r)
		store(r, dst, at)
	})
}

// fraction is one prime's part of fractions.of.
func fraction() {
	TEXT("fractionAVX512", NOSPLIT, "func(hi, lo, x *uint64, n int, q, inv, inverse uint64, c *[3]uint64)")
	Doc("fractionAVX512 adds to hi and lo what x, modulo one prime, is of Q: see fractions.of.")
	Pragma("noescape")
	sumHi, sumLo, from := Load(Param("hi"), GP64()), Load(Param("lo"), GP64()), Load(Param("x"), GP64())
	parts := Load(Param("c"), GP64())
	c := newConstants()
	q, inv, inverse := wordOf(parameter("q")), parameter("inv"), wordOf(parameter("inverse"))
	part := [3]VecVirtual{}
	for i := range part {
		part[i] = broadcast(Mem{Base: parts, Disp: 8 * i})
	}
	part0, part1 := wordOf(part[0]), wordOf(part[1])
	elements(func(at Register) {
		x := vector(from, at)
		r := c.montgomery(c.high(wordOf(x), inverse), low(x, inverse.v), q, inv)
		VPADDQ(q.v, r, r)
		y := wordOf(r)
		hi, lo := c.high(y, part1), low(r, part1.v)
		VPADDQ(low(r, part[2]), hi, hi)
		below, none := c.high(y, part0), ZMM()
		VPXORQ(none, none, none)
		c.addTo(hi, lo, none, below)
		toHi, toLo := vector(sumHi, at), vector(sumLo, at)
		c.addTo(toHi, toLo, hi, lo)
		store(toHi, sumHi, at)
		store(toLo, sumLo, at)
	})
}

// halves is toHalves.
func halves() {
	TEXT("halvesAVX512", NOSPLIT, "func(x *uint64, n int)")
	Doc("halvesAVX512 is toHalves.")
	Pragma("noescape")
	const halfBits = 27
	x := Load(Param("x"), GP64())
	mask := newConstants().low
	VPSRLQ(Imm(32-halfBits), mask, mask)
	elements(func(at Register) {
		v, high := vector(x, at), ZMM()
		VPSRLQ(Imm(halfBits), v, high)
		VPSLLQ(Imm(32), high, high)
		VPANDQ(mask, v, v)
		VPORQ(high, v, v)
		store(v, x, at)
	})
}

// mulAdd is mulAdd of several products.
func mulAdd() {
	const (
		block = 256
		sums  = 3 * vectorBytes // of one part
	)
	TEXT("mulAddAVX512", NOSPLIT, "func(sums *uint64, products *[3]*[256]uint64, count int)")
	Doc("mulAddAVX512 is mulAddGeneric for count products, one at least.")
	Pragma("noescape")
	to, products, count := Load(Param("sums"), GP64()), Load(Param("products"), GP64()), Load(Param("count"), GP64())
	at, vectors := GP64(), GP64()
	XORQ(at, at)
	MOVQ(U32(block/8), vectors)
	Label("coefficients")
	var total [2][3]VecVirtual
	for part := range total {
		for i := range total[part] {
			total[part][i] = ZMM()
			VMOVDQU64(Mem{Base: to, Disp: part*sums + i*vectorBytes}, total[part][i])
		}
	}
	next, left, from := GP64(), GP64(), GP64()
	MOVQ(products, next)
	MOVQ(count, left)
	Label("products")
	MOVQ(Mem{Base: next}, from)
	w := wordOf(vector(from, at))
	for part := range total {
		MOVQ(Mem{Base: next, Disp: 8 + 8*part}, from)
		x := wordOf(vector(from, at))
		for _, p := range []struct {
			w, x VecVirtual
			sum  int
		}{{w.v, x.v, 0}, {w.v, x.high, 1}, {w.high, x.v, 1}, {w.high, x.high, 2}} {
			product := ZMM()
			VPMULUDQ(p.w, p.x, product)
			VPADDQ(product, total[part][p.sum], total[part][p.sum])
		}
	}
	ADDQ(Imm(24), next)
	DECQ(left)
	JNZ(LabelRef("products"))
	for part := range total {
		for i := range total[part] {
			VMOVDQU64(total[part][i], Mem{Base: to, Disp: part*sums + i*vectorBytes})
		}
	}
	ADDQ(U32(2*sums), to)
	ADDQ(Imm(vectorBytes), at)
	DECQ(vectors)
	JNZ(LabelRef("coefficients"))
	VZEROUPPER()
	RET()
}

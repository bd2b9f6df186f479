// Command tileasm generates the inner kernels of package ring in amd64 assembly.
//
//	tileasm -out FILE.s -stubs FILE.go
package main

import (
	"os"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	// What avo must know of the package is not what it generates for it.
	os.Setenv("GOARCH", "arm64")
	Package("pascaline/ring")
	ConstraintExpr("amd64")
	for _, shape := range [][2]int{{1, 1}, {1, 2}, {2, 2}, {1, 4}, {2, 4}, {3, 4}} {
		avx512Tile(shape[0], shape[1], false)
		avx512Tile(shape[0], shape[1], true)
	}
	for depth := 1; depth <= 2; depth++ {
		for groups := 1; groups <= 3; groups++ {
			avx512Nested(depth, groups)
		}
	}
	avx512Sum3()
	avx512AddSquare()
	avx512Peak()
	for _, pixels := range []int{1, 2, 4} {
		avx2Tile(pixels)
	}
	for _, pixels := range []int{1, 2} {
		avx2WideTile(pixels)
	}
	avx2Split()
	avx2Peak()
	Generate()
}

// A walk goes over the inputs of the pixels of a tile and its panel of weights.
type walk struct {
	t           gotypes.Component
	w           GPVirtual
	in          []GPVirtual // of each group
	step, tri   Register    // bytes from a pixel to the next, and to the third after
	pixels      int
	weightBytes int
	colSkip     GPVirtual
	rowSkip     GPVirtual
	rows, cols  GPVirtual
}

// newWalk walks over weights of so many bytes.
func newWalk(groups, pixels, weightBytes int) *walk {
	p := &walk{t: Dereference(Param("t")), pixels: pixels, weightBytes: weightBytes}
	weights := "w"
	if weightBytes == 8 {
		weights = "wide"
	}
	p.w = Load(p.t.Field(weights).Base(), GP64()).(GPVirtual)
	for g := range groups {
		p.in = append(p.in, Load(p.t.Field("in").Index(g).Base(), GP64()).(GPVirtual))
	}
	if pixels > 1 {
		step := Load(p.t.Field("inStep"), GP64()).(GPVirtual)
		SHLQ(U8(3), step)
		p.step = step
		if pixels > 2 {
			tri := GP64()
			LEAQ(Mem{Base: step, Index: step, Scale: 2}, tri)
			p.tri = tri
		}
	}
	p.colSkip = Load(p.t.Field("colSkip"), GP64()).(GPVirtual)
	SHLQ(U8(3), p.colSkip)
	p.rowSkip = Load(p.t.Field("rowSkip"), GP64()).(GPVirtual)
	SHLQ(U8(3), p.rowSkip)
	return p
}

// input returns the place of the input, i inputs further on, of a pixel.
func (p *walk) input(group, pixel, i int) Mem {
	m := Mem{Base: p.in[group], Disp: 8 * i, Scale: 1}
	switch pixel {
	case 1:
		m.Index = p.step
	case 2:
		m.Index, m.Scale = p.step, 2
	case 3:
		m.Index = p.tri
	}
	return m
}

// eachInput calls body for every input of the pixels, or for unroll at once
// where there are as many left; width is that of the panel.
func (p *walk) eachInput(unroll, width int, body func(i int)) {
	p.rows = Load(p.t.Field("rows"), GP64()).(GPVirtual)
	p.cols = GP64()
	run := GP64()
	loop := func(n int, label string) {
		Label(label)
		for i := range n {
			body(i)
		}
		ADDQ(I32(p.weightBytes*width*n), p.w)
		for _, in := range p.in {
			ADDQ(I8(8*n), in)
		}
	}
	Label("row")
	Load(p.t.Field("cols"), p.cols)
	Label("column")
	Load(p.t.Field("run"), run)
	if unroll > 1 {
		SUBQ(I8(unroll), run)
		JB(LabelRef("few"))
		loop(unroll, "inputs")
		SUBQ(I8(unroll), run)
		JAE(LabelRef("inputs"))
		Label("few")
		ADDQ(I8(unroll), run)
		JZ(LabelRef("next"))
	}
	loop(1, "input")
	DECQ(run)
	JNZ(LabelRef("input"))
	Label("next")
	for _, in := range p.in {
		ADDQ(p.colSkip, in)
	}
	DECQ(p.cols)
	JNZ(LabelRef("column"))
	for _, in := range p.in {
		ADDQ(p.rowSkip, in)
	}
	DECQ(p.rows)
	JNZ(LabelRef("row"))
}

// fetchOutputs asks for the outputs, of so many bytes for a pixel, ahead of time:
// few inputs do not leave enough to wait for memory.
func (p *walk) fetchOutputs(bytes int) {
	p.eachOutput(func(_, _ int, out Mem) {
		for i := 0; i < bytes; i += 64 {
			PREFETCHT0(out.Offset(i))
		}
	})
}

// eachOutput calls f with the place of the outputs of every pixel.
func (p *walk) eachOutput(f func(group, pixel int, out Mem)) {
	step := Load(p.t.Field("outStep"), GP64())
	SHLQ(U8(3), step)
	for g := range p.in {
		out := Load(p.t.Field("out").Index(g).Base(), GP64())
		for i := range p.pixels {
			if i > 0 {
				ADDQ(step, out)
			}
			f(g, i, Mem{Base: out})
		}
	}
}

package ring

import "unsafe"

// A tile is the work of one call of an inner kernel: the products of a few
// pixels, in up to three groups of one, two or four, by one panel of weights, as
// wide as the inner kernel likes. A pixel needs rows×cols runs of run inputs;
// they may overlap those of others.
//
// Assembly reads the fields by their offsets, and only the pointers of in and
// out: whoever fills a tile answers for the lengths. Steps and skips are in
// elements.
type tile struct {
	w                []int16     // [rows][cols][run][width]
	in, out          [3][]uint64 // of each group, from its first pixel on
	inStep, outStep  int         // between the pixels of a group
	rows, cols, run  int
	colSkip, rowSkip int // from the end of a run to the next, and to that of the next row
	// Where inner kernels that multiply by differences find the other weights and
	// outputs.
	wNext, outNext [2]int
}

// A tiler adds the products of a tile to its out.
type tiler func(*tile)

// inner is a family of inner kernels for one sort of processor.
type inner struct {
	name  string
	width int // output channels of a panel
	// tilers[l][n-1] takes n groups of 2^l pixels; nil where there is none.
	tilers [3][3]tiler
	// copy, if it is not nil, copies inputs to the form that the tilers take;
	// otherwise they take them as they are.
	copy func(dst, src []uint64)
	// nested is what [karatsuba] needs; nil where there is none.
	nested *nested
	// peak makes n·peakWidth products and sums in registers and nothing else.
	peak      func(n int) uint64
	peakWidth int
}

// mostGroups returns the number of groups of 2^l pixels that a tile can hold.
func (in *inner) mostGroups(l int) int {
	for n := range in.tilers[l] {
		if in.tilers[l][n] == nil {
			return n
		}
	}
	return len(in.tilers[l])
}

// lanes returns the logarithm of the best number of pixels of a group for lines
// of n pixels, and what a line costs in that many. The last group of a line may
// lack pixels; small groups widen the weights more often.
func (in *inner) lanes(n int) (log, cost int) {
	for l := range in.tilers {
		groups := (n + 1<<l - 1) >> l
		if c := groups * (4<<l + 1); l == 0 || c <= cost {
			log, cost = l, c
		}
	}
	return log, cost
}

// portable is the inner kernel of every processor.
var portable = &inner{name: "portable", width: 4, tilers: [3][3]tiler{
	{portableTile(1, 1)},
	{portableTile(1, 2), portableTile(2, 2)},
	{portableTile(1, 4), portableTile(2, 4), portableTile(3, 4)},
}, peak: portablePeak, peakWidth: 3}

// portableTile takes two pixels at a time, if there are, by the four channels of
// a panel: eight sums are what stays in the registers of an amd64 processor.
func portableTile(groups, pixels int) tiler {
	return func(t *tile) {
		for g := range groups {
			for i := 0; i < pixels; i += 2 {
				x := t.in[g][i*t.inStep:]
				out := t.out[g][i*t.outStep:]
				if pixels == 1 {
					portableDot1(t, x, (*[4]uint64)(out))
					continue
				}
				portableDot2(t, x, x[t.inStep:], (*[4]uint64)(out), (*[4]uint64)(out[t.outStep:]))
			}
		}
	}
}

// quads is w, a panel, in fours.
func quads(w []int16) [][4]int16 {
	return unsafe.Slice((*[4]int16)(unsafe.Pointer(unsafe.SliceData(w))), len(w)/4)
}

func portableDot1(t *tile, x []uint64, out *[4]uint64) {
	a0, a1, a2, a3 := out[0], out[1], out[2], out[3]
	w, at := quads(t.w), 0
	for range t.rows {
		for range t.cols {
			xs := x[at:][:t.run]
			ws := w[:len(xs)]
			w = w[len(xs):]
			for j, v := range xs {
				row := &ws[j]
				a0 += v * uint64(int64(row[0]))
				a1 += v * uint64(int64(row[1]))
				a2 += v * uint64(int64(row[2]))
				a3 += v * uint64(int64(row[3]))
			}
			at += t.run + t.colSkip
		}
		at += t.rowSkip
	}
	*out = [4]uint64{a0, a1, a2, a3}
}

func portableDot2(t *tile, x, y []uint64, outX, outY *[4]uint64) {
	a0, a1, a2, a3 := outX[0], outX[1], outX[2], outX[3]
	b0, b1, b2, b3 := outY[0], outY[1], outY[2], outY[3]
	w, at := quads(t.w), 0
	for range t.rows {
		for range t.cols {
			xs := x[at:][:t.run]
			ys, ws := y[at:][:len(xs)], w[:len(xs)]
			w = w[len(xs):]
			for j, u := range xs {
				v, row := ys[j], &ws[j]
				c := uint64(int64(row[0]))
				a0 += u * c
				b0 += v * c
				c = uint64(int64(row[1]))
				a1 += u * c
				b1 += v * c
				c = uint64(int64(row[2]))
				a2 += u * c
				b2 += v * c
				c = uint64(int64(row[3]))
				a3 += u * c
				b3 += v * c
			}
			at += t.run + t.colSkip
		}
		at += t.rowSkip
	}
	*outX = [4]uint64{a0, a1, a2, a3}
	*outY = [4]uint64{b0, b1, b2, b3}
}

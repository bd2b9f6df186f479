package ring

import "unsafe"

// portable is the inner kernel of every processor.
var portable = &inner{
	name: "portable", width: 4, tilers: portableTilers(func(t *tile) []int16 { return t.w }),
	wide: &inner{width: 4, tilers: portableTilers(func(t *tile) []uint64 { return t.wide })},
	peak: portablePeak, peakWidth: 3,
}

// portableTilers take weights of type W.
func portableTilers[W int16 | uint64](weights func(*tile) []W) [3][3]tiler {
	// Two pixels at a time, if there are, by the four channels of a panel: eight
	// sums are what stays in the registers of an amd64 processor.
	tiles := func(groups, pixels int) tiler {
		return func(t *tile) {
			w := quads(weights(t))
			for g := range groups {
				for i := 0; i < pixels; i += 2 {
					x := t.in[g][i*t.inStep:]
					out := t.out[g][i*t.outStep:]
					if pixels == 1 {
						portableDot1(t, w, x, (*[4]uint64)(out))
						continue
					}
					portableDot2(t, w, x, x[t.inStep:], (*[4]uint64)(out), (*[4]uint64)(out[t.outStep:]))
				}
			}
		}
	}
	return [3][3]tiler{
		{tiles(1, 1)},
		{tiles(1, 2), tiles(2, 2)},
		{tiles(1, 4), tiles(2, 4), tiles(3, 4)},
	}
}

// quads is w, a panel, in fours.
func quads[W any](w []W) [][4]W {
	return unsafe.Slice((*[4]W)(unsafe.Pointer(unsafe.SliceData(w))), len(w)/4)
}

func portableDot1[W int16 | uint64](t *tile, w [][4]W, x []uint64, out *[4]uint64) {
	a0, a1, a2, a3 := out[0], out[1], out[2], out[3]
	at := 0
	for range t.rows {
		for range t.cols {
			xs := x[at:][:t.run]
			ws := w[:len(xs)]
			w = w[len(xs):]
			for j, v := range xs {
				row := &ws[j]
				a0 += v * uint64(row[0])
				a1 += v * uint64(row[1])
				a2 += v * uint64(row[2])
				a3 += v * uint64(row[3])
			}
			at += t.run + t.colSkip
		}
		at += t.rowSkip
	}
	*out = [4]uint64{a0, a1, a2, a3}
}

func portableDot2[W int16 | uint64](t *tile, w [][4]W, x, y []uint64, outX, outY *[4]uint64) {
	a0, a1, a2, a3 := outX[0], outX[1], outX[2], outX[3]
	b0, b1, b2, b3 := outY[0], outY[1], outY[2], outY[3]
	at := 0
	for range t.rows {
		for range t.cols {
			xs := x[at:][:t.run]
			ys, ws := y[at:][:len(xs)], w[:len(xs)]
			w = w[len(xs):]
			for j, u := range xs {
				v, row := ys[j], &ws[j]
				c := uint64(row[0]) // sign-extended
				a0 += u * c
				b0 += v * c
				c = uint64(row[1])
				a1 += u * c
				b1 += v * c
				c = uint64(row[2])
				a2 += u * c
				b2 += v * c
				c = uint64(row[3])
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

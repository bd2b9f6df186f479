//go:build unix

package ring

import (
	"slices"
	"testing"

	"pascaline/internal/fence"
)

// Whoever touches what lies next to a vector in these tests is ended: kernels in
// assembly would be noticed nowhere else.

func TestConvolutionsStayWithinTheirVectors(t *testing.T) {
	shapes := append(networkShapes(), ConvShape{H: 9, W: 10, C: 32, K: 35, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1},
		ConvShape{H: 6, W: 7, C: 33, K: 5, KH: 2, KW: 3, StrideH: 1, StrideW: 1})
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(61)
		for _, s := range shapes {
			w, wide := randomWeights(r, s.WeightLen()), randomWords(r, s.WeightLen())
			for _, side := range []fence.Side{fence.Before, fence.Behind} {
				k, kw := newKernel(w, s, in), newWideKernel(wide, s, in)
				k.w, kw.wide = fence.Copy(t, k.w, side), fence.Copy(t, kw.wide, side)
				for _, n := range []int{1, 3} {
					dst, src := make([][]uint64, n), make([][]uint64, n)
					for i := range src {
						dst[i], src[i] = fence.Of[uint64](t, s.OutLen(), side), fence.Copy(t, randomWords(r, s.InLen()), side)
					}
					k.AddRows(dst, src, 0, s.OutH())
					kw.AddRows(dst, src, 0, s.OutH())
				}
			}
		}
	})
}

func TestActivationsStayWithinTheirVectors(t *testing.T) {
	const fw, m = 8, 20
	r := testRand(62)
	for degree := minDegree; degree <= maxDegree; degree++ {
		p := mustPascal(t, randomAlpha(r, degree), 10, 9, 9)
		for name := range p.eachKernel() {
			for _, n := range []int{1, 3, 4, 7, 8, 9, 16, 511, 513} {
				for _, side := range []fence.Side{fence.Before, fence.Behind} {
					words := func() []uint64 { return fence.Copy(t, randomWords(r, n), side) }
					z0, z1, blind, rho, dst := words(), words(), words(), words(), words()
					var shares []Vec128
					for range degree - 1 {
						shares = append(shares, Vec128{words(), words()})
					}
					p.Eval(dst, 0, z0, rho, shares)
					p.Activate(dst, 1, z0, z1, rho, shares, fw, m)
					answer, msg := fence.Of[byte](t, 8*n, side), fence.Copy(t, AppendWords(nil, z0), side)
					p.Answer(answer, msg, z1, rho, shares, blind, fw, m)
					Sub(dst, dst, blind)
					if !slices.Equal(answer, AppendWords(nil, dst)) {
						t.Fatalf("%s kernel, degree %d, %d elements: another answer next to a fence", name, degree, n)
					}
					AddWords(dst, answer)
					NewStream(Seed{}, "fence").Fill(dst)
				}
			}
		}
	}
}

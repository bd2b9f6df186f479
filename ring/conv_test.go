package ring

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveConv is the definition of a convolution.
func naiveConv(src []uint64, w []int16, s ConvShape) []uint64 {
	dst := make([]uint64, s.OutLen())
	for y := range s.OutH() {
		for x := range s.OutW() {
			for k := range s.K {
				var sum uint64
				for ky := range s.KH {
					for kx := range s.KW {
						iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
						if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
							continue
						}
						for c := range s.C {
							sum += src[(iy*s.W+ix)*s.C+c] * uint64(int64(w[((ky*s.KW+kx)*s.C+c)*s.K+k]))
						}
					}
				}
				dst[(y*s.OutW()+x)*s.K+k] = sum
			}
		}
	}
	return dst
}

// testRand returns a generator whose draws are the same in every run.
func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func randomWords(r *rand.Rand, n int) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = r.Uint64()
	}
	return v
}

func randomWeights(r *rand.Rand, n int) []int16 {
	w := make([]int16, n)
	for i := range w {
		w[i] = int16(r.Uint32())
	}
	return w
}

func randomShape(r *rand.Rand) ConvShape {
	for {
		s := ConvShape{
			H: 1 + r.IntN(9), W: 1 + r.IntN(9), C: 1 + r.IntN(7), K: 1 + r.IntN(11),
			KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3),
			PadTop: r.IntN(4), PadLeft: r.IntN(4), PadBottom: r.IntN(4), PadRight: r.IntN(4),
		}
		if r.IntN(8) == 0 { // wide enough for several panels
			s.C, s.K = 60+r.IntN(60), 30+r.IntN(40)
		}
		if s.Validate() == nil {
			return s
		}
	}
}

func checkConv(t *testing.T, r *rand.Rand, s ConvShape) {
	t.Helper()
	src, w := randomWords(r, s.InLen()), randomWeights(r, s.WeightLen())
	dst := randomWords(r, s.OutLen()) // stale contents must not show
	Conv(dst, src, w, s)
	if want := naiveConv(src, w, s); !slices.Equal(dst, want) {
		t.Errorf("%+v: Conv differs from the definition", s)
	}
}

func TestConvIsTheDefinitionOnRandomShapes(t *testing.T) {
	r := testRand(1)
	for range 400 {
		checkConv(t, r, randomShape(r))
	}
}

func TestConvIsTheDefinitionOnTheShapesOfNetworks(t *testing.T) {
	r := testRand(2)
	for _, s := range []ConvShape{
		{H: 8, W: 8, C: 3, K: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
		{H: 8, W: 8, C: 16, K: 32, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 0, PadLeft: 0, PadBottom: 1, PadRight: 1},
		{H: 7, W: 7, C: 16, K: 32, KH: 1, KW: 1, StrideH: 2, StrideW: 2},
		{H: 4, W: 4, C: 130, K: 33, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
		{H: 2, W: 2, C: 5, K: 6, KH: 1, KW: 1, StrideH: 1, StrideW: 1},
		{H: 1, W: 1, C: 3, K: 4, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 3, PadLeft: 3, PadBottom: 3, PadRight: 3},
		LinearShape(600, 70),
		LinearShape(1, 1),
	} {
		checkConv(t, r, s)
	}
}

func TestConvTakesTheExtremesOfTheRing(t *testing.T) {
	s := LinearShape(2, 3)
	src := []uint64{1 << 63, ^uint64(0)}
	w := []int16{-1 << 15, 1<<15 - 1, -1, -1 << 15, 1<<15 - 1, -1}
	dst := make([]uint64, 3)
	Conv(dst, src, w, s)
	top := uint64(1 << 63)
	if want := []uint64{1 << 15, top - 1<<15 + 1, top + 1}; !slices.Equal(dst, want) {
		t.Errorf("got %x, want %x", dst, want)
	}
}

func TestMatMulIsTheMatrixProduct(t *testing.T) {
	r := testRand(3)
	for range 200 {
		rows, in, out := r.IntN(6), r.IntN(40), r.IntN(70)
		if r.IntN(4) == 0 {
			in += 500
		}
		src, w, dst := randomWords(r, rows*in), randomWeights(r, in*out), randomWords(r, rows*out)
		MatMul(dst, src, w, rows, in, out)
		for i := range rows {
			for k := range out {
				var want uint64
				for j := range in {
					want += src[i*in+j] * uint64(int64(w[j*out+k]))
				}
				if dst[i*out+k] != want {
					t.Fatalf("%d×%d by %d×%d: element (%d,%d) is %#x, want %#x", rows, in, in, out, i, k, dst[i*out+k], want)
				}
			}
		}
	}
}

func TestSumPoolIsAConvolutionWithOnes(t *testing.T) {
	r := testRand(4)
	for range 200 {
		s := randomShape(r)
		s.K = s.C
		src, dst := randomWords(r, s.InLen()), randomWords(r, s.OutLen())
		SumPool(dst, src, s)
		w := make([]int16, s.WeightLen())
		for i := range s.KH * s.KW {
			for c := range s.C {
				w[(i*s.C+c)*s.C+c] = 1
			}
		}
		if !slices.Equal(dst, naiveConv(src, w, s)) {
			t.Errorf("%+v: SumPool differs from a convolution with ones", s)
		}
	}
}

func TestKernelsRefuseVectorsOfOtherLengths(t *testing.T) {
	s := LinearShape(3, 2)
	for name, f := range map[string]func(){
		"Conv output":   func() { Conv(make([]uint64, 1), make([]uint64, 3), make([]int16, 6), s) },
		"Conv input":    func() { Conv(make([]uint64, 2), make([]uint64, 4), make([]int16, 6), s) },
		"Conv weights":  func() { Conv(make([]uint64, 2), make([]uint64, 3), make([]int16, 5), s) },
		"MatMul output": func() { MatMul(make([]uint64, 1), make([]uint64, 3), make([]int16, 6), 1, 3, 2) },
		"SumPool":       func() { SumPool(make([]uint64, 2), make([]uint64, 3), s) },
		"Add":           func() { Add(make([]uint64, 2), make([]uint64, 2), make([]uint64, 3)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: went on with vectors that do not fit", name)
				}
			}()
			f()
		}()
	}
}

package ring

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveConvWide is the definition of a convolution with weights mod 2^64.
func naiveConvWide(src, w []uint64, s ConvShape) []uint64 {
	dst := make([]uint64, s.OutLen())
	for i := range dst {
		y, x, k := i/s.K/s.OutW(), i/s.K%s.OutW(), i%s.K
		for j := range s.KH * s.KW * s.C {
			iy, ix := y*s.StrideH+j/s.C/s.KW-s.PadTop, x*s.StrideW+j/s.C%s.KW-s.PadLeft
			if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
				dst[i] += src[(iy*s.W+ix)*s.C+j%s.C] * w[j*s.K+k]
			}
		}
	}
	return dst
}

func checkConvWide(t *testing.T, s ConvShape, src, w, stale []uint64) {
	t.Helper()
	ConvWide(stale, src, w, s)
	if !slices.Equal(stale, naiveConvWide(src, w, s)) {
		t.Errorf("%+v: ConvWide differs from the definition", s)
	}
}

func TestConvWideIsTheDefinitionOnRandomShapes(t *testing.T) {
	r := testRand(11)
	for range 400 {
		s := randomShape(r)
		checkConvWide(t, s, randomWords(r, s.InLen()), randomWords(r, s.WeightLen()), randomWords(r, s.OutLen()))
	}
}

func TestConvWideIsTheDefinitionOnTheShapesOfNetworks(t *testing.T) {
	r := testRand(12)
	for _, s := range []ConvShape{
		{H: 28, W: 28, C: 1, K: 5, KH: 5, KW: 5, StrideH: 1, StrideW: 1, PadTop: 2, PadLeft: 2, PadBottom: 2, PadRight: 2},
		{H: 8, W: 8, C: 3, K: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
		{H: 8, W: 8, C: 16, K: 33, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadBottom: 1, PadRight: 1},
		{H: 3, W: 4, C: 130, K: 70, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
		{H: 1, W: 300, C: 3, K: 70, KH: 1, KW: 9, StrideH: 1, StrideW: 1, PadLeft: 4, PadRight: 4},
		{H: 300, W: 1, C: 3, K: 7, KH: 9, KW: 1, StrideH: 1, StrideW: 1, PadTop: 4, PadBottom: 4},
		{H: 1, W: 1, C: 3, K: 4, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 3, PadLeft: 3, PadBottom: 3, PadRight: 3},
		LinearShape(784, 128),
		LinearShape(70000, 2),
		LinearShape(1, 1),
	} {
		checkConvWide(t, s, randomWords(r, s.InLen()), randomWords(r, s.WeightLen()), randomWords(r, s.OutLen()))
	}
}

func TestConvWideTakesTheExtremesOfTheRing(t *testing.T) {
	s := ConvShape{H: 5, W: 5, C: 2, K: 3, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1}
	for _, a := range []uint64{0, 1, 1 << 63, 1<<63 - 1, ^uint64(0)} {
		for _, b := range []uint64{0, 1, 1 << 63, 1<<63 - 1, ^uint64(0)} {
			checkConvWide(t, s, slices.Repeat([]uint64{a}, s.InLen()), slices.Repeat([]uint64{b}, s.WeightLen()),
				slices.Repeat([]uint64{7}, s.OutLen()))
		}
	}
}

func TestConvWideIsConvOnSmallWeights(t *testing.T) {
	r := testRand(13)
	for range 100 {
		s := randomShape(r)
		src, small := randomWords(r, s.InLen()), randomWeights(r, s.WeightLen())
		w := make([]uint64, len(small))
		for i, v := range small {
			w[i] = uint64(int64(v))
		}
		want, got := make([]uint64, s.OutLen()), make([]uint64, s.OutLen())
		Conv(want, src, small, s)
		ConvWide(got, src, w, s)
		if !slices.Equal(got, want) {
			t.Errorf("%+v: ConvWide differs from Conv", s)
		}
	}
}

// checkMatMulWide compares with the convolution of m pixels by a 1×1 kernel.
func checkMatMulWide(t *testing.T, r *rand.Rand, m, k, n int) {
	t.Helper()
	a, b, dst := randomWords(r, m*k), randomWords(r, k*n), randomWords(r, m*n)
	MatMulWide(dst, a, b, m, k, n)
	want := make([]uint64, m*n)
	for i := range want {
		for j := range k {
			want[i] += a[i/n*k+j] * b[j*n+i%n]
		}
	}
	if !slices.Equal(dst, want) {
		t.Errorf("%d×%d·%d×%d: MatMulWide differs from the definition", m, k, k, n)
	}
}

func TestMatMulWideIsTheMatrixProduct(t *testing.T) {
	r := testRand(14)
	for range 300 {
		m, k, n := r.IntN(9), r.IntN(40), r.IntN(70)
		if r.IntN(4) == 0 {
			k += 300
		}
		checkMatMulWide(t, r, m, k, n)
	}
	for _, d := range [][3]int{{1, 4000, 70}, {3, 1000, 90}, {4, 129, 300}, {200, 129, 5}, {129, 257, 33}, {70000, 2, 1}} {
		checkMatMulWide(t, r, d[0], d[1], d[2])
	}
}

// FuzzConvWide takes a geometry and elements from the input.
func FuzzConvWide(f *testing.F) {
	f.Add([]byte{5, 5, 2, 3, 2, 2, 1, 1, 1, 1, 0, 0}, []byte("elements"))
	f.Fuzz(func(t *testing.T, geometry, elements []byte) {
		if len(geometry) < 12 || len(elements) == 0 {
			return
		}
		d := func(i int) int { return int(geometry[i] % 16) }
		s := ConvShape{H: d(0), W: d(1), C: d(2), K: int(geometry[3]), KH: d(4), KW: d(5), StrideH: d(6), StrideW: d(7),
			PadTop: d(8), PadLeft: d(9), PadBottom: d(10), PadRight: d(11)}
		if s.Validate() != nil || s.MACs() > 1<<22 {
			return
		}
		words := func(n, at int) []uint64 {
			v := make([]uint64, n)
			for i := range v {
				var b [8]byte
				copy(b[:], elements[(at+i)%len(elements):])
				v[i] = binary.LittleEndian.Uint64(b[:])
			}
			return v
		}
		checkConvWide(t, s, words(s.InLen(), 0), words(s.WeightLen(), 3), words(s.OutLen(), 5))
	})
}

func TestWideKernelsRefuseVectorsOfOtherLengths(t *testing.T) {
	s := LinearShape(3, 2)
	for name, f := range map[string]func(){
		"output":        func() { ConvWide(make([]uint64, 1), make([]uint64, 3), make([]uint64, 6), s) },
		"input":         func() { ConvWide(make([]uint64, 2), make([]uint64, 4), make([]uint64, 6), s) },
		"weights":       func() { ConvWide(make([]uint64, 2), make([]uint64, 3), make([]uint64, 5), s) },
		"product":       func() { MatMulWide(make([]uint64, 1), make([]uint64, 3), make([]uint64, 6), 1, 3, 2) },
		"left operand":  func() { MatMulWide(make([]uint64, 2), make([]uint64, 2), make([]uint64, 6), 1, 3, 2) },
		"right operand": func() { MatMulWide(make([]uint64, 2), make([]uint64, 3), make([]uint64, 7), 1, 3, 2) },
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

func BenchmarkConvWide(b *testing.B) {
	same := func(hw, c, k int) ConvShape {
		return ConvShape{H: hw, W: hw, C: c, K: k, KH: 3, KW: 3, StrideH: 1, StrideW: 1,
			PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	}
	matrix := func(m, k, n int) ConvShape {
		s := LinearShape(k, n)
		s.H = m
		return s
	}
	for _, s := range []ConvShape{
		same(28, 1, 5), same(32, 3, 64), same(32, 64, 64), same(8, 256, 256), same(4, 512, 512),
		matrix(1, 784, 128), matrix(64, 64, 64), matrix(64, 784, 128), matrix(512, 512, 512),
	} {
		b.Run(fmt.Sprintf("%dx%dx%d_%dx%dx%d", s.H, s.W, s.C, s.KH, s.KW, s.K), func(b *testing.B) {
			r := testRand(15)
			src, w, dst := randomWords(r, s.InLen()), randomWords(r, s.WeightLen()), make([]uint64, s.OutLen())
			for b.Loop() {
				ConvWide(dst, src, w, s)
			}
			b.ReportMetric(float64(s.MACs())*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}

func TestWideKernelsAreTheDefinition(t *testing.T) {
	edges := []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1<<31, ^uint64(0)}
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(16)
		shapes := networkShapes()
		for range 200 {
			shapes = append(shapes, randomShape(r))
		}
		for i, s := range shapes {
			src, w := randomImages(r, 1+i%3, s), randomWords(r, s.WeightLen())
			if i%2 == 1 {
				for j := range w {
					w[j] = edges[r.IntN(len(edges))]
				}
				for j := range src[0] {
					src[0][j] = edges[r.IntN(len(edges))]
				}
			}
			k, dst, middle := newWideKernel(w, s, in), make([][]uint64, len(src)), r.IntN(s.OutH()+1)
			for j := range dst {
				dst[j] = make([]uint64, s.OutLen())
			}
			k.AddRows(dst, src, middle, s.OutH())
			k.AddRows(dst, src, 0, middle)
			for j := range dst {
				if !slices.Equal(dst[j], naiveConvWide(src[j], w, s)) {
					t.Fatalf("%+v, image %d of %d: differs from the definition", s, j, len(src))
				}
			}
		}
	})
}

package ring

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// eachKernel runs f as a subtest for every kernel of this processor.
func eachKernel(t *testing.T, f func(t *testing.T, in *inner)) {
	for _, in := range inners {
		t.Run(in.name, func(t *testing.T) { f(t, in) })
	}
}

// checkKernel convolves n images in bands of rows, in any order, on top of what
// is in dst already, and compares with the definition.
func checkKernel(t *testing.T, in *inner, r *rand.Rand, w []int16, s ConvShape, src [][]uint64) {
	t.Helper()
	k := newKernel(w, s, in)
	dst, want := make([][]uint64, len(src)), make([][]uint64, len(src))
	for i := range src {
		dst[i] = randomWords(r, s.OutLen())
		want[i] = slices.Clone(dst[i])
		Add(want[i], want[i], naiveConv(src[i], w, s))
	}
	var ends []int
	for y := 0; y < s.OutH(); {
		y += 1 + r.IntN(s.OutH())
		ends = append(ends, min(y, s.OutH()))
	}
	for _, b := range r.Perm(len(ends)) {
		y0 := 0
		if b > 0 {
			y0 = ends[b-1]
		}
		k.AddRows(dst, src, y0, ends[b])
	}
	for i := range dst {
		if !slices.Equal(dst[i], want[i]) {
			t.Fatalf("%+v, image %d of %d, rows up to %v: differs from the definition", s, i, len(src), ends)
		}
	}
}

func randomImages(r *rand.Rand, n int, s ConvShape) [][]uint64 {
	src := make([][]uint64, n)
	for i := range src {
		src[i] = randomWords(r, s.InLen())
	}
	return src
}

func TestKernelsAreTheDefinitionOnRandomShapes(t *testing.T) {
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(21)
		for i := range 600 {
			s := randomShape(r)
			if i%2 == 0 {
				s.K = 1 + r.IntN(40)
			}
			checkKernel(t, in, r, randomWeights(r, s.WeightLen()), s, randomImages(r, 1+r.IntN(6), s))
		}
	})
}

// networkShapes has every sort of convolution of the networks of the zoo, small.
func networkShapes() []ConvShape {
	same := func(h, w, c, k, size, stride int) ConvShape {
		p := size / 2
		return ConvShape{H: h, W: w, C: c, K: k, KH: size, KW: size, StrideH: stride, StrideW: stride,
			PadTop: p, PadLeft: p, PadBottom: p, PadRight: p}
	}
	return []ConvShape{
		same(16, 16, 3, 16, 3, 1), same(12, 9, 16, 16, 3, 1), same(8, 8, 16, 32, 3, 2), same(7, 7, 24, 24, 3, 1),
		same(4, 4, 512, 16, 3, 1), same(2, 2, 512, 20, 3, 1), same(1, 1, 40, 33, 3, 1), same(6, 8, 128, 16, 3, 2),
		same(17, 23, 3, 17, 7, 2), same(5, 11, 64, 48, 1, 1), same(7, 7, 1024, 16, 1, 1), same(8, 8, 32, 64, 1, 2),
		same(9, 9, 256, 16, 1, 2), same(1, 300, 3, 20, 3, 1), same(300, 1, 3, 20, 3, 1), same(64, 64, 2, 3, 3, 1), same(12, 14, 32, 18, 3, 1),
		{H: 9, W: 30, C: 5, K: 10, KH: 3, KW: 2, StrideH: 1, StrideW: 2},
		{H: 6, W: 6, C: 2, K: 3, KH: 2, KW: 2, StrideH: 5, StrideW: 4, PadTop: 7, PadLeft: 9, PadBottom: 3, PadRight: 1},
		LinearShape(512, 10), LinearShape(100, 1000), LinearShape(1, 1), LinearShape(4096, 3),
	}
}

func TestKernelsAreTheDefinitionOnTheShapesOfNetworks(t *testing.T) {
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(22)
		for _, s := range networkShapes() {
			for _, n := range []int{1, 2, 5} {
				checkKernel(t, in, r, randomWeights(r, s.WeightLen()), s, randomImages(r, n, s))
			}
		}
	})
}

func TestKernelsAreTheDefinitionWhereKaratsubaSuits(t *testing.T) {
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(27)
		suited := 0
		for range 16 {
			s := ConvShape{H: 6 + r.IntN(10), W: 6 + r.IntN(10), C: 32 + 8*r.IntN(3), K: 1 + r.IntN(35), KH: 3, KW: 3, StrideH: 1, StrideW: 1,
				PadTop: r.IntN(3), PadLeft: r.IntN(3), PadBottom: r.IntN(4), PadRight: r.IntN(4)}
			if r.IntN(10) == 0 {
				s.C, s.K = 256, 17
			}
			if in.karatsubaRows(&s, 0, s.OutH()) > 0 {
				suited++
			}
			checkKernel(t, in, r, randomWeights(r, s.WeightLen()), s, randomImages(r, 1+r.IntN(2), s))
		}
		if in.nested != nil && suited < 5 {
			t.Errorf("only %d of the shapes suited", suited)
		}
		// Differences of differences at both ends.
		s := ConvShape{H: 9, W: 12, C: 32, K: 16, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
		w := make([]int16, s.WeightLen())
		for i := range w {
			w[i] = -1 << 15
			if i/(s.C*s.K)%2 == 0 {
				w[i] = 1<<15 - 1
			}
		}
		for _, v := range []uint64{1, 1 << 63, ^uint64(0)} {
			checkKernel(t, in, r, w, s, [][]uint64{slices.Repeat([]uint64{v}, s.InLen())})
		}
	})
}

func TestKernelsAreTheDefinitionOnAnyNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(23)
		for _, cores := range []int{1, 2, 3, 8} {
			runtime.GOMAXPROCS(cores)
			for _, s := range []ConvShape{
				{H: 18, W: 20, C: 32, K: 40, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
				{H: 32, W: 32, C: 16, K: 20, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
				{H: 4, W: 4, C: 64, K: 70, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
				LinearShape(1000, 300),
			} {
				checkKernel(t, in, r, randomWeights(r, s.WeightLen()), s, randomImages(r, 3, s))
			}
		}
	})
}

func TestKernelsTakeTheExtremesOfTheRing(t *testing.T) {
	words := []uint64{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<63 + 1<<31, 1<<64 - 1<<31, ^uint64(0)}
	weights := []int16{-1 << 15, -1<<15 + 1, -1, 0, 1, 1<<15 - 1}
	s := ConvShape{H: 5, W: 6, C: 2, K: 17, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(24)
		for _, v := range words {
			for _, c := range weights {
				checkKernel(t, in, r, slices.Repeat([]int16{c}, s.WeightLen()), s, [][]uint64{slices.Repeat([]uint64{v}, s.InLen())})
			}
		}
		for range 20 {
			src, w := make([]uint64, s.InLen()), make([]int16, s.WeightLen())
			for i := range src {
				src[i] = words[r.IntN(len(words))]
			}
			for i := range w {
				w[i] = weights[r.IntN(len(weights))]
			}
			checkKernel(t, in, r, w, s, [][]uint64{src})
		}
	})
}

// Rows that have not arrived may be written while others are used, which the
// race detector watches, at least in the portable kernel and the copies.
func TestAKernelReadsOnlyTheRowsItNeeds(t *testing.T) {
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(25)
		for _, s := range networkShapes() {
			if s.H < 2 {
				continue
			}
			w, src := randomWeights(r, s.WeightLen()), randomWords(r, s.InLen())
			k := newKernel(w, s, in)
			whole := make([]uint64, s.OutLen())
			k.AddRows([][]uint64{whole}, [][]uint64{src}, 0, s.OutH())
			row := s.OutW() * s.K
			for y := range min(s.OutH(), 12) {
				// All other rows hold something else.
				other := randomWords(r, s.InLen())
				from := min(max(0, y*s.StrideH-s.PadTop), s.H)
				to := min(max(from, y*s.StrideH-s.PadTop+s.KH), s.H)
				copy(other[from*s.W*s.C:to*s.W*s.C], src[from*s.W*s.C:])
				got := make([]uint64, s.OutLen())
				k.AddRows([][]uint64{got}, [][]uint64{other}, y, y+1)
				if !slices.Equal(got[y*row:][:row], whole[y*row:][:row]) {
					t.Fatalf("%+v: row %d depends on input rows other than %d to %d", s, y, from, to)
				}
				clear(got[y*row:][:row])
				if slices.ContainsFunc(got, func(v uint64) bool { return v != 0 }) {
					t.Fatalf("%+v: row %d wrote to others", s, y)
				}
			}
		}
	})
}

func TestAKernelServesManyAtOnce(t *testing.T) {
	eachKernel(t, func(t *testing.T, in *inner) {
		r := testRand(26)
		s := ConvShape{H: 8, W: 8, C: 16, K: 24, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
		w, src := randomWeights(r, s.WeightLen()), randomWords(r, s.InLen())
		k, want := newKernel(w, s, in), naiveConv(src, w, s)
		clear(w) // a kernel keeps its own
		got := make([]uint64, s.OutLen())
		Parallel(s.OutH(), func(y int) { k.AddRows([][]uint64{got}, [][]uint64{src}, y, y+1) })
		if !slices.Equal(got, want) {
			t.Error("rows convolved at once differ from the definition")
		}
	})
}

func TestAKernelRefusesWhatDoesNotFit(t *testing.T) {
	s := LinearShape(3, 2)
	k := NewKernel(make([]int16, 6), s)
	image := func(n int) [][]uint64 { return [][]uint64{make([]uint64, n)} }
	for name, f := range map[string]func(){
		"weights": func() { NewKernel(make([]int16, 5), s) },
		"output":  func() { k.AddRows(image(1), image(3), 0, 1) },
		"input":   func() { k.AddRows(image(2), image(4), 0, 1) },
		"batch":   func() { k.AddRows(image(2), nil, 0, 1) },
		"rows":    func() { k.AddRows(image(2), image(3), 0, 2) },
		"order":   func() { k.AddRows(image(2), image(3), 1, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: went on with what does not fit", name)
				}
			}()
			f()
		}()
	}
}

func TestTheEnvironmentChoosesTheKernel(t *testing.T) {
	defer SelectKernel(KernelName())
	for _, name := range Kernels() {
		t.Setenv(KernelVariable, name)
		if err := SelectKernel(""); err != nil || KernelName() != name {
			t.Errorf("with %s=%s the kernel is %s, error %v", KernelVariable, name, KernelName(), err)
		}
	}
	t.Setenv(KernelVariable, "")
	if err := SelectKernel(""); err != nil || KernelName() != Kernels()[0] {
		t.Errorf("without a name the kernel is %s, not the fastest; error %v", KernelName(), err)
	}
	t.Setenv(KernelVariable, "abacus")
	if err := SelectKernel(""); err == nil || !strings.Contains(err.Error(), KernelVariable) || !strings.Contains(err.Error(), "portable") {
		t.Errorf("a kernel that does not exist: %v", err)
	}
	if err := SelectKernel("portable"); err != nil || KernelName() != "portable" {
		t.Errorf("by name: %s, %v", KernelName(), err)
	}
}

// FuzzKernels takes a geometry, a number of images, weights and inputs.
func FuzzKernels(f *testing.F) {
	f.Add([]byte{5, 5, 2, 3, 2, 2, 1, 1, 1, 1, 0, 0, 1}, []byte("elements"))
	f.Add([]byte{2, 2, 64, 20, 3, 3, 1, 1, 1, 1, 1, 1, 5}, []byte("\xff\x00\x80\x7f"))
	f.Add([]byte{12, 9, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 0}, []byte("\x00\x80\xff\x7f\x00\x80"))
	f.Fuzz(func(t *testing.T, geometry, elements []byte) {
		if len(geometry) < 13 || len(elements) == 0 {
			return
		}
		d := func(i int) int { return int(geometry[i] % 16) }
		s := ConvShape{H: d(0), W: d(1), C: int(geometry[2]), K: int(geometry[3]), KH: d(4), KW: d(5), StrideH: d(6), StrideW: d(7),
			PadTop: d(8), PadLeft: d(9), PadBottom: d(10), PadRight: d(11)}
		if s.Validate() != nil || s.MACs() > 1<<19 {
			return
		}
		word := func(i int) uint64 {
			var b [8]byte
			copy(b[:], elements[i%len(elements):])
			return binary.LittleEndian.Uint64(b[:])
		}
		src, w := make([][]uint64, 1+d(12)%6), make([]int16, s.WeightLen())
		for i := range src {
			src[i] = make([]uint64, s.InLen())
			for j := range src[i] {
				src[i][j] = word(i + j)
			}
		}
		for i := range w {
			w[i] = int16(word(3 + i))
		}
		for _, in := range inners {
			checkKernel(t, in, testRand(uint64(len(w))), w, s, src)
		}
	})
}

// convBenchmarks are layers of the networks, and batches of images.
func convBenchmarks() (shapes []ConvShape, batches []int) {
	add := func(h, c, k, size, stride, batch int) {
		p := size / 2
		shapes = append(shapes, ConvShape{H: h, W: h, C: c, K: k, KH: size, KW: size, StrideH: stride, StrideW: stride,
			PadTop: p, PadLeft: p, PadBottom: p, PadRight: p})
		batches = append(batches, batch)
	}
	add(32, 3, 64, 3, 1, 1) // ResNet-18
	add(32, 64, 64, 3, 1, 1)
	add(32, 64, 128, 3, 2, 1)
	add(16, 128, 128, 3, 1, 1)
	add(8, 256, 256, 3, 1, 1)
	add(4, 512, 512, 3, 1, 1)
	add(4, 512, 512, 3, 1, 8)
	add(2, 512, 512, 3, 1, 1) // VGG-16
	add(2, 512, 512, 3, 1, 8)
	add(32, 16, 16, 3, 1, 1) // ResNet-32 and -110
	add(16, 32, 32, 3, 1, 1)
	add(8, 64, 64, 3, 1, 1)
	add(224, 3, 64, 7, 2, 1) // ResNet-50
	add(56, 64, 256, 1, 1, 1)
	add(14, 1024, 256, 1, 1, 1)
	add(7, 2048, 512, 1, 1, 1)
	add(56, 64, 64, 3, 1, 1)
	add(28, 128, 128, 3, 1, 1)
	add(14, 256, 256, 3, 1, 1)
	add(7, 512, 512, 3, 1, 1)
	add(56, 256, 512, 1, 2, 1)
	for _, batch := range []int{1, 32} {
		add(1, 512, 10, 1, 1, batch)
		add(1, 2048, 1000, 1, 1, batch)
	}
	return shapes, batches
}

func BenchmarkConv(b *testing.B) {
	shapes, batches := convBenchmarks()
	for _, in := range inners {
		for i, s := range shapes {
			b.Run(fmt.Sprintf("%s/%dx%dx%d_%dx%dx%d_batch%d", in.name, s.H, s.W, s.C, s.KH, s.KW, s.K, batches[i]), func(b *testing.B) {
				r := testRand(5)
				k, src := newKernel(randomWeights(r, s.WeightLen()), s, in), randomImages(r, batches[i], s)
				dst := make([][]uint64, len(src))
				for i := range dst {
					dst[i] = make([]uint64, s.OutLen())
				}
				for b.Loop() {
					k.AddRows(dst, src, 0, s.OutH())
				}
				b.ReportMetric(float64(s.MACs())*float64(batches[i])*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

// BenchmarkNewKernel is what packing costs.
func BenchmarkNewKernel(b *testing.B) {
	shapes, batches := convBenchmarks()
	for i, s := range shapes {
		if batches[i] != 1 {
			continue
		}
		b.Run(fmt.Sprintf("%dx%dx%d_%dx%dx%d", s.H, s.W, s.C, s.KH, s.KW, s.K), func(b *testing.B) {
			w := make([]int16, s.WeightLen())
			b.SetBytes(2 * int64(len(w)))
			for b.Loop() {
				NewKernel(w, s)
			}
		})
	}
}

func TestTheMultiplierPeakIsARate(t *testing.T) {
	defer SelectKernel(KernelName())
	for _, name := range Kernels() {
		if err := SelectKernel(name); err != nil {
			t.Fatal(err)
		}
		if p := MultiplierPeak(); p < 1e6 || p > 1e13 {
			t.Errorf("%s: %g MAC/s", name, p)
		} else {
			t.Logf("%s: %.2f GMAC/s", name, p/1e9)
		}
	}
}

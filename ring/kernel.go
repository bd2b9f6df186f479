package ring

import "fmt"

// A Kernel is the weights of one convolution, packed for the processor at hand.
// It is immutable and may be used by any number of goroutines.
//
// In NHWC the inputs that one kernel row needs for one pixel are one contiguous
// run of KW·C elements: a convolution is KH matrix products whose left-hand rows
// overlap, and no input need be copied but to put zeros around it.
type Kernel struct {
	shape ConvShape
	inner *inner
	// w holds a panel for every inner.width output channels, [KH·KW·C][width];
	// the last is filled up with zeros. wide is instead of it in a wide kernel.
	w    []int16
	wide []uint64
}

// NewKernel packs the weights w (KH×KW×C×K) of a convolution, by the kernel that
// [SelectKernel] chose. It does not keep w.
func NewKernel(w []int16, s ConvShape) *Kernel { return newKernel(w, s, selected()) }

// NewWideKernel is [NewKernel] of weights mod 2^64.
func NewWideKernel(w []uint64, s ConvShape) *Kernel { return newWideKernel(w, s, selected()) }

func newKernel(w []int16, s ConvShape, in *inner) *Kernel {
	return &Kernel{shape: s, inner: in, w: packed(w, s, in.width)}
}

func newWideKernel(w []uint64, s ConvShape, in *inner) *Kernel {
	return &Kernel{shape: s, inner: in.wide, wide: packed(w, s, in.wide.width)}
}

// packed returns w in panels.
func packed[W int16 | uint64](w []W, s ConvShape, width int) []W {
	sameLength("Kernel weights", len(w), s.WeightLen())
	panels, terms := ceilDiv(s.K, width), s.KH*s.KW*s.C
	all := make([]W, panels*terms*width)
	Parallel(panels, func(p int) {
		panel := all[p*terms*width:][:terms*width]
		n := min(width, s.K-p*width)
		for j := range terms {
			copy(panel[j*width:][:n], w[j*s.K+p*width:])
		}
	})
	return all
}

// Shape returns the geometry of the convolution.
func (k *Kernel) Shape() ConvShape { return k.shape }

// AddRows adds, for each image i, the output rows y0 to y1 (exclusive) of the
// convolution of src[i] to those of dst[i], mod 2^64, on all cores. Both are
// whole tensors, of InLen and OutLen elements, that do not overlap; of src[i]
// only the input rows that these output rows need are read, of dst[i] only rows
// y0 to y1 touched. Images share what there is to share: a batch of images with
// few pixels costs less than they would alone. 3×3 kernels are fastest in bands of
// many rows, or a multiple of three.
func (k *Kernel) AddRows(dst, src [][]uint64, y0, y1 int) {
	s := k.shape
	sameLength("batches of images", len(dst), len(src))
	for i := range dst {
		sameLength("Kernel output", len(dst[i]), s.OutLen())
		sameLength("Kernel input", len(src[i]), s.InLen())
	}
	if y0 < 0 || y1 < y0 || y1 > s.OutH() {
		panic(fmt.Sprintf("ring: rows %d to %d of a convolution with %d", y0, y1, s.OutH()))
	}
	if len(dst) == 0 || y0 == y1 || len(k.w)+len(k.wide) == 0 {
		return
	}
	if n := k.inner.karatsubaRows(&k.shape, y0, y1); n > 0 {
		c := newKaratsuba(k, dst, src, y0, y0+n)
		runBlocks(c.blocks(), c.parts, c.cores, c.block)
		y0 += n
	}
	if y0 < y1 {
		c := newCut(k, dst, src, y0, y1)
		runBlocks(c.blocks(), c.parts, c.cores, c.block)
	}
}

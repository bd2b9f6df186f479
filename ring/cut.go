package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A cut is how one call of [Kernel.AddRows] is cut into work: blocks of pixels
// whose inputs fit the second-level cache, so that weights are read once for a
// block and not once for a tile, and for each block its panels of weights, in
// parts if there are fewer blocks than it takes to keep all cores busy.
type cut struct {
	k        *Kernel
	dst, src [][]uint64
	// The geometry. Where a pixel needs only its own inputs, all rows are one.
	s                ConvShape
	y0, y1, w        int // output rows, and their width
	srcFrom, dstFrom int // of the elements of an image
	// Windows that overlap lie stepY×stepX apart, others side by side.
	stepY, stepX int
	// Groups of 2^log pixels lie along a row or, if across is set, across images.
	log    int
	across bool
	direct bool // inputs are used where they are, not copied to a patch
	skew   int  // elements between the pixels of a patch

	images, rows, cols int // of a block; the last ones may be smaller
	parts              int // of the panels
	cores              int
}

const (
	// blockWords is the size of the inputs of a block in elements: 256 KiB.
	blockWords = 1 << 15
	// blockPixels is the number of pixels below which a block is not cut for the
	// sake of another core: each reads all the weights.
	blockPixels = 48
	// splitMACs is the number of multiplications from which on a second core
	// pays: some ten microseconds.
	splitMACs = 1 << 18
)

func newCut(k *Kernel, dst, src [][]uint64, y0, y1 int) *cut {
	s := k.shape
	c := &cut{k: k, dst: dst, src: src, s: s, y0: y0, y1: y1, w: s.OutW()}
	if s.pointwise() {
		c.srcFrom, c.dstFrom = y0*s.W*s.C, y0*s.W*s.K
		c.s.H, c.s.W = 1, (y1-y0)*s.W
		c.y0, c.y1, c.w = 0, 1, c.s.W
	}
	c.stepY, c.stepX = min(s.StrideH, s.KH), min(s.StrideW, s.KW)

	var along, across int
	c.log, along = k.inner.lanes(c.w)
	log, across := k.inner.lanes(len(src))
	if c.across = across*c.w < along*len(src); c.across {
		c.log = log
	}
	// Pixels a multiple of 4096 bytes apart share a few lines of the first-level
	// cache.
	if s.C*c.stepX%512 == 0 {
		c.skew = 8
	}
	c.direct = k.inner.copy == nil && !c.across && c.skew == 0 && c.w >= 1<<c.log &&
		s.PadTop == 0 && s.PadBottom == 0 && s.PadLeft == 0 && s.PadRight == 0

	c.cores = runtime.GOMAXPROCS(0)
	if len(src)*(c.y1-c.y0)*c.w*s.K*s.KH*s.KW*s.C < splitMACs {
		c.cores = 1
	}
	c.block()
	return c
}

// block chooses the size of blocks and the number of parts.
func (c *cut) block() {
	c.images, c.rows, c.cols = len(c.src), c.y1-c.y0, c.w
	for c.images*c.patchRows(c.rows)*c.patchCols(c.cols)*c.s.C > blockWords && c.halve() {
	}
	for c.blocks() < 2*c.cores && c.images*c.rows*c.cols >= 2*blockPixels && c.halve() {
	}
	panels := (c.s.K + c.k.inner.width - 1) / c.k.inner.width
	c.parts = 1
	if b := c.blocks(); b < 4*c.cores && b%c.cores != 0 {
		c.parts = min(panels, (4*c.cores+b-1)/b)
	}
}

// halve makes blocks smaller if it can.
func (c *cut) halve() bool {
	lanes := 1 << c.log
	least, width := 1, 3*lanes
	if c.across {
		least, width = lanes, 1
	}
	switch {
	case c.images > least:
		c.images = roundUp((c.images+1)/2, least)
	case c.rows > 1:
		c.rows = (c.rows + 1) / 2
	case c.cols > width:
		c.cols = roundUp((c.cols+1)/2, width)
	default:
		return false
	}
	return true
}

// blocks returns the number of blocks.
func (c *cut) blocks() int {
	return ceilDiv(len(c.src), c.images) * ceilDiv(c.y1-c.y0, c.rows) * ceilDiv(c.w, c.cols)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// patchRows and patchCols return the size of the inputs of n rows and columns.
func (c *cut) patchRows(n int) int { return (n-1)*c.stepY + c.s.KH }
func (c *cut) patchCols(n int) int { return (n-1)*c.stepX + c.s.KW }

// run does the work.
func (c *cut) run() {
	n := c.blocks()
	if c.parts == 1 {
		c.parallel(n, func(i int) {
			p := patches.Get().(*patch)
			defer p.free()
			p.fill(c, i)
			p.multiply(0, 1)
		})
		return
	}
	// The parts of a block share its patch, which the first to come fills.
	shared := make([]struct {
		once sync.Once
		done atomic.Int64
		p    *patch
	}, n)
	c.parallel(n*c.parts, func(i int) {
		b := &shared[i/c.parts]
		b.once.Do(func() {
			b.p = patches.Get().(*patch)
			b.p.fill(c, i/c.parts)
		})
		b.p.multiply(i%c.parts, c.parts)
		if b.done.Add(1) == int64(c.parts) {
			b.p.free()
		}
	})
}

func (c *cut) parallel(n int, f func(i int)) {
	if c.cores > 1 {
		Parallel(n, f)
		return
	}
	for i := range n {
		f(i)
	}
}

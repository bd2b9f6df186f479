package ring

import "runtime"

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
	c.size()
	return c
}

// size chooses the size of blocks and the number of parts.
func (c *cut) size() {
	c.images, c.rows, c.cols = len(c.src), c.y1-c.y0, c.w
	for c.images*c.patchRows(c.rows)*c.patchCols(c.cols)*c.s.C > blockWords && c.halve() {
	}
	for c.blocks() < 2*c.cores && c.images*c.rows*c.cols >= 2*blockPixels && c.halve() {
	}
	c.parts = partsFor(c.blocks(), c.cores, ceilDiv(c.s.K, c.k.inner.width))
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

// patchRows and patchCols return the size of the inputs of n rows and columns.
func (c *cut) patchRows(n int) int { return (n-1)*c.stepY + c.s.KH }
func (c *cut) patchCols(n int) int { return (n-1)*c.stepX + c.s.KW }

// block fills block i.
func (c *cut) block(i int) block {
	p := patches.Get().(*patch)
	p.fill(c, i)
	return p
}

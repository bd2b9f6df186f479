package ring

import (
	"runtime"
	"sync"
)

// A karatsuba is how one call of [Kernel.AddRows] is cut into work where the
// kernel is 3×3 and the strides are 1, with Karatsuba's trick along rows and
// again along columns: three outputs of a row of three weights take six products
// instead of nine, so nine outputs of a 3×3 kernel take 36 instead of 81.
// Nothing is divided, so this is exact mod 2^64. From inputs d_0 to d_4,
//
//	y_0 = g_0·(d_0+d_1+d_2) + (g_1−g_0)·d_1 + (g_2−g_0)·d_2
//	y_1 = g_1·(d_1+d_2+d_3) − (g_1−g_0)·d_1 + (g_2−g_1)·d_3
//	y_2 = g_2·(d_2+d_3+d_4) − (g_2−g_0)·d_2 − (g_2−g_1)·d_3
//
// A square is 3×3 pixels of output. Those of a block are numbered along rows; for
// each of the 36 products the inputs of one square and the next are at the same
// distance, so that squares fill tiles as pixels do. Pixels of squares that lie
// beyond the edges are computed and dropped. Differences of weights are taken
// where they are used: stored, they would need eight times the memory.
type karatsuba struct {
	k        *Kernel
	dst, src [][]uint64
	y0, y1   int // output rows

	across, down int // squares in a row, and rows of them
	rows         int // of squares, in a block; the last one may be smaller
	pitch        int // elements between the inputs of two pixels
	cores, parts int
	products     [36]product
}

// nested is what inner kernels have for [karatsuba]. Panels are 16 channels wide.
type nested struct {
	// tilers[d][n-1] multiplies n groups of four squares by a weight (d = 0), a
	// difference of two, or of two differences.
	tilers [3][3]tiler
	// sum3 sets dst = a + b + c, of a multiple of 8 elements.
	sum3 func(dst, a, b, c []uint64)
	// add adds rows×cols pixels of a square src to dst, whose pixels are step and
	// rows rowStep apart.
	add func(dst, src []uint64, step, rowStep, rows, cols int)
}

// A product is one of the 36: of inputs with weights w, or the differences of
// those and others, for an output of the square and the negative for others.
type product struct {
	y, x           term
	differences    int
	w, out         int // elements from the start of a panel, and of the outputs of a square
	wNext, outNext [2]int
}

// A term is one of the six products of one dimension: by weight b less weight a,
// added to output a and taken from b; or if they are the same, by it, for it.
type term struct {
	a, b int
	// at is the number of the input in the middle of the three that are summed, or
	// of the only one, less 1.
	at int
}

var terms = [6]term{{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {0, 1, 0}, {0, 2, 1}, {1, 2, 2}}

// sum reports whether the inputs are sums.
func (t term) sum() bool { return t.a == t.b }

const (
	// squareWords is the number of outputs of a square by a panel.
	squareWords = 9 * 16
	// karatsubaWords is the size of the planes of a block in elements: 2 MiB. They
	// are read in order, so they need not stay in the second-level cache, and few
	// blocks have few incomplete tiles.
	karatsubaWords = 1 << 18
)

// karatsubaRows returns how many of the rows y0 to y1 of the convolution, from the
// first on, are best left to the trick: all, as many as squares have, or none. The
// products of squares take about 1.3 times as long as others, squares may be cut
// by the edges and tiles lack some, and few channels do not pay for the sums.
func (in *inner) karatsubaRows(s *ConvShape, y0, y1 int) int {
	across := ceilDiv(s.OutW(), 3)
	if in.nested == nil || s.KH != 3 || s.KW != 3 || s.StrideH != 1 || s.StrideW != 1 || s.C%8 != 0 || s.C < 32 ||
		4*9*across*s.C > karatsubaWords {
		return 0
	}
	best, rows := 0, y1-y0
	cost := func(n int) int {
		return 36*roundUp(ceilDiv(n, 3)*across, 4)*13 + 9*(rows-n)*s.OutW()*10
	}
	for _, n := range []int{rows / 3 * 3, rows} {
		if cost(n) < cost(best) {
			best = n
		}
	}
	return best
}

func newKaratsuba(k *Kernel, dst, src [][]uint64, y0, y1 int) *karatsuba {
	s := &k.shape
	c := &karatsuba{k: k, dst: dst, src: src, y0: y0, y1: y1, pitch: s.C}
	c.across, c.down = ceilDiv(s.OutW(), 3), ceilDiv(y1-y0, 3)
	if s.C%256 == 0 {
		c.pitch += 8 // see newCut
	}
	for i := range c.products {
		p := product{y: terms[i/6], x: terms[i%6]}
		p.w, p.out = (p.y.b*3+p.x.b)*s.C*16, (p.y.a*3+p.x.a)*16
		difference := func(t term, pixels int) {
			if !t.sum() {
				p.wNext[p.differences] = (t.a - t.b) * pixels * s.C * 16
				p.outNext[p.differences] = (t.b - t.a) * pixels * 16
				p.differences++
			}
		}
		difference(p.x, 1)
		difference(p.y, 3)
		c.products[i] = p
	}
	most := max(1, karatsubaWords/(4*9*c.across*c.pitch))
	c.rows = ceilDiv(c.down, ceilDiv(c.down, most))
	c.cores = runtime.GOMAXPROCS(0)
	if len(src)*(y1-y0)*s.OutW()*s.K*9*s.C < splitMACs {
		c.cores = 1
	}
	c.parts = partsFor(c.blocks(), c.cores, ceilDiv(s.K, 16))
	return c
}

func (c *karatsuba) blocks() int { return len(c.src) * ceilDiv(c.down, c.rows) }

// block fills block i.
func (c *karatsuba) block(i int) block {
	p := planePool.Get().(*planes)
	n := ceilDiv(c.down, c.rows)
	p.fill(c, i/n, i%n*c.rows, min(c.down, (i%n+1)*c.rows))
	return p
}

// planes are the inputs of the squares of a block: pixels, sums of three along
// rows, and sums of three rows of both.
type planes struct {
	c             *karatsuba
	image, r0, r1 int // rows of squares
	words         []uint64
	of            [2][2]plane // whether summed along columns, and along rows
}

// A plane has as many pixels in a row as there are in its squares. Every third
// row follows in memory, so that from the last square of a row to the first of
// the next is as far as between others.
type plane struct {
	words  []uint64
	thirds int // rows of squares
}

func (p *planes) row(q *plane, r int) []uint64 {
	n := p.c.rowWords()
	return q.words[(r%3*q.thirds+r/3)*n:]
}

func (c *karatsuba) rowWords() int { return 3 * c.across * c.pitch }

var planePool = sync.Pool{New: func() any { return new(planes) }}

func (p *planes) free() {
	p.c = nil
	planePool.Put(p)
}

func (p *planes) fill(c *karatsuba, image, r0, r1 int) {
	p.c, p.image, p.r0, p.r1 = c, image, r0, r1
	s, nested := &c.k.shape, c.k.inner.nested
	n, down := c.rowWords(), r1-r0
	line := n + 2*c.pitch
	// The last tile reads on where it lacks squares.
	size := line + 6*(2*down+1)*n + 12*3*c.pitch
	if size > cap(p.words) {
		p.words = make([]uint64, size)
	}
	p.words = p.words[:size]
	d, rest := p.words[:line], p.words[line:]
	for y := range 2 {
		for x := range 2 {
			p.of[y][x] = plane{rest, down + 1 - y}
			rest = rest[3*(down+1-y)*n:]
		}
	}
	one, sum := &p.of[0][0], &p.of[0][1]
	// Rows beyond the last that is needed may not be there yet.
	end := min(s.H, c.y1-1-s.PadTop+s.KH)
	for r := range 3*down + 2 {
		y := c.y0 + 3*r0 + r - s.PadTop
		if y < 0 || y >= end {
			clear(p.row(one, r)[:n])
			clear(p.row(sum, r)[:n])
			continue
		}
		copyPixels(d, c.src[image][y*s.W*s.C:][:s.W*s.C], s.C, c.pitch, -s.PadLeft, 3*c.across+2, nil)
		copy(p.row(one, r)[:n], d[c.pitch:])
		nested.sum3(p.row(sum, r)[:n], d, d[c.pitch:], d[2*c.pitch:])
	}
	for x := range 2 {
		for r := range 3 * down {
			q := &p.of[0][x]
			nested.sum3(p.row(&p.of[1][x], r)[:n], p.row(q, r), p.row(q, r+1), p.row(q, r+2))
		}
	}
}

// inputs returns those of product i of the squares, from the first on.
func (p *planes) inputs(q *product) []uint64 {
	y, x, row := 0, 0, q.y.at+1
	if q.y.sum() {
		y, row = 1, q.y.at
	}
	if q.x.sum() {
		x = 1
	}
	return p.row(&p.of[y][x], row)[q.x.at*p.c.pitch:]
}

// A squareBench is what one goroutine needs to run tiles of squares.
type squareBench struct {
	out [12 * squareWords]uint64 // first, so that a vector is in one cache line
	t   tile
}

var squareBenches = sync.Pool{New: func() any { return new(squareBench) }}

func (p *planes) multiply(part, parts int) {
	b := squareBenches.Get().(*squareBench)
	defer func() {
		b.t = tile{} // it would keep the weights alive
		squareBenches.Put(b)
	}()
	c := p.c
	s := &c.k.shape
	b.t = tile{inStep: 3 * c.pitch, outStep: squareWords, rows: 1, cols: 1, run: s.C}
	panels, panelWords := ceilDiv(s.K, 16), 9*s.C*16
	squares := (p.r1 - p.r0) * c.across
	groups := ceilDiv(squares, 4)
	tiles := ceilDiv(groups, 3)
	for panel := part * panels / parts; panel < (part+1)*panels/parts; panel++ {
		w := c.k.w[panel*panelWords:][:panelWords]
		for j := range tiles {
			first, last := j*groups/tiles, (j+1)*groups/tiles
			p.tile(b, w, 4*first, last-first)
			p.add(b, panel*16, 4*first, min(4*last, squares))
		}
	}
}

// tile sums the products of groups of four squares, from the first on.
func (p *planes) tile(b *squareBench, w []int16, first, groups int) {
	clear(b.out[:4*groups*squareWords])
	t, step := &b.t, p.c.pitch*3
	for i := range p.c.products {
		q := &p.c.products[i]
		in := p.inputs(q)
		for g := range groups {
			t.in[g] = in[(first+4*g)*step:]
			t.out[g] = b.out[q.out+4*g*squareWords:]
		}
		t.w, t.wNext, t.outNext = w[q.w:], q.wNext, q.outNext
		p.c.k.inner.nested.tilers[q.differences][groups-1](t)
	}
}

// add adds the sums of squares first to last (exclusive) to the output channels
// from k0 on.
func (p *planes) add(b *squareBench, k0, first, last int) {
	c := p.c
	s := &c.k.shape
	w, k := s.OutW(), min(16, s.K-k0)
	dst := c.dst[p.image]
	for i := first; i < last; i++ {
		y, x := c.y0+3*(p.r0+i/c.across), 3*(i%c.across)
		to, from := dst[(y*w+x)*s.K+k0:], b.out[(i-first)*squareWords:]
		rows, cols := min(3, c.y1-y), min(3, w-x)
		if k == 16 {
			c.k.inner.nested.add(to, from, s.K, w*s.K, rows, cols)
			continue
		}
		for r := range rows {
			for l := range cols {
				out := to[(r*w+l)*s.K:][:k]
				for j, v := range from[(3*r+l)*16:][:k] {
					out[j] += v
				}
			}
		}
	}
}

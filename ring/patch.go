package ring

import "sync"

// A patch is the inputs of a block of pixels, and the list of its groups. Inputs
// that cannot be used where they are, for they lack the zeros around them, lie
// too far apart or in another form, are copied: that is one copy for K
// multiplications.
type patch struct {
	c      *cut
	in     []uint64
	groups []group

	pitch, rowPitch, imagePitch int // elements between pixels, rows and images
	step                        int // between the pixels of a group
}

// A group is up to four pixels at a constant distance: along a row, or the same
// pixel of several images.
type group struct {
	at    int // of the inputs of the first pixel, in the patch or the image
	image int // of the first pixel
	to    int // of the output of the first pixel, in the image
	// The pixels first to last (exclusive) are wanted; others are there to fill
	// the group.
	first, last int
}

var patches = sync.Pool{New: func() any { return new(patch) }}

func (p *patch) free() {
	p.c = nil
	patches.Put(p)
}

// fill makes p the patch of block i of c.
func (p *patch) fill(c *cut, i int) {
	p.c = c
	across, down := ceilDiv(c.w, c.cols), ceilDiv(c.y1-c.y0, c.rows)
	x0 := i % across * c.cols
	y0 := c.y0 + i/across%down*c.rows
	image0 := i / across / down * c.images
	x1, y1, image1 := min(x0+c.cols, c.w), min(y0+c.rows, c.y1), min(image0+c.images, len(c.src))
	if c.direct {
		p.pitch, p.rowPitch = c.s.C, c.s.W*c.s.C
	} else {
		p.copy(x0, x1, y0, y1, image0, image1)
	}
	p.group(x0, x1, y0, y1, image0, image1)
}

// copy copies the inputs of output columns x0 to x1 and rows y0 to y1 of the
// images to p.in, [images][rows][columns][C], with zeros for the padding.
func (p *patch) copy(x0, x1, y0, y1, image0, image1 int) {
	c := p.c
	s := &c.s
	lanes := 1 << c.log
	nx, images := x1-x0, image1-image0
	rows, cols := c.patchRows(y1-y0), c.patchCols(nx)
	// Groups without enough pixels read what is there.
	if c.across {
		images = roundUp(images, lanes)
	} else {
		cols = c.patchCols(roundUp(nx, lanes))
	}
	p.pitch = s.C + c.skew
	p.rowPitch = spread(cols * p.pitch)
	p.imagePitch = spread(rows * p.rowPitch)
	if n := images * p.imagePitch; n > cap(p.in) {
		p.in = make([]uint64, n)
	} else {
		p.in = p.in[:n]
	}
	form := c.k.inner.copy
	for i := range image1 - image0 {
		src := c.src[image0+i][c.srcFrom:]
		for r := range rows {
			row := p.in[i*p.imagePitch+r*p.rowPitch:][:cols*p.pitch]
			iy := y0*s.StrideH + r - s.PadTop
			if s.StrideH > s.KH {
				iy = (y0+r/s.KH)*s.StrideH + r%s.KH - s.PadTop
			}
			if iy < 0 || iy >= s.H {
				clear(row)
				continue
			}
			line := src[iy*s.W*s.C:][:s.W*s.C]
			if s.StrideW <= s.KW {
				copyPixels(row, line, s.C, p.pitch, x0*s.StrideW-s.PadLeft, c.patchCols(nx), form)
				continue
			}
			for x := range nx {
				copyPixels(row[x*s.KW*p.pitch:], line, s.C, p.pitch, (x0+x)*s.StrideW-s.PadLeft, s.KW, form)
			}
		}
	}
}

// spread returns a distance of at least n elements for which what is that far
// apart does not share lines of the first-level cache: an odd multiple of 256
// bytes, if n is large.
func spread(n int) int {
	if n < 256 {
		return n
	}
	return roundUp(n, 32) | 32
}

// copyPixels copies n pixels of c inputs, from column x on, of the row line of an
// image, to places pitch apart; what lies outside of it is zero. form, if it is
// not nil, copies inputs to another form.
func copyPixels(dst, line []uint64, c, pitch, x, n int, form func(dst, src []uint64)) {
	w := len(line) / c
	left := min(max(0, -x), n)
	right := max(left, min(n, w-x))
	clear(dst[:left*pitch])
	clear(dst[right*pitch : n*pitch])
	if left == right {
		return
	}
	dst, line = dst[left*pitch:], line[(x+left)*c:][:(right-left)*c]
	if pitch == c {
		c = len(line)
	}
	for {
		if form == nil {
			copy(dst, line[:c])
		} else {
			form(dst[:c], line[:c])
		}
		if line = line[c:]; len(line) == 0 {
			return
		}
		dst = dst[pitch:]
	}
}

// group lists the groups of the block.
func (p *patch) group(x0, x1, y0, y1, image0, image1 int) {
	c := p.c
	s := &c.s
	lanes := 1 << c.log
	p.groups = p.groups[:0]
	stepX, stepY := c.stepX*p.pitch, c.stepY*p.rowPitch
	if c.direct {
		stepX, stepY = s.StrideW*s.C, s.StrideH*s.W*s.C
	}
	if c.across {
		p.step = p.imagePitch
		for y := range y1 - y0 {
			for x := range x1 - x0 {
				for i := 0; i < image1-image0; i += lanes {
					p.groups = append(p.groups, group{
						at:    i*p.imagePitch + y*stepY + x*stepX,
						image: image0 + i, to: c.dstFrom + ((y0+y)*c.w+x0+x)*s.K,
						last: min(lanes, image1-image0-i),
					})
				}
			}
		}
		return
	}
	p.step = stepX
	for i := range image1 - image0 {
		at := i * p.imagePitch
		if c.direct {
			at = c.srcFrom + y0*stepY + x0*stepX
		}
		for y := range y1 - y0 {
			for x := 0; x < x1-x0; x += lanes {
				g := group{image: image0 + i, last: lanes}
				if over := x + lanes - (x1 - x0); over > 0 {
					// In a patch there is room behind the last pixel; in an image
					// there need not be.
					if c.direct {
						g.first = over
					} else {
						g.last -= over
					}
				}
				g.at = at + y*stepY + (x-g.first)*stepX
				g.to = c.dstFrom + ((y0+y)*c.w+x0+x-g.first)*s.K
				p.groups = append(p.groups, g)
			}
		}
	}
}

// A tileBench is what one goroutine needs to run tiles.
type tileBench struct {
	out [12 * 16]uint64
	t   tile
}

var tileBenches = sync.Pool{New: func() any { return new(tileBench) }}

// multiply adds the products by part i of n of the panels to the outputs.
func (p *patch) multiply(i, n int) {
	b := tileBenches.Get().(*tileBench)
	defer func() {
		b.t = tile{} // it would keep the images alive
		tileBenches.Put(b)
	}()
	c := p.c
	s, in := &c.s, c.k.inner
	t := &b.t
	*t = tile{inStep: p.step, rows: s.KH, cols: 1, run: s.KW * s.C, rowSkip: p.rowPitch - s.KW*s.C}
	if p.pitch != s.C {
		t.cols, t.run, t.colSkip = s.KW, s.C, p.pitch-s.C
		t.rowSkip = p.rowPitch - s.KW*p.pitch
	}
	panels := ceilDiv(s.K, in.width)
	terms := s.KH * s.KW * s.C * in.width
	most := in.mostGroups(c.log)
	tiles := ceilDiv(len(p.groups), most)
	for panel := i * panels / n; panel < (i+1)*panels/n; panel++ {
		if c.k.wide != nil {
			t.wide = c.k.wide[panel*terms:][:terms]
		} else {
			t.w = c.k.w[panel*terms:][:terms]
		}
		k0 := panel * in.width
		for j := range tiles {
			groups := p.groups[j*len(p.groups)/tiles : (j+1)*len(p.groups)/tiles]
			p.tile(b, groups, k0, min(in.width, s.K-k0))
		}
	}
}

// tile runs one tile, whose panel has the output channels from k0 on, of which
// there are k.
func (p *patch) tile(b *tileBench, groups []group, k0, k int) {
	c, t := p.c, &b.t
	lanes, width := 1<<c.log, c.k.inner.width
	whole := k == width && !c.across
	for i := range groups {
		g := &groups[i]
		if c.direct {
			t.in[i] = c.src[g.image][g.at:]
		} else {
			t.in[i] = p.in[g.at:]
		}
		whole = whole && g.last-g.first == lanes
	}
	run := c.k.inner.tilers[c.log][len(groups)-1]
	if whole {
		t.outStep = c.s.K
		for i := range groups {
			t.out[i] = c.dst[groups[i].image][groups[i].to+k0:]
		}
		run(t)
		return
	}
	t.outStep = width
	for i := range groups {
		t.out[i] = b.out[i*lanes*width:][:lanes*width]
		clear(t.out[i])
	}
	run(t)
	for i := range groups {
		g := &groups[i]
		for l := g.first; l < g.last; l++ {
			image, to := g.image, g.to+k0+l*c.s.K
			if c.across {
				image, to = g.image+l, g.to+k0
			}
			out := c.dst[image][to:][:k]
			for j, v := range t.out[i][l*width:][:k] {
				out[j] += v
			}
		}
	}
}

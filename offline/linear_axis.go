package offline

// axis is one dimension of a convolution, split into the phases of its stride.
// Phase d is every stride-th sample of the padded input from the d-th on, and
// meets every stride-th tap of the kernel from the d-th on; the convolution is
// the sum over the phases of convolutions of stride 1. Taps that meet nothing
// but padding, whatever the output, are left out at both ends.
type axis struct {
	in, out, stride int
	first           int // the first tap that meets data
	pad             int // zeros before the input, counted from that tap on
	phases          []phase
	taps            int // of the longest phase
	lo, hi          int // union of the phases' data
}

// phase is one phase of an axis: tap t of the phase is tap first + t·stride + d
// of the kernel, and meets sample i + t of the phase for output i. Sample i is
// sample i·stride + d − pad of the input for lo ≤ i < hi, and zero elsewhere.
type phase struct{ d, taps, lo, hi int }

func newAxis(in, out, kernel, stride, pad int) axis {
	a := axis{in: in, out: out, stride: stride}
	first, last := -1, 0
	for t := range kernel {
		if i := max(0, ceilDiv(pad-t, stride)); i < out && i*stride+t-pad < in {
			if first < 0 {
				first = t
			}
			last = t
		}
	}
	if first < 0 { // no output sees anything but padding
		a.phases, a.taps = []phase{{taps: 1}}, 1
		return a
	}
	a.first, a.pad = first, pad-first
	kernel = last - first + 1
	a.phases = make([]phase, 0, min(stride, kernel))
	for d := range min(stride, kernel) {
		p := phase{d: d, taps: ceilDiv(kernel-d, stride), lo: max(0, ceilDiv(a.pad-d, stride))}
		p.hi = min(ceilDiv(in+a.pad-d, stride), out+p.taps-1)
		if p.hi <= p.lo {
			continue // meets only padding
		}
		if len(a.phases) == 0 {
			a.lo, a.hi = p.lo, p.hi
		}
		a.phases = append(a.phases, p)
		a.taps = max(a.taps, p.taps)
		a.lo, a.hi = min(a.lo, p.lo), max(a.hi, p.hi)
	}
	return a
}

// allTaps returns how many taps of the kernel meet data, phase by phase.
func (a *axis) allTaps() int {
	n := 0
	for _, p := range a.phases {
		n += p.taps
	}
	return n
}

// ceilDiv returns ⌈n/d⌉ for d > 0 and any n.
func ceilDiv(n, d int) int {
	if n <= 0 {
		return -(-n / d)
	}
	return (n + d - 1) / d
}

// tape is one channel of a whole group laid out on a line, so that a
// convolution of stride 1 in two dimensions becomes one in one dimension: row
// after row at a distance of rowStride, block after block at a distance of
// block; a block is one strip of columns of one image. Zero padding is shared:
// the zeros after one row are those before the next, and likewise for blocks.
//
// Output (i, j) of a block lies where its first tap meets the tape: at i·rowStride
// + j from the block's start, and reads up to halo positions further on.
type tape struct {
	rowStride, block, blocks int
	strips, stripOut         int // strips of each image, and columns of output in each
	halo                     int
	outputs, data            rectangle
}

// rectangle is a range of rows and columns, the same in each block of a tape.
type rectangle struct{ r0, r1, c0, c1 int }

func newTape(rows, cols axis, images, strips int) tape {
	t := tape{stripOut: ceilDiv(cols.out, strips)}
	t.strips = ceilDiv(cols.out, t.stripOut)
	t.blocks = images * t.strips
	t.outputs = rectangle{r1: rows.out, c1: t.stripOut}
	width := t.stripOut + cols.taps - 1 // what a row of outputs reads
	t.data = rectangle{rows.lo, rows.hi, cols.lo, cols.hi}
	if t.strips > 1 { // an inner strip has data everywhere
		t.data.c0, t.data.c1 = 0, width
	}
	d := t.data
	t.rowStride = max(d.c1, width-d.c0, t.stripOut)
	t.halo = (rows.taps-1)*t.rowStride + cols.taps - 1
	dataStart, dataEnd := d.r0*t.rowStride+d.c0, (d.r1-1)*t.rowStride+d.c1
	outputEnd := (rows.out-1)*t.rowStride + t.stripOut
	t.block = max(dataEnd, outputEnd+t.halo-dataStart, outputEnd)
	return t
}

// end returns the length of the tape.
func (t *tape) end() int { return t.blocks * t.block }

// next returns the first position of r at or after p, or the tape's end.
func (t *tape) next(r rectangle, p int) int {
	if p >= t.end() || r.r1 <= r.r0 || r.c1 <= r.c0 {
		return t.end()
	}
	b, u := p/t.block, p%t.block
	row, col := u/t.rowStride, u%t.rowStride
	switch {
	case row < r.r0:
		row, col = r.r0, r.c0
	case col < r.c0:
		col = r.c0
	case col >= r.c1:
		row, col = row+1, r.c0
	}
	if row >= r.r1 {
		b, row, col = b+1, r.r0, r.c0
	}
	if b >= t.blocks {
		return t.end()
	}
	return b*t.block + row*t.rowStride + col
}

// last returns the last position of r before p, or −1.
func (t *tape) last(r rectangle, p int) int {
	p = min(p, t.end()) - 1
	if p < 0 || r.r1 <= r.r0 || r.c1 <= r.c0 {
		return -1
	}
	b, u := p/t.block, p%t.block
	row, col := u/t.rowStride, u%t.rowStride
	switch {
	case row >= r.r1:
		row, col = r.r1-1, r.c1-1
	case col >= r.c1:
		col = r.c1 - 1
	case col < r.c0:
		row, col = row-1, r.c1-1
	}
	if row < r.r0 {
		b, row, col = b-1, r.r1-1, r.c1-1
	}
	if b < 0 {
		return -1
	}
	return b*t.block + row*t.rowStride + col
}

// segment is a range of the tape: the outputs from start to end (exclusive),
// which read the data from start to end + halo.
type segment struct{ start, end int }

// fits reports whether blocks of length b, set one after the other on a circle,
// can hold what the outputs of s read. Reads past the block's end reach into the
// next block, so whatever lies there must be zero, in this block's tape and in
// the next block.
func (t *tape) fits(s segment, b int) bool {
	if s.end-s.start > b {
		return false
	}
	over := s.end + t.halo - (s.start + b)
	if over <= 0 {
		return true
	}
	first := t.next(t.data, s.start)
	return (first == t.end() || first >= s.start+over) && t.last(t.data, s.end+t.halo) < s.start+b
}

// segments cuts the tape into the fewest segments that fit blocks of length b >
// halo, or returns nil if there would be more than limit of them. If a range
// fits, so does every part of it, so taking as much as fits each time is best.
func (t *tape) segments(b, limit int) []segment {
	var all []segment
	for start := t.next(t.outputs, 0); start < t.end(); {
		if len(all) == limit {
			return nil
		}
		lo, hi := start+1, min(start+b, t.end()) // lo fits, because b > halo
		for lo < hi {
			mid := (lo + hi + 1) / 2
			if t.fits(segment{start, mid}, b) {
				lo = mid
			} else {
				hi = mid - 1
			}
		}
		all = append(all, segment{start, t.last(t.outputs, lo) + 1})
		start = t.next(t.outputs, lo)
	}
	return all
}

// runs calls f for each run of neighbouring positions of r between from and to:
// columns c0 to c1 (exclusive) of a row of a block, the first at position p.
func (t *tape) runs(r rectangle, from, to int, f func(block, row, c0, c1, p int)) {
	for b := from / t.block; b < t.blocks && b*t.block < to; b++ {
		start := b * t.block
		for row := max(r.r0, (from-start)/t.rowStride); row < r.r1; row++ {
			base := start + row*t.rowStride
			if base >= to {
				break
			}
			if lo, hi := max(base+r.c0, from), min(base+r.c1, to); lo < hi {
				f(b, row, lo-base, hi-base, lo)
			}
		}
	}
}

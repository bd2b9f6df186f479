package offline

import (
	"fmt"

	"pascaline/ring"
)

// LinearPacking says which coefficient of which ciphertext carries what in the
// linear correlations of one layer for a group of inferences. Both parties
// derive it alike from the layer's shape and the size of the group. It is
// immutable.
//
// A convolution with strides is the sum of convolutions of stride 1 over the
// phases of its input ([axis]): a channel below is one phase of one channel. The
// channels of a whole group lie on one [tape] each, cut into segments that are
// no longer than they must be. A query carries one segment of channels
// neighbouring channels,
//
//	Σ_c Σ_n x_c[start + n]·X^(c·length + n),  0 ≤ c < channels, 0 ≤ n < length,
//
// and meets the polynomials of the weights, for outputs neighbouring output
// channels,
//
//	Σ_k Σ_c Σ_t w_kc[t]·X^((k·channels − c)·length − t),  0 ≤ k < outputs,
//
// t = row·rowStride + column of the tap. In their product, summed over all
// groups of channels, coefficient k·channels·length + n is output start + n of
// output channel k. Products of other pairs fall elsewhere, because outputs ·
// channels · length is at most the degree of the ring and because segments fit
// their blocks ([tape.fits]).
//
// What the layout costs is one query for each segment and group of channels,
// and one reply for each segment and group of output channels.
type LinearPacking struct {
	shape      ring.ConvShape
	group      int
	rows, cols axis
	tape       tape
	inChannels int // channels times phases
	terms      int // products that one output sums: taps that meet data, in all channels

	channels, outputs int // in one polynomial
	length            int // of a block in a polynomial
	segments          []segment
	counts            []int // by segment: outputs of one output channel
	queryGroups       int   // groups of channels
	replyGroups       int   // groups of output channels
	band              int   // segments that the server works on at a time
}

const (
	// maxLinearGroup bounds a group, and with maxElements everything that is
	// computed from shapes.
	maxLinearGroup = 1 << 12

	// maxSegments bounds the segments of a layer, and maxCiphers the ciphertexts
	// that go either way: plans come from outside. A segment carries up to 4096
	// outputs of each channel, so no layer that anybody would wait for comes near.
	maxSegments = 1 << 16
	maxCiphers  = 1 << 20

	// bandMemory bounds the queries that the server holds in values at a time,
	// and maxBand the segments of a band, so that a worker's sums stay in its
	// cache. Both fix the order of the replies.
	bandMemory = 128 << 20
	maxBand    = 16
)

// NewLinearPacking returns the layout for a layer of the given shape and a group
// of inferences: the one that costs least, a byte sent counting as byteWork of
// the server's work. There is none for shapes that are invalid, that need more
// than maxCiphers ciphertexts, whose kernel is too large for a polynomial, or
// whose outputs would blur (linear.go).
func NewLinearPacking(shape ring.ConvShape, group int) (*LinearPacking, error) {
	p, err := newLinearPacking(shape, group)
	if err != nil {
		return nil, fmt.Errorf("packing a linear layer: %w", err)
	}
	s := newLayoutSearch(p)
	if err := s.run(); err != nil {
		return nil, fmt.Errorf("packing a linear layer: %w", err)
	}
	p.use(s.best)
	return p, nil
}

// newLinearPacking returns what does not depend on the layout.
func newLinearPacking(shape ring.ConvShape, group int) (*LinearPacking, error) {
	if err := shape.Validate(); err != nil {
		return nil, err
	}
	if group < 1 || group > maxLinearGroup {
		return nil, fmt.Errorf("a group of %d inferences; it must be from 1 to %d", group, maxLinearGroup)
	}
	p := &LinearPacking{
		shape: shape,
		group: group,
		rows:  newAxis(shape.H, shape.OutH(), shape.KH, shape.StrideH, shape.PadTop),
		cols:  newAxis(shape.W, shape.OutW(), shape.KW, shape.StrideW, shape.PadLeft),
	}
	p.inChannels = shape.C * len(p.rows.phases) * len(p.cols.phases)
	p.terms = shape.C * p.rows.allTaps() * p.cols.allTaps()
	if p.terms > maxLinearTerms {
		return nil, fmt.Errorf("each output sums %d products; more than %d would blur the last place", p.terms, maxLinearTerms)
	}
	return p, nil
}

// use fixes the layout.
func (p *LinearPacking) use(l layout) {
	p.tape, p.channels, p.outputs = l.tape, l.channels, l.outputs
	p.length = l.length
	p.segments = p.tape.segments(p.length, p.tape.end())
	p.queryGroups = ceilDiv(p.inChannels, p.channels)
	p.replyGroups = ceilDiv(p.shape.K, p.outputs)
	p.band = max(1, min(maxBand, bandMemory/(p.queryGroups*cipherMemory)))
	p.counts = make([]int, len(p.segments))
	for i, s := range p.segments {
		p.counts[i] = p.outputsBefore(s.end) - p.outputsBefore(s.start)
	}
}

// outputsBefore returns how many outputs of one channel lie before position at
// of the tape.
func (p *LinearPacking) outputsBefore(at int) int {
	t := &p.tape
	b, at := at/t.block, at%t.block
	left := b % t.strips * t.stripOut // columns in the strips before
	width := min(t.stripOut, p.cols.out-left)
	n := b/t.strips*p.rows.out*p.cols.out + p.rows.out*left
	if row := at / t.rowStride; row < p.rows.out {
		return n + row*width + min(at%t.rowStride, width)
	}
	return n + p.rows.out*width
}

// eachOutput calls f for each run of n neighbouring outputs of segment i: of
// image g, the first being pixel y·OutW + x, at position at of the block.
func (p *LinearPacking) eachOutput(i int, f func(g, pixel, n, at int)) {
	s, t := p.segments[i], &p.tape
	t.runs(t.outputs, s.start, s.end, func(block, row, c0, c1, pos int) {
		g, left := block/t.strips, block%t.strips*t.stripOut
		if c1 = min(c1, p.cols.out-left); c0 < c1 {
			f(g, row*p.cols.out+left+c0, c1-c0, pos-s.start)
		}
	})
}

// channel returns the input channel and the phases of channel c.
func (p *LinearPacking) channel(c int) (in int, row, col phase) {
	c, in = c/p.shape.C, c%p.shape.C
	return in, p.rows.phases[c/len(p.cols.phases)], p.cols.phases[c%len(p.cols.phases)]
}

// gather sets dst to the coefficients of query j of segment i: elements of the
// group's inputs r.
func (p *LinearPacking) gather(dst []uint64, r [][]uint64, i, j int) {
	clear(dst)
	s, t, sh := p.segments[i], &p.tape, p.shape
	to := min(s.start+p.length, s.end+t.halo)
	for c := j * p.channels; c < min((j+1)*p.channels, p.inChannels); c++ {
		in, row, col := p.channel(c)
		block := dst[(c-j*p.channels)*p.length:][:p.length]
		t.runs(t.data, s.start, to, func(b, y, x0, x1, pos int) {
			if y < row.lo || y >= row.hi {
				return
			}
			g, left := b/t.strips, b%t.strips*t.stripOut
			lo, hi := max(x0, col.lo-left), min(x1, col.hi-left)
			if lo >= hi {
				return
			}
			src := r[g][(y*sh.StrideH+row.d-p.rows.pad)*sh.W*sh.C+in:]
			at := ((left+lo)*sh.StrideW + col.d - p.cols.pad) * sh.C
			out := block[pos-x0-s.start+lo:][:hi-lo]
			for n := range out {
				out[n] = src[at]
				at += sh.StrideW * sh.C
			}
		})
	}
}

// eachWeight calls f for each weight in the polynomial that takes query j to
// reply k: coefficient n is weight at, or its negative.
func (p *LinearPacking) eachWeight(j, k int, f func(n, at int, negative bool)) {
	sh := p.shape
	for c := j * p.channels; c < min((j+1)*p.channels, p.inChannels); c++ {
		in, row, col := p.channel(c)
		for y := range row.taps {
			for x := range col.taps {
				ky, kx := p.rows.first+y*sh.StrideH+row.d, p.cols.first+x*sh.StrideW+col.d
				at := ((ky*sh.KW+kx)*sh.C+in)*sh.K + k*p.outputs
				n := -((c-j*p.channels)*p.length + y*p.tape.rowStride + x)
				for o := range p.outputsOf(k) {
					if n >= 0 {
						f(n, at+o, false)
					} else {
						f(linearN+n, at+o, true) // X^n = −X^(N+n)
					}
					n += p.channels * p.length
				}
			}
		}
	}
}

// outputsOf returns how many output channels reply group k carries.
func (p *LinearPacking) outputsOf(k int) int {
	return min(p.outputs, p.shape.K-k*p.outputs)
}

// queries and replies return how many ciphertexts go each way.
func (p *LinearPacking) queries() int { return len(p.segments) * p.queryGroups }
func (p *LinearPacking) replies() int { return len(p.segments) * p.replyGroups }

// reply returns the segment and the group of output channels of reply i: band
// after band, in each group after group, in each segment after segment.
func (p *LinearPacking) reply(i int) (seg, k int) {
	from := i / (p.band * p.replyGroups) * p.band
	n := min(p.band, len(p.segments)-from)
	i -= from * p.replyGroups
	return from + i%n, i / n
}

// replySize returns the bytes of the reply for a segment and a group of output
// channels.
func (p *LinearPacking) replySize(seg, k int) int {
	return replyMaskSize + 8*p.counts[seg]*p.outputsOf(k)
}

// QueryBytes returns how many bytes the client sends, in messages of at most
// [LinearPacking.MessageLimit].
func (p *LinearPacking) QueryBytes() int {
	n := p.queries()
	return n*queryCipherSize + ceilDiv(n, queriesPerMessage)*queryHeader
}

// ReplyBytes returns how many bytes the server sends, in messages of at most
// [LinearPacking.MessageLimit].
func (p *LinearPacking) ReplyBytes() int {
	bytes := 0
	for i := 0; i < p.replies(); {
		n, size := p.replyMessage(i)
		bytes += size
		i += n
	}
	return bytes
}

// replyMessage returns how many replies the message that begins with reply i
// carries, and its size.
func (p *LinearPacking) replyMessage(i int) (n, size int) {
	size = replyHeader
	for ; i < p.replies(); i++ {
		next := p.replySize(p.reply(i))
		if n > 0 && size+next > linearMessageLimit {
			break
		}
		size += next
		n++
	}
	return n, size
}

// queryMessage returns how many queries the message that begins with query i
// carries.
func (p *LinearPacking) queryMessage(i int) int {
	return min(queriesPerMessage, p.queries()-i)
}

// MessageLimit returns the size of the largest message either way, in bytes.
func (p *LinearPacking) MessageLimit() int { return linearMessageLimit }

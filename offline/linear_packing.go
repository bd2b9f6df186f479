package offline

import (
	"fmt"

	"pascaline/ring"
)

// LinearPacking says which coefficient of which ciphertext carries what in the
// linear correlations of one layer for a group of inferences. Both parties
// derive it alike from the layer's shape and the size of the group. It is
// immutable.
type LinearPacking struct{ packing }

// packing says which coefficient of which ciphertext carries what where a group
// of images is convolved with the same weights, under encryption, or several
// single images, side by side, with weights of their own.
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
// Images side by side have channels and output channels of their own, one
// image's after the other's, and weights only between those of one image.
//
// What the layout costs is one query for each segment and group of channels,
// and one reply for each segment and group of output channels.
type packing struct {
	*parameters
	shape       ring.ConvShape
	group       int // images on a tape
	images      int // side by side; group or images is 1
	rows, cols  axis
	tape        tape
	inChannels  int // channels times phases, of all images
	outChannels int // of all images
	terms       int // products that one output sums: taps that meet data, in all channels

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

	// maxBand bounds the segments that the server works on at a time, so that a
	// worker's sums stay in its cache. With parameters.bandMemory it fixes the order
	// of the replies.
	maxBand = 16
)

// parameters are what a packing depends on of the scheme that it is for.
type parameters struct {
	n int // degree of the ring

	// maxTerms bounds the terms of a coefficient of a reply, those of all output
	// channels in a polynomial included. The search for a layout keeps to it.
	maxTerms int
	tooMany  string // what more terms would do

	maxQueryGroups int
	cipherMemory   int // of a query in values
	bandMemory     int // bounds the queries that the server holds in values at a time

	// Bytes of a query, and of a reply less its outputs.
	querySize, maskSize int
	// What the product of a query and a polynomial of weights takes, in nanoseconds,
	// and the values of a polynomial of so many weights in X^stride.
	productWork int64
	weightWork  func(weights, stride int) int64
}

// NewLinearPacking returns the layout for a layer of the given shape and a group
// of inferences: the one that costs least, a byte sent counting as byteWork of
// the server's work. There is none for shapes that are invalid, that need more
// than maxCiphers ciphertexts, whose kernel is too large for a polynomial, or
// whose outputs would blur (linear.go).
func NewLinearPacking(shape ring.ConvShape, group int) (*LinearPacking, error) {
	p, err := newPacking(&linearParameters, shape, group, 1)
	if err != nil {
		return nil, fmt.Errorf("packing a linear layer: %w", err)
	}
	s := newLayoutSearch(p)
	if err := s.run(); err != nil {
		return nil, fmt.Errorf("packing a linear layer: %w", err)
	}
	p.use(s.best)
	return &LinearPacking{*p}, nil
}

// newPacking returns what does not depend on the layout.
func newPacking(params *parameters, shape ring.ConvShape, group, images int) (*packing, error) {
	if err := shape.Validate(); err != nil {
		return nil, err
	}
	if group < 1 || group > maxLinearGroup {
		return nil, fmt.Errorf("a group of %d images; it must be from 1 to %d", group, maxLinearGroup)
	}
	p := &packing{
		parameters:  params,
		shape:       shape,
		group:       group,
		images:      images,
		rows:        newAxis(shape.H, shape.OutH(), shape.KH, shape.StrideH, shape.PadTop),
		cols:        newAxis(shape.W, shape.OutW(), shape.KW, shape.StrideW, shape.PadLeft),
		outChannels: images * shape.K,
	}
	p.inChannels = images * shape.C * len(p.rows.phases) * len(p.cols.phases)
	p.terms = shape.C * p.rows.allTaps() * p.cols.allTaps()
	if p.terms > p.maxTerms {
		return nil, fmt.Errorf("each output sums %d products; more than %d %s", p.terms, p.maxTerms, p.tooMany)
	}
	return p, nil
}

// use fixes the layout.
func (p *packing) use(l layout) {
	p.tape, p.channels, p.outputs = l.tape, l.channels, l.outputs
	p.length = l.length
	p.segments = p.tape.segments(p.length, p.tape.end())
	p.queryGroups = ceilDiv(p.inChannels, p.channels)
	p.replyGroups = ceilDiv(p.outChannels, p.outputs)
	p.band = max(1, min(maxBand, p.bandMemory/(p.queryGroups*p.cipherMemory)))
	p.counts = make([]int, len(p.segments))
	for i, s := range p.segments {
		p.counts[i] = p.outputsBefore(s.end) - p.outputsBefore(s.start)
	}
}

// outputsBefore returns how many outputs of one channel lie before position at
// of the tape.
func (p *packing) outputsBefore(at int) int {
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
func (p *packing) eachOutput(i int, f func(g, pixel, n, at int)) {
	s, t := p.segments[i], &p.tape
	t.runs(t.outputs, s.start, s.end, func(block, row, c0, c1, pos int) {
		g, left := block/t.strips, block%t.strips*t.stripOut
		if c1 = min(c1, p.cols.out-left); c0 < c1 {
			f(g, row*p.cols.out+left+c0, c1-c0, pos-s.start)
		}
	})
}

// channel returns the image among those side by side, the input channel and the
// phases of channel c.
func (p *packing) channel(c int) (image, in int, row, col phase) {
	c, in = c/p.shape.C, c%p.shape.C
	c, col = c/len(p.cols.phases), p.cols.phases[c%len(p.cols.phases)]
	return c / len(p.rows.phases), in, p.rows.phases[c%len(p.rows.phases)], col
}

// gather sets dst to the coefficients of query j of segment i: elements of r, the
// images of the group or those side by side.
func (p *packing) gather(dst []uint64, r [][]uint64, i, j int) {
	clear(dst)
	s, t, sh := p.segments[i], &p.tape, p.shape
	to := min(s.start+p.length, s.end+t.halo)
	for c := j * p.channels; c < min((j+1)*p.channels, p.inChannels); c++ {
		image, in, row, col := p.channel(c)
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
			src := r[image+g][(y*sh.StrideH+row.d-p.rows.pad)*sh.W*sh.C+in:]
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
// reply k: coefficient n is weight at, or its negative. The weights of images side
// by side are one image's after the other's.
func (p *packing) eachWeight(j, k int, f func(n, at int, negative bool)) {
	sh := p.shape
	for c := j * p.channels; c < min((j+1)*p.channels, p.inChannels); c++ {
		image, in, row, col := p.channel(c)
		from := max(k*p.outputs, image*sh.K) // output channels, exclusive of to
		to := min(k*p.outputs+p.outputsOf(k), (image+1)*sh.K)
		for y := range row.taps {
			for x := range col.taps {
				ky, kx := p.rows.first+y*sh.StrideH+row.d, p.cols.first+x*sh.StrideW+col.d
				at := (((image*sh.KH+ky)*sh.KW+kx)*sh.C+in)*sh.K - image*sh.K
				n := ((from-k*p.outputs)*p.channels-(c-j*p.channels))*p.length - y*p.tape.rowStride - x
				for o := from; o < to; o++ {
					if n >= 0 {
						f(n, at+o, false)
					} else {
						f(p.n+n, at+o, true) // X^n = −X^(N+n)
					}
					n += p.channels * p.length
				}
			}
		}
	}
}

// outputsOf returns how many output channels reply group k carries.
func (p *packing) outputsOf(k int) int {
	return min(p.outputs, p.outChannels-k*p.outputs)
}

// outputCount returns how many outputs the reply for a segment and a group of
// output channels carries.
func (p *packing) outputCount(seg, k int) int { return p.counts[seg] * p.outputsOf(k) }

// queries and replies return how many ciphertexts go each way.
func (p *packing) queries() int { return len(p.segments) * p.queryGroups }
func (p *packing) replies() int { return len(p.segments) * p.replyGroups }

// reply returns the segment and the group of output channels of reply i: band
// after band, in each group after group, in each segment after segment.
func (p *packing) reply(i int) (seg, k int) {
	from := i / (p.band * p.replyGroups) * p.band
	n := min(p.band, len(p.segments)-from)
	i -= from * p.replyGroups
	return from + i%n, i / n
}

// replySize returns the bytes of the reply for a segment and a group of output
// channels.
func (p *LinearPacking) replySize(seg, k int) int {
	return replyMaskSize + 8*p.outputCount(seg, k)
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

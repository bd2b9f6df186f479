package offline

import "fmt"

const (
	// byteWork is what layouts are compared by besides work, in nanoseconds: a byte
	// at some 100 Mbit/s.
	byteWork = 100

	// fullSegments is how many segments of one channel each make packing
	// several channels into a polynomial pointless: it would save less than the
	// last segment.
	fullSegments = 64

	// maxStrips bounds the strips tried where fewer suffice, and below a
	// smallHalo-th of the degree narrower ones gain nothing to speak of.
	maxStrips = 16
	smallHalo = 32

	// maxCuts bounds the segments that a search cuts, which is nearly all of its
	// work: a tenth of a second. Layers of a network take a few hundred.
	maxCuts = 4 * maxSegments
)

// layout is a candidate of the search.
type layout struct {
	tape                      tape
	channels, outputs, length int
	work                      int64 // nanoseconds; both parties compare alike
}

// layoutSearch finds the layout of a layer that costs least. Both parties must
// find the same one, so what bounds the search is counted and not timed.
type layoutSearch struct {
	p    *packing
	best layout // work is negative: none yet
	// tapes, tried and cuts count the tapes that hold the kernel, the layouts on
	// them and the segments cut.
	tapes, tried, cuts int
}

func newLayoutSearch(p *packing) *layoutSearch {
	return &layoutSearch{p: p, best: layout{work: -1}}
}

// run searches until it has tried everything worth it or has cut maxCuts
// segments.
func (s *layoutSearch) run() error {
	p := s.p
	for strips := 1; strips <= p.cols.out && s.cuts < maxCuts; strips = p.moreStrips(strips) {
		t := newTape(p.rows, p.cols, p.group, strips)
		if t.halo < p.n {
			s.tapes++
			s.on(t)
		}
		if s.best.work >= 0 && (strips >= maxStrips || t.halo < p.n/smallHalo) {
			break
		}
	}
	switch {
	case s.best.work >= 0:
		return nil
	case s.tapes > 0:
		return fmt.Errorf("%d images of %d×%d with a kernel of %d×%d take more than %d ciphertexts, or %d for one channel; "+
			"take fewer at a time, or use a smaller kernel or image",
			p.group, p.shape.H, p.shape.W, p.shape.KH, p.shape.KW, maxCiphers, maxSegments)
	}
	return fmt.Errorf("a kernel of %d×%d with stride %d×%d does not fit %d coefficients",
		p.shape.KH, p.shape.KW, p.shape.StrideH, p.shape.StrideW, p.n)
}

// moreStrips returns the next number of strips worth trying: one that makes
// them narrower.
func (p *packing) moreStrips(strips int) int {
	width := ceilDiv(p.cols.out, strips)
	if strips >= maxStrips {
		width = (width + 1) / 2
	}
	if width == 1 {
		return p.cols.out + 1
	}
	return max(strips+1, ceilDiv(p.cols.out, width-1))
}

// count returns how many segments of t fit blocks of the given length, or 0 if
// there are more than limit or no more may be cut.
func (s *layoutSearch) count(t *tape, length, limit int) int {
	limit = min(limit, maxCuts-s.cuts)
	n := len(t.segments(length, limit))
	if n == 0 {
		s.cuts += limit
	}
	s.cuts += n
	return n
}

// on improves the best layout by those on tape t.
//
// For layouts of m = channels·outputs blocks in a polynomial, what is sent grows
// with segments·(up·⌈C/channels⌉ + down·⌈K/outputs⌉). If there are m times as
// many segments as for m = 1, then m = 1 is at least as good.
//
// A coefficient of a reply sums the noise of as many terms as a polynomial of
// weights has in all groups of channels: p.terms for each of its outputs. All of
// these together must stay within maxLinearTerms.
func (s *layoutSearch) on(t tape) {
	p := s.p
	outputs := t.blocks * p.rows.out * t.stripOut
	if ceilDiv(outputs, p.n) > maxSegments {
		return
	}
	single := s.count(&t, p.n, maxSegments)
	if single == 0 {
		return
	}
	counts := map[int]int{p.n: single} // segments by block length, or 0
	count := func(length int) int {
		n, known := counts[length]
		if !known {
			n = s.count(&t, length, min(p.n/length*single, maxSegments))
			counts[length] = n
		}
		return n
	}
	most := p.n / (t.halo + 1) // blocks in a polynomial
	if single >= fullSegments {
		most = min(most, ceilDiv(p.inChannels, p.maxQueryGroups))
	}
	for c := range groupings(p.inChannels) {
		if c > most {
			break
		}
		if ceilDiv(p.inChannels, c) > p.maxQueryGroups {
			continue
		}
		for k := range groupings(p.outChannels) {
			if c*k > most || k*p.terms > p.maxTerms {
				break
			}
			s.tried++
			m := c * k
			l := layout{tape: t, channels: c, outputs: k, length: p.n / m}
			queries, replies := ceilDiv(p.inChannels, c), ceilDiv(p.outChannels, k)
			atLeast, atMost := ceilDiv(outputs, l.length), maxCiphers/max(queries, replies)
			if atLeast > atMost {
				continue
			}
			// The work is below 2^60, for at most 2^20 queries and replies of all
			// segments and 2^40 products of them.
			perSegment := int64(queries*p.querySize+replies*p.maskSize)*byteWork + p.products(queries, replies)*p.productWork
			if s.best.work >= 0 && int64(atLeast)*perSegment >= s.best.work {
				continue
			}
			n := count(l.length)
			if n == 0 || n > atMost || s.best.work >= 0 && int64(n)*perSegment >= s.best.work {
				continue
			}
			if p.rows.taps*p.cols.taps == 1 {
				// The weights are then polynomials in X^length: shorter blocks
				// that are multiples of powers of two make their transforms
				// cheaper.
				for unit := 2; unit <= p.n/m; unit *= 2 {
					if length := p.n / m / unit * unit; count(length) == n {
						l.length = length
					}
				}
			}
			l.work = int64(n)*perSegment + p.products(queries, replies)*p.weightsWork(l)
			if s.best.work < 0 || l.work < s.best.work {
				s.best = l
			}
		}
	}
}

// products returns about how many polynomials of weights there are between so
// many queries and replies of a segment: those between images side by side, but
// at their borders, are zero.
func (p *packing) products(queries, replies int) int64 {
	n := int64(queries) * int64(replies)
	if p.images > 1 {
		n = min(n, n/int64(p.images)+int64(queries+replies))
	}
	return n
}

// weightsWork returns what the values of a polynomial of weights cost.
func (p *packing) weightsWork(l layout) int64 {
	taps, stride := p.rows.taps*p.cols.taps, 1
	if taps == 1 {
		stride = l.length & -l.length // the power of two in it
	}
	return p.weightWork(taps*l.channels*l.outputs, stride)
}

// groupings yields the sizes of groups worth trying to split n things into, from
// 1 on: for each number of groups, the smallest size that makes so many.
func groupings(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for size := 1; yield(size) && size < n; {
			size = ceilDiv(n, ceilDiv(n, size)-1)
		}
	}
}

package offline

import "fmt"

const (
	// What layouts are compared by, in nanoseconds: a byte at some 100 Mbit/s, and
	// the product of a query and a polynomial of weights.
	byteWork    = 100
	productWork = 11_000

	// fullSegments is how many segments of one channel each make packing
	// several channels into a polynomial pointless: it would save less than the
	// last segment.
	fullSegments = 64

	// maxStrips bounds the strips tried where fewer suffice, and below smallHalo
	// narrower ones gain nothing to speak of.
	maxStrips = 16
	smallHalo = linearN / 32

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
	p    *LinearPacking
	best layout // work is negative: none yet
	// tapes, tried and cuts count the tapes that hold the kernel, the layouts on
	// them and the segments cut.
	tapes, tried, cuts int
}

func newLayoutSearch(p *LinearPacking) *layoutSearch {
	return &layoutSearch{p: p, best: layout{work: -1}}
}

// run searches until it has tried everything worth it or has cut maxCuts
// segments.
func (s *layoutSearch) run() error {
	p := s.p
	for strips := 1; strips <= p.cols.out && s.cuts < maxCuts; strips = p.moreStrips(strips) {
		t := newTape(p.rows, p.cols, p.group, strips)
		if t.halo < linearN {
			s.tapes++
			s.on(t)
		}
		if s.best.work >= 0 && (strips >= maxStrips || t.halo < smallHalo) {
			break
		}
	}
	switch {
	case s.best.work >= 0:
		return nil
	case s.tapes > 0:
		return fmt.Errorf("%d inferences with a kernel of %d×%d on %d×%d take more than %d ciphertexts, or %d for one channel; "+
			"make fewer inferences at a time, or use a smaller kernel or image",
			p.group, p.shape.KH, p.shape.KW, p.shape.H, p.shape.W, maxCiphers, maxSegments)
	}
	return fmt.Errorf("a kernel of %d×%d with stride %d×%d does not fit %d coefficients",
		p.shape.KH, p.shape.KW, p.shape.StrideH, p.shape.StrideW, linearN)
}

// moreStrips returns the next number of strips worth trying: one that makes
// them narrower.
func (p *LinearPacking) moreStrips(strips int) int {
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
	if ceilDiv(outputs, linearN) > maxSegments {
		return
	}
	single := s.count(&t, linearN, maxSegments)
	if single == 0 {
		return
	}
	counts := map[int]int{linearN: single} // segments by block length, or 0
	count := func(length int) int {
		n, known := counts[length]
		if !known {
			n = s.count(&t, length, min(linearN/length*single, maxSegments))
			counts[length] = n
		}
		return n
	}
	most := linearN / (t.halo + 1) // blocks in a polynomial
	if single >= fullSegments {
		most = 1
	}
	for c := range groupings(p.inChannels) {
		if c > most {
			break
		}
		for k := range groupings(p.shape.K) {
			if c*k > most || k*p.terms > maxLinearTerms {
				break
			}
			s.tried++
			m := c * k
			l := layout{tape: t, channels: c, outputs: k, length: linearN / m}
			queries, replies := ceilDiv(p.inChannels, c), ceilDiv(p.shape.K, k)
			atLeast, atMost := ceilDiv(outputs, l.length), maxCiphers/max(queries, replies)
			if atLeast > atMost {
				continue
			}
			// Below 2^44, for at most 2^20 queries and replies and 2^28 products of
			// them; the work is below 2^60.
			perSegment := int64(queries*queryCipherSize+replies*replyMaskSize)*byteWork + int64(queries*replies)*productWork
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
				for unit := 2; unit <= linearN/m; unit *= 2 {
					if length := linearN / m / unit * unit; count(length) == n {
						l.length = length
					}
				}
			}
			l.work = int64(n)*perSegment + int64(queries*replies)*p.weightWork(l)
			if s.best.work < 0 || l.work < s.best.work {
				s.best = l
			}
		}
	}
}

// weightWork returns what the values of a polynomial of weights cost.
func (p *LinearPacking) weightWork(l layout) int64 {
	taps, stride := p.rows.taps*p.cols.taps, 1
	if taps == 1 {
		stride = l.length & -l.length // the power of two in it
	}
	return min(combineWork(taps*l.channels*l.outputs), transformWork(stride))
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

package offline

import (
	"fmt"

	"pascaline/ring"
)

// BilinearPlan says how count products of one shape are made, A_n∗B_n or, with a
// fixed second operand, A_n∗B: in which ciphertexts and in which order. Both
// parties derive it alike. It is immutable.
type BilinearPlan struct {
	operands
	// made is what is exchanged: operands, or, where that is cheaper, their
	// transposes. Then shares of B are what is encrypted.
	made       operands
	transposed bool
	units      []bilinearUnit
}

// operands are those of count products: A_n of the shape of inputs, and B_n, or B
// if it is fixed, of the shape of weights.
type operands struct {
	shape ring.ConvShape
	count int
	fixed bool
}

// The elements of all first operands, second operands and products.
func (o operands) firstLen() int   { return o.count * o.shape.InLen() }
func (o operands) productLen() int { return o.count * o.shape.OutLen() }
func (o operands) secondLen() int {
	if o.fixed {
		return o.shape.WeightLen()
	}
	return o.count * o.shape.WeightLen()
}

// matrices reports whether the products are those of matrices.
func (o operands) matrices() bool {
	s := o.shape
	return s.KH*s.KW == 1 && s.StrideH*s.StrideW == 1 && s.OutH()*s.OutW() == s.H*s.W
}

// transpose returns the operands of C^T = B^T·A^T for those of C = A·B, where they
// are matrices. If B is fixed, that is one product, of all rows of A at once.
func (o operands) transpose() (t operands, ok bool) {
	if !o.matrices() {
		return o, false
	}
	s, rows := o.shape, o.shape.H*o.shape.W
	if t.count = o.count; o.fixed {
		rows, t.count = rows*o.count, 1
	}
	t.shape = ring.LinearShape(s.C, rows)
	t.shape.H = s.K
	return t, t.shape.Validate() == nil
}

// bilinearUnit is what is exchanged in one go: segments from to to (exclusive) of
// a packing whose first image is product first.
type bilinearUnit struct {
	*packing
	first, from, to int
}

const (
	// maxBilinearImages bounds the products with operands of their own that share
	// ciphertexts: more than that would fit if they were smaller, but are better
	// made as triples.
	maxBilinearImages = 128

	// maxBilinearUnits bounds the units of a plan: specifications come from outside.
	maxBilinearUnits = 1 << 20
)

// NewBilinearPlan plans count products of the given shape: of an image (H×W×C) and
// weights (KH×KW×C×K), or of matrices, m×k and k×n, as an image of m×1 pixels and k
// channels with a kernel of one pixel and n output channels. There is none for
// invalid shapes, for kernels too large for a polynomial, where an output sums more
// than 2^18 products, and for what would take more than 2^20 units.
func NewBilinearPlan(shape ring.ConvShape, count int, fixed bool) (*BilinearPlan, error) {
	if count < 1 {
		return nil, fmt.Errorf("planning products: %d of them; there must be one at least", count)
	}
	if err := shape.Validate(); err != nil {
		return nil, fmt.Errorf("planning products: %w", err)
	}
	o := operands{shape, count, fixed}
	units, err := o.units()
	if err != nil {
		return nil, fmt.Errorf("planning products: %w", err)
	}
	p := &BilinearPlan{operands: o, made: o, units: units}
	if t, ok := o.transpose(); ok {
		if units, err := t.units(); err == nil {
			if q := (&BilinearPlan{operands: o, made: t, transposed: true, units: units}); q.Bytes() < p.Bytes() {
				p = q
			}
		}
	}
	return p, nil
}

// units packs the products: as many in one packing as is cheapest, in packings of
// sizes that differ by one at most.
func (o operands) units() ([]bilinearUnit, error) {
	size, err := o.share()
	if err != nil {
		return nil, err
	}
	parts := ceilDiv(o.count, size)
	packings := make(map[int]*packing, 2)
	var units []bilinearUnit
	for i, first := 0, 0; i < parts; i++ {
		n := (o.count - first) / (parts - i)
		p := packings[n]
		if p == nil {
			if p, _, err = o.pack(n); err != nil {
				return nil, err
			}
			packings[n] = p
		}
		if len(units)+parts-i+len(p.segments)/p.band > maxBilinearUnits {
			return nil, fmt.Errorf("%d products are too many at once; make fewer at a time", o.count)
		}
		for from := 0; from < len(p.segments); from += p.band {
			units = append(units, bilinearUnit{p, first, from, min(from+p.band, len(p.segments))})
		}
		first += n
	}
	return units, nil
}

// share returns how many products share ciphertexts: twice as many as long as that
// makes each cheaper.
func (o operands) share() (int, error) {
	most := min(o.count, maxBilinearImages)
	if o.fixed {
		most = min(o.count, maxLinearGroup)
	}
	best, bestWork, worse := 0, 0.0, 0
	for n := 1; worse < 2; n = min(2*n, most) {
		_, work, err := o.pack(n)
		switch {
		case err != nil && best == 0:
			return 0, err
		case err != nil: // too many
			return best, nil
		case best == 0 || work/float64(n) < bestWork:
			best, bestWork, worse = n, work/float64(n), 0
		default:
			worse++
		}
		if n == most {
			break
		}
	}
	return best, nil
}

// pack packs n products and returns what they cost.
func (o operands) pack(n int) (*packing, float64, error) {
	group, images := 1, n
	if o.fixed {
		group, images = n, 1
	}
	p, err := newPacking(&bilinearParameters, o.shape, group, images)
	if err != nil {
		return nil, 0, err
	}
	s := newLayoutSearch(p)
	if err := s.run(); err != nil {
		return nil, 0, err
	}
	p.use(s.best)
	return p, float64(s.best.work), nil
}

// Bytes returns how many bytes each party sends.
func (p *BilinearPlan) Bytes() int {
	n := 0
	for _, u := range p.units {
		n += u.queries() * bilinearQuerySize
		for i := range u.replies() {
			seg, k := u.reply(i)
			n += bilinearReplySize(u.packing, seg, k)
		}
	}
	return n
}

// MessageLimit returns the size of the largest message either way, in bytes.
func (p *BilinearPlan) MessageLimit() int {
	return max(bilinearQuerySize, bilinearMaskSize+8*bilinearN+packedSize(bilinearN, bilinearBits0))
}

// A unit's queries are segment after segment, in each group after group of
// channels; its replies group after group of output channels, in each segment
// after segment.
func (u *bilinearUnit) queries() int { return (u.to - u.from) * u.queryGroups }
func (u *bilinearUnit) replies() int { return (u.to - u.from) * u.replyGroups }
func (u *bilinearUnit) query(i int) (seg, j int) {
	return u.from + i/u.queryGroups, i % u.queryGroups
}
func (u *bilinearUnit) reply(i int) (seg, k int) {
	return u.from + i%(u.to-u.from), i / (u.to - u.from)
}

package dealer

import (
	"math/bits"

	"pascaline/correlation"
	"pascaline/ring"
)

// stripElements is how many elements are made at a time: little enough that all
// their columns stay in a core's cache.
const stripElements = 1 << 11

// A strip makes the corrections of correlations whose products are of single
// words or powers of them: what correlation.Complete makes, in one pass and in
// little memory.
type strip struct {
	kind  correlation.Kind
	drawn [2][]drawn // by party: the columns that seeds expand to
	power ring.Vec128
}

// drawn is a column of which a strip holds some elements.
type drawn struct {
	stream *ring.Stream
	bits   uint
	words  []uint64
}

// elementwise reports whether strips make a kind.
func elementwise(k correlation.Kind) bool {
	switch k {
	case correlation.Triples, correlation.Squares, correlation.Products, correlation.Powers:
		return true
	}
	return false
}

// newStrip returns one that begins at element from of two halves.
func newStrip(halves [2]*correlation.Half, from int) *strip {
	spec := halves[0].Spec
	s := &strip{kind: spec.Kind}
	for party, h := range halves {
		for _, c := range spec.Columns(party) {
			if party == 0 && c.Product {
				continue
			}
			stream := ring.NewStream(h.Seed, "half/"+c.Name) // see correlation.Column
			stream.Seek(uint64(from))
			s.drawn[party] = append(s.drawn[party], drawn{stream, c.Bits, make([]uint64, stripElements)})
		}
	}
	if s.kind == correlation.Powers {
		s.power = ring.MakeVec128(stripElements)
	}
	return s
}

// fill makes the message of the next n elements.
func (s *strip) fill(msg []byte, n int) {
	for from := 0; from < n; from += stripElements {
		m := min(stripElements, n-from)
		for _, columns := range s.drawn {
			for _, d := range columns {
				d.stream.FillBits(d.words[:m], d.bits)
			}
		}
		if s.kind == correlation.Powers {
			s.powers(msg, n, from, m)
		} else {
			s.products(msg[8*from:], m)
		}
	}
}

// products writes party 0's share of m products.
func (s *strip) products(msg []byte, m int) {
	zero, one := s.drawn[0], s.drawn[1]
	a0, c := zero[0].words[:m], one[len(one)-1].words[:m]
	switch s.kind {
	case correlation.Triples: // a0, b0; a1, b1, c1
		b0, a1, b1 := zero[1].words[:m], one[0].words[:m], one[1].words[:m]
		for i := range c {
			c[i] = (a0[i]+a1[i])*(b0[i]+b1[i]) - c[i]
		}
	case correlation.Squares: // a0; a1, c1
		a1 := one[0].words[:m]
		for i := range c {
			a := a0[i] + a1[i]
			c[i] = a*a - c[i]
		}
	case correlation.Products: // a; b, c1
		b := one[0].words[:m]
		for i := range c {
			c[i] = a0[i]*b[i] - c[i]
		}
	}
	putWords(msg, c)
}

// powers writes party 0's shares of ρ², ρ³, … of m elements, which begin at
// element from of n: the low words of one power of all n, then the high ones,
// then the next power's.
func (s *strip) powers(msg []byte, n, from, m int) {
	rho, shares := s.drawn[0][0].words[:m], s.drawn[1][1:]
	ring.Add(rho, rho, s.drawn[1][0].words[:m]) // below 2^62: no wrap
	lo, hi := s.power.Lo[:m], s.power.Hi[:m]
	copy(lo, rho)
	clear(hi)
	for len(shares) > 0 {
		l, h := shares[0].words[:m], shares[1].words[:m]
		for i, r := range rho {
			carry, low := bits.Mul64(lo[i], r)
			lo[i], hi[i] = low, carry+hi[i]*r
			var borrow uint64
			l[i], borrow = bits.Sub64(lo[i], l[i], 0)
			h[i], _ = bits.Sub64(hi[i], h[i], borrow)
		}
		putWords(msg[8*from:][:8*m], l)
		putWords(msg[8*(n+from):][:8*m], h)
		msg, shares = msg[8*2*n:], shares[2:]
	}
}

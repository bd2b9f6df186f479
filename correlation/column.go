package correlation

import "strconv"

// Column is one vector of a half.
type Column struct {
	// Name is also its place in the half's seed: the stream "half/" + Name.
	Name string
	// Width counts the words of one element, and where Fixed is set those of the
	// whole column.
	Width int
	Fixed bool
	// Bits: the words are below 2^Bits; 64 but for the masks of powers. They are
	// uniform there.
	Bits uint
	// Product is set where the column is a share of what the other columns of
	// both parties determine, so that at most one of the two parties' can be
	// expanded from a seed.
	Product bool
}

// words returns the length of the column in a half of n elements.
func (c Column) words(n int) int {
	if c.Fixed {
		return c.Width
	}
	return c.Width * n
}

// Columns lists what one party holds, in order:
//
//	triples              a, b, c with c = ab
//	squares              a, c with c = a²
//	products             party 0: a, c; party 1: b, c; c = ab
//	matrix, convolution  a, b, c with c = a∗b, one image after the other
//	powers               rho, and for k = 2..Degree lo<k> and hi<k>, the words of
//	                     the share of ρ^k
//	linear               party 0: s; party 1: y with y = W·r − s, r being given
func (s Spec) Columns(party int) []Column {
	word := func(name string) Column { return Column{Name: name, Width: 1, Bits: 64} }
	product := Column{Name: "c", Width: 1, Bits: 64, Product: true}
	switch s.Kind {
	case Triples:
		return []Column{word("a"), word("b"), product}
	case Squares:
		return []Column{word("a"), product}
	case Products:
		return []Column{word([2]string{"a", "b"}[party]), product}
	case Matrix, Convolution:
		return []Column{
			{Name: "a", Width: s.Shape.InLen(), Bits: 64},
			{Name: "b", Width: s.Shape.WeightLen(), Fixed: s.Fixed, Bits: 64},
			{Name: "c", Width: s.Shape.OutLen(), Bits: 64, Product: true},
		}
	case Powers:
		columns := []Column{{Name: "rho", Width: 1, Bits: s.MaskBits}}
		for k := 2; k <= s.Degree; k++ {
			for _, word := range []string{"lo", "hi"} {
				columns = append(columns, Column{Name: word + strconv.Itoa(k), Width: 1, Bits: 64, Product: true})
			}
		}
		return columns
	case Linear:
		return []Column{{Name: [2]string{"s", "y"}[party], Width: s.Shape.OutLen(), Bits: 64, Product: true}}
	}
	return nil
}

// Words returns how many words of eight bytes the larger half takes, all of it
// explicit.
func (s Spec) Words() int { return max(s.words(0), s.words(1)) }

// words returns how many words one party's half has. It does not overflow for N
// up to MaxElements and valid shapes.
func (s Spec) words(party int) int {
	n := 0
	for _, c := range s.Columns(party) {
		n += c.words(s.N)
	}
	return n
}

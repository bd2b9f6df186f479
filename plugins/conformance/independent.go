package conformance

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"pascaline/ring"
)

// uniformHalves tests every column of both parties, and each word with the one
// after it.
func (f *findings) uniformHalves(c *class) {
	for party := range c.columns {
		for _, col := range c.columns[party] {
			subject := fmt.Sprintf("%v (%s)", col, pool(c.spec))
			if !f.uniform(subject, col.words, col.bits) {
				continue
			}
			own := newPlanes(col.words)
			if !f.agree(own, own, col.bits, col.bits, subject, "the same") {
				continue
			}
			if n := len(col.words); n > 1 {
				f.pair(&column{words: col.words[:n-1], bits: col.bits}, &column{words: col.words[1:], bits: col.bits}, nil, nil,
					subject, "the word after it")
			}
		}
	}
}

// independentHalves tests the views of both parties.
func (f *findings) independentHalves(c *class) {
	for party := range 2 {
		view := c.view(party)
		bitPlanes := make([]*planes, len(view))
		for i, col := range view {
			bitPlanes[i] = newPlanes(col.words)
		}
		for i, x := range view {
			for j, y := range view[:i] {
				if party == 1 && !x.product && !y.product {
					continue // both are in party 0's view
				}
				f.pair(y, x, bitPlanes[j], bitPlanes[i], y.String(), fmt.Sprintf("%v (%s)", x, pool(c.spec)))
			}
		}
		f.relation(view, bitPlanes, pool(c.spec))
	}
	f.masked(c)
}

// pair tests that two columns are independent word by word: their sum, their
// difference and their exclusive or are uniform, and no two of their bits agree.
// Of columns of different widths the combinations are uniform below the larger.
// The planes may be nil.
func (f *findings) pair(x, y *column, px, py *planes, subjectX, subjectY string) bool {
	n := min(len(x.words), len(y.words))
	width := max(x.bits, y.bits)
	mask := ^uint64(0) >> (64 - width)
	z, ok := make([]uint64, n), true
	for _, op := range []struct {
		text string
		f    func(a, b uint64) uint64
	}{
		{"the difference of %s and %s", func(a, b uint64) uint64 { return a - b }},
		{"the sum of %s and %s", func(a, b uint64) uint64 { return a + b }},
		{"the exclusive or of %s and %s", func(a, b uint64) uint64 { return a ^ b }},
	} {
		for i := range z {
			z[i] = op.f(x.words[i], y.words[i]) & mask
		}
		ok = f.uniform(fmt.Sprintf(op.text, subjectX, subjectY), z, width) && ok
	}
	if !ok {
		return false
	}
	if px == nil {
		px, py = newPlanes(x.words), newPlanes(y.words)
	}
	return f.agree(px, py, x.bits, y.bits, subjectX, subjectY)
}

// relation tests that the bits of a view satisfy no linear equation mod 2 in all
// of its elements. An equation mod 2^64 is one mod 2 in the lowest bits.
func (f *findings) relation(view []*column, bitPlanes []*planes, pool string) {
	unknowns := 1 // the constant of the equation
	rows := len(view[0].words)
	for _, col := range view {
		unknowns += int(col.bits)
		rows = min(rows, len(col.words))
	}
	words := (unknowns + levelBits + 63) / 64 // of 64 elements each
	if rows/64 < words {
		return
	}
	f.tests++
	// Each bit's values in all elements are a vector; we reduce one after the
	// other by those before it, and keep account of which were added up.
	type vector struct {
		values, sum []uint64
		pivot       int
	}
	var basis []vector
	account := (unknowns + 63) / 64
	reduce := func(unknown int, values []uint64) (equation []uint64) {
		v := vector{values: slices.Clone(values[:words]), sum: make([]uint64, account)}
		v.sum[unknown/64] |= 1 << (unknown % 64)
		for _, b := range basis {
			if v.values[b.pivot/64]>>(b.pivot%64)&1 == 1 {
				for i := range v.values {
					v.values[i] ^= b.values[i]
				}
				for i := range v.sum {
					v.sum[i] ^= b.sum[i]
				}
			}
		}
		for i, w := range v.values {
			if w != 0 {
				v.pivot = 64*i + bits.TrailingZeros64(w)
				basis = append(basis, v)
				return nil
			}
		}
		return v.sum
	}
	ones := make([]uint64, words)
	for i := range ones {
		ones[i] = ^uint64(0)
	}
	reduce(0, ones)
	unknown := 1
	for i, col := range view {
		for bit := range int(col.bits) {
			if equation := reduce(unknown, bitPlanes[i].bits[bit]); equation != nil {
				f.add(ofEquations, "in every element (%s) one linear equation holds for %s", pool, terms(view, equation))
				return
			}
			unknown++
		}
	}
}

// terms names the bits of an equation, column by column.
func terms(view []*column, equation []uint64) string {
	var names []string
	unknown := 1
	for _, col := range view {
		var set []int
		for bit := range int(col.bits) {
			if equation[unknown/64]>>(unknown%64)&1 == 1 {
				set = append(set, bit)
			}
			unknown++
		}
		switch {
		case len(set) > 4:
			names = append(names, fmt.Sprintf("%d bits of %v", len(set), col))
		case len(set) == 1:
			names = append(names, fmt.Sprintf("bit %d of %v", set[0], col))
		case len(set) > 0:
			names = append(names, fmt.Sprintf("bits %v of %v", set, col))
		}
	}
	return strings.Join(names, ", ")
}

// masked tests that a party's share of a product is masked whatever part of the
// product it may be: for all coefficients −1, 0 and 1 of its terms, the share
// less their sum is uniform.
func (f *findings) masked(c *class) {
	for _, p := range c.products() {
		combinations := 1
		for range p.terms {
			combinations *= 3
		}
		for party := range 2 {
			low := c.columns[party][0]
			if p.low != "" {
				low = c.named(party, p.low)
			}
			for code := 1; code < combinations; code++ {
				f.maskedBy(c, party, low, p, code)
			}
		}
	}
}

// maskedBy is masked for one choice of coefficients: the digits of code to the
// base of 3.
func (f *findings) maskedBy(c *class, party int, low *column, p product, code int) {
	rest := ring.Vec128{Lo: slices.Clone(low.words)}
	if p.high != "" {
		rest.Hi = slices.Clone(c.named(party, p.high).words)
	}
	var sum strings.Builder
	for _, t := range p.terms {
		digit := code % 3
		code /= 3
		switch {
		case digit == 1 && rest.Hi != nil:
			for i := range rest.Lo {
				rest.Lo[i], rest.Hi[i] = subtract128(rest.Lo[i], rest.Hi[i], t.low[i], t.high[i])
			}
		case digit == 1:
			ring.Sub(rest.Lo, rest.Lo, t.low)
		case digit == 2 && rest.Hi != nil:
			for i := range rest.Lo {
				rest.Lo[i], rest.Hi[i] = add128(rest.Lo[i], rest.Hi[i], t.low[i], t.high[i])
			}
		case digit == 2:
			ring.Add(rest.Lo, rest.Lo, t.low)
		}
		switch digit {
		case 1:
			sum.WriteString(" − " + t.name)
		case 2:
			sum.WriteString(" + " + t.name)
		}
	}
	where := fmt.Sprintf("%s (%s)", sum.String(), pool(c.spec))
	f.uniform(low.String()+where, rest.Lo, 64)
	if rest.Hi != nil {
		f.uniform("the high word of "+low.String()+where, rest.Hi, 64)
	}
}

func add128(xLo, xHi, yLo, yHi uint64) (lo, hi uint64) {
	lo, carry := bits.Add64(xLo, yLo, 0)
	return lo, xHi + yHi + carry
}

func subtract128(xLo, xHi, yLo, yHi uint64) (lo, hi uint64) {
	lo, borrow := bits.Sub64(xLo, yLo, 0)
	return lo, xHi - yHi - borrow
}

// multiply128 returns x·y mod 2^128.
func multiply128(xLo, xHi, y uint64) (lo, hi uint64) {
	hi, lo = bits.Mul64(xLo, y)
	return lo, hi + xHi*y
}

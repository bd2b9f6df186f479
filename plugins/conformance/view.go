package conformance

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/ring"
)

// column is one column of a party's halves of one specification, all answers
// one after the other.
type column struct {
	party   int
	name    string
	bits    uint
	product bool
	words   []uint64
	from    []int // where each answer's words begin
}

func (c *column) String() string { return fmt.Sprintf("party %d's %s", c.party, c.name) }

// inputName stands for the name of a column, which party 1's input is not.
const inputName = "input r"

// A class is all answers of one specification but for the number of elements.
type class struct {
	spec    correlation.Spec
	answers []*answer
	columns [2][]*column
}

// classes sorts answers by specification, in the order of appearance.
func classes(answers []*answer) []*class {
	var all []*class
	at := map[correlation.Spec]*class{}
	for _, a := range answers {
		spec := a.spec
		spec.N = 0
		c := at[spec]
		if c == nil {
			c = &class{spec: spec}
			at[spec] = c
			all = append(all, c)
		}
		c.answers = append(c.answers, a)
	}
	return all
}

// expand fills the columns.
func (c *class) expand() {
	for party := range c.columns {
		c.columns[party] = nil
		for i, description := range c.spec.Columns(party) {
			col := &column{party: party, name: description.Name, bits: description.Bits, product: description.Product}
			for _, a := range c.answers {
				col.from = append(col.from, len(col.words))
				col.words = append(col.words, a.halves[party].Column(i)...)
			}
			c.columns[party] = append(c.columns[party], col)
		}
	}
}

func (c *class) release() { c.columns = [2][]*column{} }

// of returns the words of answer i.
func (c *column) of(i int) []uint64 {
	if i+1 < len(c.from) {
		return c.words[c.from[i]:c.from[i+1]]
	}
	return c.words[c.from[i]:]
}

// named returns the column of that name.
func (c *class) named(party int, name string) *column {
	for _, col := range c.columns[party] {
		if col.name == name {
			return col
		}
	}
	return nil
}

// view returns the columns of a party's view, row by row: words at the same
// place belong to the same element. Of columns of different widths it takes the
// first words of each element; of a column that is the same for all elements,
// and so of all others then, those of the first element. For linear correlations
// the input is an operand.
func (c *class) view(party int) []*column {
	var view []*column
	var widths []int
	narrowest, fixed, same := 0, false, true
	add := func(col *column, width int) {
		view, widths = append(view, col), append(widths, width)
		if len(view) == 1 {
			narrowest = width
		}
		same = same && width == narrowest
		narrowest = min(narrowest, width)
	}
	for p := range c.columns {
		for i, description := range c.spec.Columns(p) {
			if p == party || !description.Product {
				add(c.columns[p][i], description.Width)
				fixed = fixed || description.Fixed
			}
		}
	}
	usable := func(*answer) bool { return true }
	if c.spec.Kind == correlation.Linear {
		r := &column{party: 1, name: inputName, bits: 64}
		for _, a := range c.answers {
			r.from = append(r.from, len(r.words))
			r.words = append(r.words, a.r...)
		}
		add(r, c.spec.Shape.InLen())
		usable = func(a *answer) bool { return a.input == uniform }
		same = false // for answers may have to be left out
	}
	if same && !fixed {
		return view
	}
	for j, col := range view {
		rows := &column{party: col.party, name: col.name, bits: col.bits, product: col.product}
		for i, a := range c.answers {
			if !usable(a) {
				continue
			}
			words, n := col.of(i), a.spec.N
			if fixed {
				n = 1
			}
			for e := range n {
				rows.words = append(rows.words, words[e*widths[j]:][:narrowest]...)
			}
		}
		view[j] = rows
	}
	return view
}

// A term is a part of what the shares of a product add up to, in words of 128
// bits where high is not nil.
type term struct {
	name      string
	low, high []uint64
}

// A product is what the columns low (and high) of both parties share.
type product struct {
	low, high string
	terms     []term
}

// products returns the terms of the products of a class: each is a product of
// operands that a broken backend may leave in a share.
func (c *class) products() []product {
	pair := func(left, right string, multiply func(i int, x, y []uint64) []uint64) []term {
		var terms []term
		for p := range 2 {
			for q := range 2 {
				x, y := c.named(p, left), c.named(q, right)
				if x == nil || y == nil || left == right && q < p {
					continue
				}
				t := term{name: fmt.Sprintf("%s%d·%s%d", left, p, right, q)}
				for i := range c.answers {
					t.low = append(t.low, multiply(i, x.of(i), y.of(i))...)
				}
				if left == right && p != q {
					t.name = "2·" + t.name
					ring.Add(t.low, t.low, t.low)
				}
				terms = append(terms, t)
			}
		}
		return terms
	}
	elementwise := func(_ int, x, y []uint64) []uint64 {
		z := make([]uint64, len(x))
		for i := range z {
			z[i] = x[i] * y[i]
		}
		return z
	}
	switch c.spec.Kind {
	case correlation.Triples, correlation.Products:
		return []product{{low: "c", terms: pair("a", "b", elementwise)}}
	case correlation.Squares:
		return []product{{low: "c", terms: pair("a", "a", elementwise)}}
	case correlation.Matrix, correlation.Convolution:
		return []product{{low: "c", terms: pair("a", "b", func(i int, x, y []uint64) []uint64 {
			return c.convolve(c.answers[i].spec.N, x, y)
		})}}
	case correlation.Powers:
		return c.powers()
	case correlation.Linear:
		t := term{name: "W·r"}
		for _, a := range c.answers {
			s := c.spec.Shape
			y := make([]uint64, a.spec.N*s.OutLen())
			for n := range a.spec.N {
				ring.Conv(y[n*s.OutLen():][:s.OutLen()], a.r[n*s.InLen():][:s.InLen()], a.layer.Weights, s)
			}
			t.low = append(t.low, y...)
		}
		return []product{{low: "", terms: []term{t}}}
	}
	return nil
}

// convolve returns the products of n images by weights.
func (c *class) convolve(n int, x, y []uint64) []uint64 {
	s := c.spec.Shape
	z := make([]uint64, n*s.OutLen())
	for i := range n {
		w := y
		if !c.spec.Fixed {
			w = y[i*s.WeightLen():][:s.WeightLen()]
		}
		ring.ConvWide(z[i*s.OutLen():][:s.OutLen()], x[i*s.InLen():][:s.InLen()], w, s)
	}
	return z
}

// powers returns, for each power, what each party can compute alone and the
// rest.
func (c *class) powers() []product {
	rho := [3][]uint64{c.columns[0][0].words, c.columns[1][0].words}
	n := len(rho[0])
	rho[2] = make([]uint64, n)
	ring.Add(rho[2], rho[0], rho[1])
	var all []product
	var power [3]ring.Vec128
	for i := range power {
		power[i] = ring.MakeVec128(n)
		copy(power[i].Lo, rho[i])
	}
	for k := 2; k <= c.spec.Degree; k++ {
		terms := make([]term, 3)
		for i := range power {
			next := ring.MakeVec128(n)
			for j, r := range rho[i] {
				next.Lo[j], next.Hi[j] = multiply128(power[i].Lo[j], power[i].Hi[j], r)
			}
			power[i] = next
			terms[i] = term{low: next.Lo, high: next.Hi}
		}
		cross := ring.MakeVec128(n)
		for j := range n {
			lo, hi := subtract128(power[2].Lo[j], power[2].Hi[j], power[0].Lo[j], power[0].Hi[j])
			cross.Lo[j], cross.Hi[j] = subtract128(lo, hi, power[1].Lo[j], power[1].Hi[j])
		}
		terms[0].name, terms[1].name = fmt.Sprintf("rho0^%d", k), fmt.Sprintf("rho1^%d", k)
		terms[2] = term{name: fmt.Sprintf("(rho^%d − rho0^%d − rho1^%d)", k, k, k), low: cross.Lo, high: cross.Hi}
		all = append(all, product{low: fmt.Sprint("lo", k), high: fmt.Sprint("hi", k), terms: terms})
	}
	return all
}

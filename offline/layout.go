package offline

import (
	"cmp"
	"slices"

	"pascaline/correlation"
	"pascaline/ring"
)

// class gathers the powers of one degree: they are made together, across
// requests, as one long vector cut into full ciphertexts.
type class struct {
	powersKey // of the widest masks: they size the homomorphic parameters
	halves    []*correlation.Half
	elements  int
}

// classes sorts the powers of a request by degree, ascending.
func classes(halves []*correlation.Half) []*class {
	var cs []*class
	for _, h := range halves {
		i, found := slices.BinarySearchFunc(cs, h.Spec.Degree, func(c *class, d int) int { return cmp.Compare(c.degree, d) })
		if !found {
			cs = slices.Insert(cs, i, &class{powersKey: powersKey{degree: h.Spec.Degree}})
		}
		c := cs[i]
		c.maskBits = max(c.maskBits, h.Spec.MaskBits)
		c.halves = append(c.halves, h)
		c.elements += h.Spec.N
	}
	return cs
}

// batch returns the range of the i-th batch where n elements are cut into batches
// of size.
func batch(n, size, i int) (from, to int)   { return i * size, min((i+1)*size, n) }
func (c *class) batches() int               { return ceilDiv(c.elements, PowersSlots) }
func (c *class) batch(i int) (from, to int) { return batch(c.elements, PowersSlots, i) }
func (c *class) column(name int) []uint64   { return joined(c.halves, c.elements, name) }

// joined lays a column of width one of all halves one after the other.
func joined(halves []*correlation.Half, elements, column int) []uint64 {
	if len(halves) == 1 {
		return halves[0].Column(column)
	}
	all := make([]uint64, 0, elements)
	for _, h := range halves {
		all = append(all, h.Column(column)...)
	}
	return all
}

// shares lays the shares of ρ² to ρ^degree one half after the other.
func (c *class) shares() []ring.Vec128 {
	all := make([]ring.Vec128, c.degree-1)
	for k := range all {
		all[k] = ring.Vec128{Lo: c.column(1 + 2*k), Hi: c.column(2 + 2*k)}
	}
	return all
}

// spread hands each half its part of the shares.
func (c *class) spread(all []ring.Vec128) {
	at := 0
	for _, h := range c.halves {
		h.SetPowers(ring.Slice128(nil, all, at, at+h.Spec.N))
		at += h.Spec.N
	}
}

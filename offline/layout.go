package offline

import (
	"slices"

	"pascaline/correlation"
	"pascaline/ring"
)

// class gathers the activation layers of one polynomial degree: their powers
// correlations are made together, across layers and bundles, as one long vector
// cut into full ciphertexts.
type class struct {
	degree   int
	maskBits uint // the largest of its layers: it sizes the homomorphic parameters
	layers   []int
	elements int // of one bundle
}

// classes lists the degrees of a bundle's activations, ascending.
func classes(spec *correlation.BundleSpec) []class {
	var cs []class
	for l, a := range spec.Activations {
		i, found := slices.BinarySearchFunc(cs, a.Powers.Degree, func(c class, d int) int { return c.degree - d })
		if !found {
			cs = slices.Insert(cs, i, class{degree: a.Powers.Degree})
		}
		c := &cs[i]
		c.maskBits = max(c.maskBits, a.Powers.MaskBits)
		c.layers = append(c.layers, l)
		c.elements += a.Powers.N
	}
	return cs
}

// batches returns how many ciphertext batches a group of n bundles takes.
func (c class) batches(n int) int { return (n*c.elements + PowersSlots - 1) / PowersSlots }

// batch returns the range of elements of batch i.
func (c class) batch(n, i int) (from, to int) {
	return i * PowersSlots, min((i+1)*PowersSlots, n*c.elements)
}

// rho concatenates one party's masks of all bundles of a group: bundle after
// bundle, in each layer after layer.
func (c class) rho(bundles []*correlation.Bundle) []uint64 {
	rho := make([]uint64, 0, len(bundles)*c.elements)
	for _, b := range bundles {
		for _, l := range c.layers {
			rho = append(rho, b.Powers(l).Rho()...)
		}
	}
	return rho
}

// shares concatenates the shares of ρ² to ρ^degree that the halves of a group
// expand to, in the order of rho.
func (c class) shares(bundles []*correlation.Bundle) []ring.Vec128 {
	all := make([]ring.Vec128, c.degree-1)
	for k := range all {
		all[k] = ring.MakeVec128(len(bundles) * c.elements)
	}
	at := 0
	for _, b := range bundles {
		for _, l := range c.layers {
			half := b.Powers(l)
			for k, v := range half.Expand() {
				copy(all[k].Lo[at:], v.Lo)
				copy(all[k].Hi[at:], v.Hi)
			}
			at += half.Spec.N
		}
	}
	return all
}

// spread hands each layer of each bundle its part of the shares of a group.
func (c class) spread(bundles []*correlation.Bundle, all []ring.Vec128) {
	at := 0
	for _, b := range bundles {
		for _, l := range c.layers {
			n := b.Spec.Activations[l].Powers.N
			b.Shares[l] = slicePowers(all, at, at+n)
			at += n
		}
	}
}

func slicePowers(v []ring.Vec128, from, to int) []ring.Vec128 {
	part := make([]ring.Vec128, len(v))
	for k := range v {
		part[k] = v[k].Slice(from, to)
	}
	return part
}

package correlation

import (
	"fmt"
	"math/bits"
	"slices"

	"pascaline/ring"
)

// Complete makes the product columns of h explicit such that h and other, the
// other party's half of the same specification, form a correlation: what a
// trusted dealer does with two seeds. Both must be valid and none linear (see
// [CompleteLinear]).
func Complete(h, other *Half) {
	h0, h1 := h, other
	if h.Party == 1 {
		h0, h1 = other, h
	}
	switch spec := h.Spec; spec.Kind {
	case Triples:
		h.less(other, times(sum(h0.A(), h1.A()), sum(h0.B(), h1.B())))
	case Squares:
		a := sum(h0.A(), h1.A())
		h.less(other, times(a, a))
	case Products:
		h.less(other, times(h0.A(), h1.B()))
	case Matrix, Convolution:
		h.less(other, convolved(spec, sum(h0.A(), h1.A()), sum(h0.B(), h1.B())))
	case Powers:
		h.completePowers(other)
	default:
		// A caller's mistake: halves left as they are would pass for a correlation.
		panic(fmt.Sprintf("correlation: completing %v without its weights", spec.Kind))
	}
}

// less makes column c of h the product less the other party's share of it.
func (h *Half) less(other *Half, product []uint64) {
	ring.Sub(product, product, other.C())
	h.Columns[len(h.Columns)-1] = product
}

func (h *Half) completePowers(other *Half) {
	rho := sum(h.Rho(), other.Rho()) // below 2^62: no wrap
	shares := other.Powers()
	power := ring.Vec128{Lo: slices.Clone(rho), Hi: make([]uint64, len(rho))}
	for k := range shares {
		mine := ring.MakeVec128(len(rho))
		for i, r := range rho {
			hi, lo := bits.Mul64(power.Lo[i], r)
			power.Lo[i], power.Hi[i] = lo, hi+power.Hi[i]*r
			var borrow uint64
			mine.Lo[i], borrow = bits.Sub64(lo, shares[k].Lo[i], 0)
			mine.Hi[i], _ = bits.Sub64(power.Hi[i], shares[k].Hi[i], borrow)
		}
		shares[k] = mine
	}
	h.SetPowers(shares)
}

// CompleteLinear makes y of h1 explicit such that h0 and h1 form a linear
// correlation with weights w and the client's masks r.
func CompleteLinear(w []int16, r []uint64, h0, h1 *Half) {
	c := h0.Spec.Shape
	y := make([]uint64, h0.Spec.N*c.OutLen())
	for n := range h0.Spec.N {
		ring.Conv(y[n*c.OutLen():][:c.OutLen()], r[n*c.InLen():][:c.InLen()], w, c)
	}
	ring.Sub(y, y, h0.S())
	h1.Columns[0] = y
}

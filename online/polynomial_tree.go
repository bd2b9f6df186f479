package online

import (
	"pascaline/correlation"
)

// tree multiplies powers: with x, …, x^m known, one round gives x^(m+j) = x^m·x^j
// for j up to m, each truncated locally to the fractional bits of x.
func (s *Session) tree(p Polynomial, x *Value, half *correlation.Half, v *Value) *opening {
	return s.treeRound(p, x.frac, [][]uint64{x.share}, half, v)
}

// treeRound multiplies on from the powers that there are; half has the triples
// of the products still to come.
func (s *Session) treeRound(p Polynomial, f uint, powers [][]uint64, half *correlation.Half, v *Value) *opening {
	n, m := len(powers[0]), len(powers)
	count := min(m, p.Degree()-m)
	left, right := make([]uint64, 0, count*n), make([]uint64, 0, count*n)
	for j := range count {
		left, right = append(left, powers[m-1]...), append(right, powers[j]...)
	}
	return beaver(left, right, half.Slice(0, count*n), func(product []uint64) *opening {
		for j := range count {
			powers = append(powers, s.localTruncate(product[j*n:][:n], f))
		}
		if len(powers) == p.Degree() {
			v.share = s.combine(p, powers, f)
			return nil
		}
		return s.treeRound(p, f, powers, half.Slice(count*n, half.Spec.N), v)
	})
}

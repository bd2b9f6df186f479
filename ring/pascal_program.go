package ring

import "math/big"

// program returns the public numbers of party's evaluation in the order in which
// the vector kernels use them. They evaluate
//
//	Σ_j c^j·L_j,  L_j = k_j + Σ_{i=1..d−j} κ_ij·ρ^i  mod 2^128,
//
// κ_ij the coefficient of c^j in κ_i, by Horner's rule from j = d down: limbs of
// k_d; then for each j below d the limbs of k_j and for i = 1..d−j the number of
// limbs of |κ_ij|, its sign (all ones if negative) and the limbs; at last the
// three counts of the shift by s and the sign of the result. A number has three
// limbs of 52 bits.
//
// Instead of its share σ of ρ^i a negative coefficient multiplies the complement
// of its limbs, 2^156 − 1 − σ, or 2^104 − 1 − ρ for i = 1, where the kernels use
// two limbs; k_j makes good for the rest. Party 1 computes the negative of its
// share, which is what it rounds down.
func (p *Pascal) program(party int) []uint64 {
	var program []uint64
	limbs := func(v *big.Int) {
		w := reduce128(v)
		program = append(program, w.lo&(1<<52-1), w.lo>>52|w.hi<<12&(1<<52-1), w.hi>>40)
	}
	for j := p.degree; j >= 0; j-- {
		k := new(big.Int)
		if party == 0 { // its share of ρ^0 is 1, the other party's 0
			k.Set(p.kappa[0][j].signed())
		}
		var terms []*big.Int
		for i := 1; i <= p.degree-j; i++ {
			v := p.kappa[i][j].signed()
			if party == 1 {
				v.Neg(v)
			}
			terms = append(terms, v)
			if v.Sign() < 0 {
				k.Sub(k, v)
				if i == 1 {
					k.Add(k, new(big.Int).Lsh(v, 104))
				}
			}
		}
		limbs(k)
		for _, v := range terms {
			sign := uint64(v.Sign() >> 1) // −1 or 0
			program = append(program, uint64(v.BitLen()+51)/52, sign)
			limbs(v.Abs(v))
		}
	}
	return append(program, uint64(p.shift), uint64(64-p.shift), uint64(p.shift-64), -uint64(party))
}

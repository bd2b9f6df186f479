package ring

import "math/big"

// A program is the public numbers that a vector kernel needs, in the order in
// which it does. The kernels evaluate
//
//	Σ_j c^j·L_j,  L_j = k_j + Σ_{i=1..d−j} κ_ij·ρ^i  mod 2^128,
//
// κ_ij the coefficient of c^j in κ_i, by Horner's rule from j = d down. A program
// has the limbs of k_d; then for each j below d the limbs of k_j and for i =
// 1..d−j the number of limbs of κ_ij, without those at the end that are zero, and
// κ_ij; at last the three counts of the shift by s and the sign of the result.
// Party 1 computes the negative of its share, which is what it rounds down.
type program []uint64

var modulus128 = new(big.Int).Lsh(big.NewInt(1), 128)

// addLimbs appends n limbs of v mod 2^128.
func (p *program) addLimbs(v *big.Int, n, bits uint) {
	rest, mask := new(big.Int).Mod(v, modulus128), uint64(1)<<bits-1
	for range n {
		*p = append(*p, reduce128(rest).lo&mask)
		rest.Rsh(rest, bits)
	}
}

// signed returns the number from −2^127 to 2^127 − 1 that a is mod 2^128.
func (a word128) signed() *big.Int {
	v := big.NewInt(int64(a.hi))
	return v.Lsh(v, 64).Add(v, new(big.Int).SetUint64(a.lo))
}

// terms returns party's k_j and κ_ij, i from 1.
func (p *Pascal) terms(party, j int) (k *big.Int, kappa []*big.Int) {
	k = new(big.Int)
	if party == 0 { // its share of ρ^0 is 1, the other party's 0
		k = p.kappa[0][j].signed()
	}
	for i := 1; i <= p.degree-j; i++ {
		v := p.kappa[i][j].signed()
		if party == 1 {
			v.Neg(v)
		}
		kappa = append(kappa, v)
	}
	return k, kappa
}

func (p *Pascal) finish(party int) []uint64 {
	return []uint64{uint64(p.shift), uint64(64 - p.shift), uint64(p.shift - 64), -uint64(party)}
}

// programAVX512 has three limbs of 52 bits for a number, and before those of
// |κ_ij| its sign, all ones if negative. Instead of its share σ of ρ^i a negative
// coefficient multiplies the complement of its limbs, 2^156 − 1 − σ, or 2^104 − 1
// − ρ for i = 1, where the kernels use two limbs; k_j makes good for the rest.
func (p *Pascal) programAVX512(party int) (code program) {
	const n, bits = 3, 52
	for j := p.degree; j >= 0; j-- {
		k, kappa := p.terms(party, j)
		for i, v := range kappa {
			if v.Sign() < 0 {
				k.Sub(k, v)
				if i == 0 {
					k.Add(k, new(big.Int).Lsh(v, 2*bits))
				}
			}
		}
		code.addLimbs(k, n, bits)
		for _, v := range kappa {
			sign := uint64(v.Sign() >> 1) // −1 or 0
			v.Abs(v)
			code = append(code, uint64(v.BitLen()+bits-1)/bits, sign)
			code.addLimbs(v, n, bits)
		}
	}
	return append(code, p.finish(party)...)
}

// programAVX2 has five limbs of 28 bits for a number, in κ_ij each with its sign.
// A limb of L_j, and of the product with c before it, is a sum of at most 41
// products below 2^56 in magnitude; for j < d the limbs of k_j have 2^62 more,
// taken from the next, which keeps the sums above zero.
func (p *Pascal) programAVX2(party int) (code program) {
	const n, bits, more = 5, 28, 62
	for j := p.degree; j >= 0; j-- {
		k, kappa := p.terms(party, j)
		at := len(code)
		code.addLimbs(k, n, bits)
		if j < p.degree {
			for i := range code[at:] {
				code[at+i] += 1 << more
				if i > 0 {
					code[at+i] -= 1 << (more - bits)
				}
			}
		}
		for _, v := range kappa {
			negative := v.Sign() < 0
			v.Abs(v)
			code = append(code, uint64(v.BitLen()+bits-1)/bits)
			at := len(code)
			code.addLimbs(v, n, bits)
			for i, l := range code[at:] {
				if negative {
					code[at+i] = -l
				}
			}
		}
	}
	return append(code, p.finish(party)...)
}

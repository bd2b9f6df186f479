package ring

// evalBlock is the number of elements evaluated power by power, so that their
// 128-bit sums stay in the first-level cache.
const evalBlock = 128

// evalPortable is Eval from element from on. In Go the κ_i(c), evaluated in
// registers, are faster than the sums over powers of c: those load and store
// their 128 bits for every term.
func (p *Pascal) evalPortable(dst []uint64, party int, c, rho []uint64, shares []Vec128, from int) {
	mask := -uint64(party) // all ones for party 1
	var sums [evalBlock]word128
	var ones, zeros [evalBlock]uint64
	for e := range ones {
		ones[e] = 1
	}
	for ; from < len(dst); from += evalBlock {
		n := min(evalBlock, len(dst)-from)
		acc, x := sums[:n], c[from:][:n]
		clear(acc)
		if party == 0 { // its share of ρ^0 is 1, the other party's 0
			p.kappa[0].addTimes(acc, p.degree, x, ones[:], zeros[:])
		}
		p.kappa[1].addTimes(acc, p.degree-1, x, rho[from:], zeros[:])
		for i, v := range shares {
			p.kappa[i+2].addTimes(acc, p.degree-i-2, x, v.Lo[from:], v.Hi[from:])
		}
		out := dst[from:][:n]
		for e, a := range acc {
			out[e] = (a.negateIf(mask).shiftRight(p.shift) ^ mask) - mask
		}
	}
}

// addTimes adds κ(c)·(hi, lo) to acc mod 2^128, elementwise; κ has degree n. Up
// to degree 4 Horner's rule is written out: the loop costs as much as the
// arithmetic.
func (k *kappa) addTimes(acc []word128, n int, c, lo, hi []uint64) {
	acc, lo, hi = acc[:len(c)], lo[:len(c)], hi[:len(c)]
	switch n {
	case 0:
		for e := range c {
			acc[e] = acc[e].add(k[0].mul(word128{hi[e], lo[e]}))
		}
	case 1:
		for e, x := range c {
			a := k[1].step(x, &k[0])
			acc[e] = acc[e].add(a.mul(word128{hi[e], lo[e]}))
		}
	case 2:
		for e, x := range c {
			a := k[2].step(x, &k[1]).step(x, &k[0])
			acc[e] = acc[e].add(a.mul(word128{hi[e], lo[e]}))
		}
	case 3:
		for e, x := range c {
			a := k[3].step(x, &k[2]).step(x, &k[1]).step(x, &k[0])
			acc[e] = acc[e].add(a.mul(word128{hi[e], lo[e]}))
		}
	default:
		high := k[4:n]
		for e, x := range c {
			a := k[n]
			for j := len(high) - 1; j >= 0; j-- {
				a = a.step(x, &high[j])
			}
			a = a.step(x, &k[3]).step(x, &k[2]).step(x, &k[1]).step(x, &k[0])
			acc[e] = acc[e].add(a.mul(word128{hi[e], lo[e]}))
		}
	}
}

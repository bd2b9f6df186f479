package offline

import (
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// cipher is a ciphertext: residues of c0 and c1.
type cipher [2][][]uint64

// tile is how many products are summed before they are reduced: a sum of tile
// products of residues must stay below q·2^64, and the weights of a tile in the
// cache.
const tile = 4

// products returns, for each segment of queries, the sum over its queries of
// their products with the polynomials of weights of group k of output channels:
// values below twice each prime.
func (r *linearRing) products(p *LinearPacking, w []int16, k int, queries []cipher) []cipher {
	sums := make([]cipher, len(queries)/p.queryGroups)
	for i := range sums {
		sums[i] = cipher{r.poly(), r.poly()}
	}
	var weights [tile][][]uint64
	for i := range weights {
		weights[i] = r.poly()
	}
	small := make([]int64, linearN)
	for from := 0; from < p.queryGroups; from += tile {
		n := min(tile, p.queryGroups-from)
		for j := range n {
			p.weights(small, w, from+j, k)
			r.lift(weights[j], small)
			r.ntt(weights[j])
		}
		for seg, sum := range sums {
			q := queries[seg*p.queryGroups+from:][:n]
			for part := range sum {
				for i := range r.prime {
					if n == tile {
						r.prime[i].addProducts((*[linearN]uint64)(sum[part][i]),
							(*[linearN]uint64)(weights[0][i]), (*[linearN]uint64)(q[0][part][i]),
							(*[linearN]uint64)(weights[1][i]), (*[linearN]uint64)(q[1][part][i]),
							(*[linearN]uint64)(weights[2][i]), (*[linearN]uint64)(q[2][part][i]),
							(*[linearN]uint64)(weights[3][i]), (*[linearN]uint64)(q[3][part][i]))
						continue
					}
					for j := range n {
						r.prime[i].addProduct((*[linearN]uint64)(sum[part][i]),
							(*[linearN]uint64)(weights[j][i]), (*[linearN]uint64)(q[j][part][i]))
					}
				}
			}
		}
	}
	return sums
}

// addProducts adds the products w·x/R of four pairs to sum, elementwise; sum
// stays below 2q.
func (p *linearPrime) addProducts(sum, w0, x0, w1, x1, w2, x2, w3, x3 *[linearN]uint64) {
	q, mred := p.q, p.mred
	for j := range sum {
		hi, lo := bits.Mul64(w0[j], x0[j])
		h, l := bits.Mul64(w1[j], x1[j])
		lo, carry := bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
		h, l = bits.Mul64(w2[j], x2[j])
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
		h, l = bits.Mul64(w3[j], x3[j])
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
		h, _ = bits.Mul64(lo*mred, q)
		s, borrow := bits.Sub64(sum[j]+hi-h+q, 2*q, 0)
		sum[j] = s + 2*q&-borrow
	}
}

// addProduct is addProducts for one pair.
func (p *linearPrime) addProduct(sum, w, x *[linearN]uint64) {
	q, mred := p.q, p.mred
	for j := range sum {
		s, borrow := bits.Sub64(sum[j]+lattigo.MRedLazy(w[j], x[j], q, mred), 2*q, 0)
		sum[j] = s + 2*q&-borrow
	}
}

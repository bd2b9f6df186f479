package online

import (
	"pascaline/correlation"
	"pascaline/ring"
)

// espnProducts returns how many mixed terms x_0^i·x_1^(k−i), 0 < i < k ≤ d,
// there are.
func espnProducts(d int) int { return d * (d - 1) / 2 }

// espnDivision returns ⌈(k−2)f/k⌉: the bits that the share for x^k is divided by,
// so that x^k has at most 2f fractional bits (the paper, section 4).
func espnDivision(k int, f uint) uint { return (uint(k-2)*f + uint(k) - 1) / uint(k) }

// espnFrac returns the fractional bits of x^k before it is truncated to f:
// k·⌊2f/k⌋.
func espnFrac(k int, f uint) uint { return uint(k) * (f - espnDivision(k, f)) }

// espn raises shares. For each k the parties divide their shares of x, locally,
// to y_0 + y_1 with y = x / 2^⌈(k−2)f/k⌉, and raise them: y^k = Σ_i binom(k,i)
// y_0^i·y_1^(k−i), where each mixed term is a product of what party 0 knows by
// what party 1 knows. All of them are opened in one round:
//
// Of u at party 0 and v at party 1, with a product correlation a, b, ab, party 0
// sends u − a = e and party 1 v − b = d, uniform both, and uv = e·v + a·d + ab.
func (s *Session) espn(p Polynomial, x *Value, half *correlation.Half, v *Value) *opening {
	n, f := len(x.share), x.frac
	own := half.Column(0) // a at party 0, b at party 1
	send := make([]uint64, len(own))
	raised := make([][][]uint64, 0, p.Degree()-1) // by k from 2: y^1 … y^k of this party
	at := 0
	for k := 2; k <= p.Degree(); k++ {
		y := s.espnPowers(x.share, k, f)
		raised = append(raised, y)
		for i := 1; i < k; i++ {
			mine := y[s.espnExponent(k, i)-1]
			ring.Sub(send[at:][:n], mine, own[at:][:n])
			at += n
		}
	}
	return &opening{send: send, expect: len(send), then: func(theirs []uint64) *opening {
		product, powers, at := half.C(), [][]uint64{x.share}, 0
		for k := 2; k <= p.Degree(); k++ {
			y := raised[k-2]
			sum := y[k-1]
			for i := 1; i < k; i++ {
				// Party 0 multiplies d by a, party 1 e by v.
				factor := own[at:][:n]
				if s.party == 1 {
					factor = y[s.espnExponent(k, i)-1]
				}
				b := espnBinomial(k, i)
				for j, c := range product[at:][:n] {
					sum[j] += b * (c + theirs[at+j]*factor[j])
				}
				at += n
			}
			powers = append(powers, s.rescale(sum, espnFrac(k, f), f))
		}
		v.share = s.combine(p, powers, f)
		return nil
	}}
}

// espnExponent returns the power of this party's share in the term y_0^i·y_1^(k−i).
func (s *Session) espnExponent(k, i int) int {
	if s.party == 1 {
		return k - i
	}
	return i
}

// espnPowers returns y, y², …, y^k of this party's divided share, mod 2^64.
func (s *Session) espnPowers(share []uint64, k int, f uint) [][]uint64 {
	y := make([][]uint64, k)
	y[0] = s.localTruncate(share, espnDivision(k, f))
	for i := 1; i < k; i++ {
		y[i] = make([]uint64, len(share))
		for j := range share {
			y[i][j] = y[i-1][j] * y[0][j]
		}
	}
	return y
}

// espnBinomial returns binom(k, i).
func espnBinomial(k, i int) uint64 {
	b := 1
	for j := range i {
		b = b * (k - j) / (j + 1)
	}
	return uint64(b)
}

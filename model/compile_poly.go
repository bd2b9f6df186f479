package model

import (
	"fmt"
	"math"
)

// coefficients returns integers α and q with α_k / 2^q close to a_k: exact, to
// one part in a million, at the smallest q from 10 to 20 that allows it, else
// rounded at q = 16, or at a larger q where that moved the polynomial by more
// than 2^−12 on |t| ≤ bound.
func coefficients(a []float64, bound float64) (alpha []int64, q uint, err error) {
	for len(a) > 0 && a[len(a)-1] == 0 {
		a = a[:len(a)-1]
	}
	if d := len(a) - 1; d < minDegree || d > maxDegree {
		return nil, 0, fmt.Errorf("polynomial of degree %d; it must be from %d to %d", max(d, 0), minDegree, maxDegree)
	}
	for k, c := range a {
		if math.IsNaN(c) || math.Abs(c) >= 1<<30 {
			return nil, 0, fmt.Errorf("coefficient %d is %v; it must be a number below 2^30", k, c)
		}
	}
	for q := uint(10); q <= 20; q++ {
		exact := true
		for _, c := range a {
			x := math.Ldexp(c, int(q))
			exact = exact && math.Abs(x-math.Round(x)) <= 1e-6*math.Abs(x)
		}
		if exact {
			return roundedAt(a, q), q, nil
		}
	}
	for q := uint(16); q <= 32; q += 4 {
		alpha := roundedAt(a, q)
		off := 0.0
		for k, c := range a {
			off += math.Abs(math.Ldexp(float64(alpha[k]), -int(q))-c) * math.Pow(bound, float64(k))
		}
		if off <= 1.0/(1<<12) && alpha[len(alpha)-1] != 0 {
			return alpha, q, nil
		}
	}
	return nil, 0, fmt.Errorf("coefficients %v need more than 32 binary places on inputs up to %.3g; "+
		"round them to integers over 2^10 when fitting, or keep inputs smaller", a, bound)
}

func roundedAt(a []float64, q uint) []int64 {
	alpha := make([]int64, len(a))
	for k, c := range a {
		alpha[k] = int64(math.Round(math.Ldexp(c, int(q))))
	}
	return alpha
}

package pillar

import (
	"math"
	"math/big"
)

// quadratic is the objective in integers: for integer coefficients α,
//
//	Σ_i w_i (Σ_k α_k x_i^k / 2^q − y_i)² = (αᵀ·gram·α − 2·linearᵀ·α + constant) / 2^scale.
//
// gram is the Gram matrix of the lattice of polynomials: vector k has the entries
// √w_i·x_i^k. The target, with the entries √w_i·2^q·y_i, has the inner products
// linear with them and constant with itself.
type quadratic struct {
	gram     [][]*big.Int
	linear   []*big.Int
	constant *big.Int
	scale    int
}

// digits is how many binary places below the largest number are kept.
const digits = 96

// newQuadratic scales everything so that it is integer: with x = X/2^ex and y =
// Y/2^ey, vectors and target are multiplied by 2^(ex·degree + up), up as small as
// the target allows.
func newQuadratic(points []point, degree, q int) *quadratic {
	x, ex := integers(points, func(p point) float64 { return p.x })
	y, ey := integers(points, func(p point) float64 { return p.y })
	w, ew := integers(points, func(p point) float64 { return p.w })
	up := max(0, ey-q-ex*degree)

	moments := zeros(2*degree + 1) // Σ W X^m
	linear := zeros(degree + 1)    // Σ W Y X^m
	constant, term := new(big.Int), new(big.Int)
	power := new(big.Int)
	for i := range points {
		power.Set(w[i])
		for m := range moments {
			moments[m].Add(moments[m], power)
			if m <= degree {
				linear[m].Add(linear[m], term.Mul(power, y[i]))
			}
			if m == 0 {
				constant.Add(constant, term.Mul(term, y[i]))
			}
			power.Mul(power, x[i])
		}
	}

	f := &quadratic{gram: make([][]*big.Int, degree+1), linear: linear, constant: constant, scale: 2*(ex*degree+up) + ew + 2*q}
	target := ex*degree + up + q - ey // the target is Y·2^target
	for j := range f.gram {
		f.gram[j] = zeros(degree + 1)
		for k := range f.gram[j] {
			f.gram[j][k].Lsh(moments[j+k], uint(ex*(2*degree-j-k)+2*up))
		}
		linear[j].Lsh(linear[j], uint(ex*(degree-j)+up+target))
	}
	constant.Lsh(constant, uint(2*target))
	return f
}

// value returns the objective of α, times 2^scale.
func (f *quadratic) value(alpha []*big.Int) *big.Int {
	v, t := new(big.Int).Set(f.constant), new(big.Int)
	row := new(big.Int)
	for j, a := range alpha {
		row.Mul(f.linear[j], big.NewInt(-2))
		for k, b := range alpha {
			row.Add(row, t.Mul(f.gram[j][k], b))
		}
		v.Add(v, t.Mul(row, a))
	}
	return v
}

// integers returns one number of every point as an integer over 2^places.
func integers(points []point, number func(point) float64) (scaled []*big.Int, places int) {
	largest, finest := math.MinInt, math.MinInt // exponents: of the largest number, of the last digit of all
	for _, p := range points {
		if v := number(p); v != 0 {
			fraction, exp := math.Frexp(v)
			largest = max(largest, exp)
			places := 53 - exp
			for m := int64(math.Ldexp(fraction, 53)); m&1 == 0; m >>= 1 {
				places--
			}
			finest = max(finest, places)
		}
	}
	if largest == math.MinInt { // nothing but zeros
		return zeros(len(points)), 0
	}
	places = max(0, min(finest, digits-largest))
	scaled = make([]*big.Int, len(points))
	for i, p := range points {
		// At most 53 + digits bits: nothing is rounded here but what is meant to be.
		v := new(big.Float).SetMode(big.ToNearestEven).SetFloat64(number(p))
		v.SetMantExp(v, places)
		half := big.NewFloat(0.5)
		if v.Signbit() {
			half.Neg(half)
		}
		scaled[i], _ = new(big.Float).SetPrec(53+2*digits).Add(v, half).Int(nil)
	}
	return scaled, places
}

func zeros(n int) []*big.Int {
	v := make([]*big.Int, n)
	for i := range v {
		v[i] = new(big.Int)
	}
	return v
}

// ratio returns a/b·2^exp, rounded.
func ratio(a, b *big.Int, exp int) float64 {
	q := new(big.Float).SetPrec(64).Quo(new(big.Float).SetInt(a), new(big.Float).SetInt(b))
	v, _ := q.SetMantExp(q, exp).Float64()
	return v
}

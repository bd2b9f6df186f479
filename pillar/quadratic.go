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

// moments are the sums over the points that the objective is made of, as integers:
// the numbers are X/2^ex, Y/2^ey and W/2^ew.
type moments struct {
	x          []*big.Int // Σ W X^m, m = 0 … 2·degree
	y          []*big.Int // Σ W Y X^m, m = 0 … degree
	yy         *big.Int   // Σ W Y²
	degree     int
	ex, ey, ew int
}

func newMoments(points []point, degree int) *moments {
	m := &moments{x: zeros(2*degree + 1), y: zeros(degree + 1), yy: new(big.Int), degree: degree}
	var x, y, w []*big.Int
	x, m.ex = integers(points, func(p point) float64 { return p.x })
	y, m.ey = integers(points, func(p point) float64 { return p.y })
	w, m.ew = integers(points, func(p point) float64 { return p.w })
	power, t := new(big.Int), new(big.Int)
	for i := range points {
		t.Mul(w[i], y[i])
		m.yy.Add(m.yy, t.Mul(t, y[i]))
		power.Set(w[i])
		for k := range m.x {
			m.x[k].Add(m.x[k], power)
			if k <= degree {
				m.y[k].Add(m.y[k], t.Mul(power, y[i]))
			}
			power.Mul(power, x[i])
		}
	}
	return m
}

// quadratic returns the objective for coefficients over 2^q. Vectors and target are
// multiplied by 2^(ex·degree + up), up as small as leaves them integers.
func (m *moments) quadratic(q int) *quadratic {
	up := max(0, m.ey-q-m.ex*m.degree)
	target := m.ex*m.degree + up + q - m.ey // the target is Y·2^target
	f := &quadratic{
		gram: make([][]*big.Int, m.degree+1), linear: zeros(m.degree + 1),
		constant: new(big.Int).Lsh(m.yy, uint(2*target)),
		scale:    2*(m.ex*m.degree+up) + m.ew + 2*q,
	}
	for j := range f.gram {
		f.gram[j] = zeros(m.degree + 1)
		for k := range f.gram[j] {
			f.gram[j][k].Lsh(m.x[j+k], uint(m.ex*(2*m.degree-j-k)+2*up))
		}
		f.linear[j].Lsh(m.y[j], uint(m.ex*(m.degree-j)+up+target))
	}
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

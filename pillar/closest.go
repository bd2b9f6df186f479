package pillar

import (
	"fmt"
	"math/big"
)

const (
	// searchBits is the precision of the search, and 2^−searchSlack bounds its
	// rounding: partial sums of at most MaxDegree products of numbers below 2^60,
	// each rounded to searchBits.
	searchBits  = 512
	searchSlack = 400

	// maxNodes bounds the search. Thousands are many.
	maxNodes = 1 << 20
)

// search looks for the lattice point closest to the target, depth first and from
// the last row of the basis down (Schnorr and Euchner, 1994): at every level it
// tries the multiples of a row outwards from the best, until the distance in the
// levels so far exceeds that of the best point known.
//
// Distances in the search are lower bounds of the true ones, by searchSlack; those
// of the points it arrives at are computed in integers. So it misses no better
// point, and takes none for better that is not.
type search struct {
	f     *quadratic
	b     *basis
	mu    [][]*big.Float // mu[j][k]: how much of row j lies along b*_k
	along []*big.Float   // |b*_k|²
	slack *big.Float

	z     []int64 // the multiples chosen; the basis being reduced, they are small
	nodes int     // seen so far, of at most limit
	limit int

	best  []*big.Int // coefficients
	value *big.Int   // of the objective there
	bound *big.Float // its squared distance from the projected target, rounded up
}

// closest returns the integer coefficients of the least objective. The basis should
// be reduced, or the search may well exceed its limit of nodes.
func closest(f *quadratic, b *basis, limit int) (alpha []*big.Int, nodes int, err error) {
	s := &search{f: f, b: b, slack: float(), z: make([]int64, b.n), limit: limit, bound: float().SetInf(false)}
	s.slack.SetMantExp(big.NewFloat(1), -searchSlack)
	for i := range b.n + 1 {
		row := make([]*big.Float, min(i, b.n))
		for j := range row {
			row[j] = quotient(b.lambda[i][j], b.det[j])
		}
		s.mu = append(s.mu, row)
	}
	for k := range b.n {
		s.along = append(s.along, quotient(b.det[k], b.before(k)))
	}
	err = s.descend(b.n-1, float())
	return s.best, s.nodes, err
}

// descend chooses the multiple of row k, those of the rows after it being chosen
// at the squared distance sofar.
func (s *search) descend(k int, sofar *big.Float) error {
	centre, t := float(), float()
	centre.Neg(s.mu[s.b.n][k])
	for j := k + 1; j < s.b.n; j++ {
		centre.Sub(centre, t.Mul(t.SetInt64(s.z[j]), s.mu[j][k]))
	}
	first := round(centre)
	up := t.SetInt64(first).Cmp(centre) <= 0
	distance := float()
	for step := int64(0); ; step++ {
		s.z[k] = first + outward(step, up)
		distance.Sub(t.SetInt64(s.z[k]), centre)
		if distance.Abs(distance).Sub(distance, s.slack).Signbit() {
			distance.SetInt64(0)
		}
		distance.Mul(distance, distance).Mul(distance, s.along[k]).Add(distance, sofar)
		if distance.Cmp(s.bound) > 0 {
			s.z[k] = 0
			return nil
		}
		if s.nodes++; s.nodes > s.limit {
			return fmt.Errorf("the search went through %d choices of coefficients and did not end: lower the degree or q", s.limit)
		}
		if k == 0 {
			s.offer()
		} else if err := s.descend(k-1, distance); err != nil {
			return err
		}
	}
}

// round returns an integer nearest to v.
func round(v *big.Float) int64 {
	half := big.NewFloat(0.5)
	if v.Signbit() {
		half.Neg(half)
	}
	n, _ := float().Add(v, half).Int64() // towards zero
	return n
}

// outward returns 0, 1, −1, 2, −2, …, or the opposite.
func outward(step int64, up bool) int64 {
	v := (step + 1) / 2
	if (step%2 == 1) != up {
		return -v
	}
	return v
}

// offer takes the point chosen if it is better than the best.
func (s *search) offer() {
	alpha := make([]*big.Int, s.b.n)
	t := new(big.Int)
	for i := range alpha {
		v := new(big.Int).Set(s.b.rows[s.b.n][i])
		for j, z := range s.z {
			v.Add(v, t.Mul(big.NewInt(z), s.b.rows[j][i]))
		}
		alpha[i] = v.Neg(v)
	}
	value := s.f.value(alpha)
	if s.best != nil {
		if c := value.Cmp(s.value); c > 0 || c == 0 && !preferred(alpha, s.best) {
			return
		}
	}
	s.best, s.value = alpha, value
	// The target's distance from all real combinations, d_n / d_{n−1}, is no
	// polynomial's to lower. The difference can be far smaller than either.
	volume := s.b.det[s.b.n-1]
	beyond := t.Sub(t.Mul(value, volume), s.b.det[s.b.n])
	s.bound = quotient(beyond, volume)
	s.bound.Add(s.bound, float().SetMantExp(s.bound, -searchSlack))
}

// preferred decides between two of the same objective.
func preferred(a, b []*big.Int) bool {
	for k := len(a) - 1; k >= 0; k-- {
		if c := a[k].CmpAbs(b[k]); c != 0 {
			return c < 0
		}
		if c := a[k].Cmp(b[k]); c != 0 {
			return c > 0
		}
	}
	return false
}

// float returns 0 in the search's precision.
func float() *big.Float { return new(big.Float).SetPrec(searchBits) }

func quotient(a, b *big.Int) *big.Float {
	return float().Quo(float().SetInt(a), float().SetInt(b))
}

package pillar

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// rational is the objective by its definition, in fractions: nothing of it is
// shared with the search.
func rational(points []point, alpha []int64, q int) *big.Rat {
	sum := new(big.Rat)
	for _, p := range points {
		v := value(alpha, q, p.x)
		v.Sub(v, new(big.Rat).SetFloat64(p.y))
		v.Mul(v, v).Mul(v, new(big.Rat).SetFloat64(p.w))
		sum.Add(sum, v)
	}
	return sum
}

// value returns Σ α_k x^k / 2^q.
func value(alpha []int64, q int, x float64) *big.Rat {
	v, at := new(big.Rat), new(big.Rat).SetFloat64(x)
	for _, a := range slices.Backward(alpha) {
		v.Mul(v, at).Add(v, new(big.Rat).SetInt64(a))
	}
	return v.Mul(v, new(big.Rat).SetFloat64(math.Ldexp(1, -q)))
}

// randomProblem returns a problem of few points with short binary fractions, so
// that ties happen.
func randomProblem(r *rand.Rand, degree, q int) Problem {
	p := Problem{Degree: degree, Q: q}
	weights := map[float64]float64{}
	for range degree + 2 + r.IntN(6) {
		x := float64(r.IntN(33)-16) / 8
		weights[x] = float64(r.IntN(4))
		if len(weights) <= degree+1 {
			weights[x] = 1
		}
		p.Samples = append(p.Samples, Sample{x, float64(r.IntN(65)-32) / 16})
	}
	for i := range degree + 1 { // enough of them differ
		p.Samples = append(p.Samples, Sample{float64(i) - 2, float64(r.IntN(65)-32) / 16})
		weights[float64(i)-2] = 1
	}
	p.Weight = func(x float64) float64 { return weights[x] }
	return p
}

// half is how far around the rounded real optimum a better polynomial can be, in
// every coefficient: the largest coordinates of the ellipsoid of those that are no
// worse than it, by the inverse of the Gram matrix.
func half(t *testing.T, points []point, real []float64, q int) (rounded, width []int64) {
	n := len(real)
	rounded, width = make([]int64, n), make([]int64, n)
	gram := make([][]float64, n)
	for j := range gram {
		gram[j] = make([]float64, 2*n)
		gram[j][n+j] = 1
		for k := range n {
			for _, p := range points {
				gram[j][k] += p.w * math.Pow(p.x, float64(j+k))
			}
		}
	}
	for j := range n { // Gauss and Jordan; the matrix is positive definite
		pivot := gram[j][j]
		for k := range gram[j] {
			gram[j][k] /= pivot
		}
		for i := range n {
			if i != j {
				f := gram[i][j]
				for k := range gram[i] {
					gram[i][k] -= f * gram[j][k]
				}
			}
		}
	}
	scale := math.Ldexp(1, q)
	for k := range n {
		rounded[k] = int64(math.Round(real[k] * scale))
	}
	best, _ := rational(points, rounded, q).Float64()
	realBest := 0.0
	for _, p := range points {
		d := Eval(real, p.x) - p.y
		realBest += p.w * d * d
	}
	radius := math.Sqrt(max(0, best-realBest)) * scale
	for k := range n {
		width[k] = 1 + int64(radius*math.Sqrt(gram[k][n+k])*1.001)
	}
	return rounded, width
}

func TestNoPolynomialInReachIsBetter(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	tried, ties := 0, 0
	for tried < 60 {
		p := randomProblem(r, 1+r.IntN(3), r.IntN(4))
		f, err := Fit(p)
		if err != nil {
			t.Fatal(err)
		}
		points, err := p.points()
		if err != nil {
			t.Fatal(err)
		}
		rounded, width := half(t, points, f.Real, p.Q)
		box := int64(1)
		for _, w := range width {
			box *= 2*w + 1
		}
		if box > 3000 {
			continue // too many to try
		}
		tried++
		best := rational(points, f.Alpha, p.Q)
		if got, _ := best.Float64(); math.Abs(got-f.Objective) > 1e-12*(1+got) {
			t.Errorf("the objective of %d is %v, and is said to be %v", f.Alpha, got, f.Objective)
		}
		alpha := make([]int64, len(rounded))
		for index := range box {
			for k, w := range width {
				alpha[k] = rounded[k] - w + index%(2*w+1)
				index /= 2*w + 1
			}
			if slices.Equal(alpha, f.Alpha) {
				continue
			}
			switch c := rational(points, alpha, p.Q).Cmp(best); {
			case c < 0:
				t.Fatalf("degree %d, q = %d, %v: %d is better than %d", p.Degree, p.Q, p.Samples, alpha, f.Alpha)
			case c == 0:
				ties++
				if preferred(integersOf(alpha), integersOf(f.Alpha)) {
					t.Fatalf("degree %d, q = %d, %v: %d is as good as %d, and to be preferred", p.Degree, p.Q, p.Samples, alpha, f.Alpha)
				}
			}
		}
	}
	if ties == 0 {
		t.Error("no tie occurred")
	}
}

func integersOf(alpha []int64) []*big.Int {
	v := zeros(len(alpha))
	for k, a := range alpha {
		v[k].SetInt64(a)
	}
	return v
}

// hard are problems whose powers are a good basis and a bad one, of every function.
func hard() map[string]Problem {
	problems := map[string]Problem{}
	for i, bounds := range [][2]float64{{-5, 5}, {-1, 1}, {-3, 8}, {0, 1}, {10, 11}, {-300, 200}} {
		for j, name := range Names() {
			degree, q := 1+(3*i+2*j)%8, []int{0, 8, 10, 20}[(i+j)%4]
			p := Problem{Function: known(name), Lo: bounds[0], Hi: bounds[1], Step: (bounds[1] - bounds[0]) / 40, Degree: degree, Q: q}
			if i%2 == 1 {
				p.Weight, _ = Normal((bounds[1] - bounds[0]) / 2)
			}
			problems[fmt.Sprintf("%s on %v, degree %d, q = %d", name, bounds, degree, q)] = p
		}
	}
	return problems
}

// Every change of two coefficients by up to 2, where a search that had lost its way
// would be caught at once.
func TestNoNeighbourIsBetter(t *testing.T) {
	for name, p := range hard() {
		f, err := Fit(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		points, _ := p.points()
		best := newMoments(points, p.Degree).quadratic(p.Q)
		value := best.value(integersOf(f.Alpha))
		if got, want := ratio(value, big.NewInt(1), -best.scale), rational(points, f.Alpha, p.Q); !near(got, want) {
			t.Errorf("%s: the objective is %v, by its definition %v", name, got, want.FloatString(20))
		}
		alpha := slices.Clone(f.Alpha)
		for j := range alpha {
			for k := range j + 1 {
				for dj := int64(-2); dj <= 2; dj++ {
					for dk := int64(-2); dk <= 2; dk++ {
						alpha[j] += dj
						alpha[k] += dk
						if best.value(integersOf(alpha)).Cmp(value) < 0 {
							t.Errorf("%s: %d is better than %d", name, alpha, f.Alpha)
						}
						copy(alpha, f.Alpha)
					}
				}
			}
		}
	}
}

func near(got float64, want *big.Rat) bool {
	w, _ := want.Float64()
	return math.Abs(got-w) <= 1e-14*w
}

// The search over the powers themselves takes longer, up to a million times, and
// finds the same.
func TestTheAnswerDoesNotDependOnTheBasis(t *testing.T) {
	const limit = 1 << 14
	compared := 0
	for name, p := range hard() {
		f, err := Fit(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		points, _ := p.points()
		form := newMoments(points, p.Degree).quadratic(p.Q)
		b, err := newBasis(form)
		if err != nil {
			t.Fatal(err)
		}
		alpha, nodes, err := closest(form, b, limit)
		if err != nil { // the powers are too bad a basis
			if nodes <= limit || !strings.Contains(err.Error(), "did not end") {
				t.Errorf("%s: %d nodes over the powers, %d over the reduced basis: %v", name, nodes, f.Nodes, err)
			}
			continue
		}
		compared++
		for k, a := range alpha {
			if a.Int64() != f.Alpha[k] {
				t.Errorf("%s: %d over the powers, %d over the reduced basis", name, alpha, f.Alpha)
				break
			}
		}
	}
	if compared < 25 {
		t.Errorf("only %d of %d were compared", compared, len(hard()))
	}
}

func TestTheRealOptimumSolvesTheNormalEquations(t *testing.T) {
	for name, p := range hard() {
		f, err := Fit(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		points, _ := p.points()
		for k := range f.Real {
			// Σ w (P(x) − y) x^k is 0, in fractions but for what rounds Real to float64.
			sum, size := new(big.Rat), new(big.Rat)
			for _, pt := range points {
				x := new(big.Rat).SetFloat64(pt.x)
				power := new(big.Rat).SetFloat64(pt.w)
				for range k {
					power.Mul(power, x)
				}
				v := new(big.Rat)
				for i, c := range f.Real {
					term := new(big.Rat).SetFloat64(c)
					for range i {
						term.Mul(term, x)
					}
					v.Add(v, term)
					size.Add(size, term.Abs(term.Mul(term, power)))
				}
				v.Sub(v, new(big.Rat).SetFloat64(pt.y))
				sum.Add(sum, v.Mul(v, power))
			}
			if bound := new(big.Rat).Mul(size, new(big.Rat).SetFloat64(0x1p-52)); new(big.Rat).Abs(sum).Cmp(bound) > 0 {
				t.Errorf("%s: equation %d is off by %s", name, k, sum.FloatString(20))
			}
		}
	}
}

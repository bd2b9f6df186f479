package pillar

import (
	"fmt"
	"math"
	"math/big"
)

// Limits of what is fitted. Within them all results are exact.
const (
	MaxDegree = 8
	MaxQ      = 32
	// MaxPoints bounds the time: a hundred thousand points take a second.
	MaxPoints = 100_000
	// MaxRange bounds |x|, and MinWidth the distance of the smallest x from the
	// largest. With them, 2^−enumerationSlack is far below any distance that tells
	// polynomials apart.
	MaxRange = 1 << 20
	MinWidth = 1.0 / (1 << 20)
)

// AutoQ asks for the least q from 10 to 20 that costs little: at most a twentieth
// of the error that the real fit has anyway, or half a unit of activations with 10
// fractional bits. Where 20 are too few, or coefficients would grow too large
// before, the most that there can be are taken: compiled models hold coefficients
// of up to 20 places as they are.
const AutoQ = -1

const (
	autoLeast, autoMost = 10, 20
	autoCost            = 1.05
	autoUnit            = 1.0 / (1 << 11)
)

// Problem is a function to fit and the polynomials to choose from.
type Problem struct {
	// Function is fitted at the points Lo, Lo+Step, …, Hi. Where Step does not
	// divide the range, the nearest step that does is taken.
	Function     func(float64) float64
	Lo, Hi, Step float64

	// Samples, where there are any, are fitted in place of Function, at their own
	// points and nowhere between.
	Samples []Sample

	// Degree is the highest power, 1 to MaxDegree.
	Degree int
	// Q is the number of binary places of the coefficients, 0 to MaxQ, or AutoQ.
	Q int

	// Weight says how much the square of an error at x counts; nil is the same
	// everywhere.
	Weight func(float64) float64
}

// Sample is a point and the function's value there.
type Sample struct{ X, Y float64 }

// Fitted is the polynomial that solves a Problem.
type Fitted struct {
	// Alpha are the integer coefficients α_0 … α_Degree, below 2^53 in absolute
	// value. The last may be zero: the best polynomial has then a lower degree.
	Alpha []int64
	// Q is the problem's, or the one chosen: the polynomial is Σ α_k x^k / 2^Q.
	Q int
	// Real are the coefficients of the least squares fit in real numbers.
	Real []float64

	Errors     Errors // of the polynomial
	RealErrors Errors // of the fit in real numbers: no polynomial has a lower RMS

	// Points is how many points were fitted.
	Points int
	// Objective is Σ w(x)·(P(x) − f(x))² over the points, which Alpha minimises.
	Objective float64
	// Nodes is how many partial choices of coefficients the search looked at
	// before it had excluded every better polynomial.
	Nodes int
}

// Errors is how far a polynomial is from a function at the points of a fit.
type Errors struct {
	RMS   float64 // root of the weighted mean of the squares
	Max   float64 // the largest absolute error at a point of positive weight
	MaxAt float64 // the first such point
}

// Fit returns the polynomial of integer coefficients over 2^Q with the least
// weighted sum of squared errors. Of several that are equally good it takes the one
// whose coefficient of the highest power in which they differ is nearer to zero, or
// else positive.
//
// Arithmetic is exact: points, values and weights are taken as the binary fractions
// they are, except that digits below 2^−96 of the largest of each are rounded.
func Fit(p Problem) (*Fitted, error) {
	f, err := p.fit()
	if err != nil {
		return nil, fmt.Errorf("fitting a polynomial of degree %d: %w", p.Degree, err)
	}
	return f, nil
}

func (p *Problem) fit() (*Fitted, error) {
	points, err := p.points()
	if err != nil {
		return nil, err
	}
	m := newMoments(points, p.Degree)
	if p.Q != AutoQ {
		return m.fit(points, p.Q)
	}
	f, err := m.fit(points, autoLeast)
	for q := autoLeast + 1; err == nil && q <= autoMost && f.Errors.RMS > autoCost*f.RealErrors.RMS+autoUnit; q++ {
		finer, err := m.fit(points, q)
		if err != nil { // coefficients have outgrown a float64
			break
		}
		f = finer
	}
	return f, err
}

func (m *moments) fit(points []point, q int) (*Fitted, error) {
	form := m.quadratic(q)
	basis, err := newBasis(form)
	if err != nil {
		return nil, err
	}
	optimum, volume := basis.optimum()
	basis.reduce()
	best, nodes, err := closest(form, basis, maxNodes)
	if err != nil {
		return nil, err
	}
	f := &Fitted{Alpha: make([]int64, m.degree+1), Q: q, Real: make([]float64, m.degree+1), Points: len(points), Nodes: nodes}
	for k, a := range best {
		if a.BitLen() > 53 {
			return nil, fmt.Errorf("the coefficient of x^%d is about 2^%d over 2^%d, and 2^53 is the limit: take a lower degree or q, or a wider range", k, a.BitLen(), q)
		}
		f.Alpha[k] = a.Int64()
		f.Real[k] = ratio(optimum[k], volume, -q)
	}
	f.Objective = ratio(form.value(best), big.NewInt(1), -form.scale)
	f.Errors = measure(points, f.Coeffs())
	f.RealErrors = measure(points, f.Real)
	return f, nil
}

// Coeffs returns the coefficients α_k / 2^Q as they are, from the constant up to
// the last that is not zero.
func (f *Fitted) Coeffs() []float64 {
	n := len(f.Alpha)
	for n > 1 && f.Alpha[n-1] == 0 {
		n--
	}
	c := make([]float64, n)
	for k := range c {
		c[k] = math.Ldexp(float64(f.Alpha[k]), -f.Q)
	}
	return c
}

// Eval returns the polynomial's value at x.
func (f *Fitted) Eval(x float64) float64 { return Eval(f.Coeffs(), x) }

// Rounded returns the coefficients of the real fit, each rounded to the nearest
// integer over 2^Q: what is used for want of Fit.
func (f *Fitted) Rounded() []float64 {
	c := make([]float64, len(f.Real))
	for k := range c {
		c[k] = math.Ldexp(math.RoundToEven(math.Ldexp(f.Real[k], f.Q)), -f.Q)
	}
	return c
}

// Measure returns the errors of a polynomial at the points of the problem.
// Coefficients begin with the constant.
func (p *Problem) Measure(coeffs []float64) (Errors, error) {
	points, err := p.points()
	if err != nil {
		return Errors{}, fmt.Errorf("measuring a polynomial: %w", err)
	}
	return measure(points, coeffs), nil
}

func measure(points []point, coeffs []float64) (e Errors) {
	sum, weights := 0.0, 0.0
	for _, p := range points {
		d := math.Abs(Eval(coeffs, p.x) - p.y)
		sum += p.w * d * d
		weights += p.w
		if p.w > 0 && d > e.Max {
			e.Max, e.MaxAt = d, p.x
		}
	}
	e.RMS = math.Sqrt(sum / weights)
	return e
}

// Eval returns Σ coeffs[k]·x^k.
func Eval(coeffs []float64, x float64) (v float64) {
	for k := len(coeffs) - 1; k >= 0; k-- {
		v = v*x + coeffs[k]
	}
	return v
}

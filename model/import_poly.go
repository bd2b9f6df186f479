package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// polynomial holds the coefficients c_0, c_1, … of an elementwise polynomial.
// Its last coefficient is not zero, unless it is the only one.
type polynomial []float64

func identity() polynomial { return polynomial{0, 1} }

func (p polynomial) degree() int { return len(p) - 1 }

func (p polynomial) isIdentity() bool { return len(p) == 2 && p[0] == 0 && p[1] == 1 }

func (p polynomial) trim() polynomial {
	for len(p) > 1 && p[len(p)-1] == 0 {
		p = p[:len(p)-1]
	}
	return p
}

// plus returns p + factor·q.
func (p polynomial) plus(q polynomial, factor float64) polynomial {
	sum := make(polynomial, max(len(p), len(q)))
	copy(sum, p)
	for i, c := range q {
		sum[i] += factor * c
	}
	return sum.trim()
}

func (p polynomial) times(q polynomial) polynomial {
	product := make(polynomial, len(p)+len(q)-1)
	for i, a := range p {
		for j, b := range q {
			product[i+j] += a * b
		}
	}
	return product.trim()
}

// of returns p(q(x)).
func (p polynomial) of(q polynomial) polynomial {
	r := polynomial{0}
	for i := len(p) - 1; i >= 0; i-- {
		r = r.times(q).plus(polynomial{p[i]}, 1)
	}
	return r
}

func errDegree(d int) error {
	return fmt.Errorf("makes a polynomial of degree %d; activations have degree %d at most", d, maxDegree)
}

func (p polynomial) check() error {
	if p.degree() > maxDegree {
		return errDegree(p.degree())
	}
	for _, c := range p {
		if math.IsInf(c, 0) || math.IsNaN(c) {
			return errors.New("makes a polynomial whose coefficients overflow")
		}
	}
	return nil
}

// constant reports whether p has no x.
func (p polynomial) constant() bool { return len(p) == 1 }

// tolerance is how far, of their size, numbers may be apart that are the same but
// for their rounding to float32.
const tolerance = 1e-5

// near reports whether p and q are the same but for rounding.
func (p polynomial) near(q polynomial) bool {
	scale := 0.0
	for _, c := range append(slices.Clone(p), q...) {
		scale = max(scale, math.Abs(c))
	}
	for _, c := range p.plus(q, -1) {
		if !(math.Abs(c) <= tolerance*scale) {
			return false
		}
	}
	return true
}

// over returns k with p = k·q, if there is one.
func (p polynomial) over(q polynomial) (k float64, ok bool) {
	if len(p) != len(q) {
		return 0, false
	}
	k = p[len(p)-1] / q[len(q)-1]
	return k, p.near(q.times(polynomial{k}))
}

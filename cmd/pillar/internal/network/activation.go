package network

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// activate returns the activation of x, and what takes the gradient of its output
// to that of x, without the penalty.
func (a *Activation) activate(x *Node, training bool) (*Node, func(dy *Node) *Node) {
	if len(a.Coeffs) == 0 {
		y := MaxScalar(x, 0.0)
		return y, func(dy *Node) *Node { return Where(GreaterThan(x, zero(x)), dy, ZerosLike(dy)) }
	}
	inside := x
	if training && a.Clip {
		inside = MinScalar(MaxScalar(x, -a.Range), a.Range)
	}
	y := polynomial(inside, a.Coeffs)
	return y, func(dy *Node) *Node {
		dx := Mul(dy, polynomial(inside, derivative(a.Coeffs)))
		if inside == x {
			return dx
		}
		return Where(Equal(inside, x), dx, ZerosLike(dx))
	}
}

// polynomial returns Σ coeffs[k]·x^k by Horner's rule, odd and even powers apart
// where that saves products: PILLAR's polynomials have few odd ones.
func polynomial(x *Node, coeffs []float64) *Node {
	var even, odd []float64
	for k, c := range coeffs {
		if k%2 == 0 {
			even = append(even, c)
		} else {
			odd = append(odd, c)
		}
	}
	var square *Node
	if len(coeffs) > 2 {
		square = Mul(x, x)
	}
	e := horner(square, even)
	o := horner(square, odd)
	switch {
	case o.node != nil:
		e = e.plus(Mul(o.whole(), x))
	case o.constant != 0:
		e = e.plus(MulScalar(x, o.constant))
	}
	if e.node == nil {
		return Add(ZerosLike(x), ConstAs(x, e.constant))
	}
	return e.whole()
}

// term is a sum of a node, or nil, and a constant.
type term struct {
	node     *Node
	constant float64
}

func (t term) plus(n *Node) term { return term{sum(t.node, n), t.constant} }

func (t term) whole() *Node {
	if t.constant == 0 {
		return t.node
	}
	return AddScalar(t.node, t.constant)
}

// horner returns Σ coeffs[k]·x^k; x may be nil where there is one coefficient.
func horner(x *Node, coeffs []float64) term {
	for len(coeffs) > 0 && coeffs[len(coeffs)-1] == 0 {
		coeffs = coeffs[:len(coeffs)-1]
	}
	var t term
	for k := len(coeffs) - 1; k >= 0; k-- {
		switch {
		case t.node != nil:
			t = term{node: Mul(t.whole(), x)}
		case t.constant != 0:
			t = term{node: MulScalar(x, t.constant)}
		}
		t.constant = coeffs[k]
	}
	return t
}

// derivative returns the coefficients of the derivative.
func derivative(coeffs []float64) []float64 {
	d := make([]float64, len(coeffs)-1)
	for k := range d {
		d[k] = float64(k+1) * coeffs[k+1]
	}
	return d
}

// power returns x^n for n ≥ 1, by squaring.
func power(x *Node, n int) *Node {
	var y *Node
	for {
		if n%2 == 1 {
			if y == nil {
				y = x
			} else {
				y = Mul(y, x)
			}
		}
		if n /= 2; n == 0 {
			return y
		}
		x = Mul(x, x)
	}
}

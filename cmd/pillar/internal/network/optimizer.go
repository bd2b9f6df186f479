package network

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// Optimizer is a rule that makes the next parameters of gradients.
type Optimizer uint8

// The optimizers.
const (
	SGD  Optimizer = iota // momentum 0.9
	Adam                  // β1 = 0.9, β2 = 0.999, decay apart from the gradient (AdamW)
)

// slots returns how many tensors the optimizer keeps for each parameter.
func (o Optimizer) slots() int { return int(o) + 1 }

const (
	momentum    = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-8
)

// apply returns the next value of a parameter and of its slots.
func (o Optimizer) apply(w, gradient *Node, slots []*Node, rate *Node) (next *Node, kept []*Node) {
	if o == SGD {
		v := Add(MulScalar(slots[0], momentum), gradient)
		return Sub(w, Mul(v, rate)), []*Node{v}
	}
	m := Add(MulScalar(slots[0], momentum), MulScalar(gradient, 1-momentum))
	v := Add(MulScalar(slots[1], adamBeta2), MulScalar(Mul(gradient, gradient), 1-adamBeta2))
	return Sub(w, Mul(Div(m, AddScalar(Sqrt(v), adamEpsilon)), rate)), []*Node{m, v}
}

// adamCorrection undoes the bias of Adam's averages after so many steps.
func adamCorrection(step int) float64 {
	return math.Sqrt(1-math.Pow(adamBeta2, float64(step))) / (1 - math.Pow(momentum, float64(step)))
}

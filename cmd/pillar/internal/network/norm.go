package network

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// epsilon is added to every variance, as PyTorch does.
const epsilon = 1e-5

// norm is batch norm with the statistics of the batch (Ioffe and Szegedy, 2015):
// y = gain·(x − mean)/σ + offset, σ² = variance + ε, channel by channel. It returns
// the mean and the variance too, and what takes the gradient of y to those of x,
// gain and offset. Mean and variance depend on x, and the gradient goes through
// them.
func (k kernels) norm(x, gain, offset *Node) (y, mean, variance *Node, back func(dy *Node) (dx, dGain, dOffset *Node)) {
	count := float64(x.Shape().Size() / x.Shape().Dimensions[0])
	mean = DivScalar(k.sums(x), count)
	variance = MaxScalar(Sub(DivScalar(k.products(x, x), count), Mul(mean, mean)), 0.0)
	deviation := Sqrt(AddScalar(variance, epsilon))
	scale := Div(gain, deviation)
	y = k.affine(x, scale, Sub(offset, Mul(scale, mean)))
	return y, mean, variance, func(dy *Node) (dx, dGain, dOffset *Node) {
		dOffset = k.sums(dy)
		// Σ dy·x̂, of x̂ = (x − mean)/σ.
		dGain = Div(Sub(k.products(dy, x), Mul(mean, dOffset)), deviation)
		// dx = scale·(dy − Σdy/n − x̂·Σ(dy·x̂)/n), as a combination of dy, x and 1.
		ofX := Neg(DivScalar(Div(Mul(scale, dGain), deviation), count))
		constant := Neg(Add(DivScalar(Mul(scale, dOffset), count), Mul(ofX, mean)))
		dx = Add(k.scale(dy, scale), k.affine(x, ofX, constant))
		return dx, dGain, dOffset
	}
}

// fixedNorm is batch norm with given statistics, as inference has it.
func (k kernels) fixedNorm(x, gain, offset, mean, variance *Node) *Node {
	scale := Div(gain, Sqrt(AddScalar(variance, epsilon)))
	return k.affine(x, scale, Sub(offset, Mul(scale, mean)))
}

package pillar

import (
	"fmt"
	"math"
)

// Penalty is PILLAR's regularisation: the loss of a batch gets the term
//
//	β · mean over the activation layers of Σ |x/ℓ|^γ,
//
// the sum over all pre-activations x of the layer in the whole batch. With γ = 10
// it is next to nothing inside of ±ℓ and steep beyond, and ℓ a little less than the
// range of the fit keeps values within that.
//
// β balances a sum over the batch against a mean, the loss of the labels. Those
// that the paper names are for batches of PenaltyBatch; with others the same
// balance takes β·PenaltyBatch/(size of the batch).
type Penalty struct {
	Beta  float64 `json:"beta"`  // β, 0 or more
	Gamma float64 `json:"gamma"` // γ, 2 to 64
	Range float64 `json:"range"` // ℓ, above 0
}

// The paper's choices, section 5. Its β are 5e-5 for ResNet-18 and -110, 1e-6 for
// VGG-16, 1e-2 for ResNet-32 and 1e-4 for ResNet-50; its ℓ 4.0 to 4.8 with fits on
// [−5, 5].
const (
	PenaltyGamma = 10
	PenaltyBatch = 128
)

// Term is the penalty as it is in one epoch.
type Term struct {
	Penalty
	// Alone means that the penalty is the whole loss: labels count for nothing.
	Alone bool
}

// warmUp is the paper's, epoch by epoch. A network begins with values anywhere, and
// the polynomials throw them further: one pre-activation of 50 costs 1.4e6 at γ =
// 10, ℓ = 4.5, β = 5e-5, with a gradient that ends all training, and 40000 already
// overflows a float32. At γ = 4 and β/100 it costs less than 0.01. So first the
// penalty alone collects the values, gently, and then it becomes steep.
var warmUp = []struct{ gamma, divisor float64 }{{4, 100}, {6, 50}, {8, 10}, {10, 5}}

// WarmUp is the number of epochs before the penalty is as it stays.
func WarmUp() int { return len(warmUp) }

// At returns the penalty of an epoch, the first of which is 0. A γ below the
// warm-up's is never exceeded.
func (p Penalty) At(epoch int) Term {
	if epoch < len(warmUp) {
		w := warmUp[max(0, epoch)]
		p.Gamma = min(p.Gamma, w.gamma)
		p.Beta /= w.divisor
	}
	return Term{p, epoch <= 0 && p.Beta > 0}
}

// Check returns an error for numbers that make no penalty.
func (p Penalty) Check() error {
	switch {
	case !(p.Beta >= 0) || math.IsInf(p.Beta, 1):
		return fmt.Errorf("a penalty with β = %v; it must be 0 or more", p.Beta)
	case !(p.Gamma >= 2 && p.Gamma <= 64):
		return fmt.Errorf("a penalty with γ = %v; it must be from 2 to 64", p.Gamma)
	case !(p.Range > 0) || math.IsInf(p.Range, 1):
		return fmt.Errorf("a penalty beyond ±%v; the range must be a positive number", p.Range)
	}
	return nil
}

// Value returns the penalty of the pre-activations of every layer.
func (p Penalty) Value(layers [][]float64) (v float64) {
	for _, xs := range layers {
		for _, x := range xs {
			v += math.Pow(math.Abs(x/p.Range), p.Gamma)
		}
	}
	return p.Beta * v / float64(max(1, len(layers)))
}

// Gradient returns the derivative of Value by every pre-activation.
func (p Penalty) Gradient(layers [][]float64) [][]float64 {
	gradient := make([][]float64, len(layers))
	for i, xs := range layers {
		gradient[i] = make([]float64, len(xs))
		for j, x := range xs {
			slope := p.Gamma / p.Range * math.Pow(math.Abs(x/p.Range), p.Gamma-1)
			gradient[i][j] = math.Copysign(p.Beta/float64(len(layers))*slope, x)
		}
	}
	return gradient
}

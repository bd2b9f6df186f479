package model

import (
	"fmt"
	"math"

	"pascaline/ring"
)

// A FixedEvaluator runs a model in the plan's integer arithmetic, in the clear:
// what the two parties compute, up to the rounding of shares (in private
// inference each activation's input and output may be one unit off). It is the
// oracle of tests and the measure of what fixed point costs in accuracy.
//
// It keeps one buffer for each node and works on all cores, for one caller at a
// time.
type FixedEvaluator struct {
	plan   *Plan
	values [][]uint64     // of each node
	layers []fixedLayer   // of each OpLinear node
	polys  []*ring.Pascal // of each OpPolynomial node
	c      []uint64       // inputs of the largest OpPolynomial node, rounded
}

// fixedLayer is a linear layer, ready for use.
type fixedLayer struct {
	kernel *ring.Kernel
	bias   []uint64
}

// NewFixedEvaluator prepares to run m, which must be valid and have weights.
func NewFixedEvaluator(m *Model) (*FixedEvaluator, error) {
	if m.Weights == nil {
		return nil, fmt.Errorf("evaluating model: it %w", ErrNoWeights)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("evaluating model: %w", err)
	}
	p := m.Plan
	e := &FixedEvaluator{
		plan:   p,
		values: make([][]uint64, len(p.Nodes)),
		layers: make([]fixedLayer, len(p.Nodes)),
		polys:  make([]*ring.Pascal, len(p.Nodes)),
	}
	l := 0
	for i := range p.Nodes {
		n := &p.Nodes[i]
		e.values[i] = make([]uint64, n.Shape.Len())
		switch n.Op {
		case OpLinear:
			w := &m.Weights.Layers[l]
			e.layers[i] = fixedLayer{ring.NewKernel(w.W, n.Linear), w.Bias}
			l++
		case OpPolynomial:
			var err error
			// One bit more than the node has, to round to nearest: where shares are
			// truncated the result is one or the other neighbour, on average exact.
			if e.polys[i], err = n.Act.pascal(n.Frac + 1); err != nil {
				return nil, fmt.Errorf("evaluating model: node %q: %w", n.Name, err)
			}
			if n.Shape.Len() > len(e.c) {
				e.c = make([]uint64, n.Shape.Len())
			}
		}
	}
	return e, nil
}

// Eval returns the output (integers, two's complement) for an input of
// [Plan.EncodeInput].
func (e *FixedEvaluator) Eval(input []uint64) ([]uint64, error) {
	if len(input) != len(e.values[0]) {
		return nil, fmt.Errorf("evaluating model: input of %d elements; it takes %d (%v)",
			len(input), len(e.values[0]), e.plan.Nodes[0].Shape)
	}
	copy(e.values[0], input)
	for i := 1; i < len(e.values); i++ {
		e.step(i)
	}
	return append([]uint64(nil), e.values[len(e.values)-1]...), nil
}

// step computes node i from the nodes before it.
func (e *FixedEvaluator) step(i int) {
	n := &e.plan.Nodes[i]
	dst := e.values[i]
	switch n.Op {
	case OpLinear:
		l := e.layers[i]
		for o := 0; o < len(dst); o += len(l.bias) {
			copy(dst[o:], l.bias)
		}
		l.kernel.AddRows([][]uint64{dst}, [][]uint64{e.values[n.Inputs[0]]}, 0, n.Shape.H)
	case OpPolynomial:
		src := e.values[n.Inputs[0]]
		parallelBlocks(len(dst), func(from, to int) {
			c := e.c[from:to]
			roundHalfUp(c, src[from:to], n.Act.Fw)
			e.polys[i].EvalClear(dst[from:to], c)
			roundHalfUp(dst[from:to], dst[from:to], 1)
		})
	default:
		var in [maxInputs][]uint64
		for k, j := range n.Inputs {
			in[k] = e.values[j]
		}
		e.plan.Public(i, dst, in[:len(n.Inputs)]...)
	}
}

// parallelBlocks calls f for all of 0 to n, in blocks that do not overlap, on all
// cores.
func parallelBlocks(n int, f func(from, to int)) {
	const block = 1 << 14
	ring.Parallel((n+block-1)/block, func(b int) { f(b*block, min((b+1)*block, n)) })
}

// roundHalfUp sets c to y / 2^bits rounded to the nearest integer, halves up: of
// a pre-activation, what the opening yields (design section 4) without its
// masks. c may be y.
func roundHalfUp(c, y []uint64, bits uint) {
	for i, v := range y {
		c[i] = uint64(int64(v+1<<(bits-1)) >> bits)
	}
}

// inputBits bounds encoded inputs: below 2^31 in absolute value, so that
// weights of 16 bits and sums over 2^15 of them stay below 2^62.
const inputBits = 31

// EncodeInput returns x (NHWC) as the plan's integers, rounded to nearest.
func (p *Plan) EncodeInput(x []float32) ([]uint64, error) {
	n := &p.Nodes[0]
	if len(x) != n.Shape.Len() {
		return nil, fmt.Errorf("encoding input: %d elements; the model takes %d (%v)", len(x), n.Shape.Len(), n.Shape)
	}
	v := make([]uint64, len(x))
	for i, f := range x {
		r := math.RoundToEven(math.Ldexp(float64(f), int(n.Frac)))
		if !(math.Abs(r) < 1<<inputBits) { // NaN too
			return nil, fmt.Errorf("encoding input: element %d is %v; it must be a number below %v in absolute value",
				i, f, math.Ldexp(1, inputBits-int(n.Frac)))
		}
		v[i] = uint64(int64(r))
	}
	return v, nil
}

// DecodeOutput returns the real numbers that the output's integers stand for.
func (p *Plan) DecodeOutput(v []uint64) []float64 {
	frac := int(p.Nodes[len(p.Nodes)-1].Frac)
	x := make([]float64, len(v))
	for i, u := range v {
		x[i] = math.Ldexp(float64(int64(u)), -frac)
	}
	return x
}

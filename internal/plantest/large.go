package plantest

import (
	"pascaline/model"
	"pascaline/ring"
)

// Large returns a plan with activation layers of several messages each, strides, a
// residual branch, a sum of windows and a reshape between rows of different lengths,
// and random weights for it:
//
//	input ─ conv ─ act ─┬─ conv (stride 2) ─┬─ add ─ act ─ reshape ─ linear
//	                    └─ pool ─ conv 1×1 ─┘
func Large(r Source) (*model.Plan, *model.Weights) {
	const fa, fw = 9, 8
	act := func(alpha ...int64) *model.Activation {
		return &model.Activation{Alpha: alpha, Q: 10, Fa: fa, Fw: fw, M: 21, MaskBits: 62 - fw}
	}
	high, low := model.Shape{H: 54, W: 64, C: 20}, model.Shape{H: 27, W: 32, C: 40}
	conv := ring.ConvShape{H: 54, W: 64, C: 2, K: 20, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	down := ring.ConvShape{H: 54, W: 64, C: 20, K: 40, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	pool := ring.ConvShape{H: 54, W: 64, C: 20, K: 20, KH: 2, KW: 2, StrideH: 2, StrideW: 2}
	one := ring.ConvShape{H: 27, W: 32, C: 20, K: 40, KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	p := &model.Plan{Name: "large", Sigma: 40, Nodes: []model.Node{
		{Name: "input", Op: model.OpInput, Shape: model.Shape{H: 54, W: 64, C: 2}, Frac: fa},
		{Name: "conv1", Op: model.OpLinear, Inputs: []int{0}, Shape: high, Frac: fa + fw, Linear: conv},
		{Name: "act1", Op: model.OpPolynomial, Inputs: []int{1}, Shape: high, Frac: fa, Act: act(322, 512, 160)},
		{Name: "conv2", Op: model.OpLinear, Inputs: []int{2}, Shape: low, Frac: fa + fw, Linear: down},
		{Name: "pool", Op: model.OpPool, Inputs: []int{2}, Shape: model.Shape{H: 27, W: 32, C: 20}, Frac: fa, Pool: pool},
		{Name: "conv3", Op: model.OpLinear, Inputs: []int{4}, Shape: low, Frac: fa + fw, Linear: one},
		{Name: "add", Op: model.OpAdd, Inputs: []int{3, 5}, Shape: low, Frac: fa + fw, Shifts: []uint{0, 0}},
		{Name: "act2", Op: model.OpPolynomial, Inputs: []int{6}, Shape: low, Frac: fa, Act: act(0, 512, 100)},
		{Name: "flat", Op: model.OpReshape, Inputs: []int{7}, Shape: model.Shape{H: 135, W: 1, C: 256}, Frac: fa},
		{Name: "linear", Op: model.OpLinear, Inputs: []int{8}, Shape: model.Shape{H: 135, W: 1, C: 3}, Frac: fa + fw,
			Linear: ring.ConvShape{H: 135, W: 1, C: 256, K: 3, KH: 1, KW: 1, StrideH: 1, StrideW: 1}},
	}}
	w := &model.Weights{}
	for _, n := range p.Nodes {
		if n.Op == model.OpLinear {
			l := model.LayerWeights{W: make([]int16, n.Linear.WeightLen()), Bias: make([]uint64, n.Linear.K)}
			for i := range l.W {
				l.W[i] = int16(r.IntN(41) - 20)
			}
			w.Layers = append(w.Layers, l)
		}
	}
	return p, w
}

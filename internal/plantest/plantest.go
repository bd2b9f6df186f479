// Package plantest has a small network for the tests of the protocol.
package plantest

import (
	"math"

	"pascaline/model"
	"pascaline/ring"
)

// Source is where tests draw from; *rand.Rand is one.
type Source interface {
	IntN(n int) int
	Int64N(n int64) int64
}

// Network returns a small plan with everything the protocol knows, and random
// weights for it: two branches, a sum of windows, activations of several
// degrees, two of them in one round.
//
//	input ─ conv1 ─ act1 ─┬─ conv2 ─ act2 ─┬─ add ─┬─ concat ─ pool ─ act4 ─ reshape ─ linear
//	                      ├─ conv3 ─ act3 ─┤       │
//	                      └──── shifted ───┘       │
//	                                 act3 ─────────┘
//
// conv2 has a bias for each pixel; concat takes some channels of its inputs, and
// zeros.
func Network(r Source) (*model.Plan, *model.Weights) {
	const fa, fw = 9, 8
	conv := func(c, k int) ring.ConvShape {
		return ring.ConvShape{H: 6, W: 6, C: c, K: k, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	}
	act := func(alpha ...int64) *model.Activation {
		return &model.Activation{Alpha: alpha, Q: 10, Fa: fa, Fw: fw, M: 21, MaskBits: 62 - fw}
	}
	wide := model.Shape{H: 6, W: 6, C: 3}
	pool := ring.ConvShape{H: 6, W: 6, C: 5, K: 5, KH: 2, KW: 2, StrideH: 2, StrideW: 2}
	p := &model.Plan{Name: "test", Sigma: 40, Nodes: []model.Node{
		{Name: "input", Op: model.OpInput, Shape: model.Shape{H: 6, W: 6, C: 2}, Frac: fa},
		{Name: "conv1", Op: model.OpLinear, Inputs: []int{0}, Shape: wide, Frac: fa + fw, Linear: conv(2, 3)},
		{Name: "act1", Op: model.OpPolynomial, Inputs: []int{1}, Shape: wide, Frac: fa, Act: act(322, 512, 160, 0, -3)},
		{Name: "conv2", Op: model.OpLinear, Inputs: []int{2}, Shape: wide, Frac: fa + fw, Linear: conv(3, 3), PixelBias: true},
		{Name: "act2", Op: model.OpPolynomial, Inputs: []int{3}, Shape: wide, Frac: fa, Act: act(100, 512, 256)},
		{Name: "conv3", Op: model.OpLinear, Inputs: []int{2}, Shape: wide, Frac: fa + fw, Linear: conv(3, 3)},
		{Name: "act3", Op: model.OpPolynomial, Inputs: []int{5}, Shape: wide, Frac: fa, Act: act(0, 512, 100, -30)},
		{Name: "add", Op: model.OpAdd, Inputs: []int{4, 6, 2}, Shape: wide, Frac: fa + fw, Shifts: []uint{fw, fw, fw}},
		{Name: "concat", Op: model.OpConcat, Inputs: []int{7, 6}, Shape: model.Shape{H: 6, W: 6, C: 5}, Frac: fa + fw, Shifts: []uint{0, fw},
			Parts: []model.Part{{Input: 0, From: 1, Channels: 2}, {Input: 1, From: 1, Channels: 1}, {Input: -1, Channels: 1}, {Input: 0, Channels: 1}}},
		{Name: "pool", Op: model.OpPool, Inputs: []int{8}, Shape: model.Shape{H: 3, W: 3, C: 5}, Frac: fa + fw, Pool: pool},
		{Name: "act4", Op: model.OpPolynomial, Inputs: []int{9}, Shape: model.Shape{H: 3, W: 3, C: 5}, Frac: fa, Act: act(322, 512, 160, 0, -3)},
		{Name: "flat", Op: model.OpReshape, Inputs: []int{10}, Shape: model.Shape{H: 1, W: 1, C: 45}, Frac: fa},
		{Name: "linear", Op: model.OpLinear, Inputs: []int{11}, Shape: model.Shape{H: 1, W: 1, C: 5}, Frac: fa + fw, Linear: ring.LinearShape(45, 5)},
	}}
	w := &model.Weights{}
	for _, n := range p.Nodes {
		if n.Op != model.OpLinear {
			continue
		}
		l := model.LayerWeights{W: make([]int16, n.Linear.WeightLen()), Bias: make([]uint64, n.BiasLen())}
		for i := range l.W {
			l.W[i] = int16(r.IntN(121) - 60)
		}
		for i := range l.Bias {
			l.Bias[i] = uint64(int64(r.IntN(1<<16) - 1<<15))
		}
		w.Layers = append(w.Layers, l)
	}
	return p, w
}

// Input returns n random integers below 2^bits in magnitude.
func Input(r Source, n, bits int) []uint64 {
	x := make([]uint64, n)
	for i := range x {
		x[i] = uint64(r.Int64N(2<<bits) - 1<<bits)
	}
	return x
}

// Evaluate computes the network in real arithmetic on real values.
func Evaluate(p *model.Plan, w *model.Weights, x []uint64) []float64 {
	values := make([][]float64, len(p.Nodes))
	linear := 0
	for i, n := range p.Nodes {
		values[i] = make([]float64, n.Shape.Len())
		scale := math.Ldexp(1, int(n.Frac))
		switch n.Op {
		case model.OpInput:
			for e := range x {
				values[i][e] = float64(int64(x[e])) / scale
			}
		case model.OpLinear:
			realConv(values[i], values[n.Inputs[0]], w.Layers[linear], n.Linear, scale, math.Ldexp(1, int(n.Frac-p.Nodes[n.Inputs[0]].Frac)))
			linear++
		case model.OpPolynomial:
			for e, y := range values[n.Inputs[0]] {
				for k := n.Act.Degree(); k >= 0; k-- {
					values[i][e] = values[i][e]*y + float64(n.Act.Alpha[k])/math.Ldexp(1, int(n.Act.Q))
				}
			}
		case model.OpAdd:
			for _, k := range n.Inputs {
				for e, v := range values[k] {
					values[i][e] += v
				}
			}
		case model.OpConcat:
			for e := range values[i] {
				pixel, c := e/n.Shape.C, e%n.Shape.C
				for _, part := range n.Parts {
					if c < part.Channels {
						if part.Input >= 0 {
							in := n.Inputs[part.Input]
							values[i][e] = values[in][pixel*p.Nodes[in].Shape.C+part.From+c]
						}
						break
					}
					c -= part.Channels
				}
			}
		case model.OpReshape:
			copy(values[i], values[n.Inputs[0]])
		case model.OpPool:
			s := n.Pool
			for y := range s.OutH() {
				for x := range s.OutW() {
					for c := range s.C {
						for ky := range s.KH {
							for kx := range s.KW {
								values[i][(y*s.OutW()+x)*s.C+c] += values[n.Inputs[0]][((y*s.StrideH+ky)*s.W+x*s.StrideW+kx)*s.C+c]
							}
						}
					}
				}
			}
		}
	}
	return values[len(values)-1]
}

func realConv(dst, src []float64, w model.LayerWeights, s ring.ConvShape, outScale, weightScale float64) {
	for y := range s.OutH() {
		for x := range s.OutW() {
			for k := range s.K {
				sum := float64(int64(w.Bias[((y*s.OutW()+x)*s.K+k)%len(w.Bias)])) / outScale
				for ky := range s.KH {
					for kx := range s.KW {
						iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
						if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
							continue
						}
						for c := range s.C {
							sum += src[(iy*s.W+ix)*s.C+c] * float64(w.W[((ky*s.KW+kx)*s.C+c)*s.K+k]) / weightScale
						}
					}
				}
				dst[(y*s.OutW()+x)*s.K+k] = sum
			}
		}
	}
}

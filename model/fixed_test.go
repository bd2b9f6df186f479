package model

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pascaline/ring"
)

// integers evaluates the plan in unbounded integers: what design section 4
// computes, without masks and without a modulus.
func integers(m *Model, input []uint64) []*big.Int {
	values := make([][]*big.Int, len(m.Plan.Nodes))
	l := 0
	for i, n := range m.Plan.Nodes {
		v := make([]*big.Int, n.Shape.Len())
		for e := range v {
			v[e] = new(big.Int)
		}
		switch n.Op {
		case OpInput:
			for e := range v {
				v[e].SetInt64(int64(input[e]))
			}
		case OpLinear:
			w := m.Weights.Layers[l]
			l++
			eachWindow(n.Linear, func(out, in, tap int) {
				for k := range n.Linear.K {
					for c := range n.Linear.C {
						x := values[n.Inputs[0]][in+c]
						v[out+k].Add(v[out+k], new(big.Int).Mul(x, big.NewInt(int64(w.W[(tap+c)*n.Linear.K+k]))))
					}
				}
			})
			for e := range v {
				v[e].Add(v[e], big.NewInt(int64(w.Bias[e%len(w.Bias)])))
			}
		case OpPool:
			eachWindow(n.Pool, func(out, in, _ int) {
				for c := range n.Pool.C {
					v[out+c].Add(v[out+c], values[n.Inputs[0]][in+c])
				}
			})
		case OpAdd:
			for k, j := range n.Inputs {
				for e := range v {
					v[e].Add(v[e], new(big.Int).Lsh(values[j][e], n.Shifts[k]))
				}
			}
		case OpReshape:
			v = values[n.Inputs[0]]
		case OpConcat:
			for pixel := range n.Shape.H * n.Shape.W {
				e := pixel * n.Shape.C
				for _, p := range n.Parts {
					for c := range p.Channels {
						if p.Input >= 0 {
							in := n.Inputs[p.Input]
							v[e].Lsh(values[in][pixel*m.Plan.Nodes[in].Shape.C+p.From+c], n.Shifts[p.Input])
						}
						e++
					}
				}
			}
		case OpPolynomial:
			a := n.Act
			for e, y := range values[n.Inputs[0]] {
				c := halfUp(y, a.Fw)
				for k, alpha := range a.Alpha {
					term := new(big.Int).Exp(c, big.NewInt(int64(k)), nil)
					term.Lsh(term, a.Fa*uint(a.Degree()-k))
					v[e].Add(v[e], term.Mul(term, big.NewInt(alpha)))
				}
				v[e] = halfUp(v[e], a.Fa*uint(a.Degree())+a.Q-n.Frac)
			}
		}
		values[i] = v
	}
	return values[len(values)-1]
}

// eachWindow calls f for every tap of every window that lies in the image, with
// the index of the first output, input and weight (in units of C·K) channel.
func eachWindow(s ring.ConvShape, f func(out, in, tap int)) {
	for y := range s.OutH() {
		for x := range s.OutW() {
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
					if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
						f((y*s.OutW()+x)*s.K, (iy*s.W+ix)*s.C, (ky*s.KW+kx)*s.C)
					}
				}
			}
		}
	}
}

// halfUp returns v / 2^bits rounded to nearest.
func halfUp(v *big.Int, bits uint) *big.Int {
	half := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return half.Rsh(half.Add(half, v), bits)
}

func TestFixedPointIsThePlansIntegerArithmetic(t *testing.T) {
	for name, m := range map[string]*Model{"sample": sampleModel(t), "joined": joinedModel(t)} {
		t.Run(name, func(t *testing.T) { evaluatesItsIntegers(t, m) })
	}
}

func evaluatesItsIntegers(t *testing.T, m *Model) {
	e, err := NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for k := range 200 {
		in := make([]uint64, m.Plan.Nodes[0].Shape.Len())
		for i := range in {
			// From values in the calibrated range to some far beyond it.
			in[i] = uint64((r.Int64N(1<<11) - 1<<10) << (k % 4))
		}
		got, err := e.Eval(in)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range integers(m, in) {
			if !want.IsInt64() || int64(got[i]) != want.Int64() {
				t.Fatalf("input %d: output %d is %d, not %v", k, i, int64(got[i]), want)
			}
		}
	}
}

func TestAnEvaluatorNeedsWeightsAndInputsThatFit(t *testing.T) {
	m := sampleModel(t)
	if _, err := NewFixedEvaluator(m.PlanOnly()); err == nil {
		t.Error("evaluates a plan without weights")
	}
	e, err := NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Eval(make([]uint64, 31)); err == nil {
		t.Error("takes an input of another size")
	}
}

func TestInputsAreRoundedToTheNearestUnit(t *testing.T) {
	p := &Plan{Nodes: []Node{{Op: OpInput, Shape: Shape{1, 1, 4}, Frac: 9}}}
	v, err := p.EncodeInput([]float32{1, -0.3, 1000.002, float32(math.Ldexp(1, 21))})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{512, -154, 512001, 1 << 30} {
		if int64(v[i]) != want {
			t.Errorf("element %d is %d, not %d", i, int64(v[i]), want)
		}
	}
	for i, f := range p.DecodeOutput([]uint64{512, ^uint64(0), 0, 1}) {
		if want := []float64{1, -1. / 512, 0, 1. / 512}[i]; f != want {
			t.Errorf("%d decodes to %v, not %v", i, f, want)
		}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1 << 22, -1 << 22, math.MaxFloat32} {
		if _, err := p.EncodeInput([]float32{0, 0, bad, 0}); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	if _, err := p.EncodeInput(make([]float32, 3)); err == nil {
		t.Error("three elements are taken for four")
	}
}

package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pascaline/ring"
)

// relu4 is the polynomial of degree 4 that PILLAR trains with.
var relu4 = []float64{322. / 1024, 512. / 1024, 160. / 1024, 0, -3. / 1024}

// builder makes graphs of random weights, scaled so that values keep their size
// from layer to layer.
type builder struct {
	g *Graph
	r *rand.Rand
}

func newBuilder(s Shape) *builder {
	return &builder{
		g: &Graph{Name: "test", Nodes: []GraphNode{{Name: "input", Op: OpInput, Shape: s}}},
		r: rand.New(rand.NewPCG(3, 4)),
	}
}

func (b *builder) node(n GraphNode) int {
	if n.Name == "" {
		n.Name = fmt.Sprintf("%v%d", n.Op, len(b.g.Nodes))
	}
	b.g.Nodes = append(b.g.Nodes, n)
	return len(b.g.Nodes) - 1
}

func (b *builder) linear(in int, s ring.ConvShape, gain float64) int {
	n := GraphNode{
		Op: OpLinear, Inputs: []int{in}, Linear: s, Shape: Shape{s.OutH(), s.OutW(), s.K},
		W: make([]float32, s.WeightLen()), Bias: make([]float32, s.K),
	}
	for i := range n.W {
		n.W[i] = float32(b.r.NormFloat64() * gain / math.Sqrt(float64(s.KH*s.KW*s.C)))
	}
	for i := range n.Bias {
		n.Bias[i] = float32(b.r.NormFloat64() * 0.1)
	}
	return b.node(n)
}

// conv is a square convolution that keeps the size of the image.
func (b *builder) conv(in, k, kernel int) int {
	s := b.g.Nodes[in].Shape
	p := kernel / 2
	return b.linear(in, ring.ConvShape{H: s.H, W: s.W, C: s.C, K: k, KH: kernel, KW: kernel, StrideH: 1, StrideW: 1,
		PadTop: p, PadLeft: p, PadBottom: p, PadRight: p}, 1)
}

func (b *builder) fc(in, k int) int {
	s := b.g.Nodes[in].Shape
	if s.H*s.W != 1 {
		in = b.node(GraphNode{Op: OpReshape, Inputs: []int{in}, Shape: Shape{1, 1, s.Len()}})
	}
	return b.linear(in, ring.LinearShape(s.Len(), k), 1)
}

func (b *builder) pool(in, window int) int {
	s := b.g.Nodes[in].Shape
	p := ring.ConvShape{H: s.H, W: s.W, C: s.C, K: s.C, KH: window, KW: window, StrideH: window, StrideW: window}
	return b.node(GraphNode{Op: OpPool, Inputs: []int{in}, Pool: p, Divisor: float64(window * window),
		Shape: Shape{p.OutH(), p.OutW(), s.C}})
}

func (b *builder) poly(in int) int {
	return b.node(GraphNode{Op: OpPolynomial, Inputs: []int{in}, Shape: b.g.Nodes[in].Shape, Coeffs: relu4})
}

// join puts channels side by side.
func (b *builder) join(in ...int) int {
	n := GraphNode{Op: OpConcat, Inputs: in, Shape: b.g.Nodes[in[0]].Shape}
	n.Shape.C = 0
	for k, j := range in {
		c := b.g.Nodes[j].Shape.C
		n.Parts = append(n.Parts, Part{k, 0, c})
		n.Shape.C += c
	}
	return b.node(n)
}

func (b *builder) add(in ...int) int {
	return b.node(GraphNode{Op: OpAdd, Inputs: in, Shape: b.g.Nodes[in[0]].Shape})
}

// inputs draws n inputs of standard normal elements.
func (b *builder) inputs(n int) [][]float32 {
	x := make([][]float32, n)
	for i := range x {
		x[i] = make([]float32, b.g.Nodes[0].Shape.Len())
		for j := range x[i] {
			x[i][j] = float32(b.r.NormFloat64())
		}
	}
	return x
}

// compilable are graphs that compile, by what they show.
var compilable = map[string]func() *builder{
	"one layer": func() *builder {
		b := newBuilder(Shape{1, 1, 20})
		b.fc(0, 7)
		return b
	},
	"convolutions": func() *builder {
		b := newBuilder(Shape{6, 6, 3})
		b.fc(b.poly(b.conv(b.poly(b.conv(0, 8, 3)), 8, 3)), 5)
		return b
	},
	"a strided convolution, unevenly padded": func() *builder {
		b := newBuilder(Shape{7, 5, 2})
		b.fc(b.poly(b.linear(0, ring.ConvShape{H: 7, W: 5, C: 2, K: 4, KH: 3, KW: 2, StrideH: 2, StrideW: 3, PadTop: 1, PadRight: 2}, 1)), 3)
		return b
	},
	"residual blocks": func() *builder {
		b := newBuilder(Shape{6, 6, 4})
		p := b.poly(b.conv(0, 4, 3))
		p = b.poly(b.add(b.conv(b.poly(b.conv(p, 4, 3)), 4, 3), p))
		p = b.poly(b.add(b.conv(p, 6, 1), b.conv(b.poly(b.conv(p, 6, 3)), 6, 3)))
		b.fc(p, 5)
		return b
	},
	"a pool of four before an activation": func() *builder {
		b := newBuilder(Shape{8, 8, 2})
		b.fc(b.poly(b.pool(b.conv(0, 4, 3), 2)), 5)
		return b
	},
	"a pool of nine before an activation": func() *builder {
		b := newBuilder(Shape{9, 9, 2})
		b.fc(b.poly(b.pool(b.conv(0, 4, 3), 3)), 5)
		return b
	},
	"a pool of nine of a sum": func() *builder {
		b := newBuilder(Shape{9, 9, 2})
		b.fc(b.poly(b.pool(b.add(b.conv(0, 4, 3), b.conv(0, 4, 1)), 3)), 5)
		return b
	},
	"global average pooling": func() *builder {
		b := newBuilder(Shape{7, 7, 2})
		b.fc(b.pool(b.poly(b.conv(0, 6, 3)), 7), 5)
		return b
	},
	"channels joined, of an image and of two activations": func() *builder {
		b := newBuilder(Shape{6, 6, 3})
		p := b.poly(b.conv(0, 4, 3))
		j := b.join(0, b.poly(b.conv(p, 2, 3)), p)
		n := &b.g.Nodes[j]
		n.Parts = append([]Part{{-1, 0, 2}, {2, 3, 1}}, n.Parts...)
		n.Shape.C += 3
		b.fc(b.poly(b.conv(j, 4, 3)), 5)
		return b
	},
	"pools of nine joined": func() *builder {
		b := newBuilder(Shape{9, 9, 2})
		p := b.pool(b.poly(b.conv(0, 4, 3)), 3)
		q := b.pool(b.add(b.conv(0, 3, 3), b.conv(0, 3, 1)), 3)
		b.fc(b.join(p, q, b.linear(p, ring.ConvShape{H: 3, W: 3, C: 4, K: 2, KH: 1, KW: 1, StrideH: 1, StrideW: 1}, 1)), 5)
		return b
	},
	"a bias for each pixel": func() *builder {
		b := newBuilder(Shape{6, 6, 3})
		c := b.conv(0, 4, 3)
		n := &b.g.Nodes[c]
		for range 6*6*4 - 4 {
			n.Bias = append(n.Bias, float32(b.r.NormFloat64()))
		}
		b.fc(b.poly(c), 5)
		return b
	},
	"pools of pools": func() *builder {
		b := newBuilder(Shape{12, 12, 2})
		b.fc(b.pool(b.pool(b.poly(b.conv(0, 4, 3)), 3), 2), 5)
		return b
	},
	"linear layers in a row": func() *builder {
		b := newBuilder(Shape{1, 1, 10})
		b.fc(b.fc(b.poly(b.fc(b.fc(0, 10), 10)), 10), 5)
		return b
	},
	"an activation of the input, and of that": func() *builder {
		b := newBuilder(Shape{1, 1, 10})
		b.fc(b.poly(b.poly(0)), 5)
		return b
	},
	"an activation at the end": func() *builder {
		b := newBuilder(Shape{1, 1, 10})
		b.poly(b.fc(0, 5))
		return b
	},
	"a layer of zeros": func() *builder {
		b := newBuilder(Shape{1, 1, 10})
		l := b.fc(0, 5)
		clear(b.g.Nodes[l].W)
		clear(b.g.Nodes[l].Bias)
		b.fc(b.poly(l), 3)
		return b
	},
	"large weights of few bits": func() *builder {
		b := newBuilder(Shape{1, 1, 10})
		l := b.linear(0, ring.LinearShape(10, 10), 1)
		b.linear(b.poly(l), ring.LinearShape(10, 3), 400)
		return b
	},
	"values far beyond the polynomial": func() *builder {
		b := newBuilder(Shape{1, 1, 10})
		l := b.linear(0, ring.LinearShape(10, 10), 10)
		b.fc(b.poly(l), 3)
		return b
	},
}

func TestCompiledNetworksComputeWhatTheirGraphsDo(t *testing.T) {
	for name, build := range compilable {
		t.Run(name, func(t *testing.T) {
			b := build()
			m, r, err := Compile(b.g, b.inputs(100), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Validate(); err != nil {
				t.Fatal(err)
			}
			// One part in a hundred of the largest output: an activation and a
			// weight have nine fractional bits.
			if r.OutputError > r.OutputMax/100 {
				t.Errorf("outputs are off by %.3g where the largest is %.3g", r.OutputError, r.OutputMax)
			}
			for i := range m.Plan.Nodes {
				if a := m.Plan.Nodes[i].Act; a != nil && a.HidingBits() < 40 {
					t.Errorf("node %q hides with %d bits", m.Plan.Nodes[i].Name, a.HidingBits())
				}
			}
			e, err := NewFixedEvaluator(m)
			if err != nil {
				t.Fatal(err)
			}
			f, err := NewFloatEvaluator(b.g)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range b.inputs(100) { // others than those of the calibration
				got, want := evalBoth(t, m, e, f, x)
				for i := range want {
					if d := math.Abs(got[i] - want[i]); d > r.OutputMax/50 {
						t.Fatalf("output %d is %v, not %v (largest %v)", i, got[i], want[i], r.OutputMax)
					}
				}
			}
		})
	}
}

// evalBoth runs x through fixed point and floats.
func evalBoth(t testing.TB, m *Model, e *FixedEvaluator, f *FloatEvaluator, x []float32) (fixed, float []float64) {
	t.Helper()
	in, err := m.Plan.EncodeInput(x)
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Eval(in)
	if err != nil {
		t.Fatal(err)
	}
	wide := make([]float64, len(x))
	for i := range x {
		wide[i] = float64(x[i])
	}
	values, err := f.Eval(wide)
	if err != nil {
		t.Fatal(err)
	}
	return m.Plan.DecodeOutput(v), values[len(values)-1]
}

func TestCompilingLeavesTheGraphAsItIs(t *testing.T) {
	for name, build := range compilable {
		a, b := build(), build()
		if _, _, err := Compile(a.g, a.inputs(10), Options{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if fmt.Sprint(a.g) != fmt.Sprint(b.g) {
			t.Errorf("%s: the graph changed", name)
		}
	}
}

func TestANetworkBeyondTheBudgetIsRefusedByTheNameOfItsLayer(t *testing.T) {
	for name, c := range map[string]struct {
		build func(*builder)
		opts  Options
		want  []string
	}{
		"a wide range": {func(b *builder) {
			l := b.linear(0, ring.LinearShape(10, 10), 5000)
			b.g.Nodes[l].Name = "fc7"
			b.g.Nodes[b.poly(l)].Name = "act7"
			b.fc(len(b.g.Nodes)-1, 3)
		}, Options{}, []string{`"act7"`, `"fc7"`, "PILLAR", "σ = 40"}},
		"too much hiding": {func(b *builder) {
			b.fc(b.poly(b.fc(0, 10)), 3)
		}, Options{Sigma: 58}, []string{`"polynomial2"`, "σ = 58"}},
		"too many layers in a row": {func(b *builder) {
			l := 0
			for range 5 {
				l = b.fc(l, 10)
			}
			b.fc(b.poly(l), 3)
		}, Options{}, []string{`"polynomial6"`, "5 linear layers", "merge"}},
		"a polynomial beyond 128 bits": {func(b *builder) {
			p := b.poly(b.fc(0, 10))
			b.g.Nodes[p].Coeffs = []float64{0, 0, 0, 0, 0, 0, 0, 0, 1}
			b.fc(p, 3)
		}, Options{Margin: 1000}, []string{`"polynomial2"`, "degree 8", "128 bits"}},
		"values that a steep polynomial makes too large for the next": {func(b *builder) {
			p := b.poly(b.fc(0, 10))
			b.g.Nodes[p].Coeffs = []float64{0, 1, 0, 0, 1 << 29}
			b.fc(b.poly(b.fc(p, 10)), 3)
		}, Options{}, []string{`layer "polynomial4" does not fit`, `from "linear3"`, "leaves 0 fractional bits", "PILLAR"}},
		"values of a polynomial beyond all bits": {func(b *builder) {
			p := b.poly(b.linear(0, ring.LinearShape(10, 10), 20))
			b.g.Nodes[p].Coeffs = []float64{0, 0, 0, 0, 0, 0, 0, 0, 1 << 29}
			b.poly(b.linear(p, ring.LinearShape(10, 3), 1e-20))
		}, Options{}, []string{`layer "polynomial2": its polynomial's values reach`, "leaves 0 of 60 bits", "fitted where its inputs are", "PILLAR"}},
		"outputs that a steep polynomial makes too large": {func(b *builder) {
			p := b.poly(b.linear(0, ring.LinearShape(10, 10), 50))
			b.g.Nodes[p].Coeffs = []float64{0, 0, 0, 0, 0, 0, 0, 0, 1 << 20}
			b.fc(p, 3)
		}, Options{}, []string{`layer "linear3" reaches`, "a linear layer,", "PILLAR"}},
		"weights beyond 16 bits": {func(b *builder) {
			l := b.fc(0, 10)
			b.g.Nodes[l].W[3] = 5000
			b.g.Nodes[b.fc(l, 3)].Name = "last"
		}, Options{}, []string{`"linear1"`, "largest weight"}},
		"scales asked for beyond the budget": {func(b *builder) {
			b.fc(b.poly(b.fc(0, 10)), 3)
		}, Options{ActivationBits: 16, WeightBits: 9}, []string{`"polynomial2"`, "16", "ask for fewer"}},
		"a pool that nothing can divide": {func(b *builder) {
			b.g.Nodes[0].Shape = Shape{3, 3, 1}
			b.g.Nodes[b.pool(b.poly(0), 3)].Name = "avg"
			b.poly(len(b.g.Nodes) - 1)
		}, Options{}, []string{`"avg"`, "9"}},
		"coefficients that are no binary fractions": {func(b *builder) {
			p := b.poly(b.linear(0, ring.LinearShape(10, 10), 1000))
			b.g.Nodes[p].Coeffs = []float64{0, 0, 1e-12}
		}, Options{}, []string{`"polynomial2"`, "2^10"}},
		"another kind of margin": {func(b *builder) { b.fc(0, 1) }, Options{Margin: 0.5}, []string{"margin"}},
		"another kind of sigma":  {func(b *builder) { b.fc(0, 1) }, Options{Sigma: 10}, []string{"σ"}},
		"labels missing":         {func(b *builder) { b.fc(0, 3) }, Options{Labels: []string{"a"}}, []string{"labels"}},
		"a dead node":            {func(b *builder) { b.fc(0, 3); b.fc(0, 3) }, Options{}, []string{`"linear1"`}},
		"no finite values":       {func(b *builder) { b.poly(b.linear(0, ring.LinearShape(10, 3), 1e38)); b.poly(2); b.poly(3) }, Options{}, []string{"yields", "another scale", "range penalty"}},
	} {
		b := newBuilder(Shape{1, 1, 10})
		c.build(b)
		_, _, err := Compile(b.g, b.inputs(20), c.opts)
		if err == nil {
			t.Errorf("%s: compiled", name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v\nlacks %s", name, err, w)
			}
		}
	}
}

// The bits that a refusal says are needed are those that the compiler needs: with one
// more, for a σ that is one less, the network compiles.
func TestARefusalCountsWhatTheCompilerAllots(t *testing.T) {
	for name, c := range map[string]struct {
		build func(*builder) int
		want  string
	}{
		"one layer":               {func(b *builder) int { return b.conv(0, 4, 3) }, "the linear layer before it and what that multiplies need at least 4 each, together 8;"},
		"two layers":              {func(b *builder) int { return b.conv(b.conv(0, 4, 3), 4, 3) }, "the 2 linear layers before it and what they multiply need at least 4 each, together 12;"},
		"a pool behind the layer": {func(b *builder) int { return b.pool(b.conv(0, 4, 3), 2) }, "4 each and average pooling 2, together 10;"},
		"a pool before the layer": {func(b *builder) int { return b.conv(b.pool(0, 2), 4, 3) }, "4 each and average pooling 2, together 10;"},
		"pools on either side":    {func(b *builder) int { return b.pool(b.conv(b.pool(0, 2), 4, 3), 4) }, "4 each and average pooling 6, together 14;"},
		"a branch": {func(b *builder) int {
			return b.add(b.conv(b.pool(0, 2), 4, 3), b.conv(b.conv(b.pool(0, 2), 4, 3), 4, 3))
		}, "the 2 linear layers before it and what they multiply need at least 4 each and average pooling 2, together 14;"},
		"no layer": {func(b *builder) int { return b.add(0, 0) }, "at least 6 are needed;"},
	} {
		b := newBuilder(Shape{8, 8, 4})
		b.fc(b.poly(c.build(b)), 3)
		inputs := b.inputs(5)
		var err error
		sigma := uint(40)
		for ; sigma <= MaxSigma; sigma++ {
			if _, _, err = Compile(b.g, inputs, Options{Sigma: sigma}); err != nil {
				break
			}
		}
		if sigma == 40 || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), fmt.Sprintf("it fits with σ = %d", sigma-1)) {
			t.Errorf("%s, σ = %d: %v\nlacks %s", name, sigma, err, c.want)
			continue
		}
		var left, needed int
		count := regexp.MustCompile(`leaves (\d+) fractional bits, and .*?(\d+)(?: are needed)?;`).FindStringSubmatch(err.Error())
		if _, err := fmt.Sscan(strings.Join(count[1:], " "), &left, &needed); err != nil || left != needed-1 {
			t.Errorf("%s: %d bits are left, and with one more, σ = %d compiles: %v", name, left, sigma-1, count)
		}
	}
}

// What a refusal advises compiles as it is written, at powers of two and off them.
func TestARefusalAdvisesWhatFits(t *testing.T) {
	advised := regexp.MustCompile(`with a margin of ([\d.e+]+)`)
	within := regexp.MustCompile(`with inputs within ±([\d.e+-]+) in`)
	margins, ranges := 0, 0
	for _, largest := range []float32{0.03, 0.5, 0.7, 1, 1.003, 2, 3, 4} {
		for _, margin := range []float64{1, 1.004, 1.5, 2, 3, 4, 7.97, 8, 100, 256, 1000} {
			for sigma := uint(36); sigma < 60; sigma++ {
				b := newBuilder(Shape{1, 1, 4})
				l := b.fc(0, 4)
				clear(b.g.Nodes[l].Bias)
				clear(b.g.Nodes[l].W)
				for i := range 4 {
					b.g.Nodes[l].W[5*i] = 1
				}
				b.fc(b.poly(l), 3)
				compile := func(largest float32, margin float64) error {
					_, _, err := Compile(b.g, [][]float32{{largest, 0, 0, largest}, {0, largest, largest / 2, 0}}, Options{Margin: margin, Sigma: sigma})
					return err
				}
				err := compile(largest, margin)
				if err == nil {
					continue
				}
				if found := advised.FindStringSubmatch(err.Error()); found != nil {
					lower, _ := strconv.ParseFloat(found[1], 64)
					if margins++; !(lower < margin) || compile(largest, lower) != nil {
						t.Errorf("largest value %v, margin %v, σ = %d: a margin of %v is advised, and %v", largest, margin, sigma, lower, compile(largest, lower))
					}
				}
				if found := within.FindStringSubmatch(err.Error()); found != nil {
					smaller, _ := strconv.ParseFloat(found[1], 32)
					if ranges++; compile(float32(smaller), margin) != nil {
						t.Errorf("largest value %v, margin %v, σ = %d: ±%v is advised, and %v", largest, margin, sigma, smaller, compile(float32(smaller), margin))
					}
				}
			}
		}
	}
	if margins == 0 || ranges == 0 {
		t.Errorf("%d margins and %d ranges were advised", margins, ranges)
	}
}

func TestCalibrationInputsMustFit(t *testing.T) {
	b := newBuilder(Shape{1, 1, 10})
	b.fc(0, 3)
	nan := make([]float32, 10)
	nan[4] = float32(math.NaN())
	for name, x := range map[string][][]float32{"none": nil, "short": {make([]float32, 9)}, "not a number": {nan}} {
		if _, _, err := Compile(b.g, x, Options{}); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func TestAskedForScalesAreUsed(t *testing.T) {
	b := compilable["convolutions"]()
	m, _, err := Compile(b.g, b.inputs(20), Options{ActivationBits: 8, WeightBits: 7, Sigma: 44, Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range m.Plan.Nodes {
		if (n.Op == OpInput || n.Op == OpPolynomial) && n.Frac != 8 || n.Op == OpLinear && n.Frac != 15 {
			t.Errorf("node %d %q has %d fractional bits", i, n.Name, n.Frac)
		}
	}
	if m.Plan.Sigma != 44 || m.Plan.Name != "other" {
		t.Errorf("the plan is %q with σ = %d", m.Plan.Name, m.Plan.Sigma)
	}
}

func TestCoefficientsTakeTheSmallestExactScale(t *testing.T) {
	for _, c := range []struct {
		a     []float64
		bound float64
		alpha []int64
		q     uint
	}{
		{relu4, 10, []int64{322, 512, 160, 0, -3}, 10},
		{[]float64{70. / 256, 0.5, 45. / 256, 0, -1. / 256}, 10, []int64{280, 512, 180, 0, -4}, 10},
		{[]float64{0, 0.5, 1. / (1 << 14), 0}, 10, []int64{0, 1 << 13, 1}, 14},
		{[]float64{float64(float32(0.1)), 0.5, 0.25}, 4, []int64{6554, 1 << 15, 1 << 14}, 16},
		{[]float64{0.5, 0, 1.0 / 3 / (1 << 14)}, 100, []int64{1 << 23, 0, 341}, 24},
	} {
		alpha, q, err := coefficients(c.a, c.bound)
		if err != nil || fmt.Sprint(alpha) != fmt.Sprint(c.alpha) || q != c.q {
			t.Errorf("%v: %v over 2^%d (%v), want %v over 2^%d", c.a, alpha, q, err, c.alpha, c.q)
		}
	}
	for _, a := range [][]float64{nil, {1}, {1, 2, 0, 0}, make([]float64, 10), {1, 2, math.NaN()}, {1, 2, math.Inf(1)}, {0, 0, 1e-15}} {
		if _, _, err := coefficients(a, 10); err == nil {
			t.Errorf("%v: taken", a)
		}
	}
}

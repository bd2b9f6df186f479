package model

import (
	"math"
	"math/rand"
	"strings"
	"testing"

	"pascaline/ring"
)

// TestFloatConvolutionsAndPoolsAgreeWithTheRing compares on integers, which
// both compute exactly.
func TestFloatConvolutionsAndPoolsAgreeWithTheRing(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		s := ring.ConvShape{
			H: 1 + r.Intn(7), W: 1 + r.Intn(7), C: 1 + r.Intn(9), K: 1 + r.Intn(9), KH: 1 + r.Intn(4), KW: 1 + r.Intn(4),
			StrideH: 1 + r.Intn(3), StrideW: 1 + r.Intn(3),
			PadTop: r.Intn(6), PadLeft: r.Intn(6), PadBottom: r.Intn(6), PadRight: r.Intn(6),
		}
		if s.Validate() != nil {
			continue
		}
		src, want := make([]uint64, s.InLen()), make([]uint64, s.OutLen())
		w, wf := make([]int16, s.WeightLen()), make([]float32, s.WeightLen())
		x, got := make([]float64, s.InLen()), make([]float64, s.OutLen())
		for i := range src {
			x[i] = float64(r.Intn(5) - 2)
			src[i] = uint64(int64(x[i]))
		}
		for i := range w {
			w[i] = int16(r.Intn(200) - 100)
			wf[i] = float32(w[i])
		}
		check := func(what string, s ring.ConvShape, offset float64) {
			t.Helper()
			for i, v := range want {
				if got[i] != float64(int64(v))+offset {
					t.Fatalf("%s %+v: element %d is %v, not %v", what, s, i, got[i], float64(int64(v))+offset)
				}
			}
		}
		bias := make([]float32, s.K)
		if r.Intn(2) == 0 {
			bias = make([]float32, s.OutLen())
		}
		for i := range bias {
			bias[i] = 3
		}
		ring.Conv(want, src, w, s)
		floatConv(got, x, wf, bias, s)
		check("convolution", s, 3)
		s.K = s.C
		want, got = make([]uint64, s.OutLen()), make([]float64, s.OutLen())
		ring.SumPool(want, src, s)
		floatPool(got, x, s, 1)
		check("pool", s, 0)
	}
}

// sampleGraph has a node of every operation.
func sampleGraph() *Graph {
	conv := ring.ConvShape{H: 4, W: 4, C: 1, K: 2, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	pool := ring.ConvShape{H: 4, W: 4, C: 2, K: 2, KH: 2, KW: 2, StrideH: 2, StrideW: 2}
	return &Graph{Name: "sample", Nodes: []GraphNode{
		{Name: "x", Op: OpInput, Shape: Shape{4, 4, 1}},
		{Name: "conv", Op: OpLinear, Inputs: []int{0}, Shape: Shape{4, 4, 2}, Linear: conv,
			W: []float32{1, -1, 2, 0, 0, 1, 1, 1, 3, -2, 0, 0, 1, 0, 0, 1, 2, 2}, Bias: []float32{0.5, -0.5}},
		{Name: "act", Op: OpPolynomial, Inputs: []int{1}, Shape: Shape{4, 4, 2}, Coeffs: []float64{1, 0.5, 0.25}},
		{Name: "add", Op: OpAdd, Inputs: []int{1, 2}, Shape: Shape{4, 4, 2}},
		{Name: "pool", Op: OpPool, Inputs: []int{3}, Shape: Shape{2, 2, 2}, Pool: pool, Divisor: 4},
		{Name: "flat", Op: OpReshape, Inputs: []int{4}, Shape: Shape{1, 1, 8}},
		{Name: "fc", Op: OpLinear, Inputs: []int{5}, Shape: Shape{1, 1, 2}, Linear: ring.LinearShape(8, 2),
			W: make([]float32, 16), Bias: []float32{1, 2}},
	}}
}

func TestEvaluationYieldsEveryNodesValues(t *testing.T) {
	g := sampleGraph()
	e, err := NewFloatEvaluator(g)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second call finds the buffers of the first
		values, err := e.Eval([]float64{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		if err != nil {
			t.Fatal(err)
		}
		if len(values) != len(g.Nodes) {
			t.Fatalf("%d nodes, not %d", len(values), len(g.Nodes))
		}
		// One pixel at (1, 1) puts the kernel, turned round, on the pixels
		// around it.
		if got := values[1][(1*4+1)*2]; got != 3.5 {
			t.Errorf("the convolution is %v in the middle, not 3 + 0.5", got)
		}
		if got := values[1][(3*4+3)*2+1]; got != -0.5 {
			t.Errorf("the convolution is %v far away, not the bias -0.5", got)
		}
		if got := values[2][(1*4+1)*2]; got != 1+0.5*3.5+0.25*3.5*3.5 {
			t.Errorf("the polynomial of 3.5 is %v", got)
		}
		for i, v := range values[3] {
			if v != values[1][i]+values[2][i] {
				t.Fatalf("element %d of the sum is %v", i, v)
			}
		}
		if got, want := values[4][0], (values[3][0]+values[3][2]+values[3][8]+values[3][10])/4; got != want {
			t.Errorf("the first mean is %v, not %v", got, want)
		}
		if out := values[6]; out[0] != 1 || out[1] != 2 {
			t.Errorf("the output is %v, not the biases", out)
		}
	}
	if _, err := e.Eval(make([]float64, 15)); err == nil || !strings.Contains(err.Error(), "15 elements") {
		t.Errorf("an input too short: error %v", err)
	}
}

func TestAGraphThatDoesNotHoldTogetherIsRefused(t *testing.T) {
	if err := sampleGraph().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(g *Graph)
		want   string
	}{
		"no nodes":              {func(g *Graph) { g.Nodes = nil }, "0 nodes"},
		"only an input":         {func(g *Graph) { g.Nodes = g.Nodes[:1] }, "1 nodes"},
		"a name for a terminal": {func(g *Graph) { g.Name = "\x1b[2J" }, "unprintable"},
		"a node's name":         {func(g *Graph) { g.Nodes[1].Name = strings.Repeat("x", 300) }, "300 bytes"},
		"two inputs":            {func(g *Graph) { g.Nodes[2].Op = OpInput }, "no other, is the input"},
		"no input":              {func(g *Graph) { g.Nodes[0].Op = OpReshape }, "first node"},
		"an unknown operation":  {func(g *Graph) { g.Nodes[2].Op = opAffine }, "unknown operation"},
		"a later node":          {func(g *Graph) { g.Nodes[2].Inputs = []int{3} }, "does not come before"},
		"a negative node":       {func(g *Graph) { g.Nodes[2].Inputs = []int{-1} }, "does not come before"},
		"too few inputs":        {func(g *Graph) { g.Nodes[3].Inputs = []int{2} }, "inputs"},
		"too many inputs":       {func(g *Graph) { g.Nodes[2].Inputs = []int{1, 1} }, "inputs"},
		"an empty shape":        {func(g *Graph) { g.Nodes[0].Shape.H = 0 }, "dimension"},
		"another shape":         {func(g *Graph) { g.Nodes[1].Shape.H = 5 }, "yields"},
		"another input":         {func(g *Graph) { g.Nodes[1].Linear.C = 2 }, "its input is"},
		"fewer weights":         {func(g *Graph) { g.Nodes[1].W = g.Nodes[1].W[1:] }, "17 weights"},
		"no bias":               {func(g *Graph) { g.Nodes[1].Bias = nil }, "0 biases"},
		"an infinite weight":    {func(g *Graph) { g.Nodes[1].W[3] = float32(math.Inf(1)) }, "weight 3 is +Inf"},
		"a bias that is none":   {func(g *Graph) { g.Nodes[1].Bias[1] = float32(math.NaN()) }, "bias 1 is NaN"},
		"an elementwise shape":  {func(g *Graph) { g.Nodes[2].Shape.C = 3 }, "elementwise"},
		"degree 1":              {func(g *Graph) { g.Nodes[2].Coeffs = []float64{1, 2} }, "degree"},
		"degree 9":              {func(g *Graph) { g.Nodes[2].Coeffs = []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1} }, "degree"},
		"a vanishing top":       {func(g *Graph) { g.Nodes[2].Coeffs[2] = 0 }, "degree"},
		"a coefficient":         {func(g *Graph) { g.Nodes[2].Coeffs[1] = math.Inf(-1) }, "coefficient 1"},
		"a sum of shapes":       {func(g *Graph) { g.Nodes[3].Inputs[0] = 0 }, "adds"},
		"a pool of channels":    {func(g *Graph) { g.Nodes[4].Pool.K = 3 }, "pools"},
		"a divisor of zero":     {func(g *Graph) { g.Nodes[4].Divisor = 0 }, "divisor"},
		"a reshape":             {func(g *Graph) { g.Nodes[5].Shape.C = 9 }, "reshapes"},
		"parameters of others":  {func(g *Graph) { g.Nodes[5].Bias = []float32{1} }, "parameters"},
		"a node without reader": {func(g *Graph) { g.Nodes[3].Inputs[1] = 1 }, "nothing uses"},
	} {
		t.Run(name, func(t *testing.T) {
			g := sampleGraph()
			c.change(g)
			err := g.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not say %q", err, c.want)
			}
			if _, err := g.Float(make([]float64, 16)); err == nil {
				t.Error("it was evaluated")
			}
		})
	}
}

func BenchmarkFloatEvaluatorMNIST(b *testing.B) {
	g, _, err := ImportONNXFile(mnist, ImportOptions{})
	if err != nil {
		b.Fatal(err)
	}
	e, err := NewFloatEvaluator(g)
	if err != nil {
		b.Fatal(err)
	}
	x := make([]float64, 28*28)
	for i := range x {
		x[i] = float64(i%7) / 7
	}
	for b.Loop() {
		if _, err := e.Eval(x); err != nil {
			b.Fatal(err)
		}
	}
}

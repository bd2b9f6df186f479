package model

import (
	"math"
	"strings"
	"testing"
)

// stand is the polynomial that stands for a function in tests: one that no other
// has.
func stand(name string) polynomial {
	p := polynomial{0.25, 0.5, 0.125}
	for i, f := range functions {
		if f == name {
			p[0] += float64(i)
		}
	}
	return p
}

func stands(names ...string) map[string][]float64 {
	m := map[string][]float64{}
	for _, n := range names {
		m[n] = stand(n)
	}
	return m
}

// spellings are expressions in x, what they are in functions, and what that is with
// polynomials in their places.
var spellings = []struct {
	name  string
	spell func(b *onnxBuilder, x string) string
	given string // functions
	want  polynomial
}{
	{"Relu", func(b *onnxBuilder, x string) string { return b.node("Relu", x) }, "relu", stand("relu")},
	{"relu by Max", func(b *onnxBuilder, x string) string { return b.node("Max", b.number(-1), x, b.number(0)) }, "relu", stand("relu")},
	{"relu by Clip", func(b *onnxBuilder, x string) string { return b.node("Clip", x, b.number(0)) }, "relu", stand("relu")},
	{"relu by Clip with attributes", func(b *onnxBuilder, x string) string {
		return b.node("Clip", x, floatAttr("min", 0), floatAttr("max", math.MaxFloat32))
	}, "relu", stand("relu")},
	{"relu, scaled inside and out", func(b *onnxBuilder, x string) string {
		y := b.node("Relu", b.node("Add", b.node("Mul", x, b.number(2)), b.number(1)))
		return b.node("Sub", b.node("Mul", y, b.number(3)), x)
	}, "relu", stand("relu").of(polynomial{1, 2}).times(polynomial{3}).plus(polynomial{0, -1}, 1)},
	{"the smaller of x and 2", func(b *onnxBuilder, x string) string { return b.node("Min", x, b.number(2)) },
		"relu", polynomial{2}.plus(stand("relu").of(polynomial{2, -1}), -1)},
	{"Clip from -1", func(b *onnxBuilder, x string) string { return b.node("Clip", x, b.number(-1)) },
		"relu", polynomial{-1}.plus(stand("relu").of(polynomial{1, 1}), 1)},
	{"a leaky relu of another slope", func(b *onnxBuilder, x string) string { return b.node("LeakyRelu", x, floatAttr("alpha", 0.25)) },
		"relu", polynomial{0, 0.25}.plus(stand("relu"), 0.75)},
	{"LeakyRelu", func(b *onnxBuilder, x string) string { return b.node("LeakyRelu", x) }, "leakyrelu relu", stand("leakyrelu")},
	{"relu6", func(b *onnxBuilder, x string) string { return b.node("Clip", x, b.number(0), b.number(6)) }, "relu6 clip", stand("relu6")},
	{"relu6 by Min", func(b *onnxBuilder, x string) string { return b.node("Min", b.node("Relu", x), b.number(6)) }, "relu6 relu", stand("relu6")},
	{"HardSigmoid", func(b *onnxBuilder, x string) string { return b.node("HardSigmoid", x, floatAttr("alpha", 1./6)) },
		"hardsigmoid relu6", stand("hardsigmoid")},
	{"hardsigmoid by Clip", func(b *onnxBuilder, x string) string {
		return b.node("Div", b.node("Clip", b.node("Add", x, b.number(3)), b.number(0), b.number(6)), b.number(6))
	}, "hardsigmoid", stand("hardsigmoid")},
	{"HardSwish", func(b *onnxBuilder, x string) string { return b.node("HardSwish", x) }, "hardswish", stand("hardswish")},
	{"hardswish by HardSigmoid", func(b *onnxBuilder, x string) string {
		return b.node("Mul", b.node("HardSigmoid", x, floatAttr("alpha", 1./6)), x)
	}, "hardswish hardsigmoid", stand("hardswish")},
	{"hardswish by Clip", func(b *onnxBuilder, x string) string {
		y := b.node("Clip", b.node("Add", x, b.number(3)), b.number(0), b.number(6))
		return b.node("Mul", b.node("Mul", x, y), b.number(1./6))
	}, "hardswish", stand("hardswish")},
	{"Sigmoid", func(b *onnxBuilder, x string) string { return b.node("Sigmoid", x) }, "sigmoid silu", stand("sigmoid")},
	{"silu", func(b *onnxBuilder, x string) string { return b.node("Mul", x, b.node("Sigmoid", x)) }, "silu sigmoid", stand("silu")},
	{"silu, scaled", func(b *onnxBuilder, x string) string {
		y := b.node("Sub", x, b.number(1))
		return b.node("Neg", b.node("Mul", b.node("Sigmoid", b.node("Mul", y, b.number(1.5))), y))
	}, "silu", stand("silu").of(polynomial{-1.5, 1.5}).times(polynomial{-1 / 1.5})},
	{"Swish", func(b *onnxBuilder, x string) string { return b.node("Swish", x) }, "silu", stand("silu")},
	{"silu by a polynomial for the sigmoid", func(b *onnxBuilder, x string) string { return b.node("Mul", x, b.node("Sigmoid", x)) },
		"sigmoid", stand("sigmoid").times(polynomial{0, 1})},
	{"Tanh", func(b *onnxBuilder, x string) string { return b.node("Tanh", x) }, "tanh gelu mish", stand("tanh")},
	{"Softplus", func(b *onnxBuilder, x string) string { return b.node("Softplus", x) }, "softplus", stand("softplus")},
	{"Mish", func(b *onnxBuilder, x string) string { return b.node("Mish", x) }, "mish", stand("mish")},
	{"mish written out", func(b *onnxBuilder, x string) string { return b.node("Mul", x, b.node("Tanh", b.node("Softplus", x))) },
		"mish tanh softplus", stand("mish")},
	{"Elu", func(b *onnxBuilder, x string) string { return b.node("Elu", x) }, "elu", stand("elu")},
	{"Celu", func(b *onnxBuilder, x string) string { return b.node("Celu", x) }, "elu", stand("elu")},
	{"Selu", func(b *onnxBuilder, x string) string { return b.node("Selu", x) }, "selu", stand("selu")},
	{"Gelu", func(b *onnxBuilder, x string) string { return b.node("Gelu", x) }, "gelu", stand("gelu")},
	{"Gelu by tanh", func(b *onnxBuilder, x string) string { return b.node("Gelu", x, stringAttr("approximate", "tanh")) }, "gelu", stand("gelu")},
	{"gelu as PyTorch writes it", func(b *onnxBuilder, x string) string {
		y := b.node("Erf", b.node("Div", x, b.number(1.4142135)))
		return b.node("Mul", b.node("Mul", x, b.node("Add", y, b.number(1))), b.number(0.5))
	}, "gelu", stand("gelu")},
	{"gelu multiplied out", func(b *onnxBuilder, x string) string {
		h := b.node("Mul", b.number(0.5), x)
		y := b.node("Identity", b.node("Erf", b.node("Mul", x, b.number(0.70710677))))
		return b.node("Sum", h, b.node("Mul", y, h))
	}, "gelu", stand("gelu")},
	{"gelu of more than x", func(b *onnxBuilder, x string) string {
		x = b.node("Mul", b.node("Add", x, b.number(1)), b.number(-2))
		y := b.node("Erf", b.node("Div", x, b.number(1.4142135)))
		return b.node("Mul", x, b.node("Div", b.node("Add", b.number(1), y), b.number(2)))
	}, "gelu", stand("gelu").of(polynomial{-2, -2})},
	{"gelu by tanh as PyTorch writes it", func(b *onnxBuilder, x string) string {
		y := b.node("Mul", b.node("Mul", b.node("Mul", x, x), x), b.number(0.044715))
		y = b.node("Tanh", b.node("Mul", b.node("Add", x, y), b.number(0.7978846)))
		return b.node("Mul", b.node("Mul", x, b.number(0.5)), b.node("Add", y, b.number(1)))
	}, "gelu tanh", stand("gelu")},
	{"gelu by tanh of more than x", func(b *onnxBuilder, x string) string {
		x = b.node("Sub", b.node("Mul", x, b.number(1.5)), b.number(2))
		y := b.node("Mul", b.node("Pow", x, b.number(3)), b.number(0.044715))
		y = b.node("Tanh", b.node("Mul", b.node("Add", x, y), b.number(0.7978846)))
		return b.node("Mul", b.node("Add", y, b.number(1)), b.node("Div", x, b.number(2)))
	}, "gelu", stand("gelu").of(polynomial{-2, 1.5})},
	{"clipping left out", func(b *onnxBuilder, x string) string {
		y := b.node("Clip", x, b.number(-5), b.number(5))
		return b.node("Mul", y, y)
	}, "clip", polynomial{0, 0, 1}},
	{"a sum of two functions", func(b *onnxBuilder, x string) string { return b.node("Add", b.node("Tanh", x), b.node("Sigmoid", x)) },
		"tanh sigmoid", stand("tanh").plus(stand("sigmoid"), 1)},
	{"a product of two functions", func(b *onnxBuilder, x string) string { return b.node("Mul", b.node("Tanh", x), b.node("Sigmoid", x)) },
		"tanh sigmoid", stand("tanh").times(stand("sigmoid"))},
	{"a square of a function", func(b *onnxBuilder, x string) string { return b.node("Pow", b.node("Relu", x), b.number(2)) },
		"relu", stand("relu").times(stand("relu"))},
	{"a function of a function", func(b *onnxBuilder, x string) string { return b.node("Tanh", b.node("Relu", x)) },
		"relu tanh", stand("tanh").of(stand("relu"))},
	{"a function that cancels", func(b *onnxBuilder, x string) string {
		y := b.node("Tanh", x)
		return b.node("Sub", b.node("Add", b.node("Mul", x, x), y), y)
	}, "", polynomial{0, 0, 1}},
}

func TestFunctionsAreRecognisedInEverySpelling(t *testing.T) {
	for _, s := range spellings {
		t.Run(s.name, func(t *testing.T) {
			opts := ImportOptions{Activations: map[string][]float64{}}
			for _, name := range strings.Fields(s.given) {
				if opts.Activations[name] = stand(name); name == "clip" {
					opts.Activations[name] = identity()
				}
			}
			b := newONNX(1, 4, 3, 3)
			g, _, err := ImportONNX(b.bytes(t, s.spell(b, "x")), opts)
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Nodes) != 2 || !s.want.near(g.Nodes[1].Coeffs) {
				t.Fatalf("became %s with %v, not a polynomial with %v", ops(g), g.Nodes[1].Coeffs, s.want)
			}
		})
	}
}

func TestReplacedFunctionsAreNamedOnTheirNodes(t *testing.T) {
	b := newONNX(1, 2, 6, 6)
	y := b.conv("x", 2, 3, 3, 1, 1)
	y = b.node("AveragePool", b.node("Relu", y), intsAttr("kernel_shape", 2, 2))
	y = b.node("Relu", b.node("Mul", b.conv(y, 3, 3, 3, 1, 1), b.number(2)))
	y = b.linear(b.node("Flatten", b.square(b.conv(y, 3, 1, 3, 1, 1))), 25, 3)
	g, notes, err := ImportONNX(b.bytes(t, y), ImportOptions{Activations: stands("relu", "tanh")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range g.Nodes {
		if n.Op == OpPolynomial {
			got = append(got, n.Replaces)
		}
	}
	// The argument of the second is twice the node's input; the third replaces nothing.
	if strings.Join(got, ",") != "relu,," {
		t.Errorf("they replace %q", got)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "tanh") {
		t.Errorf("notes %q, not one on the polynomial without use", notes)
	}
}

func TestClippingOfWhatInputsHoldIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		name      string
		low, high float64
		clip      func(b *onnxBuilder) string
		dropped   bool
	}{
		{"pixels", 0, 1, func(b *onnxBuilder) string { return b.node("Clip", "x", b.number(0), b.number(1)) }, true},
		{"pixels from below", 0, 1, func(b *onnxBuilder) string { return b.node("Relu", "x") }, true},
		{"pixels of 255", 0, 1, func(b *onnxBuilder) string {
			return b.node("Clip", b.node("Mul", "x", b.number(255)), b.number(0), b.number(255))
		}, true},
		{"normalised pixels", 0, 1, func(b *onnxBuilder) string {
			y := b.node("Div", b.node("Sub", "x", b.random(0.5, 2, 1, 1)), b.random(1.5, 2, 1, 1))
			return b.node("Clip", b.node("Neg", y), b.number(-1.1), b.number(1.1))
		}, true},
		{"too narrow", 0, 1, func(b *onnxBuilder) string { return b.node("Clip", "x", b.number(0), b.number(0.9)) }, false},
		{"too narrow for normalised pixels", 0, 1, func(b *onnxBuilder) string {
			return b.node("Clip", b.node("Mul", "x", b.random(3, 2, 1, 1)), b.number(0), b.number(2))
		}, false},
		{"negated pixels", 0, 1, func(b *onnxBuilder) string { return b.node("Clip", b.node("Neg", "x"), b.number(-1), b.number(0)) }, true},
		{"negated pixels where those were", 0, 1, func(b *onnxBuilder) string { return b.node("Clip", b.node("Neg", "x"), b.number(0), b.number(1)) }, false},
		{"inputs of any size", 0, 0, func(b *onnxBuilder) string { return b.node("Clip", "x", b.number(0), b.number(1)) }, false},
		{"not the input", 0, 1, func(b *onnxBuilder) string {
			return b.node("Clip", b.conv("x", 2, 2, 3, 1, 1), b.number(-100), b.number(100))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newONNX(1, 2, 4, 4)
			_, notes, err := ImportONNX(b.bytes(t, b.conv(c.clip(b), 2, 3, 3, 1, 1)), ImportOptions{Low: c.low, High: c.high})
			switch {
			case !c.dropped && err == nil:
				t.Error("left out")
			case c.dropped && err != nil:
				t.Error(err)
			case c.dropped && (len(notes) != 1 || !strings.Contains(notes[0], "is left out")):
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestASoftmaxAtTheEndIsLeftOutOnRequest(t *testing.T) {
	for _, op := range []string{"Softmax", "LogSoftmax"} {
		b := newONNX(1, 4)
		g, notes, err := ImportONNX(b.bytes(t, b.node(op, b.linear("x", 4, 3))), ImportOptions{Activations: map[string][]float64{"softmax": {0, 1}}})
		if err != nil || ops(g) != "linear" || len(notes) != 1 {
			t.Errorf("%s: %v, %q", op, err, notes)
		}
	}
	b := newONNX(1, 4)
	y := b.node("Softmax", b.linear("x", 4, 3))
	if _, _, err := ImportONNX(b.bytes(t, b.linear(y, 3, 2)), ImportOptions{Activations: map[string][]float64{"softmax": {0, 1}}}); err == nil {
		t.Error("one that is not at the end is left out")
	}
}

func TestAnIncreasingFunctionIsLeftOutAtTheEndAlone(t *testing.T) {
	for _, op := range []string{"Sigmoid", "Tanh", "Softplus", "Elu", "Selu", "LeakyRelu"} {
		without := ImportOptions{Activations: map[string][]float64{functionOperators[op]: {0, 1}}}
		for name, end := range map[string]func(b *onnxBuilder, y string) string{
			"alone":       func(b *onnxBuilder, y string) string { return y },
			"and a shape": func(b *onnxBuilder, y string) string { return b.node("Flatten", y) },
		} {
			b := newONNX(1, 4)
			g, notes, err := ImportONNX(b.bytes(t, end(b, b.node(op, b.linear("x", 4, 3)))), without)
			if err != nil || ops(g) != "linear" || len(notes) != 1 || !strings.Contains(notes[0], "order is the same") {
				t.Errorf("%s %s: %v, %q", op, name, err, notes)
			}
		}
		for name, end := range map[string]func(b *onnxBuilder, y string) string{
			"before a layer":         func(b *onnxBuilder, y string) string { return b.linear(y, 3, 2) },
			"negated":                func(b *onnxBuilder, y string) string { return b.node("Neg", y) },
			"times its argument":     func(b *onnxBuilder, y string) string { return b.node("Mul", y, y) },
			"beside another branch":  func(b *onnxBuilder, y string) string { return b.node("Add", y, b.linear(y, 3, 3)) },
			"twice":                  func(b *onnxBuilder, y string) string { return b.node(op, y) },
			"before another at last": func(b *onnxBuilder, y string) string { return b.node(op, b.linear(y, 3, 2)) },
		} {
			b := newONNX(1, 4)
			_, _, err := ImportONNX(b.bytes(t, end(b, b.node(op, b.linear("x", 4, 3)))), without)
			if err == nil || !strings.Contains(err.Error(), "can be left out only where nothing follows but the network's outputs") {
				t.Errorf("%s %s: error %v", op, name, err)
			}
		}
	}
	b := newONNX(1, 4)
	y := b.linear("x", 4, 3)
	_, _, err := ImportONNX(b.bytes(t, b.node("Mul", y, b.node("Sigmoid", y))), ImportOptions{Activations: map[string][]float64{"sigmoid": {0, 1}}})
	if err == nil {
		t.Error("SiLU without its sigmoid is a square")
	}
	if err := CheckActivation("relu", []float64{0, 1}); err == nil || strings.Contains(err.Error(), "--") {
		t.Errorf("relu left out: error %v", err)
	}
}

func TestWhatCannotStandForAFunctionIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		opts ImportOptions
		want string
	}{
		"an unknown function":    {ImportOptions{Activations: map[string][]float64{"sin": {0, 1, 2}}}, `"sin"`},
		"no coefficients":        {ImportOptions{Activations: map[string][]float64{"relu": nil}}, "degree 0"},
		"a constant":             {ImportOptions{Activations: map[string][]float64{"relu": {1, 0, 0}}}, "degree 0"},
		"a straight line":        {ImportOptions{Activations: map[string][]float64{"relu": {0, 0.5}}}, "degree 1; it must be from 2 to 8"},
		"an activation left out": {ImportOptions{Activations: map[string][]float64{"relu": {0, 1}}}, "relu cannot be left out"},
		"degree 9":               {ImportOptions{Activations: map[string][]float64{"relu": {9: 1}}}, "degree 9"},
		"not a number":           {ImportOptions{Activations: map[string][]float64{"relu": {1, math.NaN(), 2}}}, "NaN"},
		"a clip to fit":          {ImportOptions{Activations: map[string][]float64{"clip": {0, 1, 1}}}, "left out"},
		"inputs in disorder":     {ImportOptions{Low: 1}, "inputs from 1 to 0"},
		"endless inputs":         {ImportOptions{High: math.Inf(1)}, "inputs"},
	} {
		b := newONNX(1, 4)
		_, _, err := ImportONNX(b.bytes(t, b.square("x")), c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	b := newONNX(1, 4)
	y := b.node("Relu", "x")
	y = b.node("Mul", b.node("Mul", y, y), y)
	_, _, err := ImportONNX(b.bytes(t, b.node("Mul", y, y)), ImportOptions{Activations: map[string][]float64{"relu": {0, 1, 1}}})
	if err == nil || !strings.Contains(err.Error(), "degree 12") {
		t.Errorf("degree 12: error %v", err)
	}
	b = newONNX(1, 4)
	_, _, err = ImportONNX(b.bytes(t, b.node("Mul", "x", b.node("Sigmoid", "x"))), ImportOptions{Activations: map[string][]float64{"silu": {7: 1}}})
	if err != nil {
		t.Errorf("degree 7: error %v", err)
	}
	b = newONNX(1, 4)
	_, _, err = ImportONNX(b.bytes(t, b.node("Mul", "x", b.node("Sigmoid", "x"))), ImportOptions{Activations: map[string][]float64{"sigmoid": {8: 1}}})
	if err == nil || !strings.Contains(err.Error(), "silu=poly") {
		t.Errorf("degree 9 by way of the sigmoid: error %v", err)
	}
}

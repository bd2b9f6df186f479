package pillar

import (
	"fmt"
	"math"
	"strings"
)

var functions = []struct {
	name string
	f    func(float64) float64
}{
	{"relu", func(x float64) float64 { return max(0, x) }},
	{"silu", func(x float64) float64 { return x * sigmoid(x) }},
	// x·Φ(x), not the approximation by tanh; erfc keeps the digits of its left tail.
	{"gelu", func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }},
	{"tanh", math.Tanh},
	{"sigmoid", sigmoid},
	{"relu6", func(x float64) float64 { return min(max(0, x), 6) }},
	{"leakyrelu", func(x float64) float64 { return max(x, x/100) }},
	{"elu", elu},
	// Klambauer et al., Self-Normalizing Neural Networks.
	{"selu", func(x float64) float64 {
		const scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
		if x > 0 {
			return scale * x
		}
		return scale * alpha * elu(x)
	}},
	{"mish", func(x float64) float64 { return x * math.Tanh(softplus(x)) }},
	{"softplus", softplus},
	{"hardsigmoid", hardSigmoid},
	{"hardswish", func(x float64) float64 { return x * hardSigmoid(x) }},
}

func elu(x float64) float64 {
	if x > 0 {
		return x
	}
	return math.Expm1(x)
}

// softplus is log(1 + exp(x)) without overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func hardSigmoid(x float64) float64 { return min(max(0, x+3), 6) / 6 }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Names returns the names of the functions that Function knows.
func Names() []string {
	names := make([]string, len(functions))
	for i := range functions {
		names[i] = functions[i].name
	}
	return names
}

// Function returns the activation function of a name.
func Function(name string) (func(float64) float64, error) {
	for _, known := range functions {
		if known.name == name {
			return known.f, nil
		}
	}
	return nil, fmt.Errorf("no function %q; there are %s", name, strings.Join(Names(), ", "))
}

// Normal returns the weight exp(−x²/2·deviation²): that of inputs around 0 with
// this standard deviation, as batch norm makes them.
func Normal(deviation float64) (func(float64) float64, error) {
	if !(deviation > 0) || math.IsInf(deviation, 1) {
		return nil, fmt.Errorf("a normal weight of width %v; the width must be a positive number", deviation)
	}
	return func(x float64) float64 { return math.Exp(-x / deviation * x / deviation / 2) }, nil
}

package model

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestAVariantIsWhatCompilingWithOtherOptionsMakes(t *testing.T) {
	for name, build := range compilable {
		for what, c := range map[string]struct {
			opts Options
			v    Variant
		}{
			"nothing changed":    {Options{}, Variant{}},
			"more hiding":        {Options{Sigma: 44}, Variant{Sigma: 44}},
			"less hiding":        {Options{Sigma: 32}, Variant{Sigma: 32}},
			"a wider margin":     {Options{Margin: 4}, Variant{Margin: 4}},
			"fixed activations":  {Options{ActivationBits: 6}, Variant{ActivationBits: 6}},
			"fixed weights":      {Options{WeightBits: 5}, Variant{WeightBits: 5}},
			"all of it together": {Options{Sigma: 36, Margin: 1.1, ActivationBits: 7, WeightBits: 6}, Variant{Sigma: 36, Margin: 1.1, ActivationBits: 7, WeightBits: 6}},
		} {
			b := build()
			inputs := b.inputs(20)
			m, _, err := Compile(b.g, inputs, Options{})
			if err != nil {
				t.Fatal(err)
			}
			want, _, wantErr := Compile(b.g, inputs, c.opts)
			got, err := m.Variant(c.v)
			if wantErr != nil || err != nil {
				if (err == nil) != (wantErr == nil) || !strings.HasSuffix(wantErr.Error(), strings.TrimPrefix(err.Error(), `changing plan "test"`)) {
					t.Errorf("%s, %s: %v, but compiling says %v", name, what, err, wantErr)
				}
				continue
			}
			got.Weights = want.Plan.Weights
			if !reflect.DeepEqual(got, want.Plan) {
				t.Errorf("%s, %s: %+v, but compiling makes %+v", name, what, got, want.Plan)
			}
		}
	}
}

// A plan has ranges up to a power of two, which is what counts where values are
// opened, but not how large weights are: bits are shared out a little differently.
func TestAPlanAloneHasAboutTheSameVariants(t *testing.T) {
	for name, build := range compilable {
		if name == "a layer of zeros" { // which anything fits
			continue
		}
		b := build()
		m, _, err := Compile(b.g, b.inputs(20), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, sigma := range []uint{0, 38, 43} {
			want, err := m.Variant(Variant{Sigma: sigma})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := m.PlanOnly().Variant(Variant{Sigma: sigma})
			if err != nil {
				t.Errorf("%s, σ = %d: %v", name, sigma, err)
				continue
			}
			opened := make([]bool, len(got.Nodes)) // a polynomial follows
			for i := len(got.Nodes) - 1; i >= 0; i-- {
				for _, j := range got.Nodes[i].Inputs {
					opened[j] = opened[j] || opened[i] || got.Nodes[i].Act != nil
				}
				g, w := &got.Nodes[i], &want.Nodes[i]
				if d := int(g.Frac) - int(w.Frac); opened[i] && (d < -2 || d > 2) {
					t.Errorf("%s, σ = %d: node %q has %d fractional bits, not %d", name, sigma, g.Name, g.Frac, w.Frac)
				}
				if g.Act != nil && g.Act.M != w.Act.M {
					t.Errorf("%s, σ = %d: node %q is below 2^%d, not 2^%d", name, sigma, g.Name, g.Act.M, w.Act.M)
				}
			}
		}
	}
}

func TestACompiledModelHasTheGraphThatItWasCompiledFrom(t *testing.T) {
	for name, build := range compilable {
		b := build()
		m, _, err := Compile(b.g, b.inputs(20), Options{})
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Graph()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range g.Nodes {
			got, want := g.Nodes[i], b.g.Nodes[i]
			// The rest is rounded, or has a divisor folded into it.
			got.W, got.Bias, got.Coeffs, got.Divisor = want.W, want.Bias, want.Coeffs, want.Divisor
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, not %+v", name, got, want)
			}
		}
	}
}

func TestAVariantMayHaveOtherPolynomials(t *testing.T) {
	b := compilable["convolutions"]()
	m, _, err := Compile(b.g, b.inputs(20), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var bounds []float64
	p, err := m.Variant(Variant{Polynomial: func(bound float64) ([]float64, error) {
		bounds = append(bounds, bound)
		return []float64{0.25, 0.5, 0.125}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range m.Plan.Nodes {
		if n.Act == nil {
			continue
		}
		if d := p.Nodes[i].Act.Degree(); d != 2 {
			t.Errorf("node %q is of degree %d", n.Name, d)
		}
		if max := m.Calibration.Nodes[n.Inputs[0]].Max; bounds[0] != max*DefaultMargin {
			t.Errorf("node %q: inputs below %v, not %v", n.Name, bounds[0], max*DefaultMargin)
		}
		bounds = bounds[1:]
	}
}

func TestAnImpossibleVariantIsRefused(t *testing.T) {
	b := compilable["convolutions"]()
	m, _, err := Compile(b.g, b.inputs(20), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		m    *Model
		v    Variant
		want []string
	}{
		"too much hiding":     {m, Variant{Sigma: 58}, []string{`"polynomial2"`, "σ = 58", "it fits with σ = "}},
		"no σ at all":         {m, Variant{Sigma: 70}, []string{"from 30 to 60"}},
		"a margin below one":  {m, Variant{Margin: 0.5}, []string{"margin"}},
		"a margin of nothing": {m.PlanOnly(), Variant{Margin: 2}, []string{"does not say"}},
		"values beyond 128 bits": {m, Variant{Polynomial: func(float64) ([]float64, error) {
			return []float64{0, 0, 0, 0, 0, 0, 0, 0, 1 << 29}, nil
		}}, []string{`"polynomial2"`, "degree 8", "128 bits", "lower degree"}},
	} {
		_, err := c.m.Variant(c.v)
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v\nlacks %s", name, err, w)
			}
		}
	}
}

// What a refusal says would help does.
func TestTheRemediesOfARefusalHelp(t *testing.T) {
	b := newBuilder(Shape{1, 1, 10})
	l := b.fc(0, 10)
	for i := range b.g.Nodes[l].W {
		b.g.Nodes[l].W[i] *= 1000
	}
	b.fc(b.poly(l), 3)
	inputs := b.inputs(20)
	_, _, err := Compile(b.g, inputs, Options{Sigma: 46})
	if err == nil || !strings.Contains(err.Error(), "it fits with σ = 4") || !strings.Contains(err.Error(), "inputs within ±") {
		t.Fatalf("compiled: %v", err)
	}
	text := err.Error()
	sigma := uint(text[strings.Index(text, "it fits with σ = ")+len("it fits with σ = 4")] - '0')
	if _, _, err := Compile(b.g, inputs, Options{Sigma: 40 + sigma}); err != nil {
		t.Errorf("σ = %d was to fit: %v", 40+sigma, err)
	}
	if _, _, err := Compile(b.g, inputs, Options{Sigma: 41 + sigma}); err == nil {
		t.Errorf("σ = %d fits as well", 41+sigma)
	}
}

func TestNodesComputeExactlyFarBeyondTheirRange(t *testing.T) {
	m := sampleModel(t)
	for i := range m.Plan.Nodes {
		n := &m.Plan.Nodes[i]
		if n.Act == nil {
			continue
		}
		bits := n.ExactBits()
		if bits < n.Act.M+8 || bits > exactOpening {
			t.Errorf("node %q, below 2^%d, is exact to 2^%d", n.Name, n.Act.M, bits)
		}
		// One bit further its value, α_d·t^d, no longer fits.
		d := n.Act.Degree()
		top := math.Log2(math.Abs(float64(n.Act.Alpha[d]))) + float64(d)*float64(bits+1-n.Act.Fw)
		if shift := n.Act.Fa*uint(d) + n.Act.Q - n.Frac; bits < exactOpening && top < 62+float64(shift) {
			t.Errorf("node %q is exact to 2^%d only, where its value has %.1f bits", n.Name, bits, top)
		}
	}
}

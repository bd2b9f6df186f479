package model

import (
	"fmt"
	"math"
)

// reading is one way to read a value with a function in it: as
// factor·F(argument) + rest.
type reading struct {
	function     string
	factor       polynomial
	argument     polynomial
	rest         polynomial
	unrecognised bool // F itself is of no name; function is the nearest that has one
}

// readings lists the ways to read poly + f, the best first.
func readings(poly polynomial, f *applied) []reading {
	x := f.argument
	as := func(function string, k float64, argument, rest polynomial) reading {
		return reading{function: function, factor: polynomial{k}, argument: argument, rest: rest}
	}
	var all []reading
	// inside is for k·s·F(…) that make up functions of s.
	inside := func(s polynomial, function string, size, rest float64) {
		if k, ok := f.factor.over(s); ok {
			all = append(all, as(function, size*k, s, poly.plus(s, rest*k)))
		}
	}
	switch f.function {
	case "erf": // s·erf(s/√2) = 2 gelu(s) − s
		inside(x.times(polynomial{math.Sqrt2}), "gelu", 2, -1)
	case "tanh":
		if s := tanhOfGELU(x); s != nil { // s·tanh(√(2/π)(s + 0.044715s³)) = 2 gelu(s) − s, nearly
			inside(s, "gelu", 2, -1)
		}
	case "sigmoid":
		inside(x, "silu", 1, 0)
	case "tanh of softplus":
		inside(x, "mish", 1, 0)
	case "clip":
		return append(all, clipReadings(poly, f)...)
	}
	return append(all, reading{function: f.function, factor: f.factor, argument: x, rest: poly,
		unrecognised: f.function == "erf" || f.function == "tanh of softplus"})
}

// clipReadings lists the ways to read poly + f, of a clip.
func clipReadings(poly polynomial, f *applied) []reading {
	x := f.argument
	switch {
	case math.IsInf(f.top, 1): // low + relu(x − low)
		return []reading{{function: "relu", factor: f.factor, argument: x.plus(polynomial{-f.low}, 1), rest: poly.plus(f.factor, f.low)}}
	case math.IsInf(f.low, -1): // top − relu(top − x)
		return []reading{{function: "relu", factor: f.factor.times(polynomial{-1}), argument: polynomial{f.top}.plus(x, -1), rest: poly.plus(f.factor, f.top)}}
	case f.low == 0 && f.top == 6:
		s := x.plus(polynomial{-3}, 1) // clip(s + 3, 0, 6) = 6 hardsigmoid(s)
		hard := reading{function: "hardsigmoid", factor: f.factor.times(polynomial{6}), argument: s, rest: poly}
		plain := reading{function: "relu6", factor: f.factor, argument: x, rest: poly}
		if k, ok := f.factor.over(s); ok {
			return []reading{{function: "hardswish", factor: polynomial{6 * k}, argument: s, rest: poly}, hard, plain}
		}
		if f.node.OpType == "HardSigmoid" || math.Abs(s[0]) < tolerance {
			return []reading{hard, plain}
		}
		return []reading{plain, hard}
	}
	return []reading{{function: "clip", factor: f.factor, argument: x, rest: poly}}
}

// tanhOfGELU returns s with p = √(2/π)(s + 0.044715s³) (Hendrycks and Gimpel,
// Gaussian Error Linear Units, section 2), nil if there is none.
func tanhOfGELU(p polynomial) polynomial {
	if p.degree() != 3 {
		return nil
	}
	linear, cubic := math.Sqrt(2/math.Pi), math.Sqrt(2/math.Pi)*0.044715
	a := math.Cbrt(p[3] / cubic)
	s := polynomial{p[2] / (3 * cubic * a * a), a}
	if !p.near(s.times(polynomial{linear}).plus(s.times(s).times(s), cubic)) {
		return nil
	}
	return s
}

// resolved returns v without functions that are no polynomials: with those of
// [ImportOptions] in their place. Where there are none, that is a finding, and what
// is returned stands for a value of the same shape.
func (im *importer) resolved(v *value) *value {
	if v.f == nil {
		return v
	}
	out := *v
	if v.expression.resolved == nil {
		e := im.replaced(v.expression)
		e.last, e.from = v.last, v.from
		v.expression.resolved = e
	}
	out.expression = v.expression.resolved
	return &out
}

func (im *importer) replaced(e *expression) *expression {
	all := readings(e.poly, e.f)
	wrong := unsupportedFunction(all[0].function)
	for i, r := range all {
		c := im.Activations[r.function]
		if c == nil || r.unrecognised {
			continue
		}
		if im.leavesOut(r.function) {
			wrong = fmt.Errorf("%s can be left out only where nothing follows but the network's outputs, whose order it keeps; put a polynomial in its place, or %s",
				r.function, polynomialRemedy)
			continue
		}
		im.used[r.function] = true
		p := polynomial(c).trim().of(r.argument).times(r.factor).plus(r.rest, 1)
		if err := p.check(); err != nil {
			if i == 0 {
				wrong = fmt.Errorf("with a polynomial of degree %d for %s, it %w; use a lower degree", len(c)-1, r.function, err)
			}
			continue
		}
		out := &expression{base: e.base, poly: p}
		if r.argument.isIdentity() && p.degree() > 1 {
			out.replaces = r.function
		}
		return out
	}
	im.findings.add(im, e.f.node, wrong)
	return im.placeholder(e)
}

// placeholder returns what stands for an expression whose function could not be
// replaced, so that the nodes behind are looked at too: the same for all that was
// made of that function.
func (im *importer) placeholder(e *expression) *expression {
	s := im.placeholders[e.f.node]
	if s == nil {
		s = im.add(&step{GraphNode: GraphNode{Op: OpPolynomial, Shape: e.base.Shape, Coeffs: []float64{0, 0, 1}}, inputs: []*step{e.base}}, e.last)
		im.placeholders[e.f.node] = s
	}
	out := &expression{base: s, poly: identity()}
	if e.poly.constant() && e.f.factor.constant() {
		out.poly = polynomial{e.poly[0], e.f.factor[0]}
	}
	return out
}

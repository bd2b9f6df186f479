package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"pascaline/internal/onnxpb"
)

// Functions returns the names of the functions that an import can put polynomials
// in the place of, or leave out: see [ImportOptions].
func Functions() []string { return slices.Concat(functions, dropped) }

var (
	functions = []string{"relu", "relu6", "leakyrelu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "hardsigmoid", "hardswish", "tanh", "softplus"}
	// dropped can be left out alone: no polynomial of one element does the same.
	dropped = []string{"clip", "softmax"}
	// increasing keep the order of outputs, and differ where those do: they can be
	// left out at the end.
	increasing = []string{"leakyrelu", "elu", "selu", "sigmoid", "tanh", "softplus"}
)

func (o *ImportOptions) check() error {
	for name, c := range o.Activations {
		if err := CheckActivation(name, c); err != nil {
			return err
		}
	}
	if !(o.Low <= o.High) || math.IsInf(o.Low, 0) || math.IsInf(o.High, 0) {
		return fmt.Errorf("inputs from %v to %v", o.Low, o.High)
	}
	return nil
}

// CheckActivation reports why a polynomial of these coefficients cannot stand for a
// function. Those of {0, 1} leave it out, which clip and softmax can only be, and
// increasing functions at the end of a network: elsewhere, without its activations, a
// network is linear.
func CheckActivation(name string, coefficients []float64) error {
	if !slices.Contains(Functions(), name) {
		return fmt.Errorf("a polynomial for %q, of which the import knows nothing; it knows %s", name, strings.Join(Functions(), ", "))
	}
	if err := checkFinite("coefficient", coefficients); err != nil {
		return fmt.Errorf("the polynomial for %s: %w", name, err)
	}
	p := polynomial(coefficients).trim()
	switch drop := slices.Contains(dropped, name); {
	case drop && !p.isIdentity():
		return fmt.Errorf("a polynomial for %s, which can only be left out, by the coefficients 0 and 1", name)
	case drop:
		return nil
	case p.isIdentity() && slices.Contains(increasing, name):
		return nil // where it stands, the import knows
	case p.isIdentity():
		return fmt.Errorf("%s cannot be left out, for without its activations a network is linear; only %s can and, at the network's end, %s; put a polynomial in its place",
			name, strings.Join(dropped, " and "), strings.Join(increasing, ", "))
	case len(p) < minDegree+1 || p.degree() > maxDegree:
		return fmt.Errorf("the polynomial for %s has degree %d; it must be from %d to %d", name, max(0, p.degree()), minDegree, maxDegree)
	}
	return nil
}

// applied is factor·F(argument), with F a function that is no polynomial and the
// others polynomials of one tensor. A value that is a polynomial and such a term
// holds all that an exporter may write for an activation, in whatever order:
// 0.5·x·(1 + erf(x/√2)) is x/2 and (x/2)·erf(x/√2).
type applied struct {
	node     *onnxpb.NodeProto
	function string // of functions, or "clip", "erf", "tanh of softplus"
	low, top float64
	argument polynomial
	factor   polynomial
}

// times returns f·p.
func (f *applied) times(p polynomial) *applied {
	if f == nil {
		return nil
	}
	g := *f
	if g.factor = f.factor.times(p); g.factor.constant() && g.factor[0] == 0 {
		return nil
	}
	return &g
}

// plus returns f + sign·g; false if they are of different functions.
func (f *applied) plus(g *applied, sign float64) (*applied, bool) {
	switch {
	case g == nil:
		return f, true
	case f == nil:
		return g.times(polynomial{sign}), true
	case f.function != g.function || f.low != g.low || f.top != g.top || !f.argument.near(g.argument):
		return nil, false
	}
	sum := *f
	if sum.factor = f.factor.plus(g.factor, sign); sum.factor.constant() && sum.factor[0] == 0 {
		return nil, true
	}
	return &sum, true
}

func (f *applied) check() error {
	if f == nil {
		return nil
	}
	return f.factor.check()
}

// of reports whether v is a function of a polynomial and nothing else.
func (v *value) of(function string) bool {
	return v.f != nil && v.f.function == function && v.poly.constant() && v.poly[0] == 0 &&
		v.f.factor.constant() && v.f.factor[0] == 1
}

// apply returns scale·F(argument) with v, a polynomial, as the argument.
func (im *importer) apply(n *onnxpb.NodeProto, v *value, function string) (*value, error) {
	v = im.resolved(v)
	return elementwise(n, v, polynomial{0}, &applied{node: n, function: function, argument: v.poly, factor: polynomial{1}})
}

// function imports an operator that is one of the functions by itself.
func (im *importer) function(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.argument(n)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	name := functionOperators[n.OpType]
	switch n.OpType {
	case "Relu":
		return im.clipped(n, v, 0, math.Inf(1))
	case "HardSigmoid": // max(0, min(1, αx + β))
		alpha, beta := at.float("alpha", 0.2), at.float("beta", 0.5)
		if at.err != nil {
			return nil, at.err
		}
		v = im.resolved(v)
		f := &applied{node: n, function: "clip", top: 6, argument: v.poly.times(polynomial{6 * alpha}).plus(polynomial{6 * beta}, 1), factor: polynomial{1. / 6}}
		return elementwise(n, v, polynomial{0}, f)
	case "LeakyRelu": // αx + (1 − α)·relu(x)
		alpha := at.float("alpha", 0.01)
		if at.err != nil {
			return nil, at.err
		}
		if math.Abs(alpha-0.01) > tolerance {
			v = im.resolved(v)
			f := &applied{node: n, function: "clip", top: math.Inf(1), argument: v.poly, factor: polynomial{1 - alpha}}
			return elementwise(n, v, v.poly.times(polynomial{alpha}), f)
		}
	case "Elu", "Celu":
		if alpha := at.float("alpha", 1); alpha != 1 || at.err != nil {
			return nil, errors.Join(at.err, fmt.Errorf("has α = %v; only α = 1 has a name, elu, for which a polynomial can be given", alpha))
		}
	case "Selu":
		alpha, gamma := at.float("alpha", seluAlpha), at.float("gamma", seluGamma)
		if math.Abs(alpha-seluAlpha)+math.Abs(gamma-seluGamma) > tolerance || at.err != nil {
			return nil, errors.Join(at.err, fmt.Errorf("has α = %v and γ = %v, which are not SELU's", alpha, gamma))
		}
	case "Swish":
		if alpha := at.float("alpha", 1); alpha != 1 || at.err != nil {
			return nil, errors.Join(at.err, fmt.Errorf("has α = %v; only α = 1 has a name, silu, for which a polynomial can be given", alpha))
		}
	case "Tanh":
		if v.of("softplus") {
			f := *v.f
			f.node, f.function = n, "tanh of softplus"
			return elementwise(n, v, polynomial{0}, &f)
		}
	}
	return im.apply(n, v, name)
}

// Of Klambauer et al., Self-Normalizing Neural Networks, as ONNX has them.
const seluAlpha, seluGamma = 1.67326319217681884765625, 1.05070102214813232421875

// clip imports Clip.
func (im *importer) clip(n *onnxpb.NodeProto) (*value, error) {
	v, err := im.argument(n)
	if err != nil {
		return nil, err
	}
	at := attributes{node: n}
	bounds := [2]float64{at.float("min", math.Inf(-1)), at.float("max", math.Inf(1))}
	if at.err != nil {
		return nil, at.err
	}
	for i, what := range []string{"least value", "largest value"} {
		t, err := im.constant(n, i+1, what)
		if err != nil {
			return nil, err
		}
		if t != nil {
			c, ok := t.uniform()
			if !ok {
				return nil, fmt.Errorf("its %s differs from element to element", what)
			}
			bounds[i] = c
		}
	}
	return im.clipped(n, v, bounds[0], bounds[1])
}

// extreme imports Max and Min of a tensor and constants.
func (im *importer) extreme(n *onnxpb.NodeProto) (*value, error) {
	var v *value
	bound := math.Inf(-1)
	if n.OpType == "Min" {
		bound = math.Inf(1)
	}
	for i := range n.Input {
		x, err := im.term(n, i)
		switch {
		case err != nil:
			return nil, err
		case !x.isConstant() && v != nil:
			return nil, fmt.Errorf("compares two tensors of the network: %s", polynomialRemedy)
		case !x.isConstant():
			v = x
			continue
		}
		c, ok := x.constant.uniform()
		switch {
		case !ok:
			return nil, errors.New("compares with a constant that differs from element to element")
		case n.OpType == "Min":
			bound = min(bound, c)
		default:
			bound = max(bound, c)
		}
	}
	if v == nil {
		return nil, errors.New("compares constants only")
	}
	if n.OpType == "Min" {
		return im.clipped(n, v, math.Inf(-1), bound)
	}
	return im.clipped(n, v, bound, math.Inf(1))
}

// clipped returns v clipped to low … top.
func (im *importer) clipped(n *onnxpb.NodeProto, v *value, low, top float64) (*value, error) {
	const largest = 3e38 // PyTorch writes the largest float32 where there is no bound
	if low < -largest {
		low = math.Inf(-1)
	}
	if top > largest {
		top = math.Inf(1)
	}
	if low > top {
		return nil, fmt.Errorf("clips to the empty range from %v to %v", low, top)
	}
	if v.of("clip") && v.f.low <= top && low <= v.f.top {
		f := *v.f
		f.node, f.low, f.top = n, max(low, f.low), min(top, f.top)
		return elementwise(n, v, polynomial{0}, &f)
	}
	if math.IsInf(low, -1) && math.IsInf(top, 1) {
		return v, nil
	}
	if from, to, known := im.interval(v); known && low <= from && to <= top {
		im.note(describe(n), "is left out: what it clips lies between %.4g and %.4g already", from, to)
		return v, nil
	}
	v = im.resolved(v)
	f := &applied{node: n, function: "clip", low: low, top: top, argument: v.poly, factor: polynomial{1}}
	return elementwise(n, v, polynomial{0}, f)
}

// interval bounds the elements of a value that is a linear function of the input,
// if it is one and the input is bounded.
func (im *importer) interval(v *value) (from, to float64, known bool) {
	if v.f != nil || v.poly.degree() != 1 || im.Low == im.High {
		return 0, 0, false
	}
	from, to = im.Low, im.High
	var affine []*step
	s := v.base
	for ; s.Op == opAffine; s = s.inputs[0] {
		affine = append(affine, s)
	}
	if s.Op != OpInput {
		return 0, 0, false
	}
	for _, s := range slices.Backward(affine) {
		low, high := math.Inf(1), math.Inf(-1)
		for i := range max(len(s.scale), len(s.shift)) {
			a, b := s.scale.at(i)*from+s.shift.at(i), s.scale.at(i)*to+s.shift.at(i)
			low, high = min(low, a, b), max(high, a, b)
		}
		from, to = low, high
	}
	a, b := v.poly[0]+v.poly[1]*from, v.poly[0]+v.poly[1]*to
	return min(a, b), max(a, b), true
}

// softmax imports Softmax and LogSoftmax of the network's output, if they are to be
// left out.
func (im *importer) softmax(n *onnxpb.NodeProto) (*value, error) {
	switch {
	case len(n.Output) == 0 || n.Output[0] != im.outputs:
		return nil, errors.New("attention cannot be computed; use convolutions and linear layers with " +
			strings.TrimPrefix(polynomialRemedy, "train the network with "))
	case im.Activations["softmax"] == nil:
		return nil, errors.New("is not supported: leave it out of the exported network, or of the import (--activation softmax=drop)," +
			" and let the client apply it to the output: the order of the classes does not change")
	}
	im.used["softmax"] = true
	im.note(describe(n), "is left out: clients get what goes into it, whose order is the same")
	return im.same(n)
}

// leavesOut reports whether a function is to be left out at the network's end.
func (im *importer) leavesOut(function string) bool {
	return slices.Contains(increasing, function) && polynomial(im.Activations[function]).trim().isIdentity()
}

// withoutLast returns the network's output without the function that it ends in, if
// that is to be left out and nothing else is computed from it.
func (im *importer) withoutLast(v *value) *value {
	if v.f == nil || v.expression.resolved != nil || !v.of(v.f.function) || !im.leavesOut(v.f.function) {
		return v
	}
	im.used[v.f.function] = true
	im.note(describe(v.f.node), "is left out: clients get what goes into it, whose order is the same")
	out := *v
	out.expression = &expression{base: v.base, poly: v.f.argument, last: v.last, from: v.from}
	return &out
}

// noteUnused tells of polynomials that there was nothing to use for.
func (im *importer) noteUnused() {
	for _, name := range Functions() {
		if im.Activations[name] != nil && !im.used[name] {
			im.note("a polynomial for "+name, "was given, but the network has none")
		}
	}
}

package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"

	"pascaline/ring"
)

// Validate reports the first thing that makes p no plan: both parties call it
// on every plan that they did not compile themselves, before they take any
// memory for it or send any byte under it. A plan that passes can be followed
// without further checks.
func (p *Plan) Validate() error {
	if err := p.validate(); err != nil {
		return fmt.Errorf("plan %q: %w", printable(p.Name), err)
	}
	return nil
}

func (p *Plan) validate() error {
	if err := checkText(p.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if p.Sigma < MinSigma || p.Sigma > MaxSigma {
		return fmt.Errorf("hides with σ = %d bits; it must be from %d to %d", p.Sigma, MinSigma, MaxSigma)
	}
	if len(p.Nodes) < 2 || len(p.Nodes) > maxNodes {
		return fmt.Errorf("has %d nodes; there must be from 2 to %d", len(p.Nodes), maxNodes)
	}
	used := make([]bool, len(p.Nodes))
	elements, weights := 0, 0
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if err := p.validateNode(i); err != nil {
			return fmt.Errorf("node %d %q: %w", i, printable(n.Name), err)
		}
		for _, j := range n.Inputs {
			used[j] = true
		}
		elements += n.Shape.Len()
		if n.Op == OpLinear {
			weights += n.Linear.WeightLen()
		}
		if elements > maxTotal || weights > maxTotal {
			return fmt.Errorf("up to node %d, the nodes have %d elements and %d weights; at most %d of each are taken",
				i, elements, weights, maxTotal)
		}
	}
	if e := p.TruncationError(); e > 1.0/(1<<truncationSigma) {
		return fmt.Errorf("truncates an activation wrongly with a probability of 2^%.1f an inference; at most 2^-%d is taken", math.Log2(e), truncationSigma)
	}
	for i := range len(p.Nodes) - 1 {
		if !used[i] {
			return fmt.Errorf("node %d %q: nothing uses its output", i, p.Nodes[i].Name)
		}
	}
	if n := p.Nodes[len(p.Nodes)-1].Shape.Len(); len(p.Labels) != 0 && len(p.Labels) != n {
		return fmt.Errorf("has %d labels for %d outputs", len(p.Labels), n)
	}
	for i, l := range p.Labels {
		if err := checkText(l); err != nil {
			return fmt.Errorf("label %d: %w", i, err)
		}
	}
	return nil
}

// arity is how many inputs each operation takes: at least, at most.
var arity = [...][2]int{
	OpInput: {0, 0}, OpLinear: {1, 1}, OpPool: {1, 1}, OpAdd: {2, maxInputs}, OpReshape: {1, 1}, OpPolynomial: {1, 1},
	OpConcat: {1, maxInputs},
}

// checkStep checks what nodes of plans and graphs have in common.
func checkStep(i int, op Op, inputs []int, s Shape) error {
	if int(op) >= len(arity) {
		return fmt.Errorf("unknown operation %d", op)
	}
	if (i == 0) != (op == OpInput) {
		return errors.New("the first node, and no other, is the input")
	}
	if c := arity[op]; len(inputs) < c[0] || len(inputs) > c[1] {
		return fmt.Errorf("%v takes from %d to %d inputs, not %d", op, c[0], c[1], len(inputs))
	}
	for _, j := range inputs {
		if j < 0 || j >= i {
			return fmt.Errorf("takes node %d, which does not come before it", j)
		}
	}
	return checkShape(s)
}

func (p *Plan) validateNode(i int) error {
	n := &p.Nodes[i]
	if err := checkText(n.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := checkStep(i, n.Op, n.Inputs, n.Shape); err != nil {
		return err
	}
	if n.Frac > maxFrac {
		return fmt.Errorf("has %d fractional bits; at most %d are taken", n.Frac, maxFrac)
	}
	if n.Op != OpLinear && n.Linear != (ring.ConvShape{}) || n.Op != OpPool && n.Pool != (ring.ConvShape{}) ||
		n.Op != OpAdd && n.Op != OpConcat && len(n.Shifts) != 0 || n.Op != OpConcat && len(n.Parts) != 0 ||
		n.Op != OpLinear && n.PixelBias || (n.Op == OpPolynomial) != (n.Act != nil) {
		return fmt.Errorf("its parameters are not those of %v", n.Op)
	}
	switch n.Op {
	case OpLinear:
		return p.validateWindow(n, n.Linear)
	case OpPool:
		return p.validateWindow(n, n.Pool)
	case OpAdd:
		for _, j := range n.Inputs {
			if in := &p.Nodes[j]; in.Shape != n.Shape {
				return fmt.Errorf("adds %v to %v", in.Shape, n.Shape)
			}
		}
		return p.validateShifts(n)
	case OpConcat:
		shapes := make([]Shape, len(n.Inputs))
		for k, j := range n.Inputs {
			shapes[k] = p.Nodes[j].Shape
		}
		if err := checkParts(n.Parts, shapes, n.Shape); err != nil {
			return err
		}
		return p.validateShifts(n)
	case OpReshape:
		if in := &p.Nodes[n.Inputs[0]]; in.Shape.Len() != n.Shape.Len() || in.Frac != n.Frac {
			return fmt.Errorf("reshapes %v with %d fractional bits to %v with %d", in.Shape, in.Frac, n.Shape, n.Frac)
		}
	case OpPolynomial:
		return p.validateActivation(n)
	}
	return nil
}

func (p *Plan) validateWindow(n *Node, s ring.ConvShape) error {
	in := &p.Nodes[n.Inputs[0]]
	if err := checkWindow(n.Op, s, in.Shape, n.Shape); err != nil {
		return err
	}
	if n.Frac < in.Frac {
		return fmt.Errorf("has %d fractional bits, fewer than the %d of its input", n.Frac, in.Frac)
	}
	return nil
}

// validateShifts checks that a node's inputs come to its scale.
func (p *Plan) validateShifts(n *Node) error {
	if len(n.Shifts) != len(n.Inputs) {
		return fmt.Errorf("has %d shifts for %d inputs", len(n.Shifts), len(n.Inputs))
	}
	for k, j := range n.Inputs {
		in := &p.Nodes[j]
		if n.Shifts[k] > maxFrac || in.Frac+n.Shifts[k] != n.Frac {
			return fmt.Errorf("shifts input %d, of %d fractional bits, by %d to reach %d", k, in.Frac, n.Shifts[k], n.Frac)
		}
	}
	return nil
}

func (p *Plan) validateActivation(n *Node) error {
	in, a := &p.Nodes[n.Inputs[0]], n.Act
	if in.Shape != n.Shape {
		return fmt.Errorf("turns %v into %v; it is elementwise", in.Shape, n.Shape)
	}
	switch d := a.Degree(); {
	case d < minDegree || d > maxDegree:
		return fmt.Errorf("polynomial of degree %d; it must be from %d to %d", d, minDegree, maxDegree)
	case a.Alpha[d] == 0:
		return errors.New("the polynomial's leading coefficient is zero")
	case a.Q > maxFrac:
		return fmt.Errorf("coefficients over 2^%d; at most 2^%d is taken", a.Q, maxFrac)
	case a.M > openedBits-p.Sigma:
		// m + σ + 2 ≤ 64 (design section 3)
		return fmt.Errorf("opens values below 2^%d, which hide with %d bits in 64, fewer than σ = %d",
			a.M, int(openedBits)-int(a.M), p.Sigma)
	case a.Fw < 1 || a.Fw > a.M:
		return fmt.Errorf("the opening drops %d of %d bits; it must drop from 1 to all", a.Fw, a.M)
	case a.MaskBits != maskBits(a.Fw):
		return fmt.Errorf("masks of %d bits; with %d dropped they must have %d", a.MaskBits, a.Fw, maskBits(a.Fw))
	case a.Fa > maxFrac || a.Fa+a.Fw != in.Frac:
		return fmt.Errorf("%d + %d fractional bits, but its input has %d", a.Fa, a.Fw, in.Frac)
	}
	return a.truncates(n.Frac, n.Shape.Len())
}

// checkWindow checks the geometry of a convolution or a pool from in to out.
func checkWindow(op Op, s ring.ConvShape, in, out Shape) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if op == OpPool && s.C != s.K {
		return fmt.Errorf("pools %d channels to %d", s.C, s.K)
	}
	if in != (Shape{s.H, s.W, s.C}) {
		return fmt.Errorf("takes %v, but its input is %v", Shape{s.H, s.W, s.C}, in)
	}
	if y := (Shape{s.OutH(), s.OutW(), s.K}); out != y {
		return fmt.Errorf("yields %v, not %v", y, out)
	}
	return nil
}

// checkParts checks that the parts of a concatenation lie within the inputs, that
// each input is of use, and that together they make up the output.
func checkParts(parts []Part, inputs []Shape, out Shape) error {
	if len(parts) > maxParts {
		return fmt.Errorf("has %d parts; at most %d are taken", len(parts), maxParts)
	}
	used := make([]bool, len(inputs))
	for k, s := range inputs {
		if s.H != out.H || s.W != out.W {
			return fmt.Errorf("joins input %d, %v, to %v; only channels may differ", k, s, out)
		}
	}
	channels := 0
	for k, p := range parts {
		limit := maxDim
		switch {
		case p.Input == -1 && p.From == 0:
		case p.Input < 0 || p.Input >= len(inputs):
			return fmt.Errorf("part %d is of input %d; there are %d", k, p.Input, len(inputs))
		default:
			used[p.Input] = true
			limit = inputs[p.Input].C
		}
		if p.Channels < 1 || p.Channels > limit || p.From < 0 || p.From > limit-p.Channels {
			return fmt.Errorf("part %d is %d channels from %d on; its input has %d", k, p.Channels, p.From, limit)
		}
		if channels += p.Channels; channels > out.C {
			break
		}
	}
	if channels != out.C {
		return fmt.Errorf("its parts do not make up the %d channels of %v", out.C, out)
	}
	if k := slices.Index(used, false); k >= 0 {
		return fmt.Errorf("takes nothing from input %d", k)
	}
	return nil
}

func checkShape(s Shape) error {
	n := 1
	for _, d := range []int{s.H, s.W, s.C} {
		if d < 1 || d > maxDim {
			return fmt.Errorf("shape %v: every dimension must be from 1 to %d", s, maxDim)
		}
		if n *= d; n > maxElements {
			return fmt.Errorf("shape %v has more than %d elements", s, maxElements)
		}
	}
	return nil
}

// checkText takes names that can be shown on a terminal as they are.
func checkText(s string) error {
	if len(s) > maxText {
		return fmt.Errorf("is %d bytes long; at most %d are taken", len(s), maxText)
	}
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("holds the unprintable character %U", r)
		}
	}
	return nil
}

// CheckName returns an error for a name that no model can have: one that is empty, too
// long or cannot be printed.
func CheckName(name string) error {
	if name == "" {
		return errors.New("a model's name is not empty")
	}
	if err := checkText(name); err != nil {
		return fmt.Errorf("a model's name %w", err)
	}
	return nil
}

// printable shortens a name of unknown origin for an error; %q escapes it.
func printable(s string) string {
	if len(s) > maxText {
		return s[:maxText]
	}
	return s
}

// String names the operation.
func (o Op) String() string {
	names := [...]string{
		OpInput: "input", OpLinear: "linear", OpPool: "pool", OpAdd: "add", OpReshape: "reshape", OpPolynomial: "polynomial",
		OpConcat: "concat",
	}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

// String writes the shape as height × width × channels.
func (s Shape) String() string { return fmt.Sprintf("%d×%d×%d", s.H, s.W, s.C) }

// checkWeights reports whether w are weights for p.
func (p *Plan) checkWeights(w *Weights) error {
	l := 0
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if n.Op != OpLinear {
			continue
		}
		if l == len(w.Layers) {
			return fmt.Errorf("weights of %d layers, but node %d %q is linear layer %d", len(w.Layers), i, n.Name, l)
		}
		lw := &w.Layers[l]
		if len(lw.W) != n.Linear.WeightLen() || len(lw.Bias) != n.BiasLen() {
			return fmt.Errorf("node %d %q has %d weights and %d biases; its shape needs %d and %d",
				i, n.Name, len(lw.W), len(lw.Bias), n.Linear.WeightLen(), n.BiasLen())
		}
		for _, v := range lw.W {
			if v < -maxWeight {
				return fmt.Errorf("node %d %q has a weight outside ±%d", i, n.Name, maxWeight)
			}
		}
		l++
	}
	if l != len(w.Layers) {
		return fmt.Errorf("weights of %d layers for a plan of %d", len(w.Layers), l)
	}
	return nil
}

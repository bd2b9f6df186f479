package estimate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/pillar"
)

// Changes is in what a plan, or the use of it, is to differ, by key.
type Changes map[string]float64

// The keys of [Changes].
const (
	Degree  = "degree"
	Sigma   = "sigma"
	Margin  = "margin"
	Fa      = "fa"
	Fw      = "fw"
	Batch   = "batch"
	Bundles = "bundles"
)

// key is what can change, and between which values.
type key struct {
	name, what  string
	least, most float64
}

var keys = []key{
	{Degree, "degree of every activation", correlation.MinDegree, correlation.MaxDegree},
	{Sigma, "bits with which every opened value hides at least", model.MinSigma, model.MaxSigma},
	{Margin, "how far ranges reach beyond what calibration saw, a factor", 1, model.MaxMargin},
	{Fa, "fractional bits of all activations", model.MinBits, model.MaxActivationBits},
	{Fw, "fractional bits of all weights", model.MinBits, model.MaxWeightBits},
	{Batch, "inferences that share their rounds", 1, MostBundles},
	{Bundles, "bundles that a production run makes", 1, MostBundles},
}

// Keys describes what can change, a line each.
func Keys() string {
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "  %-8s %s\n", k.name, k.what)
	}
	return b.String()
}

// ParseChanges reads changes, each as KEY=VALUE.
func ParseChanges(texts []string) (Changes, error) {
	c := Changes{}
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
		if i < 0 {
			var names []string
			for _, k := range keys {
				names = append(names, k.name)
			}
			return nil, fmt.Errorf("%q is nothing that can change; write KEY=VALUE, as in degree=2, where KEY is one of %s", text, strings.Join(names, ", "))
		}
		k := keys[i]
		v, err := strconv.ParseFloat(value, 64)
		if whole := k.name != Margin; err != nil || !(v >= k.least && v <= k.most) || whole && v != math.Trunc(v) {
			number := "whole number"
			if !whole {
				number = "number"
			}
			return nil, fmt.Errorf("%s is %q; it takes a %s from %s to %s: %s", name, value, number, plainNumber(k.least), plainNumber(k.most), k.what)
		}
		if _, given := c[name]; given {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		c[name] = v
	}
	return c, nil
}

// String writes the changes as ParseChanges reads them, in the order of the keys.
func (c Changes) String() string {
	var texts []string
	for _, k := range keys {
		if v, given := c[k.name]; given {
			texts = append(texts, k.name+"="+plainNumber(v))
		}
	}
	return strings.Join(texts, " ")
}

// plainNumber writes a number without an exponent.
func plainNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Apply returns the model and the options with the changes: a model without weights
// where its plan is another one. Of a network that the budget does not allow then, the
// error says which layer it is about and what would help.
func (c Changes) Apply(m *model.Model, o Options) (*model.Model, Options, error) {
	if v, given := c[Batch]; given {
		o.Batch = int(v)
	}
	if v, given := c[Bundles]; given {
		o.Bundles = int(v)
	}
	plain := maps.Clone(c)
	delete(plain, Batch)
	delete(plain, Bundles)
	if len(plain) == 0 {
		return m, o, nil
	}
	v := model.Variant{Sigma: uint(c[Sigma]), Margin: c[Margin], ActivationBits: uint(c[Fa]), WeightBits: uint(c[Fw])}
	if degree := int(c[Degree]); degree != 0 {
		coefficients, err := standIn(degree)
		if err != nil {
			return nil, o, err
		}
		v.Polynomial = func(float64) ([]float64, error) { return coefficients, nil }
	}
	p, err := m.Variant(v)
	if err != nil {
		return nil, o, err
	}
	return &model.Model{Plan: p}, o, nil
}

// standIn returns a polynomial that costs what any of its degree does: the one
// nearest to ReLU on [−5, 5], where PILLAR trains. ReLU has no odd powers but the
// first, so that at an odd degree the highest coefficient is the smallest there is.
func standIn(degree int) ([]float64, error) {
	f, err := pillar.Spec{Degree: degree, Lo: -5, Hi: 5, Q: pillar.AutoQ}.Fit("relu")
	if err != nil {
		return nil, err
	}
	if f.Alpha[degree] == 0 {
		f.Alpha[degree] = 1
	}
	coefficients := make([]float64, degree+1)
	for k, alpha := range f.Alpha {
		coefficients[k] = math.Ldexp(float64(alpha), -f.Q)
	}
	return coefficients, nil
}

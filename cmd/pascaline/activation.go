package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/model"
	"pascaline/pillar"
)

// activationFlags says which functions of an ONNX model become polynomials.
type activationFlags []string

func (f *activationFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar((*[]string)(f), "activation", nil,
		"a polynomial for a function, FUNCTION=poly:DEGREE:RANGE[:Q], like relu=poly:4:5; or clip=drop, softmax=drop, sigmoid=drop; repeat for more")
}

// replacement is a polynomial that stands for a function.
type replacement struct {
	spec   pillar.Spec
	fitted *pillar.Fitted
}

// fit fits the polynomials, by function, and returns the options of an import of
// pictures with them.
func (f activationFlags) fit() (map[string]replacement, model.ImportOptions, error) {
	fits := map[string]replacement{}
	opts := model.ImportOptions{Activations: map[string][]float64{}, Low: 0, High: 1}
	for _, arg := range f {
		name, what, ok := strings.Cut(arg, "=")
		name = strings.ToLower(name)
		wrong := func(err error) error { return fmt.Errorf("--activation %s: %w", arg, err) }
		switch {
		case !ok:
			return nil, opts, wrong(fmt.Errorf("it takes FUNCTION=poly:DEGREE:RANGE, like relu=poly:4:5"))
		case !slices.Contains(model.Functions(), name):
			return nil, opts, wrong(fmt.Errorf("there is no function %q to replace; there are %s", name, strings.Join(model.Functions(), ", ")))
		case opts.Activations[name] != nil:
			return nil, opts, wrong(fmt.Errorf("there is a polynomial for %s already", name))
		}
		if what == "drop" {
			opts.Activations[name] = []float64{0, 1}
		} else {
			spec, err := pillar.ParseSpec(what)
			if err != nil {
				return nil, opts, wrong(err)
			}
			fitted, err := spec.Fit(name)
			if err != nil {
				return nil, opts, wrong(err)
			}
			fits[name], opts.Activations[name] = replacement{spec, fitted}, fitted.Coeffs()
		}
		if err := model.CheckActivation(name, opts.Activations[name]); err != nil {
			return nil, opts, wrong(err)
		}
	}
	return fits, opts, nil
}

// importModel reads an ONNX model with these polynomials in it.
func (f activationFlags) importModel(path string) (*model.Graph, *importNotes, error) {
	fits, opts, err := f.fit()
	if err != nil {
		return nil, nil, err
	}
	g, notes, err := model.ImportONNXFile(path, opts)
	if err != nil {
		return nil, nil, err
	}
	n := &importNotes{Notes: notes}
	for _, name := range slices.Sorted(maps.Keys(fits)) {
		r := replacedFunction{
			Function: name, Coefficients: fits[name].fitted.Coeffs(), Lo: fits[name].spec.Lo, Hi: fits[name].spec.Hi, Error: fits[name].fitted.Errors.Max,
		}
		for i := range g.Nodes {
			if g.Nodes[i].Replaces == name {
				r.Layers = append(r.Layers, g.Nodes[i].Name)
			}
		}
		n.Replaced = append(n.Replaced, r)
	}
	return g, n, nil
}

// importNotes is what an import changed.
type importNotes struct {
	Notes    []string           `json:"notes,omitempty"`
	Replaced []replacedFunction `json:"replaced,omitempty"`
}

type replacedFunction struct {
	Function     string    `json:"function"`
	Coefficients []float64 `json:"coefficients"`
	Lo           float64   `json:"lo"`
	Hi           float64   `json:"hi"`
	Error        float64   `json:"error"` // the largest on the range
	// Layers are those whose input goes into the function as it is.
	Layers []string `json:"layers"`
}

// print prints which functions became what.
func (n *importNotes) print() {
	for _, r := range n.Replaced {
		fmt.Printf("%s on %s became %s, fitted on [%.4g, %.4g] and off by %.2g at most there\n",
			r.Function, count(len(r.Layers), "layer"), polynomial(r.Coefficients), r.Lo, r.Hi, r.Error)
	}
	if len(n.Replaced) > 0 {
		fmt.Println("the network was trained without: check its accuracy (pascaline eval), or better train again (docs/pytorch.md)")
	}
}

// escapes says which layers' inputs leave the range of a polynomial's fit.
func (n *importNotes) escapes(layers []model.LayerReport) []string {
	var all []string
	for _, r := range n.Replaced {
		reach := max(math.Abs(r.Lo), math.Abs(r.Hi))
		for _, l := range layers {
			if l.Op == model.OpPolynomial && slices.Contains(r.Layers, l.Node) && l.Max > reach {
				all = append(all, fmt.Sprintf("the inputs of layer %q reach ±%.3g in calibration, and the polynomial is %s up to %.4g:"+
					" fit a wider range, or train again with it (docs/pytorch.md)", l.Node, l.Max, r.Function, reach))
			}
		}
	}
	return all
}

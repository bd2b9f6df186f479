package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"

	"pascaline/estimate"
	"pascaline/model"
)

// alike is layers that a table shows in one line.
type alike struct {
	first, last string
	layers      []*estimate.Layer
}

// gather puts together the layers of an operation whose lines are the same but for
// their names, in the order of the first of each; all of them apart where each is
// set.
func gather(e *estimate.Estimate, op model.Op, each bool, line func(l *estimate.Layer) string) (all []*alike) {
	known := map[string]*alike{}
	for i := range e.Layers {
		l := &e.Layers[i]
		if l.Op != op.String() {
			continue
		}
		a := known[line(l)]
		if a == nil || each {
			a = &alike{first: l.Name}
			known[line(l)] = a
			all = append(all, a)
		}
		a.last = l.Name
		a.layers = append(a.layers, l)
	}
	return all
}

// name names the layers of a line.
func (a *alike) name() string {
	switch n := len(a.layers); n {
	case 1:
		return a.first
	case 2:
		return a.first + ", " + a.last
	default:
		return fmt.Sprintf("%s … %s (%d)", a.first, a.last, n)
	}
}

// cost adds up what a backend takes for the layers of a line.
func (a *alike) cost(backend string) (c estimate.Cost) {
	for _, l := range a.layers {
		c.Add(l.Costs[backend])
	}
	return c
}

// correlations counts those of a line.
func (a *alike) correlations() string {
	l := a.layers[0]
	if l.Activation == nil {
		return fmt.Sprintf("%d linear", len(a.layers))
	}
	return fmt.Sprintf("%d powers/%d/%d", len(a.layers)*l.Elements(), l.Activation.Degree, l.Activation.MaskBits)
}

// printLayers prints the scales of all layers, then what their correlations take.
func printLayers(e *estimate.Estimate, each bool) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	linear, activations := printLinear(w, e, each), printActivations(w, e, each)
	fmt.Fprintln(w, "OFFLINE, BY LAYER\tCORRELATIONS\tHE: SENT\tCPU\tSTORED\tDEALER: SENT\tCPU\tSTORED")
	for _, a := range append(linear, activations...) {
		fmt.Fprintf(w, "%s\t%s", a.name(), a.correlations())
		for _, b := range e.Backends {
			c := a.cost(b.Name)
			fmt.Fprintf(w, "\t%s\t%s\t%s", bytesText(c.SentBytes()), seconds(c.CPU()), bytesText(float64(c.ClientStore+c.ServerStore)))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func printLinear(w io.Writer, e *estimate.Estimate, each bool) []*alike {
	line := func(l *estimate.Layer) string {
		return fmt.Sprintf("%d×%d×%d\t%s\t%.3g\t%d", l.Shape[0], l.Shape[1], l.Shape[2], bits(&l.NodeSummary), float64(l.MACs)/1e6, l.Parameters)
	}
	all := gather(e, model.OpLinear, each, line)
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w, "LINEAR\tOUTPUT\tBITS\tMILLION MACS\tPARAMETERS")
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%s\n", a.name(), line(a.layers[0]))
	}
	fmt.Fprintln(w)
	return all
}

func printActivations(w io.Writer, e *estimate.Estimate, each bool) []*alike {
	line := func(l *estimate.Layer) string {
		a := l.Activation
		return fmt.Sprintf("%s\t%d\t%d\t%d\t±%.3g", bits(&l.NodeSummary), a.RangeBits, a.MaskBits, a.HidingBits, a.Range)
	}
	all := gather(e, model.OpPolynomial, each, func(l *estimate.Layer) string { return fmt.Sprint(line(l), l.Activation.Degree, l.Elements()) })
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w, "ACTIVATION\tBITS\tM\tB\tHIDES\tRANGE\tCALIBRATED\tMARGIN\tEXACT TO\tERROR")
	for _, a := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.name(), line(a.layers[0]), ranges(a))
	}
	fmt.Fprintln(w)
	return all
}

// bits writes the fractional bits of a node: of a linear layer, those of its input and
// of its weights, which add up; of an activation, those of its polynomial's argument
// and what the opening drops, which are its input's, then its own.
func bits(n *model.NodeSummary) string {
	switch a := n.Activation; {
	case a != nil:
		return fmt.Sprintf("%d+%d→%d", a.ArgumentFrac, a.DroppedBits, n.Frac)
	case n.MACs > 0:
		return fmt.Sprintf("%d+%d", n.Frac-n.WeightFrac, n.WeightFrac)
	}
	return fmt.Sprint(n.Frac)
}

// ranges writes what calibration saw of some layers, the narrowest margin, how far
// all of them are exact, and how rarely any of them is wrong.
func ranges(group *alike) string {
	low, high, margin, exact, wrong := math.Inf(1), 0.0, math.Inf(1), math.Inf(1), 0.0
	for _, l := range group.layers {
		a := l.Activation
		low, high = min(low, a.Calibrated), max(high, a.Calibrated)
		margin, exact = min(margin, a.Range/a.Calibrated), min(exact, a.ExactRange)
		wrong += l.GrossError
	}
	calibrated, beyond := fmt.Sprintf("±%.3g", high), fmt.Sprintf("×%.3g", margin)
	switch {
	case low == 0:
		calibrated, beyond = "-", "-"
	case low < high:
		calibrated = fmt.Sprintf("±%.3g to %.3g", low, high)
		beyond = "from " + beyond
	}
	return fmt.Sprintf("%s\t%s\t±%.3g\t%s", calibrated, beyond, exact, probability(wrong))
}

package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"pascaline/estimate"
	"pascaline/model"
)

// printEstimate prints what a model takes: its layers, then one inference.
func printEstimate(e *estimate.Estimate, each bool) error {
	fmt.Printf("%s   plan %.12s   σ = %d", e.Name, e.Hash, e.Sigma)
	if c := e.Calibration; c != nil {
		fmt.Printf(", calibrated on %s with a margin of %.3g", count(c.Samples, "input"), c.Margin)
	}
	fmt.Print("\n\n")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printLinear(w, e, each)
	printActivations(w, e, each)
	if err := w.Flush(); err != nil {
		return err
	}
	printInference(e)
	printBundles(e)
	printLatency(e)
	fmt.Printf("\ntimes are those of %s", e.Rates.Machine)
	if !e.Rates.Measured {
		fmt.Print("; --measure takes this machine's")
	}
	fmt.Println()
	return nil
}

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

// makes writes what the backends take for the layers of a line.
func (a *alike) makes(w io.Writer) {
	he, dealt := a.cost("lattigo"), a.cost("dealer")
	for _, c := range []estimate.Cost{he, dealt} {
		fmt.Fprintf(w, "\t%s\t%s\t%s", bytesText(c.UpBytes+c.DownBytes+c.DealtBytes), seconds(c.CPU()), bytesText(float64(c.ClientStore+c.ServerStore)))
	}
	fmt.Fprintln(w)
}

func printLinear(w io.Writer, e *estimate.Estimate, each bool) {
	line := func(l *estimate.Layer) string {
		fa := e.Nodes[l.Inputs[0]].Frac
		return fmt.Sprintf("%d×%d×%d\t%d\t%d\t%.3g\t%d", l.Shape[0], l.Shape[1], l.Shape[2], fa, l.WeightFrac, float64(l.MACs)/1e6, l.Parameters)
	}
	fmt.Fprintln(w, "LINEAR\tOUTPUT\tFA\tFW\tMILLION MACS\tPARAMETERS\tHE: SENT\tCPU\tSTORED\tDEALER: SENT\tCPU\tSTORED")
	for _, a := range gather(e, model.OpLinear, each, line) {
		fmt.Fprintf(w, "%s\t%s", a.name(), line(a.layers[0]))
		a.makes(w)
	}
	fmt.Fprintln(w)
}

func printActivations(w io.Writer, e *estimate.Estimate, each bool) {
	line := func(l *estimate.Layer) string {
		a := l.Activation
		return fmt.Sprintf("%d\t%d\t%d\t%d\t%d\t%d\t%d bits\t±%.3g", l.Elements(), a.Degree, a.ArgumentFrac, a.DroppedBits, a.RangeBits, a.MaskBits, a.HidingBits, a.Range)
	}
	fmt.Fprintln(w, "ACTIVATION\tELEMENTS\tDEGREE\tFA\tFW\tM\tB\tHIDES\tRANGE\tCALIBRATED\tMARGIN\tEXACT TO\tERROR\tHE: SENT\tCPU\tSTORED\tDEALER: SENT\tCPU\tSTORED")
	for _, group := range gather(e, model.OpPolynomial, each, line) {
		fmt.Fprintf(w, "%s\t%s\t%s", group.name(), line(group.layers[0]), ranges(group))
		group.makes(w)
	}
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

// probability writes a bound as a power of two.
func probability(p float64) string {
	if p == 0 {
		return "0"
	}
	return fmt.Sprintf("2^%.1f", math.Log2(p))
}

func printInference(e *estimate.Estimate) {
	fmt.Printf("\none inference: %s, %s up in %s, %s down in %d\n", count(e.Rounds, "round"),
		bytesText(float64(e.BytesUp)), count(e.Online.UpMessages, "message"), bytesText(float64(e.BytesDown)), e.Online.DownMessages)
	fmt.Printf("its bundle:    %s\n", correlations(e.Correlations))
	he, dealt := e.Backends[0], e.Backends[1]
	fmt.Printf("privacy:       %s, which all together differ from random ones by at most %s; with a dealer, %s\n",
		count(e.Activations, "opened value"), probability(he.Distance), probability(dealt.Distance))
	fmt.Printf("correctness:   within the ranges some activation is off by more than rounding with a probability of at most %s; with a dealer, %s\n",
		probability(he.GrossError), probability(dealt.GrossError))
}

// bytesText writes a number of bytes with three digits.
func bytesText(b float64) string {
	switch {
	case b < 1e3:
		return fmt.Sprintf("%.0f B", b)
	case b < 1e6:
		return fmt.Sprintf("%.3g kB", b/1e3)
	case b < 1e9:
		return fmt.Sprintf("%.3g MB", b/1e6)
	}
	return fmt.Sprintf("%.3g GB", b/1e9)
}

func correlations(all []estimate.Correlations) string {
	var texts []string
	for _, c := range all {
		texts = append(texts, fmt.Sprintf("%d %s", c.Elements, c.Pool))
	}
	return strings.Join(texts, ", ")
}

func printBundles(e *estimate.Estimate) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nOFFLINE\tBUNDLES\tCPU\tCLIENT\tSERVER\tDEALER\tUP\tDOWN\tDEALT\tSTORE CLIENT\tSERVER\tDISTANCE\tERROR")
	for _, b := range e.Backends {
		dealer, dealt := "", ""
		if b.DealtBytes > 0 {
			dealer, dealt = seconds(b.DealerCPU), bytesText(b.DealtBytes)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Name, b.Bundles, seconds(b.CPU()), seconds(b.ClientCPU), seconds(b.ServerCPU), dealer,
			bytesText(b.UpBytes), bytesText(b.DownBytes), dealt, bytesText(float64(b.ClientStore)), bytesText(float64(b.ServerStore)),
			probability(b.Distance), probability(b.GrossError))
	}
	w.Flush()
}

func printLatency(e *estimate.Estimate) {
	if len(e.Latency) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nONLINE\tBATCH\tLATENCY\tROUND TRIPS\tTRANSFER\tWORK")
	for _, l := range e.Latency {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", l.Network, e.Online.Batch, seconds(l.Seconds), seconds(l.RoundTrips), seconds(l.Transfer), seconds(l.Work))
	}
	w.Flush()
}

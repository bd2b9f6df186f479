package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"pascaline/estimate"
	"pascaline/model"
)

// printChange prints what a model takes now and would take then: what they have in
// all, and the layers whose scales differ.
func printChange(now, then *estimate.Estimate, c estimate.Changes, each bool) error {
	fmt.Printf("%s   plan %.12s\n\n", now.Name, now.Hash)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tNOW\tWITH %v\tCHANGE\n", c)
	batched := now.Online.Batch > 1 || then.Online.Batch > 1
	after := totals(then, batched)
	for i, t := range totals(now, batched) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.name, t.text, after[i].text, t.change(after[i]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	changed, err := printScales(w, now, then, each)
	if err != nil {
		return err
	}
	if _, given := c[estimate.Degree]; given {
		fmt.Println("\nThis is what activations of another degree cost. How well a network does with them, only training it anew shows.")
	} else if changed {
		fmt.Println("\nThe scales are those that compiling the same network so would choose; pascaline eval measures what it is worth then.")
	}
	fmt.Printf("\ntimes are those of %s\n", now.Rates.Machine)
	return nil
}

// total is a figure of a whole inference.
type total struct {
	name, text string
	value      float64
	bound      bool // its logarithm is what counts
}

// change writes how it differs then.
func (t total) change(then total) string {
	switch {
	case t.text == then.text:
		return ""
	case t.value == 0 || then.value == 0:
		return "-"
	case t.bound:
		return fmt.Sprintf("%+.1f bits", math.Log2(t.value/then.value))
	}
	ratio := then.value / t.value
	if math.Abs(ratio-1) < 0.005 {
		return ""
	}
	return fmt.Sprintf("×%.2f", ratio)
}

// totals lists what an estimate says of a whole inference; of one in a batch, also
// what its share of the latency is.
func totals(e *estimate.Estimate, batched bool) (all []total) {
	add := func(name, text string, value float64) { all = append(all, total{name, text, value, false}) }
	bound := func(name string, p float64) { all = append(all, total{name, probability(p), p, true}) }
	time := func(name string, s float64) { add(name, seconds(s), s) }
	bytes := func(name string, b float64) { add(name, bytesText(b), b) }
	add("online: inferences in a batch", fmt.Sprint(e.Online.Batch), float64(e.Online.Batch))
	for _, l := range e.Latency {
		time("  latency, "+l.Network, l.Seconds)
		if batched {
			time("  latency, "+l.Network+", each", l.Seconds/float64(e.Online.Batch))
		}
	}
	add("  rounds", fmt.Sprint(e.Rounds), float64(e.Rounds))
	bytes("  client to server, each", float64(e.BytesUp))
	bytes("  server to client, each", float64(e.BytesDown))
	for _, b := range e.Backends {
		add(b.Name+": bundles in a run", fmt.Sprint(b.Bundles), float64(b.Bundles))
		time("  CPU", b.CPU())
		bytes("  client to server", b.UpBytes)
		bytes("  server to client", b.DownBytes)
		if b.DealtBytes > 0 {
			bytes("  dealt", b.DealtBytes)
		}
		bytes("  client's store", float64(b.ClientStore))
		bytes("  server's store", float64(b.ServerStore))
	}
	if bits, any := hiding(e); any {
		all = append(all, total{"opened values hide with", fmt.Sprintf("%d bits", bits), math.Ldexp(1, -int(bits)), true})
	}
	for _, b := range e.Backends {
		bound("distance, "+b.Name, b.Distance)
		bound("gross error, "+b.Name, b.GrossError)
	}
	return all
}

// hiding returns with how many bits the value hides that hides worst, if any is
// opened.
func hiding(e *estimate.Estimate) (least uint, any bool) {
	least = math.MaxUint
	for _, l := range e.Layers {
		if l.Activation != nil {
			least, any = min(least, l.Activation.HidingBits), true
		}
	}
	return least, any
}

// printScales prints the layers whose scales differ, and returns whether any do.
func printScales(w *tabwriter.Writer, now, then *estimate.Estimate, each bool) (any bool, err error) {
	index := map[*estimate.Layer]int{}
	for i := range now.Layers {
		index[&now.Layers[i]] = i
	}
	line := func(l *estimate.Layer) string {
		i := index[l]
		before, after := differences(scales(&now.Layers[i]), scales(&then.Layers[i]))
		return before + "\t" + after
	}
	for _, op := range []model.Op{model.OpLinear, model.OpPolynomial} {
		for _, a := range gather(now, op, each, line) {
			if line(a.layers[0]) == "\t" {
				continue
			}
			if !any {
				fmt.Fprintln(w, "\nLAYER\tNOW\tTHEN")
				any = true
			}
			fmt.Fprintf(w, "%s\t%s\n", a.name(), line(a.layers[0]))
		}
	}
	return any, w.Flush()
}

// scales lists how a layer computes.
func scales(l *estimate.Layer) []string {
	all := []string{"bits " + bits(&l.NodeSummary)}
	if a := l.Activation; a != nil {
		all = append(all, fmt.Sprintf("degree %d", a.Degree), fmt.Sprintf("m %d", a.RangeBits), fmt.Sprintf("B %d", a.MaskBits), fmt.Sprintf("hides %d bits", a.HidingBits))
	}
	return all
}

// differences writes what differs between scales of one layer.
func differences(now, then []string) (before, after string) {
	var a, b []string
	for i := range now {
		if now[i] != then[i] {
			a, b = append(a, now[i]), append(b, then[i])
		}
	}
	return strings.Join(a, ", "), strings.Join(b, ", ")
}

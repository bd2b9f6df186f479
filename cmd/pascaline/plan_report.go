package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"pascaline/estimate"
)

// printEstimate prints what a model takes: in short, then layer by layer, offline and
// online.
func printEstimate(e *estimate.Estimate, each bool) error {
	fmt.Printf("%s   plan %.12s   σ = %d", e.Name, e.Hash, e.Sigma)
	if c := e.Calibration; c != nil {
		fmt.Printf(", calibrated on %s with a margin of %.3g", count(c.Samples, "input"), c.Margin)
	}
	fmt.Print("\n\n")
	printShort(e)
	if err := printLayers(e, each); err != nil {
		return err
	}
	printBundles(e)
	printLatency(e)
	fmt.Printf("\ntimes are those of %s", e.Rates.Machine)
	if !e.Rates.Measured {
		fmt.Print(";\n--measure takes this machine's")
	}
	fmt.Println()
	return nil
}

// printShort prints what most come for: how long an inference takes, what it sends,
// what its bundle costs, and how well it hides.
func printShort(e *estimate.Estimate) {
	var latencies []string
	for _, l := range e.Latency {
		latencies = append(latencies, seconds(l.Seconds)+" over "+l.Network)
	}
	fmt.Printf("one inference  %s; %s, %s up, %s down\n", strings.Join(latencies, ", "),
		count(e.Rounds, "round"), bytesText(float64(e.BytesUp)), bytesText(float64(e.BytesDown)))
	label := "its bundle"
	for _, b := range e.Backends {
		fmt.Printf("%-13s  %-8s %s of CPU, %s sent, %s in the client's store, %s in the server's\n", label, b.Name+":",
			seconds(b.CPU()), bytesText(b.SentBytes()), bytesText(float64(b.ClientStore)), bytesText(float64(b.ServerStore)))
		label = ""
	}
	if bits, any := hiding(e); any {
		fmt.Printf("privacy        %s, each hides with %d bits or more\n", count(e.Activations, "opened value"), bits)
	} else {
		fmt.Println("privacy        nothing is opened but the output, to the client")
	}
	fmt.Println()
}

// probability writes a bound as a power of two.
func probability(p float64) string {
	if p == 0 {
		return "0"
	}
	return fmt.Sprintf("2^%.1f", math.Log2(p))
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
	fmt.Fprintln(w, "\nOFFLINE\tBUNDLES\tCPU: CLIENT\tSERVER\tDEALER\tUP\tDOWN\tDEALT\tSTORED: CLIENT\tSERVER")
	for _, b := range e.Backends {
		dealer, dealt := "", ""
		if b.DealtBytes > 0 {
			dealer, dealt = seconds(b.DealerCPU), bytesText(b.DealtBytes)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Name, b.Bundles, seconds(b.ClientCPU), seconds(b.ServerCPU), dealer,
			bytesText(b.UpBytes), bytesText(b.DownBytes), dealt, bytesText(float64(b.ClientStore)), bytesText(float64(b.ServerStore)))
	}
	w.Flush()
	he, dealt := e.Backends[0], e.Backends[1]
	fmt.Printf("a bundle is %s\n", correlations(e.Correlations))
	fmt.Printf("all opened values together differ from random ones by at most %s; with a dealer, %s\n",
		probability(he.Distance), probability(dealt.Distance))
	fmt.Printf("some activation is off by more than rounding with a probability of at most %s; with a dealer, %s\n",
		probability(he.GrossError), probability(dealt.GrossError))
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
	fmt.Printf("%s up, %s down\n", count(e.Online.UpMessages, "message"), count(e.Online.DownMessages, "message"))
}

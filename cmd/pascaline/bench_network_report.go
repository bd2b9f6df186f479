package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"pascaline/bench"
)

// printReport prints what bench network measured, a table for online and one for
// offline.
func printReport(r *bench.Report) error {
	m := r.Machine
	fmt.Printf("%s, %s for both parties, kernel %s, multiplier peak %.1f GMAC/s a core\n",
		m.Processor, count(m.Cores, "core"), m.Kernel, m.Peak/1e9)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, n := range r.Networks {
		fmt.Printf("\n%s: degree %d, %s in %s, %.4g million MACs, %s\n\n",
			n.Name, n.Degree, count(n.Activations, "activation"), count(n.Layers, "layer"), float64(n.MACs)/1e6, count(n.Parameters, "parameter"))
		printOnline(w, n)
		if len(n.Offline) > 0 {
			fmt.Fprintln(w)
			printOffline(w, n)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func printOnline(w *tabwriter.Writer, n *bench.Network) {
	fmt.Fprintln(w, "ONLINE\tBATCH\tLATENCY\tP95\tFLOOR\tRATIO\tROUNDS\tMB UP\tMB DOWN\tCPU CLIENT\tSERVER\tPEAK CLIENT\tSERVER\tAGREE\tTIES\tLOGITS WITHIN")
	for _, o := range n.Online {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%.2f\t%d\t%.3f\t%.3f\t%s\t%s\t%s\t%s\t%d of %d\t%d\t%.2g of %.3g\n",
			o.Setting, o.Batch, seconds(o.Latency), seconds(o.P95), seconds(o.Floor), o.Ratio(), o.Rounds,
			o.SentBytes/1e6, o.ReceivedBytes/1e6, seconds(o.ClientCPU), seconds(o.ServerCPU),
			megabytes(o.ClientMemory), megabytes(o.ServerMemory), o.Check.Agree, o.Check.Of, o.Check.Ties, o.Check.Difference, o.Check.Range)
	}
}

func printOffline(w *tabwriter.Writer, n *bench.Network) {
	fmt.Fprintln(w, "OFFLINE\tBUNDLES\tTIME\tCPU\tCLIENT\tSERVER\tDEALER\tMB UP\tMB DOWN\tSTORE CLIENT\tSERVER\tPEAK CLIENT\tSERVER")
	for _, o := range n.Offline {
		dealer := ""
		if o.DealerCPU > 0 {
			dealer = seconds(o.DealerCPU)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f MB\t%.2f MB\t%s\t%s\n",
			o.Backend, o.Bundles, seconds(o.Seconds), seconds(o.CPU()), seconds(o.ClientCPU), seconds(o.ServerCPU), dealer,
			o.SentMB, o.ReceivedMB, o.ClientStoreMB, o.ServerStoreMB, megabytes(o.ClientMemory), megabytes(o.ServerMemory))
	}
}

// seconds writes a time with three digits.
func seconds(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.0f µs", 1e6*s)
	case s < 1:
		return fmt.Sprintf("%.3g ms", 1e3*s)
	}
	return fmt.Sprintf("%.3g s", s)
}

// megabytes writes a peak of memory, or that the system does not tell.
func megabytes(b int64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f MB", float64(b)/1e6)
}

// printChanges prints what moved since an earlier report, and of when and where that
// is; with JSON on the standard output, to standard error.
func printChanges(old *bench.Report, changes []bench.Change, asJSON bool) {
	out := os.Stdout
	if asJSON {
		out = os.Stderr
	}
	if len(changes) == 0 {
		fmt.Fprintln(out, "\nnothing to compare: the earlier report has no figures of the same network and degree over the same emulated network in the same batches, or of as many bundles by the same backend")
		return
	}
	m := old.Machine
	fmt.Fprintf(out, "\nheld against the report of %s: %s, %s, kernel %s\n", old.Date.Format("2006-01-02 15:04 MST"), m.Processor, count(m.Cores, "core"), m.Kernel)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSINCE THEN\tSETTING\tFIGURE\tNOW\tWAS\tRATIO\t")
	moved := 0
	for _, c := range changes {
		note := ""
		if c.Moved() {
			note = "moved"
			moved++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.4g\t%.4g\t%.2f\t%s\n", c.Network, c.Setting, c.Figure, c.New, c.Old, c.Ratio(), note)
	}
	w.Flush()
	fmt.Fprintf(out, "\n%d of %s moved by more than a tenth\n", moved, count(len(changes), "figure"))
}

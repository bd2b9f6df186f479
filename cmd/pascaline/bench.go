package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pascaline/bench"
	"pascaline/internal/commandline"
	"pascaline/online"
)

func benchCommand() *cobra.Command {
	cmd := commandline.Family(&cobra.Command{Use: "bench", Short: "Measure protocols on this machine"})
	cmd.AddCommand(benchNetworkCommand(), benchKernelCommand(), benchESPNCommand(), measuredClientCommand())
	return cmd
}

func benchESPNCommand() *cobra.Command {
	var points, repeat int
	var degrees []int
	var delays []time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "espn",
		Short: "Compare the three ways to evaluate a polynomial of shared values",
		Long: `Espn evaluates polynomials of shared points by power correlations (powers), by the
paper's products of powers of shares (espn) and by Beaver multiplications (tree),
both parties in this process, over TLS on loopback with emulated delays. The
correlations are dealt beforehand and not in the times, which are medians. A gross
error is one that no rounding explains; docs/session.md says where they come from.`,
		Example: "  pascaline bench espn\n  pascaline bench espn --points 1000000 --degrees 4 --delays 0s",
		Args:    commandline.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if points < 1 || points > 1<<22 {
				return fmt.Errorf("--points is %d; it must be from 1 to %d", points, 1<<22)
			}
			if repeat < 1 || points*repeat > 1<<26 {
				return fmt.Errorf("--repeat is %d; it must be from 1 to %d", repeat, 1<<26/points)
			}
			for _, d := range degrees {
				if d < 2 || d > 6 {
					return fmt.Errorf("--degrees has %d; there are degrees 2 to 6", d)
				}
			}
			for _, d := range delays {
				if d < 0 || d > 10*time.Second {
					return fmt.Errorf("--delays has %v; a delay is from 0s to 10s", d)
				}
			}
			results, err := bench.Polynomials(cmd.Context(), bench.PolynomialOptions{
				Points: points, Repeat: repeat, Degrees: degrees, Methods: online.Methods(), Delays: delays,
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(results)
			}
			return printPolynomials(results)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&points, "points", 32768, "how many points are evaluated at a time")
	flags.IntVar(&repeat, "repeat", 5, "how many times")
	flags.IntSliceVar(&degrees, "degrees", []int{2, 3, 4, 5, 6}, "degrees of the polynomials")
	flags.DurationSliceVar(&delays, "delays", []time.Duration{0, 50 * time.Millisecond}, "one-way delays of the network")
	flags.BoolVar(&asJSON, "json", false, "print the results as JSON")
	return cmd
}

func printPolynomials(results []bench.PolynomialResult) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DELAY\tDEGREE\tMETHOD\tTIME\tROUNDS\tBYTES\tMEAN ERROR\tLARGEST\tGROSS\tEXPECTED\tSPENT")
	for _, r := range results {
		var spent []string
		for pool, n := range r.Spent {
			spent = append(spent, fmt.Sprintf("%d %s", n, pool))
		}
		slices.Sort(spent)
		fmt.Fprintf(w, "%g ms\t%d\t%s\t%.1f ms\t%d\t%g\t%.1e\t%.1e\t%d\t%.1e\t%s\n", r.DelayMS, r.Degree, r.Method,
			1e3*r.Seconds, r.Rounds, r.Bytes, r.MeanError, r.MaxError, r.Gross, r.Expected, strings.Join(spent, ", "))
	}
	return w.Flush()
}

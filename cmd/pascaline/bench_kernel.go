package main

import (
	"fmt"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pascaline/bench"
	"pascaline/internal/commandline"
)

func benchKernelCommand() *cobra.Command {
	var cores int
	var each time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "kernel",
		Short: "Measure the convolution kernels of this processor",
		Long: `Kernel measures how fast each kernel of this processor convolves shapes of the
zoo's networks, uint64 by int16 mod 2^64, and beside it what the kernel's multiply
and add instructions reach with nothing else to do: the peak. Products are counted
as the direct algorithm has them; where Karatsuba's needs fewer, a convolution can
be above the peak. PASCALINE_KERNEL chooses a kernel for other commands.`,
		Example: "  pascaline bench kernel\n  pascaline bench kernel --cores 2",
		Args:    commandline.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most := runtime.NumCPU(); cores < 1 || cores > most {
				return fmt.Errorf("--cores is %d; it must be from 1 to %d", cores, most)
			}
			if each < time.Millisecond || each > time.Minute {
				return fmt.Errorf("--each is %v; it must be from 1ms to 1m", each)
			}
			results, err := bench.Kernels(cmd.Context(), cores, each)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(results)
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KERNEL\tSHAPE\tMILLION MACS\tTIME\tGMAC/s\tPEAK\tOF PEAK")
			for _, r := range results {
				fmt.Fprintf(w, "%s\t%s\t%.3g\t%s\t%.1f\t%.1f\t%.0f %%\n", r.Kernel, r.Shape, float64(r.MACs)/1e6, seconds(r.Seconds),
					r.Rate/1e9, r.Peak/1e9, 100*r.Rate/r.Peak)
			}
			return w.Flush()
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&cores, "cores", 1, "on how many cores")
	flags.DurationVar(&each, "each", 200*time.Millisecond, "how long each shape is measured")
	flags.BoolVar(&asJSON, "json", false, "print the results as JSON")
	return cmd
}

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/internal/figure"
)

type compareFlags struct {
	sort, markdown, asJSON bool
	plot, against          string
}

func compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare RUN…",
		Short: "Compare trained networks in a table, and draw them",
		Long: `Compare prints a table of what pillar train made; RUN is what it had as --out. The runs
of --seeds are one row: the mean, and half of what lies between the best and the worst.
A run that is not finished has a row that says how far it is.

The table has each network's accuracy on the test images in real numbers (float) and in
those of private inference (fixed point), and how much that is above or below the same
network with ReLU, if that is among the runs; the largest pre-activation of all test
images, where nothing is clipped; the share of the pre-activations that were beyond the
range in the last epoch; and how long training took. Options that differ are named.

--plot draws accuracy and the largest pre-activation, over the epochs on the images held
out (or, where none were, those trained on, clipped), or in the end against the penalty
or the degree on the test images.`,
		Example: `  pillar compare trained baseline
  pillar compare beta-* no-penalty --sort --plot beta.png --against penalty
  pillar compare degree-* --sort --markdown > degrees.md`,
		Args: commandline.SomeArguments("the folder of a run or several"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("against") && f.plot == "" {
				return errors.New("--against says against what --plot draws: name a file with --plot")
			}
			return f.run(args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.sort, "sort", false, "order the runs by network, degree and penalty, not as they are named")
	flags.BoolVar(&f.markdown, "markdown", false, "print the table for a document")
	flags.BoolVar(&f.asJSON, "json", false, "print the comparison as JSON")
	flags.StringVar(&f.plot, "plot", "", "draw accuracy and the largest pre-activation to this PNG file")
	flags.StringVar(&f.against, "against", "epoch", "what they are drawn against: "+strings.Join(axes, ", "))
	return cmd
}

// axes are what a plot can be drawn against.
var axes = []string{"epoch", "penalty", "degree"}

func (f *compareFlags) run(folders []string) error {
	if f.markdown && f.asJSON {
		return errors.New("--markdown and --json: the table is printed in one form, leave out the other")
	}
	if !slices.Contains(axes, f.against) {
		return fmt.Errorf("--against is %q; take %s", f.against, strings.Join(axes, ", "))
	}
	if f.plot != "" {
		if err := figure.CheckPath(f.plot); err != nil {
			return fmt.Errorf("--plot %s: %w", f.plot, err)
		}
	}
	var c comparison
	for _, folder := range folders {
		runs, err := readRuns(folder)
		if err != nil {
			return fmt.Errorf("comparing %s: %w", folder, err)
		}
		c.Entries = append(c.Entries, newEntry(folder, runs))
	}
	if f.sort {
		c.sort()
	}
	c.relate()
	for _, warning := range c.warnings() {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	if f.plot != "" {
		if err := plotComparison(f.plot, f.against, &c); err != nil {
			return fmt.Errorf("--plot %s: %w", f.plot, err)
		}
	}
	switch {
	case f.asJSON:
		return printJSON(&c)
	case f.markdown:
		return c.printMarkdown(os.Stdout)
	}
	return c.print(os.Stdout)
}

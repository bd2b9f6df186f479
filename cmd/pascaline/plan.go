package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/estimate"
	"pascaline/internal/commandline"
	"pascaline/link"
)

type planFlags struct {
	networks, whatIf        []string
	layers, measure, asJSON bool

	settings []link.Network // that networks names
	changes  estimate.Changes
}

// estimateReport is the JSON form of what plan found.
type estimateReport struct {
	*estimate.Estimate
	WhatIf *whatIfReport `json:"what_if,omitempty"`
}

// whatIfReport is what changes would make of it.
type whatIfReport struct {
	Changes  estimate.Changes   `json:"changes"`
	Estimate *estimate.Estimate `json:"estimate"`
}

func planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan MODEL [--what-if KEY=VALUE...]",
		Short: "Say what a model's inference hides, risks and costs, before any is run",
		Long: `Plan says what private inference of a model takes before anything is made or run:
its scales and bit budget, how well what is opened hides, what can go wrong and how
rarely at most, what a bundle costs by either backend and takes in a store, what an
inference sends, and how long it takes over a network.

BITS are fractional bits: of linear layers, those of their input (fa) and of their
weights (fw), which add up; of activations, those of the polynomial's argument (fa) and
what the opening drops (fw), then those of the result. Inputs of activations are below
2^M units within RANGE, masks have B bits above those that are dropped, and each opened
value HIDES with so many bits. CALIBRATED is the largest input that the compilation
saw, and MARGIN how far beyond it the range reaches; a value up to EXACT TO still
computes as it should, and only hides less. ERROR bounds the probability that any of
a layer's elements comes out wrong by more than rounding, with a bundle that
homomorphic encryption made.

HE and DEALER are what homomorphic encryption (lattigo) and a trusted dealer take for
a layer's correlations, its powers/DEGREE/B or its linear one: bytes SENT by all,
processor time of all, and bytes STORED at both parties; a run's start and keys are in
the totals alone. Bytes are those of messages, exactly; TLS and framing add less than a
hundredth. Times are extrapolated from the machine of docs/benchmarks.md, which both
parties are taken to have, or with --measure from this one.

With --what-if it says the same of the model with something changed, side by side,
and of a change that the budget does not allow which layer stands against it:

` + estimate.Keys() + `
A degree says what a network of such activations costs, and nothing of its accuracy,
for which it must be trained anew.`,
		Example: `  pascaline plan mnist
  pascaline plan resnet18 --network 20ms,50Mbit/s
  pascaline plan net.pasc --what-if degree=2 sigma=46`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			model, err := f.check(cmd, args)
			if err != nil {
				return err
			}
			return f.run(cmd.Context(), model)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.networks, "network", []string{"lan", "wan"}, "a network to estimate latency for: loopback, "+networkUsage+"; repeat for more")
	flags.StringSliceVar(&f.whatIf, "what-if", nil, "what to change, as KEY=VALUE; further ones may follow")
	flags.BoolVar(&f.layers, "layers", false, "show each layer in a line of its own, also where some are alike")
	flags.BoolVar(&f.measure, "measure", false, "measure how fast this machine is, which takes a second, and take both parties' for one like it")
	flags.BoolVar(&f.asJSON, "json", false, "print as JSON, with all layers")
	return cmd
}

// check finds what can be refused before a model is read, and returns its name.
// After --what-if, arguments may be changes.
func (f *planFlags) check(cmd *cobra.Command, args []string) (model string, err error) {
	var rest []string
	for _, arg := range args {
		if len(f.whatIf) > 0 && strings.Contains(arg, "=") && !exists(arg) {
			f.whatIf = append(f.whatIf, arg)
		} else {
			rest = append(rest, arg)
		}
	}
	const what = "a compiled model or plan (.pasc, .plan), mnist or a network of pascaline model zoo"
	if err := commandline.OneArgument(what)(cmd, rest); err != nil {
		return "", err
	}
	if f.changes, err = estimate.ParseChanges(f.whatIf); err != nil {
		return "", fmt.Errorf("--what-if: %w", err)
	}
	f.settings, err = parseNetworks(f.networks)
	return rest[0], err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (f *planFlags) run(ctx context.Context, path string) error {
	m, err := readModel(path)
	if err != nil {
		return err
	}
	o := estimate.Options{Networks: f.settings, Rates: estimate.EPYC()}
	if f.measure {
		if o.Rates, err = estimate.Measure(ctx); err != nil {
			return err
		}
	}
	now, err := estimate.New(m, o)
	if err != nil {
		return err
	}
	if len(f.changes) == 0 {
		if f.asJSON {
			return printJSON(estimateReport{Estimate: now})
		}
		return printEstimate(now, f.layers)
	}
	changed, o, err := f.changes.Apply(m, o)
	var then *estimate.Estimate
	if err == nil {
		then, err = estimate.New(changed, o)
	}
	if err != nil {
		return fmt.Errorf("with %v: %w", f.changes, err)
	}
	if f.asJSON {
		return printJSON(estimateReport{now, &whatIfReport{f.changes, then}})
	}
	return printChange(now, then, f.changes, f.layers)
}

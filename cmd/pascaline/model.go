package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/model"
)

func modelCommand() *cobra.Command {
	cmd := commandline.Family(&cobra.Command{Use: "model", Short: "Compile models and look at them"})
	cmd.AddCommand(importCommand(), showCommand(), zooCommand())
	return cmd
}

// planReport is the JSON form of a plan.
type planReport struct {
	*model.Summary
	Labels []string `json:"labels,omitempty"`
}

func showCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show NAME|FILE",
		Short:   "Show what a compiled model or plan computes, its scales and its costs",
		Example: "  pascaline model show mnist\n  pascaline model show resnet18/2\n  pascaline model show net.pasc",
		Args:    commandline.OneArgument("a compiled model or plan (.pasc, .plan), mnist or a network of pascaline model zoo"),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := readModel(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(planReport{m.Plan.Summary(), m.Plan.Labels})
			}
			printPlan(m.Plan)
			if m.Weights == nil {
				fmt.Println("\nthis file holds the plan alone, no weights")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// printPlan prints a plan as a table, then what one inference takes.
func printPlan(p *model.Plan) {
	s := p.Summary()
	fmt.Printf("%s   plan %.12s\n\n", s.Name, s.Hash)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tOPERATION\tSHAPE\tBITS\tMACS\tPARAMETERS\tRANGE\tHIDING\tPOLYNOMIAL")
	for _, n := range s.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%d×%d×%d\t%s", n.Name, n.Op, n.Shape[0], n.Shape[1], n.Shape[2], bits(&n))
		switch {
		case n.Activation != nil:
			a := n.Activation
			fmt.Fprintf(w, "\t\t\t±%.3g\t%d bits\t%s", a.Range, a.HidingBits, polynomial(a.Coefficients))
		case n.MACs > 0:
			fmt.Fprintf(w, "\t%d\t%d\t\t\t", n.MACs, n.Parameters)
		default:
			fmt.Fprint(w, "\t\t\t\t\t")
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	if len(p.Labels) > 0 {
		fmt.Printf("\nthe outputs: %s\n", strings.Join(p.Labels, ", "))
	}
	fmt.Printf("\none inference: %s, %.1f kB up, %.1f kB down, %.2f million MACs, %s\n",
		count(s.Rounds, "round"), float64(s.BytesUp)/1e3, float64(s.BytesDown)/1e3, float64(s.MACs)/1e6, count(s.Parameters, "parameter"))
	fmt.Printf("privacy: %s; all together they differ from random ones by at most %s\n",
		count(s.Activations, "opened value"), probability(s.Distance))
	if s.TruncationError > 0 {
		fmt.Printf("a wrong truncation has probability %s\n", probability(s.TruncationError))
	}
}

// polynomial writes a_0 + a_1 t + … with four digits.
func polynomial(coefficients []float64) string {
	var terms []string
	for k, a := range coefficients {
		switch {
		case a == 0:
		case k == 0:
			terms = append(terms, fmt.Sprintf("%.4g", a))
		case k == 1:
			terms = append(terms, fmt.Sprintf("%.4gt", a))
		default:
			terms = append(terms, fmt.Sprintf("%.4gt^%d", a, k))
		}
	}
	return strings.ReplaceAll(strings.Join(terms, " + "), "+ -", "− ")
}

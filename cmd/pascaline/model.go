package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pascaline/dataset"
	"pascaline/internal/mnist"
	"pascaline/model"
)

// readModel reads a .pasc file, with or without weights, or the built-in model.
func readModel(path string) (*model.Model, error) {
	if path == builtIn {
		return mnist.Model()
	}
	return model.ReadFile(path)
}

func modelCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "model", Short: "Compile models and look at them"}
	cmd.AddCommand(importCommand(), showCommand())
	return cmd
}

func importCommand() *cobra.Command {
	var (
		calibrate, labels []string
		out               string
		images            int
		fit, invert       bool
		sigma             uint
	)
	cmd := &cobra.Command{
		Use:   "import MODEL.onnx --calibrate IMAGES -o OUT.pasc",
		Short: "Compile an ONNX model for private inference",
		Long: `Import compiles a network that PyTorch exported to ONNX: it folds batch norms and
constants, chooses fixed-point scales from the calibration images, and checks
that every layer fits the bit budget. It writes OUT.pasc, which holds the weights
and stays with the server, and OUT.plan, which holds none and goes to clients.

Activations must be polynomials of degree 2 to 8, and pools average pools.
Calibrate on images like those to come: a hundred or more.`,
		Example: "  pascaline model import net.onnx --calibrate train-images-idx3-ubyte.gz -o net.pasc",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if filepath.Ext(out) != ".pasc" {
				return fmt.Errorf("the output is called %s; its name must end in .pasc", out)
			}
			graph, err := model.ImportONNXFile(args[0])
			if err != nil {
				return err
			}
			in := graph.Nodes[0].Shape
			set, err := dataset.Read(dataset.Options{H: in.H, W: in.W, C: in.C, Fit: fit, Invert: invert, Limit: images}, calibrate...)
			if err != nil {
				return fmt.Errorf("reading the calibration images: %w", err)
			}
			inputs := make([][]float32, len(set))
			for i, im := range set {
				inputs[i] = im.Pixels
			}
			name := strings.TrimSuffix(filepath.Base(out), ".pasc")
			m, report, err := model.Compile(graph, inputs, model.Options{Name: name, Labels: labels, Sigma: sigma})
			if err != nil {
				return err
			}
			plan := strings.TrimSuffix(out, ".pasc") + ".plan"
			if err := model.WriteFile(out, m); err != nil {
				return err
			}
			if err := model.WriteFile(plan, m.PlanOnly()); err != nil {
				return err
			}
			printSummary(m.Plan.Summary())
			fmt.Printf("\non the %d calibration images: largest output %.3g, fixed point differs by at most %.3g, %.2f %% the same class\n",
				report.Samples, report.OutputMax, report.OutputError, 100*report.Agreement)
			fmt.Printf("%s holds the weights: keep it on the server\n%s holds none: give it to clients\n", out, plan)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&calibrate, "calibrate", nil, "images like those to come: a folder, an IDX file or pictures; repeat for more")
	flags.StringVarP(&out, "output", "o", "", "file for the compiled model, ending in .pasc")
	flags.IntVar(&images, "count", 1000, "take so many calibration images at most")
	flags.BoolVar(&fit, "fit", false, "resize pictures of another size than the model's")
	flags.BoolVar(&invert, "invert", false, "exchange black and white in the calibration images")
	flags.StringSliceVar(&labels, "labels", nil, "names of the outputs, separated by commas")
	flags.UintVar(&sigma, "sigma", 40, "bits with which every opened value hides at least")
	cmd.MarkFlagRequired("calibrate")
	cmd.MarkFlagRequired("output")
	return cmd
}

func showCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show FILE",
		Short:   "Show what a compiled model or plan computes, its scales and its costs",
		Example: "  pascaline model show mnist",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := readModel(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(m.Plan.Summary())
			}
			printSummary(m.Plan.Summary())
			if m.Weights == nil {
				fmt.Println("\nthis file holds the plan alone, no weights")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// printSummary prints a plan as a table, then what one inference takes.
func printSummary(s *model.Summary) {
	fmt.Printf("%s   plan %.12s\n\n", s.Name, s.Hash)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tOPERATION\tSHAPE\tBITS\tMACS\tPARAMETERS\tRANGE\tHIDING\tPOLYNOMIAL")
	for _, n := range s.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%d×%d×%d\t%d", n.Name, n.Op, n.Shape[0], n.Shape[1], n.Shape[2], n.Frac)
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
	fmt.Printf("\none inference: %d rounds, %.1f kB up, %.1f kB down, %.2f million MACs, %d parameters\n",
		s.Rounds, float64(s.BytesUp)/1e3, float64(s.BytesDown)/1e3, float64(s.MACs)/1e6, s.Parameters)
	fmt.Printf("privacy: %d opened values; all together they differ from random ones by at most 2^%.1f\n",
		s.Activations, math.Log2(s.Distance))
	if s.TruncationError > 0 {
		fmt.Printf("a wrong truncation has probability 2^%.1f\n", math.Log2(s.TruncationError))
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

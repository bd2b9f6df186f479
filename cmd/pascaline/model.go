package main

import (
	"fmt"
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
			_ = report
			printSummary(m.Plan)
			fmt.Printf("\n%s holds the weights: keep it on the server\n%s holds none: give it to clients\n", out, plan)
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
			printSummary(m.Plan)
			if m.Weights == nil {
				fmt.Println("\nthis file holds the plan alone, no weights")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func printSummary(p *model.Plan) {
	_ = tabwriter.AlignRight
	_ = os.Stdout
}

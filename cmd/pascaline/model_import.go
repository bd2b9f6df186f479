package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/dataset"
	"pascaline/internal/commandline"
	"pascaline/model"
)

// fewImages is below how many calibration images import warns: ranges that few
// images show are too narrow for others.
const fewImages = 100

type importFlags struct {
	calibrate, labels []string
	out               string
	images            int
	fit, invert       bool
	activations       activationFlags
	sigma, fa, fw     uint
	margin            float64
	asJSON            bool
}

// importReport is the JSON form of what import did.
type importReport struct {
	Model       string  `json:"model"` // path of the file with the weights
	Plan        string  `json:"plan"`  // path of the file without
	Images      int     `json:"calibration_images"`
	OutputMax   float64 `json:"output_max"`
	OutputError float64 `json:"output_error"`
	Agreement   float64 `json:"agreement"`
	Warning     string  `json:"warning,omitempty"`
	*importNotes
	// Escapes says which layers' inputs leave the range of a polynomial's fit.
	Escapes  []string    `json:"escapes,omitempty"`
	Compiled *planReport `json:"compiled"`
}

func importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import MODEL.onnx --calibrate IMAGES -o OUT.pasc",
		Short: "Compile an ONNX model for private inference",
		Long: `Import compiles a network that PyTorch exported to ONNX: it folds batch norms and
constants, chooses fixed-point scales from the calibration images, and checks
that every layer fits the bit budget. It writes OUT.pasc, which holds the weights
and stays with the server, and OUT.plan, which holds none and goes to clients.

Activations must be polynomials of degree 2 to 8, and pools average pools. Other
activations become polynomials on request: --activation relu=poly:4:5 fits one of
degree 4 on [-5, 5] for every ReLU. A network that was not trained with it must be
expected to lose accuracy; docs/pytorch.md says how to train it so that it does not,
and what import takes. Functions are relu, relu6, leakyrelu, elu, selu, gelu, silu, mish,
sigmoid, hardsigmoid, hardswish, tanh and softplus; and clip and softmax, which can
be left out: clip=drop, softmax=drop. So can leakyrelu, elu, selu, sigmoid, tanh and
softplus at the network's end, where the order of the outputs is all that counts.

Calibrate on images like those to come: a hundred or more.`,
		Example: `  pascaline model import net.onnx --calibrate train-images-idx3-ubyte.gz -o net.pasc
  pascaline model import resnet.onnx --activation relu=poly:4:5 --calibrate images/ -o net.pasc`,
		Args: commandline.OneArgument("an ONNX model"),
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args[0]) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.calibrate, "calibrate", nil, "images like those to come: a folder of pictures or of such folders, an IDX file, or pictures; repeat for more")
	flags.StringVarP(&f.out, "output", "o", "", "file for the compiled model, ending in .pasc")
	flags.IntVar(&f.images, "count", 1000, "take so many calibration images at most (0: all)")
	flags.BoolVar(&f.fit, "fit", false, "resize pictures of another size than the model's")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white in the calibration images")
	flags.StringSliceVar(&f.labels, "labels", nil, "names of the outputs, separated by commas")
	f.activations.add(cmd)
	flags.UintVar(&f.sigma, "sigma", model.DefaultSigma, "bits with which every opened value hides at least")
	flags.Float64Var(&f.margin, "margin", model.DefaultMargin, "how far ranges reach beyond what the calibration images show, as a factor")
	flags.UintVar(&f.fa, "fa", 0, "fractional bits of all activations (0: chosen layer by layer)")
	flags.UintVar(&f.fw, "fw", 0, "fractional bits of all weights (0: chosen layer by layer)")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagRequired("calibrate")
	cmd.MarkFlagRequired("output")
	return cmd
}

// check finds what can be refused before anything is read; plan is the path of
// the second file.
func (f *importFlags) check(plan string) error {
	switch {
	case f.sigma < model.MinSigma || f.sigma > model.MaxSigma:
		return fmt.Errorf("--sigma is %d; it must be from %d to %d", f.sigma, model.MinSigma, model.MaxSigma)
	case !(f.margin >= 1 && f.margin <= model.MaxMargin):
		return fmt.Errorf("--margin is %v; it must be from 1 to %d", f.margin, model.MaxMargin)
	case f.fa != 0 && (f.fa < model.MinBits || f.fa > model.MaxActivationBits):
		return fmt.Errorf("--fa is %d; it must be from %d to %d, or 0 to choose", f.fa, model.MinBits, model.MaxActivationBits)
	case f.fw != 0 && (f.fw < model.MinBits || f.fw > model.MaxWeightBits):
		return fmt.Errorf("--fw is %d; it must be from %d to %d, or 0 to choose", f.fw, model.MinBits, model.MaxWeightBits)
	case f.images < 0:
		return fmt.Errorf("--count is %d; it must be positive, or 0 for all images", f.images)
	}
	return checkOutputs(f.out, plan)
}

// checkOutputs refuses to write a model and its plan over others, or nowhere.
func checkOutputs(paths ...string) error {
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s exists already, and another compilation would make the bundles for it useless: choose another name, or move it away first", path)
		}
	}
	if info, err := os.Stat(filepath.Dir(paths[0])); err != nil || !info.IsDir() {
		return fmt.Errorf("the output is %s, and there is no folder %s", paths[0], filepath.Dir(paths[0]))
	}
	return nil
}

func (f *importFlags) run(path string) error {
	plan, err := planBeside(f.out)
	if err != nil {
		return err
	}
	if err := f.check(plan); err != nil {
		return err
	}
	graph, notes, err := f.activations.importModel(path)
	if err != nil {
		return err
	}
	for _, n := range notes.Notes {
		fmt.Fprintln(os.Stderr, "note:", n)
	}
	if n := graph.Nodes[len(graph.Nodes)-1].Shape.Len(); len(f.labels) > 0 && len(f.labels) != n {
		return fmt.Errorf("--labels has %s, and the model has %s", count(len(f.labels), "name"), count(n, "output"))
	}
	in := graph.Nodes[0].Shape
	set, err := dataset.Read(dataset.Options{H: in.H, W: in.W, C: in.C, Fit: f.fit, Invert: f.invert, Limit: f.images}, f.calibrate...)
	if err != nil {
		return fmt.Errorf("reading the calibration images: %w", err)
	}
	warnings := sameLabels(f.labels)
	if w := calibrationWarning(set); w != "" {
		warnings = append(warnings, w)
	}
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	inputs := make([][]float32, len(set))
	for i, im := range set {
		inputs[i] = im.Pixels
	}
	name := strings.TrimSuffix(filepath.Base(f.out), ".pasc")
	m, measured, err := model.Compile(graph, inputs, model.Options{
		Name: name, Labels: f.labels, Sigma: f.sigma, Margin: f.margin, ActivationBits: f.fa, WeightBits: f.fw,
	})
	if err != nil {
		return err
	}
	escapes := notes.escapes(measured.Layers)
	for _, e := range escapes {
		fmt.Fprintln(os.Stderr, "warning:", e)
	}
	if err := writeModel(f.out, plan, m); err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(importReport{
			Model: f.out, Plan: plan, Images: measured.Samples,
			OutputMax: measured.OutputMax, OutputError: measured.OutputError, Agreement: measured.Agreement,
			Warning: strings.Join(warnings, "; "), importNotes: notes, Escapes: escapes, Compiled: &planReport{m.Plan.Summary(), m.Plan.Labels},
		})
	}
	printPlan(m.Plan)
	fmt.Println()
	notes.print()
	fmt.Printf("on %s of calibration: largest output %.3g, fixed point differs by at most %.3g, %.2f %% the same class\n",
		count(measured.Samples, "image"), measured.OutputMax, measured.OutputError, 100*measured.Agreement)
	fmt.Printf("%s holds the weights: keep it on the server\n%s holds none: give it to clients\n", f.out, plan)
	return nil
}

// planBeside returns the path of the plan that is written beside a model.
func planBeside(path string) (string, error) {
	if filepath.Ext(path) != ".pasc" {
		return "", fmt.Errorf("the output is called %s; its name must end in .pasc", path)
	}
	return strings.TrimSuffix(path, ".pasc") + ".plan", nil
}

// writeModel writes a model, and its plan to a file of its own.
func writeModel(path, plan string, m *model.Model) error {
	if err := model.WriteFile(path, m); err != nil {
		return err
	}
	if err := model.WriteFile(plan, m.PlanOnly()); err != nil {
		os.Remove(path) // one is of no use without the other
		return err
	}
	return nil
}

// sameLabels says which outputs have a name that one before has. ImageNet's list of
// classes has such: it is no error.
func sameLabels(labels []string) []string {
	var warnings []string
	for i, name := range labels {
		if first := slices.Index(labels, name); first < i {
			warnings = append(warnings, fmt.Sprintf("--labels has the name %q for outputs %d and %d: results of both are called that, and eval takes no class of that name", name, first, i))
		}
	}
	return warnings
}

// calibrationWarning says why the images are a poor choice, or nothing. Scales
// follow from them, and with those how well the values of other images hide.
func calibrationWarning(set []dataset.Image) string {
	blank := 0
	for _, im := range set {
		if im.Blank() {
			blank++
		}
	}
	switch {
	case blank == len(set):
		return "all calibration images are blank: the scales will not suit others"
	case len(set) < fewImages:
		return fmt.Sprintf("calibrated on %s; use %d or more like those to come, or values may leave the calibrated range and hide less", count(len(set), "image"), fewImages)
	}
	return ""
}

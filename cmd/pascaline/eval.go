package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pascaline/dataset"
	"pascaline/evaluation"
	"pascaline/internal/commandline"
	"pascaline/internal/whole"
	"pascaline/model"
)

type evalFlags struct {
	data, split, graph string
	activations        activationFlags
	testShare          float64
	count, private     int
	fit, invert        bool
	backend            backendFlags
	report             string
	asJSON             bool
}

func evalCommand() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval MODEL --data DIR",
		Short: "Measure a model's accuracy: in real numbers, in fixed point, and privately",
		Long: `Eval classifies the images of a labelled data set and says how many it gets right:
computing in real numbers, in the fixed point that private inference computes in,
and with --private N, on the first N images, by private inference itself, between a
server and a client process as in pascaline demo. It holds one against the other,
and with --report shows it all on a page for a browser, with the pictures on which
they disagree and the worst mistakes.

DIR holds MNIST's IDX files (train-images-idx3-ubyte and so on, compressed or not),
CIFAR-10's or CIFAR-100's binary files, or PNG and JPEG pictures in folders by
class: DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS with --test-share.

A compiled model has rounded weights, and without --graph it is those that are
computed with in real numbers. --graph names the ONNX file that it was compiled
from, to compare with that, and --activation what stood for its functions then.

It fails where private inference names another class than fixed point, unless
the two tie, or where a logit is off by more than a twentieth of their range.`,
		Example: `  pascaline eval mnist --data mnist/
  pascaline eval net.pasc --data pictures/ --graph net.onnx --private 200 --report report.html`,
		Args: commandline.OneArgument("a compiled model (.pasc), mnist or a network of pascaline model zoo"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := untilUnread(cmd.Context())
			defer stop()
			return f.run(ctx, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "folder of the labelled data set")
	flags.StringVar(&f.split, "split", "test", "which part of it: test or train")
	flags.Float64Var(&f.testShare, "test-share", 0, "of a data set without splits, the share that is its test split, like 0.2")
	flags.IntVar(&f.count, "count", 0, "take the first images only (0: all)")
	flags.BoolVar(&f.fit, "fit", false, "resize images of another size than the model's")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	flags.StringVar(&f.graph, "graph", "", "the ONNX file that the model was compiled from, to compute with in real numbers")
	f.activations.add(cmd)
	flags.IntVar(&f.private, "private", 0, "also classify so many of the images privately")
	f.backend.add(cmd)
	flags.StringVar(&f.report, "report", "", "write the report as a page for a browser to this file, ending in .html")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagRequired("data")
	return cmd
}

// check finds what can be refused before anything is read.
func (f *evalFlags) check() error {
	switch {
	case f.count < 0:
		return fmt.Errorf("--count is %d; it must be positive, or 0 for all images", f.count)
	case len(f.activations) > 0 && f.graph == "":
		return fmt.Errorf("--activation is for the functions of an ONNX file: name it with --graph")
	case f.private < 0:
		return fmt.Errorf("--private is %d; it must be positive, or 0 for none", f.private)
	case f.count > 0 && f.private > f.count:
		return fmt.Errorf("--private is %d, and --count leaves %s: what is classified privately is classified in the clear as well", f.private, count(f.count, "image"))
	case !(f.testShare >= 0 && f.testShare < 1):
		return fmt.Errorf("--test-share is %v; it takes a share from 0 to less than 1", f.testShare)
	case f.report == "":
		return nil
	case filepath.Ext(f.report) != ".html":
		return fmt.Errorf("--report %s: the name must end in .html", f.report)
	}
	return checkReport(f.report)
}

// checkReport finds before anything is computed what keeps a page from being written.
func checkReport(path string) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("--report %s: there is no folder %s", path, dir)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("--report %s: it is a folder: name a file", path)
	}
	if err := whole.CheckFolder(dir); err != nil {
		return fmt.Errorf("--report %s: nothing can be written there: %w", path, err)
	}
	return nil
}

func (f *evalFlags) run(ctx context.Context, path string) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	split, err := dataset.ParseSplit(f.split)
	if err != nil {
		return fmt.Errorf("--split: %w", err)
	}
	m, err := readWeights(path)
	if err != nil {
		return err
	}
	var graph *model.Graph
	if f.graph != "" {
		if graph, _, err = f.activations.importModel(f.graph); err != nil {
			return fmt.Errorf("--graph: %w", err)
		}
	}
	in := m.Plan.Nodes[0].Shape
	set, err := dataset.ReadSet(f.data, split, dataset.SetOptions{
		H: in.H, W: in.W, C: in.C, Fit: f.fit, Invert: f.invert, Limit: f.count, TestShare: f.testShare,
	})
	if err != nil {
		return inFlags(err)
	}
	if f.private > set.Len() {
		return fmt.Errorf("--private is %d, and the split has %s", f.private, count(set.Len(), "image"))
	}
	e, err := evaluation.New(m, set)
	if err != nil {
		return err
	}
	e.Command = commandline.Words(append([]string{"pascaline"}, os.Args[1:]...)...)
	var st *stage
	if f.private > 0 {
		// First, so that what is wrong with a backend is known at once.
		if st, err = newStage("eval"); err != nil {
			return err
		}
		defer st.clear()
		defer func() { err = errors.Join(err, st.stop()) }()
		if err := f.open(ctx, st, m); err != nil {
			return err
		}
	}
	progress, finish := workProgress(0, set.Len(), "image", "evaluated")
	err = e.Clear(ctx, graph, func(done int) { progress(float64(done)) })
	finish()
	if err != nil {
		return err
	}
	var failed error
	if st != nil {
		// Whatever becomes of it, what the clear has shown is reported.
		failed = f.evaluatePrivately(ctx, st, e, m, set)
	}
	return errors.Join(failed, f.show(e), verdictOn(e))
}

// inFlags adds to an error of a data set the flag that it is about.
func inFlags(err error) error {
	switch {
	case errors.Is(err, dataset.ErrNoSplits):
		return fmt.Errorf("%w (--test-share 0.1 holds out a tenth, --split train takes all of it)", err)
	case errors.Is(err, dataset.ErrSplits):
		return fmt.Errorf("%w (leave out --test-share)", err)
	}
	return err
}

// show prints the evaluation, then writes the page: what took long to compute is seen
// whatever becomes of the file.
func (f *evalFlags) show(e *evaluation.Evaluation) error {
	var shown error
	if f.asJSON {
		shown = printJSON(e)
	} else {
		shown = e.WriteText(os.Stdout)
	}
	if f.report == "" {
		return shown
	}
	if err := writePage(f.report, e); err != nil {
		return errors.Join(shown, err)
	}
	if shown == nil && !f.asJSON {
		fmt.Printf("\n%s shows it in a browser\n", f.report)
	}
	return shown
}

// verdictOn is the failure of an evaluation whose private results are not those
// in the clear.
func verdictOn(e *evaluation.Evaluation) error {
	if c := e.PrivateFixed; c != nil && !c.Sound() {
		return fmt.Errorf("%w: %d of %d name the same class, %d tie, and a logit is off by %.3g, where they range over %.3g",
			errDisagree, c.Agree, c.Of, c.Ties, c.Difference, c.Range)
	}
	return nil
}

// writePage writes the report, whole or not at all: for its owner alone, because it
// shows the images.
func writePage(path string, e *evaluation.Evaluation) error {
	if err := whole.WriteFile(path, 0o600, e.WritePage); err != nil {
		return fmt.Errorf("writing the report %s: %w", path, err)
	}
	return nil
}

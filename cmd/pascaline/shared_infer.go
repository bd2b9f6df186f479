package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"pascaline/dataset"
	"pascaline/internal/commandline"
	"pascaline/model"
	"pascaline/party"
)

type sharedInferFlags struct {
	pair        pairFlags
	plan        string
	labels      string
	count       int
	batch       int
	fit, invert bool
	compare     string
	asJSON      bool
}

func sharedInferCommand() *cobra.Command {
	var f sharedInferFlags
	cmd := &cobra.Command{
		Use:   "infer IMAGE...",
		Short: "Classify images with a shared model, of which neither server learns anything",
		Long: `Infer classifies images with a model that was dealt to two servers: PNG or JPEG
files, folders of them, or an IDX file (with --labels to measure the accuracy). It
sends each server a share of the images and adds up their shares of the results.`,
		Example: "  pascaline shared infer --server a.example.org:7300 --server-key a.key.pub --server b.example.org:7300 --server-key b.key.pub --key client.key samples",
		Args:    commandline.SomeArguments("images: pictures, folders or an IDX file"),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	f.pair.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.plan, "plan", builtIn, `plan of the model: a file, or "mnist", the built-in one, or a network of pascaline model zoo`)
	flags.StringVar(&f.labels, "labels", "", "IDX file with the classes of an IDX file of images")
	flags.IntVar(&f.count, "count", 0, "take the first images only (0: all)")
	flags.IntVar(&f.batch, "batch", 1, "how many inferences share their rounds")
	flags.BoolVar(&f.fit, "fit", false, "resize pictures of another size than the model's")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	flags.StringVar(&f.compare, "compare", "", `also evaluate this model in the clear, a .pasc file with weights or "mnist", and compare`)
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (f *sharedInferFlags) run(ctx context.Context, paths []string) error {
	// What the two ways to infer have in common is checked and read alike.
	common := inferFlags{client: clientFlags{plan: f.plan}, count: f.count, batch: f.batch, compare: f.compare}
	if err := common.check(); err != nil {
		return err
	}
	plan, err := readPlan(f.plan)
	if err != nil {
		return err
	}
	in := plan.Nodes[0].Shape
	images, err := dataset.Read(dataset.Options{
		H: in.H, W: in.W, C: in.C, Fit: f.fit, Invert: f.invert, Limit: f.count, Labels: f.labels,
	}, paths...)
	if err != nil {
		return err
	}
	clear, err := common.evaluator(plan)
	if err != nil {
		return err
	}
	inputs := make([][]uint64, len(images))
	for i, im := range images {
		if inputs[i], err = plan.EncodeInput(im.Pixels); err != nil {
			return fmt.Errorf("%s: %w", im.Name, err)
		}
	}
	outputs, runs, failed := f.infer(ctx, plan, inputs)
	if failed != nil {
		failed = &commandline.Partial{Err: failed, Done: fmt.Sprintf("%d of %s done", len(outputs), count(len(images), "image"))}
		if len(outputs) == 0 {
			return failed
		}
	}
	// What is done is paid for: it is reported even if the rest failed.
	report := newSharedReport(runs, len(images), min(f.batch, len(images)), len(outputs))
	if err := report.results(images[:len(outputs)], inputs, outputs, plan, clear); err != nil {
		return errors.Join(failed, err)
	}
	if f.asJSON {
		return errors.Join(failed, printJSON(report))
	}
	report.print(plan)
	return failed
}

// infer runs all inputs in batches. With an error come the outputs of the batches
// before it.
func (f *sharedInferFlags) infer(ctx context.Context, plan *model.Plan, inputs [][]uint64) (outputs [][]uint64, runs []party.SharedInference, err error) {
	conns, disconnect, err := f.pair.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer disconnect()
	c, err := party.NewSharedClient(ctx, conns, plan, min(f.batch, len(inputs)))
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	for part := range slices.Chunk(inputs, f.batch) {
		out, run, err := c.Infer(ctx, part)
		if err != nil {
			return outputs, runs, err
		}
		outputs = append(outputs, out...)
		runs = append(runs, run)
	}
	return outputs, runs, nil
}

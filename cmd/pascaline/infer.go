package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"pascaline/dataset"
	"pascaline/internal/commandline"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/party"
)

// warmAhead is how many batches are claimed at the same time before the first
// of them runs: claiming costs a synced write on both sides, which would
// otherwise be part of the latency. Those that wait are lost with a connection.
const warmAhead = 4

// warmBundles bounds what several batches claim ahead, in bundles.
const warmBundles = 16

type inferFlags struct {
	client      clientFlags
	backend     backendFlags
	labels      string
	count       int
	batch       int
	fit, invert bool
	compare     string
	keep        int
	asJSON      bool
}

func inferCommand() *cobra.Command {
	var f inferFlags
	cmd := &cobra.Command{
		Use:   "infer IMAGE...",
		Short: "Classify images privately",
		Long: `Infer classifies images with the server's model: PNG or JPEG files, folders of
them, or an IDX file (with --labels to measure the accuracy). Each image spends
one bundle; make them with pascaline produce, or beside the inferences with
--keep.`,
		Example: `  pascaline infer --key client.key --server-key server.key.pub samples
  pascaline infer ... --labels t10k-labels-idx1-ubyte.gz --count 1000 --batch 50 t10k-images-idx3-ubyte.gz`,
		Args: commandline.SomeArguments("images: pictures, folders or an IDX file"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	f.client.add(cmd)
	f.backend.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.labels, "labels", "", "IDX file with the classes of an IDX file of images")
	flags.IntVar(&f.count, "count", 0, "take the first images only (0: all)")
	flags.IntVar(&f.batch, "batch", 1, "how many inferences share their rounds")
	flags.BoolVar(&f.fit, "fit", false, "resize pictures of another size than the model's")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	flags.StringVar(&f.compare, "compare", "", `also evaluate this model in the clear, a .pasc file with weights, "mnist" or a network of pascaline model zoo, and compare`)
	flags.IntVar(&f.keep, "keep", 0, "while it runs, keep so many bundles ready by producing more beside the inferences")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

// check finds the flags that make no sense.
func (f *inferFlags) check() error {
	switch {
	case f.batch < 1:
		return fmt.Errorf("--batch is %d; it must be at least 1", f.batch)
	case f.count < 0:
		return fmt.Errorf("--count is %d; it must be positive, or 0 for all images", f.count)
	case f.keep < 0:
		return fmt.Errorf("--keep is %d; it must be positive, or 0 to produce nothing", f.keep)
	}
	return nil
}

func (f *inferFlags) run(ctx context.Context, paths []string) error {
	if err := f.check(); err != nil {
		return err
	}
	plan, err := readPlan(f.client.plan)
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
	if most := party.LargestBatch(plan); min(f.batch, len(images)) > most {
		return largeBatch(f.batch, most, plan)
	}
	clear, err := f.evaluator(plan)
	if err != nil {
		return err
	}
	inputs := make([][]uint64, len(images))
	for i, im := range images {
		if inputs[i], err = plan.EncodeInput(im.Pixels); err != nil {
			return fmt.Errorf("%s: %w", im.Name, err)
		}
	}
	if f.keep == 0 {
		if err := checkStore(f.client.store); err != nil {
			return err
		}
	}
	c, err := f.client.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.keep == 0 && c.met.Ready < len(images) {
		return fmt.Errorf("%w: %d for %s; run pascaline produce --bundles %d with the same --server, --server-key, --key, --plan and --store, or infer with --keep",
			party.ErrEmpty, c.met.Ready, count(len(images), "image"), len(images))
	}
	outputs, runs, failed := f.infer(ctx, c, inputs)
	if failed != nil {
		failed = &commandline.Partial{Err: failed, Done: fmt.Sprintf("%d of %s done", len(outputs), count(len(images), "image"))}
		if len(outputs) == 0 {
			return failed
		}
	}
	// What is done is paid for: it is reported even if the rest failed.
	report := &inferenceReport{Asked: len(images), Batch: min(f.batch, len(images)), Traffic: onWire}
	if f.keep > 0 {
		report.Traffic = payload
	}
	report.costs(runs, len(outputs))
	if err := report.results(images[:len(outputs)], inputs, outputs, plan, clear); err != nil {
		return errors.Join(failed, err)
	}
	if report.Ready, err = c.Ready(); err != nil {
		return errors.Join(failed, err)
	}
	if f.asJSON {
		return errors.Join(failed, printJSON(report))
	}
	printInferences(report, plan)
	return failed
}

// largeBatch is the error of a batch that the server would refuse.
func largeBatch(batch, most int, plan *model.Plan) error {
	return fmt.Errorf("--batch is %d; a server takes at most %s of %s at once", batch, count(most, "inference"), plan.Name)
}

// evaluator returns what --compare asks for, or nil.
func (f *inferFlags) evaluator(plan *model.Plan) (*model.FixedEvaluator, error) {
	if f.compare == "" {
		return nil, nil
	}
	m, err := readWeights(f.compare)
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	if m.Plan.Hash() != plan.Hash() {
		return nil, fmt.Errorf("--compare %s is another model than --plan %s", f.compare, f.client.plan)
	}
	return model.NewFixedEvaluator(m)
}

// infer runs all inputs in batches, a few of them warmed ahead. With an error
// come the outputs of the batches before it.
func (f *inferFlags) infer(ctx context.Context, c *connection, inputs [][]uint64) (outputs [][]uint64, runs []party.Inference, err error) {
	keep := f.keep
	if keep > 0 {
		keep = max(keep, f.batch)
	}
	var backend offline.Backend
	if keep > 0 {
		var closeBackend func()
		if backend, closeBackend, err = f.backend.one(ctx, f.client.key, terminalLog()); err != nil {
			return nil, nil, err
		}
		defer closeBackend()
	}
	refill := startRefill(ctx, c.Client, keep, offline.GroupSize(c.plan), backend)
	defer refill.stop()
	for chunk := range slices.Chunk(inputs, f.ahead(c)*f.batch) {
		parts := slices.Collect(slices.Chunk(chunk, f.batch))
		batches, err := warmAll(ctx, c.Client, refill, parts)
		if err != nil {
			return outputs, runs, err
		}
		for i, part := range parts {
			out, run, err := batches[i].Infer(ctx, part)
			if err != nil {
				for _, b := range batches[i+1:] {
					b.Close()
				}
				return outputs, runs, err
			}
			outputs = append(outputs, out...)
			runs = append(runs, run)
		}
	}
	return outputs, runs, nil
}

// ahead returns how many batches to warm before the first of them runs: what is
// claimed is lost if the run is cut short, so large batches go one by one, and so
// do those that wait for production.
func (f *inferFlags) ahead(c *connection) int {
	if f.keep > 0 {
		return 1
	}
	return c.Ahead(f.batch, min(warmAhead, max(1, warmBundles/f.batch)))
}

// warmAll claims bundles for every part, at the same time.
func warmAll(ctx context.Context, c *party.Client, refill *refill, parts [][][]uint64) ([]*party.Batch, error) {
	batches := make([]*party.Batch, len(parts))
	var group errgroup.Group
	for i, part := range parts {
		group.Go(func() (err error) {
			batches[i], err = refill.warm(ctx, c, len(part))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		for _, b := range batches {
			if b != nil {
				b.Close()
			}
		}
		return nil, err
	}
	return batches, nil
}

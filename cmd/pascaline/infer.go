package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"pascaline/dataset"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/party"
)

// warmAhead is how many batches are claimed before the first of them runs:
// claiming costs a synced write on both sides, which would otherwise be part of
// the latency. Each holds a stream open, of which a server allows a client 32.
const warmAhead = 16

// result is what came out for one image.
type result struct {
	Name   string    `json:"name"`
	Class  int       `json:"class"`
	Label  *int      `json:"label,omitempty"`
	Logits []float64 `json:"logits"`
	// Clear is the class of the fixed-point evaluation in the clear, and
	// Difference the largest of the differences of its logits (--compare).
	Clear      *int     `json:"clear_class,omitempty"`
	Difference *float64 `json:"logit_difference,omitempty"`
}

// inferenceReport is the JSON form of a run of infer.
type inferenceReport struct {
	Results       []result `json:"results"`
	Batch         int      `json:"batch"`
	LatencyMS     float64  `json:"latency_ms"` // median over the batches
	LatencyP95MS  float64  `json:"latency_p95_ms"`
	Rounds        int64    `json:"rounds"`
	SentBytes     int64    `json:"sent_bytes"` // per inference, as all that follow
	ReceivedBytes int64    `json:"received_bytes"`
	Accuracy      *float64 `json:"accuracy,omitempty"`
	Agree         *int     `json:"agree_with_clear,omitempty"`
	MaxDifference *float64 `json:"max_logit_difference,omitempty"`
	Ready         int      `json:"bundles_left"`
}

type inferFlags struct {
	client      clientFlags
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
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, images, err := f.run(cmd.Context(), args)
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(report)
			}
			printInferences(report, images)
			return nil
		},
	}
	f.client.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.labels, "labels", "", "IDX file with the classes of an IDX file of images")
	flags.IntVar(&f.count, "count", 0, "take the first images only (0: all)")
	flags.IntVar(&f.batch, "batch", 1, "how many inferences share their rounds")
	flags.BoolVar(&f.fit, "fit", false, "resize pictures of another size than the model's")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	flags.StringVar(&f.compare, "compare", "", `also evaluate this model in the clear, a .pasc file with weights or "mnist", and compare`)
	flags.IntVar(&f.keep, "keep", 0, "beside the inferences, keep so many bundles ready by producing more")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (f *inferFlags) run(ctx context.Context, paths []string) (*inferenceReport, []dataset.Image, error) {
	if f.batch < 1 {
		return nil, nil, fmt.Errorf("--batch is %d; it must be at least 1", f.batch)
	}
	plan, err := readPlan(f.client.plan)
	if err != nil {
		return nil, nil, err
	}
	in := plan.Nodes[0].Shape
	images, err := dataset.Read(dataset.Options{
		H: in.H, W: in.W, C: in.C, Fit: f.fit, Invert: f.invert, Limit: f.count, Labels: f.labels,
	}, paths...)
	if err != nil {
		return nil, nil, err
	}
	var clear *model.FixedEvaluator
	if f.compare != "" {
		m, err := readModel(f.compare)
		if err != nil {
			return nil, nil, err
		}
		if m.Plan.Hash() != plan.Hash() {
			return nil, nil, fmt.Errorf("--compare %s is another model than --plan %s", f.compare, f.client.plan)
		}
		if clear, err = model.NewFixedEvaluator(m); err != nil {
			return nil, nil, err
		}
	}
	inputs := make([][]uint64, len(images))
	for i, im := range images {
		if inputs[i], err = plan.EncodeInput(im.Pixels); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", im.Name, err)
		}
	}
	c, err := f.client.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	if f.keep == 0 && c.met.Ready < len(images) {
		return nil, nil, fmt.Errorf("%w: %d for %d images; run pascaline produce --bundles %d with the same --key, --server-key and --store, or infer with --keep",
			party.ErrEmpty, c.met.Ready, len(images), len(images))
	}
	outputs, runs, err := f.infer(ctx, c, inputs)
	if err != nil {
		return nil, nil, err
	}
	report := &inferenceReport{Batch: f.batch}
	report.costs(runs, len(inputs))
	if err := report.results(images, inputs, outputs, plan, clear); err != nil {
		return nil, nil, err
	}
	if report.Ready, err = c.Ready(); err != nil {
		return nil, nil, err
	}
	return report, images, nil
}

// infer runs all inputs in batches, warming some ahead.
func (f *inferFlags) infer(ctx context.Context, c *connection, inputs [][]uint64) (outputs [][]uint64, runs []party.Inference, err error) {
	keep := f.keep
	if keep > 0 {
		keep = max(keep, f.batch)
	}
	refill := startRefill(ctx, c.Client, keep, offline.GroupSize(c.plan))
	defer refill.stop()
	for chunk := range slices.Chunk(inputs, warmAhead*f.batch) {
		parts := slices.Collect(slices.Chunk(chunk, f.batch))
		batches, err := warmAll(ctx, c.Client, refill, parts)
		if err != nil {
			return nil, nil, err
		}
		for i, part := range parts {
			out, run, err := batches[i].Infer(ctx, part)
			if err != nil {
				for _, b := range batches[i+1:] {
					b.Close()
				}
				return nil, nil, err
			}
			outputs = append(outputs, out...)
			runs = append(runs, run)
		}
	}
	return outputs, runs, nil
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

// costs summarises the runs of the batches.
func (r *inferenceReport) costs(runs []party.Inference, n int) {
	latencies := make([]float64, len(runs))
	for i, run := range runs {
		latencies[i] = run.Latency.Seconds() * 1e3
		r.Rounds = run.Rounds
		r.SentBytes += run.Traffic.SentBytes
		r.ReceivedBytes += run.Traffic.ReceivedBytes
	}
	slices.Sort(latencies)
	r.LatencyMS = quantile(latencies, 0.5)
	r.LatencyP95MS = quantile(latencies, 0.95)
	r.SentBytes /= int64(n)
	r.ReceivedBytes /= int64(n)
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// results decodes the outputs and holds them against labels and, if clear is
// not nil, against the evaluation in the clear.
func (r *inferenceReport) results(images []dataset.Image, inputs, outputs [][]uint64, plan *model.Plan, clear *model.FixedEvaluator) error {
	right, labelled, agree, most := 0, 0, 0, 0.0
	for i, im := range images {
		logits := plan.DecodeOutput(outputs[i])
		res := result{Name: im.Name, Class: argmax(logits), Logits: logits}
		if im.Label != dataset.NoLabel {
			res.Label = &im.Label
			labelled++
			if im.Label == res.Class {
				right++
			}
		}
		if clear != nil {
			y, err := clear.Eval(inputs[i])
			if err != nil {
				return fmt.Errorf("evaluating %s in the clear: %w", im.Name, err)
			}
			want := plan.DecodeOutput(y)
			class, difference := argmax(want), 0.0
			for k := range want {
				difference = max(difference, math.Abs(want[k]-logits[k]))
			}
			if class == res.Class {
				agree++
			}
			most = max(most, difference)
			res.Clear, res.Difference = &class, &difference
		}
		r.Results = append(r.Results, res)
	}
	if labelled > 0 {
		accuracy := float64(right) / float64(labelled)
		r.Accuracy = &accuracy
	}
	if clear != nil {
		r.Agree, r.MaxDifference = &agree, &most
	}
	return nil
}

// argmax returns the index of the largest element, the first of equals.
func argmax(v []float64) int {
	best := 0
	for i := range v {
		if cmp.Compare(v[i], v[best]) > 0 {
			best = i
		}
	}
	return best
}

// listedImages is up to how many images printInferences gives a line each.
const listedImages = 40

func printInferences(r *inferenceReport, images []dataset.Image) {
	if len(r.Results) <= listedImages {
		for i, res := range r.Results {
			fmt.Printf("%-32s  %d", res.Name, res.Class)
			if res.Label != nil {
				fmt.Printf("  (label %d)", *res.Label)
			}
			if res.Clear != nil {
				fmt.Printf("  in the clear %d, logits within %.4f", *res.Clear, *res.Difference)
			}
			if images[i].DarkOnLight() {
				fmt.Printf("  looks like dark ink on light paper: try --invert")
			}
			fmt.Println()
		}
	}
	fmt.Printf("%d images, %d at a time: %.2f ms a batch (median; p95 %.2f), %d rounds\n",
		len(r.Results), r.Batch, r.LatencyMS, r.LatencyP95MS, r.Rounds)
	fmt.Printf("each sent %.1f kB and received %.1f kB; %d bundles left\n",
		float64(r.SentBytes)/1e3, float64(r.ReceivedBytes)/1e3, r.Ready)
	if r.Accuracy != nil {
		fmt.Printf("accuracy %.2f %%\n", 100**r.Accuracy)
	}
	if r.Agree != nil {
		fmt.Printf("%d of %d agree with the evaluation in the clear; largest difference of a logit %.4f\n",
			*r.Agree, len(r.Results), *r.MaxDifference)
	}
	if r.Ready == 0 {
		fmt.Fprintln(os.Stderr, "the store is empty now: pascaline produce makes more")
	}
}

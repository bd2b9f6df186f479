package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/cmd/pillar/internal/training"
	"pascaline/dataset"
	"pascaline/internal/commandline"
	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/pillar"
)

// trainFlags are the flags of pillar train.
type trainFlags struct {
	training.Options
	data    string
	out     string
	count   int
	channel int
	fit     string
	holdOut float64
	relu    bool
	seeds   int
	backend string
	fresh   bool
	asJSON  bool
}

func trainCommand() *cobra.Command {
	f := trainFlags{}
	cmd := &cobra.Command{
		Use:   "train NETWORK --data FOLDER --out FOLDER",
		Short: "Train a network whose activations are polynomials",
		Long: fmt.Sprintf(`Train a network on labelled images and compile it: what is written to --out is
what pascaline serve takes. Networks are %s.

--data is a folder of images: the IDX files of MNIST and its kin, the binary files of
CIFAR-10 and CIFAR-100, or PNG and JPEG pictures in a folder for each class, in train
and test or not yet split.

Every activation is a polynomial behind a batch norm. In training its input is clipped
to the range that the polynomial was fitted on; inference clips nothing, and values
that escape the range ruin the result of a deep network. --penalty teaches it to keep
them inside (PILLAR): it is β for batches of 128, from 1e-6 to 1e-2.

After every epoch a checkpoint is written. Run the same command again, and training
goes on from there, with the result that it would have had.

Built with "GOEXPERIMENT=simd go build ./cmd/pillar", training is several times
faster.`, strings.Join(zoo.Trainable(), ", ")),
		Example: `  pillar train lenet --data mnist --out trained --shift 2
  pillar train resnet8 --data fashion-mnist --out trained --flip --penalty 1e-4
  pillar train lenet --data mnist --out baseline --shift 2 --relu`,
		Args: commandline.OneArgument("a network"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Network = args[0]
			if f.relu && cmd.Flags().Changed("activation") {
				return fmt.Errorf("--relu and --activation %s: a network has one of them, leave out the other", f.Activation)
			}
			return f.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "folder of the labelled images")
	flags.StringVar(&f.out, "out", "", "folder for checkpoints and the trained network")
	flags.IntVar(&f.count, "count", 0, "train on so many images only (0: on all)")
	flags.StringVar(&f.fit, "fit", "", "resize pictures to HxW, such as 32x32")
	flags.IntVar(&f.channel, "channels", 0, "make pictures grey (1) or coloured (3); 0: as they are")
	flags.Float64Var(&f.holdOut, "test-share", 0, "share of the pictures kept for testing, such as 0.1, where the folder has no test split")
	flags.StringVar(&f.Activation, "activation", "poly:4:5", "polynomials that stand in for ReLU, poly:DEGREE:RANGE[:Q]")
	flags.BoolVar(&f.relu, "relu", false, "train with ReLU, for comparison; the network is not compiled")
	flags.BoolVar(&f.Clip, "clip", true, "in training, clip what enters an activation to its range")
	flags.Float64Var(&f.Penalty.Beta, "penalty", 0, "PILLAR's β for batches of 128; 0 is no penalty")
	flags.Float64Var(&f.Penalty.Range, "penalty-range", 4.5, "PILLAR's ℓ: beyond it the penalty grows steeply")
	flags.Float64Var(&f.Penalty.Gamma, "penalty-gamma", pillar.PenaltyGamma, "PILLAR's γ: how steeply")
	flags.IntVar(&f.Epochs, "epochs", 10, "passes over the images")
	flags.IntVar(&f.Batch, "batch", 128, "images of a step")
	flags.IntVar(&f.Shards, "shards", 2, "parts of a batch that are computed side by side, with batch norm of their own")
	flags.StringVar(&f.Optimizer, "optimizer", "sgd", strings.Join(training.Optimizers(), " or "))
	flags.Float64Var(&f.Rate, "rate", 0.1, "the largest learning rate")
	flags.StringVar(&f.Schedule, "schedule", "onecycle", "of the learning rate: "+strings.Join(training.Schedules(), " or "))
	flags.Float64Var(&f.Decay, "decay", 5e-4, "of weights")
	flags.IntVar(&f.Augment.Shift, "shift", 0, "move images by up to so many pixels each time (a crop of a padded image)")
	flags.BoolVar(&f.Augment.Flip, "flip", false, "mirror every second image")
	flags.IntVar(&f.Augment.Cutout, "cutout", 0, "blacken a square of so many pixels a side")
	flags.IntVar(&f.HoldOut, "hold-out", -1, "images of the training split to judge every epoch by, instead of training on them (-1: a tenth, at most 1000)")
	flags.Uint64Var(&f.Seed, "seed", 1, "where randomness begins")
	flags.IntVar(&f.seeds, "seeds", 1, "train so many times, with seeds one after the other, and report the mean")
	flags.StringVar(&f.backend, "backend", "go", "what computes: go, or xla where it is built in")
	flags.BoolVar(&f.fresh, "fresh", false, "begin anew, whatever checkpoint is there")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagRequired("data")
	cmd.MarkFlagRequired("out")
	return cmd
}

// check returns an error for flags that do not go together.
func (f *trainFlags) check() error {
	if f.seeds < 1 || f.seeds > 1000 {
		return fmt.Errorf("--seeds is %d; take from 1 to 1000", f.seeds)
	}
	if f.count < 0 {
		return fmt.Errorf("--count is %d; take 0 for all images or more", f.count)
	}
	if f.relu {
		f.Activation = training.Relu
	}
	if f.Activation == training.Relu {
		f.Clip = false // as in every run with it
	}
	if f.Penalty.Beta == 0 {
		f.Penalty = pillar.Penalty{} // as in every run without
	}
	if !(f.Penalty.Beta >= 0) {
		return fmt.Errorf("--penalty is %v; take 0 or more", f.Penalty.Beta)
	}
	// The balance of a sum over the batch against a mean (pillar.Penalty).
	f.Penalty.Beta *= pillar.PenaltyBatch / float64(f.Batch)
	checked := f.Options
	if checked.HoldOut == -1 { // not known yet
		checked.HoldOut = 0
	}
	return checked.Check()
}

func (f *trainFlags) run(ctx context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	backend, err := network.OpenBackend(f.backend)
	if err != nil {
		return err
	}
	train, test, err := f.read()
	if err != nil {
		return err
	}
	if f.HoldOut == -1 {
		f.HoldOut = min(1000, train.Len()/10)
	}
	describeData(os.Stderr, train, test, f.HoldOut)
	report := trainReport{Network: f.Network, Data: train.Name, Activation: f.Activation}
	for i := range f.seeds {
		options, out := f.Options, f.out
		options.Seed += uint64(i)
		if f.seeds > 1 {
			out = filepath.Join(out, fmt.Sprintf("seed-%d", options.Seed))
		}
		one, err := f.train(ctx, backend, options, train, test, out)
		if err != nil {
			return err
		}
		report.Runs = append(report.Runs, *one)
	}
	report.mean()
	if f.asJSON {
		return printJSON(report)
	}
	report.print(os.Stdout)
	return nil
}

// train makes one run, up to the files of the trained network.
func (f *trainFlags) train(ctx context.Context, b network.Backend, o training.Options, train, test *dataset.Set, out string) (*trainedRun, error) {
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, fmt.Errorf("making the folder for checkpoints: %w", err)
	}
	checkpoint := filepath.Join(out, "checkpoint")
	if f.fresh {
		if err := os.Remove(checkpoint); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("beginning anew: %w", err)
		}
	}
	run, err := training.New(o, train, b, checkpoint)
	if errors.Is(err, training.ErrOther) {
		return nil, fmt.Errorf("%w; with --fresh it is thrown away, and another --out leaves it", err)
	}
	if err != nil {
		return nil, err
	}
	display := newTrainDisplay(os.Stderr, o, run.History)
	if err := run.Train(ctx, display.progress, display.done); err != nil {
		display.finish()
		if ctx.Err() != nil && len(run.History) > 0 {
			return nil, &commandline.Partial{Err: err, Done: fmt.Sprintf("%d of %d epochs are in %s; run it again to go on", len(run.History), o.Epochs, checkpoint)}
		}
		return nil, err
	}
	display.finish()
	r := &trainedRun{Seed: o.Seed, History: run.History}
	float, err := run.Evaluate(ctx, test)
	if err != nil {
		return nil, err
	}
	r.Float, r.TestImages, r.Largest = float.Accuracy(), float.Images, finite(float.Largest)
	if o.Activation != training.Relu {
		if err := f.compile(ctx, run, test, out, r); err != nil {
			return nil, err
		}
	}
	return r, writeJSON(filepath.Join(out, "report.json"), struct {
		Options training.Options `json:"options"`
		*trainedRun
	}{o, r})
}

// compile compiles what a run has trained, and says how accurate it is then.
func (f *trainFlags) compile(ctx context.Context, run *training.Run, test *dataset.Set, out string, r *trainedRun) error {
	m, err := run.Compile()
	if err != nil {
		return fmt.Errorf("the network is trained and cannot be evaluated privately: %w", err)
	}
	fixed, err := training.EvaluateFixed(ctx, m, test, nil)
	if err != nil {
		return err
	}
	r.Fixed = fixed.Accuracy()
	r.Model = filepath.Join(out, f.Network+".pasc")
	if err := model.WriteFile(r.Model, m); err != nil {
		return err
	}
	return model.WriteFile(strings.TrimSuffix(r.Model, ".pasc")+".plan", m.PlanOnly())
}

// writeJSON writes v as indented JSON.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o666); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

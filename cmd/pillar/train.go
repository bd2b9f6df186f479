package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/cmd/pillar/internal/training"
	"pascaline/dataset"
	"pascaline/internal/commandline"
	"pascaline/internal/figure"
	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/pillar"
)

// usualPenalty is PILLAR's β for ResNet-18 and ResNet-110, unless --penalty says
// otherwise. Every network of docs/pillar.md is better with it than without any.
const usualPenalty = 5e-5

// trainFlags are the flags of pillar train.
type trainFlags struct {
	training.Options
	data      string
	out       string
	count     int
	channel   int
	fit       string
	testShare float64
	relu      bool
	seeds     int
	name      string
	backend   string
	fresh     bool
	asJSON    bool
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
that escape the range ruin the result of a deep network. A penalty teaches it to keep
them inside (PILLAR): --penalty is β for batches of 128, from 1e-6 to 1e-2.

After every epoch a checkpoint is written. Run the same command again, and training
goes on from there, with the result that it would have had.

Built with "GOEXPERIMENT=simd go build -o bin/ ./cmd/pillar", training is several times
faster.`, strings.Join(zoo.Trainable(), ", ")),
		Example: `  pillar train lenet --data mnist --out trained --shift 2
  pillar train resnet8 --data fashion-mnist --out trained --flip --penalty 1e-4
  pillar train lenet --data mnist --out baseline --shift 2 --relu`,
		Args: commandline.OneArgument("a network"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Network = args[0]
			if err := f.settle(cmd.Flags().Changed); err != nil {
				return err
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
	flags.Float64Var(&f.testShare, "test-share", 0, "share of the pictures kept for testing, such as 0.1, where the folder has no test split")
	flags.StringVar(&f.Activation, "activation", "poly:4:5", "polynomials that stand in for ReLU, poly:DEGREE:RANGE[:Q]")
	flags.BoolVar(&f.relu, "relu", false, "train with ReLU, for comparison; the network is not compiled")
	flags.BoolVar(&f.Clip, "clip", true, "in training, clip what enters an activation to its range")
	flags.Float64Var(&f.Penalty.Beta, "penalty", usualPenalty, "PILLAR's β for batches of 128; 0 is no penalty, as with --relu")
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
	flags.StringVar(&f.name, "name", "", "what the compiled model is called, which its clients see (the network's name unless given)")
	flags.StringVar(&f.backend, "backend", "go", "what computes: go, or xla where it is built in")
	flags.BoolVar(&f.fresh, "fresh", false, "throw away what an earlier run left in --out, and begin anew")
	flags.BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	cmd.MarkFlagRequired("data")
	cmd.MarkFlagRequired("out")
	return cmd
}

// settle gives flags that others decide about their values, and returns an error for
// those that were given beside what leaves them without a meaning.
func (f *trainFlags) settle(given func(flag string) bool) error {
	switch {
	case f.relu && given("activation"):
		return fmt.Errorf("--relu and --activation %s: a network has one of them, leave out the other", f.Activation)
	case f.Activation == training.Relu:
		return fmt.Errorf("--activation %s: the flag takes polynomials; --relu trains with ReLU itself", f.Activation)
	case f.relu && !given("penalty"):
		f.Penalty.Beta = 0
	}
	for _, flag := range []string{"penalty-range", "penalty-gamma"} {
		if given(flag) && f.Penalty.Beta == 0 {
			return fmt.Errorf("--%s shapes a penalty, and there is none: leave it out, or take a --penalty above 0", flag)
		}
	}
	return nil
}

// check returns an error for flags that do not go together.
func (f *trainFlags) check() error {
	if f.seeds < 1 || f.seeds > 1000 {
		return fmt.Errorf("--seeds is %d; take from 1 to 1000", f.seeds)
	}
	if f.name == "" {
		f.name = f.Network
	}
	if err := model.CheckName(f.name); err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	if f.count < 0 {
		return fmt.Errorf("--count is %d; take 0 for all images or more", f.count)
	}
	if f.relu {
		f.Activation, f.Clip = training.Relu, false
	}
	if f.Penalty.Beta == 0 {
		f.Penalty = pillar.Penalty{} // as in every run without
	}
	if !(f.Penalty.Beta >= 0) {
		return fmt.Errorf("--penalty is %v; take 0 or more", f.Penalty.Beta)
	}
	if f.HoldOut < -1 {
		return fmt.Errorf("--hold-out is %d; take 0 or more, or -1 for a tenth", f.HoldOut)
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
	if err := f.CheckSet(train); err != nil {
		return err
	}
	describeData(os.Stderr, train, test, f.HoldOut)
	f.warn(os.Stderr, train)
	report := trainReport{Network: f.Network, Data: train.Name, Activation: f.Activation, evaluated: f.evaluated()}
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
		if err := printJSON(report); err != nil {
			return err
		}
	} else {
		report.print(os.Stdout)
	}
	if failed := report.uncompiled(); len(failed) > 0 {
		which := "the network is"
		if len(report.Runs) > 1 {
			which = fmt.Sprintf("%d of %d networks are", len(failed), len(report.Runs))
		}
		return fmt.Errorf("%s trained and cannot be evaluated privately: seed %d: %s%s",
			which, failed[0].Seed, failed[0].Uncompiled, f.advice(failed[0]))
	}
	return nil
}

// evaluated are the arguments with which pascaline eval reads the same images.
func (f *trainFlags) evaluated() (args []string) {
	args = append(args, "--data", f.data)
	if f.testShare > 0 {
		args = append(args, "--test-share", fmt.Sprint(f.testShare))
	}
	if f.fit != "" {
		args = append(args, "--fit")
	}
	return args
}

// fewSteps are too few for a network to learn much, and for the running statistics of
// its batch norms to follow.
const fewSteps = 100

// warn says what of the options will not come to much.
func (f *trainFlags) warn(w io.Writer, train *dataset.Set) {
	if grey := greyImages(train); f.channel == 0 && grey < train.Len() && grey > train.Len()*9/10 {
		fmt.Fprintf(w, "warning: %d of %d images are grey, and the network takes coloured ones because of the others; --channels 1 makes all grey\n", grey, train.Len())
	}
	if least := pillar.WarmUp() + 2; f.Penalty.Beta > 0 && f.Epochs < least {
		fmt.Fprintf(w, "warning: --epochs %d are few with a penalty, which is all that counts in the first and rises until the %dth; take %d or more, or --penalty 0\n",
			f.Epochs, pillar.WarmUp()+1, least)
	}
	if steps := f.Epochs * f.Steps(train); steps < fewSteps {
		fmt.Fprintf(w, "warning: %d batches of %d in %d epochs make few steps to learn in; take a smaller --batch or more --epochs\n",
			steps, f.Batch, f.Epochs)
	}
}

// advice says what helps where values are too large to be compiled.
func (f *trainFlags) advice(r *trainedRun) string {
	switch {
	case !(largestOf(r.Largest) > 100):
		return ""
	case f.Penalty.Beta == 0:
		return fmt.Sprintf("; its values escape the range: --penalty %s teaches them to stay inside, and a lower --rate helps", figure.Number(usualPenalty))
	}
	return "; its values escape the range: a larger --penalty or a lower --rate helps"
}

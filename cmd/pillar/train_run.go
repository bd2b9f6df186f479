package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/cmd/pillar/internal/training"
	"pascaline/dataset"
	"pascaline/evaluation"
	"pascaline/internal/commandline"
	"pascaline/internal/whole"
	"pascaline/model"
)

// train makes one run, up to the files of the trained network.
func (f *trainFlags) train(ctx context.Context, b network.Backend, o training.Options, train, test *dataset.Set, out string) (*trainedRun, error) {
	lock, err := openOut(out)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	checkpoint, err := f.prepare(out)
	if err != nil {
		return nil, err
	}
	run, err := training.New(o, train, b, checkpoint)
	if errors.Is(err, training.ErrOther) {
		return nil, fmt.Errorf("%w: %s; with --fresh it is thrown away, and another --out leaves it", err, other(checkpoint, &o))
	}
	if err != nil {
		return nil, err
	}
	r, err := f.finish(ctx, run, test, out)
	if err != nil && ctx.Err() != nil {
		done := "the first epoch was not over, and there is no checkpoint yet"
		if n := len(run.History); n > 0 {
			done = fmt.Sprintf("%d of %d epochs are in %s; run it again to go on", n, o.Epochs, checkpoint)
		} else if f.seeds > 1 {
			done = fmt.Sprintf("seed %d: %s; run it again to go on with this seed", o.Seed, done)
		}
		return nil, &commandline.Partial{Err: err, Done: done}
	}
	return r, err
}

// other says in what a checkpoint is of another run than one with these options.
func other(checkpoint string, o *training.Options) string {
	there, _, err := training.ReadHistory(checkpoint)
	if err != nil {
		return "it cannot be read any more"
	}
	if there.Seed != o.Seed {
		return fmt.Sprintf("seed %d there, seed %d here", there.Seed, o.Seed)
	}
	if before, after, differ := difference(&there, o); differ {
		return before + " there, " + after + " here"
	}
	return "the options are the same, the images others"
}

// openOut makes the folder of a run, to which files can be written, and keeps it for
// this process until it is closed: two that train into one folder would write
// checkpoints of two different runs in turns.
func openOut(out string) (io.Closer, error) {
	if info, err := os.Stat(out); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("--out %s: it is a file; name a folder, new or of an earlier run", out)
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, fmt.Errorf("making the folder for checkpoints: %w", err)
	}
	if err := whole.CheckFolder(out); err != nil {
		return nil, fmt.Errorf("checkpoints cannot be written to %s: %w", out, err)
	}
	lock := flock.New(filepath.Join(out, lockName))
	switch ours, err := lock.TryLock(); {
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
		fmt.Fprintf(os.Stderr, "warning: %s is on a file system without locks; see that nothing else trains into it\n", out)
	case err != nil:
		return nil, fmt.Errorf("keeping %s for this process: %w", out, err)
	case !ours:
		return nil, fmt.Errorf("another process trains into %s: wait for it, stop it, or name another --out", out)
	}
	return lock, nil
}

// prepare returns the path of a run's checkpoint, after throwing away what is there
// of an earlier run, if that is asked for.
func (f *trainFlags) prepare(out string) (checkpoint string, err error) {
	checkpoint = filepath.Join(out, checkpointName)
	if !f.fresh {
		return checkpoint, nil
	}
	for _, name := range []string{checkpointName, reportName, f.Network + ".pasc", f.Network + ".plan"} {
		if err := os.Remove(filepath.Join(out, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("beginning anew: %w", err)
		}
	}
	return checkpoint, nil
}

// finish trains what is left to train, and writes the files.
func (f *trainFlags) finish(ctx context.Context, run *training.Run, test *dataset.Set, out string) (*trainedRun, error) {
	o := run.Options
	display := newTrainDisplay(os.Stderr, run, f.seeds > 1)
	defer display.finish()
	if err := run.Train(ctx, display.progress, display.done); err != nil {
		return nil, err
	}
	r := &trainedRun{Seed: o.Seed, Data: test.Name, Digest: run.Digest(), Images: run.Images(), History: run.History}
	float, err := run.Evaluate(ctx, test)
	if err != nil {
		return nil, err
	}
	r.Float, r.TestImages, r.Largest = float.Accuracy(), float.Images, finite(float.Largest)
	if o.Activation != training.Relu {
		if err := f.compile(ctx, run, test, out, r, display); err != nil {
			return nil, err
		}
	}
	return r, writeReport(filepath.Join(out, reportName), &runReport{o, *r})
}

// compile compiles what a run has trained, and says how accurate it is then. A
// network whose values grow beyond all bounds is trained all the same.
func (f *trainFlags) compile(ctx context.Context, run *training.Run, test *dataset.Set, out string, r *trainedRun, display *trainDisplay) error {
	m, err := run.Compile(f.name)
	if err != nil {
		r.Uncompiled = err.Error()
		return nil
	}
	e, err := evaluation.New(m, test)
	if err != nil {
		return err
	}
	if err := e.FixedPoint(ctx, func(done int) { display.show(done, test.Len(), "testing in fixed point") }); err != nil {
		return err
	}
	r.Fixed = e.Fixed.Accuracy
	r.Model = filepath.Join(out, f.Network+".pasc")
	m = committed(r.Model, m)
	if err := model.WriteFile(r.Model, m); err != nil {
		return err
	}
	return model.WriteFile(planPath(r.Model), m.PlanOnly())
}

// planPath returns where the plan lies of the model at a path.
func planPath(model string) string { return strings.TrimSuffix(model, ".pasc") + ".plan" }

// committed returns the model that is at path already if m has the same plan and
// weights. Only the commitment to them differs then, and a new one would make useless
// what clients have of the old one.
func committed(path string, m *model.Model) *model.Model {
	old, err := model.ReadModel(path)
	if err != nil {
		return m
	}
	plan := *old.Plan
	if plan.Weights = m.Plan.Weights; plan.Hash() != m.Plan.Hash() || !reflect.DeepEqual(old.Weights, m.Weights) {
		return m
	}
	old.Calibration = m.Calibration // which older files may not have
	return old
}

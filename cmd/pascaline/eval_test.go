package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pascaline/bench"
	"pascaline/dataset"
	"pascaline/evaluation"
	"pascaline/internal/commandline"
	"pascaline/internal/digits"
	"pascaline/model"
)

// digitSet reads the sample digits as a data set.
func digitSet(t *testing.T) *dataset.Set {
	t.Helper()
	flat, dir := t.TempDir(), t.TempDir()
	paths, err := digits.WritePNGs(flat)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		class := strings.Split(name, "-")[1]
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, class), 0o700), os.Rename(path, filepath.Join(dir, class, name))); err != nil {
			t.Fatal(err)
		}
	}
	set, err := dataset.ReadSet(dir, dataset.Train, dataset.SetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// evalStage returns the built-in model, and a stage to evaluate it on.
func evalStage(t *testing.T) (*model.Model, *stage) {
	t.Helper()
	m, err := readModel(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	st, err := newStage("eval")
	if err != nil {
		t.Fatal(err)
	}
	return m, st
}

// Private evaluation goes portion by portion, and keeps those that are done when it
// is interrupted.
func TestAnInterruptedEvaluationKeepsThePortionsThatAreDone(t *testing.T) {
	m, st := evalStage(t)
	defer st.clear()
	defer st.stop() // the context ends its processes
	self, err := exec.LookPath("pascaline")
	if err != nil {
		t.Fatal(err)
	}
	st.self = self
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	f := &evalFlags{backend: backendFlags{names: []string{"lattigo"}}}
	if err := f.open(ctx, st, m); err != nil {
		t.Fatal(err)
	}
	set := digitSet(t)
	var steps []float64
	logits, err := st.classify(ctx, m.Plan, set, 5, 2, func(done float64) {
		if steps = append(steps, done); done == 4 {
			interrupt()
		}
	})
	if err == nil || len(logits) != 4 || len(steps) != 2 {
		t.Errorf("%d of 5 are done after the steps %v, %v", len(logits), steps, err)
	}
	for i, v := range logits {
		if model.Class(v) != int(set.Labels[i]) {
			t.Errorf("%s is taken for %d", set.Names[i], model.Class(v))
		}
	}
	if left, err := filepath.Glob(st.path("pictures/*")); err != nil || len(left) > 2 {
		t.Errorf("pictures of more than one portion lie there: %q, %v", left, err)
	}
}

// What counts is whole portions, and a newcomer who sees 0 of 300 is told so.
func TestAnUnfinishedEvaluationSaysThatItCountsByPortions(t *testing.T) {
	m, st := evalStage(t)
	st.clear() // no picture can be written there
	err := (&evalFlags{private: 3}).evaluatePrivately(t.Context(), st, nil, m, digitSet(t))
	var partial *commandline.Partial
	if !errors.As(err, &partial) || partial.Done != "0 of 3 images classified privately, which is counted by portions of up to 64" {
		t.Errorf("a failure in the first portion: %v", err)
	}
}

func TestAnEvaluationFailsWherePrivateResultsAreWrong(t *testing.T) {
	sound := &bench.Check{Agree: 8, Ties: 1, Of: 9, Difference: 0.01, Range: 20}
	for _, c := range []struct {
		check *bench.Check
		want  error
	}{{nil, nil}, {sound, nil}, {&bench.Check{Agree: 8, Of: 9, Range: 20}, errDisagree}, {&bench.Check{Agree: 9, Of: 9, Difference: 2, Range: 20}, errDisagree}} {
		if err := verdictOn(&evaluation.Evaluation{PrivateFixed: c.check}); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.check, err, c.want)
		}
	}
}

// A disk may be full by the time that the page is written.
func TestAnEvaluationIsPrintedThoughItsPageCannotBeWritten(t *testing.T) {
	m, err := readModel(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evaluation.New(m, digitSet(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Clear(t.Context(), nil, func(int) {}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gone", "report.html")
	for want, f := range map[string]evalFlags{"fixed point  1": {report: path}, `"accuracy":1`: {report: path, asJSON: true}} {
		var failed error
		out := printed(t, func() { failed = f.show(e) })
		if failed == nil || !strings.Contains(failed.Error(), path) {
			t.Errorf("a page that cannot be written: %v", failed)
		}
		if !strings.Contains(out, want) || strings.Contains(out, "in a browser") {
			t.Errorf("printed is\n%s\nwhich lacks %s", out, want)
		}
	}
}

// printed returns what f prints.
func printed(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer func(before *os.File) { os.Stdout = before }(os.Stdout)
	os.Stdout = file
	f()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// On MNIST's test images the built-in model is right on 98.5 % in fixed point, and
// of a thousand, private inference names another class than fixed point for one at
// most.
func TestLongEvaluationOnMNIST(t *testing.T) {
	longTest(t)
	images, _ := mnistFiles(t)
	cmd := command(t, t.TempDir(), "eval", "mnist", "--data", filepath.Dir(images), "--private", "1000", "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var e evaluation.Evaluation
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatal(err)
	}
	t.Logf("fixed point %d of %d; against float %+v; private against fixed point %+v", e.Fixed.Right, e.Fixed.Images, *e.FixedFloat, *e.PrivateFixed)
	if e.Fixed.Images != 10_000 || e.Fixed.Right < 9850 || e.FixedFloat.Agree < 9990 {
		t.Errorf("%d of %d are right, %d as in float", e.Fixed.Right, e.Fixed.Images, e.FixedFloat.Agree)
	}
	if e.PrivateFixed.Of != 1000 || e.PrivateFixed.Agree < 999 {
		t.Errorf("%d of %d agree", e.PrivateFixed.Agree, e.PrivateFixed.Of)
	}
}

package main

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pascaline/cmd/pillar/internal/training"
	"pascaline/pillar"
)

// reported is a run's report as pillar train writes it.
func reported(change func(*runReport)) *runReport {
	r := &runReport{
		Options: training.Options{Network: "lenet", Activation: "poly:4:5", Clip: true, Epochs: 2, Batch: 128, Shards: 2, Optimizer: "sgd",
			Rate: 0.1, Schedule: "onecycle", HoldOut: 10, Seed: 1},
		trainedRun: trainedRun{Seed: 1, Data: "digits", Digest: "a", Images: 1000, TestImages: 100, Float: 0.91, Fixed: 0.9, Model: "lenet.pasc",
			Largest: []float64{3, 7, 5}, History: []training.Epoch{
				{Epoch: 1, Accuracy: 0.5, Held: 0.6, Escaped: 0.02, Largest: 6, HeldLargest: 12, Seconds: 8},
				{Epoch: 2, Accuracy: 0.8, Held: 0.9, Escaped: 0.01, Largest: 5, HeldLargest: 8, Seconds: 12}}},
	}
	if change != nil {
		change(r)
	}
	return r
}

func relu(r *runReport) {
	r.Options.Activation, r.Options.Clip, r.Options.Penalty = training.Relu, false, pillar.Penalty{}
	r.Fixed, r.Model = 0, ""
}

// compared reads reports as files, each a row unless it is of the same folder.
func compared(t *testing.T, folders map[string]*runReport) *comparison {
	t.Helper()
	dir := t.TempDir()
	rows := map[string]bool{}
	for folder, r := range folders {
		path := filepath.Join(dir, folder)
		if err := os.MkdirAll(path, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := writeReport(filepath.Join(path, reportName), r); err != nil {
			t.Fatal(err)
		}
		row, _, _ := strings.Cut(folder, "/")
		rows[row] = true
	}
	c := &comparison{}
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		runs, err := readRuns(filepath.Join(dir, row))
		if err != nil {
			t.Fatal(err)
		}
		c.Entries = append(c.Entries, newEntry(row, runs))
	}
	c.sort()
	c.relate()
	return c
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

func TestSeedsAreAMeanAndHalfTheirSpread(t *testing.T) {
	c := compared(t, map[string]*runReport{
		"net/seed-1": reported(nil),
		"net/seed-2": reported(func(r *runReport) {
			r.Options.Seed, r.Float, r.Fixed, r.Largest = 2, 0.95, 0.96, []float64{11, 2, 1}
			r.History[1].Escaped, r.History[1].Seconds = 0.03, 2
		}),
		"net/seed-10": reported(func(r *runReport) { r.Options.Seed, r.Float, r.Fixed = 10, 0.93, 0.9 }),
	})
	e := c.Entries[0]
	if len(c.Entries) != 1 || e.Seeds != 3 || e.runs[2].options.Seed != 10 {
		t.Fatalf("three seeds are %d rows, of %d seeds", len(c.Entries), e.Seeds)
	}
	if !near(e.Float.Mean, 0.93) || !near(e.Float.Half, 0.02) || !near(e.Fixed.Mean, 0.92) || !near(e.Fixed.Half, 0.03) {
		t.Errorf("accuracies of 91, 95 and 93 %%, and 90, 96 and 90 %%, are %v and %v", *e.Float, *e.Fixed)
	}
	if *e.Largest != 11 || !near(*e.Escaped, 0.05/3) || !near(e.Seconds, 50./3) || !near(e.ImagesPerSecond, 400./3) {
		t.Errorf("largest %v, escaped %v, %v s, %v images/s", *e.Largest, *e.Escaped, e.Seconds, e.ImagesPerSecond)
	}
}

// Options keep β for their own batches; a table has it as it was given.
func TestThePenaltyIsAsItWasGiven(t *testing.T) {
	for _, batch := range []int{32, 96, 100, 128} {
		f := trainFlags{Options: reported(nil).Options, seeds: 1}
		f.Batch = batch
		f.Penalty = pillar.Penalty{Beta: 5e-5, Gamma: 10, Range: 4.5}
		if err := f.check(); err != nil {
			t.Fatal(err)
		}
		r := reported(func(r *runReport) { r.Options = f.Options })
		if got := compared(t, map[string]*runReport{"net": r}).Entries[0].penaltyCell(); got != "5e-5" {
			t.Errorf("in batches of %d a β of 5e-5 is shown as %s", batch, got)
		}
	}
}

func TestTheBaselineIsTheSameNetworkOnTheSameImages(t *testing.T) {
	c := compared(t, map[string]*runReport{
		"polynomial": reported(nil),
		"relu":       reported(func(r *runReport) { relu(r); r.Float = 0.92 }),
		"other network": reported(func(r *runReport) {
			r.Options.Network = "minionn"
		}),
		"other images": reported(func(r *runReport) { r.Digest = "b" }),
		"other test":   reported(func(r *runReport) { r.TestImages = 50 }),
		"other rate":   reported(func(r *runReport) { r.Options.Rate = 0.05 }),
		"other flips":  reported(func(r *runReport) { r.Options.Augment.Flip = true }),
		"escaped":      reported(func(r *runReport) { r.Fixed, r.Model, r.Float = 0, "", 0.3 }),
	})
	for _, e := range c.Entries {
		switch e.Folder {
		case "polynomial":
			if e.ToRelu == nil || !near(*e.ToRelu, -0.02) || e.toReluCell() != "−2.00" {
				t.Errorf("90 %% in fixed point against 92 %% is %s", e.toReluCell())
			}
		case "escaped":
			if e.ToRelu == nil || !near(*e.ToRelu, -0.62) || e.fixedCell() != "not compiled" {
				t.Errorf("30 %% in float against 92 %% is %s, %s", e.toReluCell(), e.fixedCell())
			}
		default:
			if e.ToRelu != nil {
				t.Errorf("%s is held against ReLU: %s", e.Folder, e.toReluCell())
			}
		}
	}
	warnings := strings.Join(c.warnings(), "\n")
	for _, want := range []string{"trained on different images of digits", "100 images of digits", "with 50"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("the warnings do not say %q: %s", want, warnings)
		}
	}
}

// What all runs have in common is in the title, what tells them apart at their lines.
func TestLinesAreNamedByWhatTellsThemApart(t *testing.T) {
	penalty := func(beta float64) func(*runReport) {
		return func(r *runReport) { r.Options.Penalty = pillar.Penalty{Beta: beta, Gamma: 10, Range: 4.5} }
	}
	c := compared(t, map[string]*runReport{
		"a": reported(penalty(1e-4)), "b": reported(penalty(1e-3)), "c": reported(nil), "d": reported(relu),
		"e": reported(func(r *runReport) { penalty(1e-4)(r); r.Options.Rate = 0.05 }),
	})
	common, own := names(c.Entries)
	if want := "lenet, digits, poly:4:5"; common != want {
		t.Errorf("common is %q, want %q", common, want)
	}
	want := []string{"no penalty, rate 0.1", "β = 1e-4, rate 0.1", "β = 1e-4, rate 5e-2", "β = 1e-3, rate 0.1", "ReLU, rate 0.1"}
	slices.Sort(want)
	slices.Sort(own)
	if !slices.Equal(own, want) {
		t.Errorf("the lines are %q, want %q", own, want)
	}
	same := compared(t, map[string]*runReport{"a": reported(nil), "b": reported(nil)})
	if _, own := names(same.Entries); own[0] == own[1] {
		t.Errorf("two runs are both called %q", own[0])
	}
}

// A β of zero has no place on a logarithmic axis: it is a level line.
func TestASweepIsRunsThatDifferInOneThing(t *testing.T) {
	folders := map[string]*runReport{}
	for _, degree := range []string{"2", "4"} {
		for _, beta := range []float64{0, 1e-4, 1e-3} {
			folders[degree+" "+penaltyName(beta)] = reported(func(r *runReport) {
				r.Options.Activation = "poly:" + degree + ":5"
				if beta > 0 {
					r.Options.Penalty = pillar.Penalty{Beta: beta, Gamma: 10, Range: 4.5}
				}
			})
		}
	}
	c := compared(t, folders)
	_, byPenalty := sweepsOf(c.Entries, []trait{(*entry).polynomialName, (*entry).othersName}, true)
	_, byDegree := sweepsOf(c.Entries, []trait{(*entry).penaltyName, (*entry).othersName}, false)
	if len(byPenalty) != 2 || len(byPenalty[0].points) != 2 || len(byPenalty[0].levels) != 1 {
		t.Errorf("two degrees at two penalties and without are %+v", byPenalty)
	}
	if len(byDegree) != 3 || len(byDegree[0].points) != 2 || len(byDegree[0].levels) != 0 {
		t.Errorf("three penalties at two degrees are %+v", byDegree)
	}
	for _, against := range axes {
		if err := plotComparison(filepath.Join(t.TempDir(), "plot.png"), against, c); err != nil {
			t.Errorf("against %s: %v", against, err)
		}
	}
}

func penaltyName(beta float64) string {
	return strings.ReplaceAll((&entry{degree: 1, Penalty: beta}).penaltyName(), " ", "")
}

// Values that overflow, or are none, are drawn and not the end of the program.
func TestExtremeRunsAreDrawn(t *testing.T) {
	c := compared(t, map[string]*runReport{
		"overflow": reported(func(r *runReport) {
			r.Largest = []float64{math.MaxFloat32}
			r.History[0].HeldLargest, r.History[1].HeldLargest = math.MaxFloat32, 0
			r.Options.Penalty = pillar.Penalty{Beta: 1e-4, Gamma: 10, Range: 4.5}
		}),
		"nothing": reported(func(r *runReport) {
			r.Largest, r.Float, r.Fixed, r.Options.HoldOut = nil, 0, 0, 0
			r.Options.Penalty = pillar.Penalty{Beta: 1e-30, Gamma: 10, Range: 4.5}
			r.Options.Epochs, r.History = 1, r.History[:1]
		}),
	})
	for _, against := range axes {
		err := plotComparison(filepath.Join(t.TempDir(), "plot.png"), against, c)
		if wants := against == "degree"; (err != nil) != wants { // there is one degree
			t.Errorf("against %s: %v", against, err)
		}
	}
}

// Reports come from anywhere: each is refused, or can be compared and drawn.
func FuzzReportsAreComparedOrRefused(f *testing.F) {
	for _, change := range []func(*runReport){nil, relu, func(r *runReport) { r.Options.Penalty = pillar.Penalty{Beta: 1e-4, Gamma: 10, Range: 4.5} }} {
		b, err := json.Marshal(reported(change))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"options":{"network":"lenet"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReport(b)
		if err != nil {
			return
		}
		c := &comparison{Entries: []*entry{newEntry("run", []*storedRun{{"run", r.Options, r.History, r}})}}
		c.relate()
		c.warnings()
		var text strings.Builder
		if err := c.print(&text); err != nil {
			t.Fatal(err)
		}
		if err := c.printMarkdown(&text); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "NaN") || strings.Contains(text.String(), "Inf") {
			t.Errorf("a report is printed as %s", text.String())
		}
		c.against("penalty") // an error, with one run
		if d, err := c.overEpochs(); err == nil && !(d.least > 0 && d.most >= d.least) {
			t.Errorf("sizes are drawn from %v to %v", d.least, d.most)
		}
	})
}

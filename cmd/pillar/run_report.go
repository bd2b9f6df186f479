package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"pascaline/cmd/pillar/internal/training"
	"pascaline/internal/whole"
)

// The files in a run's folder: where it stands, how it went, and who is at it.
const (
	checkpointName = "checkpoint"
	reportName     = "report.json"
	lockName       = ".pillar-lock"
)

// maxReport bounds the size of a report: a history of ten thousand epochs.
const maxReport = 16 << 20

// runReport is what a finished run leaves for pillar compare.
type runReport struct {
	Options training.Options `json:"options"`
	trainedRun
}

func writeReport(path string, r *runReport) error {
	err := whole.WriteFile(path, 0o644, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// readReport reads a report, which anybody may have written.
func readReport(path string) (*runReport, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	r, err := decodeReport(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no report of pillar train, or damaged: %w", path, err)
	}
	return r, nil
}

func decodeReport(b []byte) (*runReport, error) {
	if len(b) > maxReport {
		return nil, fmt.Errorf("it has more than %d bytes", maxReport)
	}
	r := &runReport{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	if r.Options.Network == "" {
		return nil, errors.New("it names no network")
	}
	if err := r.Options.Check(); err != nil {
		return nil, err
	}
	return r, r.check()
}

// check returns an error for what no run can have come to. JSON has neither
// infinite numbers nor such as are none.
func (r *runReport) check() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	beta := userBeta(&r.Options)
	switch {
	case beta != 0 && !(beta >= 1e-30 && beta <= 1e30):
		return fmt.Errorf("its penalty is %v", beta)
	case !share(r.Float) || !share(r.Fixed):
		return fmt.Errorf("its accuracies are %v and %v; they are from 0 to 1", r.Float, r.Fixed)
	case r.TestImages < 1:
		return fmt.Errorf("it is of %d test images", r.TestImages)
	case r.Images < 0:
		return fmt.Errorf("its epochs have %d images", r.Images)
	case len(r.History) != r.Options.Epochs:
		return fmt.Errorf("its history has %d epochs, its options %d", len(r.History), r.Options.Epochs)
	}
	for _, v := range r.Largest {
		if !(v >= 0) {
			return fmt.Errorf("its largest pre-activations are %v", r.Largest)
		}
	}
	return checkHistory(r.History)
}

func checkHistory(history []training.Epoch) error {
	for i, e := range history {
		for _, v := range []float64{e.Accuracy, e.Held, e.Escaped} {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("in its epoch %d a share is %v", i+1, v)
			}
		}
		for _, v := range []float64{e.Largest, e.HeldLargest, e.Seconds} {
			if !(v >= 0 && v <= math.MaxFloat32) {
				return fmt.Errorf("in its epoch %d a size or time is %v", i+1, v)
			}
		}
		if e.Epoch != i+1 {
			return fmt.Errorf("its epoch %d is numbered %d", i+1, e.Epoch)
		}
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pascaline/cmd/pillar/internal/training"
)

// storedRun is a run as its folder has it; without a report it is not finished.
type storedRun struct {
	folder   string
	options  training.Options
	history  []training.Epoch
	finished *runReport
}

// readRuns reads the run in a folder, or those of several seeds in folders within.
func readRuns(folder string) ([]*storedRun, error) {
	names, err := list(folder)
	if err != nil {
		return nil, err
	}
	run, err := readRun(folder, names)
	if err != nil {
		return nil, err
	}
	seeds := seedFolders(names)
	switch {
	case run != nil && len(seeds) > 0:
		return nil, fmt.Errorf("it holds a run, and runs of several seeds (%s): name these as %s, or move one elsewhere",
			strings.Join(seeds, ", "), filepath.Join(folder, "seed-*"))
	case run != nil:
		return []*storedRun{run}, nil
	}
	var runs []*storedRun
	for _, name := range seeds {
		inner := filepath.Join(folder, name)
		names, err := list(inner)
		if err != nil {
			return nil, err
		}
		run, err := readRun(inner, names)
		if err != nil {
			return nil, err
		}
		if run == nil {
			continue // its first epoch is not over
		}
		if len(runs) > 0 {
			if first, other, differ := difference(&runs[0].options, &run.options); differ {
				return nil, fmt.Errorf("%s and %s are no seeds of the same run, %s against %s: name them one by one", runs[0].folder, inner, first, other)
			}
		}
		runs = append(runs, run)
	}
	if len(runs) == 0 {
		return nil, noRun(folder, names)
	}
	return runs, nil
}

// list returns the names in a folder.
func list(folder string) ([]string, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, errors.New("there is no such folder")
	}
	if !info.IsDir() {
		return nil, errors.New("it is a file: name the folder that pillar train had as --out")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// readRun reads the run in a folder, or returns nil where there is none.
func readRun(folder string, names []string) (*storedRun, error) {
	switch {
	case slices.Contains(names, reportName):
		r, err := readReport(filepath.Join(folder, reportName))
		if err != nil {
			return nil, err
		}
		return &storedRun{folder, r.Options, r.History, r}, nil
	case slices.Contains(names, checkpointName):
		options, history, err := training.ReadHistory(filepath.Join(folder, checkpointName))
		if err != nil {
			return nil, err
		}
		if err := checkHistory(history); err != nil {
			return nil, fmt.Errorf("checkpoint %s is damaged: %w", filepath.Join(folder, checkpointName), err)
		}
		return &storedRun{folder, options, history, nil}, nil
	}
	return nil, nil
}

// seedFolders returns the folders that pillar train --seeds makes, by seed.
func seedFolders(names []string) (folders []string) {
	seeds := map[string]uint64{}
	for _, name := range names {
		number, ok := strings.CutPrefix(name, "seed-")
		if seed, err := strconv.ParseUint(number, 10, 64); ok && err == nil {
			seeds[name] = seed
			folders = append(folders, name)
		}
	}
	slices.SortFunc(folders, func(a, b string) int {
		if seeds[a] < seeds[b] {
			return -1
		}
		return 1
	})
	return folders
}

// noRun is the error of a folder without a run; there may be some further inside.
func noRun(folder string, names []string) error {
	for _, name := range names {
		for _, file := range []string{reportName, checkpointName} {
			if _, err := os.Stat(filepath.Join(folder, name, file)); err == nil {
				return fmt.Errorf("it is no run, but there are some in it: name them, as %s", filepath.Join(folder, "*"))
			}
		}
	}
	return fmt.Errorf("it holds no run of pillar train: neither %s nor %s (which is there after the first epoch), nor folders seed-…", reportName, checkpointName)
}

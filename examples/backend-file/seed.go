package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"pascaline/plugins/sdk"
)

// seedPath returns the file of the seed: the one that is set, or the one beside
// the executable.
func seedPath(set string) (string, error) {
	if set != "" {
		return set, nil
	}
	executable, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf(`finding the seed file: %w; say where it is by the setting "seed"`, err)
	}
	return executable + ".seed", nil
}

// readSeed reads the seed in a file, which it makes where there is none.
func readSeed(path string) (sdk.Seed, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSeed(path); err != nil {
			return sdk.Seed{}, fmt.Errorf(`making a seed file: %w; say where one can be by the setting "seed"`, err)
		}
		f, err = os.Open(path)
	}
	if err != nil {
		return sdk.Seed{}, fmt.Errorf("reading the seed file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sdk.Seed{}, fmt.Errorf("reading the seed file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() != sdk.SeedSize {
		return sdk.Seed{}, fmt.Errorf("%s is no seed file: it has %d bytes, and a seed has %d; delete it or name another", path, info.Size(), sdk.SeedSize)
	}
	// Windows keeps access rights elsewhere; its mode bits say nothing.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return sdk.Seed{}, fmt.Errorf("others than its owner may use the seed file %s (mode %#o): chmod 600 it", path, mode)
	}
	var seed sdk.Seed
	if _, err := io.ReadFull(f, seed[:]); err != nil {
		return sdk.Seed{}, fmt.Errorf("reading the seed file: %w", err)
	}
	return seed, nil
}

// makeSeed makes a seed file. Both parties on one machine may do so at once: the
// file appears whole, and the first is the one that both read.
func makeSeed(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // new, and for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	seed := sdk.NewSeed()
	_, err = f.Write(seed[:])
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

package mpspdz

import (
	"errors"
	"os"
	"path/filepath"
)

// makeFolders creates dir and the folders in it that MP-SPDZ asks for, durably.
func makeFolders(dir string) error {
	for _, folder := range []string{ringFolder, fieldFolder, bitFolder} {
		if err := makeFolder(filepath.Join(dir, folder)); err != nil {
			return err
		}
	}
	return nil
}

// removeFolders removes the folders of makeFolders that nothing has come into. What
// will not go stays: it harms nobody.
func removeFolders(dir string) {
	for _, folder := range []string{ringFolder, fieldFolder, bitFolder} {
		_ = os.Remove(filepath.Join(dir, folder))
	}
}

// makeFolder creates a folder and what lacks above it, durably.
func makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		// Another export may have been faster.
		if info, statErr := os.Stat(path); statErr != nil || !info.IsDir() {
			return err
		}
	}
	return syncFolder(parent)
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

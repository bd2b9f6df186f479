package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestTwoStoresCannotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dir, link))
	t.Chdir(dir)
	for _, name := range []string{dir, link, "."} {
		_, err := Open(name)
		wantError(t, err, ErrInUse, filepath.Base(dir), "this very process")
	}
	must(t, s.Close())
	must(t, mustOpen(t, link).Close())
}

// TestMain lets the test binary be the other process of
// TestTwoProcessesCannotShareADirectory.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PASCALINE_STORE_TEST_OPEN"); dir != "" {
		_, err := Open(dir)
		fmt.Print(errors.Is(err, ErrInUse), " ", err)
		os.Exit(0)
	}
	// File systems in memory come and go, and garbage need not pile up.
	debug.SetMemoryLimit(256 << 20)
	os.Exit(m.Run())
}

func TestTwoProcessesCannotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "PASCALINE_STORE_TEST_OPEN="+dir)
	out, err := c.Output()
	must(t, err)
	if got := string(out); !strings.HasPrefix(got, "true ") || !strings.Contains(got, fmt.Sprintf("process %d has it open", os.Getpid())) {
		t.Fatalf("the other process hears %q", got)
	}
}

func TestOtherDirectoriesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))
	_, err := Open(dir)
	wantError(t, err, ErrFormat, "thesis.txt", dir)
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Fatalf("Open left %v", names)
	}
	file := filepath.Join(dir, "thesis.txt")
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Fatalf("opening a file: %v", err)
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	must(t, mustOpen(t, dir).Close())
	must(t, os.WriteFile(filepath.Join(dir, versionFile), []byte("pascaline store 3\n"), 0o600))
	_, err := Open(dir)
	wantError(t, err, ErrFormat, "pascaline store 3", "pascaline store 1", "pascaline store 2", dir)
	must(t, os.WriteFile(filepath.Join(dir, versionFile), []byte(formatVersion), 0o600))
	must(t, mustOpen(t, dir).Close()) // the refusal has released the lock
}

func TestAStoreIsItsOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := mustOpen(t, dir)
	for _, d := range []string{dir, filepath.Join(dir, indexDir), filepath.Join(dir, segmentsDir)} {
		info, err := os.Stat(d)
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Fatalf("%s has mode %v", d, info.Mode())
		}
	}
	must(t, s.Close())
}

func TestAStoreKeepsItsIDAndHasItsOwn(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	seen := map[ID]bool{{}: true}
	for _, dir := range dirs {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		id := s.ID()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Errorf("the id %v is not the store's own", id)
		}
		seen[id] = true
		if s, err = Open(dir); err != nil {
			t.Fatal(err)
		}
		if s.ID() != id {
			t.Errorf("the id changes from %v to %v", id, s.ID())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dirs[0], idFile), []byte("0123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dirs[0]); !errors.Is(err, ErrFormat) {
		t.Errorf("a store with a damaged id opens: %v", err)
	}
}

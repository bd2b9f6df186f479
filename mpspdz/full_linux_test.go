package mpspdz

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pascaline/correlation"
)

// mountSmall mounts a file system of 1 MiB and returns where.
func mountSmall(t *testing.T) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		t.Skipf("this test mounts a file system, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func wantFull(t *testing.T, err error, path string) {
	t.Helper()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full: make room") || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestAFullDiskIsFoundBeforeAnythingIsWritten(t *testing.T) {
	dir := mountSmall(t)
	_, err := NewWriter(dir, 0, correlation.Spec{Kind: correlation.Triples, N: 1 << 17})
	wantFull(t, err, "Triples-DR-P0: setting 3145728 bytes aside")
	if all := contents(t, dir); len(all) != 0 {
		t.Errorf("%d files are left", len(all))
	}
	w, h := newTriples(t, dir, 1<<14)
	must(t, w.Write(h))
	must(t, w.Close())
}

func TestWhatWasSetAsideCannotBeTaken(t *testing.T) {
	dir := mountSmall(t)
	w, h := newTriples(t, dir, 1<<14)
	junk, err := os.Create(filepath.Join(dir, "junk"))
	must(t, err)
	for err == nil {
		_, err = junk.Write(make([]byte, 4096))
	}
	must(t, junk.Close())
	must(t, w.Write(h))
	must(t, w.Close())
	if got := open(t, w.Path()).shares; len(got) != 3<<14 {
		t.Errorf("%d shares", len(got))
	}
}

// TestADiskThatRunsFullEndsTheExport writes more than was set aside, as happens
// where a file system cannot set space aside.
func TestADiskThatRunsFullEndsTheExport(t *testing.T) {
	dir := mountSmall(t)
	w, _ := newTriples(t, dir, 1)
	w.spec.N, w.left = 1<<17, 1<<17
	wantFull(t, w.Write(correlation.NewHalf(w.spec, 0)), "Triples-DR-P0: writing")
	if err := w.Close(); !errors.Is(err, errOver) {
		t.Errorf("error %v", err)
	}
	if all := contents(t, dir); len(all) != 0 {
		t.Errorf("%d files are left", len(all))
	}
}

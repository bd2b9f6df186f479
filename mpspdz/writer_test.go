package mpspdz

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pascaline/correlation"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contents lists the files below dir, with what they hold.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(data)
		return err
	}))
	return all
}

func newTriples(t *testing.T, dir string, n int) (*Writer, *correlation.Half) {
	t.Helper()
	spec := correlation.Spec{Kind: correlation.Triples, N: n}
	w, err := NewWriter(dir, 0, spec)
	must(t, err)
	return w, correlation.NewHalf(spec, 0)
}

func TestTheFoldersThatMPSPDZAsksForAreThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "Player-Data")
	w, h := newTriples(t, dir, 4)
	must(t, w.Write(h))
	must(t, w.Close())
	for _, folder := range []string{"", "2-DR-64", "2-D2-128", "2-DB-64"} {
		info, err := os.Stat(filepath.Join(dir, folder))
		must(t, err)
		if !info.IsDir() || info.Mode().Perm() != 0o700 {
			t.Errorf("%q has mode %v", folder, info.Mode())
		}
	}
	info, err := os.Stat(w.Path())
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode())
	}
	if all := contents(t, dir); len(all) != 1 {
		t.Errorf("there are %d files", len(all))
	}
}

func TestAFileHasItsNameOnlyOnceItIsWhole(t *testing.T) {
	dir := t.TempDir()
	w, h := newTriples(t, dir, 6)
	for i := range 6 {
		must(t, w.Write(h.Slice(i, i+1)))
		if _, err := os.Lstat(w.Path()); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%d of 6 triples have the name: %v", i+1, err)
		}
	}
	must(t, w.Close())
	all := contents(t, dir)
	if len(all) != 1 || len(all["2-DR-64/Triples-DR-P0"]) != 17+6*24 {
		t.Errorf("there are %d files", len(all))
	}
	must(t, w.Abort())
	if len(contents(t, dir)) != 1 {
		t.Error("giving up what is closed deletes it")
	}
	if err := w.Close(); !errors.Is(err, errOver) {
		t.Errorf("closing again: %v", err)
	}
	if err := w.Write(h.Slice(0, 1)); !errors.Is(err, errOver) {
		t.Errorf("writing after closing: %v", err)
	}
}

func TestAFileThatLacksElementsIsNone(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		w, h := newTriples(t, dir, 3)
		if n > 0 {
			must(t, w.Write(h.Slice(0, n)))
		}
		err := w.Close()
		if err == nil || !strings.Contains(err.Error(), "elements of 3 are missing") {
			t.Errorf("%d of 3 triples: %v", n, err)
		}
		if all := contents(t, dir); len(all) != 0 {
			t.Errorf("%d of 3 triples leave %d files", n, len(all))
		}
	}
	w, h := newTriples(t, dir, 3)
	must(t, w.Write(h.Slice(0, 1)))
	must(t, w.Abort())
	if all := contents(t, dir); len(all) != 0 {
		t.Errorf("giving up leaves %d files", len(all))
	}
	must(t, w.Abort())
	if err := w.Write(h); !errors.Is(err, errOver) {
		t.Errorf("writing after giving up: %v", err)
	}
}

func TestAnEarlierFileIsNeitherReplacedNorAddedTo(t *testing.T) {
	dir := t.TempDir()
	w, h := newTriples(t, dir, 2)
	must(t, w.Write(h))
	must(t, w.Close())
	before := contents(t, dir)
	if _, err := NewWriter(dir, 0, h.Spec); err == nil || !strings.Contains(err.Error(), w.Path()+" exists, and is neither replaced nor added to") {
		t.Errorf("error %v", err)
	}
	if after := contents(t, dir); len(after) != 1 || after["2-DR-64/Triples-DR-P0"] != before["2-DR-64/Triples-DR-P0"] {
		t.Error("an earlier file has changed")
	}

	// Nor is one that comes in between.
	other, err := NewWriter(dir, 1, h.Spec)
	must(t, err)
	must(t, other.Write(correlation.NewHalf(h.Spec, 1)))
	must(t, os.WriteFile(other.Path(), []byte("mine"), 0o600))
	if err := other.Close(); err == nil || !strings.Contains(err.Error(), "exists, and is neither replaced") {
		t.Errorf("error %v", err)
	}
	if after := contents(t, dir); len(after) != 2 || after["2-DR-64/Triples-DR-P1"] != "mine" {
		t.Errorf("there are %d files", len(after))
	}
}

func TestOneExportAtATimeTakesAName(t *testing.T) {
	dir := t.TempDir()
	w, h := newTriples(t, dir, 2)
	if _, err := NewWriter(dir, 0, h.Spec); err == nil || !strings.Contains(err.Error(), "Triples-DR-P0.part exists: another export is writing it, or one was interrupted; if none is, delete it") {
		t.Errorf("error %v", err)
	}
	must(t, w.Write(h))
	must(t, w.Close())
}

func TestOtherHalvesAreRefused(t *testing.T) {
	w, h := newTriples(t, t.TempDir(), 4)
	must(t, w.Write(h.Slice(0, 1)))
	bad := *h.Slice(1, 2)
	bad.Columns = nil
	for _, tc := range []struct {
		half *correlation.Half
		want string
	}{
		{correlation.NewHalf(h.Spec, 1), "a half of party 1 in the file of party 0"},
		{correlation.NewHalf(correlation.Spec{Kind: correlation.Squares, N: 1}, 0), "elements of squares in a file of triples"},
		{correlation.NewHalf(correlation.MatrixSpec(1, 1, 1, 1, false), 0), "elements of matrix/1x1x1 in a file of triples"},
		{h, "4 elements where 3 are due"},
		{&bad, "triples of 0 columns, not 3"},
	} {
		if err := w.Write(tc.half); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
	// None of them has left anything.
	must(t, w.Write(h.Slice(1, 4)))
	must(t, w.Close())
	if got := open(t, w.Path()).shares; len(got) != 12 || got[3] != h.A()[1] {
		t.Errorf("%d shares", len(got))
	}
}

func TestAPlaceThatIsNoneIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	spec := correlation.Spec{Kind: correlation.Triples, N: 4}
	for _, place := range []string{file, filepath.Join(file, "below")} {
		if _, err := NewWriter(place, 0, spec); err == nil || !strings.Contains(err.Error(), "making the folders") || !strings.Contains(err.Error(), place) {
			t.Errorf("error %v", err)
		}
	}
	must(t, os.Mkdir(filepath.Join(dir, "2-DR-64"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "2-DR-64", "Triples-DR-P0"), 0o700))
	if _, err := NewWriter(dir, 0, spec); err == nil || !strings.Contains(err.Error(), "Triples-DR-P0 exists") {
		t.Errorf("error %v", err)
	}
}

func TestAfterAnErrorOfTheDiskNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	w, h := newTriples(t, dir, 4)
	must(t, w.Write(h.Slice(0, 2)))
	must(t, w.file.Close())
	if err := w.Write(h.Slice(2, 4)); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), w.Path()) {
		t.Errorf("error %v", err)
	}
	if err := w.Write(h.Slice(2, 4)); !errors.Is(err, errOver) {
		t.Errorf("error %v", err)
	}
	if err := w.Close(); !errors.Is(err, errOver) {
		t.Errorf("error %v", err)
	}
	if all := contents(t, dir); len(all) != 0 {
		t.Errorf("%d files are left", len(all))
	}
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		err := w.failed("writing", &fs.PathError{Op: "write", Path: w.Path(), Err: full})
		if !errors.Is(err, full) || !strings.Contains(err.Error(), "the disk is full: make room") {
			t.Errorf("error %v", err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, spec := range []correlation.Spec{{Kind: correlation.Triples, N: 1 << 18}, correlation.MatrixSpec(64, 64, 64, 64, false)} {
		b.Run(spec.Pool(), func(b *testing.B) {
			h := correlation.NewHalf(spec, 0)
			b.SetBytes(8 * int64(spec.Words()))
			for b.Loop() {
				w, err := NewWriter(b.TempDir(), 0, spec)
				if err == nil {
					err = w.Write(h)
				}
				if err == nil {
					err = w.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

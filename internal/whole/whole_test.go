package whole

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that cannot be written leaves the one before, and nothing else.
func TestAFailureLeavesTheFileBefore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	write := func(s string, then error) error {
		return WriteFile(path, 0o640, func(w io.Writer) error {
			io.WriteString(w, s)
			w.Write(make([]byte, 3<<20))
			return then
		})
	}
	if err := write("before", nil); err != nil {
		t.Fatal(err)
	}
	if err := write("after", syscall.ENOSPC); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) != 6+3<<20 || string(b[:6]) != "before" {
		t.Errorf("the file has %d bytes, %v", len(b), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// blindFS does not tell how much space is left.
type blindFS struct{ vfs.FS }

func (blindFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

// mountSmall mounts a file system of 8 MiB and returns where, and a function
// that enlarges it.
func mountSmall(t *testing.T) (dir string, enlarge func()) {
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=700"); err != nil {
		t.Skipf("this test mounts a file system, which takes root: %v", err)
	}
	t.Cleanup(func() {
		// Indexes that have failed stay open until the process ends.
		if err := syscall.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func() {
		must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
	}
}

// TestASmallDiskRunsFullAndRecovers fills a file system for real: until the
// store says that it is full, and then to the last byte.
func TestASmallDiskRunsFullAndRecovers(t *testing.T) {
	for name, options := range map[string][]Option{
		"a reserve":     {WithReserve(1 << 20)},
		"no reserve":    {WithReserve(0)},
		"unknown space": {WithFS(blindFS{vfs.Default})},
	} {
		for _, size := range []int{8 << 10, 100 << 10, 600 << 10} {
			t.Run(fmt.Sprintf("%s, values of %d bytes", name, size), func(t *testing.T) {
				mount, enlarge := mountSmall(t)
				dir := filepath.Join(mount, "store")
				s := mustOpen(t, dir, options...)
				var ready, uncertain [][]NewHalf
				var full error
				for full == nil {
					halves := newHalves(t, 2, size)
					uncertain = append(uncertain, halves)
					if full = s.Put(alice, halves); full == nil {
						if full = s.Confirm(alice, idsOf(halves)); full == nil {
							ready, uncertain = append(ready, halves), nil
						}
					}
				}
				wantError(t, full, ErrDiskFull, dir)
				t.Logf("%d groups, then: %v", len(ready), full)
				if len(ready) < 2 {
					t.Fatal("full too soon to mean anything")
				}
				if name == "a reserve" {
					mustClaim(t, s, alice, ready[0])
					ready = ready[1:]
				}

				fillUp(t, filepath.Join(mount, "junk"))
				fresh := newHalves(t, 2, size)
				wantError(t, s.Put(alice, fresh), ErrDiskFull)
				_, err := s.Claim(alice, idsOf(ready[0]))
				if err != nil {
					wantError(t, err, ErrDiskFull)
					t.Logf("a claim without a byte: %v", err)
					uncertain = append(uncertain, ready[0])
				}
				ready = ready[1:]

				enlarge()
				for _, halves := range ready {
					mustClaim(t, s, alice, halves)
				}
				// What failed is there as a whole or not at all, and nothing
				// else is.
				rest, err := s.Halves(alice)
				must(t, err)
				for _, halves := range append(uncertain, fresh) {
					n := len(rest)
					rest = slices.DeleteFunc(rest, func(h Half) bool { return slices.Contains(idsOf(halves), h.ID) })
					if n -= len(rest); n != 0 && n != len(halves) {
						t.Fatalf("%d halves of a group of %d are left", n, len(halves))
					}
				}
				if len(rest) > 0 {
					t.Fatalf("%v came from nowhere", rest)
				}
				must(t, s.Close())
			})
		}
	}
}

// fillUp writes to path until the disk has no byte left.
func fillUp(t *testing.T, path string) {
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for n := 1 << 20; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
}

package store

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is the file system that one opening of the index sees. Once it is
// raised nothing gets through to the disk any more.
//
// Pebble expects its process to die at some errors (Logger.Fatalf): it goes on
// with unsound memory if the process lives, and where a commit panics it cannot
// even be closed. Behind a raised fence it may run on in the background as it
// likes, while a fresh opening of the same directory takes its place.
type fence struct {
	vfs.FS
	raised atomic.Pointer[error]
	// under is held for reading by operations that change the disk.
	under sync.RWMutex
}

// raise stops every operation that begins from now on. The first error given is
// what they fail with.
func (f *fence) raise(err error) { f.raised.CompareAndSwap(nil, &err) }

// settle waits, after raise, for operations that had begun before.
func (f *fence) settle() {
	f.under.Lock()
	defer f.under.Unlock()
}

// pass runs an operation unless the fence is raised.
func (f *fence) pass(operation func() error) error {
	f.under.RLock()
	defer f.under.RUnlock()
	if err := f.raised.Load(); err != nil {
		return *err
	}
	return operation()
}

func (f *fence) file(open func() (vfs.File, error)) (file vfs.File, err error) {
	err = f.pass(func() error { file, err = open(); return err })
	if err != nil {
		return nil, err
	}
	return &fencedFile{file, f}, nil
}

func (f *fence) Unwrap() vfs.FS { return f.FS }

// Lock does nothing: the store holds the lock of the whole directory, across
// openings of the index.
func (f *fence) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Create makes a MANIFEST's name durable at once: Pebble does so only together
// with the marker that says which one counts, and a crash between may leave a
// marker that leads nowhere, and with it a store that cannot be opened.
func (f *fence) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file(func() (vfs.File, error) {
		file, err := f.FS.Create(name, c)
		if err != nil || !strings.HasPrefix(f.FS.PathBase(name), "MANIFEST-") {
			return file, err
		}
		if err := syncDir(f.FS, f.FS.PathDir(name)); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return file, nil
	})
}

func (f *fence) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *fence) OpenDir(name string) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.FS.OpenDir(name) })
}

func (f *fence) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, c) })
}

func (f *fence) Link(old, name string) error {
	return f.pass(func() error { return f.FS.Link(old, name) })
}

func (f *fence) Remove(name string) error {
	return f.pass(func() error { return f.FS.Remove(name) })
}

func (f *fence) RemoveAll(name string) error {
	return f.pass(func() error { return f.FS.RemoveAll(name) })
}

func (f *fence) Rename(old, name string) error {
	return f.pass(func() error { return f.FS.Rename(old, name) })
}

func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	return f.pass(func() error { return f.FS.MkdirAll(dir, perm) })
}

type fencedFile struct {
	vfs.File
	fence *fence
}

func (f *fencedFile) Write(p []byte) (n int, err error) {
	err = f.fence.pass(func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f *fencedFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.fence.pass(func() error { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f *fencedFile) Sync() error     { return f.fence.pass(f.File.Sync) }
func (f *fencedFile) SyncData() error { return f.fence.pass(f.File.SyncData) }

func (f *fencedFile) SyncTo(length int64) (full bool, err error) {
	err = f.fence.pass(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

func (f *fencedFile) Preallocate(off, length int64) error {
	return f.fence.pass(func() error { return f.File.Preallocate(off, length) })
}

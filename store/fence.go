package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is the file system that one opening of the index sees. Operations that
// change the disk go through pass; the first of them that fails is told to
// onFailure and never returns, nor does any that begins later.
//
// For Pebble (2.1.7) takes its process for dead at such errors and goes wrong
// where it lives on. A commit whose log cannot be synced calls Logger.Fatalf and
// then reports success; one whose log cannot be rotated panics and, in
// unwinding, unlocks a mutex that is not locked, which no recover stops; a flush
// is tried again in a tight loop, and Open waits for that loop; an Open that
// fails late closes what its background goroutines still use, and they panic. So
// Pebble is never told: its goroutines wait behind the fence for the end of the
// process, and a fresh opening of the same directory takes its place.
type fence struct {
	vfs.FS
	onFailure func(error)
	parked    atomic.Bool
	running   sync.RWMutex // held for reading by an operation that goes through
}

// park keeps every operation that begins from now on for ever, and waits for
// those that have begun: after that nothing behind the fence changes the disk.
func (f *fence) park() {
	f.parked.Store(true)
	f.running.Lock()
	defer f.running.Unlock()
}

func (f *fence) pass(operation func() error) error {
	err := f.try(operation)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.parked.Store(true)
	f.onFailure(err)
	select {}
}

// try is pass for operations that Pebble takes lightly when they fail.
func (f *fence) try(operation func() error) error {
	f.running.RLock()
	if f.parked.Load() {
		f.running.RUnlock()
		select {}
	}
	defer f.running.RUnlock()
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
	return f.try(func() error { return f.FS.Remove(name) })
}

func (f *fence) RemoveAll(name string) error {
	return f.try(func() error { return f.FS.RemoveAll(name) })
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
	return f.fence.try(func() error { return f.File.Preallocate(off, length) })
}

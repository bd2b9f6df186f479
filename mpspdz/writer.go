package mpspdz

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"pascaline/correlation"
)

// partSuffix marks a file that is being written.
const partSuffix = ".part"

// chunkWords is how many words are brought into the layout at a time, 1 MiB,
// unless one element has more.
const chunkWords = 1 << 17

// Writer writes the file of one pool for one party. The file has its name once it
// is whole, with Close, and never before. A Writer is not safe for concurrent use.
type Writer struct {
	spec  correlation.Spec // of the whole file
	party int
	path  string
	file  *os.File // nil once it is over
	left  int      // elements that are due
	chunk int      // elements written at a time
	buf   []byte
}

var errOver = errors.New("this export is over: it was closed, given up or has failed")

// NewWriter begins the file for the elements of spec, spec.N in all (see
// [Padded]), in dir, which is MP-SPDZ's Player-Data or will be. It makes the
// folders and sets the space aside that the file will take. A file that exists is
// refused: MP-SPDZ may have used a part of it, or have yet to. So call it before
// the elements are claimed.
func NewWriter(dir string, party int, spec correlation.Spec) (*Writer, error) {
	name, err := fileName(spec, party)
	if err != nil {
		return nil, fmt.Errorf("exporting to MP-SPDZ: %w", err)
	}
	one := spec
	one.N = 1
	w := &Writer{
		spec: spec, party: party, path: filepath.Join(dir, ringFolder, name),
		left: spec.N, chunk: max(1, chunkWords/one.Words()),
	}
	if err := makeFolders(dir); err != nil {
		return nil, w.failed("making the folders", err)
	}
	if err := w.create(); err != nil {
		return nil, err
	}
	if err := w.begin(8 * int64(one.Words()) * int64(spec.N)); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// create opens the part. While it is there no other export takes the name.
func (w *Writer) create() (err error) {
	part := w.path + partSuffix
	w.file, err = os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("exporting to MP-SPDZ: %s exists: another export is writing it, or one was interrupted; if none is, delete it", part)
	}
	if err != nil {
		return w.failed("creating the file", err)
	}
	return nil
}

// begin refuses a name that is taken, sets space aside and writes the header.
func (w *Writer) begin(size int64) error {
	if err := w.free(); err != nil {
		return err
	}
	if err := reserve(w.file, int64(len(header))+size); err != nil {
		return w.failed(fmt.Sprintf("setting %d bytes aside", size), err)
	}
	if _, err := w.file.WriteString(header); err != nil {
		return w.failed("writing", err)
	}
	return nil
}

// free reports a file that has the name already.
func (w *Writer) free() error {
	switch _, err := os.Lstat(w.path); {
	case err == nil:
		return fmt.Errorf("exporting to MP-SPDZ: %s exists, and is neither replaced nor added to: move it away, or name another directory", w.path)
	case !errors.Is(err, fs.ErrNotExist):
		return w.failed("looking for an earlier file", err)
	}
	return nil
}

// Path returns the name that the file will have.
func (w *Writer) Path() string { return w.path }

// Write adds the elements of h, a half of this party and pool. After an error of
// the disk the export is over, and its part is deleted.
func (w *Writer) Write(h *correlation.Half) error {
	if w.file == nil {
		return errOver
	}
	if err := w.fits(h); err != nil {
		return fmt.Errorf("exporting to %s: %w", w.path, err)
	}
	for from := 0; from < h.Spec.N; from += w.chunk {
		w.buf = appendShares(w.buf[:0], h.Slice(from, min(from+w.chunk, h.Spec.N)))
		if _, err := w.file.Write(w.buf); err != nil {
			return errors.Join(w.failed("writing", err), w.Abort())
		}
	}
	w.left -= h.Spec.N
	return nil
}

// fits checks that h belongs into the file.
func (w *Writer) fits(h *correlation.Half) error {
	if err := h.Validate(); err != nil {
		return err
	}
	if h.Party != w.party {
		return fmt.Errorf("a half of party %d in the file of party %d", h.Party, w.party)
	}
	if h.Spec.Pool() != w.spec.Pool() {
		return fmt.Errorf("elements of %s in a file of %s", h.Spec.Pool(), w.spec.Pool())
	}
	if h.Spec.N > w.left {
		return fmt.Errorf("%d elements where %d are due", h.Spec.N, w.left)
	}
	return nil
}

// Close makes the file durable and gives it its name, once all its elements have
// been written. Where it fails there is no file, unless the error says so.
func (w *Writer) Close() error {
	if w.file == nil {
		return errOver
	}
	if w.left > 0 {
		return errors.Join(fmt.Errorf("exporting to %s: %d elements of %d are missing", w.path, w.left, w.spec.N), w.Abort())
	}
	if err := w.file.Sync(); err != nil {
		return errors.Join(w.failed("syncing", err), w.Abort())
	}
	if err := w.free(); err != nil {
		return errors.Join(err, w.Abort())
	}
	file, part := w.file, w.path+partSuffix
	w.file, w.buf = nil, nil
	err := file.Close()
	if err == nil {
		err = os.Rename(part, w.path)
	}
	if err != nil {
		return errors.Join(w.failed("naming the file", err), os.Remove(part))
	}
	if err := syncFolder(filepath.Dir(w.path)); err != nil {
		return fmt.Errorf("exporting to MP-SPDZ: %s is whole, but a crash might still undo its name: %w", w.path, err)
	}
	return nil
}

// Abort gives the export up and deletes its part, and folders that are empty then.
// After Close, or where the export
// is over already, it does nothing.
func (w *Writer) Abort() error {
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file, w.buf = nil, nil
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return w.failed("deleting what was written", err)
	}
	removeFolders(filepath.Dir(filepath.Dir(w.path)))
	return nil
}

// failed wraps an error from the disk, and says what to do where it is a full one.
func (w *Writer) failed(doing string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("exporting to %s: %s: the disk is full: make room, or name a directory on another disk: %w", w.path, doing, err)
	}
	return fmt.Errorf("exporting to %s: %s: %w", w.path, doing, err)
}

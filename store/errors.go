package store

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Errors to ask for with [errors.Is].
var (
	ErrInUse     = errors.New("the store is in use")
	ErrFormat    = errors.New("not a store that this version can read")
	ErrClosed    = errors.New("the store is closed")
	ErrDuplicate = errors.New("the id has been seen before")
	ErrClaimed   = errors.New("claimed before: it can never be used again")
	ErrUnknown   = errors.New("not in the store for this pair")
	ErrNotReady  = errors.New("pending: the other party has not confirmed it")
	ErrCorrupt   = errors.New("the stored value is damaged; it is burnt and will not be used")
	ErrDiskFull  = errors.New("no space left on the disk")
	ErrRange     = errors.New("no such range of elements")
	ErrScattered = errors.New("the spent elements would lie in too many pieces: claim from the front")
)

// failed wraps an error from the disk, and says what to do where it is a full
// one.
func (s *Store) failed(doing string, err error) error {
	if errors.Is(err, ErrDiskFull) || errors.Is(err, ErrClosed) {
		return fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}
	if vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("store %s: %s: %w: what was ready is safe; make room and try again: %w", s.dir, doing, ErrDiskFull, err)
	}
	return fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
}

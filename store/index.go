package store

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// index is one opening of the Pebble database. It ends with the store, or with
// the first write that fails: Pebble (2.1.7) cannot be trusted after that. Its
// ways to say so are four, and each ends in failure:
//
//   - a commit whose WAL write or sync fails calls Logger.Fatalf, and DB.Apply
//     returns nil where Fatalf returns;
//   - a commit that meets an earlier error of the WAL, or cannot rotate it,
//     panics with the commit pipeline locked: Close would wait for ever;
//   - a flush or compaction that cannot write the MANIFEST calls Fatalf in the
//     background;
//   - other failures of flushes and compactions go to the event listener's
//     BackgroundError, and the work is tried again at once, without end.
type index struct {
	db    *pebble.DB
	fence *fence
	// fatal is why the database can take no more writes: what had been written
	// when it was set may or may not be on the disk.
	fatal atomic.Pointer[error]
	// onFailure is called, in a goroutine of its own, at the first failure.
	onFailure func(*index)
	failing   atomic.Bool
	// stuck says that a commit has panicked.
	stuck bool
}

const (
	// memtable bounds what opening the index replays, and what a full disk must
	// still take: the log is preallocated with a tenth more.
	memtable = 4 << 20
	// formatMajor is part of the format: an older Pebble cannot read a newer.
	formatMajor = pebble.FormatTableFormatV6
)

func openIndex(dir string, fs vfs.FS, onFailure func(*index)) (x *index, err error) {
	x = &index{fence: &fence{FS: fs}, onFailure: onFailure}
	o := &pebble.Options{
		FS:                 x.fence,
		Logger:             (*quietLogger)(x),
		FormatMajorVersion: formatMajor,
		MemTableSize:       memtable,
		CacheSize:          8 << 20,
		MaxOpenFiles:       256,
		// A snapshot of the few files there are is cheaper than a long history.
		MaxManifestFileSize: 1 << 20,
		// Writers must not be stalled: while flushes fail they would wait for
		// ever, and the store's own lock with them. A store writes a few
		// hundred bytes of index for each half and checks for failure first.
		MemTableStopWritesThreshold: 32,
		L0StopWritesThreshold:       1 << 20,
		EventListener: &pebble.EventListener{
			BackgroundError: x.background,
			// The read that met it returns the error.
			DataCorruption: func(pebble.DataCorruptionInfo) {},
		},
	}
	// Shares are uniformly random: compression is in vain.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	for i := range o.Levels {
		// Put asks for ids that are not there.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r)
		}
		if err == nil {
			err = x.failure()
		}
		if err != nil {
			x.failing.Store(true) // nobody to tell: the caller is
			x.fence.raise(err)
			if x.db != nil {
				x.close()
			}
			x.fence.settle()
			x = nil
		}
	}()
	x.db, err = pebble.Open(dir, o)
	return x, err
}

// apply commits b, synced. After an error it is not known whether the batch is
// on the disk; the index is of no more use.
func (x *index) apply(b *pebble.Batch) (err error) {
	if err := x.failure(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r)
			x.stuck = true
		}
		if err == nil {
			err = x.failure() // Fatalf returned, and Apply did as if nothing were
		}
		if err != nil {
			x.fail(err)
		}
	}()
	return x.db.Apply(b, pebble.Sync)
}

// get returns a copy of the value at key, nil where there is none.
func (x *index) get(key []byte) ([]byte, error) {
	v, closer, err := x.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v = append([]byte{}, v...)
	return v, closer.Close()
}

// scan calls f with every key under prefix and its value, both good until f
// returns.
func (x *index) scan(prefix []byte, f func(key, value []byte) error) (err error) {
	end := append([]byte{}, prefix...)
	for i := len(end) - 1; ; i-- {
		if i < 0 {
			end = nil
			break
		}
		if end[i]++; end[i] != 0 {
			end = end[:i+1]
			break
		}
	}
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return it.Error()
}

func (x *index) failure() error {
	if err := x.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends the index: nothing reaches the disk from here on.
func (x *index) fail(err error) {
	x.fatal.CompareAndSwap(nil, &err)
	x.fence.raise(err)
	x.tell()
}

// background hears of flushes and compactions that failed. Nothing is lost by
// that, but they would be tried again in a tight loop: so the index is closed,
// and opened when it is next needed. Opening it again would not mend damaged
// tables: they are left to whoever reads them.
func (x *index) background(err error) {
	if !pebble.IsCorruptionError(err) {
		x.tell()
	}
}

func (x *index) tell() {
	if !x.failing.Swap(true) {
		go x.onFailure(x)
	}
}

// close closes the database; after a failure, behind a raised fence. A database
// that is stuck is left to the background: closing it would never return.
func (x *index) close() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r)
		}
		x.fence.raise(pebble.ErrClosed)
		x.fence.settle()
	}()
	if x.stuck {
		return x.failure()
	}
	return x.db.Close()
}

// recovered is the error in a panic of Pebble's.
func recovered(r any) error {
	if err, ok := r.(error); ok {
		return fmt.Errorf("pebble stopped: %w", err)
	}
	return fmt.Errorf("pebble stopped: %v", r)
}

// quietLogger keeps Pebble's chatter off the terminal and its Fatalf from ending
// the process.
type quietLogger index

func (*quietLogger) Infof(string, ...any)  {}
func (*quietLogger) Errorf(string, ...any) {}

// Fatalf returns, where Pebble's own ends the process.
func (l *quietLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = fmt.Errorf("pebble stopped: %w", cause) // keeps ENOSPC for errors.Is
			break
		}
	}
	(*index)(l).fail(err)
}

package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// index is one opening of the Pebble database. It ends with the store, or with
// the first write that fails (see fence); what had been under way then may or may
// not be on the disk.
type index struct {
	db    *pebble.DB
	fence *fence
	// failed is closed at the first failure; err is set before.
	failed chan struct{}
	once   sync.Once
	err    error
}

const (
	// memtable bounds what opening the index replays, and what a full disk must
	// still take: the log is preallocated with a tenth more.
	memtable = 4 << 20
	// formatMajor is part of the format: an older Pebble cannot read a newer.
	formatMajor = pebble.FormatTableFormatV6
)

// openIndex opens the index in dir. kept says, where it fails, that the attempt
// stays in memory.
func openIndex(dir string, files vfs.FS) (x *index, kept bool, err error) {
	x = &index{failed: make(chan struct{})}
	x.fence = &fence{FS: files, onFailure: x.fail}
	o := &pebble.Options{
		FS:                 x.fence,
		Logger:             (*quietLogger)(x),
		FormatMajorVersion: formatMajor,
		MemTableSize:       memtable,
		CacheSize:          8 << 20,
		MaxOpenFiles:       256,
		// A snapshot of the few files there are is cheaper than a long history.
		MaxManifestFileSize:         1 << 20,
		MemTableStopWritesThreshold: 4,
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
	err = x.do(func() (err error) {
		x.db, err = pebble.Open(dir, o)
		return err
	})
	if err != nil {
		x.fail(err)
		x.fence.park()
		return nil, true, err
	}
	return x, false, nil
}

// do runs a function that has Pebble write, and gives it up at the first failure.
func (x *index) do(f func() error) error {
	if x.hasFailed() {
		return x.err
	}
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("pebble panicked: %v", r)
				x.fail(err)
			}
			done <- err
		}()
		err = f()
	}()
	select {
	case err := <-done:
		if err == nil && x.hasFailed() {
			err = x.err
		}
		return err
	case <-x.failed:
		return x.err
	}
}

// apply commits b, synced. After an error it is not known whether the batch is
// on the disk.
func (x *index) apply(b *pebble.Batch) error {
	return x.do(func() error { return x.db.Apply(b, pebble.Sync) })
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

func (x *index) hasFailed() bool {
	select {
	case <-x.failed:
		return true
	default:
		return false
	}
}

// fail ends the index: nothing changes the disk from here on.
func (x *index) fail(err error) {
	x.fence.parked.Store(true)
	x.once.Do(func() {
		x.err = err
		close(x.failed)
	})
}

// background hears of flushes and compactions that failed for other reasons than
// writes. They would be tried again at once, without end; opening the index again
// mends that, except where tables are damaged, which are left to whoever reads
// them.
func (x *index) background(err error) {
	if !pebble.IsCorruptionError(err) {
		x.fail(err)
	}
}

// close closes the database. One that has failed stays in memory.
func (x *index) close() error {
	err := x.do(x.db.Close)
	x.fence.park()
	return err
}

// quietLogger keeps Pebble's chatter off the terminal and its Fatalf from ending
// the process.
type quietLogger index

func (*quietLogger) Infof(string, ...any)  {}
func (*quietLogger) Errorf(string, ...any) {}

// Fatalf hears of what Pebble finds wrong with itself.
func (l *quietLogger) Fatalf(format string, args ...any) {
	(*index)(l).fail(fmt.Errorf("pebble stopped: "+format, args...))
}

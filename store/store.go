package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MaxSize bounds the value of one half, and the rows of one batch, in bytes.
const MaxSize = 1 << 30

// ID names a correlation or a batch; both parties' halves bear the same.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Pair says where the twins of halves are, by the other party's public key and
// the id of its store, and which plan they are for, by its hash. With another
// store of the same party there is nothing to compare.
type Pair struct {
	Peer, Plan [32]byte
	Twin       ID // the other store's [Store.ID]
}

// State is how far a half or a batch has come. Its numbers are part of the format, never
// change.
type State byte

const (
	Pending State = 1 // written, not confirmed by both parties
	Ready   State = 2
)

func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Ready:
		return "ready"
	}
	return fmt.Sprintf("state %d", byte(s))
}

// Half is what the store tells about a half without using it up.
type Half struct {
	ID     ID
	Digest [32]byte // of the public transcript that made it
	State  State
	Size   int64 // of its value, in bytes
}

// NewHalf is a half to be written.
type NewHalf struct {
	ID     ID
	Digest [32]byte
	Data   []byte
}

// Format keeps the value out of logs, errors and debug output, whatever the verb.
func (h NewHalf) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "half %v(%d bytes, redacted)", h.ID, len(h.Data))
}

// Entry is the inventory of one pair's halves.
type Entry struct {
	Pair           Pair
	Ready, Pending int
	Claimed        int   // since the store was created
	Bytes          int64 // of the values pending and ready
}

// Store is one party's halves. Its methods may be called at the same time.
type Store struct {
	dir     string
	files   vfs.FS
	reserve uint64
	lock    io.Closer
	id      ID

	// running counts the methods that work outside mu; Close waits for them.
	running sync.WaitGroup

	mu     sync.Mutex // held for every look at the index and every change
	closed bool
	index  *index // nil after a failure, until the next method opens it again
	kept   int    // indexes that failed: they stay in memory
	// version is what the file VERSION says.
	version string
	// live counts the halves and batches that each segment still holds values of.
	live         map[uint64]int
	writing      map[uint64]bool // segments that the index does not name yet
	nextSegment  uint64
	nextSequence uint64
}

// Option changes how a store is opened.
type Option func(*Store)

// WithFS puts the store on another file system than the operating system's.
func WithFS(files vfs.FS) Option { return func(s *Store) { s.files = files } }

// WithReserve sets how many bytes Put and PutBatch leave free on the disk, so that claims,
// which must write to be safe, still can when it is full. The default is
// [DefaultReserve].
func WithReserve(bytes uint64) Option { return func(s *Store) { s.reserve = bytes } }

// maxKept bounds the memory that failed indexes may keep: a few MiB each.
const maxKept = 64

// DefaultReserve is room for the index to go on for long without another Put.
const DefaultReserve = 64 << 20

// Open opens the store in dir, creating it where there is none. A store that
// somebody else has open is [ErrInUse], a directory that is no store or of
// another version [ErrFormat].
func Open(dir string, options ...Option) (*Store, error) {
	s := &Store{
		files: vfs.Default, reserve: DefaultReserve,
		live: make(map[uint64]int), writing: make(map[uint64]bool), nextSegment: 1, nextSequence: 1,
	}
	for _, o := range options {
		o(s)
	}
	var err error
	if s.dir, err = resolve(s.files, dir); err != nil {
		return nil, fmt.Errorf("opening store %s: %w", dir, err)
	}
	if s.lock, s.id, s.version, err = enter(s.files, s.dir); err != nil {
		return nil, s.failed("opening it", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		s.lock.Close()
		return nil, err
	}
	return s, nil
}

// ID names the store: drawn when it was created, and kept for good.
func (s *Store) ID() ID { return s.id }

// Close waits for methods under way, closes the store and gives up its lock.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return s.failed("closing it", ErrClosed)
	}
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()

	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.index != nil {
		if s.index.hasFailed() {
			s.index.fence.park()
		} else {
			err = s.index.close()
		}
		s.index = nil
	}
	if err = errors.Join(err, s.lock.Close()); err != nil {
		return s.failed("closing it", err)
	}
	return nil
}

// usable is what every method begins with: the store is not closed and its index
// is open; mu is held.
func (s *Store) usable() error {
	if s.closed {
		return fmt.Errorf("store %s: %w", s.dir, ErrClosed)
	}
	return s.revive()
}

// revive opens the index again after a failure; mu is held.
func (s *Store) revive() error {
	if s.index != nil && s.index.hasFailed() {
		// Whoever met the failure has reported it.
		s.index.fence.park()
		s.index = nil
		s.kept++
	}
	if s.index != nil {
		return nil
	}
	const doing = "opening the index"
	if s.kept >= maxKept {
		return fmt.Errorf("store %s: its disk has failed %d times: mend it and start this program again", s.dir, s.kept)
	}
	if err := s.roomToOpen(); err != nil {
		return s.failed(doing, err)
	}
	x, kept, err := openIndex(s.files.PathJoin(s.dir, indexDir), s.files)
	if err != nil {
		if kept {
			s.kept++
		}
		return s.failed(doing, err)
	}
	s.index = x
	if err := s.sweep(); err != nil {
		s.index = nil
		return s.failed(doing, errors.Join(err, x.close()))
	}
	return nil
}

// Halves returns the pair's halves, pending and ready, in the order written.
func (s *Store) Halves(pair Pair) ([]Half, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	var halves []Half
	err := s.index.scan(appendPair([]byte{keyHalf}, pair), func(_, value []byte) error {
		r, err := decodeHalf(value)
		halves = append(halves, r.Half)
		return err
	})
	if err != nil {
		return nil, s.failed("listing halves", err)
	}
	return halves, nil
}

// eachHalf calls f with every half; mu is held.
func (s *Store) eachHalf(f func(place, halfRecord)) error {
	return s.index.scan([]byte{keyHalf}, func(key, value []byte) error {
		at, err := decodePlace(keyHalf, key)
		if err != nil {
			return err
		}
		r, err := decodeHalf(value)
		if err == nil {
			f(at, r)
		}
		return err
	})
}

// Inventory returns an entry for every pair that the store has ever claimed
// halves for or holds halves of, in order of their bytes. Batches are not in it:
// see [Store.Pools].
func (s *Store) Inventory() ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	entries := make(map[Pair]*Entry)
	entry := func(p Pair) *Entry {
		if entries[p] == nil {
			entries[p] = &Entry{Pair: p}
		}
		return entries[p]
	}
	err := s.eachHalf(func(at place, r halfRecord) {
		e := entry(at.pair)
		e.Bytes += r.Size
		if r.State == Ready {
			e.Ready++
		} else {
			e.Pending++
		}
	})
	if err == nil {
		err = s.index.scan([]byte{keyCount}, func(key, value []byte) error {
			if len(key) != 1+pairLen {
				return errFormat
			}
			n, err := decodeCount(value)
			entry(decodePair(key[1:])).Claimed = int(n)
			return err
		})
	}
	if err != nil {
		return nil, s.failed("taking the inventory", err)
	}
	list := make([]Entry, 0, len(entries))
	for _, e := range entries {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b Entry) int { return comparePairs(a.Pair, b.Pair) })
	return list, nil
}

// comparePairs orders pairs by their bytes, as the index does.
func comparePairs(a, b Pair) int { return bytes.Compare(appendPair(nil, a), appendPair(nil, b)) }

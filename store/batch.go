package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Bounds of a batch.
const (
	MaxElements = 1 << 28
	MaxHead     = 64 << 20 // bytes
	MaxWidth    = 16 << 20 // bytes
)

// NewBatch is a batch to be written: one party's half of N elements of one kind,
// made together. What one element needs is the whole of Head, and its row.
type NewBatch struct {
	ID     ID
	Digest [32]byte
	// Kind says what the elements are, in 1 to 200 printable ASCII characters
	// that the store does not read.
	Kind string
	N    int // from 1 to MaxElements
	Head []byte
	// Width is how many bytes of Rows each element has: element i has
	// Rows[i*Width:(i+1)*Width]. 0: all is in the head.
	Width int
	Rows  []byte // N*Width bytes, at most MaxSize
}

// Format keeps the values out of logs, errors and debug output, whatever the verb.
func (n NewBatch) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "batch %v(%d %s, redacted)", n.ID, n.N, n.Kind)
}

// Batch is what the store tells about a batch without using it up.
type Batch struct {
	ID     ID
	Digest [32]byte // of the public transcript that made it
	Kind   string
	State  State
	N      int
	Width  int // bytes of one element's row
	// Spent are the elements that are gone, claimed or burnt: ranges that ascend
	// and do not touch.
	Spent []Range
	Size  int64 // of the head and the rows not spent, in bytes
}

// Left returns how many elements are not spent.
func (b *Batch) Left() int { return b.N - count(b.Spent) }

// Unspent returns the elements that are not spent: ranges that ascend and do not
// touch.
func (b *Batch) Unspent() []Range { return subtract([]Range{{0, b.N}}, b.Spent) }

// Next returns the first n elements that are not spent, all there are if they
// are fewer.
func (b *Batch) Next(n int) (next []Range) {
	for _, r := range b.Unspent() {
		if n <= 0 {
			break
		}
		r.To = min(r.To, r.From+n)
		next = append(next, r)
		n -= r.To - r.From
	}
	return next
}

// Pool is the inventory of one pair's batches of one kind.
type Pool struct {
	Pair           Pair
	Kind           string
	Batches        int
	Ready, Pending int   // elements not spent
	Spent          int   // elements claimed or burnt since the store was created
	Bytes          int64 // of the heads and the rows not spent
}

// batchRecord is a batch as the index has it.
type batchRecord struct {
	Batch
	head    int    // bytes
	segment uint64 // 0: in the index
}

func (r *batchRecord) size() int64 { return int64(r.head) + int64(r.Left())*int64(r.Width) }

// PutBatch writes a batch, pending: whole and synced, or not at all. Ids and
// errors are as with [Store.Put]. PutBatch keeps nothing of n.
func (s *Store) PutBatch(pair Pair, n NewBatch) error {
	doing := fmt.Sprintf("writing batch %v", n.ID)
	if err := n.check(); err != nil {
		return fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}
	if err := s.admitBatches(); err != nil {
		return err
	}
	return s.write(doing, wholeBatch{pair, n})
}

func (n *NewBatch) check() error {
	if !isKind(n.Kind) {
		return fmt.Errorf("kind %q is not of 1 to %d printable ASCII characters", n.Kind, maxKind)
	}
	if n.N < 1 || n.N > MaxElements {
		return fmt.Errorf("%d elements are not from 1 to %d", n.N, MaxElements)
	}
	if len(n.Head) > MaxHead {
		return fmt.Errorf("a head of %d bytes is more than %d", len(n.Head), MaxHead)
	}
	if n.Width < 0 || n.Width > MaxWidth {
		return fmt.Errorf("rows of %d bytes are not from 0 to %d", n.Width, MaxWidth)
	}
	if size := int64(n.N) * int64(n.Width); size > MaxSize || size != int64(len(n.Rows)) {
		return fmt.Errorf("%d rows of %d bytes come in %d, and may in %d at most", n.N, n.Width, len(n.Rows), MaxSize)
	}
	return nil
}

// admitBatches makes sure that no program that knows no batches opens the store
// from now on.
func (s *Store) admitBatches() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.version == batchVersion {
		return nil
	}
	if err := writeVersion(s.files, s.dir, batchVersion); err != nil {
		return s.failed("admitting batches", err)
	}
	s.version = batchVersion
	return nil
}

// wholeBatch is the batch of one PutBatch.
type wholeBatch struct {
	pair Pair
	NewBatch
}

func (w wholeBatch) layout() layout { return layout{w.N, w.Width, len(w.Head)} }

// part returns a part as layout cuts them.
func (w wholeBatch) part(part int) []byte {
	if part == 0 {
		return w.Head
	}
	l := w.layout()
	rows := l.rows(part)
	return w.Rows[rows.From*w.Width : rows.To*w.Width]
}

func (w wholeBatch) ids() []ID      { return []ID{w.ID} }
func (w wholeBatch) stored() uint64 { return w.layout().stored() }

func (w wholeBatch) fill(segment io.Writer) error {
	var buf []byte
	for part := range w.layout().parts() {
		buf = sealPart(buf[:0], w.ID, part, w.part(part))
		if _, err := segment.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

func (w wholeBatch) enter(b *pebble.Batch, segment, sequence uint64) (err error) {
	r := batchRecord{
		Batch: Batch{ID: w.ID, Digest: w.Digest, Kind: w.Kind, State: Pending, N: w.N, Width: w.Width},
		head:  len(w.Head), segment: segment,
	}
	if segment == 0 {
		for part := range w.layout().parts() {
			err = errors.Join(err, b.Set(partKey(w.ID, part), sealPart(nil, w.ID, part, w.part(part)), nil))
		}
	}
	at := place{w.pair, sequence}
	return errors.Join(err, b.Set(at.key(keyBatch), r.encode(), nil), b.Set(idKey(w.ID), encodeLive(idBatch, at), nil))
}

// removeBatch takes a batch and its parts out of the index.
func removeBatch(b *pebble.Batch, at place, r batchRecord) error {
	err := b.Delete(at.key(keyBatch), nil)
	if r.segment == 0 {
		gone := r.layout().pagesWithin(r.Spent)
		for _, parts := range subtract([]Range{{0, r.layout().parts()}}, gone) {
			err = errors.Join(err, removeParts(b, r, parts))
		}
	}
	return err
}

// removeParts takes parts of a batch out of the index.
func removeParts(b *pebble.Batch, r batchRecord, parts Range) (err error) {
	for part := parts.From; part < parts.To; part++ {
		size := uint32(r.layout().size(part) + sealOverhead)
		err = errors.Join(err, b.DeleteSized(partKey(r.ID, part), size, nil))
	}
	return err
}

// findBatch looks a live batch up as find does; mu is held.
func (s *Store) findBatch(pair Pair, id ID) (place, batchRecord, error) {
	sort, at, err := s.find(pair, id)
	if err == nil && sort != idBatch {
		err = fmt.Errorf("it is a half, claimed whole: as a batch it is %w", ErrUnknown)
	}
	var r batchRecord
	if err == nil {
		r, err = s.batchAt(at, id)
	}
	if err != nil {
		return place{}, batchRecord{}, fmt.Errorf("batch %v: %w", id, err)
	}
	return at, r, nil
}

// batchAt reads the record of a live batch; mu is held.
func (s *Store) batchAt(at place, id ID) (batchRecord, error) {
	value, err := s.index.get(at.key(keyBatch))
	if err != nil {
		return batchRecord{}, err
	}
	r, err := decodeBatch(value)
	if err == nil && r.ID != id {
		err = fmt.Errorf("it is entered as batch %v: %w", r.ID, errFormat)
	}
	return r, err
}

// eachBatch calls f with every batch; mu is held.
func (s *Store) eachBatch(f func(place, batchRecord)) error {
	return s.index.scan([]byte{keyBatch}, func(key, value []byte) error {
		at, err := decodePlace(keyBatch, key)
		if err != nil {
			return err
		}
		r, err := decodeBatch(value)
		if err == nil {
			f(at, r)
		}
		return err
	})
}

// Batches returns the pair's batches, pending and ready, in the order written.
// Those with nothing left are gone.
func (s *Store) Batches(pair Pair) ([]Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	var batches []Batch
	err := s.index.scan(appendPair([]byte{keyBatch}, pair), func(_, value []byte) error {
		r, err := decodeBatch(value)
		batches = append(batches, r.Batch)
		return err
	})
	if err != nil {
		return nil, s.failed("listing batches", err)
	}
	return batches, nil
}

// Pools returns the inventory of batches: an entry for every pair and kind of
// which the store holds batches or elements were ever spent, in order of the
// pairs' bytes and of the kinds.
func (s *Store) Pools() ([]Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	type name struct {
		pair Pair
		kind string
	}
	pools := make(map[name]*Pool)
	pool := func(pair Pair, kind string) *Pool {
		n := name{pair, kind}
		if pools[n] == nil {
			pools[n] = &Pool{Pair: pair, Kind: kind}
		}
		return pools[n]
	}
	err := s.eachBatch(func(at place, r batchRecord) {
		p := pool(at.pair, r.Kind)
		p.Batches++
		p.Bytes += r.Size
		if r.State == Ready {
			p.Ready += r.Left()
		} else {
			p.Pending += r.Left()
		}
	})
	if err == nil {
		err = s.index.scan([]byte{keySpent}, func(key, value []byte) error {
			pair, kind, err := decodeSpentKey(key)
			if err != nil {
				return err
			}
			n, err := decodeCount(value)
			pool(pair, kind).Spent = int(n)
			return err
		})
	}
	if err != nil {
		return nil, s.failed("taking the inventory of batches", err)
	}
	list := slices.Collect(maps.Values(pools))
	slices.SortFunc(list, func(a, b *Pool) int {
		return cmp.Or(comparePairs(a.Pair, b.Pair), cmp.Compare(a.Kind, b.Kind))
	})
	values := make([]Pool, len(list))
	for i, p := range list {
		values[i] = *p
	}
	return values, nil
}

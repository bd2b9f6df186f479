package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// Put writes a group of halves, pending: all of them, synced, or none. An id
// that the store has seen before, pending, ready or claimed, of whatever pair, is
// [ErrDuplicate]; a disk without room for the group and the reserve is
// [ErrDiskFull]. After an error from the disk the group may yet be there, pending:
// the next meeting with the other party decides. Put keeps nothing of halves.
func (s *Store) Put(pair Pair, halves []NewHalf) error {
	if len(halves) == 0 {
		return nil
	}
	doing := fmt.Sprintf("writing %d halves", len(halves))
	g := group{pair, halves}
	for _, h := range halves {
		if len(h.Data) > MaxSize {
			return fmt.Errorf("store %s: %s: half %v has %d bytes, more than %d", s.dir, doing, h.ID, len(h.Data), MaxSize)
		}
	}
	if err := distinct(g.ids()); err != nil {
		return fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}
	return s.write(doing, g)
}

// writable is what write takes: values, and their records in the index.
type writable interface {
	ids() []ID      // one for each record
	stored() uint64 // bytes of the sealed values
	// fill writes the sealed values to a segment, after its header.
	fill(segment io.Writer) error
	// enter writes the records, the first at sequence and so on, and with segment
	// 0 the values too.
	enter(b *pebble.Batch, segment, sequence uint64) error
}

// write writes values and then their records, pending: all, synced, or none.
func (s *Store) write(doing string, w writable) error {
	ids, total := w.ids(), w.stored()

	// Segments are written without mu, so that claims need not wait for them.
	s.mu.Lock()
	if err := s.usable(); err != nil {
		s.mu.Unlock()
		return err
	}
	if err := s.unseen(ids); err != nil {
		s.mu.Unlock()
		return s.failed(doing, err)
	}
	s.running.Add(1)
	defer s.running.Done()
	var segment uint64
	if total >= segmentFrom {
		segment = s.nextSegment
		s.nextSegment++
		s.writing[segment] = true
	}
	s.mu.Unlock()

	err := s.room(segment, total)
	if err == nil && segment != 0 {
		err = s.writeSegment(segment, total, w.fill)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	// Not before the end: revive may sweep.
	defer delete(s.writing, segment)
	if err != nil {
		return s.failed(doing, err)
	}
	// From here on the segment is removed at once where the index is sure not
	// to name it, and else left to the next sweep.
	if err := s.revive(); err != nil {
		s.discard(segment)
		return err
	}
	if err := s.unseen(ids); err != nil {
		s.discard(segment)
		return s.failed(doing, err)
	}
	b := s.index.db.NewBatch()
	if err := w.enter(b, segment, s.nextSequence); err != nil {
		s.discard(segment)
		return s.failed(doing, err)
	}
	if err := s.index.apply(b); err != nil {
		return s.failed(doing, err)
	}
	s.nextSequence += uint64(len(ids))
	if segment != 0 {
		s.live[segment] = len(ids)
	}
	return nil
}

// group is the halves of one Put.
type group struct {
	pair   Pair
	halves []NewHalf
}

func (g group) ids() []ID {
	ids := make([]ID, len(g.halves))
	for i, h := range g.halves {
		ids[i] = h.ID
	}
	return ids
}

func (g group) stored() (total uint64) {
	for _, h := range g.halves {
		total += uint64(len(h.Data)) + sealOverhead
	}
	return total
}

func (g group) fill(segment io.Writer) error {
	var buf []byte
	for _, h := range g.halves {
		buf = seal(buf[:0], h.ID, h.Data)
		if _, err := segment.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

func (g group) enter(b *pebble.Batch, segment, sequence uint64) (err error) {
	offset := uint64(len(segmentHeader))
	for i, h := range g.halves {
		r := halfRecord{
			Half:    Half{ID: h.ID, Digest: h.Digest, State: Pending, Size: int64(len(h.Data))},
			segment: segment, stored: uint64(len(h.Data)) + sealOverhead,
		}
		if segment != 0 {
			r.offset = offset
			offset += r.stored
		} else {
			err = errors.Join(err, b.Set(valueKey(h.ID), seal(nil, h.ID, h.Data), nil))
		}
		at := place{g.pair, sequence + uint64(i)}
		err = errors.Join(err, b.Set(at.key(keyHalf), r.encode(), nil), b.Set(idKey(h.ID), encodeLive(idHalf, at), nil))
	}
	return err
}

// Confirm makes pending halves and batches ready: both parties have written
// theirs. It is all or nothing, synced; those that are ready already stay so.
func (s *Store) Confirm(pair Pair, ids []ID) error {
	doing := fmt.Sprintf("confirming %d halves or batches", len(ids))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	b := s.index.db.NewBatch()
	for _, id := range ids {
		if err := s.confirm(b, pair, id); err != nil {
			return s.failed(doing, fmt.Errorf("%v: %w", id, err))
		}
	}
	if b.Empty() {
		return nil
	}
	if err := s.index.apply(b); err != nil {
		return s.failed(doing, err)
	}
	return nil
}

func (s *Store) confirm(b *pebble.Batch, pair Pair, id ID) error {
	sort, at, err := s.find(pair, id)
	if err != nil {
		return err
	}
	if sort == idBatch {
		r, err := s.batchAt(at, id)
		if err != nil || r.State == Ready {
			return err
		}
		r.State = Ready
		return b.Set(at.key(keyBatch), r.encode(), nil)
	}
	r, err := s.halfAt(at, id)
	if err != nil || r.State == Ready {
		return err
	}
	r.State = Ready
	return b.Set(at.key(keyHalf), r.encode(), nil)
}

// Drop removes halves and batches that have no twin, synced. Ids of which the
// pair has nothing, any more or at all, are passed over: it is as wanted. The id
// of a batch that was spent in part stays refused for ever.
func (s *Store) Drop(pair Pair, ids []ID) error {
	doing := fmt.Sprintf("dropping %d halves or batches", len(ids))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	b := s.index.db.NewBatch()
	segments := make(map[ID]uint64)
	for _, id := range ids {
		segment, err := s.drop(b, pair, id)
		if isGone(err) {
			continue
		}
		if err != nil {
			return s.failed(doing, fmt.Errorf("%v: %w", id, err))
		}
		segments[id] = segment
	}
	if b.Empty() {
		return nil
	}
	if err := s.index.apply(b); err != nil {
		return s.failed(doing, err)
	}
	for _, segment := range segments {
		s.drain(segment)
	}
	return nil
}

// drop returns the segment that loses a reference.
func (s *Store) drop(b *pebble.Batch, pair Pair, id ID) (segment uint64, err error) {
	sort, at, err := s.find(pair, id)
	if err != nil {
		return 0, err
	}
	if sort == idBatch {
		r, err := s.batchAt(at, id)
		if err != nil {
			return 0, err
		}
		if len(r.Spent) > 0 {
			err = b.Set(idKey(id), []byte{idClaimed}, nil)
		} else {
			err = b.Delete(idKey(id), nil)
		}
		return r.segment, errors.Join(err, removeBatch(b, at, r))
	}
	r, err := s.halfAt(at, id)
	if err != nil {
		return 0, err
	}
	return r.segment, errors.Join(remove(b, at, r), b.Delete(idKey(id), nil))
}

// remove takes a half and its value out of the index.
func remove(b *pebble.Batch, at place, r halfRecord) error {
	err := b.Delete(at.key(keyHalf), nil)
	if r.segment == 0 {
		// The size tells Pebble what compacting the deletion will win.
		err = errors.Join(err, b.DeleteSized(valueKey(r.ID), uint32(r.stored), nil))
	}
	return err
}

// find looks a live id up: sort is idHalf or idBatch. Any other id is an error
// that says what became of it; mu is held.
func (s *Store) find(pair Pair, id ID) (sort byte, at place, err error) {
	entry, err := s.index.get(idKey(id))
	if err != nil {
		return 0, place{}, err
	}
	if entry == nil {
		return 0, place{}, ErrUnknown
	}
	sort, at, err = decodeID(entry)
	switch {
	case err != nil:
		return 0, place{}, err
	case sort == idClaimed:
		return 0, place{}, ErrClaimed
	case sort == idBurnt:
		return 0, place{}, ErrCorrupt
	case at.pair != pair:
		return 0, place{}, ErrUnknown
	}
	return sort, at, nil
}

// isGone reports an error of find that says that the pair has nothing of an id.
func isGone(err error) bool {
	return errors.Is(err, ErrUnknown) || errors.Is(err, ErrClaimed) || errors.Is(err, ErrCorrupt)
}

// findHalf looks a live half up as find does; mu is held.
func (s *Store) findHalf(pair Pair, id ID) (place, halfRecord, error) {
	sort, at, err := s.find(pair, id)
	if err == nil && sort != idHalf {
		err = fmt.Errorf("it is a batch, claimed by range: as a half it is %w", ErrUnknown)
	}
	var r halfRecord
	if err == nil {
		r, err = s.halfAt(at, id)
	}
	if err != nil {
		return place{}, halfRecord{}, fmt.Errorf("half %v: %w", id, err)
	}
	return at, r, nil
}

// halfAt reads the record of a live half; mu is held.
func (s *Store) halfAt(at place, id ID) (halfRecord, error) {
	value, err := s.index.get(at.key(keyHalf))
	if err != nil {
		return halfRecord{}, err
	}
	r, err := decodeHalf(value)
	if err == nil && r.ID != id {
		err = fmt.Errorf("it is entered as half %v: %w", r.ID, errFormat)
	}
	return r, err
}

// unseen reports the first of ids that the index knows; mu is held.
func (s *Store) unseen(ids []ID) error {
	for _, id := range ids {
		entry, err := s.index.get(idKey(id))
		if err != nil {
			return fmt.Errorf("%v: %w", id, err)
		}
		if entry != nil {
			return fmt.Errorf("%v: %w", id, ErrDuplicate)
		}
	}
	return nil
}

// distinct reports an id that is named twice.
func distinct(ids []ID) error {
	seen := make(map[ID]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return fmt.Errorf("%v is named twice: %w", id, ErrDuplicate)
		}
		seen[id] = true
	}
	return nil
}

// discard removes a segment that the index does not name.
func (s *Store) discard(segment uint64) {
	if segment != 0 {
		_ = s.files.Remove(s.segmentPath(segment))
	}
}

package store

import (
	"errors"
	"fmt"

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
	ids := make([]ID, len(halves))
	var total uint64
	for i, h := range halves {
		if len(h.Data) > MaxSize {
			return fmt.Errorf("store %s: %s: half %v has %d bytes, more than %d", s.dir, doing, h.ID, len(h.Data), MaxSize)
		}
		ids[i] = h.ID
		total += uint64(len(h.Data)) + sealOverhead
	}
	if err := distinct(ids); err != nil {
		return fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}

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
	var offsets []uint64
	if err == nil && segment != 0 {
		offsets, err = s.writeSegment(segment, halves)
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
	for i, h := range halves {
		r := halfRecord{
			Half:    Half{ID: h.ID, Digest: h.Digest, State: Pending, Size: int64(len(h.Data))},
			segment: segment, stored: uint64(len(h.Data)) + sealOverhead,
		}
		if segment != 0 {
			r.offset = offsets[i]
		} else {
			err = errors.Join(err, b.Set(valueKey(h.ID), seal(nil, h.ID, h.Data), nil))
		}
		k := halfKey{pair, s.nextSequence + uint64(i)}
		err = errors.Join(err, b.Set(k.encode(), r.encode(), nil), b.Set(idKey(h.ID), encodeLive(k), nil))
	}
	if err != nil {
		s.discard(segment)
		return s.failed(doing, err)
	}
	if err := s.index.apply(b); err != nil {
		return s.failed(doing, err)
	}
	s.nextSequence += uint64(len(halves))
	if segment != 0 {
		s.live[segment] = len(halves)
	}
	return nil
}

// Confirm makes pending halves ready: both parties have written theirs. It is
// all or nothing, synced; halves that are ready already stay so.
func (s *Store) Confirm(pair Pair, ids []ID) error {
	doing := fmt.Sprintf("confirming %d halves", len(ids))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	b := s.index.db.NewBatch()
	for _, id := range ids {
		k, r, err := s.find(pair, id)
		if err == nil && r.State == Pending {
			r.State = Ready
			err = b.Set(k.encode(), r.encode(), nil)
		}
		if err != nil {
			return s.failed(doing, err)
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

// Drop removes halves that have no twin, synced. Ids of which the pair has no
// half, any more or at all, are passed over: it is as wanted.
func (s *Store) Drop(pair Pair, ids []ID) error {
	doing := fmt.Sprintf("dropping %d halves", len(ids))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	b := s.index.db.NewBatch()
	gone := make(map[ID]halfRecord)
	for _, id := range ids {
		k, r, err := s.find(pair, id)
		if errors.Is(err, ErrUnknown) || errors.Is(err, ErrClaimed) || errors.Is(err, ErrCorrupt) {
			continue
		}
		if err == nil {
			err = errors.Join(remove(b, k, r), b.Delete(idKey(id), nil))
		}
		if err != nil {
			return s.failed(doing, err)
		}
		gone[id] = r
	}
	if b.Empty() {
		return nil
	}
	if err := s.index.apply(b); err != nil {
		return s.failed(doing, err)
	}
	for _, r := range gone {
		s.drain(r)
	}
	return nil
}

// remove takes a half and its value out of the index.
func remove(b *pebble.Batch, k halfKey, r halfRecord) error {
	err := b.Delete(k.encode(), nil)
	if r.segment == 0 {
		// The size tells Pebble what compacting the deletion will win.
		err = errors.Join(err, b.DeleteSized(valueKey(r.ID), uint32(r.stored), nil))
	}
	return err
}

// find looks a live half up: any other id is an error that says what became of
// it; mu is held.
func (s *Store) find(pair Pair, id ID) (halfKey, halfRecord, error) {
	entry, err := s.index.get(idKey(id))
	if err != nil {
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, err)
	}
	if entry == nil {
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, ErrUnknown)
	}
	kind, k, err := decodeID(entry)
	switch {
	case err != nil:
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, err)
	case kind == idClaimed:
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, ErrClaimed)
	case kind == idBurnt:
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, ErrCorrupt)
	case k.pair != pair:
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, ErrUnknown)
	}
	value, err := s.index.get(k.encode())
	if err != nil {
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, err)
	}
	r, err := decodeHalf(value)
	if err == nil && r.ID != id {
		err = fmt.Errorf("is entered as half %v: %w", r.ID, errFormat)
	}
	if err != nil {
		return halfKey{}, halfRecord{}, fmt.Errorf("half %v: %w", id, err)
	}
	return k, r, nil
}

// unseen reports the first of ids that the index knows; mu is held.
func (s *Store) unseen(ids []ID) error {
	for _, id := range ids {
		entry, err := s.index.get(idKey(id))
		if err != nil {
			return fmt.Errorf("half %v: %w", id, err)
		}
		if entry != nil {
			return fmt.Errorf("half %v: %w", id, ErrDuplicate)
		}
	}
	return nil
}

// distinct reports an id that is named twice.
func distinct(ids []ID) error {
	seen := make(map[ID]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return fmt.Errorf("half %v is named twice: %w", id, ErrDuplicate)
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

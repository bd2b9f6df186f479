package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Claim is the durable mark made before use: in one synced write all of ids go
// from ready to claimed and their values out of the store; then it returns the
// values, in the order of ids, for the caller alone.
//
// If any of ids is not ready, nothing is claimed and the error says which and
// why: [ErrClaimed], [ErrUnknown] or [ErrNotReady]. A value that is damaged is
// [ErrCorrupt]: its half is burnt, the others stay ready. After an error from
// the disk the halves are ready or claimed, and in either case unused.
func (s *Store) Claim(pair Pair, ids []ID) ([][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	doing := fmt.Sprintf("claiming %d halves", len(ids))
	if err := distinct(ids); err != nil {
		return nil, fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}

	s.mu.Lock()
	if err := s.usable(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	_, halves, err := s.findReady(pair, ids)
	if err != nil {
		s.mu.Unlock()
		return nil, s.failed(doing, err)
	}
	values := make([][]byte, len(ids))
	damage := make([]error, len(ids))
	for i, r := range halves {
		if r.segment == 0 {
			values[i], damage[i] = s.readIndexed(r)
		}
	}
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Unlock()

	// Segments are read without mu. Whether the halves are still ready is asked
	// again below: of two that claim the same half, one finds it claimed.
	for i, r := range halves {
		if r.segment != 0 {
			values[i], damage[i] = s.readSegment(r)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.revive(); err != nil {
		return nil, err
	}
	places, again, err := s.findReady(pair, ids)
	if err == nil && !slices.Equal(again, halves) {
		err = fmt.Errorf("dropped and written anew at the same time: %w", ErrUnknown)
	}
	if err != nil {
		return nil, s.failed(doing, err)
	}
	if err := errors.Join(damage...); err != nil {
		return nil, s.failed(doing, errors.Join(err, s.burn(places, halves, damage)))
	}
	b := s.index.db.NewBatch()
	for i, at := range places {
		err = errors.Join(err, remove(b, at, halves[i]), b.Set(idKey(ids[i]), []byte{idClaimed}, nil))
	}
	err = errors.Join(err, s.add(b, countKey(pair), len(ids)))
	if err != nil {
		return nil, s.failed(doing, err)
	}
	if err := s.index.apply(b); err != nil {
		return nil, s.failed(doing, err)
	}
	for _, r := range halves {
		s.drain(r.segment)
	}
	return values, nil
}

// findReady looks up halves that must all be ready; mu is held.
func (s *Store) findReady(pair Pair, ids []ID) (places []place, halves []halfRecord, err error) {
	for _, id := range ids {
		at, r, err := s.findHalf(pair, id)
		if err != nil {
			return nil, nil, err
		}
		if r.State != Ready {
			return nil, nil, fmt.Errorf("half %v: %w", id, ErrNotReady)
		}
		places, halves = append(places, at), append(halves, r)
	}
	return places, halves, nil
}

// burn marks the halves with damaged values as never to be used; mu is held.
// Those that only could not be read stay as they are.
func (s *Store) burn(places []place, halves []halfRecord, damage []error) (err error) {
	b := s.index.db.NewBatch()
	for i, d := range damage {
		if errors.Is(d, ErrCorrupt) {
			err = errors.Join(err, remove(b, places[i], halves[i]), b.Set(idKey(halves[i].ID), []byte{idBurnt}, nil))
		}
	}
	if err != nil || b.Empty() {
		return err
	}
	if err := s.index.apply(b); err != nil {
		return fmt.Errorf("burning them: %w", err)
	}
	for i, d := range damage {
		if errors.Is(d, ErrCorrupt) {
			s.drain(halves[i].segment)
		}
	}
	return nil
}

// readIndexed returns the value of r from the index; mu is held.
func (s *Store) readIndexed(r halfRecord) ([]byte, error) {
	sealed, err := s.index.get(valueKey(r.ID))
	switch {
	case pebble.IsCorruptionError(err):
		return nil, fmt.Errorf("half %v: %w: %w", r.ID, ErrCorrupt, err)
	case err != nil:
		return nil, fmt.Errorf("half %v: %w", r.ID, err)
	}
	return unseal(r, sealed)
}

// readSegment returns the value of r from its segment.
func (s *Store) readSegment(r halfRecord) ([]byte, error) {
	sealed, err := s.readSealed(r)
	if err != nil {
		return nil, fmt.Errorf("half %v: %w", r.ID, err)
	}
	return unseal(r, sealed)
}

func unseal(r halfRecord, sealed []byte) ([]byte, error) {
	value, err := open(r.ID, sealed)
	if err == nil && int64(len(value)) != r.Size {
		err = fmt.Errorf("it has %d bytes, not %d", len(value), r.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("half %v: %w: %w", r.ID, ErrCorrupt, err)
	}
	return value, nil
}

// add adds n to the counter at key; mu is held.
func (s *Store) add(b *pebble.Batch, key []byte, n int) error {
	var total uint64
	v, err := s.index.get(key)
	if err == nil && v != nil {
		total, err = decodeCount(v)
	}
	return errors.Join(err, b.Set(key, binary.BigEndian.AppendUint64(nil, total+uint64(n)), nil))
}

package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// segmentFrom is how many bytes a group must have for its values to go to a
// segment. The index takes smaller ones: it writes values several times over,
// first to its log and then to tables, but needs no file for each group.
const segmentFrom = 1 << 20

func segmentName(number uint64) string { return fmt.Sprintf("%016x.seg", number) }

// segmentNumber is the inverse of segmentName; ok is false for other files.
func segmentNumber(name string) (number uint64, ok bool) {
	hex, ok := strings.CutSuffix(name, ".seg")
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(hex, 16, 64)
	return number, err == nil && number != 0 && name == segmentName(number)
}

func (s *Store) segmentPath(number uint64) string {
	return s.files.PathJoin(s.dir, segmentsDir, segmentName(number))
}

// writeSegment writes the values of halves, synced, and returns where each lies.
// It leaves no file behind when it fails.
func (s *Store) writeSegment(number uint64, halves []NewHalf) (offsets []uint64, err error) {
	path := s.segmentPath(number)
	f, err := s.files.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.files.Remove(path))
		}
	}()
	offsets, err = fillSegment(f, halves)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return offsets, syncDir(s.files, s.files.PathDir(path))
}

func fillSegment(f vfs.File, halves []NewHalf) (offsets []uint64, err error) {
	total := int64(len(segmentHeader))
	for _, h := range halves {
		total += int64(len(h.Data) + sealOverhead)
	}
	// A full disk says so here, before anything is written. Whatever else a
	// file system has against it does not matter.
	if err := f.Preallocate(0, total); vfs.IsNoSpaceError(err) {
		return nil, err
	}
	if _, err := f.Write([]byte(segmentHeader)); err != nil {
		return nil, err
	}
	var buf []byte
	offset := uint64(len(segmentHeader))
	for _, h := range halves {
		buf = seal(buf[:0], h.ID, h.Data)
		offsets = append(offsets, offset)
		offset += uint64(len(buf))
		if _, err := f.Write(buf); err != nil {
			return nil, err
		}
	}
	return offsets, f.Sync()
}

// readSealed reads the sealed value of r from its segment. A file that is gone
// or too short is damage.
func (s *Store) readSealed(r halfRecord) (sealed []byte, err error) {
	f, err := s.files.Open(s.segmentPath(r.segment))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("segment %s is gone: %w", segmentName(r.segment), ErrCorrupt)
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size := uint64(info.Size()); r.stored > size || r.offset > size-r.stored {
		return nil, fmt.Errorf("segment %s is cut short: %w", segmentName(r.segment), ErrCorrupt)
	}
	sealed = make([]byte, r.stored)
	if n, err := f.ReadAt(sealed, int64(r.offset)); n < len(sealed) {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("segment %s is cut short: %w", segmentName(r.segment), ErrCorrupt)
		}
		return nil, err
	}
	return sealed, nil
}

// drain takes back one half's reference to its segment and removes the segment
// with the last. A removal that fails is made good when the store is next
// opened.
func (s *Store) drain(r halfRecord) {
	if r.segment == 0 {
		return
	}
	if s.live[r.segment]--; s.live[r.segment] <= 0 {
		delete(s.live, r.segment)
		_ = s.files.Remove(s.segmentPath(r.segment))
	}
}

// sweep counts the halves of each segment afresh from the index and removes the
// segments that have none, except those being written just now.
func (s *Store) sweep() error {
	clear(s.live)
	err := s.index.scan([]byte{keyHalf}, func(key, value []byte) error {
		k, err := decodeHalfKey(key)
		if err != nil {
			return err
		}
		r, err := decodeHalf(value)
		if err != nil {
			return err
		}
		if r.segment != 0 {
			s.live[r.segment]++
			s.nextSegment = max(s.nextSegment, r.segment+1)
		}
		s.nextSequence = max(s.nextSequence, k.sequence+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the index: %w", err)
	}
	names, err := s.files.List(s.files.PathJoin(s.dir, segmentsDir))
	if err != nil {
		return fmt.Errorf("listing the segments: %w", err)
	}
	for _, name := range names {
		n, ok := segmentNumber(name)
		if !ok || s.live[n] > 0 || s.writing[n] {
			continue
		}
		s.nextSegment = max(s.nextSegment, n+1)
		// What will not go now is tried again when the store is next opened.
		_ = s.files.Remove(s.segmentPath(n))
	}
	return nil
}

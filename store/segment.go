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

// writeSegment writes a segment, synced, whose sealed values have total bytes and
// come from fill. It leaves no file behind when it fails.
func (s *Store) writeSegment(number, total uint64, fill func(io.Writer) error) (err error) {
	path := s.segmentPath(number)
	f, err := s.files.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.files.Remove(path))
		}
	}()
	err = fillSegment(f, total, fill)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncDir(s.files, s.files.PathDir(path))
}

func fillSegment(f vfs.File, total uint64, fill func(io.Writer) error) error {
	// A full disk says so here, before anything is written. Whatever else a
	// file system has against it does not matter.
	if err := f.Preallocate(0, int64(len(segmentHeader))+int64(total)); vfs.IsNoSpaceError(err) {
		return err
	}
	if _, err := f.Write([]byte(segmentHeader)); err != nil {
		return err
	}
	if err := fill(f); err != nil {
		return err
	}
	return f.Sync()
}

// openSegment opens a segment to read it. A file that is gone is damage.
func (s *Store) openSegment(number uint64) (vfs.File, error) {
	f, err := s.files.Open(s.segmentPath(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("segment %s is gone: %w", segmentName(number), ErrCorrupt)
	}
	return f, err
}

// readAt fills sealed from a segment. A file that is too short is damage.
func readAt(f vfs.File, number uint64, sealed []byte, offset uint64) error {
	n, err := f.ReadAt(sealed, int64(offset))
	if n < len(sealed) && (err == nil || errors.Is(err, io.EOF)) {
		return fmt.Errorf("segment %s is cut short: %w", segmentName(number), ErrCorrupt)
	}
	if n < len(sealed) {
		return err
	}
	return nil
}

// readSealed reads the sealed value of r from its segment.
func (s *Store) readSealed(r halfRecord) (sealed []byte, err error) {
	f, err := s.openSegment(r.segment)
	if err != nil {
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
	return sealed, readAt(f, r.segment, sealed, r.offset)
}

// drain takes back the reference of one half or batch to its segment and removes
// the segment with the last. A removal that fails is made good when the store is
// next opened.
func (s *Store) drain(segment uint64) {
	if segment == 0 {
		return
	}
	if s.live[segment]--; s.live[segment] <= 0 {
		delete(s.live, segment)
		_ = s.files.Remove(s.segmentPath(segment))
	}
}

// sweep counts the halves and batches of each segment afresh from the index and
// removes the segments that have none, except those being written just now.
func (s *Store) sweep() error {
	clear(s.live)
	seen := func(at place, segment uint64) {
		if segment != 0 {
			s.live[segment]++
			s.nextSegment = max(s.nextSegment, segment+1)
		}
		s.nextSequence = max(s.nextSequence, at.sequence+1)
	}
	err := s.eachHalf(func(at place, r halfRecord) { seen(at, r.segment) })
	if err == nil {
		err = s.eachBatch(func(at place, r batchRecord) { seen(at, r.segment) })
	}
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

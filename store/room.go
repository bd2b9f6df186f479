package store

import (
	"fmt"
	"strings"
)

// room reports a disk that has no room for sealed values and the reserve. It is a courtesy, not a guarantee: others write to the disk too.
func (s *Store) room(segment, total uint64) error {
	usage, err := s.files.GetDiskUsage(s.dir)
	if err != nil {
		return nil // a file system that does not tell
	}
	if segment == 0 {
		total *= 3 // the log, a table, and another while that is compacted
	}
	if need := total + s.reserve; usage.AvailBytes < need {
		return fmt.Errorf("%w: %d bytes are free and %d are needed, %d of them so that claims go on: make room, or spend what is ready first",
			ErrDiskFull, usage.AvailBytes, need, s.reserve)
	}
	return nil
}

// roomToOpen reports a disk too full for the index to be opened: what is in its
// logs goes to tables then.
func (s *Store) roomToOpen() error {
	usage, err := s.files.GetDiskUsage(s.dir)
	if err != nil {
		return nil
	}
	dir := s.files.PathJoin(s.dir, indexDir)
	names, err := s.files.List(dir)
	if err != nil {
		return err
	}
	var logs uint64
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		if info, err := s.files.Stat(s.files.PathJoin(dir, name)); err == nil {
			logs += uint64(info.Size())
		}
	}
	// Some of the logs are only kept for their blocks.
	if need := min(logs, 2*memtable) + 512<<10; usage.AvailBytes < need {
		return fmt.Errorf("%w: %d bytes are free and %d are needed: make room", ErrDiskFull, usage.AvailBytes, need)
	}
	return nil
}

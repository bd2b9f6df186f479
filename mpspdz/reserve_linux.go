package mpspdz

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve sets size bytes of the disk aside for a file, so that a full disk is
// found before anything is claimed. Where the file system cannot, it does nothing.
func reserve(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
		if err == nil || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

package wire

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NewBlocks makes the blocks of a host and one plugin. Its memory is taken as it
// is used. The file's size cannot be changed.
func NewBlocks() (*Blocks, error) {
	fd, err := unix.MemfdCreate("pascaline", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "blocks")
	if err := file.Truncate(2 * blockCount * PieceSize); err != nil {
		file.Close()
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		file.Close()
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	return newBlocks(file, blockCount, false), nil
}

// keepFromChildren keeps a descriptor from processes that the plugin starts.
func keepFromChildren(fd int) { unix.CloseOnExec(fd) }

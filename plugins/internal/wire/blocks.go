package wire

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
)

// BlocksVariable has the descriptor of the blocks that a plugin inherits.
const BlocksVariable = "PASCALINE_BLOCKS"

const (
	// blockCount is how many blocks each side has: what may be on its way without
	// being confirmed, and a little.
	blockCount = MaxUnsentBytes/PieceSize + 8
	// minBlock is the size from which on a piece is worth a block.
	minBlock = 16 << 10
)

// Blocks is a file in memory that host and plugin share: pieces of messages pass
// through it at the cost of two copies, which is a tenth of what gRPC and TLS
// take. Nothing is mapped, so neither side can harm the other by it; what is read
// of the other's half is as trusted as what comes in frames. It is safe for
// concurrent use by all runs of a process.
type Blocks struct {
	file         *os.File
	count        int
	mine, theirs int64 // where either half begins

	mu   sync.Mutex
	free []int // the last is the one that was used last, and is in the cache
}

// newBlocks returns the blocks in a file of 2·count; the plugin's are the second
// half.
func newBlocks(file *os.File, count int, plugin bool) *Blocks {
	b := &Blocks{file: file, count: count, theirs: int64(count) * PieceSize}
	if plugin {
		b.mine, b.theirs = b.theirs, b.mine
	}
	for i := range count {
		b.free = append(b.free, i)
	}
	return b
}

// InheritBlocks returns the blocks of a plugin's host, or nil if it has none.
func InheritBlocks() *Blocks {
	fd, err := strconv.Atoi(os.Getenv(BlocksVariable))
	os.Unsetenv(BlocksVariable)
	if err != nil || fd < 3 {
		return nil
	}
	keepFromChildren(fd)
	file := os.NewFile(uintptr(fd), "blocks")
	info, err := file.Stat()
	if err != nil || info.Size() == 0 || info.Size()%(2*PieceSize) != 0 || info.Size() > 1<<30 {
		file.Close()
		return nil
	}
	return newBlocks(file, int(info.Size()/(2*PieceSize)), true)
}

// Count is how many blocks each side has; none for nil.
func (b *Blocks) Count() int {
	if b == nil {
		return 0
	}
	return b.count
}

// Free is how many of this side's are free.
func (b *Blocks) Free() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.free)
}

// File is what a plugin is to inherit.
func (b *Blocks) File() *os.File { return b.file }

// Close frees the memory.
func (b *Blocks) Close() {
	if b != nil {
		b.file.Close()
	}
}

// put writes a piece to a block of this side, if one is free.
func (b *Blocks) put(p []byte) (block int, ok bool) {
	b.mu.Lock()
	if len(b.free) == 0 {
		b.mu.Unlock()
		return 0, false
	}
	block = b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	b.mu.Unlock()
	if _, err := b.file.WriteAt(p, b.mine+int64(block)*PieceSize); err != nil {
		b.Release([]int{block})
		return 0, false
	}
	return block, true
}

// get reads a piece from a block of the other side.
func (b *Blocks) get(block uint64, p []byte) error {
	if b == nil {
		return errors.New("a block is named where none are used")
	}
	if block >= uint64(b.count) {
		return fmt.Errorf("block %d of %d is named", block, b.count)
	}
	if _, err := b.file.ReadAt(p, b.theirs+int64(block)*PieceSize); err != nil {
		return fmt.Errorf("reading block %d: %w", block, err)
	}
	return nil
}

// Release makes blocks free that the other side has read.
func (b *Blocks) Release(blocks []int) {
	if len(blocks) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, blocks...)
}

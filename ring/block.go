package ring

import (
	"sync"
	"sync/atomic"
)

// A block is pixels of output whose inputs are ready to be multiplied.
type block interface {
	multiply(part, parts int) // by a part of the panels of weights
	free()
}

// splitMACs is the number of multiplications from which on a second core pays:
// some ten microseconds.
const splitMACs = 1 << 18

// partsFor returns into how many parts to cut the panels of weights, so that few
// blocks keep all cores busy.
func partsFor(blocks, cores, panels int) int {
	return min(panels, ceilDiv(4*cores, blocks))
}

// runBlocks fills n blocks and multiplies them in parts, on all cores or on one.
func runBlocks(n, parts, cores int, fill func(i int) block) {
	one := func(i int) {
		b := fill(i)
		b.multiply(0, 1)
		b.free()
	}
	switch {
	case cores == 1:
		for i := range n {
			one(i)
		}
		return
	case parts == 1:
		Parallel(n, one)
		return
	}
	// The parts of a block share its inputs, which the first to come fills. The
	// first parts of all blocks come first, so that cores fill at the same time.
	shared := make([]struct {
		once sync.Once
		done atomic.Int64
		block
	}, n)
	Parallel(n*parts, func(i int) {
		b := &shared[i%n]
		b.once.Do(func() { b.block = fill(i % n) })
		b.multiply(i/n, parts)
		if b.done.Add(1) == int64(parts) {
			b.free()
		}
	})
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// roundUp returns the multiple of n that is not below v.
func roundUp(v, n int) int { return ceilDiv(v, n) * n }

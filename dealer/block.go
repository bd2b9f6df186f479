package dealer

import (
	"encoding/binary"
	"iter"

	"pascaline/correlation"
)

// blockWords is how many words of corrections travel in one message, unless one
// element has more: 256 KiB, which is one frame of the link. It is part of the
// protocol.
const blockWords = 1 << 15

// A block is neighbouring elements of one correlation, whose corrections travel
// in one message: for each column that is a product its words of these elements,
// eight bytes each, little-endian.
type block struct {
	index    int // of the correlation in its batch
	from, to int // elements
}

// blocks cuts correlations into blocks, in the order in which they are dealt.
func blocks(specs []correlation.Spec) iter.Seq[block] {
	return func(yield func(block) bool) {
		for i, s := range specs {
			size := blockElements(s)
			for from := 0; from < s.N; from += size {
				if !yield(block{i, from, min(from+size, s.N)}) {
					return
				}
			}
		}
	}
}

// blockElements returns how many elements a block has at most.
func blockElements(s correlation.Spec) int {
	return min(s.N, max(1, blockWords/correctionWords(s)))
}

// correctionWords returns how many words of one element are corrections. All
// products have their own for each element.
func correctionWords(s correlation.Spec) int {
	n := 0
	for _, c := range s.Columns(0) {
		if c.Product {
			n += c.Width
		}
	}
	return n
}

func putWords(b []byte, v []uint64) {
	for i := 0; i < len(v) && len(b) >= 8; i, b = i+1, b[8:] {
		binary.LittleEndian.PutUint64(b, v[i])
	}
}

func getWords(v []uint64, b []byte) {
	for i := 0; i < len(v) && len(b) >= 8; i, b = i+1, b[8:] {
		v[i] = binary.LittleEndian.Uint64(b)
	}
}

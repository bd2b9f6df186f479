package online

import (
	"encoding/binary"
	"fmt"
)

// appendVector appends v, eight bytes little-endian for each element.
func appendVector(b []byte, v []uint64) []byte {
	for _, e := range v {
		b = binary.LittleEndian.AppendUint64(b, e)
	}
	return b
}

// takeVector fills dst from the front of b and returns the rest.
func takeVector(dst []uint64, b []byte) []byte {
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return b[8*len(dst):]
}

// wrongLength describes a message that does not hold exactly what its band does.
func wrongLength(msg []byte, b *band) error {
	return fmt.Errorf("holds %d bytes; %d inferences of %d elements take %d", len(msg), b.g1-b.g0, b.elements, b.bytes())
}

// longest returns the length in bytes of the longest message.
func longest(lists ...[]band) int {
	n := 0
	for _, bands := range lists {
		for i := range bands {
			n = max(n, bands[i].bytes())
		}
	}
	return n
}

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

// checkLength reports a message that does not hold exactly the elements due.
func checkLength(what string, msg []byte, inferences, elements int) error {
	if want := 8 * inferences * elements; len(msg) != want {
		return fmt.Errorf("%s holds %d bytes; %d inferences of %d elements take %d", what, len(msg), inferences, elements, want)
	}
	return nil
}

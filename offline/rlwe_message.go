package offline

import (
	"encoding/binary"
	"fmt"
)

// headerSize is the size of a header in bytes.
const headerSize = 8

// header starts the messages of powers and of products: version, message, two
// parameters and the number of elements as uint32.
type header struct {
	version, message byte
	parameters       [2]byte
	elements         int
}

// put writes h to the beginning of dst and returns what follows it.
func (h header) put(dst []byte) []byte {
	dst[0], dst[1], dst[2], dst[3] = h.version, h.message, h.parameters[0], h.parameters[1]
	binary.LittleEndian.PutUint32(dst[4:], uint32(h.elements))
	return dst[headerSize:]
}

// check refuses a message that does not have exactly the given size, headerSize
// or more, and the header h, whose parameters mismatch puts into words: what
// they are for, not what else. It returns what follows the header.
func (h header) check(src []byte, size int, mismatch func(got [2]byte) string) ([]byte, error) {
	if len(src) != size {
		return nil, fmt.Errorf("it has %d bytes, not %d", len(src), size)
	}
	n := binary.LittleEndian.Uint32(src[4:])
	switch got := [2]byte(src[2:4]); {
	case src[0] != h.version:
		return nil, fmt.Errorf("it is of version %d; this program speaks version %d", src[0], h.version)
	case src[1] != h.message:
		return nil, fmt.Errorf("it is a message of type %d, not %d", src[1], h.message)
	case got != h.parameters:
		return nil, fmt.Errorf("it is for %s", mismatch(got))
	case n != uint32(h.elements):
		return nil, fmt.Errorf("it is for %d elements, not %d", n, h.elements)
	}
	return src[headerSize:], nil
}

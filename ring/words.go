package ring

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// On the wire and in files an element of Z_{2^64} is eight bytes, little-endian,
// as it is in the memory of most processors.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// memory is the bytes that hold v.
func memory(v []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 8*len(v))
}

// PutWords writes v to dst, eight bytes little-endian for each element; dst is
// as long.
func PutWords(dst []byte, v []uint64) {
	sameLength("PutWords", len(dst), 8*len(v))
	if littleEndian {
		copy(dst, memory(v))
		return
	}
	for i, e := range v {
		binary.LittleEndian.PutUint64(dst[8*i:], e)
	}
}

// AppendWords appends v to b, eight bytes little-endian for each element.
func AppendWords(b []byte, v []uint64) []byte {
	b = slices.Grow(b, 8*len(v))
	PutWords(b[len(b):][:8*len(v)], v)
	return b[:len(b)+8*len(v)]
}

// Words sets dst to what [PutWords] wrote to b.
func Words(dst []uint64, b []byte) {
	sameLength("Words", len(b), 8*len(dst))
	copy(memory(dst), b)
	fromLittleEndian(dst)
}

// fromLittleEndian makes elements of bytes, little-endian, in place.
func fromLittleEndian(v []uint64) {
	if littleEndian {
		return
	}
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(memory(v[i : i+1]))
	}
}

package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// seal and open are the only way of values to the disk and back: where
// encryption at rest comes in. For now a sealed value is the value and four
// bytes of checksum:
//
//	┌───────┬──────────────────────────┐
//	│ value │ CRC-32C of id, value   4 │
//	└───────┴──────────────────────────┘
//
// The id is under the checksum, so that a value found at another's place is
// known for what it is.

const sealOverhead = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errSeal = errors.New("the checksum does not fit the value")

// seal appends to dst the sealed value of id.
func seal(dst []byte, id ID, value []byte) []byte {
	dst = append(dst, value...)
	return binary.BigEndian.AppendUint32(dst, checksum(id, value))
}

// open returns the value of id that was sealed; it shares memory with sealed.
func open(id ID, sealed []byte) ([]byte, error) {
	n := len(sealed) - sealOverhead
	if n < 0 {
		return nil, errSeal
	}
	if binary.BigEndian.Uint32(sealed[n:]) != checksum(id, sealed[:n]) {
		return nil, errSeal
	}
	return sealed[:n:n], nil
}

func checksum(id ID, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, value)
}

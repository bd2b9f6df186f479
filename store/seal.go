package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// seal and open, for parts of batches sealPart and openPart, are the only way of
// values to the disk and back: where encryption at rest comes in. For now a
// sealed value is the value and four bytes of checksum:
//
//	┌───────┬──────────────────────────┐      ┌───────┬────────────────────────────────┐
//	│ value │ CRC-32C of id, value   4 │      │ part  │ CRC-32C of id, number, part  4 │
//	└───────┴──────────────────────────┘      └───────┴────────────────────────────────┘
//
// The id, and a part's number as four bytes, big endian, are under the checksum,
// so that a value found at another's place is known for what it is.

const sealOverhead = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errSeal = errors.New("the checksum does not fit the value")

// seal appends to dst the sealed value of id.
func seal(dst []byte, id ID, value []byte) []byte { return sealUnder(dst, id[:], value) }

// open returns the value of id that was sealed; it shares memory with sealed.
func open(id ID, sealed []byte) ([]byte, error) { return openUnder(id[:], sealed) }

// sealPart appends to dst a sealed part of the batch id.
func sealPart(dst []byte, id ID, part int, value []byte) []byte {
	return sealUnder(dst, partName(id, part), value)
}

// openPart returns the part of the batch id that was sealed; it shares memory
// with sealed.
func openPart(id ID, part int, sealed []byte) ([]byte, error) {
	return openUnder(partName(id, part), sealed)
}

func partName(id ID, part int) []byte { return binary.BigEndian.AppendUint32(id[:], uint32(part)) }

func sealUnder(dst, name, value []byte) []byte {
	dst = append(dst, value...)
	return binary.BigEndian.AppendUint32(dst, checksum(name, value))
}

func openUnder(name, sealed []byte) ([]byte, error) {
	n := len(sealed) - sealOverhead
	if n < 0 {
		return nil, errSeal
	}
	if binary.BigEndian.Uint32(sealed[n:]) != checksum(name, sealed[:n]) {
		return nil, errSeal
	}
	return sealed[:n:n], nil
}

func checksum(name, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(name, castagnoli), castagnoli, value)
}

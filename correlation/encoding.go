package correlation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"pascaline/ring"
)

// Every encoding of a half begins with these eight bytes, part of the format:
//
//	+-----------+------+---------+-------+-------+---+
//	| "psc" (3) | kind | version | party | flags | 0 |
//	+-----------+------+---------+-------+-------+---+
//
// All integers are little-endian, elements of vectors eight bytes each. The length
// of an encoding follows from its specification and the columns that are explicit,
// and is checked before memory is taken for them: there is one encoding of a half
// and nothing after it.
const (
	headerSize = 8
	version    = 2

	kindBundle = 'B'
	kindHalf   = 'H'
)

// ErrHalf is wrapped by every decoding error of this package: the bytes are not
// a half that this program can use.
var ErrHalf = errors.New("not a usable correlation")

// unusable returns an error that wraps [ErrHalf].
func unusable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrHalf, fmt.Sprintf(format, args...))
}

func appendHeader(b []byte, kind byte, party int, flags byte) []byte {
	return append(b, 'p', 's', 'c', kind, version, byte(party), flags, 0)
}

// readHeader returns the party and the flags, and what follows the header; it
// refuses flags outside known.
func readHeader(data []byte, kind byte, known byte) (party int, flags byte, rest []byte, err error) {
	if len(data) < headerSize {
		return 0, 0, nil, unusable("%d bytes are too short for a header", len(data))
	}
	if string(data[:3]) != "psc" || data[3] != kind {
		return 0, 0, nil, unusable("it begins with %q, not with %q", data[:4], "psc"+string(kind))
	}
	if data[4] != version {
		return 0, 0, nil, unusable("format version %d; this program reads version %d", data[4], version)
	}
	if data[5] > 1 {
		return 0, 0, nil, unusable("party %d; there are 0 and 1", data[5])
	}
	if data[6]&^known != 0 || data[7] != 0 {
		return 0, 0, nil, unusable("unknown flags %#x %#x", data[6], data[7])
	}
	return int(data[5]), data[6], data[headerSize:], nil
}

func appendWords(b []byte, v []uint64) []byte {
	n := len(b)
	b = slices.Grow(b, 8*len(v))[:n+8*len(v)]
	for i, out := 0, b[n:]; i < len(v) && len(out) >= 8; i, out = i+1, out[8:] {
		binary.LittleEndian.PutUint64(out, v[i])
	}
	return b
}

// sections reads sections from data whose length has been checked.
type sections struct{ data []byte }

func (s *sections) bytes(n int) []byte {
	b := s.data[:n]
	s.data = s.data[n:]
	return b
}

func (s *sections) words(n int) []uint64 {
	v := make([]uint64, n)
	s.fill(v)
	return v
}

func (s *sections) fill(v []uint64) {
	for i, in := 0, s.bytes(8*len(v)); i < len(v) && len(in) >= 8; i, in = i+1, in[8:] {
		v[i] = binary.LittleEndian.Uint64(in)
	}
}

func (s *sections) word() uint64 { return binary.LittleEndian.Uint64(s.bytes(8)) }

func (s *sections) seed() ring.Seed { return ring.Seed(s.bytes(ring.SeedSize)) }

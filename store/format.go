package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The directory of a store. All of this file is part of the format, never
// change: a change takes a new formatVersion.
//
//	VERSION    "pascaline store 1\n"
//	ID         what names this store to others: 32 hexadecimal digits and "\n"
//	LOCK       locked by the process that has the store open
//	PID        its process id, for the error message of the next one
//	index/     the Pebble database
//	segments/  0000000000000001.seg, …: one for each group whose values it holds
//
// A segment is written once and synced before the index names it:
//
//	┌──────────────────────┬────────────┬────────────┬───┐
//	│ "pascaline segm 1\n" │ sealed     │ sealed     │ … │
//	│ 17 bytes             │ value      │ value      │   │
//	└──────────────────────┴────────────┴────────────┴───┘
//
// It is removed once no half in the index names it; one that none ever named (a
// crash came between the two) is removed when the store is opened.
//
// Keys and values of the index; integers are big endian, so that order of keys
// is order of numbers:
//
//	'h' peer[32] plan[32] twin[16] sequence[8]    a half, in the order written
//	  ┌─────────┬─────────┬────────┬────────────┬─────────┬───────────┬───────────┬───────────┐
//	  │ state 1 │ seal  1 │ id  16 │ digest  32 │ size  8 │ segment 8 │ offset  8 │ stored  8 │
//	  └─────────┴─────────┴────────┴────────────┴─────────┴───────────┴───────────┴───────────┘
//	  state: 1 pending, 2 ready. size: bytes of the value. stored: bytes sealed.
//	  seal: 0 checksum only; other numbers are for encryption at rest.
//	  segment 0: the sealed value is in the index, under 'v', and offset is 0.
//
//	'i' id[16]                           what became of an id
//	  1 peer[32] plan[32] twin[16] sequence[8]      a half, pending or ready, see 'h'
//	  2                                    claimed: for ever
//	  3                                    burnt: its value was found corrupted
//
//	'v' id[16]                           a sealed value of a small group
//
//	'c' peer[32] plan[32] twin[16]       halves of the pair claimed so far: count[8]
//
//	'r' …                                reserved: rollback detection, the hash
//	                                     chain over the claimed ids of a pair
//	'm' …                                reserved: facts about the whole store
//
// A claim is one batch: delete 'h' and 'v', set 'i' to 2, add to 'c'. A burnt
// half does not count in 'c', which both parties of a pair hold alike.
const (
	formatVersion = "pascaline store 1\n"
	segmentHeader = "pascaline segm 1\n"

	keyHalf  = 'h'
	keyID    = 'i'
	keyValue = 'v'
	keyCount = 'c'

	idLive    = 1
	idClaimed = 2
	idBurnt   = 3

	pairLen    = 80
	halfKeyLen = 1 + pairLen + 8
	halfRecLen = 1 + 1 + 16 + 32 + 4*8
	liveRecLen = 1 + pairLen + 8

	sealChecksum = 0
)

// errFormat is wrapped by every decoding error: a record that this version did
// not write.
var errFormat = errors.New("record of the index is damaged or of another version")

// halfKey names a half's record: its pair and its place in the order written.
type halfKey struct {
	pair     Pair
	sequence uint64
}

// halfRecord is a half as the index has it.
type halfRecord struct {
	Half
	segment uint64 // 0: in the index
	offset  uint64
	stored  uint64 // bytes of the sealed value
}

func appendPair(b []byte, p Pair) []byte {
	b = append(b, p.Peer[:]...)
	b = append(b, p.Plan[:]...)
	return append(b, p.Twin[:]...)
}

func decodePair(b []byte) (p Pair) {
	copy(p.Peer[:], b[:32])
	copy(p.Plan[:], b[32:64])
	copy(p.Twin[:], b[64:pairLen])
	return p
}

func (k halfKey) encode() []byte {
	b := appendPair(append(make([]byte, 0, halfKeyLen), keyHalf), k.pair)
	return binary.BigEndian.AppendUint64(b, k.sequence)
}

func decodeHalfKey(b []byte) (halfKey, error) {
	if len(b) != halfKeyLen || b[0] != keyHalf {
		return halfKey{}, fmt.Errorf("key of a half of %d bytes: %w", len(b), errFormat)
	}
	return halfKey{decodePair(b[1:]), binary.BigEndian.Uint64(b[1+pairLen:])}, nil
}

func (r halfRecord) encode() []byte {
	b := append(make([]byte, 0, halfRecLen), byte(r.State), sealChecksum)
	b = append(b, r.ID[:]...)
	b = append(b, r.Digest[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Size))
	b = binary.BigEndian.AppendUint64(b, r.segment)
	b = binary.BigEndian.AppendUint64(b, r.offset)
	return binary.BigEndian.AppendUint64(b, r.stored)
}

// decodeHalf refuses what encode cannot have written, sizes above all: memory is
// taken by them.
func decodeHalf(b []byte) (halfRecord, error) {
	if len(b) != halfRecLen {
		return halfRecord{}, fmt.Errorf("half of %d bytes, not %d: %w", len(b), halfRecLen, errFormat)
	}
	var r halfRecord
	r.State = State(b[0])
	if r.State != Pending && r.State != Ready {
		return halfRecord{}, fmt.Errorf("half in state %d: %w", b[0], errFormat)
	}
	if b[1] != sealChecksum {
		return halfRecord{}, fmt.Errorf("half under seal %d: %w", b[1], errFormat)
	}
	copy(r.ID[:], b[2:])
	copy(r.Digest[:], b[18:])
	size := binary.BigEndian.Uint64(b[50:])
	r.segment = binary.BigEndian.Uint64(b[58:])
	r.offset = binary.BigEndian.Uint64(b[66:])
	r.stored = binary.BigEndian.Uint64(b[74:])
	if size > MaxSize || r.stored != size+sealOverhead {
		return halfRecord{}, fmt.Errorf("half %v of %d bytes in %d: %w", r.ID, size, r.stored, errFormat)
	}
	if (r.segment == 0 && r.offset != 0) || r.offset > 1<<62 {
		return halfRecord{}, fmt.Errorf("half %v at offset %d of segment %d: %w", r.ID, r.offset, r.segment, errFormat)
	}
	r.Size = int64(size)
	return r, nil
}

func idKey(id ID) []byte    { return append([]byte{keyID}, id[:]...) }
func valueKey(id ID) []byte { return append([]byte{keyValue}, id[:]...) }
func countKey(p Pair) []byte {
	return appendPair([]byte{keyCount}, p)
}

func encodeLive(k halfKey) []byte {
	b := appendPair(append(make([]byte, 0, liveRecLen), idLive), k.pair)
	return binary.BigEndian.AppendUint64(b, k.sequence)
}

// decodeID returns what became of an id and, where it is live, the key of its
// half.
func decodeID(b []byte) (kind byte, k halfKey, err error) {
	switch {
	case len(b) == 1 && (b[0] == idClaimed || b[0] == idBurnt):
		return b[0], halfKey{}, nil
	case len(b) == liveRecLen && b[0] == idLive:
		return idLive, halfKey{decodePair(b[1:]), binary.BigEndian.Uint64(b[1+pairLen:])}, nil
	}
	return 0, halfKey{}, fmt.Errorf("entry of an id of %d bytes: %w", len(b), errFormat)
}

func decodeCount(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("claim counter of %d bytes: %w", len(b), errFormat)
	}
	return binary.BigEndian.Uint64(b), nil
}

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The directory of a store. All of this file is part of the format, never
// change: a change takes a new version.
//
//	VERSION    "pascaline store 1\n", or 2 if it may hold batches
//	ID         what names this store to others: 32 hexadecimal digits and "\n"
//	LOCK       locked by the process that has the store open
//	PID        its process id, for the error message of the next one
//	index/     the Pebble database
//	segments/  0000000000000001.seg, …: one for each group or batch whose values it holds
//
// A segment is written once and synced before the index names it:
//
//	┌──────────────────────┬────────────┬────────────┬───┐
//	│ "pascaline segm 1\n" │ sealed     │ sealed     │ … │
//	│ 17 bytes             │ value      │ value      │   │
//	└──────────────────────┴────────────┴────────────┴───┘
//
// It is removed once no half or batch in the index names it; one that none ever
// named (a crash came between the two) is removed when the store is opened.
//
// The values of a batch are its parts: part 0 is the head, parts 1, 2, … are
// pages of as many whole rows as fit 64 KiB (one where none fits), the last one
// with the rest. In its segment they lie one after the other, nothing else with
// them. Pages with nothing unspent on them may be holes, all zeros.
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
//	'b' peer[32] plan[32] twin[16] sequence[8]    a batch, in the order written
//	  ┌─────────┬─────────┬────────┬────────────┬────────────┬─────────┬─────────┬───────────┐
//	  │ state 1 │ seal  1 │ id  16 │ digest  32 │ elements 4 │ width 4 │ head  4 │ segment 8 │
//	  ├─────────┴┬────────┴────────┴───┬────────┴┬──────┬────┴────┬────┴─┬───┐ └───────────┘
//	  │ length 1 │ kind, length bytes  │ from  4 │ to 4 │ from  4 │ to 4 │ … │
//	  └──────────┴─────────────────────┴─────────┴──────┴─────────┴──────┴───┘
//	  state, seal: as above. width, head: bytes of a row, of the head. from, to:
//	  the spent elements, in normal form (ranges.go), not all there are.
//	  segment 0: the sealed parts are in the index, under 'p'.
//
//	'i' id[16]                           what became of an id
//	  1 peer[32] plan[32] twin[16] sequence[8]      a half, pending or ready, see 'h'
//	  2                                    claimed: for ever. A batch: all of it, or
//	                                       some and then dropped
//	  3                                    burnt: its value was found corrupted
//	  4 peer[32] plan[32] twin[16] sequence[8]      a batch, pending or ready, see 'b'
//
//	'v' id[16]                           a sealed value of a small group
//
//	'p' id[16] part[4]                   a sealed part of a small batch; pages with
//	                                     nothing unspent on them are gone
//
//	'c' peer[32] plan[32] twin[16]       halves of the pair claimed so far: count[8]
//
//	's' peer[32] plan[32] twin[16] kind  elements of the kind spent so far: count[8]
//
//	'r' …                                reserved: rollback detection, the hash
//	                                     chain over the claimed ids of a pair
//	'm' …                                reserved: facts about the whole store
//
// A claim is one batch of changes: delete 'h' and 'v', set 'i' to 2, add to 'c'. A
// burnt half does not count in 'c', which both parties of a pair hold alike. A
// claim of ranges sets 'b' and adds to 's'; with the last element it deletes 'b'
// and 'p' and sets 'i' to 2. Burnt elements count in 's': what one party claims
// and the other burns is alike at both.
const (
	// formatVersion is what a new store begins with, batchVersion what it has
	// from the first batch on: a program that knows no batches would take their
	// segments for garbage.
	formatVersion = "pascaline store 1\n"
	batchVersion  = "pascaline store 2\n"
	segmentHeader = "pascaline segm 1\n"

	keyHalf  = 'h'
	keyBatch = 'b'
	keyID    = 'i'
	keyValue = 'v'
	keyPart  = 'p'
	keyCount = 'c'
	keySpent = 's'

	idHalf    = 1
	idClaimed = 2
	idBurnt   = 3
	idBatch   = 4

	pairLen     = 80
	placeKeyLen = 1 + pairLen + 8
	halfRecLen  = 1 + 1 + 16 + 32 + 4*8
	liveRecLen  = 1 + pairLen + 8
	batchRecLen = 1 + 1 + 16 + 32 + 3*4 + 8 + 1 // and the kind and the ranges
	rangeLen    = 2 * 4
	maxKind     = 200

	// pageSize is what the rows of one page come to at most, unless one row
	// alone is larger.
	pageSize = 64 << 10

	sealChecksum = 0
)

// errFormat is wrapped by every decoding error: a record that this version did
// not write.
var errFormat = errors.New("record of the index is damaged or of another version")

// place names the record of a half or batch: its pair, and where it comes in the
// order written, which is one order for both.
type place struct {
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

// key returns the key of the record of that sort, keyHalf or keyBatch.
func (p place) key(sort byte) []byte {
	b := appendPair(append(make([]byte, 0, placeKeyLen), sort), p.pair)
	return binary.BigEndian.AppendUint64(b, p.sequence)
}

func decodePlace(sort byte, b []byte) (place, error) {
	if len(b) != placeKeyLen || b[0] != sort {
		return place{}, fmt.Errorf("key %q of %d bytes: %w", sort, len(b), errFormat)
	}
	return place{decodePair(b[1:]), binary.BigEndian.Uint64(b[1+pairLen:])}, nil
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

func (r batchRecord) encode() []byte {
	b := append(make([]byte, 0, batchRecLen+len(r.Kind)+rangeLen*len(r.Spent)), byte(r.State), sealChecksum)
	b = append(b, r.ID[:]...)
	b = append(b, r.Digest[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(r.N))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Width))
	b = binary.BigEndian.AppendUint32(b, uint32(r.head))
	b = binary.BigEndian.AppendUint64(b, r.segment)
	b = append(append(b, byte(len(r.Kind))), r.Kind...)
	for _, spent := range r.Spent {
		b = binary.BigEndian.AppendUint32(b, uint32(spent.From))
		b = binary.BigEndian.AppendUint32(b, uint32(spent.To))
	}
	return b
}

// decodeBatch refuses what encode cannot have written: memory is taken by its
// sizes, and rows found by its ranges.
func decodeBatch(b []byte) (batchRecord, error) {
	if len(b) < batchRecLen {
		return batchRecord{}, fmt.Errorf("batch of %d bytes: %w", len(b), errFormat)
	}
	var r batchRecord
	r.State = State(b[0])
	if r.State != Pending && r.State != Ready {
		return batchRecord{}, fmt.Errorf("batch in state %d: %w", b[0], errFormat)
	}
	if b[1] != sealChecksum {
		return batchRecord{}, fmt.Errorf("batch under seal %d: %w", b[1], errFormat)
	}
	copy(r.ID[:], b[2:])
	copy(r.Digest[:], b[18:])
	n, width, head := binary.BigEndian.Uint32(b[50:]), binary.BigEndian.Uint32(b[54:]), binary.BigEndian.Uint32(b[58:])
	r.segment = binary.BigEndian.Uint64(b[62:])
	length, rest := int(b[70]), b[batchRecLen:]
	if length > len(rest) || !isKind(rest[:length]) {
		return batchRecord{}, fmt.Errorf("batch %v without a kind: %w", r.ID, errFormat)
	}
	r.Kind, rest = string(rest[:length]), rest[length:]
	if n == 0 || n > MaxElements || width > MaxWidth || head > MaxHead || uint64(n)*uint64(width) > MaxSize {
		return batchRecord{}, fmt.Errorf("batch %v of %d elements of %d bytes and %d bytes of head: %w", r.ID, n, width, head, errFormat)
	}
	r.N, r.Width, r.head = int(n), int(width), int(head)
	if len(rest)%rangeLen != 0 || len(rest) > MaxRanges*rangeLen {
		return batchRecord{}, fmt.Errorf("batch %v with %d bytes of ranges: %w", r.ID, len(rest), errFormat)
	}
	end := -1 // so that the first may begin at 0, and none touches the one before
	for ; len(rest) > 0; rest = rest[rangeLen:] {
		from, to := int(binary.BigEndian.Uint32(rest)), int(binary.BigEndian.Uint32(rest[4:]))
		if from <= end || to <= from || to > r.N || to-from == r.N {
			return batchRecord{}, fmt.Errorf("batch %v of %d elements, spent from %d up to %d: %w", r.ID, n, from, to, errFormat)
		}
		r.Spent, end = append(r.Spent, Range{from, to}), to
	}
	r.Size = r.size()
	return r, nil
}

// isKind reports whether kind may name what a batch holds: printable ASCII.
func isKind[T string | []byte](kind T) bool {
	for i := range len(kind) {
		if kind[i] < ' ' || kind[i] > '~' {
			return false
		}
	}
	return 1 <= len(kind) && len(kind) <= maxKind
}

func idKey(id ID) []byte    { return append([]byte{keyID}, id[:]...) }
func valueKey(id ID) []byte { return append([]byte{keyValue}, id[:]...) }

func partKey(id ID, part int) []byte {
	return binary.BigEndian.AppendUint32(append([]byte{keyPart}, id[:]...), uint32(part))
}

func countKey(p Pair) []byte {
	return appendPair([]byte{keyCount}, p)
}

func spentKey(p Pair, kind string) []byte {
	return append(appendPair([]byte{keySpent}, p), kind...)
}

func decodeSpentKey(b []byte) (p Pair, kind string, err error) {
	if len(b) < 1+pairLen || b[0] != keySpent || !isKind(b[1+pairLen:]) {
		return p, "", fmt.Errorf("key %q of %d bytes: %w", keySpent, len(b), errFormat)
	}
	return decodePair(b[1:]), string(b[1+pairLen:]), nil
}

// encodeLive is the entry of a live id: sort is idHalf or idBatch.
func encodeLive(sort byte, p place) []byte {
	b := appendPair(append(make([]byte, 0, liveRecLen), sort), p.pair)
	return binary.BigEndian.AppendUint64(b, p.sequence)
}

// decodeID returns what became of an id and, where it is live, the place of its
// half or batch.
func decodeID(b []byte) (sort byte, p place, err error) {
	switch {
	case len(b) == 1 && (b[0] == idClaimed || b[0] == idBurnt):
		return b[0], place{}, nil
	case len(b) == liveRecLen && (b[0] == idHalf || b[0] == idBatch):
		return b[0], place{decodePair(b[1:]), binary.BigEndian.Uint64(b[1+pairLen:])}, nil
	}
	return 0, place{}, fmt.Errorf("entry of an id of %d bytes: %w", len(b), errFormat)
}

func decodeCount(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("counter of %d bytes: %w", len(b), errFormat)
	}
	return binary.BigEndian.Uint64(b), nil
}

package party

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"pascaline/store"
)

const (
	// protocolVersion changes with every change of what the parties say to each
	// other.
	protocolVersion = 3

	helloLimit = 4096
	// maxHalves bounds the halves of a meeting: 12 MiB on the wire.
	maxHalves = 1 << 18
	// maxBatches bounds the batches of a meeting, and meetingLimit its messages.
	maxBatches   = 1 << 12
	meetingLimit = 64 << 20
	// maxBatch bounds the bundles of one claim.
	maxBatch = 1024
	// maxClaims bounds the batches that one claim of pools takes from, and
	// claimLimit its messages.
	maxClaims  = 256
	claimLimit = 1 << 20
	// overhead is what a message may hold beside its list.
	overhead = 64

	idSize   = len(store.ID{})
	halfSize = idSize + 32
)

// encodeHalves lists halves as a meeting sends them.
func encodeHalves(halves []store.Half) []byte {
	b := make([]byte, 0, halfSize*len(halves))
	for _, h := range halves {
		b = append(b, h.ID[:]...)
		b = append(b, h.Digest[:]...)
	}
	return b
}

// decodeHalves is the inverse of encodeHalves, for what another party sent.
func decodeHalves(b []byte) (map[store.ID][32]byte, error) {
	if len(b)%halfSize != 0 {
		return nil, fmt.Errorf("a list of halves has %d bytes, which is no multiple of %d", len(b), halfSize)
	}
	halves := make(map[store.ID][32]byte, len(b)/halfSize)
	for ; len(b) > 0; b = b[halfSize:] {
		halves[store.ID(b[:idSize])] = [32]byte(b[idSize:halfSize])
	}
	return halves, nil
}

// encodeIDs lists ids.
func encodeIDs(ids []store.ID) []byte {
	b := make([]byte, 0, idSize*len(ids))
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return b
}

// decodeIDs is the inverse of encodeIDs, for what another party sent: ids named
// twice are refused.
func decodeIDs(b []byte) ([]store.ID, error) {
	if len(b)%idSize != 0 {
		return nil, fmt.Errorf("a list of bundles has %d bytes, which is no multiple of %d", len(b), idSize)
	}
	ids := make([]store.ID, 0, len(b)/idSize)
	seen := make(map[store.ID]bool, len(b)/idSize)
	for ; len(b) > 0; b = b[idSize:] {
		id := store.ID(b[:idSize])
		if seen[id] {
			return nil, fmt.Errorf("bundle %v is named twice", id)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	return ids, nil
}

// encodeBatches lists what a store holds of batches.
func encodeBatches(batches []store.Batch) []byte {
	var list []byte
	for _, b := range batches {
		list = append(append(list, b.ID[:]...), b.Digest[:]...)
		list = binary.LittleEndian.AppendUint16(list, uint16(len(b.Spent)))
		for _, r := range b.Spent {
			list = binary.LittleEndian.AppendUint32(list, uint32(r.From))
			list = binary.LittleEndian.AppendUint32(list, uint32(r.To))
		}
	}
	return list
}

// held is what another party says of a batch.
type held struct {
	digest [32]byte
	spent  []store.Range
}

// decodeBatches is the inverse of encodeBatches, for what another party sent.
func decodeBatches(list []byte) (map[store.ID]held, error) {
	errCut := errors.New("a list of batches is cut short")
	batches := make(map[store.ID]held)
	for len(list) > 0 {
		if len(list) < halfSize+2 {
			return nil, errCut
		}
		id, h := store.ID(list[:idSize]), held{digest: [32]byte(list[idSize:halfSize])}
		ranges := int(binary.LittleEndian.Uint16(list[halfSize:]))
		list = list[halfSize+2:]
		if ranges > store.MaxRanges || len(list) < 8*ranges {
			return nil, errCut
		}
		for range ranges {
			from, to := binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:])
			if from >= to || to > store.MaxElements {
				return nil, fmt.Errorf("batch %v with elements %d to %d spent", id, from, to)
			}
			h.spent = append(h.spent, store.Range{From: int(from), To: int(to)})
			list = list[8:]
		}
		if batches[id] = h; len(batches) > maxBatches {
			return nil, fmt.Errorf("a list of more than %d batches", maxBatches)
		}
	}
	return batches, nil
}

// decodeStore reads the id of the other party's store.
func decodeStore(b []byte) (store.ID, error) {
	if len(b) != idSize {
		return store.ID{}, fmt.Errorf("the id of a store has %d bytes, not %d", len(b), idSize)
	}
	return store.ID(b), nil
}

// elsewhere counts the bundles in st for the same peer and plan as pair whose
// twins are in another store than pair's.
func elsewhere(st *store.Store, pair store.Pair) (int, error) {
	entries, err := st.Inventory()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		if e.Pair.Peer == pair.Peer && e.Pair.Plan == pair.Plan && e.Pair.Twin != pair.Twin {
			n += e.Ready + e.Pending
		}
	}
	return n, nil
}

// short is how a hash is shown to people.
func short(hash [32]byte) string { return hex.EncodeToString(hash[:6]) }

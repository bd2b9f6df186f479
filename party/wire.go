package party

import (
	"encoding/hex"
	"fmt"

	"pascaline/store"
)

const (
	// protocolVersion changes with every change of what the parties say to each
	// other.
	protocolVersion = 1

	helloLimit = 4096
	// maxHalves bounds the halves of a meeting: 12 MiB on the wire.
	maxHalves = 1 << 18
	// maxBatch bounds the bundles of one claim.
	maxBatch = 1024
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

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
	// maxHalves bounds the list of a meeting, and halfBytes what one entry
	// takes of it.
	maxHalves = 1 << 20
	halfBytes = 64
	// maxBatch bounds the bundles of one claim.
	maxBatch = 1024
)

// decodeIDs checks a list of ids from the other party.
func decodeIDs(raw [][]byte, limit int) ([]store.ID, error) {
	if len(raw) > limit {
		return nil, fmt.Errorf("%d bundles named at once; at most %d can be", len(raw), limit)
	}
	ids := make([]store.ID, len(raw))
	seen := make(map[store.ID]bool, len(raw))
	for i, b := range raw {
		if len(b) != len(ids[i]) {
			return nil, fmt.Errorf("a bundle's id has %d bytes, not %d", len(b), len(ids[i]))
		}
		copy(ids[i][:], b)
		if seen[ids[i]] {
			return nil, fmt.Errorf("bundle %v is named twice", ids[i])
		}
		seen[ids[i]] = true
	}
	return ids, nil
}

func encodeIDs(ids []store.ID) [][]byte {
	raw := make([][]byte, len(ids))
	for i := range ids {
		raw[i] = ids[i][:]
	}
	return raw
}

// short is how a hash is shown to people.
func short(hash [32]byte) string { return hex.EncodeToString(hash[:6]) }

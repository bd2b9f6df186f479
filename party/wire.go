package party

import (
	"context"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/link"
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

func send(ctx context.Context, s *link.Stream, kind api.Kind, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding %v: %w", kind, err)
	}
	return s.Send(ctx, kind, b)
}

func receive(ctx context.Context, s *link.Stream, kind api.Kind, limit int, m proto.Message) error {
	b, err := s.Recv(ctx, kind, limit)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("decoding %v: %w", kind, err)
	}
	return nil
}

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

package offline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"pascaline/api"
)

// controlLimit bounds the small protobuf messages of a run.
const controlLimit = 4096

// transcript is a connection that hashes what passes through it, each direction
// apart because the two are not ordered against each other.
type transcript struct {
	api.Conn
	sent, received hash.Hash
}

func newTranscript(c api.Conn) *transcript {
	return &transcript{Conn: c, sent: sha256.New(), received: sha256.New()}
}

func (t *transcript) Send(ctx context.Context, kind api.Kind, payload []byte) error {
	record(t.sent, kind, payload)
	return t.Conn.Send(ctx, kind, payload)
}

func (t *transcript) Recv(ctx context.Context, kind api.Kind, limit int) ([]byte, error) {
	payload, err := t.Conn.Recv(ctx, kind, limit)
	if err == nil {
		record(t.received, kind, payload)
	}
	return payload, err
}

func record(h hash.Hash, kind api.Kind, payload []byte) {
	var head [12]byte
	binary.LittleEndian.PutUint32(head[:], uint32(kind))
	binary.LittleEndian.PutUint64(head[4:], uint64(len(payload)))
	h.Write(head[:])
	h.Write(payload)
}

// planHash is the hash of the run's plan, zero without one.
func (s *side) planHash() (hash [32]byte) {
	if s.plan != nil {
		hash = s.spec.Plan
	}
	return hash
}

// transcriptDigest is what both parties compare before a group is ready: equal
// exactly if they saw the same messages. toServer and toClient are the hashes
// of the two directions.
func transcriptDigest(plan [32]byte, toServer, toClient hash.Hash) [32]byte {
	h := sha256.New()
	h.Write([]byte("pascaline/v1 transcript"))
	h.Write(plan[:])
	h.Write(toServer.Sum(nil))
	h.Write(toClient.Sum(nil))
	return [32]byte(h.Sum(nil))
}

// groupID names bundle g of a group, or its batch; both parties contribute, so
// neither can make an id repeat.
func groupID(plan [32]byte, clientNonce, serverNonce []byte, g int) (id [16]byte) {
	h := sha256.New()
	h.Write([]byte("pascaline/v1 group id"))
	h.Write(plan[:])
	h.Write(clientNonce)
	h.Write(serverNonce)
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(g))
	h.Write(n[:])
	copy(id[:], h.Sum(nil))
	return id
}

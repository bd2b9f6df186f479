package offline

import (
	"context"
	"crypto/aes"
	modes "crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"pascaline/api"
)

// controlLimit bounds the small protobuf messages of a run.
const controlLimit = 4096

// transcript is a connection that takes a digest of what passes through it, each
// direction apart because the two are not ordered against each other.
type transcript struct {
	api.Conn
	sent, received *digest
}

func newTranscript(c api.Conn) *transcript {
	return &transcript{Conn: c, sent: &digest{Hash: sha256.New()}, received: &digest{Hash: sha256.New()}}
}

// bind has long messages enter the digests by their fingerprints, under a key to
// which both parties' nonces contribute.
func (t *transcript) bind(clientNonce, serverNonce []byte) {
	h := sha256.New()
	h.Write([]byte("pascaline/v1 transcript key"))
	h.Write(clientNonce)
	h.Write(serverNonce)
	// Neither fails for a key of 16 bytes.
	block, err := aes.NewCipher(h.Sum(nil)[:16])
	if err != nil {
		panic(err)
	}
	mac, err := modes.NewGCM(block)
	if err != nil {
		panic(err)
	}
	t.sent.mac, t.received.mac = mac, mac
}

func (t *transcript) Send(ctx context.Context, kind api.Kind, payload []byte) error {
	t.sent.record(kind, payload)
	return t.Conn.Send(ctx, kind, payload)
}

func (t *transcript) Recv(ctx context.Context, kind api.Kind, limit int) ([]byte, error) {
	payload, err := t.Conn.Recv(ctx, kind, limit)
	if err == nil {
		t.received.record(kind, payload)
	}
	return payload, err
}

// digest is that of one direction: SHA-256 of the messages, long ones replaced by
// their GMAC, at three times the speed. Who knows the key can make two messages of
// one fingerprint; but what is compared here are the views of two parties that follow
// the protocol, over a connection that is authenticated, and two views that differ
// for whatever other reason agree with a probability below 2^−100.
type digest struct {
	hash.Hash
	mac      modes.AEAD // nil until there is a key
	messages uint64
}

// longMessage is from how many bytes on a message enters by its fingerprint.
const longMessage = 4096

func (d *digest) record(kind api.Kind, payload []byte) {
	var head [12]byte
	binary.LittleEndian.PutUint32(head[:], uint32(kind))
	binary.LittleEndian.PutUint64(head[4:], uint64(len(payload)))
	d.Write(head[:])
	if d.mac != nil && len(payload) >= longMessage {
		var nonce [12]byte
		binary.LittleEndian.PutUint64(nonce[:], d.messages)
		payload = d.mac.Seal(nil, nonce[:], nil, payload)
	}
	d.Write(payload)
	d.messages++
}

// planHash is the hash of the run's plan, zero without one.
func (s *side) planHash() (hash [32]byte) {
	if s.plan != nil {
		hash = s.spec.Plan
	}
	return hash
}

// transcriptDigest is what both parties compare before a group is ready: equal if
// they saw the same messages and, but for the probability that [digest] has, only
// then. toServer and toClient are the hashes of the two directions.
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

package offline

import (
	"bytes"
	"testing"

	"pascaline/api"
)

// digestsOf returns the digest of one party's view: what it sent and received, in
// messages of the given kind, under the nonces.
func digestsOf(nonces string, kind api.Kind, sent, received [][]byte) [32]byte {
	t := newTranscript(nil)
	t.bind([]byte(nonces), []byte("the server's"))
	for _, m := range sent {
		t.sent.record(kind, m)
	}
	for _, m := range received {
		t.received.record(kind, m)
	}
	return transcriptDigest([32]byte{1}, t.sent, t.received)
}

func TestTheDigestTellsOneTranscriptFromAnother(t *testing.T) {
	short, long := bytes.Repeat([]byte{3}, 100), bytes.Repeat([]byte{4}, 3*longMessage)
	flipped := bytes.Clone(long)
	flipped[2*longMessage+5] ^= 1
	views := [][2][][]byte{
		{{short, long}, {long}},
		{{long, short}, {long}},
		{{short, flipped}, {long}},
		{{short, long}, {flipped}},
		{{short, long[:len(long)-1]}, {long}},
		{{short, long[:longMessage], long[longMessage:]}, {long}},
		{{long}, {short, long}},
		{{short, long, long}, {}},
		{{short, long}, {}},
	}
	seen := map[[32]byte]int{}
	for i, v := range views {
		d := digestsOf("the client's", api.Kind_TWIN, v[0], v[1])
		if j, ok := seen[d]; ok {
			t.Errorf("views %d and %d have one digest", j, i)
		}
		seen[d] = i
		if d != digestsOf("the client's", api.Kind_TWIN, v[0], v[1]) {
			t.Errorf("view %d has two digests", i)
		}
		if d == digestsOf("another's", api.Kind_TWIN, v[0], v[1]) {
			t.Errorf("view %d has one digest under two nonces", i)
		}
		if d == digestsOf("the client's", api.Kind_OPENING, v[0], v[1]) {
			t.Errorf("view %d has one digest with two kinds of messages", i)
		}
	}
}

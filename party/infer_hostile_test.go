package party_test

import (
	"slices"
	"strings"
	"testing"

	"pascaline/api"
	"pascaline/party"
	"pascaline/store"
)

// The answer to a claim is the server's word that it has marked the bundles,
// durably. A client that lists others than it may gets none, and is told nothing
// that depends on a bundle.
func TestNoClaimIsAnsweredThatWasNotMade(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.produce(c, 4)
	atServer, atClient := w.pairs()
	var ready [][]byte
	for id := range ids(t, c.store, atClient, store.Ready) {
		ready = append(ready, id[:])
	}
	spent := ready[3]
	if _, err := w.serverStore.Claim(atServer, []store.ID{store.ID(spent)}); err != nil {
		t.Fatal(err)
	}
	hash, id := w.model.Plan.Hash(), c.store.ID()
	for what, named := range map[string][][]byte{
		"too few":                 ready[:1],
		"too many":                ready[:3],
		"the same bundle twice":   {ready[0], ready[0]},
		"one that is spent":       {ready[0], spent},
		"one that does not exist": {ready[0], make([]byte, len(spent))},
		"none":                    nil,
	} {
		stream := open(t, c.conn, &api.Hello{Purpose: api.Purpose_PURPOSE_INFER, Bundles: 2, Plan: hash[:], Store: id[:]})
		if err := api.Send(t.Context(), stream, api.Kind_CLAIM, &api.Claim{Ids: slices.Concat(named...)}); err != nil {
			t.Fatal(err)
		}
		err := api.Receive(t.Context(), stream, api.Kind_CLAIM_REPLY, 4096, new(api.ClaimReply))
		if err == nil || !strings.Contains(err.Error(), "claiming") {
			t.Errorf("a claim of two bundles that names %s: %v", what, err)
		}
		stream.Close()
	}
	if left := len(ids(t, w.serverStore, atServer, store.Ready)); left != 3 {
		t.Errorf("claims that were refused leave %d bundles, want 3", left)
	}
}

func TestABatchIsGoodForOneCall(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	defer c.close()
	w.produce(c, 2)
	use := func(inputs func(*party.Batch) error) (first, second error) {
		b, err := c.Warm(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return inputs(b), w.run(b)
	}
	first, second := use(w.run)
	if first != nil || second == nil || !strings.Contains(second.Error(), "over") {
		t.Errorf("a batch is used: %v, and once more: %v", first, second)
	}
	first, second = use(func(b *party.Batch) error {
		_, _, err := b.Infer(t.Context(), nil)
		return err
	})
	if first == nil || second == nil || !strings.Contains(second.Error(), "over") {
		t.Errorf("a batch without inputs: %v, and with them: %v", first, second)
	}
}

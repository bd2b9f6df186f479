package party_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"pascaline/internal/dealtest"
	"pascaline/internal/plantest"
	"pascaline/model"
	"pascaline/ring"
	"pascaline/store"
)

// stock puts n bundles with the same values into both parties' stores: for a test of
// what does not depend on values.
func (w *world) stock(n int) {
	w.t.Helper()
	server, client := dealtest.Bundle(w.model.Plan, w.model.Weights)
	atServer, atClient := w.pairs()
	clientStore, err := store.Open(w.clientDir)
	if err != nil {
		w.t.Fatal(err)
	}
	defer clientStore.Close()
	for _, side := range []struct {
		store *store.Store
		pair  store.Pair
		half  interface{ MarshalBinary() ([]byte, error) }
	}{{w.serverStore, atServer, server}, {clientStore, atClient, client}} {
		data, err := side.half.MarshalBinary()
		if err != nil {
			w.t.Fatal(err)
		}
		root := ring.Seed{1} // both sides draw the same ids
		for i := range n {
			seed := root.Derive("id", uint64(i))
			half := store.NewHalf{ID: store.ID(seed[:]), Digest: seed, Data: data}
			if err := side.store.Put(side.pair, []store.NewHalf{half}); err != nil {
				w.t.Fatal(err)
			}
			if err := side.store.Confirm(side.pair, []store.ID{half.ID}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// What one round of a batch sends may be more than the link lets a side send ahead:
// the server takes answers before it has sent everything, or both would wait.
func TestLongARoundBeyondTheWindowsDoesNotStall(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("takes some gigabytes; set PASCALINE_LONG=1")
	}
	const batch = 96 // 53 MB in the first round, where the windows hold 16 each way
	plan, weights := plantest.Large(rand.New(rand.NewPCG(1, 2)))
	w := newWorld(t, &model.Model{Plan: plan, Weights: weights})
	w.stopServer()
	w.stall = 10 * time.Second
	w.startServer()
	w.stock(batch)
	c := w.mustConnect()
	defer c.close()
	b, err := c.Warm(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	inputs := make([][]uint64, batch)
	for i := range inputs {
		inputs[i] = make([]uint64, plan.Nodes[0].Shape.Len())
	}
	outputs, run, err := b.Infer(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) != batch || run.Payload.ReceivedBytes < 53e6 {
		t.Errorf("%d outputs and %d bytes received", len(outputs), run.Payload.ReceivedBytes)
	}
}

package party

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/offline"
	"pascaline/store"
)

// newHalves encodes a group for the store. The bundles it lets go one by one: encoded
// and not, a large group would take its memory twice.
func newHalves(g *offline.Group) ([]store.NewHalf, error) {
	halves := make([]store.NewHalf, len(g.Bundles))
	for i, b := range g.Bundles {
		data, err := b.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("encoding a bundle: %w", err)
		}
		halves[i] = store.NewHalf{ID: g.IDs[i], Digest: g.Digest, Data: data}
		g.Bundles[i] = nil
	}
	return halves, nil
}

// put writes a group durably as pending.
func put(st *store.Store, pair store.Pair, g *offline.Group) error {
	if g.Batch == nil {
		halves, err := newHalves(g)
		if err != nil {
			return err
		}
		return st.Put(pair, halves)
	}
	head, rows, err := g.Batch.Encode()
	if err != nil {
		return err
	}
	return st.PutBatch(pools(pair), store.NewBatch{
		ID: g.IDs[0], Digest: g.Digest, Kind: g.Batch.Spec.Pool(), N: g.Batch.Spec.N,
		Head: head, Width: g.Batch.RowSize(), Rows: rows,
	})
}

// confirm makes a group ready.
func confirm(st *store.Store, pair store.Pair, g *offline.Group) error {
	if g.Batch != nil {
		pair = pools(pair)
	}
	return st.Confirm(pair, groupIDs(g))
}

func groupIDs(g *offline.Group) []store.ID {
	ids := make([]store.ID, len(g.IDs))
	for i, id := range g.IDs {
		ids[i] = id
	}
	return ids
}

// claim marks ids as spent in st, durably, and returns their halves.
func claim(st *store.Store, pair store.Pair, spec *correlation.BundleSpec, ids []store.ID) ([]*correlation.Bundle, error) {
	values, err := st.Claim(pair, ids)
	if err != nil {
		return nil, err
	}
	bundles := make([]*correlation.Bundle, len(values))
	for i, v := range values {
		if bundles[i], err = correlation.UnmarshalBundle(spec, v); err != nil {
			return nil, fmt.Errorf("reading bundle %v: %w", ids[i], err)
		}
	}
	return bundles, nil
}

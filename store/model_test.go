package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var seedFlag = flag.Uint64("store.seed", 0, "seed of the random test of the store against its model; 0 takes the time")

// modelStore says what a store must answer: the simplest thing that can.
type modelStore struct {
	order   []ID // pending and ready, oldest first
	halves  map[ID]modelHalf
	seen    map[ID]bool // ids that can never be put again
	claimed map[ID]bool
	counts  map[Pair]int
}

type modelHalf struct {
	NewHalf
	pair  Pair
	ready bool
}

func newModel() *modelStore {
	return &modelStore{halves: map[ID]modelHalf{}, seen: map[ID]bool{}, claimed: map[ID]bool{}, counts: map[Pair]int{}}
}

func (m *modelStore) put(p Pair, halves []NewHalf) error {
	for _, h := range halves {
		if m.seen[h.ID] {
			return ErrDuplicate
		}
	}
	for _, h := range halves {
		m.halves[h.ID] = modelHalf{NewHalf: h, pair: p}
		m.order = append(m.order, h.ID)
		m.seen[h.ID] = true
	}
	return nil
}

func (m *modelStore) find(p Pair, id ID) error {
	if m.claimed[id] {
		return ErrClaimed
	}
	if h, ok := m.halves[id]; !ok || h.pair != p {
		return ErrUnknown
	}
	return nil
}

func (m *modelStore) confirm(p Pair, ids []ID) error {
	for _, id := range ids {
		if err := m.find(p, id); err != nil {
			return err
		}
	}
	for _, id := range ids {
		h := m.halves[id]
		h.ready = true
		m.halves[id] = h
	}
	return nil
}

func (m *modelStore) remove(id ID) {
	delete(m.halves, id)
	m.order = slices.DeleteFunc(m.order, func(o ID) bool { return o == id })
}

func (m *modelStore) drop(p Pair, ids []ID) {
	for _, id := range ids {
		if m.find(p, id) == nil {
			m.remove(id)
			delete(m.seen, id)
		}
	}
}

func (m *modelStore) claim(p Pair, ids []ID) ([][]byte, error) {
	var values [][]byte
	for _, id := range ids {
		if err := m.find(p, id); err != nil {
			return nil, err
		}
		if !m.halves[id].ready {
			return nil, ErrNotReady
		}
		values = append(values, m.halves[id].Data)
	}
	for _, id := range ids {
		m.remove(id)
		m.claimed[id] = true
	}
	m.counts[p] += len(ids)
	return values, nil
}

func (m *modelStore) list(p Pair) (list []Half) {
	for _, id := range m.order {
		if h := m.halves[id]; h.pair == p {
			state := Pending
			if h.ready {
				state = Ready
			}
			list = append(list, Half{id, h.Digest, state, int64(len(h.Data))})
		}
	}
	return list
}

func (m *modelStore) inventory(pairs []Pair) (list []Entry) {
	for _, p := range pairs {
		e := Entry{Pair: p, Claimed: m.counts[p]}
		for _, h := range m.list(p) {
			e.Bytes += h.Size
			if h.State == Ready {
				e.Ready++
			} else {
				e.Pending++
			}
		}
		if e != (Entry{Pair: p}) {
			list = append(list, e)
		}
	}
	return list
}

// compare reports how the store differs from the model.
func (m *modelStore) compare(s *Store, pairs []Pair) error {
	for _, p := range pairs {
		got, err := s.Halves(p)
		if err != nil {
			return err
		}
		if want := m.list(p); !slices.Equal(got, want) {
			return fmt.Errorf("the store has %v, the model %v", got, want)
		}
	}
	got, err := s.Inventory()
	if err != nil {
		return err
	}
	if want := m.inventory(pairs); !slices.Equal(got, want) {
		return fmt.Errorf("the store's inventory is %v, the model's %v", got, want)
	}
	return nil
}

// TestTheStoreBehavesAsItsModel runs random operations on a store and on the
// model, with reopenings and crashes in between. A crash keeps what was synced
// and any part of what was not.
func TestTheStoreBehavesAsItsModel(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-store.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	pairs := []Pair{alice, {Peer: alice.Peer, Plan: [32]byte{10}}, bob} // in order
	files := vfs.NewCrashableMem()
	s := mustOpen(t, "/a/store", WithFS(files))
	m := newModel()
	var used []ID // all ids ever put or refused

	// someIDs draws ids for an operation: mostly of the pair's halves, now and
	// then anything.
	someIDs := func(p Pair) []ID {
		list := m.list(p)
		var ids []ID
		for range 1 + rng.IntN(4) {
			var id ID
			switch r := rng.IntN(20); {
			case r == 0 && len(used) > 0:
				id = used[rng.IntN(len(used))]
			case r == 1:
				id = ID{byte(rng.Uint32()), 0xff}
			case len(list) > 0:
				id = list[rng.IntN(len(list))].ID
			default:
				continue
			}
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	agree := func(op string, got, want error) {
		t.Helper()
		if (want == nil) != (got == nil) || !errors.Is(got, want) {
			t.Fatalf("%s: the store says %v, the model %v", op, got, want)
		}
	}
	for step := range 600 {
		p := pairs[rng.IntN(len(pairs))]
		switch r := rng.IntN(100); {
		case r < 25:
			halves := make([]NewHalf, 1+rng.IntN(5))
			size := rng.IntN(3000)
			if rng.IntN(8) == 0 {
				size = segmentFrom/len(halves) + rng.IntN(3000) // about the limit
			}
			for i := range halves {
				h := &halves[i]
				for j := range 8 {
					h.ID[j] = byte(rng.Uint32())
				}
				h.Digest[0] = byte(rng.Uint32())
				h.Data = bytes.Repeat([]byte{byte(rng.Uint32()), byte(step), byte(i)}, size/3)
			}
			if len(used) > 0 && rng.IntN(10) == 0 {
				halves[len(halves)-1].ID = used[rng.IntN(len(used))]
			}
			used = append(used, idsOf(halves)...)
			agree("put", s.Put(p, halves), m.put(p, halves))
		case r < 45:
			ids := someIDs(p)
			agree("confirm", s.Confirm(p, ids), m.confirm(p, ids))
		case r < 55:
			ids := someIDs(p)
			agree("drop", s.Drop(p, ids), nil)
			m.drop(p, ids)
		case r < 85:
			ids := someIDs(p)
			got, err := s.Claim(p, ids)
			want, wantErr := m.claim(p, ids)
			agree("claim", err, wantErr)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("step %d: claimed values differ", step)
			}
		case r < 90:
			must(t, s.Close())
			s = mustOpen(t, "/a/store", WithFS(files))
		case r < 95:
			percent := []int{0, 50, 100}[rng.IntN(3)]
			crashed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			must(t, s.Close())
			files = crashed
			s = mustOpen(t, "/a/store", WithFS(files))
		default:
			must(t, s.index.db.Flush())
		}
		if err := m.compare(s, pairs); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	for _, p := range pairs {
		must(t, s.Drop(p, m.order))
	}
	if names := segmentsOf(t, s); len(names) > 0 {
		t.Fatalf("an empty store has segments %v", names)
	}
}

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

	batchOrder []ID
	batches    map[ID]*modelBatch
	spent      map[modelPool]int
}

type modelPool struct {
	pair Pair
	kind string
}

type modelHalf struct {
	NewHalf
	pair  Pair
	ready bool
}

// modelBatch has one flag for each element.
type modelBatch struct {
	NewBatch
	pair  Pair
	ready bool
	gone  []bool
}

func (b *modelBatch) left() (n int) {
	for _, gone := range b.gone {
		if !gone {
			n++
		}
	}
	return n
}

func (b *modelBatch) spentRanges() (list []Range) {
	for i, gone := range b.gone {
		switch n := len(list); {
		case !gone:
		case n > 0 && list[n-1].To == i:
			list[n-1].To++
		default:
			list = append(list, Range{i, i + 1})
		}
	}
	return list
}

func newModel() *modelStore {
	return &modelStore{halves: map[ID]modelHalf{}, seen: map[ID]bool{}, claimed: map[ID]bool{}, counts: map[Pair]int{},
		batches: map[ID]*modelBatch{}, spent: map[modelPool]int{}}
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

func (m *modelStore) putBatch(p Pair, n NewBatch) error {
	if m.seen[n.ID] {
		return ErrDuplicate
	}
	m.batches[n.ID] = &modelBatch{NewBatch: n, pair: p, gone: make([]bool, n.N)}
	m.batchOrder = append(m.batchOrder, n.ID)
	m.seen[n.ID] = true
	return nil
}

// find says what is wrong with an id that should be a half's or a batch's.
func (m *modelStore) find(p Pair, id ID) error {
	if m.claimed[id] {
		return ErrClaimed
	}
	if b := m.batches[id]; b != nil && b.pair == p {
		return nil
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
		if b := m.batches[id]; b != nil {
			b.ready = true
			continue
		}
		h := m.halves[id]
		h.ready = true
		m.halves[id] = h
	}
	return nil
}

func (m *modelStore) remove(id ID) {
	delete(m.halves, id)
	delete(m.batches, id)
	m.order = slices.DeleteFunc(m.order, func(o ID) bool { return o == id })
	m.batchOrder = slices.DeleteFunc(m.batchOrder, func(o ID) bool { return o == id })
}

func (m *modelStore) drop(p Pair, ids []ID) {
	for _, id := range ids {
		if m.find(p, id) != nil {
			continue
		}
		if b := m.batches[id]; b != nil && b.left() < b.N {
			m.claimed[id] = true
		} else {
			delete(m.seen, id)
		}
		m.remove(id)
	}
}

func (m *modelStore) claimRanges(p Pair, claims []RangeClaim) (values []Claimed, err error) {
	for _, c := range claims {
		if err := m.find(p, c.ID); err != nil {
			return nil, err
		}
		b := m.batches[c.ID]
		if b == nil {
			return nil, ErrUnknown
		}
		if !b.ready {
			return nil, ErrNotReady
		}
		for _, r := range c.Ranges {
			for i := r.From; i < r.To; i++ {
				if b.gone[i] {
					return nil, ErrClaimed
				}
			}
		}
		values = append(values, b.want(c.Ranges))
	}
	for _, c := range claims {
		m.burn(p, c.ID, c.Ranges)
	}
	return values, nil
}

func (m *modelStore) burn(p Pair, id ID, ranges []Range) {
	b := m.batches[id]
	if b == nil || b.pair != p {
		return
	}
	before := b.left()
	for _, r := range ranges {
		for i := r.From; i < r.To; i++ {
			b.gone[i] = true
		}
	}
	m.spent[modelPool{p, b.Kind}] += before - b.left()
	if b.left() == 0 {
		m.claimed[id] = true
		m.remove(id)
	}
}

func (m *modelStore) claim(p Pair, ids []ID) ([][]byte, error) {
	var values [][]byte
	for _, id := range ids {
		if err := m.find(p, id); err != nil {
			return nil, err
		}
		if m.batches[id] != nil {
			return nil, ErrUnknown
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

func (m *modelStore) listBatches(p Pair) (list []Batch) {
	for _, id := range m.batchOrder {
		if b := m.batches[id]; b.pair == p {
			state := Pending
			if b.ready {
				state = Ready
			}
			list = append(list, Batch{id, b.Digest, b.Kind, state, b.N, b.Width, b.spentRanges(), int64(len(b.Head) + b.left()*b.Width)})
		}
	}
	return list
}

func (m *modelStore) pools(pairs []Pair, kinds []string) (list []Pool) {
	for _, p := range pairs {
		for _, kind := range kinds {
			pool := Pool{Pair: p, Kind: kind, Spent: m.spent[modelPool{p, kind}]}
			for _, b := range m.listBatches(p) {
				if b.Kind != kind {
					continue
				}
				pool.Batches++
				pool.Bytes += b.Size
				if b.State == Ready {
					pool.Ready += b.Left()
				} else {
					pool.Pending += b.Left()
				}
			}
			if pool != (Pool{Pair: p, Kind: kind}) {
				list = append(list, pool)
			}
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
		batches, err := s.Batches(p)
		if err != nil {
			return err
		}
		if want := m.listBatches(p); fmt.Sprint(batches) != fmt.Sprint(want) {
			return fmt.Errorf("the store has batches %v, the model %v", batches, want)
		}
	}
	got, err := s.Inventory()
	if err != nil {
		return err
	}
	if want := m.inventory(pairs); !slices.Equal(got, want) {
		return fmt.Errorf("the store's inventory is %v, the model's %v", got, want)
	}
	pools, err := s.Pools()
	if err != nil {
		return err
	}
	if want := m.pools(pairs, modelKinds); !slices.Equal(pools, want) {
		return fmt.Errorf("the store's pools are %v, the model's %v", pools, want)
	}
	return nil
}

var modelKinds = []string{"powers/4/52", "triples"} // in order

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
	s := openInMemory(t, "/a/store", WithFS(files))
	m := newModel()
	var used []ID // all ids ever put or refused

	// someIDs draws ids for an operation: mostly of the pair's halves, or of its
	// batches, now and then anything.
	someIDs := func(p Pair, batches bool) []ID {
		var list []ID
		if batches {
			list = batchIDs(m.listBatches(p))
		} else {
			for _, h := range m.list(p) {
				list = append(list, h.ID)
			}
		}
		var ids []ID
		for range 1 + rng.IntN(4) {
			var id ID
			switch r := rng.IntN(20); {
			case r == 0 && len(used) > 0:
				id = used[rng.IntN(len(used))]
			case r == 1:
				id = ID{byte(rng.Uint32()), 0xff}
			case len(list) > 0:
				id = list[rng.IntN(len(list))]
			default:
				continue
			}
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	someRanges := func(id ID, most int) (ranges []Range) {
		n := 10
		if b := m.batches[id]; b != nil {
			n = b.N
		}
		for range 1 + rng.IntN(3) {
			from := rng.IntN(n)
			if b := m.batches[id]; b != nil && rng.IntN(3) > 0 {
				from = slices.Index(b.gone, false) // the front
			}
			ranges = append(ranges, Range{from, min(n, from+1+rng.IntN(most))})
		}
		return union(ranges...)
	}
	newID := func() (id ID) {
		if len(used) > 0 && rng.IntN(10) == 0 {
			return used[rng.IntN(len(used))]
		}
		for j := range 8 {
			id[j] = byte(rng.Uint32())
		}
		return id
	}
	agree := func(op string, got, want error) {
		t.Helper()
		if (want == nil) != (got == nil) || !errors.Is(got, want) {
			t.Fatalf("%s: the store says %v, the model %v", op, got, want)
		}
	}
	steps := 800
	if testing.Short() {
		steps = 200
	}
	for step := range steps {
		p := pairs[rng.IntN(len(pairs))]
		batches := rng.IntN(2) == 0
		switch r := rng.IntN(100); {
		case r < 25 && batches:
			n := NewBatch{ID: newID(), Kind: modelKinds[rng.IntN(2)], N: 1 + rng.IntN(400), Width: rng.IntN(1000)}
			if rng.IntN(10) == 0 {
				n.Width = segmentFrom/n.N + rng.IntN(10) // about the limit
			}
			n.Digest[0] = byte(rng.Uint32())
			n.Head = bytes.Repeat([]byte{byte(step)}, rng.IntN(100))
			n.Rows = make([]byte, n.N*n.Width)
			for i := range n.N {
				for j := range n.Width {
					n.Rows[i*n.Width+j] = byte(step + 3*i + j)
				}
			}
			used = append(used, n.ID)
			agree("put a batch", s.PutBatch(p, n), m.putBatch(p, n))
		case r < 25:
			halves := make([]NewHalf, 1+rng.IntN(5))
			size := rng.IntN(3000)
			if rng.IntN(8) == 0 {
				size = segmentFrom/len(halves) + rng.IntN(3000) // about the limit
			}
			for i := range halves {
				h := &halves[i]
				for h.ID == (ID{}) || slices.Contains(idsOf(halves[:i]), h.ID) {
					h.ID = newID()
				}
				h.Digest[0] = byte(rng.Uint32())
				h.Data = bytes.Repeat([]byte{byte(rng.Uint32()), byte(step), byte(i)}, size/3)
			}
			used = append(used, idsOf(halves)...)
			agree("put", s.Put(p, halves), m.put(p, halves))
		case r < 40:
			ids := someIDs(p, batches)
			agree("confirm", s.Confirm(p, ids), m.confirm(p, ids))
		case r < 46:
			ids := someIDs(p, batches)
			agree("drop", s.Drop(p, ids), nil)
			m.drop(p, ids)
		case r < 52:
			for _, id := range someIDs(p, true) {
				ranges := someRanges(id, 200)
				agree("burn", s.Burn(p, id, ranges), nil)
				m.burn(p, id, ranges)
			}
		case r < 85 && batches:
			var claims []RangeClaim
			for _, id := range someIDs(p, true) {
				claims = append(claims, RangeClaim{id, someRanges(id, 200)})
			}
			got, err := s.ClaimRanges(p, claims)
			want, wantErr := m.claimRanges(p, claims)
			agree("claim ranges", err, wantErr)
			if !slices.EqualFunc(got, want, Claimed.equal) {
				t.Fatalf("step %d: claimed elements differ", step)
			}
		case r < 85:
			ids := someIDs(p, rng.IntN(10) == 0)
			got, err := s.Claim(p, ids)
			want, wantErr := m.claim(p, ids)
			agree("claim", err, wantErr)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("step %d: claimed values differ", step)
			}
		case r < 90:
			must(t, s.Close())
			s = openInMemory(t, "/a/store", WithFS(files))
		case r < 95:
			percent := []int{0, 50, 100}[rng.IntN(3)]
			crashed := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			must(t, s.Close())
			files = crashed
			s = openInMemory(t, "/a/store", WithFS(files))
		default:
			must(t, s.index.db.Flush())
		}
		if err := m.compare(s, pairs); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	for _, p := range pairs {
		must(t, s.Drop(p, slices.Concat(m.order, m.batchOrder)))
	}
	wantEmpty(t, s)
	must(t, s.Close())
}

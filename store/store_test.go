package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

var (
	alice = Pair{Peer: [32]byte{1}, Plan: [32]byte{9}}
	bob   = Pair{Peer: [32]byte{2}, Plan: [32]byte{9}}
)

// sizes of values on either side of the limit between index and segment.
const (
	small = 1000
	large = segmentFrom
)

func newHalves(t testing.TB, n, size int) []NewHalf {
	t.Helper()
	halves := make([]NewHalf, n)
	for i := range halves {
		halves[i].Data = make([]byte, size)
		rand.Read(halves[i].ID[:])
		rand.Read(halves[i].Digest[:])
		rand.Read(halves[i].Data)
	}
	return halves
}

func idsOf(halves []NewHalf) []ID {
	ids := make([]ID, len(halves))
	for i, h := range halves {
		ids[i] = h.ID
	}
	return ids
}

func mustOpen(t testing.TB, dir string, o ...Option) *Store {
	t.Helper()
	s := openInMemory(t, dir, o...)
	t.Cleanup(func() { s.Close() })
	return s
}

// openInMemory is mustOpen without the cleanup, which would keep a file system in
// memory to the end of a test that goes through many.
func openInMemory(t testing.TB, dir string, o ...Option) *Store {
	t.Helper()
	s, err := Open(dir, o...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("%q does not say %q", err, w)
		}
	}
}

// putReady puts halves and confirms them.
func putReady(t testing.TB, s *Store, p Pair, halves []NewHalf) {
	t.Helper()
	must(t, s.Put(p, halves))
	must(t, s.Confirm(p, idsOf(halves)))
}

func mustClaim(t testing.TB, s *Store, p Pair, halves []NewHalf) {
	t.Helper()
	values, err := s.Claim(p, idsOf(halves))
	must(t, err)
	for i, h := range halves {
		if !bytes.Equal(values[i], h.Data) {
			t.Fatalf("half %v came back with another value", h.ID)
		}
	}
}

func segmentsOf(t testing.TB, s *Store) []string {
	t.Helper()
	names, err := s.files.List(s.files.PathJoin(s.dir, segmentsDir))
	must(t, err)
	return names
}

func TestAHalfGoesFromPutThroughConfirmToClaim(t *testing.T) {
	for _, size := range []int{0, 1, small, large, large + 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			halves := newHalves(t, 3, size)
			must(t, s.Put(alice, halves))
			for _, state := range []State{Pending, Ready} {
				got, err := s.Halves(alice)
				must(t, err)
				if len(got) != 3 {
					t.Fatalf("%d halves, not 3", len(got))
				}
				for i, h := range halves {
					if want := (Half{h.ID, h.Digest, state, int64(size)}); got[i] != want {
						t.Fatalf("half %d is %+v, not %+v", i, got[i], want)
					}
				}
				must(t, s.Confirm(alice, idsOf(halves)))
			}
			must(t, s.Close())
			s = mustOpen(t, dir)
			mustClaim(t, s, alice, halves[1:2])
			mustClaim(t, s, alice, []NewHalf{halves[2], halves[0]})
			if got, err := s.Halves(alice); err != nil || len(got) != 0 {
				t.Fatalf("%v %v are left", got, err)
			}
		})
	}
}

func TestClaimsAreAllOrNothingAndSayWhy(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, size := range []int{small, large} {
		halves := newHalves(t, 4, size)
		must(t, s.Put(alice, halves))
		must(t, s.Confirm(alice, idsOf(halves[:3])))
		mustClaim(t, s, alice, halves[:1])
		for _, bad := range []struct {
			pair Pair
			id   ID
			want error
		}{
			{alice, halves[0].ID, ErrClaimed},
			{alice, ID{1, 2, 3}, ErrUnknown},
			{alice, halves[3].ID, ErrNotReady},
			{bob, halves[2].ID, ErrUnknown},
			{alice, halves[1].ID, ErrDuplicate},
		} {
			values, err := s.Claim(bad.pair, []ID{halves[1].ID, bad.id})
			if values != nil {
				t.Fatal("a claim that failed returned values")
			}
			if bad.pair == bob {
				bad.id = halves[1].ID
			}
			wantError(t, err, bad.want, bad.id.String())
		}
		mustClaim(t, s, alice, halves[1:3]) // still there
	}
}

func TestAnIDSeenBeforeIsRefused(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, size := range []int{small, large} {
		halves := newHalves(t, 3, size)
		must(t, s.Put(alice, halves))
		must(t, s.Confirm(alice, idsOf(halves[1:])))
		mustClaim(t, s, alice, halves[2:])
		for i, h := range halves {
			for _, p := range []Pair{alice, bob} {
				fresh := newHalves(t, 2, size)
				fresh[1].ID = h.ID
				wantError(t, s.Put(p, fresh), ErrDuplicate, h.ID.String())
				if got, _ := s.Halves(p); p == bob && len(got) > 0 {
					t.Fatalf("a refused group left %d halves, at %d", len(got), i)
				}
			}
		}
		twice := newHalves(t, 2, size)
		twice[1].ID = twice[0].ID
		wantError(t, s.Put(alice, twice), ErrDuplicate)
	}
	if n := len(segmentsOf(t, s)); n != 1 {
		t.Fatalf("%d segments, not 1: refused groups leave none", n)
	}
}

func TestConfirmIsAllOrNothing(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	halves := newHalves(t, 3, small)
	putReady(t, s, alice, halves[:1])
	must(t, s.Put(alice, halves[1:]))
	wantError(t, s.Confirm(alice, []ID{halves[1].ID, {7}}), ErrUnknown)
	mustClaim(t, s, alice, halves[:1])
	wantError(t, s.Confirm(alice, []ID{halves[1].ID, halves[0].ID}), ErrClaimed)
	wantError(t, s.Confirm(bob, []ID{halves[1].ID}), ErrUnknown)
	_, err := s.Claim(alice, []ID{halves[1].ID})
	wantError(t, err, ErrNotReady)
	must(t, s.Confirm(alice, nil))
}

func TestDroppedHalvesAreGone(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, size := range []int{small, large} {
		halves := newHalves(t, 4, size)
		must(t, s.Put(alice, halves))
		must(t, s.Confirm(alice, idsOf(halves[:2])))
		mustClaim(t, s, alice, halves[:1])
		must(t, s.Drop(bob, idsOf(halves)))
		if got, _ := s.Halves(alice); len(got) != 3 {
			t.Fatalf("another pair's drop left %d halves, not 3", len(got))
		}
		must(t, s.Drop(alice, append(idsOf(halves), ID{3})))
		must(t, s.Drop(alice, idsOf(halves)))
		if got, _ := s.Halves(alice); len(got) != 0 {
			t.Fatalf("%d halves are left", len(got))
		}
		_, err := s.Claim(alice, []ID{halves[0].ID})
		wantError(t, err, ErrClaimed)
		_, err = s.Claim(alice, []ID{halves[1].ID})
		wantError(t, err, ErrUnknown)
	}
	if names := segmentsOf(t, s); len(names) > 0 {
		t.Fatalf("segments %v are left", names)
	}
}

func TestHalvesComeOldestFirstThroughReopening(t *testing.T) {
	dir := t.TempDir()
	var want []ID
	for range 3 {
		s := mustOpen(t, dir)
		for _, size := range []int{small, large, small} {
			halves := newHalves(t, 2, size)
			must(t, s.Put(alice, halves))
			must(t, s.Put(bob, newHalves(t, 1, small)))
			want = append(want, idsOf(halves)...)
		}
		must(t, s.Confirm(alice, want[2:3]))
		got, err := s.Halves(alice)
		must(t, err)
		for i, h := range got {
			if h.ID != want[i] {
				t.Fatalf("half %d is %v, not %v", i, h.ID, want[i])
			}
		}
		must(t, s.Close())
	}
}

func TestInventoryCountsWhatIsThereAndWhatWasClaimed(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	a, b := newHalves(t, 5, small), newHalves(t, 2, large)
	must(t, s.Put(alice, a))
	must(t, s.Confirm(alice, idsOf(a[:4])))
	putReady(t, s, bob, b)
	mustClaim(t, s, alice, a[:2])
	mustClaim(t, s, alice, a[2:3])
	mustClaim(t, s, bob, b)
	must(t, s.Close())
	s = mustOpen(t, dir)
	got, err := s.Inventory()
	must(t, err)
	want := []Entry{{alice, 1, 1, 3, 2 * small}, {bob, 0, 0, 2, 0}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("inventory %v, not %v", got, want)
	}
}

func TestSegmentsGoWithTheirLastHalf(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	halves := newHalves(t, 3, large)
	putReady(t, s, alice, halves)
	mustClaim(t, s, alice, halves[:1])
	must(t, s.Drop(alice, idsOf(halves[1:2])))
	if len(segmentsOf(t, s)) != 1 {
		t.Fatal("the segment is gone while a half is in it")
	}
	mustClaim(t, s, alice, halves[2:])
	if names := segmentsOf(t, s); len(names) > 0 {
		t.Fatalf("drained segments %v are left", names)
	}
}

func TestClaimedValuesLeaveTheIndex(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for range 8 {
		halves := newHalves(t, 8, 64<<10)
		putReady(t, s, alice, halves)
		must(t, s.index.db.Flush())
		mustClaim(t, s, alice, halves)
	}
	must(t, s.index.db.Flush())
	must(t, s.index.db.Compact(t.Context(), []byte{0}, []byte{255}, false))
	if size := s.index.db.Metrics().Total().TablesSize; size > 64<<10 {
		t.Fatalf("%d bytes of tables are left of 4 MiB claimed", size)
	}
}

func TestADamagedValueIsBurntAndTheOthersStay(t *testing.T) {
	damage := map[string]func(t *testing.T, s *Store, h NewHalf){
		"a bit in a segment": func(t *testing.T, s *Store, h NewHalf) {
			path := s.segmentPath(1)
			b, err := os.ReadFile(path)
			must(t, err)
			b[bytes.Index(b, h.Data)+100] ^= 4
			must(t, os.WriteFile(path, b, 0o600))
		},
		"a segment cut short": func(t *testing.T, s *Store, h NewHalf) {
			b, err := os.ReadFile(s.segmentPath(1))
			must(t, err)
			must(t, os.Truncate(s.segmentPath(1), int64(bytes.Index(b, h.Data)+len(h.Data))))
		},
		"a value under another id": func(t *testing.T, s *Store, h NewHalf) {
			at, r, err := s.findHalf(alice, h.ID)
			must(t, err)
			b := s.index.db.NewBatch()
			r.offset = uint64(len(segmentHeader))
			must(t, b.Set(at.key(keyHalf), r.encode(), nil))
			must(t, s.index.apply(b))
		},
		"a bit in the index": func(t *testing.T, s *Store, h NewHalf) {
			b := s.index.db.NewBatch()
			v := seal(nil, h.ID, h.Data)
			v[len(v)-1] ^= 1
			must(t, b.Set(valueKey(h.ID), v, nil))
			must(t, s.index.apply(b))
		},
		"a value gone from the index": func(t *testing.T, s *Store, h NewHalf) {
			b := s.index.db.NewBatch()
			must(t, b.Delete(valueKey(h.ID), nil))
			must(t, s.index.apply(b))
		},
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, t.TempDir())
			size := large
			if strings.Contains(name, "index") {
				size = small
			}
			halves := newHalves(t, 3, size)
			putReady(t, s, alice, halves)
			spoil(t, s, halves[2])
			values, err := s.Claim(alice, idsOf(halves))
			if values != nil {
				t.Fatal("values came with the error")
			}
			wantError(t, err, ErrCorrupt, halves[2].ID.String())
			_, err = s.Claim(alice, idsOf(halves[2:]))
			wantError(t, err, ErrCorrupt, halves[2].ID.String())
			wantError(t, s.Put(alice, halves[2:]), ErrDuplicate)
			mustClaim(t, s, alice, halves[:2])
			got, err := s.Inventory()
			must(t, err)
			if fmt.Sprint(got) != fmt.Sprint([]Entry{{alice, 0, 0, 2, 0}}) {
				t.Fatalf("inventory %v", got)
			}
			if names := segmentsOf(t, s); len(names) > 0 {
				t.Fatalf("segments %v are left", names)
			}
		})
	}
}

func TestASegmentThatIsGoneBurnsItsHalves(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	halves, others := newHalves(t, 2, large), newHalves(t, 2, large)
	putReady(t, s, alice, halves)
	putReady(t, s, alice, others)
	must(t, os.Remove(s.segmentPath(1)))
	must(t, s.Close())
	s = mustOpen(t, dir)
	_, err := s.Claim(alice, append(idsOf(halves), idsOf(others)...))
	wantError(t, err, ErrCorrupt, halves[0].ID.String(), halves[1].ID.String())
	mustClaim(t, s, alice, others)
}

func TestOneOfManyClaimsOfAHalfWins(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, size := range []int{small, large} {
		halves := newHalves(t, 2, size)
		putReady(t, s, alice, halves)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 8 {
			wg.Go(func() {
				_, err := s.Claim(alice, idsOf(halves))
				if err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				} else if !errors.Is(err, ErrClaimed) {
					t.Errorf("a loser hears %v", err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d claims of the same halves won", won)
		}
	}
}

func TestOneOfManyPutsOfAnIDWins(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	halves := newHalves(t, 2, large)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- s.Put(alice, halves) }()
	}
	won := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			won++
		} else {
			wantError(t, err, ErrDuplicate)
		}
	}
	if names := segmentsOf(t, s); won != 1 || len(names) != 1 {
		t.Fatalf("%d puts won and left segments %v", won, names)
	}
}

func TestMethodsMayRunTogether(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	var wg sync.WaitGroup
	for g := range 4 {
		p := Pair{Peer: [32]byte{byte(g)}}
		wg.Go(func() {
			for i := range 6 {
				size := small
				if i%2 == 1 {
					size = large / 2
				}
				halves := newHalves(t, 3, size)
				if err := errors.Join(s.Put(p, halves), s.Confirm(p, idsOf(halves))); err != nil {
					t.Error(err)
				}
				values, err := s.Claim(p, idsOf(halves[:2]))
				if err != nil || !bytes.Equal(values[1], halves[1].Data) {
					t.Errorf("claiming among others: %v", err)
				}
				if err := s.Drop(p, idsOf(halves[2:])); err != nil {
					t.Error(err)
				}
				if got, err := s.Halves(p); err != nil || len(got) != 0 {
					t.Errorf("%v %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	entries, err := s.Inventory()
	must(t, err)
	for _, e := range entries {
		if e.Claimed != 12 {
			t.Errorf("%d claims are counted, not 12", e.Claimed)
		}
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	must(t, s.Close())
	halves := newHalves(t, 1, small)
	_, err1 := s.Claim(alice, idsOf(halves))
	_, err2 := s.Halves(alice)
	_, err3 := s.Inventory()
	for _, err := range []error{s.Put(alice, halves), s.Confirm(alice, idsOf(halves)),
		s.Drop(alice, idsOf(halves)), err1, err2, err3, s.Close()} {
		wantError(t, err, ErrClosed, s.dir)
	}
}

package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// changes counts the operations that change a file system and calls at before
// the one numbered when, counting from one.
type changes struct {
	mu    sync.Mutex
	count int
	when  int
	at    func()
}

func (c *changes) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.count++; c.count == c.when {
			c.at()
		}
	}
	return nil
}

func (*changes) String() string { return "changes" }

// arm makes at happen before the change numbered when from now.
func (c *changes) arm(when int, at func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count, c.when, c.at = 0, when, at
}

// atEveryCrash runs operation on a store that prepare has prepared, once for
// every change of the disk that it makes and once more for the moment after its
// return, crashes there, and calls check with what comes up afterwards. returned
// says that the operation had returned by the time of the crash.
func atEveryCrash(t *testing.T, prepare, operation func(s *Store), check func(t *testing.T, s *Store, returned bool)) {
	const dir = "/store"
	for _, percent := range []int{0, 50, 100} {
		for when := 1; ; when++ {
			disk := vfs.NewCrashableMem()
			watch := &changes{}
			s := mustOpen(t, dir, WithFS(errorfs.Wrap(disk, watch)))
			prepare(s)
			var crashed *vfs.MemFS
			rng := rand.New(rand.NewPCG(uint64(when), uint64(percent)))
			crash := func() {
				crashed = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			}
			watch.arm(when, crash)
			operation(s)
			watch.mu.Lock()
			returned := watch.count < when
			watch.when = 0
			watch.mu.Unlock()
			if returned {
				crash()
			}
			must(t, s.Close())
			t.Run(fmt.Sprintf("%d%% unsynced, change %d", percent, when), func(t *testing.T) {
				s := mustOpen(t, dir, WithFS(crashed))
				check(t, s, returned)
				live := len(s.live)
				if names := segmentsOf(t, s); len(names) != live {
					t.Fatalf("segments %v are there, %d in use", names, live)
				}
			})
			if returned {
				break
			}
		}
	}
}

func statesOf(t *testing.T, s *Store) (states []State) {
	halves, err := s.Halves(alice)
	must(t, err)
	for _, h := range halves {
		states = append(states, h.State)
	}
	return states
}

func TestACrashLeavesAGroupWholeOrNotAtAll(t *testing.T) {
	for _, size := range []int{small, large / 2} {
		halves := newHalves(t, 3, size)
		old := newHalves(t, 1, size)
		atEveryCrash(t,
			func(s *Store) { must(t, s.Put(alice, old)) },
			func(s *Store) { must(t, s.Put(alice, halves)) },
			func(t *testing.T, s *Store, returned bool) {
				switch states := statesOf(t, s); {
				case slices.Equal(states, []State{Pending}) && !returned:
					must(t, s.Put(alice, halves)) // no trace is left
				case !slices.Equal(states, []State{Pending, Pending, Pending, Pending}):
					t.Fatalf("states %v", states)
				}
				all := append(slices.Clone(old), halves...)
				must(t, s.Confirm(alice, idsOf(all)))
				mustClaim(t, s, alice, all)
			})
	}
}

func TestACrashAfterConfirmLeavesHalvesReady(t *testing.T) {
	halves := newHalves(t, 2, small)
	atEveryCrash(t,
		func(s *Store) { must(t, s.Put(alice, halves)) },
		func(s *Store) { must(t, s.Confirm(alice, idsOf(halves))) },
		func(t *testing.T, s *Store, returned bool) {
			switch states := statesOf(t, s); {
			case slices.Equal(states, []State{Ready, Ready}):
				mustClaim(t, s, alice, halves)
			case returned || !slices.Equal(states, []State{Pending, Pending}):
				t.Fatalf("states %v", states)
			}
		})
}

func TestACrashAfterClaimLeavesNothingToClaim(t *testing.T) {
	for _, size := range []int{small, large / 2} {
		halves := newHalves(t, 3, size)
		atEveryCrash(t,
			func(s *Store) { putReady(t, s, alice, halves) },
			func(s *Store) { mustClaim(t, s, alice, halves[:2]) },
			func(t *testing.T, s *Store, returned bool) {
				entries, err := s.Inventory()
				must(t, err)
				switch e := entries[0]; {
				case e.Ready == 1 && e.Claimed == 2:
					_, err := s.Claim(alice, idsOf(halves[:1]))
					wantError(t, err, ErrClaimed)
					wantError(t, s.Put(alice, halves[:1]), ErrDuplicate)
					mustClaim(t, s, alice, halves[2:])
				case e.Ready == 3 && e.Claimed == 0 && !returned:
					mustClaim(t, s, alice, halves)
				default:
					t.Fatalf("inventory %+v", e)
				}
			})
	}
}

func TestACrashInDropLeavesAllOrNone(t *testing.T) {
	halves := newHalves(t, 2, large)
	atEveryCrash(t,
		func(s *Store) { putReady(t, s, alice, halves) },
		func(s *Store) { must(t, s.Drop(alice, idsOf(halves))) },
		func(t *testing.T, s *Store, returned bool) {
			if n := len(statesOf(t, s)); n != 0 && (n != 2 || returned) {
				t.Fatalf("%d halves are left", n)
			}
		})
}

func TestACrashInOpenDoesNoHarm(t *testing.T) {
	const dir = "/deep/store"
	halves := newHalves(t, 3, large/2)
	rng := rand.New(rand.NewPCG(1, 2))
	all := vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng}
	empty, used := vfs.NewCrashableMem(), vfs.NewCrashableMem()
	s := mustOpen(t, dir, WithFS(used))
	putReady(t, s, alice, halves)
	mustClaim(t, s, alice, halves[:1])
	must(t, s.Close())
	for name, disk := range map[string]*vfs.MemFS{"creating": empty, "opening": used} {
		for when, passed := 1, false; !passed; when++ {
			var crashed *vfs.MemFS
			before := disk.CrashClone(all)
			watch := &changes{}
			watch.arm(when, func() {
				crashed = before.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			})
			s := mustOpen(t, dir, WithFS(errorfs.Wrap(before, watch)))
			must(t, s.Close())
			if passed = crashed == nil; passed {
				crashed = before
			}
			s, err := Open(dir, WithFS(crashed))
			if err != nil {
				t.Fatalf("%s, crash before change %d: %v", name, when, err)
			}
			if disk == empty {
				putReady(t, s, alice, halves)
			} else {
				_, err := s.Claim(alice, idsOf(halves[:1]))
				wantError(t, err, ErrClaimed)
			}
			mustClaim(t, s, alice, halves[1:])
			must(t, s.Close())
		}
	}
}

func TestSegmentsWithoutAHalfAreRemovedAtOpen(t *testing.T) {
	files := vfs.NewMem()
	s := mustOpen(t, "/store", WithFS(files))
	halves := newHalves(t, 1, large)
	must(t, s.Put(alice, halves))
	must(t, s.Close())
	must(t, writeFile(files, "/store/segments", segmentName(0x20), "half a segment"))
	must(t, writeFile(files, "/store/segments", "notes.txt", "somebody's"))
	s = mustOpen(t, "/store", WithFS(files))
	names := segmentsOf(t, s)
	slices.Sort(names)
	if want := []string{segmentName(1), "notes.txt"}; !slices.Equal(names, want) {
		t.Fatalf("segments hold %v, not %v", names, want)
	}
	// The number is not used again, in case the removal does not last.
	must(t, s.Put(alice, newHalves(t, 1, large)))
	if names := segmentsOf(t, s); !slices.Contains(names, segmentName(0x21)) {
		t.Fatalf("segments hold %v", names)
	}
}

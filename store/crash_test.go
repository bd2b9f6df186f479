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
	step := 1
	if testing.Short() {
		step = 4
	}
	for _, percent := range []int{0, 50, 100} {
		for when := 1; ; when += step {
			disk := vfs.NewCrashableMem()
			watch := &changes{}
			s := openInMemory(t, dir, WithFS(errorfs.Wrap(disk, watch)))
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

func TestACrashLeavesABatchWholeOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		shape
		first bool // it raises the version
	}{{indexed, true}, {headed, false}} {
		n, old, half := newBatch(t, c.shape), newBatch(t, indexed), newHalves(t, 1, small)
		all := []NewBatch{n}
		if !c.first {
			all = append(all, old)
		}
		atEveryCrash(t,
			func(s *Store) {
				putReady(t, s, alice, half)
				for _, b := range all[1:] {
					must(t, s.PutBatch(alice, b))
				}
			},
			func(s *Store) { must(t, s.PutBatch(alice, n)) },
			func(t *testing.T, s *Store, returned bool) {
				if _, there := spentOf(t, s, alice, n.ID); !there {
					if returned {
						t.Fatal("the batch is lost")
					}
					must(t, s.PutBatch(alice, n)) // no trace is left
				}
				for _, b := range all {
					wantClaimError(t, s, alice, b, b.all(), ErrNotReady)
					must(t, s.Confirm(alice, []ID{b.ID}))
					mustClaimRanges(t, s, alice, b, b.all()...)
				}
				mustClaim(t, s, alice, half)
				wantEmpty(t, s)
			})
	}
}

// TestACrashLeavesNothingToClaimTwice crashes in claims of some elements of two
// batches and in those of the last ones, and in burning them.
func TestACrashLeavesNothingToClaimTwice(t *testing.T) {
	for _, shape := range []shape{indexed, headed} {
		a, b := newBatch(t, shape), newBatch(t, shape)
		asked := []RangeClaim{{a.ID, []Range{{70, 140}, {0, 10}}}, {b.ID, b.all()}}
		prepare := func(s *Store) { putBatchReady(t, s, alice, a, b) }
		claim := func(s *Store) {
			got, err := s.ClaimRanges(alice, asked)
			must(t, err)
			if !got[0].equal(a.want(asked[0].Ranges)) || !got[1].equal(b.want(asked[1].Ranges)) {
				t.Fatal("claimed values differ")
			}
		}
		atEveryCrash(t, prepare, claim,
			func(t *testing.T, s *Store, returned bool) {
				spent, there := spentOf(t, s, alice, a.ID)
				_, otherThere := spentOf(t, s, alice, b.ID)
				pools, err := s.Pools()
				must(t, err)
				switch done := slices.Equal(spent, []Range{{0, 10}, {70, 140}}); {
				case there && done && !otherThere && pools[0].Spent == 80+b.N:
					for _, c := range asked {
						_, err := s.ClaimRanges(alice, []RangeClaim{c})
						wantError(t, err, ErrClaimed)
					}
					wantError(t, s.PutBatch(alice, b), ErrDuplicate)
					mustClaimRanges(t, s, alice, a, Range{10, 70}, Range{140, a.N})
				case there && len(spent) == 0 && otherThere && pools[0].Spent == 0 && !returned:
					claim(s)
					mustClaimRanges(t, s, alice, a, Range{10, 70}, Range{140, a.N})
				default:
					t.Fatalf("%v of one batch is spent, the other is there: %v, pools %v", spent, otherThere, pools)
				}
				wantEmpty(t, s)
			})
		for _, r := range []Range{{0, 100}, {0, a.N}} {
			atEveryCrash(t, prepare,
				func(s *Store) { must(t, s.Burn(alice, a.ID, []Range{r})) },
				func(t *testing.T, s *Store, returned bool) {
					if spent, there := spentOf(t, s, alice, a.ID); there && len(spent) == 0 && !returned {
						must(t, s.Burn(alice, a.ID, []Range{r}))
					}
					wantClaimError(t, s, alice, a, []Range{{r.To - 1, r.To}}, ErrClaimed)
					if r.To < a.N {
						mustClaimRanges(t, s, alice, a, Range{r.To, a.N})
					}
					mustClaimRanges(t, s, alice, b, b.all()...)
					wantEmpty(t, s)
				})
		}
	}
}

func TestACrashInConfirmAndDropOfBatchesLeavesAllOrNone(t *testing.T) {
	for _, shape := range []shape{indexed, headed} {
		n, halves := newBatch(t, shape), newHalves(t, 1, small)
		ids := []ID{halves[0].ID, n.ID}
		prepare := func(s *Store) {
			must(t, s.Put(alice, halves))
			must(t, s.PutBatch(alice, n))
		}
		atEveryCrash(t, prepare,
			func(s *Store) { must(t, s.Confirm(alice, ids)) },
			func(t *testing.T, s *Store, returned bool) {
				batches, err := s.Batches(alice)
				must(t, err)
				switch states := append(statesOf(t, s), batches[0].State); {
				case slices.Equal(states, []State{Ready, Ready}):
					mustClaimRanges(t, s, alice, n, n.all()...)
				case returned || !slices.Equal(states, []State{Pending, Pending}):
					t.Fatalf("states %v", states)
				}
			})
		atEveryCrash(t, prepare,
			func(s *Store) { must(t, s.Drop(alice, ids)) },
			func(t *testing.T, s *Store, returned bool) {
				_, there := spentOf(t, s, alice, n.ID)
				if half := len(statesOf(t, s)) == 1; half != there || (there && returned) {
					t.Fatalf("the half is there: %v, the batch: %v", half, there)
				}
				if !there {
					wantEmpty(t, s)
				}
			})
	}
}

func TestACrashInOpenDoesNoHarm(t *testing.T) {
	const dir = "/deep/store"
	halves, batch := newHalves(t, 3, large/2), newBatch(t, segmented)
	rng := rand.New(rand.NewPCG(1, 2))
	all := vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng}
	empty, used := vfs.NewCrashableMem(), vfs.NewCrashableMem()
	s := mustOpen(t, dir, WithFS(used))
	putReady(t, s, alice, halves)
	mustClaim(t, s, alice, halves[:1])
	putBatchReady(t, s, alice, batch)
	mustClaimRanges(t, s, alice, batch, Range{0, 100})
	must(t, s.Close())
	step := 1
	if testing.Short() {
		step = 4
	}
	for name, disk := range map[string]*vfs.MemFS{"creating": empty, "opening": used} {
		for when, passed := 1, false; !passed; when += step {
			var crashed *vfs.MemFS
			before := disk.CrashClone(all)
			watch := &changes{}
			watch.arm(when, func() {
				crashed = before.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			})
			s := openInMemory(t, dir, WithFS(errorfs.Wrap(before, watch)))
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
				wantClaimError(t, s, alice, batch, []Range{{99, 100}}, ErrClaimed)
				mustClaimRanges(t, s, alice, batch, Range{100, batch.N})
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

package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// badDisk fails operations on files whose names contain names and that take
// space or sync, from the one numbered from (counting from one) for times
// operations.
type badDisk struct {
	mu          sync.Mutex
	err         error
	names       string
	from, times int
	count, hit  int
}

func (*badDisk) String() string { return "bad disk" }

func (d *badDisk) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpMkdirAll, errorfs.OpFileWrite,
		errorfs.OpFilePreallocate, errorfs.OpFileSync, errorfs.OpFileSyncData:
	default:
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil || !strings.Contains(op.Path, d.names) {
		return nil
	}
	if d.count++; d.count < d.from || d.count >= d.from+d.times {
		return nil
	}
	d.hit++
	return &os.PathError{Op: "write", Path: op.Path, Err: d.err}
}

func (d *badDisk) spoil(err error, names string, from, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.names, d.from, d.times, d.count, d.hit = err, names, from, times, 0, 0
}

// mend makes the disk good again and returns how many operations had failed.
func (d *badDisk) mend() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = nil
	return d.hit
}

const always = 1 << 30

// faultScript is one operation of each sort; each error is kept.
type faultScript struct {
	small, large, pending, readySmall, readyLarge, unwanted []NewHalf
	putSmall, putLarge, confirm, claimSmall, claimLarge     error
	drop                                                    error
}

// script is a faultScript or the same for batches.
type script interface {
	run(s *Store)
	errs() []error
	check(t *testing.T, s *Store)
}

// batchScript is a faultScript for batches of one shape.
type batchScript struct {
	fresh, pending, ready, last, burning, unwanted NewBatch
	put, confirm, claim, claimLast, burn, drop     error
}

func prepareFaults(t *testing.T, s *Store) *faultScript {
	f := &faultScript{
		small: newHalves(t, 2, small), large: newHalves(t, 2, large/2), pending: newHalves(t, 2, small),
		readySmall: newHalves(t, 2, small), readyLarge: newHalves(t, 2, large/2), unwanted: newHalves(t, 2, small),
	}
	must(t, s.Put(alice, f.pending))
	must(t, s.Put(alice, f.unwanted))
	putReady(t, s, alice, f.readySmall)
	putReady(t, s, alice, f.readyLarge)
	return f
}

func prepareBatchFaults(t *testing.T, s *Store, shape shape) *batchScript {
	f := new(batchScript)
	for _, n := range []*NewBatch{&f.fresh, &f.pending, &f.ready, &f.last, &f.burning, &f.unwanted} {
		*n = newBatch(t, shape)
	}
	must(t, s.PutBatch(alice, f.pending))
	must(t, s.PutBatch(alice, f.unwanted))
	putBatchReady(t, s, alice, f.ready, f.last, f.burning)
	return f
}

func (f *faultScript) run(s *Store) {
	f.putSmall = s.Put(alice, f.small)
	f.putLarge = s.Put(alice, f.large)
	f.confirm = s.Confirm(alice, idsOf(f.pending))
	_, f.claimSmall = s.Claim(alice, idsOf(f.readySmall))
	_, f.claimLarge = s.Claim(alice, idsOf(f.readyLarge))
	f.drop = s.Drop(alice, idsOf(f.unwanted))
}

func (f *batchScript) run(s *Store) {
	f.put = s.PutBatch(alice, f.fresh)
	f.confirm = s.Confirm(alice, []ID{f.pending.ID})
	_, f.claim = s.ClaimRanges(alice, []RangeClaim{{f.ready.ID, faultRanges}})
	_, f.claimLast = s.ClaimRanges(alice, []RangeClaim{{f.last.ID, f.last.all()}})
	f.burn = s.Burn(alice, f.burning.ID, faultRanges)
	f.drop = s.Drop(alice, []ID{f.unwanted.ID})
}

// faultRanges are the elements that the script claims and burns.
var faultRanges = []Range{{100, 190}, {0, 10}}

func (f *faultScript) errs() []error {
	return []error{f.putSmall, f.putLarge, f.confirm, f.claimSmall, f.claimLarge, f.drop}
}

func (f *batchScript) errs() []error {
	return []error{f.put, f.confirm, f.claim, f.claimLast, f.burn, f.drop}
}

// check holds the store against what each operation said: what it acknowledged
// must be so, what failed must be so wholly or not at all.
func (f *faultScript) check(t *testing.T, s *Store) {
	t.Helper()
	list, err := s.Halves(alice)
	must(t, err)
	states := make(map[ID]State)
	for _, h := range list {
		states[h.ID] = h.State
	}
	for _, c := range []struct {
		name          string
		halves        []NewHalf
		err           error
		before, after State // 0: not there
	}{
		{"put small", f.small, f.putSmall, 0, Pending},
		{"put large", f.large, f.putLarge, 0, Pending},
		{"confirm", f.pending, f.confirm, Pending, Ready},
		{"claim small", f.readySmall, f.claimSmall, Ready, 0},
		{"claim large", f.readyLarge, f.claimLarge, Ready, 0},
		{"drop", f.unwanted, f.drop, Pending, 0},
	} {
		got := states[c.halves[0].ID]
		if got != states[c.halves[1].ID] {
			t.Fatalf("%s (%v) was done by half", c.name, c.err)
		}
		if got != c.after && (c.err == nil || got != c.before) {
			t.Fatalf("%s (%v) left %v", c.name, c.err, got)
		}
		switch {
		case got == Ready:
			mustClaim(t, s, alice, c.halves)
		case got == Pending:
			must(t, s.Confirm(alice, idsOf(c.halves)))
			mustClaim(t, s, alice, c.halves)
		case c.before == Ready:
			_, err := s.Claim(alice, idsOf(c.halves))
			wantError(t, err, ErrClaimed)
		}
	}
	halves := newHalves(t, 1, large)
	putReady(t, s, alice, halves)
	mustClaim(t, s, alice, halves)
	wantEmpty(t, s)
}

func (f *batchScript) check(t *testing.T, s *Store) {
	t.Helper()
	for _, c := range []struct {
		name          string
		batch         NewBatch
		err           error
		before, after string
	}{
		{"put", f.fresh, f.put, "gone", "pending"},
		{"confirm", f.pending, f.confirm, "pending", "ready"},
		{"claim", f.ready, f.claim, "ready", "in part"},
		{"claim the last", f.last, f.claimLast, "ready", "gone"},
		{"burn", f.burning, f.burn, "ready", "in part"},
		{"drop", f.unwanted, f.drop, "pending", "gone"},
	} {
		n, got := c.batch, "gone"
		batches, err := s.Batches(alice)
		must(t, err)
		for _, b := range batches {
			switch {
			case b.ID != n.ID:
			case len(b.Spent) == 0:
				got = b.State.String()
			case fmt.Sprint(b.Spent) == fmt.Sprint(union(faultRanges...)) && b.State == Ready:
				got = "in part"
			default:
				t.Fatalf("%s (%v) left %+v", c.name, c.err, b)
			}
		}
		if got != c.after && (c.err == nil || got != c.before) {
			t.Fatalf("%s (%v) left %s", c.name, c.err, got)
		}
		rest := n.all()
		switch got {
		case "gone":
			if c.before == "ready" {
				wantClaimError(t, s, alice, n, n.all(), ErrClaimed)
			}
			continue
		case "pending":
			must(t, s.Confirm(alice, []ID{n.ID}))
		case "in part":
			wantClaimError(t, s, alice, n, []Range{{0, 1}}, ErrClaimed)
			wantClaimError(t, s, alice, n, []Range{{189, 195}}, ErrClaimed)
			rest = subtract(rest, union(faultRanges...))
		}
		mustClaimRanges(t, s, alice, n, rest...)
		wantGone(t, s, alice, n.ID)
	}
	wantEmpty(t, s)
}

func TestNoFailingWriteEndsTheProcessOrLosesAHalf(t *testing.T) {
	scripts := map[string]func(*Store) script{
		"halves":               func(s *Store) script { return prepareFaults(t, s) },
		"batches in the index": func(s *Store) script { return prepareBatchFaults(t, s, shape{200, 100, 10}) },
		"batches in segments":  func(s *Store) script { return prepareBatchFaults(t, s, headed) },
	}
	step := 1
	if testing.Short() {
		step = 7 // odd: see below
	}
	for _, fault := range []struct {
		err   error
		times int
	}{{syscall.ENOSPC, always}, {syscall.EIO, 1}} {
		for _, names := range []string{"", ".log", ".seg", "MANIFEST", ".sst"} {
			if names != "" && fault.times != always {
				continue // among those of ""
			}
			for what, prepare := range scripts {
				t.Run(fmt.Sprintf("%s, %v %d times on %q", what, fault.err, fault.times, names), func(t *testing.T) {
					for from := 1; ; from += step {
						disk := &badDisk{}
						files := errorfs.Wrap(vfs.NewMem(), disk)
						s := openInMemory(t, "/store", WithFS(files))
						f := prepare(s)
						disk.spoil(fault.err, names, from, fault.times)
						f.run(s)
						hit := disk.mend()
						for _, err := range f.errs() {
							if err != nil && (!errors.Is(err, fault.err) || errors.Is(err, ErrDiskFull) != (fault.err == syscall.ENOSPC)) {
								t.Fatalf("operation %d: unclear error %v", from, err)
							}
						}
						if from%2 == 0 { // heal by itself, or by opening it again
							s.Close()
							s = openInMemory(t, "/store", WithFS(files))
						}
						f.check(t, s)
						must(t, s.Close())
						// Indexes that failed stay in memory, and the files with them.
						must(t, files.RemoveAll("/store"))
						if hit == 0 {
							break
						}
					}
				})
			}
		}
	}
}

func TestAFullDiskDoesNotStopWhatNeedsNoSpace(t *testing.T) {
	disk := &badDisk{}
	s := mustOpen(t, "/store", WithFS(errorfs.Wrap(vfs.NewMem(), disk)))
	f := prepareFaults(t, s)
	disk.spoil(syscall.ENOSPC, ".seg", 1, always)
	f.run(s)
	for i, err := range f.errs() {
		if (i == 1) != (err != nil) {
			t.Fatalf("operation %d: %v", i, err)
		}
	}
	wantError(t, f.putLarge, ErrDiskFull, "/store", "2 halves", "make room")
	disk.mend()
	f.check(t, s)

	// The first batch raises the version.
	n := newBatch(t, indexed)
	disk.spoil(syscall.ENOSPC, versionFile, 1, always)
	wantError(t, s.PutBatch(alice, n), ErrDiskFull, "admitting batches", "make room")
	disk.mend()
	must(t, s.PutBatch(alice, n))
	must(t, s.Drop(alice, []ID{n.ID}))

	g := prepareBatchFaults(t, s, headed)
	disk.spoil(syscall.ENOSPC, ".seg", 1, always)
	g.run(s)
	for i, err := range g.errs() {
		if (i == 0) != (err != nil) {
			t.Fatalf("operation %d: %v", i, err)
		}
	}
	wantError(t, g.put, ErrDiskFull, "/store", g.fresh.ID.String(), "make room")
	disk.mend()
	g.check(t, s)
}

// TestAFlushThatFailsDoesNotSpinAndHeals fails what Pebble does in the
// background: tables, and the MANIFEST.
func TestAFlushThatFailsDoesNotSpinAndHeals(t *testing.T) {
	for _, names := range []string{".sst", "MANIFEST"} {
		t.Run(names, func(t *testing.T) {
			disk := &badDisk{}
			s := mustOpen(t, "/store", WithFS(errorfs.Wrap(vfs.NewMem(), disk)))
			f := prepareFaults(t, s)
			disk.spoil(syscall.ENOSPC, names, 1, always)
			_, err := s.index.db.AsyncFlush()
			must(t, err)
			<-s.index.failed
			_, err = s.Claim(alice, idsOf(f.readySmall)) // opens it again, in vain
			wantError(t, err, ErrDiskFull)
			_, err = s.Halves(alice)
			wantError(t, err, ErrDiskFull)
			if hit := disk.mend(); hit > 3 {
				t.Fatalf("%d writes to the full disk for three attempts", hit)
			}
			f.run(s)
			f.check(t, s)
		})
	}
}

// TestALogThatCannotBeRotatedIsAnError comes upon an error that Pebble cannot
// survive: it would end the process.
func TestALogThatCannotBeRotatedIsAnError(t *testing.T) {
	for from := range 3 {
		disk := &badDisk{}
		s := mustOpen(t, "/store", WithFS(errorfs.Wrap(vfs.NewMem(), disk)))
		f := prepareFaults(t, s)
		disk.spoil(syscall.ENOSPC, ".log", from, always)
		// So large a batch goes to a log of its own.
		b := s.index.db.NewBatch()
		must(t, b.Set([]byte{'z'}, make([]byte, memtable), nil))
		wantError(t, s.index.apply(b), syscall.ENOSPC)
		disk.mend()
		f.run(s)
		f.check(t, s)
	}
}

func TestADiskThatFailsForEverEndsTheStore(t *testing.T) {
	disk := &badDisk{}
	s := mustOpen(t, "/store", WithFS(errorfs.Wrap(vfs.NewMem(), disk)))
	halves := newHalves(t, 1, small)
	disk.spoil(syscall.EIO, "", 1, always)
	for range maxKept {
		wantError(t, s.Put(alice, halves), syscall.EIO, "/store")
	}
	if err := s.Put(alice, halves); err == nil || !strings.Contains(err.Error(), "start this program again") {
		t.Fatalf("got %v", err)
	}
	must(t, s.Close())
}

func TestPutLeavesTheReserveFree(t *testing.T) {
	files := vfs.NewMem()
	s := mustOpen(t, "/store", WithFS(files), WithReserve(10<<20))
	ready, halves := newHalves(t, 1, large), newHalves(t, 2, large)
	putReady(t, s, alice, ready)
	files.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 12 << 20, TotalBytes: 1 << 30})
	wantError(t, s.Put(alice, halves), ErrDiskFull, "12582912 bytes are free", "10485760 of them")
	mustClaim(t, s, alice, ready)
	if names := segmentsOf(t, s); len(names) > 0 {
		t.Fatalf("segments %v are left", names)
	}
	n := newBatch(t, shape{2 << 20, 1, 0})
	wantError(t, s.PutBatch(alice, n), ErrDiskFull, "12582912 bytes are free", n.ID.String())
	files.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 13 << 20, TotalBytes: 1 << 30})
	must(t, s.Put(alice, halves))
	must(t, s.PutBatch(alice, n))
}

func TestAnUnopenableStoreSaysWhyAndLetsGo(t *testing.T) {
	for from := 1; ; from++ {
		disk := &badDisk{}
		files := errorfs.Wrap(vfs.NewMem(), disk)
		disk.spoil(syscall.ENOSPC, "", from, always)
		s, err := Open("/deep/store", WithFS(files))
		hit := disk.mend()
		if err == nil {
			must(t, s.Close())
		} else {
			wantError(t, err, ErrDiskFull, "/deep/store")
		}
		must(t, mustOpen(t, "/deep/store", WithFS(files)).Close())
		if hit == 0 {
			return
		}
	}
}

func TestAValueThatCannotBeReadNowIsNotBurnt(t *testing.T) {
	failing := false
	files := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing && op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".seg") {
			return syscall.EIO
		}
		return nil
	}))
	s := mustOpen(t, "/store", WithFS(files))
	halves := newHalves(t, 2, large)
	putReady(t, s, alice, halves)
	failing = true
	_, err := s.Claim(alice, idsOf(halves))
	wantError(t, err, syscall.EIO, halves[0].ID.String())
	failing = false
	mustClaim(t, s, alice, halves)
}

// TestMethodsMayRunTogetherOnABadDisk has several goroutines meet failures of
// each other's making.
func TestMethodsMayRunTogetherOnABadDisk(t *testing.T) {
	disk := &badDisk{}
	s := mustOpen(t, "/store", WithFS(errorfs.Wrap(vfs.NewMem(), disk)))
	var wg sync.WaitGroup
	for g := range 4 {
		p := Pair{Peer: [32]byte{byte(g)}}
		var claimed, kept []NewHalf
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 12 {
				halves := newHalves(t, 2, []int{small, large / 2}[i%2])
				disk.spoil(syscall.ENOSPC, "", 1+rng.IntN(20), 1)
				if s.Put(p, halves) != nil || s.Confirm(p, idsOf(halves)) != nil {
					continue
				}
				if _, err := s.Claim(p, idsOf(halves[:1])); err == nil {
					claimed = append(claimed, halves[0])
				}
				kept = append(kept, halves[1])
			}
			// The last failure may be the one that others have armed.
			var err error
			for range 10 {
				if err = s.Drop(p, []ID{{}}); err == nil {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
		defer func() {
			for _, h := range claimed {
				_, err := s.Claim(p, []ID{h.ID})
				wantError(t, err, ErrClaimed)
			}
			mustClaim(t, s, p, kept)
		}()
	}
	wg.Wait()
	disk.mend()
}

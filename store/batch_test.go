package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// shape says how large a batch is. Rows of 1000 bytes lie 65 to a page.
type shape struct{ n, width, head int }

var (
	indexed   = shape{200, 1000, 50}      // four pages in the index
	segmented = shape{1100, 1000, 50}     // seventeen in a segment
	headed    = shape{200, 1000, 900_000} // four in a segment, behind a long head
	shapes    = []shape{
		indexed, segmented,
		{1, 0, 0}, {1 << 28, 0, 40}, {10, 0, segmentFrom}, // all in the head
		{7, 100_000, 0}, {30, 100_000, 9}, // a page for each row
		{65536 + 3, 1, 5}, {1 << 18, 8, 5},
	}
)

func newBatch(t testing.TB, s shape) NewBatch {
	t.Helper()
	n := NewBatch{Kind: "triples", N: s.n, Head: make([]byte, s.head), Width: s.width, Rows: make([]byte, s.n*s.width)}
	rand.Read(n.ID[:])
	rand.Read(n.Digest[:])
	values := mathrand.NewChaCha8(n.Digest) // much faster than crypto/rand
	values.Read(n.Head)
	values.Read(n.Rows)
	return n
}

func (n NewBatch) all() []Range { return []Range{{0, n.N}} }

func putBatchReady(t testing.TB, s *Store, p Pair, batches ...NewBatch) {
	t.Helper()
	for _, n := range batches {
		must(t, s.PutBatch(p, n))
		must(t, s.Confirm(p, []ID{n.ID}))
	}
}

// want returns what a claim of ranges of n must bring.
func (n NewBatch) want(ranges []Range) (c Claimed) {
	for _, r := range ranges {
		c.Rows = append(c.Rows, n.Rows[r.From*n.Width:r.To*n.Width]...)
	}
	c.Head = n.Head
	return c
}

func (c Claimed) equal(d Claimed) bool {
	return bytes.Equal(c.Head, d.Head) && bytes.Equal(c.Rows, d.Rows)
}

func mustClaimRanges(t testing.TB, s *Store, p Pair, n NewBatch, ranges ...Range) {
	t.Helper()
	got, err := s.ClaimRanges(p, []RangeClaim{{n.ID, ranges}})
	must(t, err)
	if len(got) != 1 || !got[0].equal(n.want(ranges)) {
		t.Fatalf("elements %v of batch %v came back with other values", ranges, n.ID)
	}
}

func wantClaimError(t testing.TB, s *Store, p Pair, n NewBatch, ranges []Range, want error, words ...string) {
	t.Helper()
	got, err := s.ClaimRanges(p, []RangeClaim{{n.ID, ranges}})
	if got != nil {
		t.Fatal("a claim that failed returned values")
	}
	wantError(t, err, want, append(words, n.ID.String())...)
}

// spentOf returns what is spent of the batch; ok is false where it is not there.
func spentOf(t testing.TB, s *Store, p Pair, id ID) (spent []Range, ok bool) {
	t.Helper()
	batches, err := s.Batches(p)
	must(t, err)
	for _, b := range batches {
		if b.ID == id {
			return b.Spent, true
		}
	}
	return nil, false
}

func wantSpent(t testing.TB, s *Store, p Pair, id ID, want ...Range) {
	t.Helper()
	if got, ok := spentOf(t, s, p, id); !ok || !slices.Equal(got, want) {
		t.Fatalf("%v is spent of batch %v (there: %v), not %v", got, id, ok, want)
	}
}

func wantGone(t testing.TB, s *Store, p Pair, id ID) {
	t.Helper()
	if got, ok := spentOf(t, s, p, id); ok {
		t.Fatalf("batch %v is there, %v spent", id, got)
	}
}

// wantEmpty says that nothing of any batch or half is left but what became of
// ids, counters and the reservations.
func wantEmpty(t testing.TB, s *Store) {
	t.Helper()
	if names := segmentsOf(t, s); len(names) > 0 {
		t.Fatalf("segments %v are left", names)
	}
	for _, sort := range []byte{keyHalf, keyBatch, keyValue, keyPart} {
		must(t, s.index.scan([]byte{sort}, func(key, _ []byte) error {
			return fmt.Errorf("%x is left in the index", key)
		}))
	}
}

func TestABatchIsSpentByRangeTillItIsGone(t *testing.T) {
	for _, c := range shapes {
		t.Run(fmt.Sprintf("%d rows of %d and %d", c.n, c.width, c.head), func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			n := newBatch(t, c)
			must(t, s.PutBatch(alice, n))
			for _, state := range []State{Pending, Ready} {
				got, err := s.Batches(alice)
				must(t, err)
				want := Batch{n.ID, n.Digest, n.Kind, state, n.N, n.Width, nil, int64(c.head + len(n.Rows))}
				if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
					t.Fatalf("batches are %+v, not %+v", got, want)
				}
				must(t, s.Confirm(alice, []ID{n.ID}))
			}
			must(t, s.Close())
			s = mustOpen(t, dir)
			front, back := Range{0, max(1, n.N/10)}, Range{n.N * 2 / 3, n.N}
			rest := subtract(n.all(), []Range{front, back})
			mustClaimRanges(t, s, alice, n, front)
			if len(rest) == 0 { // of one element, nothing is left
				return
			}
			mustClaimRanges(t, s, alice, n, back)
			wantSpent(t, s, alice, n.ID, front, back)
			middle := (rest[0].From + rest[0].To) / 2
			left := []Range{{middle, rest[0].To}, {rest[0].From, middle}}
			must(t, s.Close())
			s = mustOpen(t, dir)
			mustClaimRanges(t, s, alice, n, left...)
			wantGone(t, s, alice, n.ID)
			wantEmpty(t, s)
			wantClaimError(t, s, alice, n, left, ErrClaimed)
			wantError(t, s.PutBatch(bob, n), ErrDuplicate, n.ID.String())
			wantError(t, s.Confirm(alice, []ID{n.ID}), ErrClaimed, n.ID.String())
			must(t, s.Burn(alice, n.ID, left))
			must(t, s.Drop(alice, []ID{n.ID}))
			wantClaimError(t, s, alice, n, left, ErrClaimed)
		})
	}
}

func TestARowIsFoundOnItsPage(t *testing.T) {
	for _, c := range []shape{indexed, segmented, {9, 70_000, 3}, {200, 30_000, 0}} {
		s := mustOpen(t, t.TempDir())
		n := newBatch(t, c)
		putBatchReady(t, s, alice, n)
		order := mathrand.Perm(n.N)
		for len(order) > 0 {
			k := min(len(order), 1+mathrand.IntN(1+n.N/5))
			var ranges []Range
			for _, i := range order[:k] {
				ranges = append(ranges, Range{i, i + 1})
			}
			mustClaimRanges(t, s, alice, n, ranges...)
			order = order[k:]
		}
		wantGone(t, s, alice, n.ID)
		wantEmpty(t, s)
	}
}

func TestClaimsOfRangesAreAllOrNothingAndSayWhy(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, c := range []shape{indexed, segmented} {
		n, pending, half := newBatch(t, c), newBatch(t, c), newHalves(t, 1, small)
		putBatchReady(t, s, alice, n)
		must(t, s.PutBatch(alice, pending))
		putReady(t, s, alice, half)
		mustClaimRanges(t, s, alice, n, Range{10, 20})
		good := newBatch(t, c)
		putBatchReady(t, s, alice, good)
		for _, bad := range []struct {
			pair   Pair
			id     ID
			ranges []Range
			want   error
		}{
			{alice, n.ID, []Range{{5, 11}}, ErrClaimed},
			{alice, n.ID, []Range{{0, 5}, {19, 20}}, ErrClaimed},
			{alice, n.ID, n.all(), ErrClaimed},
			{alice, ID{1, 2, 3}, []Range{{0, 1}}, ErrUnknown},
			{alice, pending.ID, []Range{{0, 1}}, ErrNotReady},
			{alice, half[0].ID, []Range{{0, 1}}, ErrUnknown},
			{alice, good.ID, []Range{{5, 6}}, ErrDuplicate},
			{alice, n.ID, nil, ErrRange},
			{alice, n.ID, []Range{{5, 5}}, ErrRange},
			{alice, n.ID, []Range{{7, 6}}, ErrRange},
			{alice, n.ID, []Range{{-1, 6}}, ErrRange},
			{alice, n.ID, []Range{{0, n.N + 1}}, ErrRange},
			{alice, n.ID, []Range{{0, 3}, {2, 4}}, ErrRange},
			{bob, n.ID, []Range{{0, 1}}, ErrUnknown},
		} {
			claims := []RangeClaim{{good.ID, []Range{{0, 1}}}, {bad.id, bad.ranges}}
			if bad.pair == bob {
				claims = claims[1:]
			}
			values, err := s.ClaimRanges(bad.pair, claims)
			if values != nil {
				t.Fatal("a claim that failed returned values")
			}
			wantError(t, err, bad.want, bad.id.String())
		}
		wantSpent(t, s, alice, n.ID, Range{10, 20})
		wantSpent(t, s, alice, good.ID)
		_, err := s.Claim(alice, []ID{half[0].ID, n.ID})
		wantError(t, err, ErrUnknown, n.ID.String(), "claimed by range")
		mustClaim(t, s, alice, half)

		// Several at once, in the order asked.
		values, err := s.ClaimRanges(alice, []RangeClaim{{n.ID, []Range{{20, 30}, {0, 2}}}, {good.ID, []Range{{0, 1}}}})
		must(t, err)
		if !values[0].equal(n.want([]Range{{20, 30}, {0, 2}})) || !values[1].equal(good.want([]Range{{0, 1}})) {
			t.Fatal("the values are others, or in another order")
		}
	}
	values, err := s.ClaimRanges(alice, nil)
	if must(t, err); values != nil {
		t.Fatal("values of nothing")
	}
}

func TestScatteredClaimsAreRefusedAndTheFrontStaysOpen(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	n := newBatch(t, shape{3 * MaxRanges, 4, 0})
	putBatchReady(t, s, alice, n)
	var odd []Range
	for i := range MaxRanges {
		odd = append(odd, Range{2*i + 1, 2*i + 2})
	}
	mustClaimRanges(t, s, alice, n, odd...)
	wantClaimError(t, s, alice, n, []Range{{n.N - 1, n.N}}, ErrScattered, "claim from the front")
	mustClaimRanges(t, s, alice, n, Range{0, 1}, Range{2, 3}) // joins pieces
	mustClaimRanges(t, s, alice, n, Range{n.N - 1, n.N})
	if spent, _ := spentOf(t, s, alice, n.ID); len(spent) > MaxRanges {
		t.Fatalf("%d ranges", len(spent))
	}
}

func TestBatchesAndHalvesShareOneNamespace(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	n, halves := newBatch(t, indexed), newHalves(t, 2, small)
	must(t, s.PutBatch(alice, n))
	must(t, s.Put(alice, halves))
	as := newBatch(t, segmented)
	as.ID = halves[0].ID
	wantError(t, s.PutBatch(alice, as), ErrDuplicate, as.ID.String())
	as.ID = n.ID
	wantError(t, s.PutBatch(bob, as), ErrDuplicate, as.ID.String())
	more := newHalves(t, 2, small)
	more[1].ID = n.ID
	wantError(t, s.Put(alice, more), ErrDuplicate, n.ID.String())
	wantError(t, s.Confirm(alice, []ID{halves[0].ID, n.ID, {7}}), ErrUnknown)
	wantClaimError(t, s, alice, n, n.all(), ErrNotReady)
	must(t, s.Confirm(alice, []ID{halves[0].ID, n.ID}))
	mustClaim(t, s, alice, halves[:1])
	mustClaimRanges(t, s, alice, n, Range{0, 1})
	must(t, s.Drop(bob, []ID{n.ID}))
	must(t, s.Drop(alice, []ID{halves[1].ID, n.ID, {7}}))
	wantEmpty(t, s)
}

func TestWhatIsNoBatchIsRefused(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for name, spoil := range map[string]func(*NewBatch){
		"no kind":            func(n *NewBatch) { n.Kind = "" },
		"a long kind":        func(n *NewBatch) { n.Kind = strings.Repeat("k", 201) },
		"an unprintable one": func(n *NewBatch) { n.Kind = "tri\nples" },
		"one beyond ASCII":   func(n *NewBatch) { n.Kind = "Dreier–Tupel" },
		"no element":         func(n *NewBatch) { n.N, n.Rows = 0, nil },
		"too many elements":  func(n *NewBatch) { n.N, n.Width, n.Rows = MaxElements+1, 0, nil },
		"a long head":        func(n *NewBatch) { n.Head = make([]byte, MaxHead+1) },
		"negative width":     func(n *NewBatch) { n.Width = -1 },
		"wide rows":          func(n *NewBatch) { n.N, n.Width, n.Rows = 1, MaxWidth+1, make([]byte, MaxWidth+1) },
		"rows too few":       func(n *NewBatch) { n.Rows = n.Rows[1:] },
		"rows without width": func(n *NewBatch) { n.Width = 0 },
		"too much":           func(n *NewBatch) { n.N, n.Width = MaxElements, MaxWidth },
	} {
		n := newBatch(t, indexed)
		spoil(&n)
		if err := s.PutBatch(alice, n); err == nil || !strings.Contains(err.Error(), n.ID.String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := newBatch(t, indexed)
	n.Kind = strings.Repeat("~", 200)
	must(t, s.PutBatch(alice, n))
}

func TestBurningIsIdempotentAndNeedsNothingThere(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	for _, c := range []shape{indexed, segmented} {
		n, half := newBatch(t, c), newHalves(t, 1, small)
		must(t, s.PutBatch(alice, n)) // pending ones too
		must(t, s.Put(alice, half))
		for range 2 {
			must(t, s.Burn(alice, n.ID, []Range{{50, 60}, {0, 10}, {55, 70}}))
			wantSpent(t, s, alice, n.ID, Range{0, 10}, Range{50, 70})
		}
		must(t, s.Burn(alice, n.ID, nil))
		must(t, s.Burn(bob, n.ID, n.all()))
		must(t, s.Burn(alice, ID{1}, n.all()))
		must(t, s.Burn(alice, half[0].ID, n.all()))
		wantError(t, s.Burn(alice, n.ID, []Range{{0, n.N + 1}}), ErrRange, n.ID.String())
		wantError(t, s.Burn(alice, n.ID, []Range{{3, 3}}), ErrRange)
		wantError(t, s.Burn(alice, ID{1}, []Range{{-1, 3}}), ErrRange)
		must(t, s.Close())
		s = mustOpen(t, dir)
		wantSpent(t, s, alice, n.ID, Range{0, 10}, Range{50, 70})
		must(t, s.Confirm(alice, []ID{n.ID, half[0].ID}))
		wantClaimError(t, s, alice, n, []Range{{9, 12}}, ErrClaimed)
		mustClaimRanges(t, s, alice, n, Range{10, 50})
		must(t, s.Burn(alice, n.ID, n.all()))
		must(t, s.Burn(alice, n.ID, n.all()))
		wantGone(t, s, alice, n.ID)
		wantClaimError(t, s, alice, n, []Range{{100, 101}}, ErrClaimed)
		mustClaim(t, s, alice, half)
	}
	wantEmpty(t, s)
}

// TestStoresThatBurnEachOthersSpentAgree has spent elements at two stores that
// together lie in more pieces than there may be.
func TestStoresThatBurnEachOthersSpentAgree(t *testing.T) {
	s := []*Store{mustOpen(t, t.TempDir()), mustOpen(t, t.TempDir())}
	n := newBatch(t, shape{6*MaxRanges + 10, 4, 0})
	var spent [2][]Range
	for party := range s {
		var pieces []Range
		for i := range MaxRanges - party {
			from := 6*i + 3*party
			pieces = append(pieces, Range{from, from + 1 + i%2})
		}
		putBatchReady(t, s[party], alice, n)
		mustClaimRanges(t, s[party], alice, n, pieces...)
		spent[party] = pieces
	}
	for party := range s {
		must(t, s[party].Burn(alice, n.ID, spent[1-party]))
	}
	a, _ := spentOf(t, s[0], alice, n.ID)
	b, _ := spentOf(t, s[1], alice, n.ID)
	if !slices.Equal(a, b) || len(a) != MaxRanges {
		t.Fatalf("%d and %d ranges, agreeing: %v", len(a), len(b), slices.Equal(a, b))
	}
	for _, pieces := range spent {
		if len(subtract(pieces, a)) > 0 {
			t.Fatal("something claimed is not spent")
		}
	}
}

func TestTheIDOfADroppedBatchIsFreeOnlyIfNothingWasSpent(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, c := range []shape{indexed, segmented} {
		n := newBatch(t, c)
		putBatchReady(t, s, alice, n)
		must(t, s.Drop(alice, []ID{n.ID}))
		wantClaimError(t, s, alice, n, n.all(), ErrUnknown)
		putBatchReady(t, s, alice, n)
		mustClaimRanges(t, s, alice, n, Range{0, 100})
		must(t, s.Drop(alice, []ID{n.ID}))
		wantClaimError(t, s, alice, n, []Range{{150, 151}}, ErrClaimed)
		wantError(t, s.PutBatch(alice, n), ErrDuplicate)
	}
	wantEmpty(t, s)
}

func TestPoolsCountWhatIsLeftAndWhatIsSpent(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	a, b, c := newBatch(t, indexed), newBatch(t, segmented), newBatch(t, shape{1000, 0, 32})
	c.Kind = "powers/4/52"
	putBatchReady(t, s, alice, a, c)
	must(t, s.PutBatch(alice, b))
	other := newBatch(t, shape{5, 10, 1})
	putBatchReady(t, s, bob, other)
	mustClaimRanges(t, s, alice, a, Range{0, 5}, Range{10, 15})
	mustClaimRanges(t, s, alice, c, Range{0, 999})
	must(t, s.Burn(alice, b.ID, []Range{{0, 100}}))
	must(t, s.Burn(bob, other.ID, other.all()))
	_, err := s.ClaimRanges(alice, []RangeClaim{{a.ID, []Range{{5, 10}}}, {c.ID, []Range{{999, 1000}}}})
	must(t, err)
	must(t, s.Close())
	s = mustOpen(t, dir)
	got, err := s.Pools()
	must(t, err)
	want := []Pool{
		{alice, "powers/4/52", 0, 0, 0, 1000, 0},
		{alice, "triples", 2, 185, 1000, 115, 50 + 185_000 + 50 + 1_000_000},
		{bob, "triples", 0, 0, 0, 5, 0},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("pools %v, not %v", got, want)
	}
	if entries, err := s.Inventory(); err != nil || len(entries) != 0 {
		t.Fatalf("batches are in the inventory of halves: %v %v", entries, err)
	}
}

func TestBatchesComeOldestFirstThroughReopening(t *testing.T) {
	dir := t.TempDir()
	var want []ID
	for range 3 {
		s := mustOpen(t, dir)
		for _, c := range []shape{indexed, segmented} {
			n := newBatch(t, c)
			must(t, s.PutBatch(alice, n))
			must(t, s.PutBatch(bob, newBatch(t, indexed)))
			must(t, s.Put(alice, newHalves(t, 2, small)))
			want = append(want, n.ID)
		}
		must(t, s.Confirm(alice, want[:1]))
		batches, err := s.Batches(alice)
		must(t, err)
		if got := fmt.Sprint(batchIDs(batches)); got != fmt.Sprint(want) {
			t.Fatalf("batches are %v, not %v", got, want)
		}
		must(t, s.Close())
	}
}

func batchIDs(batches []Batch) (ids []ID) {
	for _, b := range batches {
		ids = append(ids, b.ID)
	}
	return ids
}

func TestAStoreSaysThatItHoldsBatches(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	must(t, s.Put(alice, newHalves(t, 1, small)))
	version := func() string {
		text, err := readFile(vfs.Default, s.files.PathJoin(s.dir, versionFile))
		must(t, err)
		return text
	}
	if got := version(); got != formatVersion {
		t.Fatalf("a store without batches has version %q", got)
	}
	n := newBatch(t, indexed)
	must(t, s.PutBatch(alice, n))
	if got := version(); got != batchVersion {
		t.Fatalf("a store with batches has version %q", got)
	}
	must(t, s.Close())
	s = mustOpen(t, dir)
	must(t, s.PutBatch(alice, newBatch(t, indexed)))
	if halves, err := s.Halves(alice); err != nil || len(halves) != 1 {
		t.Fatalf("%v %v", halves, err)
	}
}

// TestAClaimReadsOnlyThePagesItNeeds counts bytes read of a segment.
func TestAClaimReadsOnlyThePagesItNeeds(t *testing.T) {
	var read atomic.Int64
	files := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".seg") {
			read.Add(1)
		}
		return nil
	}))
	s := mustOpen(t, "/store", WithFS(files))
	n := newBatch(t, segmented)
	putBatchReady(t, s, alice, n)
	for _, c := range []struct {
		ranges []Range
		pages  int64
	}{
		{[]Range{{0, 65}}, 1},
		{[]Range{{65, 66}, {1098, 1099}, {67, 68}, {1099, 1100}}, 2}, // each page once
		{[]Range{{129, 196}}, 3},
	} {
		read.Store(0)
		mustClaimRanges(t, s, alice, n, c.ranges...)
		if got := read.Load() - 1; got != c.pages {
			t.Errorf("for elements %v, %d pages are read, not %d", c.ranges, got, c.pages)
		}
	}
}

func TestPagesLeaveTheIndexWithTheirLastElement(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	n := newBatch(t, indexed) // rows 0 to 64, to 129, to 194, to 199
	putBatchReady(t, s, alice, n)
	for _, c := range []struct {
		Range
		left []int
	}{
		{Range{64, 66}, []int{0, 1, 2, 3, 4}},
		{Range{0, 64}, []int{0, 2, 3, 4}},
		{Range{195, 200}, []int{0, 2, 3}},
		{Range{66, 199 - 10}, []int{0, 3}},
		{Range{189, 195}, nil},
	} {
		mustClaimRanges(t, s, alice, n, c.Range)
		for part := range 5 {
			v, err := s.index.get(partKey(n.ID, part))
			must(t, err)
			if there := v != nil; there != slices.Contains(c.left, part) {
				t.Fatalf("after elements %v, part %d is there: %v", c.Range, part, there)
			}
		}
	}
}

func TestDamageBurnsWhatWasAskedAndNoMore(t *testing.T) {
	// spoilPart changes a part of the batch in place.
	spoilPart := func(t *testing.T, s *Store, id ID, part int, change func(sealed []byte)) {
		_, r, err := s.findBatch(alice, id)
		must(t, err)
		if r.segment == 0 {
			v, err := s.index.get(partKey(id, part))
			must(t, err)
			change(v)
			b := s.index.db.NewBatch()
			must(t, b.Set(partKey(id, part), v, nil))
			must(t, s.index.apply(b))
			return
		}
		b, err := os.ReadFile(s.segmentPath(r.segment))
		must(t, err)
		change(b[r.layout().offset(part):r.layout().offset(part+1)])
		must(t, os.WriteFile(s.segmentPath(r.segment), b, 0o600))
	}
	segmentOf := func(s *Store, id ID) string {
		_, r, _ := s.findBatch(alice, id)
		return s.segmentPath(r.segment)
	}
	bit := func(b []byte) { b[len(b)/2] ^= 16 }
	for name, c := range map[string]struct {
		shapes []shape
		spoil  func(t *testing.T, s *Store, n NewBatch)
		whole  bool // all is burnt
	}{
		"a bit of a page": {[]shape{indexed, segmented}, func(t *testing.T, s *Store, n NewBatch) {
			spoilPart(t, s, n.ID, 2, bit)
		}, false},
		"a page at another's place": {[]shape{indexed, segmented}, func(t *testing.T, s *Store, n NewBatch) {
			spoilPart(t, s, n.ID, 2, func(b []byte) { copy(b, sealPart(nil, n.ID, 1, n.Rows[:65*n.Width])) })
		}, false},
		"a hole": {[]shape{segmented}, func(t *testing.T, s *Store, n NewBatch) {
			spoilPart(t, s, n.ID, 2, func(b []byte) { clear(b) })
		}, false},
		"a page missing": {[]shape{indexed}, func(t *testing.T, s *Store, n NewBatch) {
			b := s.index.db.NewBatch()
			must(t, b.Delete(partKey(n.ID, 2), nil))
			must(t, s.index.apply(b))
		}, false},
		"a segment cut short": {[]shape{segmented}, func(t *testing.T, s *Store, n NewBatch) {
			must(t, os.Truncate(segmentOf(s, n.ID), 67_000))
		}, false},
		"a bit of the head": {[]shape{indexed, segmented}, func(t *testing.T, s *Store, n NewBatch) {
			spoilPart(t, s, n.ID, 0, bit)
		}, true},
		"a segment gone": {[]shape{segmented}, func(t *testing.T, s *Store, n NewBatch) {
			must(t, os.Remove(segmentOf(s, n.ID)))
		}, true},
	} {
		for _, shape := range c.shapes {
			t.Run(fmt.Sprint(name, shape), func(t *testing.T) {
				s := mustOpen(t, t.TempDir())
				n, other := newBatch(t, shape), newBatch(t, shape)
				putBatchReady(t, s, alice, n, other)
				c.spoil(t, s, n)
				values, err := s.ClaimRanges(alice, []RangeClaim{{other.ID, []Range{{0, 10}}}, {n.ID, []Range{{60, 70}, {0, 5}}}})
				if values != nil {
					t.Fatal("values came with the error")
				}
				wantError(t, err, ErrCorrupt, n.ID.String())
				if strings.Contains(err.Error(), other.ID.String()) {
					t.Fatalf("%v names a batch that is whole", err)
				}
				wantSpent(t, s, alice, other.ID)
				mustClaimRanges(t, s, alice, other, other.all()...)
				spent := 10 + 5
				if c.whole {
					wantGone(t, s, alice, n.ID)
					wantClaimError(t, s, alice, n, []Range{{5, 6}}, ErrCorrupt)
					must(t, s.Burn(alice, n.ID, n.all()))
					spent = n.N
				} else {
					wantSpent(t, s, alice, n.ID, Range{0, 5}, Range{60, 70})
					mustClaimRanges(t, s, alice, n, Range{5, 60}) // the page before
					spent += 55
				}
				pools, err := s.Pools()
				must(t, err)
				if pools[0].Spent != spent+other.N {
					t.Fatalf("%d elements are spent, not %d", pools[0].Spent, spent+other.N)
				}
				must(t, s.Drop(alice, []ID{n.ID}))
				wantError(t, s.PutBatch(alice, n), ErrDuplicate)
				wantEmpty(t, s)
			})
		}
	}
}

func TestRowsThatCannotBeReadNowAreNotBurnt(t *testing.T) {
	bad := errors.New("not now")
	failing := 0
	files := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && strings.HasSuffix(op.Path, ".seg") {
			if failing--; failing == 0 {
				return bad
			}
		}
		return nil
	}))
	s := mustOpen(t, "/store", WithFS(files))
	n := newBatch(t, segmented)
	putBatchReady(t, s, alice, n)
	for read := range 3 { // the head, a page, another
		failing = read + 1
		wantClaimError(t, s, alice, n, []Range{{0, 100}}, bad)
		wantSpent(t, s, alice, n.ID)
	}
	mustClaimRanges(t, s, alice, n, Range{0, 100})
}

func TestOneOfManyClaimsOfAnElementWins(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	for _, c := range []shape{indexed, segmented} {
		for _, alike := range []bool{true, false} {
			n := newBatch(t, c)
			putBatchReady(t, s, alice, n)
			var wg sync.WaitGroup
			var won atomic.Int32
			for i := range 8 {
				ranges := n.all()
				if !alike {
					ranges = []Range{{i, 100 + i}} // all have element 50
				}
				wg.Go(func() {
					got, err := s.ClaimRanges(alice, []RangeClaim{{n.ID, ranges}})
					switch {
					case err == nil && got[0].equal(n.want(ranges)):
						won.Add(1)
					case err == nil:
						t.Errorf("the winner of %v has other values", ranges)
					case !errors.Is(err, ErrClaimed):
						t.Errorf("a loser hears %v", err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("%d claims of the same elements won", won.Load())
			}
		}
	}
}

// TestSessionsShareABatch has goroutines claim what is left of a batch by what
// Batches says, racing each other, one of them from the back, until it is gone.
func TestSessionsShareABatch(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	n := newBatch(t, segmented)
	putBatchReady(t, s, alice, n)
	var mu sync.Mutex
	var taken []Range
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for {
				batches, err := s.Batches(alice)
				if err != nil {
					t.Error(err)
				}
				if err != nil || len(batches) == 0 {
					return
				}
				ask := batches[0].Next(30 + g)
				if left := batches[0].Unspent(); g == 0 {
					last := left[len(left)-1]
					ask = []Range{{max(last.From, last.To-30), last.To}}
				}
				got, err := s.ClaimRanges(alice, []RangeClaim{{n.ID, ask}})
				switch {
				case errors.Is(err, ErrClaimed):
				case err != nil || !got[0].equal(n.want(ask)):
					t.Errorf("claiming %v: %v", ask, err)
					return
				default:
					mu.Lock()
					taken = append(taken, ask...)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if count(taken) != n.N || !slices.Equal(union(taken...), n.all()) {
		t.Fatalf("%d of %d elements were handed out, as %v", count(taken), n.N, union(taken...))
	}
	wantEmpty(t, s)
}

func TestAClosedStoreSaysSoOfBatches(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	must(t, s.Close())
	n := newBatch(t, indexed)
	_, err1 := s.ClaimRanges(alice, []RangeClaim{{n.ID, n.all()}})
	_, err2 := s.Batches(alice)
	_, err3 := s.Pools()
	for _, err := range []error{s.PutBatch(alice, n), s.Burn(alice, n.ID, n.all()), err1, err2, err3} {
		wantError(t, err, ErrClosed, s.dir)
	}
}

func TestValuesStayOutOfPrint(t *testing.T) {
	n, half := newBatch(t, indexed), newHalves(t, 1, 64)[0]
	n.ID, half.ID = ID{1}, ID{2}
	for i := range n.Head {
		n.Head[i], n.Rows[i], half.Data[i] = 0xab, 0xab, 0xab
	}
	for _, v := range []any{n, &n, half, []NewHalf{half}, n.want([]Range{{0, 1}})} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, "abab") || strings.Contains(text, "171") || !strings.Contains(text, "redacted") {
				t.Errorf("%s prints %.200q", verb, text)
			}
		}
	}
}

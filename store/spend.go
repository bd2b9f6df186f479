package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// RangeClaim asks for elements of a batch.
type RangeClaim struct {
	ID     ID
	Ranges []Range // that do not overlap
}

// Claimed are the values of a [RangeClaim]: the batch's head, and the rows of the
// elements in the order of its ranges.
type Claimed struct{ Head, Rows []byte }

// Format keeps the values out of logs, errors and debug output, whatever the verb.
func (c Claimed) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "claimed(head of %d bytes, rows of %d, redacted)", len(c.Head), len(c.Rows))
}

// ClaimRanges is [Store.Claim] for elements of batches: in one synced write all
// that claims name become spent; then it returns their values, one for each
// claim, for the caller alone. A batch of which nothing is left is removed. It
// reads the heads and those pages (of about 64 KiB) of the rows that it needs.
//
// If any element cannot be claimed, nothing is, and the error says why:
// [ErrClaimed], [ErrUnknown], [ErrNotReady]; [ErrRange] for ranges that are
// empty, beyond the batch or overlap; [ErrScattered] where the batch's spent
// elements would make up more than [MaxRanges] ranges. Values that are damaged
// are [ErrCorrupt]: the ranges asked of that batch are burnt, all of it if its
// head is bad, and other batches stay as they are. After an error from the disk
// the elements are spent or not, and in either case unused.
func (s *Store) ClaimRanges(pair Pair, claims []RangeClaim) ([]Claimed, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	doing := fmt.Sprintf("claiming ranges of %d batches", len(claims))
	ids := make([]ID, len(claims))
	for i, c := range claims {
		ids[i] = c.ID
	}
	if err := distinct(ids); err != nil {
		return nil, fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}

	s.mu.Lock()
	if err := s.usable(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	losses, err := s.findClaimable(pair, claims)
	if err != nil {
		s.mu.Unlock()
		return nil, s.failed(doing, err)
	}
	values := make([]Claimed, len(claims))
	damage := make([]error, len(claims))
	for i := range losses {
		if l := &losses[i]; l.segment == 0 {
			values[i], damage[i] = s.collectIndexed(&l.batchRecord, claims[i].Ranges)
		}
	}
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Unlock()

	// Segments are read without mu. Whether the elements can still be claimed is
	// asked again below, before anything is made of what was read: others may
	// have claimed some meanwhile and left holes or no segment at all, and of two
	// claims that overlap, one finds elements spent.
	for i := range losses {
		if l := &losses[i]; l.segment != 0 {
			values[i], damage[i] = s.collectSegment(&l.batchRecord, claims[i].Ranges)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.revive(); err != nil {
		return nil, err
	}
	again, err := s.findClaimable(pair, claims)
	for i := range again {
		if again[i].at != losses[i].at {
			err = fmt.Errorf("batch %v: dropped and written anew at the same time: %w", ids[i], ErrUnknown)
		}
	}
	if err != nil {
		return nil, s.failed(doing, err)
	}
	var burnt []loss
	for i, d := range damage {
		if d == nil {
			continue
		}
		damage[i] = fmt.Errorf("batch %v: %w", ids[i], d)
		if errors.Is(d, ErrCorrupt) {
			again[i].burnt = errors.Is(d, errHead)
			burnt = append(burnt, again[i])
		}
	}
	if err := errors.Join(damage...); err != nil {
		if burnErr := s.spend(pair, burnt); burnErr != nil {
			err = errors.Join(err, fmt.Errorf("burning them: %w", burnErr))
		}
		return nil, s.failed(doing, err)
	}
	if err := s.spend(pair, again); err != nil {
		return nil, s.failed(doing, err)
	}
	return values, nil
}

// Burn makes elements of a batch spent that are not yet, synced, and returns
// nothing of them: so two stores agree after a crash on what is gone. Of a batch
// that the pair has not, any more or at all, there is nothing to burn, which is no
// error; ranges may overlap, and only those beyond the batch are [ErrRange].
//
// Burn never fails for [ErrScattered]: it burns the smallest gaps as well until
// the spent elements make up [MaxRanges] ranges. Two stores that each burn the
// whole of the other's [Batch.Spent] agree.
func (s *Store) Burn(pair Pair, id ID, ranges []Range) error {
	doing := fmt.Sprintf("burning ranges of batch %v", id)
	if err := checkRanges(ranges, MaxElements); err != nil {
		return fmt.Errorf("store %s: %s: %w", s.dir, doing, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	at, r, err := s.findBatch(pair, id)
	if isGone(err) {
		return nil
	}
	if err == nil {
		err = checkRanges(ranges, r.N)
	}
	if err != nil {
		return s.failed(doing, err)
	}
	after := coarsen(union(slices.Concat(r.Spent, ranges)...), MaxRanges)
	if count(after) == count(r.Spent) {
		return nil
	}
	if err := s.spend(pair, []loss{{batchRecord: r, at: at, after: after}}); err != nil {
		return s.failed(doing, err)
	}
	return nil
}

// loss is a batch that is about to lose elements.
type loss struct {
	batchRecord
	at    place
	after []Range // spent afterwards, in normal form
	burnt bool    // lose all: the head is bad
}

// findClaimable looks up batches of which all that claims name can be claimed; mu
// is held.
func (s *Store) findClaimable(pair Pair, claims []RangeClaim) ([]loss, error) {
	losses := make([]loss, len(claims))
	for i, c := range claims {
		at, r, err := s.findBatch(pair, c.ID)
		if err != nil {
			return nil, err
		}
		losses[i] = loss{batchRecord: r, at: at}
		if losses[i].after, err = r.afterClaim(c.Ranges); err != nil {
			return nil, fmt.Errorf("batch %v: %w", c.ID, err)
		}
	}
	return losses, nil
}

// afterClaim returns what is spent once ranges are, or why they cannot be.
func (r *batchRecord) afterClaim(ranges []Range) ([]Range, error) {
	if r.State != Ready {
		return nil, ErrNotReady
	}
	if len(ranges) == 0 {
		return nil, fmt.Errorf("no elements are named: %w", ErrRange)
	}
	if err := checkRanges(ranges, r.N); err != nil {
		return nil, err
	}
	asked := union(ranges...)
	if count(asked) != count(ranges) {
		return nil, fmt.Errorf("some elements are named twice: %w", ErrRange)
	}
	if gone := intersect(asked, r.Spent); len(gone) > 0 {
		return nil, fmt.Errorf("elements %v, for one: %w", gone[0], ErrClaimed)
	}
	after := union(slices.Concat(r.Spent, asked)...)
	if len(after) > MaxRanges {
		return nil, fmt.Errorf("%d pieces, more than %d: %w", len(after), MaxRanges, ErrScattered)
	}
	return after, nil
}

// spend makes elements spent in one synced write and afterwards lets go of the
// values that nothing unspent lies with; mu is held. Where it fails, it is not
// known whether they are spent.
func (s *Store) spend(pair Pair, losses []loss) error {
	if len(losses) == 0 {
		return nil
	}
	b := s.index.db.NewBatch()
	var err error
	spent := make(map[string]int)
	for i := range losses {
		l := &losses[i]
		if l.burnt {
			l.after = []Range{{0, l.N}}
		}
		spent[l.Kind] += count(l.after) - count(l.Spent)
		if l.empties() {
			became := byte(idClaimed)
			if l.burnt {
				became = idBurnt
			}
			err = errors.Join(err, removeBatch(b, l.at, l.batchRecord), b.Set(idKey(l.ID), []byte{became}, nil))
			continue
		}
		r := l.batchRecord
		r.Spent = l.after
		err = errors.Join(err, b.Set(l.at.key(keyBatch), r.encode(), nil))
		if l.segment == 0 {
			for _, parts := range l.newlyEmpty() {
				err = errors.Join(err, removeParts(b, r, parts))
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(spent)) {
		err = errors.Join(err, s.add(b, spentKey(pair, kind), spent[kind]))
	}
	if err != nil {
		return err
	}
	if err := s.index.apply(b); err != nil {
		return err
	}
	for i := range losses {
		if l := &losses[i]; l.empties() {
			s.drain(l.segment)
		} else if l.segment != 0 {
			s.punch(l)
		}
	}
	return nil
}

// empties reports that nothing will be left of the batch.
func (l *loss) empties() bool { return count(l.after) == l.N }

// newlyEmpty returns the parts on which nothing unspent will be left, and was
// before.
func (l *loss) newlyEmpty() []Range {
	return subtract(l.layout().pagesWithin(l.after), l.layout().pagesWithin(l.Spent))
}

// punch makes holes of pages with nothing unspent on them, where the system can.
// It is worth no error: the segment goes with the batch.
func (s *Store) punch(l *loss) {
	var holes []Range
	for _, parts := range l.newlyEmpty() {
		holes = append(holes, Range{int(l.layout().offset(parts.From)), int(l.layout().offset(parts.To))})
	}
	if len(holes) > 0 && vfs.Root(s.files) == vfs.Default {
		punchHoles(s.segmentPath(l.segment), holes)
	}
}

package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// layout says how a batch is cut into parts (see format.go): n rows of width
// bytes, behind head bytes.
type layout struct{ n, width, head int }

func (r *batchRecord) layout() layout { return layout{r.N, r.Width, r.head} }

// pageRows returns how many rows a page has, the last one perhaps fewer.
func (l layout) pageRows() int { return max(1, pageSize/max(1, l.width)) }

// parts returns how many parts there are, the head among them.
func (l layout) parts() int {
	if l.width == 0 {
		return 1
	}
	return 1 + (l.n+l.pageRows()-1)/l.pageRows()
}

// rows returns the rows of a part that is a page.
func (l layout) rows(part int) Range {
	from := (part - 1) * l.pageRows()
	return Range{from, min(l.n, from+l.pageRows())}
}

// page returns the part that row i is in.
func (l layout) page(i int) int { return 1 + i/l.pageRows() }

// size returns the bytes of a part, not sealed.
func (l layout) size(part int) int {
	if part == 0 {
		return l.head
	}
	rows := l.rows(part)
	return (rows.To - rows.From) * l.width
}

// offset returns where in its segment a sealed part begins; for part parts(), the
// end of the segment.
func (l layout) offset(part int) uint64 {
	offset := uint64(len(segmentHeader))
	if part > 0 {
		before := min(l.n, (part-1)*l.pageRows())
		offset += uint64(l.head) + uint64(before)*uint64(l.width) + uint64(part)*sealOverhead
	}
	return offset
}

// stored returns the bytes of all parts, sealed.
func (l layout) stored() uint64 { return l.offset(l.parts()) - uint64(len(segmentHeader)) }

// pagesWithin returns the parts of which spent, in normal form, has every row, in
// normal form.
func (l layout) pagesWithin(spent []Range) []Range {
	if l.width == 0 {
		return nil
	}
	var pages []Range
	for _, r := range spent {
		first := l.page(r.From + l.pageRows() - 1)
		end := l.page(r.To)
		if r.To == l.n {
			end = l.parts()
		}
		if first < end {
			pages = append(pages, Range{first, end})
		}
	}
	return union(pages...)
}

// errHead is wrapped by errors about a head: without it, all rows are useless.
var errHead = errors.New("its head, which all its elements need, is bad")

// fetch returns a sealed part, in the memory of buf where there is enough.
type fetch func(buf []byte, part int) ([]byte, error)

// collect returns the head and the rows of ranges, in their order. ranges do not
// overlap.
func (r *batchRecord) collect(ranges []Range, fetch fetch) (Claimed, error) {
	head, err := r.part(nil, 0, fetch)
	if err != nil {
		return Claimed{}, fmt.Errorf("%w: %w", errHead, err)
	}
	if r.Width == 0 {
		return Claimed{Head: head}, nil
	}

	// The pages are read in order, and each once: row From of a piece goes to
	// rows[at:].
	type piece struct {
		Range
		at int
	}
	pieces := make([]piece, len(ranges))
	total := 0
	for i, asked := range ranges {
		pieces[i] = piece{asked, total}
		total += (asked.To - asked.From) * r.Width
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.From, b.From) })
	rows := make([]byte, total)
	var buf, page []byte
	l, have := r.layout(), 0
	for _, p := range pieces {
		for p.From < p.To {
			if part := l.page(p.From); part != have {
				if page, err = r.part(buf, part, fetch); err != nil {
					return Claimed{}, err
				}
				buf, have = page, part
			}
			held := l.rows(have)
			to := min(p.To, held.To)
			n := copy(rows[p.at:], page[(p.From-held.From)*r.Width:(to-held.From)*r.Width])
			p.From, p.at = to, p.at+n
		}
	}
	return Claimed{Head: head, Rows: rows}, nil
}

// part returns a part, unsealed, in the memory of buf where there is enough.
func (r *batchRecord) part(buf []byte, part int, fetch fetch) ([]byte, error) {
	sealed, err := fetch(buf, part)
	if err != nil {
		return nil, err
	}
	value, err := openPart(r.ID, part, sealed)
	if err == nil && len(value) != r.layout().size(part) {
		err = fmt.Errorf("it has %d bytes, not %d", len(value), r.layout().size(part))
	}
	if err != nil {
		return nil, fmt.Errorf("part %d: %w: %w", part, ErrCorrupt, err)
	}
	return value, nil
}

// collectIndexed is collect of a batch in the index; mu is held.
func (s *Store) collectIndexed(r *batchRecord, ranges []Range) (Claimed, error) {
	return r.collect(ranges, func(_ []byte, part int) ([]byte, error) {
		sealed, err := s.index.get(partKey(r.ID, part))
		if pebble.IsCorruptionError(err) {
			err = fmt.Errorf("part %d: %w: %w", part, ErrCorrupt, err)
		}
		return sealed, err
	})
}

// collectSegment is collect of a batch in a segment.
func (s *Store) collectSegment(r *batchRecord, ranges []Range) (c Claimed, err error) {
	f, err := s.openSegment(r.segment)
	if err != nil {
		return c, fmt.Errorf("%w: %w", errHead, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	l := r.layout()
	return r.collect(ranges, func(buf []byte, part int) ([]byte, error) {
		size := l.size(part) + sealOverhead
		buf = slices.Grow(buf[:0], size)[:size]
		return buf, readAt(f, r.segment, buf, l.offset(part))
	})
}

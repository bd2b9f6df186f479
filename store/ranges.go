package store

import (
	"cmp"
	"fmt"
	"slices"
)

// Range is the elements From, From+1, …, To−1 of a batch.
type Range struct{ From, To int }

func (r Range) String() string { return fmt.Sprintf("%d to %d", r.From, r.To-1) }

// MaxRanges is how many ranges the spent elements of a batch may make up.
const MaxRanges = 1024

// A list of ranges is in normal form if they ascend, hold something each, and do
// not touch one another. Every set of elements has one such list.

// union returns the normal form of the elements in any of ranges.
func union(ranges ...Range) []Range {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	var list []Range
	for _, r := range sorted {
		if r.From >= r.To {
			continue
		}
		if n := len(list); n > 0 && r.From <= list[n-1].To {
			list[n-1].To = max(list[n-1].To, r.To)
		} else {
			list = append(list, r)
		}
	}
	return list
}

// subtract returns the elements of a that are not in b; all three lists are in
// normal form.
func subtract(a, b []Range) (list []Range) {
	for _, r := range a {
		for len(b) > 0 && b[0].To <= r.From {
			b = b[1:]
		}
		// The last that reaches into r may reach into the next as well.
		for _, hole := range b {
			if hole.From >= r.To {
				break
			}
			if r.From < hole.From {
				list = append(list, Range{r.From, hole.From})
			}
			r.From = hole.To
		}
		if r.From < r.To {
			list = append(list, r)
		}
	}
	return list
}

// intersect returns the elements that are in both a and b, all in normal form.
func intersect(a, b []Range) []Range { return subtract(a, subtract(a, b)) }

// count returns how many elements ranges hold, each as often as it is named.
func count(ranges []Range) (n int) {
	for _, r := range ranges {
		n += r.To - r.From
	}
	return n
}

// coarsen fills the smallest gaps of a list in normal form, the later of two
// alike, until it has at most limit ranges.
func coarsen(list []Range, limit int) []Range {
	if len(list) <= limit {
		return list
	}
	type gap struct{ size, after int }
	gaps := make([]gap, len(list)-1)
	for i := range gaps {
		gaps[i] = gap{list[i+1].From - list[i].To, i}
	}
	slices.SortFunc(gaps, func(a, b gap) int {
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(b.after, a.after))
	})
	filled := slices.Clone(list)
	for _, g := range gaps[:len(list)-limit] {
		filled = append(filled, Range{list[g.after].To, list[g.after+1].From})
	}
	return union(filled...)
}

// checkRanges reports a range that is empty or goes below element 0 or beyond
// element n−1.
func checkRanges(ranges []Range, n int) error {
	for _, r := range ranges {
		if r.From < 0 || r.From >= r.To || r.To > n {
			return fmt.Errorf("from %d up to %d, of %d: %w", r.From, r.To, n, ErrRange)
		}
	}
	return nil
}

package store

import (
	"slices"
	"testing"
)

// bitmap is a set of elements below 256, the reference of lists of ranges.
type bitmap [256]bool

func (m *bitmap) set(ranges []Range) *bitmap {
	for _, r := range ranges {
		for i := r.From; i < r.To; i++ {
			m[i] = true
		}
	}
	return m
}

// ranges returns the normal form.
func (m *bitmap) ranges() (list []Range) {
	for i, in := range m {
		switch n := len(list); {
		case !in:
		case n > 0 && list[n-1].To == i:
			list[n-1].To++
		default:
			list = append(list, Range{i, i + 1})
		}
	}
	return list
}

// rangesFrom reads ranges, empty ones and overlapping ones among them.
func rangesFrom(b []byte) (ranges []Range) {
	for ; len(b) >= 2; b = b[2:] {
		ranges = append(ranges, Range{int(b[0]), int(b[1])})
	}
	return ranges
}

func FuzzRangesAreSets(f *testing.F) {
	f.Add([]byte{0, 10, 5, 20, 30, 40}, []byte{10, 35}, 1)
	f.Add([]byte{1, 2, 3, 4, 5, 6, 200, 255}, []byte{0, 255}, 2)
	f.Add([]byte{20, 10}, []byte{4, 4}, 3)
	f.Add([]byte{10, 20, 30, 40, 50, 60}, []byte{5, 12, 18, 32, 35, 36}, 1)
	f.Fuzz(func(t *testing.T, aBytes, bBytes []byte, limit int) {
		a, b := rangesFrom(aBytes), rangesFrom(bBytes)
		var inA, inB, both, without bitmap
		inA.set(a)
		inB.set(b)
		for i := range inA {
			both[i], without[i] = inA[i] && inB[i], inA[i] && !inB[i]
		}
		a, b = union(a...), union(b...)
		for _, c := range []struct {
			name      string
			got, want []Range
		}{
			{"the union of one list", a, inA.ranges()},
			{"the union", union(slices.Concat(a, b)...), new(bitmap).set(a).set(b).ranges()},
			{"the difference", subtract(a, b), without.ranges()},
			{"the intersection", intersect(a, b), both.ranges()},
		} {
			if !slices.Equal(c.got, c.want) {
				t.Fatalf("%s of %v and %v is %v, not %v", c.name, a, b, c.got, c.want)
			}
		}

		limit = max(1, limit%8)
		coarse := coarsen(a, limit)
		if !slices.Equal(coarse, union(coarse...)) || len(subtract(a, coarse)) > 0 {
			t.Fatalf("%v is no coarser %v", coarse, a)
		}
		if want := min(limit, len(a)); len(coarse) != want {
			t.Fatalf("%v has %d ranges, not %d", coarse, len(coarse), want)
		}
		filled := subtract(coarse, a)
		for _, gap := range subtract(subtract([]Range{{0, 256}}, coarse), []Range{{255, 256}}) {
			for _, f := range filled {
				if gap.From > 0 && gap.To < 255 && count([]Range{f}) > count([]Range{gap}) {
					t.Fatalf("of %v the gap %v is filled, and %v is not", a, f, gap)
				}
			}
		}
	})
}

func TestNextTakesFromTheFront(t *testing.T) {
	b := Batch{N: 20, Spent: []Range{{0, 3}, {5, 6}, {18, 20}}}
	if b.Left() != 14 || !slices.Equal(b.Unspent(), []Range{{3, 5}, {6, 18}}) {
		t.Fatalf("%d are left, %v", b.Left(), b.Unspent())
	}
	for n, want := range map[int][]Range{
		-1: nil, 0: nil, 1: {{3, 4}}, 2: {{3, 5}}, 3: {{3, 5}, {6, 7}}, 14: {{3, 5}, {6, 18}}, 99: {{3, 5}, {6, 18}},
	} {
		if got := b.Next(n); !slices.Equal(got, want) {
			t.Errorf("the next %d are %v, not %v", n, got, want)
		}
	}
}

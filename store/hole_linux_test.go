package store

import (
	"bytes"
	"os"
	"syscall"
	"testing"
)

func TestSpentPagesOfASegmentBecomeHoles(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	n := newBatch(t, segmented)
	putBatchReady(t, s, alice, n)
	path := s.segmentPath(1)
	blocks := func() int64 {
		info, err := os.Stat(path)
		must(t, err)
		return info.Sys().(*syscall.Stat_t).Blocks
	}
	holds := func(row int) bool {
		b, err := os.ReadFile(path)
		must(t, err)
		return bytes.Contains(b, n.Rows[row*n.Width:(row+1)*n.Width])
	}
	before := blocks()
	mustClaimRanges(t, s, alice, n, Range{100, 300}) // pages of 65 rows: 130 to 259
	for row, want := range map[int]bool{0: true, 99: true, 100: true, 129: true, 130: false, 200: false, 259: false, 260: true, 299: true, 1099: true} {
		if holds(row) != want && want {
			t.Errorf("row %d is gone from the segment", row)
		} else if holds(row) != want {
			t.Skip("this file system makes no holes")
		}
	}
	if after := blocks(); after >= before {
		t.Errorf("the segment takes %d blocks, and took %d", after, before)
	}
	must(t, s.Burn(alice, n.ID, []Range{{90, 130}}))
	if !holds(100) || !holds(65) {
		t.Error("rows are gone with which others lie unspent")
	}
	mustClaimRanges(t, s, alice, n, Range{0, 90}) // up to 129 and what was there
	if holds(0) || holds(65) || holds(129) || !holds(260) {
		t.Error("wrong pages are holes")
	}
	mustClaimRanges(t, s, alice, n, Range{300, n.N})
	wantEmpty(t, s)
}

package party

import (
	"context"
	"testing"
	"time"

	"pascaline/link"
)

// FillQuota uses up what client may keep warm at s, for tests of refusals.
func FillQuota(s *Server, client link.PublicKey) {
	if _, err := s.warm.take(client, s.warm.each); err != nil {
		panic(err)
	}
}

func TestQuotaBoundsAllAndEach(t *testing.T) {
	a, b := link.PublicKey{1}, link.PublicKey{2}
	q := newQuota(10, 6)
	back, err := q.take(a, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.take(a, 2); err == nil {
		t.Error("a client gets more than its part")
	}
	if _, err := q.take(b, 6); err == nil {
		t.Error("all together get more than there is")
	}
	back()
	if back, err := q.take(a, 10); err != nil {
		t.Errorf("a client that holds nothing gets nothing: %v", err)
	} else {
		back()
	}
	if _, err := q.take(a, 11); err == nil {
		t.Error("a client that holds nothing gets more than there is")
	}
	if _, err := q.take(b, 6); err != nil {
		t.Errorf("what was given back is not to be had: %v", err)
	}
}

// The built-in model's bundles are small, ResNet-18's take 72 MB: a batch of as many
// as a batch may have, 74 GB.
func TestABatchOfALargeModelIsBounded(t *testing.T) {
	const mega = 1 << 20
	for _, c := range []struct {
		n, each int
		fits    bool
	}{{1, 72 * mega, true}, {50, 72 * mega, true}, {maxBatch, 72 * mega, false}, {maxBatch, mega, true}, {1, 9000 * mega, true}, {2, 9000 * mega, false}} {
		_, err := newQuota(warmMemory, warmEach).take(link.PublicKey{1}, batchMemory(c.n, c.each))
		if (err == nil) != c.fits {
			t.Errorf("a batch of %d of %d MB each: %v", c.n, c.each/mega, err)
		}
	}
}

func TestTheLargestBatchIsLetInAndOneMoreIsNot(t *testing.T) {
	for _, each := range []int{1, 5 << 20, 72 << 20, 3 << 30, 9 << 30} {
		most := largestBatch(each)
		for _, n := range []int{most, most + 1} {
			_, err := newQuota(warmMemory, warmEach).take(link.PublicKey{1}, batchMemory(n, each))
			if fits := err == nil && n <= maxBatch; fits != (n == most) {
				t.Errorf("at most %d of %d bytes each, and of %d: %v", most, each, n, err)
			}
		}
	}
}

func TestATurnstileLetsOneStreamOfAClientThrough(t *testing.T) {
	a, b := link.PublicKey{1}, link.PublicKey{2}
	s := newTurnstile("others", 2)
	leaveA, err := s.pass(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	leaveB, err := s.pass(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.pass(cancelled, a); err == nil {
		t.Error("two streams of one client are through")
	}
	passed := make(chan func())
	go func() {
		leave, err := s.pass(t.Context(), a)
		if err != nil {
			t.Error(err)
		}
		passed <- leave
	}()
	select {
	case <-passed:
		t.Error("the second stream does not wait for the first")
	case <-time.After(10 * time.Millisecond):
	}
	leaveA()
	(<-passed)()
	leaveB()
	if len(s.client) != 0 {
		t.Errorf("%d gates are kept for nobody", len(s.client))
	}
}

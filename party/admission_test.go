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
	if back, err := q.take(a, 99); err != nil {
		t.Errorf("a client that holds nothing gets nothing: %v", err)
	} else {
		back()
	}
	if _, err := q.take(b, 6); err != nil {
		t.Errorf("what was given back is not to be had: %v", err)
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

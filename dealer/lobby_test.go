package dealer

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"pascaline/correlation"
	"pascaline/link"
)

// guestOf is a request of a key's that waits under a name of its own.
func guestOf(key, peer link.PublicKey, name int, specs ...correlation.Spec) *request {
	r := &request{key: key, peer: peer, specs: specs}
	binary.LittleEndian.PutUint64(r.batch[:], uint64(name))
	return r
}

func TestRequestsMeetInEitherOrder(t *testing.T) {
	for _, first := range []int{0, 1} {
		l := newLobby()
		requests := [2]*request{guestOf(someone, other, 1, triples(3)), guestOf(other, someone, 1, triples(3))}
		requests[1].party = 1
		g, _ := l.enter(requests[first])
		if g == nil {
			t.Fatal("nobody was there, and yet they met")
		}
		_, m := l.enter(requests[1-first])
		if w := <-g.met; m.err != nil || m.batch == nil || w != m {
			t.Fatalf("%v, %v", m, w)
		}
		if m.batch.keys != [2]link.PublicKey{someone, other} {
			t.Errorf("the parties are %v", m.batch.keys)
		}
		if m.batch.roots[0] == m.batch.roots[1] {
			t.Error("both parties have the same seed")
		}
		if len(l.waiting)+len(l.of)+l.specs != 0 {
			t.Errorf("the lobby is not empty: %d, %d, %d", len(l.waiting), len(l.of), l.specs)
		}
	}
}

func TestOnlyRequestsOfThePairMeet(t *testing.T) {
	third := link.PublicKey{3}
	l := newLobby()
	for i, r := range []*request{
		guestOf(someone, other, 1, triples(3)),
		guestOf(other, third, 1, triples(3)),   // with another
		guestOf(third, someone, 1, triples(3)), // by another
		guestOf(other, someone, 2, triples(3)), // of another name
	} {
		if g, m := l.enter(r); g == nil {
			t.Errorf("request %d met another: %v", i, m.err)
		}
	}
}

func TestOnePartyDoesNotMeetItself(t *testing.T) {
	l := newLobby()
	l.enter(guestOf(someone, other, 1, triples(3)))
	g, m := l.enter(guestOf(someone, other, 1, triples(3)))
	if g != nil {
		t.Fatal("it waits twice")
	}
	mustSay(t, m.err, "on another stream already")
	if g, m := l.enter(&request{key: other, peer: someone, party: 1, batch: guestOf(someone, other, 1).batch, specs: []correlation.Spec{triples(3)}}); g != nil || m.err != nil {
		t.Errorf("the first request does not wait any more: %v", m.err)
	}
}

func TestTheLobbyIsBounded(t *testing.T) {
	l := newLobby()
	for i := range maxWaitingOne {
		if g, _ := l.enter(guestOf(someone, other, i, triples(1))); g == nil {
			t.Fatalf("request %d is refused", i)
		}
	}
	_, m := l.enter(guestOf(someone, other, maxWaitingOne, triples(1)))
	mustSay(t, m.err, "16 requests of this party wait")
	n := maxWaitingOne
	for ; n < maxWaiting; n++ {
		key := link.PublicKey{1: byte(n), 2: byte(n >> 8)}
		if g, _ := l.enter(guestOf(key, other, n, triples(1))); g == nil {
			t.Fatalf("request %d is refused", n)
		}
	}
	_, m = l.enter(guestOf(link.PublicKey{9, 9, 9}, other, n, triples(1)))
	mustSay(t, m.err, "as many requests wait at the dealer as it may hold")

	l = newLobby()
	many := slices.Repeat([]correlation.Spec{triples(1)}, maxCorrelations)
	for i := range maxWaitingAll / maxCorrelations {
		if g, _ := l.enter(guestOf(someone, other, i, many...)); g == nil {
			t.Fatalf("long request %d is refused", i)
		}
	}
	_, m = l.enter(guestOf(other, someone, 99, triples(1)))
	mustSay(t, m.err, "as many requests wait at the dealer as it may hold")
}

func TestWhoWaitsInVainIsToldForWhom(t *testing.T) {
	l := newLobby()
	_, err := l.meet(t.Context(), guestOf(someone, other, 1, triples(1)), time.Millisecond)
	mustSay(t, err, other.String(), "within 1ms", "does it use this dealer")
	if len(l.waiting)+len(l.of)+l.specs != 0 {
		t.Error("it is still waited for")
	}
}

func TestWhoLeavesTheLobbyIsNotMet(t *testing.T) {
	l := newLobby()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := l.meet(ctx, guestOf(someone, other, 1, triples(1)), time.Hour); err != gone {
		t.Errorf("%v", err)
	}
	if g, _ := l.enter(guestOf(other, someone, 1, triples(1))); g == nil {
		t.Error("it met somebody who had left")
	}
}

package dealer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pascaline/link"
	"pascaline/ring"
)

// Bounds of what waits for its other half.
const (
	maxWaiting    = 1024    // requests
	maxWaitingOne = 16      // of one party
	maxWaitingAll = 1 << 19 // correlations, in all requests: some 80 MB
)

// A lobby is where a request waits for the other party's.
type lobby struct {
	mu      sync.Mutex
	waiting map[rendezvous]*guest
	of      map[link.PublicKey]int // how many of each party's
	specs   int
}

// A rendezvous is what the two requests for a batch have in common: its name
// and the parties' keys, in their order.
type rendezvous struct {
	batch     [batchSize]byte
	low, high link.PublicKey
}

func (r *request) rendezvous() rendezvous {
	m := rendezvous{r.batch, r.key, r.peer}
	if bytes.Compare(m.low[:], m.high[:]) > 0 {
		m.low, m.high = m.high, m.low
	}
	return m
}

// A guest is a request that waits.
type guest struct {
	*request
	met chan meeting // holds what became of it
}

// A meeting is two requests that have met: a batch, or the reason why they do
// not match.
type meeting struct {
	batch *batch
	err   error
}

func newLobby() *lobby {
	return &lobby{waiting: make(map[rendezvous]*guest), of: make(map[link.PublicKey]int)}
}

// meet waits until the other party asks for the same batch, and returns it to
// both, or the same error where they do not ask for the same.
func (l *lobby) meet(ctx context.Context, r *request, patience time.Duration) (*batch, error) {
	g, m := l.enter(r)
	if g == nil {
		return m.batch, m.err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf(
		"party %s did not ask for its half within %v: is it running, and does it use this dealer?", r.peer, patience))
	defer cancel()
	select {
	case m = <-g.met:
	case <-ctx.Done():
		if l.leave(g) {
			return nil, context.Cause(ctx)
		}
		m = <-g.met // the two have met at the last moment
	}
	return m.batch, m.err
}

// enter makes r a guest, or lets it meet the guest it was waited for by.
func (l *lobby) enter(r *request) (*guest, meeting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := r.rendezvous()
	if g := l.waiting[place]; g != nil {
		if g.key == r.key {
			return nil, meeting{err: errors.New("this party waits for the same batch on another stream already")}
		}
		l.remove(place, g)
		m := match(g.request, r)
		g.met <- m
		return nil, m
	}
	switch {
	case l.of[r.key] >= maxWaitingOne:
		return nil, meeting{err: fmt.Errorf("%d requests of this party wait for their other halves already; wait for some of them first", maxWaitingOne)}
	case len(l.waiting) >= maxWaiting || l.specs+len(r.specs) > maxWaitingAll:
		return nil, meeting{err: errors.New("as many requests wait at the dealer as it may hold; try again later")}
	}
	g := &guest{request: r, met: make(chan meeting, 1)}
	l.waiting[place] = g
	l.of[r.key]++
	l.specs += len(r.specs)
	return g, meeting{}
}

// leave takes g away, and reports whether it was still waiting.
func (l *lobby) leave(g *guest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := g.rendezvous()
	if l.waiting[place] != g {
		return false
	}
	l.remove(place, g)
	return true
}

func (l *lobby) remove(place rendezvous, g *guest) {
	delete(l.waiting, place)
	l.specs -= len(g.specs)
	if l.of[g.key]--; l.of[g.key] == 0 {
		delete(l.of, g.key)
	}
}

// match makes a batch of two requests.
func match(a, b *request) meeting {
	if a.party == 1 {
		a, b = b, a
	}
	if text := difference(a, b); text != "" {
		return meeting{err: fmt.Errorf("the two parties do not ask for the same: %s", text)}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	return meeting{batch: &batch{
		name: a.batch, specs: a.specs, keys: [2]link.PublicKey{a.key, b.key},
		roots: [2]ring.Seed{ring.NewSeed(), ring.NewSeed()}, blind: a.blind,
		failed: ctx, fail: cancel, dealt: make(chan struct{}),
	}}
}

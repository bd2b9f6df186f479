package party

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"pascaline/link"
)

// quota bounds what waits in memory, over all clients and for each.
type quota struct {
	total, each int64 // bytes

	mu   sync.Mutex
	used int64
	by   map[link.PublicKey]int64
}

func newQuota(total, each int64) *quota {
	return &quota{total: total, each: each, by: make(map[link.PublicKey]int64)}
}

// take sets n bytes aside for a client, or fails at once; a client that holds
// nothing gets what it asks for if there is so much, though it be more than its
// part. The caller calls giveBack in the end.
func (q *quota) take(client link.PublicKey, n int64) (giveBack func(), err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case n > q.total:
		return nil, errors.New("that takes more memory than the server has for claimed bundles; nothing was claimed: infer in smaller batches")
	case q.by[client] > 0 && q.by[client]+n > q.each:
		return nil, errors.New("the server keeps no more claimed bundles of one client in memory; nothing was claimed: infer in smaller batches, or finish others first")
	case q.used+n > q.total:
		return nil, errors.New("the server keeps as many claimed bundles in memory as it may; nothing was claimed: try again later")
	}
	q.used += n
	q.by[client] += n
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.used -= n
		if q.by[client] -= n; q.by[client] == 0 {
			delete(q.by, client)
		}
	}, nil
}

// turnstile lets one stream of each client through at a time, and a number of
// all clients'.
type turnstile struct {
	what string
	all  *semaphore.Weighted

	mu     sync.Mutex
	client map[link.PublicKey]*gate
}

// gate is the turnstile of one client, kept while anybody needs it.
type gate struct {
	free  chan struct{} // holds a token while nobody is through
	users int
}

func newTurnstile(what string, n int64) *turnstile {
	return &turnstile{what: what, all: semaphore.NewWeighted(n), client: make(map[link.PublicKey]*gate)}
}

// patience bounds the wait at a turnstile. A client that was cut off and is
// back finds its old stream through until the server has noticed.
const patience = 15 * time.Second

// pass waits for the client's turn. The caller calls leave in the end.
func (t *turnstile) pass(ctx context.Context, client link.PublicKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		fmt.Errorf("the server is busy with %s; try again later", t.what))
	defer cancel()
	g := t.join(client)
	select {
	case <-g.free:
	case <-ctx.Done():
		t.part(client, g)
		return nil, context.Cause(ctx)
	}
	if t.all.Acquire(ctx, 1) != nil {
		g.free <- struct{}{}
		t.part(client, g)
		return nil, context.Cause(ctx)
	}
	return func() {
		t.all.Release(1)
		g.free <- struct{}{}
		t.part(client, g)
	}, nil
}

func (t *turnstile) join(client link.PublicKey) *gate {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.client[client]
	if g == nil {
		g = &gate{free: make(chan struct{}, 1)}
		g.free <- struct{}{}
		t.client[client] = g
	}
	g.users++
	return g
}

func (t *turnstile) part(client link.PublicKey, g *gate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(t.client, client)
	}
}

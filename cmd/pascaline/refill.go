package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"pascaline/offline"
	"pascaline/party"
)

// refill keeps bundles ready by producing beside the inferences.
type refill struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu   sync.Mutex
	made chan struct{} // closed and replaced whenever a run has ended
	err  error
}

// errNoRefill is what next returns where nothing is being produced.
var errNoRefill = errors.New("nothing is being produced")

// startRefill keeps n bundles ready, which must be enough for a batch, made by backend, until
// stop; with n = 0 it does nothing. It produces a group at a time, so that what
// is made can be used at once.
func startRefill(ctx context.Context, c *party.Client, n, group int, backend offline.Backend) *refill {
	r := &refill{ended: make(chan struct{}), made: make(chan struct{}), cancel: func() {}}
	if n == 0 {
		r.err = errNoRefill
		close(r.ended)
		return r
	}
	ctx, r.cancel = context.WithCancel(ctx)
	go func() {
		defer close(r.ended)
		for ctx.Err() == nil {
			ready, err := c.Ready()
			if err == nil && ready >= n {
				c.AwaitClaim(ctx)
				continue
			}
			if err == nil {
				_, err = c.Produce(ctx, min(n, ready+group), backend, nil)
			}
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "pascaline: producing beside the inferences has stopped:", err)
			}
			r.announce(err)
			if err != nil {
				return
			}
		}
	}()
	return r
}

// announce wakes those that wait for bundles.
func (r *refill) announce(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	close(r.made)
	r.made = make(chan struct{})
}

// next returns a channel that is closed when more bundles have been made, or an
// error if none will be. Take it before looking whether there are enough.
func (r *refill) next() (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made, r.err
}

// warm claims n bundles, waiting for production where there are too few.
func (r *refill) warm(ctx context.Context, c *party.Client, n int) (*party.Batch, error) {
	for {
		made, failed := r.next()
		b, err := c.Warm(ctx, n)
		if failed != nil || !errors.Is(err, party.ErrEmpty) {
			return b, err
		}
		select {
		case <-made:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stop ends production; a group in the making is lost.
func (r *refill) stop() {
	r.cancel()
	<-r.ended
}

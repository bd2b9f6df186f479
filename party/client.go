package party

import (
	"context"
	"fmt"
	"sync"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/model"
	"pascaline/store"
)

// Client is party 1: it holds the inputs. It is safe for concurrent use; one
// process should hold one client for each server and store.
type Client struct {
	conn  *link.Conn
	plan  *model.Plan
	hash  [32]byte
	spec  *correlation.BundleSpec
	store *store.Store
	pair  store.Pair

	// claims serialises choosing bundles and claiming them, so that two batches
	// do not choose the same.
	claims sync.Mutex
	// claimed holds a token if bundles were claimed since AwaitClaim last
	// returned.
	claimed chan struct{}
}

// Meeting is what came of comparing the two stores.
type Meeting struct {
	Ready   int // bundles that both parties hold
	Dropped int // halves of the client's whose twin was missing
}

// NewClient meets the server at the other end of conn, which must have the
// given key and serve the given plan: the stores are compared, and halves
// without a twin dropped. It must not run beside another client's production
// into the same store.
func NewClient(ctx context.Context, conn *link.Conn, server link.PublicKey, plan *model.Plan, st *store.Store) (*Client, Meeting, error) {
	c := &Client{
		conn:  conn,
		plan:  plan,
		hash:  plan.Hash(),
		spec:  plan.Bundle(),
		store: st,

		claimed: make(chan struct{}, 1),
	}
	c.pair = store.Pair{Peer: server, Plan: c.hash}
	m, err := c.meet(ctx)
	if err != nil {
		return nil, Meeting{}, fmt.Errorf("meeting the server: %w", err)
	}
	return c, m, nil
}

// open opens a stream for one purpose.
func (c *Client) open(ctx context.Context, purpose api.Purpose) (*link.Stream, error) {
	s, err := c.conn.Open(ctx)
	if err != nil {
		return nil, err
	}
	hello := &api.Hello{Version: protocolVersion, Purpose: purpose, Plan: c.hash[:]}
	if err := api.Send(ctx, s, api.Kind_HELLO, hello); err != nil {
		s.Close()
		return nil, err
	}
	var welcome api.Welcome
	if err := api.Receive(ctx, s, api.Kind_WELCOME, helloLimit, &welcome); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// meet compares the stores.
func (c *Client) meet(ctx context.Context) (Meeting, error) {
	halves, err := c.store.Halves(c.pair)
	if err != nil {
		return Meeting{}, err
	}
	if len(halves) > maxHalves {
		return Meeting{}, fmt.Errorf("the store holds %d bundles; at most %d can be compared", len(halves), maxHalves)
	}
	list := &api.Meeting{}
	for _, h := range halves {
		list.Halves = append(list.Halves, &api.Half{Id: h.ID[:], Digest: h.Digest[:]})
	}
	s, err := c.open(ctx, api.Purpose_PURPOSE_MEET)
	if err != nil {
		return Meeting{}, err
	}
	defer s.Close()
	if err := api.Send(ctx, s, api.Kind_MEETING, list); err != nil {
		return Meeting{}, err
	}
	var reply api.MeetingReply
	if err := api.Receive(ctx, s, api.Kind_MEETING_REPLY, maxHalves*halfBytes, &reply); err != nil {
		return Meeting{}, err
	}
	twins, err := decodeIDs(reply.Twins, len(halves))
	if err != nil {
		return Meeting{}, err
	}
	isTwin := make(map[store.ID]bool, len(twins))
	for _, id := range twins {
		isTwin[id] = true
	}
	var ready, orphans []store.ID
	for _, h := range halves {
		if isTwin[h.ID] {
			ready = append(ready, h.ID)
		} else {
			orphans = append(orphans, h.ID)
		}
	}
	if len(ready) != len(twins) {
		return Meeting{}, fmt.Errorf("the server names %d twins that this store does not hold", len(twins)-len(ready))
	}
	if err := c.store.Drop(c.pair, orphans); err != nil {
		return Meeting{}, err
	}
	if err := c.store.Confirm(c.pair, ready); err != nil {
		return Meeting{}, err
	}
	return Meeting{Ready: len(ready), Dropped: len(orphans)}, nil
}

// ready returns the ids of the ready bundles, oldest first.
func (c *Client) ready() ([]store.ID, error) {
	halves, err := c.store.Halves(c.pair)
	if err != nil {
		return nil, err
	}
	var ids []store.ID
	for _, h := range halves {
		if h.State == store.Ready {
			ids = append(ids, h.ID)
		}
	}
	return ids, nil
}

// Ready returns how many bundles are ready.
func (c *Client) Ready() (int, error) {
	ids, err := c.ready()
	return len(ids), err
}

// AwaitClaim returns when bundles have been claimed since it last returned, or
// with ctx's error. One goroutine at a time may wait: whoever keeps the store
// filled.
func (c *Client) AwaitClaim(ctx context.Context) error {
	select {
	case <-c.claimed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

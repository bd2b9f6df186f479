package party

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/model"
	"pascaline/online"
	"pascaline/store"
)

// Client is party 1: it holds the inputs. It is safe for concurrent use; one
// process should hold one client for each server and store.
type Client struct {
	conn  *link.Conn
	plan  *model.Plan
	hash  [32]byte // zero without a plan
	spec  *correlation.BundleSpec
	store *store.Store
	pair  store.Pair

	circuit *online.Circuit // of the plan

	inferences *precedence // over production

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
	// Batches counts the batches of pools that both hold, DroppedBatches those of
	// the client's that were dropped.
	Batches, DroppedBatches int
	// Elsewhere counts bundles in this client's store that were made with
	// another store of the same server, and AtServer those that the server holds
	// for another store of this client. They can be used with those stores only.
	Elsewhere, AtServer int
}

// NewClient meets the server at the other end of conn, which must have the
// given key and serve the given plan, nil for pools alone: what the two stores
// made with each other is compared, and halves without a twin are dropped. It
// must not run beside another client's production into the same store.
func NewClient(ctx context.Context, conn *link.Conn, server link.PublicKey, plan *model.Plan, st *store.Store) (*Client, Meeting, error) {
	c := &Client{
		conn:  conn,
		plan:  plan,
		store: st,

		inferences: newPrecedence(),

		claimed: make(chan struct{}, 1),
	}
	if plan != nil {
		c.hash, c.spec = plan.Hash(), plan.Bundle()
		var err error
		if c.circuit, err = online.NewCircuit(plan, nil); err != nil {
			return nil, Meeting{}, err
		}
	}
	c.pair = store.Pair{Peer: server, Plan: c.hash}
	m, err := c.meet(ctx)
	if err != nil {
		return nil, Meeting{}, fmt.Errorf("meeting the server: %w", err)
	}
	return c, m, nil
}

// open opens a stream with what hello says of its purpose.
func (c *Client) open(ctx context.Context, hello *api.Hello) (*link.Stream, error) {
	s, err := c.conn.Open(ctx)
	if err != nil {
		return nil, err
	}
	twin, err := c.greet(ctx, s, hello)
	if err == nil && hello.Purpose != api.Purpose_PURPOSE_MEET && twin != c.pair.Twin {
		err = errors.New("the server has opened another store since the two met; connect again")
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	if hello.Purpose == api.Purpose_PURPOSE_MEET {
		c.pair.Twin = twin
	}
	return s, nil
}

// greet exchanges the first messages of a stream and returns the id of the
// server's store.
func (c *Client) greet(ctx context.Context, s *link.Stream, hello *api.Hello) (store.ID, error) {
	id := c.store.ID()
	hello.Version, hello.Store = protocolVersion, id[:]
	if c.plan != nil {
		hello.Plan = c.hash[:]
	}
	if err := api.Send(ctx, s, api.Kind_HELLO, hello); err != nil {
		return store.ID{}, err
	}
	var welcome api.Welcome
	if err := api.Receive(ctx, s, api.Kind_WELCOME, helloLimit, &welcome); err != nil {
		return store.ID{}, err
	}
	return decodeStore(welcome.Store)
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

package party

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"pascaline/api"
	"pascaline/link"
	"pascaline/model"
	"pascaline/online"
	"pascaline/ring"
)

// SharedClient holds inputs for a model that is shared between two servers, and
// only its plan. It is for one goroutine at a time.
type SharedClient struct {
	plan    *model.Plan
	batch   int
	conns   [2]*link.Conn
	streams [2]*link.Stream
}

// SharedInference is what a batch cost.
type SharedInference struct {
	Latency time.Duration
	// Rounds is how often each server waited for the other, and Exchanged what
	// both sent each other in them, in bytes without framing.
	Rounds    int
	Exchanged int64
	Traffic   [2]link.Traffic // of the client with each server, on the wire
}

// NewSharedClient opens a stream with each of the two servers at the other ends of
// conns, for batches of at most so many inferences.
func NewSharedClient(ctx context.Context, conns [2]*link.Conn, plan *model.Plan, batch int) (*SharedClient, error) {
	if err := checkServers(conns); err != nil {
		return nil, err
	}
	if batch < 1 || batch > maxBatch {
		return nil, fmt.Errorf("a batch of %d inferences; it must have from 1 to %d", batch, maxBatch)
	}
	c := &SharedClient{plan: plan, batch: batch, conns: conns}
	hash := plan.Hash()
	for i, conn := range conns {
		var err error
		if c.streams[i], err = openShared(ctx, conn, &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: uint32(batch)}); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close ends the streams.
func (c *SharedClient) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	for _, s := range c.streams {
		if s != nil {
			s.End(ctx) // in agreement, unless it has failed
			s.Close()
		}
	}
}

// closeTime bounds how long the servers may take to agree that a stream is over.
const closeTime = 2 * time.Second

// Infer evaluates inputs ([model.Plan.EncodeInput]) together. Each server gets a
// share of them and returns a share of the outputs: neither learns either. After
// an error the client is of no more use.
func (c *SharedClient) Infer(ctx context.Context, inputs [][]uint64) (outputs [][]uint64, run SharedInference, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("inferring with a shared model: %w", err)
		}
	}()
	if len(inputs) < 1 || len(inputs) > c.batch {
		return nil, run, fmt.Errorf("%d inputs; the client was opened for 1 to %d", len(inputs), c.batch)
	}
	for i, x := range inputs {
		if len(x) != inputWords(c.plan) {
			return nil, run, fmt.Errorf("input %d has %d elements; the plan takes %d", i, len(x), inputWords(c.plan))
		}
	}
	began := time.Now()
	before := [2]link.Traffic{c.conns[0].Traffic(), c.conns[1].Traffic()}
	var id sharedID
	rand.Read(id[:])
	var parts [2]online.Dealt
	parts[0], parts[1] = online.Deal(slices.Concat(inputs...))
	var replies [2]*api.SharedOutput
	var shares [2][]uint64
	size := outputWords(c.plan)
	group, ctx := errgroup.WithContext(ctx)
	for i := range parts {
		group.Go(func() (err error) {
			replies[i], shares[i], err = c.ask(ctx, i, id, parts[i], len(inputs))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, run, err
	}
	ring.Add(shares[0], shares[0], shares[1])
	run = SharedInference{
		Latency:   time.Since(began),
		Rounds:    int(replies[0].Rounds),
		Exchanged: int64(replies[0].SentBytes + replies[1].SentBytes),
	}
	for i, conn := range c.conns {
		run.Traffic[i] = conn.Traffic().Sub(before[i])
	}
	return slices.Collect(slices.Chunk(shares[0], size)), run, nil
}

// ask sends one server its part and returns its share of the outputs.
func (c *SharedClient) ask(ctx context.Context, server int, id sharedID, part online.Dealt, n int) (*api.SharedOutput, []uint64, error) {
	stream := c.streams[server]
	share, err := part.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	ask := &api.SharedInput{Request: id[:], Inferences: uint32(n), Share: share}
	if err := api.Send(ctx, stream, api.Kind_SHARES, ask); err != nil {
		return nil, nil, err
	}
	words := n * outputWords(c.plan)
	var reply api.SharedOutput
	if err := api.Receive(ctx, stream, api.Kind_SHARES_REPLY, 8*words+overhead, &reply); err != nil {
		return nil, nil, err
	}
	out, err := online.UnmarshalDealt(words, reply.Share)
	if err == nil && out.Words == nil {
		err = fmt.Errorf("a seed where a share of %d outputs is due", words)
	}
	return &reply, out.Words, err
}

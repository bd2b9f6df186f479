package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/model"
)

// Client is party 1's side of a production run. It is not safe for concurrent
// use.
type Client struct {
	side
	backend Backend
	failed  error

	// Progress, where not nil, is told while a group is made how much of it is
	// there, from 0 to 1.
	Progress func(fraction float64)
	// stage and stages say which of the backend's answers of a group is due.
	stage, stages int
}

// errBroken is wrapped by what a run returns after it has failed once.
var errBroken = errors.New("this production run has failed and cannot go on; start another")

// NewClient opens a run of a backend for bundles of a plan and batches of pools,
// or with a nil plan for batches alone.
func NewClient(ctx context.Context, conn api.Conn, plan *model.Plan, backend Backend) (*Client, error) {
	c := &Client{side: side{party: 1, conn: newTranscript(conn), plan: plan}, backend: backend}
	if err := c.begin(ctx); err != nil {
		return nil, fmt.Errorf("opening a production run: %w", err)
	}
	return c, nil
}

func (c *Client) begin(ctx context.Context) error {
	ask := &api.Produce{Backend: c.backend.Name, Version: c.backend.Version}
	if err := api.Send(ctx, c.conn, api.Kind_PRODUCE, ask); err != nil {
		return err
	}
	if err := api.Receive(ctx, c.conn, api.Kind_PRODUCE_REPLY, controlLimit, &api.ProduceReply{}); err != nil {
		return err
	}
	return c.open(ctx, c.backend, nil, c.progress)
}

// progress passes on what the backend tells of one of its answers.
func (c *Client) progress(fraction float64) {
	if c.Progress != nil && c.stages > 0 {
		c.Progress(min(1, (float64(c.stage)+fraction)/float64(c.stages)))
	}
}

// Group makes n bundles, 1 ≤ n ≤ [GroupSize]. They are not ready: the caller
// writes its halves durably and then calls Commit.
func (c *Client) Group(ctx context.Context, n int) (*Group, error) {
	if c.plan == nil {
		return nil, errors.New("making bundles in a run without a plan")
	}
	g, err := c.make(ctx, &api.Group{Bundles: uint32(n)}, func(g *Group, mine, theirs []byte) error {
		c.draw(g, n, mine, theirs)
		return c.bundles(ctx, g.Bundles)
	})
	if err != nil {
		return nil, fmt.Errorf("making %d bundles: %w", n, err)
	}
	return g, nil
}

// Batch makes one batch of a pool, of at most [BatchSize] elements. It is not
// ready: the caller writes its half durably and then calls Commit.
func (c *Client) Batch(ctx context.Context, spec correlation.Spec) (*Group, error) {
	if err := c.checkBatch(spec, c.backend); err != nil {
		return nil, err
	}
	encoded, err := spec.MarshalBinary()
	if err != nil {
		return nil, err
	}
	c.stage, c.stages = 0, 1
	g, err := c.make(ctx, &api.Group{Spec: encoded}, func(g *Group, mine, theirs []byte) error {
		return c.batch(ctx, g, spec, mine, theirs)
	})
	if err != nil {
		return nil, fmt.Errorf("making %d of %s: %w", spec.N, spec.Pool(), err)
	}
	return g, nil
}

// make asks for a group and has it filled, given both parties' nonces.
func (c *Client) make(ctx context.Context, ask *api.Group, fill func(g *Group, mine, theirs []byte) error) (g *Group, err error) {
	if c.failed != nil {
		return nil, c.failed
	}
	defer func() {
		if err != nil {
			c.failed = errBroken
		}
	}()
	c.conn = newTranscript(c.conn.Conn)
	ask.Nonce = newNonce()
	if err := api.Send(ctx, c.conn, api.Kind_GROUP, ask); err != nil {
		return nil, err
	}
	var reply api.GroupReply
	if err := api.Receive(ctx, c.conn, api.Kind_GROUP_REPLY, controlLimit, &reply); err != nil {
		return nil, err
	}
	if len(reply.Nonce) != nonceSize {
		return nil, fmt.Errorf("the server's nonce has %d bytes, not %d", len(reply.Nonce), nonceSize)
	}
	c.conn.bind(ask.Nonce, reply.Nonce)
	g = &Group{}
	if err := fill(g, ask.Nonce, reply.Nonce); err != nil {
		return nil, err
	}
	g.Digest = transcriptDigest(c.planHash(), c.conn.sent, c.conn.received)
	return g, nil
}

// bundles makes the client's halves of bundles.
func (c *Client) bundles(ctx context.Context, bundles []*correlation.Bundle) error {
	levels := linearLevels(c.plan)
	c.stage, c.stages = 0, 1+len(levels)
	if err := c.powers(ctx, bundles); err != nil {
		return err
	}
	w := newWalk(c.plan, bundles)
	for _, level := range levels {
		c.stage++
		if err := c.linear(ctx, w, level); err != nil {
			return fmt.Errorf("linear layers: %w", err)
		}
	}
	return w.bind(ctx, c.conn)
}

// linear makes the client's shares of one level of linear layers, in each of
// bundle after bundle.
func (c *Client) linear(ctx context.Context, w *walk, level []int) error {
	var requests []correlation.Request
	for _, node := range level {
		r := w.resolve(c.plan.Nodes[node].Inputs[0])
		for k := range w.bundles {
			requests = append(requests, correlation.Request{Spec: c.spec.Linear[w.layer[node]], Input: r[k]})
		}
	}
	halves, err := c.generate(ctx, requests)
	if err != nil {
		return err
	}
	for i, node := range level {
		for k := range w.bundles {
			w.shares[node] = append(w.shares[node], halves[i*len(w.bundles)+k].Y())
		}
	}
	return nil
}

// Commit tells the server that the client's halves of g are written and synced,
// and returns once the server has said the same of its own. Where it fails, the
// group may be ready at the server or not: the next meeting of the two stores
// settles it.
func (c *Client) Commit(ctx context.Context, g *Group) error {
	if c.failed != nil {
		return c.failed
	}
	err := c.commit(ctx, g)
	if err != nil {
		c.failed = errBroken
		return fmt.Errorf("committing what was made: %w", err)
	}
	return nil
}

func (c *Client) commit(ctx context.Context, g *Group) error {
	if err := api.Send(ctx, c.conn.Conn, api.Kind_COMMIT, &api.Commit{Digest: g.Digest[:]}); err != nil {
		return err
	}
	var reply api.CommitReply
	if err := api.Receive(ctx, c.conn.Conn, api.Kind_COMMIT_REPLY, controlLimit, &reply); err != nil {
		return err
	}
	if !bytes.Equal(reply.Digest, g.Digest[:]) {
		return errTranscripts
	}
	return nil
}

// errTranscripts means that the two parties did not see the same messages.
var errTranscripts = errors.New("the two parties' transcripts differ, the group is thrown away; if it happens again, compare the versions of pascaline on both sides")

// Finish ends the run and returns the processor seconds it cost the server.
func (c *Client) Finish(ctx context.Context) (serverCPU float64, err error) {
	if c.failed != nil {
		return 0, c.failed
	}
	c.failed = errBroken
	if err := api.Send(ctx, c.conn.Conn, api.Kind_GROUP, &api.Group{}); err != nil {
		return 0, fmt.Errorf("ending the production run: %w", err)
	}
	var stats api.Stats
	if err := api.Receive(ctx, c.conn.Conn, api.Kind_PRODUCE_STATS, controlLimit, &stats); err != nil {
		return 0, fmt.Errorf("ending the production run: %w", err)
	}
	return stats.CpuSeconds, nil
}

// CPU returns the processor seconds that this party's backend has used in another
// process.
func (c *Client) CPU() float64 { return c.cpu() }

// Close ends the backend's run, in whatever state.
func (c *Client) Close() error { return c.generator.Close() }

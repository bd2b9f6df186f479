package offline

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

const nonceSize = 16

// Client is party 1's side of a production run. It is not safe for concurrent
// use.
type Client struct {
	conn    api.Conn
	plan    *model.Plan
	spec    *correlation.BundleSpec
	classes []class
	powers  []*PowersEncryptor // by class
	linear  *LinearEncryptor
	failed  error

	// Progress, where not nil, is told while a group is made how much of it is
	// there, from 0 to 1.
	Progress func(fraction float64)
}

// errBroken is wrapped by what a run returns after it has failed once.
var errBroken = errors.New("this production run has failed and cannot go on; start another")

// NewClient opens a run with fresh keys.
func NewClient(ctx context.Context, conn api.Conn, plan *model.Plan) (*Client, error) {
	c := &Client{conn: conn, plan: plan, spec: plan.Bundle()}
	c.classes = classes(c.spec)
	hello := &api.Produce{}
	for _, cl := range c.classes {
		e, err := NewPowersEncryptor(cl.degree, cl.maskBits)
		if err != nil {
			return nil, fmt.Errorf("making keys for powers of degree %d: %w", cl.degree, err)
		}
		c.powers = append(c.powers, e)
		hello.PowersKeys = append(hello.PowersKeys, e.PublicKey())
	}
	var err error
	if c.linear, err = NewLinearEncryptor(); err != nil {
		return nil, fmt.Errorf("making keys for linear correlations: %w", err)
	}
	hello.LinearKey = c.linear.PublicKey()
	if err := api.Send(ctx, conn, api.Kind_PRODUCE, hello); err != nil {
		return nil, fmt.Errorf("opening a production run: %w", err)
	}
	if err := api.Receive(ctx, conn, api.Kind_PRODUCE_REPLY, controlLimit, &api.ProduceReply{}); err != nil {
		return nil, fmt.Errorf("opening a production run: %w", err)
	}
	return c, nil
}

// Group makes n bundles, 1 ≤ n ≤ [GroupSize]. They are not ready: the caller
// writes its halves durably and then calls Commit.
func (c *Client) Group(ctx context.Context, n int) (*Group, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	g, err := c.group(ctx, n)
	if err != nil {
		c.failed = errBroken
		return nil, fmt.Errorf("making %d bundles: %w", n, err)
	}
	return g, nil
}

func (c *Client) group(ctx context.Context, n int) (*Group, error) {
	t := newTranscript(c.conn)
	if c.Progress != nil {
		expected, err := c.replyBytes(n)
		if err != nil {
			return nil, err
		}
		received := 0
		t.onReceive = func(bytes int) {
			received += bytes
			c.Progress(min(1, float64(received)/float64(expected)))
		}
	}
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	if err := api.Send(ctx, t, api.Kind_GROUP, &api.Group{Bundles: uint32(n), Nonce: nonce[:]}); err != nil {
		return nil, err
	}
	var reply api.GroupReply
	if err := api.Receive(ctx, t, api.Kind_GROUP_REPLY, controlLimit, &reply); err != nil {
		return nil, err
	}
	if len(reply.Nonce) != nonceSize {
		return nil, fmt.Errorf("the server's nonce has %d bytes, not %d", len(reply.Nonce), nonceSize)
	}
	g := &Group{}
	for i := range n {
		g.IDs = append(g.IDs, bundleID(c.spec.Plan, nonce[:], reply.Nonce, i))
		g.Bundles = append(g.Bundles, &correlation.Bundle{
			Spec:    c.spec,
			Party:   1,
			Seed:    ring.NewSeed(),
			Shares:  make([][]ring.Vec128, len(c.spec.Activations)),
			Opening: make([][]uint64, len(c.spec.Activations)),
		})
	}
	if err := c.correlate(ctx, t, g.Bundles); err != nil {
		return nil, err
	}
	g.Digest = transcriptDigest(c.spec.Plan, t.sent, t.received)
	return g, nil
}

// replyBytes returns how much the server sends for a group of n bundles, but
// for control messages.
func (c *Client) replyBytes(n int) (int, error) {
	bytes := 0
	for _, cl := range c.classes {
		for b := range cl.batches(n) {
			from, to := cl.batch(n, b)
			bytes += PowersReplySize(cl.degree, cl.maskBits, to-from)
		}
	}
	for _, spec := range c.spec.Linear {
		p, err := NewLinearPacking(spec.Shape, n)
		if err != nil {
			return 0, err
		}
		bytes += p.ReplyBytes()
	}
	return bytes, nil
}

// correlate runs the homomorphic exchanges of a group. Queries leave in one
// order, powers first, and replies come in the same, so one goroutine sends and
// another receives, and the server never waits for either.
func (c *Client) correlate(ctx context.Context, t *transcript, bundles []*correlation.Bundle) error {
	rho := make([][]uint64, len(c.classes))
	shares := make([][]ring.Vec128, len(c.classes))
	for i, cl := range c.classes {
		rho[i] = cl.rho(bundles)
		shares[i] = make([]ring.Vec128, cl.degree-1)
		for k := range shares[i] {
			shares[i][k] = ring.MakeVec128(len(rho[i]))
		}
	}
	walk := newWalk(c.plan, bundles)

	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for i := range c.classes {
			if err := c.askPowers(gctx, t, i, len(bundles), rho[i]); err != nil {
				return err
			}
		}
		return walk.askLinear(gctx, t, c.linear)
	})
	group.Go(func() error {
		for i := range c.classes {
			if err := c.takePowers(gctx, t, i, len(bundles), rho[i], shares[i]); err != nil {
				return err
			}
			c.classes[i].spread(bundles, shares[i])
		}
		return walk.takeLinear(gctx, t, c.linear)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return walk.bind(ctx, t)
}

func (c *Client) askPowers(ctx context.Context, t *transcript, i, n int, rho []uint64) error {
	cl := c.classes[i]
	return ordered(ctx, cl.batches(n),
		func(_ context.Context, b int) ([]uint64, error) {
			from, to := cl.batch(n, b)
			return rho[from:to], nil
		},
		func(_ int, part []uint64) ([]byte, error) { return c.powers[i].Encrypt(part) },
		func(ctx context.Context, _ int, query []byte) error {
			return t.Send(ctx, api.Kind_POWERS_QUERY, query)
		})
}

func (c *Client) takePowers(ctx context.Context, t *transcript, i, n int, rho []uint64, all []ring.Vec128) error {
	cl := c.classes[i]
	return ordered(ctx, cl.batches(n),
		func(ctx context.Context, b int) ([]byte, error) {
			from, to := cl.batch(n, b)
			return t.Recv(ctx, api.Kind_POWERS_REPLY, PowersReplySize(cl.degree, cl.maskBits, to-from))
		},
		func(b int, reply []byte) ([]ring.Vec128, error) {
			from, to := cl.batch(n, b)
			return c.powers[i].Decrypt(rho[from:to], reply)
		},
		func(_ context.Context, b int, part []ring.Vec128) error {
			from, _ := cl.batch(n, b)
			for k, v := range part {
				copy(all[k].Lo[from:], v.Lo)
				copy(all[k].Hi[from:], v.Hi)
			}
			return nil
		})
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
		return fmt.Errorf("committing %d bundles: %w", len(g.IDs), err)
	}
	return nil
}

func (c *Client) commit(ctx context.Context, g *Group) error {
	if err := api.Send(ctx, c.conn, api.Kind_COMMIT, &api.Commit{Digest: g.Digest[:]}); err != nil {
		return err
	}
	var reply api.CommitReply
	if err := api.Receive(ctx, c.conn, api.Kind_COMMIT_REPLY, controlLimit, &reply); err != nil {
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
	if err := api.Send(ctx, c.conn, api.Kind_GROUP, &api.Group{}); err != nil {
		return 0, fmt.Errorf("ending the production run: %w", err)
	}
	var stats api.Stats
	if err := api.Receive(ctx, c.conn, api.Kind_PRODUCE_STATS, controlLimit, &stats); err != nil {
		return 0, fmt.Errorf("ending the production run: %w", err)
	}
	return stats.CpuSeconds, nil
}

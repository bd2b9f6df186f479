package party

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/model"
	"pascaline/online"
	"pascaline/store"
)

// ErrEmpty is wrapped by the error of a batch for which the store holds too few
// bundles.
var ErrEmpty = errors.New("too few bundles are ready")

// Batch is a number of inferences that share their rounds, with the bundles for
// them claimed on both sides and waiting in memory. It is good for one Infer.
type Batch struct {
	stream  *link.Stream
	machine *online.Client
	outbox  *outbox
	client  *Client
	size    int
	used    atomic.Bool
}

// errUsed is returned by a batch whose masks an earlier call has used.
var errUsed = errors.New("inferring: this batch is over; warm another")

// Inference is what a batch cost online.
type Inference struct {
	Latency time.Duration // from the inputs at hand to the outputs at hand
	Rounds  int           // round trips that follow each other
	Traffic link.Traffic  // of the client's connection meanwhile, on the wire
	// Payload is what the inference's messages hold, without the framing and
	// whatever else the connection carried meanwhile.
	Payload link.Traffic
}

// Ahead returns how many batches of n inferences, from 1 to most, a server lets
// one client keep warm: more would be refused.
func (c *Client) Ahead(n, most int) int {
	return max(1, min(most, warmEach/max(1, n*c.plan.BundleMemory())))
}

// LargestBatch returns how many inferences of a plan's a batch has at most: a server
// refuses more.
func LargestBatch(p *model.Plan) int { return largestBatch(p.BundleMemory()) }

// largestBatch does so for inferences that take each so many bytes (batchMemory).
func largestBatch(each int) int {
	return int(max(1, min(maxBatch, warmMemory/int64(max(1, each)))))
}

// Warm claims n bundles, on both sides and durably, and prepares a batch. From
// here on they are spent, whether the batch is used or not.
func (c *Client) Warm(ctx context.Context, n int) (*Batch, error) {
	if n < 1 || n > maxBatch {
		return nil, fmt.Errorf("warming a batch of %d: it must have from 1 to %d inferences", n, maxBatch)
	}
	ready, err := c.Ready() // before the server is bothered
	if err == nil && ready < n {
		err = tooFew(ready, n)
	}
	if err != nil {
		return nil, fmt.Errorf("warming a batch of %d: %w", n, err)
	}
	s, err := c.open(ctx, &api.Hello{Purpose: api.Purpose_PURPOSE_INFER, Bundles: uint32(n)})
	if err != nil {
		return nil, fmt.Errorf("warming a batch: %w", err)
	}
	b, err := c.warm(ctx, s, n)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("warming a batch of %d: %w", n, err)
	}
	return b, nil
}

func (c *Client) warm(ctx context.Context, s *link.Stream, n int) (*Batch, error) {
	ids, bundles, err := c.claim(n)
	if err != nil {
		return nil, err
	}
	if err := api.Send(ctx, s, api.Kind_CLAIM, &api.Claim{Ids: encodeIDs(ids)}); err != nil {
		return nil, err
	}
	machine, err := online.NewClient(c.circuit, bundles) // while the server claims
	if err != nil {
		return nil, err
	}
	if err := api.Receive(ctx, s, api.Kind_CLAIM_REPLY, helloLimit, &api.ClaimReply{}); err != nil {
		return nil, err
	}
	return &Batch{stream: s, machine: machine, outbox: newOutbox(s, machine.LongestMessage(), c.inferences), client: c, size: n}, nil
}

func tooFew(ready, n int) error {
	return fmt.Errorf("%w: %d of the %d needed; run pascaline produce", ErrEmpty, ready, n)
}

// claim claims the n oldest bundles in the client's store. One whose value turns
// out to be damaged is burnt by the store, and others take its place.
func (c *Client) claim(n int) (ids []store.ID, bundles []*correlation.Bundle, err error) {
	c.claims.Lock()
	defer c.claims.Unlock()
	defer func() {
		select {
		case c.claimed <- struct{}{}:
		default:
		}
	}()
	for {
		if ids, err = c.ready(); err != nil {
			return nil, nil, err
		}
		if len(ids) < n {
			return nil, nil, tooFew(len(ids), n)
		}
		ids = ids[:n]
		bundles, err = claim(c.store, c.pair, c.spec, ids)
		if !errors.Is(err, store.ErrCorrupt) {
			return ids, bundles, err
		}
	}
}

// Infer runs the batch on its inputs, one vector for each inference (see
// [model.Plan.EncodeInput]), and returns the outputs. Whatever happens, the
// batch is over afterwards.
func (b *Batch) Infer(ctx context.Context, inputs [][]uint64) (outputs [][]uint64, report Inference, err error) {
	if b.used.Swap(true) {
		return nil, report, errUsed
	}
	defer b.stream.Close()
	began, before, payload := time.Now(), b.client.conn.Traffic(), b.stream.Traffic()
	err = b.outbox.during(ctx, func(ctx context.Context) error { return b.infer(ctx, inputs) })
	if err != nil {
		return nil, report, fmt.Errorf("inferring: %w", err)
	}
	report.Latency = time.Since(began)
	report.Rounds = b.client.circuit.Rounds()
	report.Traffic = b.client.conn.Traffic().Sub(before)
	report.Payload = b.stream.Traffic().Sub(payload)
	return b.machine.Outputs(), report, nil
}

// infer sends the input and answers what the server sends, message by message.
func (b *Batch) infer(ctx context.Context, inputs [][]uint64) error {
	if err := b.machine.Start(inputs); err != nil {
		return err
	}
	buf := b.outbox.buffer()
	for msg := b.machine.Next(buf); msg != nil; msg = b.machine.Next(buf) {
		b.outbox.send(api.Kind_MASKED, msg)
		buf = b.outbox.buffer()
	}
	for {
		size, output := b.machine.Due()
		kind := api.Kind_MASKED_SUM
		if output {
			kind = api.Kind_OUTPUT
		}
		msg, err := b.stream.RecvInto(ctx, kind, buf[:size])
		if err != nil {
			return err
		}
		answer, done, err := b.machine.Step(msg)
		if err != nil || done {
			return err
		}
		if !output {
			b.outbox.send(api.Kind_MASKED, answer)
			buf = b.outbox.buffer()
		}
	}
}

// Size returns how many inferences the batch is for.
func (b *Batch) Size() int { return b.size }

// Close gives a batch up. Its bundles are spent all the same.
func (b *Batch) Close() { b.stream.Close() }

package party

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pascaline/api"
	"pascaline/link"
	"pascaline/online"
)

// infer serves one batch of n inferences: claim, then one answer to each of the
// client's messages. Memory is set aside before the client may claim, so that a
// refusal costs it nothing. An end of the stream before the first message is a
// client that did not need its warm bundles after all: they are spent
// nevertheless.
func (v *visit) infer(ctx context.Context, n int) error {
	if v.plan == nil {
		return errors.New("inferring needs the plan of the served model")
	}
	if n < 1 || n > maxBatch {
		return fmt.Errorf("a batch of %d inferences; it must have from 1 to %d", n, maxBatch)
	}
	giveBack, err := v.warm.take(v.stream.Peer(), batchMemory(n, v.Model.Plan.BundleMemory()))
	if err != nil {
		return err
	}
	defer giveBack()
	if err := v.welcome(ctx); err != nil {
		return err
	}
	ask, err := v.awaitClaim(ctx, n)
	if err != nil {
		return err
	}
	ids, err := decodeIDs(ask.Ids)
	if err != nil {
		return fmt.Errorf("claiming bundles: %w", err)
	}
	if len(ids) != n {
		return fmt.Errorf("claiming bundles: %d are named for a batch of %d", len(ids), n)
	}
	bundles, err := claim(v.Store, v.pair, v.spec, ids)
	if err != nil {
		return v.storeFailed(fmt.Sprintf("claiming %d bundles", n), err)
	}
	machine, err := online.NewServer(v.circuit, bundles)
	if err != nil {
		return err
	}
	v.log.Info("claimed", "bundles", len(ids))
	v.log.Debug("claimed", "ids", ids)
	if err := api.Send(ctx, v.stream, api.Kind_CLAIM_REPLY, &api.ClaimReply{}); err != nil {
		return err
	}
	out := newOutbox(v.stream, machine.LongestMessage(), v.inferences)
	msg, err := awaitInput(ctx, v.stream, machine.Due())
	if err != nil {
		return err
	}
	v.log.Debug("inferring", "inferences", len(ids))
	began := time.Now()
	if err := out.during(ctx, func(ctx context.Context) error { return v.answer(ctx, machine, out, msg) }); err != nil {
		return err
	}
	v.log.Info("inferred", "inferences", len(ids), "took", time.Since(began).Round(time.Microsecond))
	return nil
}

// batchMemory returns how much memory to set aside for a batch of n inferences that
// take each so many bytes: a single one, however large its model, may be had.
func batchMemory(n, each int) int64 {
	if n == 1 {
		return min(int64(each), warmMemory)
	}
	return int64(n) * int64(each)
}

// answer serves the messages of a batch, the first of which is in. What the client
// waits for comes first; the server's own shares are evaluated while there is
// nothing else to do.
func (v *visit) answer(ctx context.Context, machine *online.Server, out *outbox, msg []byte) error {
	if err := machine.Step(msg); err != nil {
		return err
	}
	buf := out.buffer()
	for !machine.Done() {
		var reply []byte
		var output bool
		if machine.Unanswered() < online.MostUnanswered {
			reply, output = machine.Next(buf)
		}
		if reply != nil {
			kind := api.Kind_MASKED_SUM
			if output {
				kind = api.Kind_OUTPUT
			}
			out.send(kind, reply)
			buf = out.buffer()
			continue
		}
		if machine.Evaluate() {
			continue
		}
		msg, err := v.stream.RecvInto(ctx, api.Kind_MASKED, buf[:machine.Due()])
		if err != nil {
			return err
		}
		if err := machine.Step(msg); err != nil {
			return err
		}
	}
	return nil
}

// awaitClaim waits for the client's claim of n bundles. An honest client has only
// to write its own: memory is not held for long for one that does nothing.
func (v *visit) awaitClaim(ctx context.Context, n int) (*api.Claim, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, claimTime,
		fmt.Errorf("no claim came within %v; nothing was claimed here", claimTime))
	defer cancel()
	ask := &api.Claim{}
	return ask, api.Receive(ctx, v.stream, api.Kind_CLAIM, n*idSize+overhead, ask)
}

// awaitInput waits for the first message of a warm batch, which comes when the
// client has an input. It returns io.EOF where the client has none after all.
func awaitInput(ctx context.Context, stream *link.Stream, size int) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, warmTime,
		fmt.Errorf("a warm batch waited %v for its input and was given up; its bundles are spent", warmTime))
	defer cancel()
	_, msg, err := stream.RecvNext(ctx, link.Due{Kind: api.Kind_MASKED, Max: size})
	return msg, err
}

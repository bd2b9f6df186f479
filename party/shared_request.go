package party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/link"
	"pascaline/online"
)

// requestKey names inputs: the two servers match the parts of one client's.
type requestKey struct {
	client link.PublicKey
	id     sharedID
}

// request is a server's part of some inputs.
type request struct {
	key        requestKey
	hash       [32]byte // of the plan
	inferences int
	share      online.Dealt
	arrived    time.Time
	ctx        context.Context // over when the client has left

	done   chan struct{} // closed by finish
	err    error
	output online.Dealt
	rounds int
	sent   int64
}

// Format keeps the shares out of logs, errors and debug output, whatever the
// verb.
func (r *request) Format(f fmt.State, _ rune) { fmt.Fprint(f, "request(redacted)") }

// finish settles a request; whoever has taken it out of queue or inbox calls it
// once.
func (r *request) finish(err error) {
	r.err = err
	close(r.done)
}

// infer serves a client's stream: any number of inputs, one after the other.
// Memory for the largest is set aside before the client sends one.
func (s *SharedServer) infer(ctx context.Context, stream *link.Stream, hello *api.Hello) error {
	if len(hello.Plan) != 32 {
		return errors.New("a client of a shared model needs its plan")
	}
	hash := [32]byte(hello.Plan)
	d, err := s.sharedModel(hash)
	if err != nil {
		return err
	}
	n := int(hello.Bundles)
	if n < 1 || n > maxBatch {
		return fmt.Errorf("a batch of %d inferences; it must have from 1 to %d", n, maxBatch)
	}
	// The message, the share and the values of an evaluation.
	giveBack, err := s.inputs.take(stream.Peer(), 8*int64(n)*int64(2*inputWords(d.plan)+outputWords(d.plan)))
	if err != nil {
		return errors.New("the server keeps no more inputs in memory; infer in smaller batches, or try again later")
	}
	defer giveBack()
	if err := s.welcome(ctx, stream); err != nil {
		return err
	}
	for {
		r, err := receiveRequest(ctx, stream, d, n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.answer(ctx, r); err != nil {
			return err
		}
		share, err := r.output.MarshalBinary()
		if err != nil {
			return err
		}
		reply := &api.SharedOutput{Share: share, Rounds: uint32(r.rounds), SentBytes: uint64(r.sent)}
		if err := api.Send(ctx, stream, api.Kind_SHARES_REPLY, reply); err != nil {
			return err
		}
		s.Log.Info("inferred", "client", clientName(r.key.client), "plan", short(r.hash), "inferences", r.inferences)
	}
}

// receiveRequest receives the next input, of at most n inferences; io.EOF where
// the client wants no more.
func receiveRequest(ctx context.Context, stream *link.Stream, d *deal, n int) (*request, error) {
	idle, cancel := context.WithTimeoutCause(ctx, warmTime, fmt.Errorf("no input came for %v", warmTime))
	defer cancel()
	size := inputWords(d.plan)
	_, b, err := stream.RecvNext(idle, link.Due{Kind: api.Kind_SHARES, Max: 8*n*size + overhead})
	if err != nil {
		return nil, err
	}
	var m api.SharedInput
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("decoding an input: %w", err)
	}
	if len(m.Request) != len(sharedID{}) {
		return nil, fmt.Errorf("an input with an id of %d bytes", len(m.Request))
	}
	if m.Inferences < 1 || m.Inferences > uint32(n) {
		return nil, fmt.Errorf("an input of %d inferences; this stream was opened for 1 to %d", m.Inferences, n)
	}
	r := &request{
		key:        requestKey{stream.Peer(), sharedID(m.Request)},
		hash:       d.hash,
		inferences: int(m.Inferences),
		arrived:    time.Now(),
		ctx:        ctx,
		done:       make(chan struct{}),
	}
	if r.share, err = online.UnmarshalDealt(r.inferences*size, m.Share); err != nil {
		return nil, fmt.Errorf("an input: %w", err)
	}
	return r, nil
}

// answer has a request evaluated.
func (s *SharedServer) answer(ctx context.Context, r *request) error {
	d, err := s.sharedModel(r.hash) // a later deal may have taken the place of the one before
	switch {
	case err != nil:
		return err
	case d.ended():
		return d.err
	case int64(r.inferences) > d.left.Load():
		return d.spent(r.inferences)
	case s.party == 1:
		return d.await(ctx, r)
	}
	return s.hold(ctx, d, r)
}

// await queues a request and waits until it is settled, at party 1.
func (d *deal) await(ctx context.Context, r *request) error {
	select {
	case d.queue <- r:
	default:
		return errBusy
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.over:
	}
	select {
	case <-r.done:
		return r.err
	default:
		return d.err
	}
}

// settled waits until whoever has taken the request settles it.
func (r *request) settled(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hold keeps a request in the inbox until party 1 names it, and waits until it is
// settled, at party 0. It waits as long as party 1 names others, and then for the
// time of its patience.
func (s *SharedServer) hold(ctx context.Context, d *deal, r *request) error {
	s.mu.Lock()
	if s.inbox[r.key] != nil {
		s.mu.Unlock()
		return errors.New("an input by this name is here already")
	}
	s.inbox[r.key] = r
	s.change()
	s.mu.Unlock()
	defer s.drop(r)
	tooLong := time.NewTimer(warmTime)
	defer tooLong.Stop()
	began := r.arrived.UnixNano()
	wait := time.NewTimer(s.Patience)
	defer wait.Stop()
	for {
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tooLong.C:
			if s.drop(r) {
				return fmt.Errorf("the other server named other inputs alone for %v", warmTime)
			}
			return r.settled(ctx)
		case <-d.over:
			if s.drop(r) {
				return d.err
			}
			return r.settled(ctx)
		case <-wait.C:
		}
		if last := d.ordered.Load(); last > began {
			began = last
			wait.Reset(time.Until(time.Unix(0, last).Add(s.Patience)))
		} else if s.drop(r) {
			return fmt.Errorf("the other server did not name this input within %v: did it get its part?", s.Patience)
		}
	}
}

// drop takes a request out of the inbox, unless party 1 has named it.
func (s *SharedServer) drop(r *request) (dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inbox[r.key] == r {
		delete(s.inbox, r.key)
		return true
	}
	return false
}

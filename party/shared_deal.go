package party

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pascaline/api"
	"pascaline/link"
	"pascaline/model"
	"pascaline/online"
)

// deal is a model whose weights an owner has shared between the two servers, at
// one of them.
type deal struct {
	id         sharedID
	owner      link.PublicKey
	plan       *model.Plan
	hash       [32]byte
	inferences int
	weights    online.Dealt

	taken    atomic.Bool   // party 0: the other server has named it
	progress atomic.Uint64 // party 1: thousandths of the correlations
	ready    chan struct{} // closed when it is prepared
	cost     *api.SharedDealReply

	left    atomic.Int64
	ordered atomic.Int64  // party 0: when party 1 last named an input, Unix time in ns
	queue   chan *request // party 1
	retired chan struct{} // party 1: closed when a later deal takes its place

	once sync.Once
	over chan struct{} // closed when nothing is evaluated any more
	err  error         // why, set before
}

// Format keeps the share out of logs, errors and debug output, whatever the verb.
func (d *deal) Format(f fmt.State, _ rune) { fmt.Fprint(f, "deal(redacted)") }

// finish ends a deal, the first time.
func (d *deal) finish(err error) {
	d.once.Do(func() {
		d.err = err
		close(d.over)
	})
}

// ended reports whether nothing is evaluated any more.
func (d *deal) ended() bool {
	select {
	case <-d.over:
		return true
	default:
		return false
	}
}

// spent is the error of asking for more inferences than are left.
func (d *deal) spent(asked int) error {
	return fmt.Errorf("the model was prepared for %d inferences; %d of them are left, and %d are asked for: its owner prepares more with pascaline shared deal --inferences N",
		d.inferences, d.left.Load(), asked)
}

// takeDeal serves an owner's stream.
func (s *SharedServer) takeDeal(ctx context.Context, stream *link.Stream) error {
	if err := s.welcome(ctx, stream); err != nil {
		return err
	}
	d, err := receiveDeal(ctx, stream)
	if err != nil {
		return err
	}
	if err := s.admit(d); err != nil {
		return err
	}
	defer s.forget(d)
	s.Log.Info("dealt", "owner", clientName(d.owner), "plan", short(d.hash), "inferences", d.inferences)
	if s.party == 1 {
		// The session outlives the owner's stream, once the model is ready.
		session, cancel := context.WithCancelCause(s.ctx)
		detach := context.AfterFunc(ctx, func() { cancel(errors.New("the owner left before the model was ready")) })
		s.sessions.Go(func() {
			defer cancel(nil)
			d.finish(s.lead(session, d, detach))
		})
	}
	return s.awaitReady(ctx, stream, d)
}

// receiveDeal receives a deal and checks it.
func receiveDeal(ctx context.Context, stream *link.Stream) (*deal, error) {
	var m api.SharedDeal
	if err := api.Receive(ctx, stream, api.Kind_SHARES, sharedDealLimit, &m); err != nil {
		return nil, err
	}
	d := &deal{
		owner: stream.Peer(), inferences: int(m.Inferences),
		ready: make(chan struct{}), over: make(chan struct{}), retired: make(chan struct{}),
		queue: make(chan *request, maxQueue),
	}
	if len(m.Deal) != len(d.id) {
		return nil, fmt.Errorf("a deal with an id of %d bytes", len(m.Deal))
	}
	d.id = sharedID(m.Deal)
	plan, err := model.Decode(m.Plan)
	if err != nil {
		return nil, err
	}
	if plan.Weights != nil {
		return nil, errors.New("a deal with the weights in the clear; they go in shares")
	}
	d.plan, d.hash = plan.Plan, plan.Plan.Hash()
	if _, err := needs(d.plan, d.inferences); err != nil {
		return nil, err
	}
	n := weightWords(d.plan)
	data, err := stream.Recv(ctx, api.Kind_SHARES, 1+8*n)
	if err != nil {
		return nil, err
	}
	if d.weights, err = online.UnmarshalDealt(n, data); err != nil {
		return nil, fmt.Errorf("the weights: %w", err)
	}
	d.left.Store(int64(d.inferences))
	return d, nil
}

// weightWords counts weights and biases.
func weightWords(p *model.Plan) (n int) {
	for _, node := range p.Nodes {
		if node.Op == model.OpLinear {
			n += node.Linear.WeightLen() + node.BiasLen()
		}
	}
	return n
}

// admit notes a deal, unless there is no room for it.
func (s *SharedServer) admit(d *deal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.pending[d.id]; ok {
		return errors.New("this server has a part of this deal already")
	}
	if old := s.models[d.hash]; old != nil && old.owner != d.owner && !old.ended() {
		return errors.New("a model of this plan was dealt by another owner, and has inferences left")
	}
	if len(s.pending)+len(s.models) >= maxShared {
		for hash, old := range s.models {
			if old.ended() {
				delete(s.models, hash)
				break
			}
		}
	}
	if len(s.pending)+len(s.models) >= maxShared {
		return fmt.Errorf("this server holds %d models; let it spend one, or start it again", maxShared)
	}
	s.pending[d.id] = d
	s.change()
	return nil
}

// forget drops a deal that its owner's stream no longer stands for; one that is
// ready stays.
func (s *SharedServer) forget(d *deal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, d.id)
	s.change()
}

// publish makes a deal that is prepared the one that clients reach, in place of
// an earlier one of the plan. It fails where the owner has left meanwhile.
func (s *SharedServer) publish(d *deal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[d.id] != d {
		return errors.New("the owner left before the model was ready")
	}
	if old := s.models[d.hash]; old != nil {
		// Asked before, when the deal came; another owner's may have become ready.
		if old.owner != d.owner && !old.ended() {
			return errors.New("another owner's deal of this model became ready meanwhile")
		}
		close(old.retired)
	}
	s.models[d.hash] = d
	d.weights = online.Dealt{}
	close(d.ready)
	s.Log.Info("ready", "plan", short(d.hash), "inferences", d.inferences)
	return nil
}

// progressPeriod is how often an owner hears how far its deal is; it must hear
// more often than [link.Options.Stall].
const progressPeriod = time.Second

// awaitReady tells the owner how far preparing is until it is done.
func (s *SharedServer) awaitReady(ctx context.Context, stream *link.Stream, d *deal) error {
	tick := time.NewTicker(progressPeriod)
	defer tick.Stop()
	patience := time.Now().Add(s.Patience)
	for {
		select {
		case <-d.ready:
			reply := &api.SharedDealReply{Ready: true, Progress: 1, Party: uint32(s.party)}
			if d.cost != nil {
				reply = d.cost
			}
			return api.Send(ctx, stream, api.Kind_SHARES_REPLY, reply)
		case <-d.over:
			return d.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if s.party == 0 && !d.taken.Load() && time.Now().After(patience) {
			return fmt.Errorf("the other server did not name this deal within %v: did it get its part, and does it reach this server?", s.Patience)
		}
		reply := &api.SharedDealReply{Party: uint32(s.party), Progress: float64(d.progress.Load()) / 1000}
		if err := api.Send(ctx, stream, api.Kind_SHARES_REPLY, reply); err != nil {
			return err
		}
	}
}

package party

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"pascaline/api"
	"pascaline/link"
)

// otherServer is party 0 as party 1 has met it, over one connection.
type otherServer struct {
	*Client
	conn *link.Conn
}

// meet returns the other server, and meets it (anew) where it must. One deal at a
// time calls it, so that no other produces meanwhile.
func (s *SharedServer) meet(ctx context.Context) (*otherServer, error) {
	s.mu.Lock()
	m := s.other
	s.mu.Unlock()
	if m != nil {
		return m, nil
	}
	conn, err := s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c, _, err := NewClient(ctx, conn, s.Peer, nil, s.Store)
	if err != nil {
		conn.Close()
		return nil, err
	}
	m = &otherServer{c, conn}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other = m
	return m, nil
}

// part forgets the other server when the connection is lost.
func (s *SharedServer) part(m *otherServer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.other == m {
		s.other = nil
		m.conn.Close()
	}
}

// lead is party 1's side of a deal: it has the correlations produced, prepares the
// model with party 0, and evaluates inputs until it is spent. It detaches from the
// owner's stream when the model is ready.
func (s *SharedServer) lead(ctx context.Context, d *deal, detach func() bool) error {
	turn, cancel := context.WithTimeoutCause(ctx, s.Patience, errors.New("the servers are preparing another model; deal again when it is ready"))
	defer cancel()
	select {
	case s.preparing <- struct{}{}:
	case <-turn.Done():
		return context.Cause(turn)
	}
	var given atomic.Bool
	giveTurn := func() {
		if !given.Swap(true) {
			<-s.preparing
		}
	}
	defer giveTurn()
	for {
		met, err := s.meet(ctx)
		if err != nil {
			return fmt.Errorf("reaching the other server: %w", err)
		}
		began, ready := false, false
		err = met.Run(ctx, sharedProgram, func(ctx context.Context, j *Joint) error {
			began = true
			p, err := s.prepareWith(ctx, met, j, d)
			if err != nil {
				return err
			}
			giveTurn()
			detach()
			if err := s.publish(d); err != nil {
				return err
			}
			ready = true
			return s.evaluateAll(ctx, j, d, p)
		})
		if errors.Is(err, link.ErrLost) {
			s.part(met)
			if !began {
				continue // the connection was lost since the last deal
			}
		}
		switch {
		case err != nil && ready:
			s.Log.Warn("the model is lost", "plan", short(d.hash), "reason", err)
			return lost(err)
		case err != nil:
			return fmt.Errorf("preparing the model: %w", err)
		}
		if d.left.Load() > 0 {
			return errRetired
		}
		s.Log.Info("spent", "plan", short(d.hash), "inferences", d.inferences)
		return d.spent(1)
	}
}

// errRetired ends a deal that a later one of the same plan takes the place of.
var errRetired = errors.New("the model was dealt anew; infer again")

// lost is what clients hear of a model whose session has failed.
func lost(err error) error {
	return fmt.Errorf("the model is lost at this server, and its owner must deal it again (pascaline shared deal): %w", err)
}

// prepareWith agrees with party 0 on the deal, has its correlations made, and
// opens its weights against them.
func (s *SharedServer) prepareWith(ctx context.Context, c *otherServer, j *Joint, d *deal) (*prepared, error) {
	terms := &api.SharedTerms{Deal: d.id[:], Plan: d.hash[:], Inferences: uint32(d.inferences), Owner: d.owner[:]}
	if err := api.Send(ctx, j.Stream(), api.Kind_SHARES, terms); err != nil {
		return nil, err
	}
	if err := api.Receive(ctx, j.Stream(), api.Kind_SHARES_REPLY, sharedLimit, new(api.SharedTermsReply)); err != nil {
		return nil, err
	}
	if err := s.produce(ctx, c, d); err != nil {
		return nil, err
	}
	if err := api.Send(ctx, j.Stream(), api.Kind_SHARES, &api.SharedReserve{}); err != nil {
		return nil, err
	}
	return prepare(ctx, j, d)
}

// produce has the correlations of a deal made and notes what that costs.
func (s *SharedServer) produce(ctx context.Context, c *otherServer, d *deal) error {
	specs, err := needs(d.plan, d.inferences)
	if err != nil {
		return err
	}
	total, done := 0, 0
	for _, spec := range specs {
		total += spec.Words()
	}
	cost := &api.SharedDealReply{Ready: true, Progress: 1, Party: 1}
	for _, spec := range specs {
		there, err := c.PoolReady(spec)
		if err != nil {
			return err
		}
		p, err := c.ProducePool(ctx, spec, s.Backends[0], func(ready float64) {
			part := (ready - float64(there)) / float64(spec.N) * float64(spec.Words())
			d.progress.Store(uint64(1000 * (float64(done) + part) / float64(total)))
		})
		if err != nil {
			return err
		}
		done += spec.Words()
		cost.Seconds += p.Took.Seconds()
		cost.CpuSeconds_0 += p.ServerCPU
		cost.CpuSeconds_1 += p.ClientCPU
		cost.SentBytes += uint64(p.Traffic.SentBytes)
		cost.ReceivedBytes += uint64(p.Traffic.ReceivedBytes)
	}
	d.cost = cost
	return nil
}

// evaluateAll evaluates inputs in the order of their arrival until the model is
// spent or a later deal takes its place.
func (s *SharedServer) evaluateAll(ctx context.Context, j *Joint, d *deal, p *prepared) error {
	for p.left > 0 {
		select {
		case r := <-d.queue:
			err := s.order(ctx, j, d, p, r)
			if err != nil {
				r.finish(lost(err))
				return err
			}
		case <-d.retired:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// order evaluates an input, if party 0 holds its part of it; if it does not yet,
// the input goes to the end of the queue. An error ends the session.
func (s *SharedServer) order(ctx context.Context, j *Joint, d *deal, p *prepared, r *request) error {
	switch {
	case r.ctx.Err() != nil: // the client has left
		return nil
	case r.inferences > p.left:
		r.finish(d.spent(r.inferences))
		return nil
	}
	ask := &api.SharedOrder{Client: r.key.client[:], Request: r.key.id[:], Inferences: uint32(r.inferences)}
	if err := api.Send(ctx, j.Stream(), api.Kind_SHARES, ask); err != nil {
		return err
	}
	var reply api.SharedOrderReply
	if err := api.Receive(ctx, j.Stream(), api.Kind_SHARES_REPLY, sharedLimit, &reply); err != nil {
		return err
	}
	switch {
	case reply.Refused != "":
		r.finish(errors.New(reply.Refused))
		return nil
	case !reply.Here && time.Since(r.arrived) > s.Patience:
		r.finish(fmt.Errorf("the other server did not get its part of this input within %v; send both", s.Patience))
		return nil
	case !reply.Here:
		select {
		case d.queue <- r:
		default:
			r.finish(errBusy)
		}
		return nil
	}
	if err := p.evaluate(ctx, r); err != nil {
		return err
	}
	d.left.Store(int64(p.left))
	r.finish(nil)
	return nil
}

var errBusy = errors.New("the server has too many inputs waiting for this model; try again later")

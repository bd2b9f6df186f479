package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/model"
)

// Sink takes the server's halves of a run.
type Sink interface {
	// Put writes a group durably as pending: all of it or nothing.
	Put(ctx context.Context, g *Group) error
	// Confirm makes a group ready, durably: the client has written its halves.
	Confirm(ctx context.Context, g *Group) error
}

// server is party 0's side of a production run.
type server struct {
	side
	backend Backend
}

// Serve is party 0's side of a production run: it answers groups until the
// client ends the run or something fails, and hands its halves to sink. It asks
// backend for the one that the client names.
func Serve(ctx context.Context, conn api.Conn, plan *model.Plan, weights *model.Weights, backend func(ctx context.Context, name string) (Backend, error), sink Sink) (err error) {
	began := cpu.Seconds()
	s := &server{side: side{party: 0, conn: newTranscript(conn), plan: plan}}
	if err := s.begin(ctx, weights, backend); err != nil {
		return fmt.Errorf("opening a production run: %w", err)
	}
	defer func() { err = errors.Join(err, s.generator.Close()) }()
	for {
		s.conn = newTranscript(conn)
		var ask api.Group
		if err := api.Receive(ctx, s.conn, api.Kind_GROUP, controlLimit, &ask); err != nil {
			return fmt.Errorf("waiting for the next group: %w", err)
		}
		if ask.Bundles == 0 && len(ask.Spec) == 0 {
			return api.Send(ctx, conn, api.Kind_PRODUCE_STATS, &api.Stats{CpuSeconds: cpu.Seconds() - began + s.cpu()})
		}
		if err := s.group(ctx, &ask, sink); err != nil {
			return fmt.Errorf("making %s: %w", describeAsk(&ask), err)
		}
	}
}

func describeAsk(ask *api.Group) string {
	if ask.Bundles > 0 {
		return fmt.Sprintf("%d bundles", ask.Bundles)
	}
	return "a batch"
}

// begin agrees on the backend and opens its run.
func (s *server) begin(ctx context.Context, weights *model.Weights, backend func(ctx context.Context, name string) (Backend, error)) error {
	var ask api.Produce
	if err := api.Receive(ctx, s.conn, api.Kind_PRODUCE, controlLimit, &ask); err != nil {
		return err
	}
	var err error
	if s.backend, err = backend(ctx, ask.Backend); err != nil {
		return err
	}
	if ask.Version != s.backend.Version {
		return fmt.Errorf("the client has version %q of backend %s, the server %q; run the same on both sides", ask.Version, s.backend.Name, s.backend.Version)
	}
	if err := api.Send(ctx, s.conn, api.Kind_PRODUCE_REPLY, &api.ProduceReply{}); err != nil {
		return err
	}
	return s.open(ctx, s.backend, weights, nil)
}

// group answers one group. The order of messages is the client's.
func (s *server) group(ctx context.Context, ask *api.Group, sink Sink) error {
	spec, err := s.checkAsk(ask)
	if err != nil {
		return err
	}
	nonce := newNonce()
	if err := api.Send(ctx, s.conn, api.Kind_GROUP_REPLY, &api.GroupReply{Nonce: nonce}); err != nil {
		return err
	}
	s.conn.bind(ask.Nonce, nonce)
	g := &Group{}
	if ask.Bundles == 0 {
		if err := s.batch(ctx, g, spec, ask.Nonce, nonce); err != nil {
			return err
		}
	} else {
		s.draw(g, int(ask.Bundles), ask.Nonce, nonce)
		if err := s.bundles(ctx, g.Bundles); err != nil {
			return err
		}
	}
	g.Digest = transcriptDigest(s.planHash(), s.conn.received, s.conn.sent)
	return s.commit(ctx, g, sink)
}

// checkAsk refuses what the run does not make and returns the specification of
// a batch.
func (s *server) checkAsk(ask *api.Group) (spec correlation.Spec, err error) {
	if len(ask.Nonce) != nonceSize {
		return spec, fmt.Errorf("the client's nonce has %d bytes, not %d", len(ask.Nonce), nonceSize)
	}
	if ask.Bundles == 0 {
		if spec, err = correlation.UnmarshalSpec(ask.Spec); err != nil {
			return spec, err
		}
		return spec, s.checkBatch(spec, s.backend)
	}
	if s.plan == nil {
		return spec, errors.New("this run has no model to make bundles for")
	}
	if most := GroupSize(s.plan); int64(ask.Bundles) > int64(most) || len(ask.Spec) > 0 {
		return spec, fmt.Errorf("a group of this model has at most %d bundles, and nothing else", most)
	}
	return spec, nil
}

// bundles makes the server's halves of bundles.
func (s *server) bundles(ctx context.Context, bundles []*correlation.Bundle) error {
	if err := s.powers(ctx, bundles); err != nil {
		return err
	}
	if err := s.linear(ctx, bundles); err != nil {
		return err
	}
	size := openingSize(s.spec)
	for _, b := range bundles {
		z, err := s.conn.Recv(ctx, api.Kind_OPENING, size)
		if err != nil {
			return err
		}
		if len(z) != size {
			return fmt.Errorf("the openings of a bundle take %d bytes, not %d", len(z), size)
		}
		b.Opening = decodeOpening(s.spec, z)
	}
	return nil
}

// linear makes the linear correlations of a group's bundles, layer after layer,
// in each bundle after bundle.
func (s *server) linear(ctx context.Context, bundles []*correlation.Bundle) error {
	for _, b := range bundles {
		b.Linear = make([]*correlation.Half, len(s.spec.Linear))
	}
	layer := layers(s.plan)
	for _, level := range linearLevels(s.plan) {
		var requests []correlation.Request
		for _, node := range level {
			for range bundles {
				requests = append(requests, correlation.Request{Spec: s.spec.Linear[layer[node]]})
			}
		}
		halves, err := s.generate(ctx, requests)
		if err != nil {
			return fmt.Errorf("linear layers: %w", err)
		}
		for i, node := range level {
			for k, b := range bundles {
				b.Linear[layer[node]] = halves[i*len(bundles)+k]
			}
		}
	}
	return nil
}

// commit writes the server's halves, waits until the client has written its
// own, and makes the group ready. The reply leaves last: whichever message is
// lost, at the next meeting both stores know the group or the one that does
// drops it.
func (s *server) commit(ctx context.Context, g *Group, sink Sink) error {
	if err := sink.Put(ctx, g); err != nil {
		return err
	}
	var ask api.Commit
	if err := api.Receive(ctx, s.conn.Conn, api.Kind_COMMIT, controlLimit, &ask); err != nil {
		return err
	}
	if !bytes.Equal(ask.Digest, g.Digest[:]) {
		return errTranscripts
	}
	if err := sink.Confirm(ctx, g); err != nil {
		return err
	}
	return api.Send(ctx, s.conn.Conn, api.Kind_COMMIT_REPLY, &api.CommitReply{Digest: g.Digest[:]})
}

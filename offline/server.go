package offline

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/model"
	"pascaline/ring"
)

// Sink takes the server's halves of a run.
type Sink interface {
	// Put writes a group durably as pending: all of it or nothing.
	Put(ctx context.Context, g *Group) error
	// Confirm makes a group ready, durably: the client has written its halves.
	Confirm(ctx context.Context, g *Group) error
}

// keyLimit bounds the message with a run's public keys.
const keyLimit = 8 << 20

// server is party 0's side of a production run.
type server struct {
	conn    api.Conn
	plan    *model.Plan
	weights *model.Weights
	spec    *correlation.BundleSpec
	classes []class
	powers  []*PowersEvaluator // by class
	linear  *LinearEvaluator
}

// Serve is party 0's side of a production run: it answers groups until the
// client ends the run or something fails, and hands its halves to sink.
func Serve(ctx context.Context, conn api.Conn, plan *model.Plan, weights *model.Weights, sink Sink) error {
	began := cpu.Seconds()
	s := &server{conn: conn, plan: plan, weights: weights, spec: plan.Bundle()}
	s.classes = classes(s.spec)
	if err := s.open(ctx); err != nil {
		return fmt.Errorf("opening a production run: %w", err)
	}
	for {
		t := newTranscript(conn)
		var ask api.Group
		if err := api.Receive(ctx, t, api.Kind_GROUP, controlLimit, &ask); err != nil {
			return fmt.Errorf("waiting for the next group: %w", err)
		}
		if ask.Bundles == 0 {
			return api.Send(ctx, conn, api.Kind_PRODUCE_STATS, &api.Stats{CpuSeconds: cpu.Seconds() - began})
		}
		if err := s.group(ctx, t, &ask, sink); err != nil {
			return fmt.Errorf("making %d bundles: %w", ask.Bundles, err)
		}
	}
}

// open takes the client's public keys.
func (s *server) open(ctx context.Context) error {
	var hello api.Produce
	if err := api.Receive(ctx, s.conn, api.Kind_PRODUCE, keyLimit, &hello); err != nil {
		return err
	}
	if len(hello.PowersKeys) != len(s.classes) {
		return fmt.Errorf("%d public keys for powers of %d degrees", len(hello.PowersKeys), len(s.classes))
	}
	for i, cl := range s.classes {
		v, err := NewPowersEvaluator(cl.degree, cl.maskBits, hello.PowersKeys[i])
		if err != nil {
			return err
		}
		s.powers = append(s.powers, v)
	}
	var err error
	if s.linear, err = NewLinearEvaluator(hello.LinearKey); err != nil {
		return err
	}
	return api.Send(ctx, s.conn, api.Kind_PRODUCE_REPLY, &api.ProduceReply{})
}

// group answers one group. The order of messages is the client's (see
// Client.correlate).
func (s *server) group(ctx context.Context, t *transcript, ask *api.Group, sink Sink) error {
	if most := GroupSize(s.plan); int64(ask.Bundles) > int64(most) {
		return fmt.Errorf("a group of this model has at most %d bundles", most)
	}
	if len(ask.Nonce) != nonceSize {
		return fmt.Errorf("the client's nonce has %d bytes, not %d", len(ask.Nonce), nonceSize)
	}
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	if err := api.Send(ctx, t, api.Kind_GROUP_REPLY, &api.GroupReply{Nonce: nonce[:]}); err != nil {
		return err
	}
	g := &Group{}
	for i := range int(ask.Bundles) {
		g.IDs = append(g.IDs, bundleID(s.spec.Plan, ask.Nonce, nonce[:], i))
		g.Bundles = append(g.Bundles, &correlation.Bundle{Spec: s.spec, Party: 0, Seed: ring.NewSeed()})
	}
	for i := range s.classes {
		if err := s.answerPowers(ctx, t, i, g.Bundles); err != nil {
			return err
		}
	}
	if err := s.answerLinear(ctx, t, g.Bundles); err != nil {
		return err
	}
	for _, b := range g.Bundles {
		size := openingSize(s.spec)
		z, err := t.Recv(ctx, api.Kind_OPENING, size)
		if err != nil {
			return err
		}
		if len(z) != size {
			return fmt.Errorf("the openings of a bundle take %d bytes, not %d", size, len(z))
		}
		b.Opening = decodeOpening(s.spec, z)
	}
	g.Digest = transcriptDigest(s.spec.Plan, t.received, t.sent)
	return s.commit(ctx, g, sink)
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
	if err := api.Receive(ctx, s.conn, api.Kind_COMMIT, controlLimit, &ask); err != nil {
		return err
	}
	if !bytes.Equal(ask.Digest, g.Digest[:]) {
		return errTranscripts
	}
	if err := sink.Confirm(ctx, g); err != nil {
		return err
	}
	return api.Send(ctx, s.conn, api.Kind_COMMIT_REPLY, &api.CommitReply{Digest: g.Digest[:]})
}

func (s *server) answerPowers(ctx context.Context, t *transcript, i int, bundles []*correlation.Bundle) error {
	cl, n := s.classes[i], len(bundles)
	rho, shares := cl.rho(bundles), cl.shares(bundles)
	return ordered(ctx, cl.batches(n),
		func(ctx context.Context, b int) ([]byte, error) {
			from, to := cl.batch(n, b)
			return t.Recv(ctx, api.Kind_POWERS_QUERY, PowersQuerySize(cl.degree, cl.maskBits, to-from))
		},
		func(b int, query []byte) ([]byte, error) {
			from, to := cl.batch(n, b)
			return s.powers[i].Evaluate(rho[from:to], slicePowers(shares, from, to), query)
		},
		func(ctx context.Context, _ int, reply []byte) error {
			return t.Send(ctx, api.Kind_POWERS_REPLY, reply)
		})
}

func (s *server) answerLinear(ctx context.Context, t *transcript, bundles []*correlation.Bundle) error {
	for l, spec := range s.spec.Linear {
		p, err := NewLinearPacking(spec.Shape, len(bundles))
		if err != nil {
			return err
		}
		masks := make([][]uint64, len(bundles))
		for g, b := range bundles {
			masks[g] = b.LinearMask(l)
		}
		if err := s.linear.Evaluate(p, s.weights.Layers[l].W, masks,
			func() ([]byte, error) { return t.Recv(ctx, api.Kind_LINEAR_QUERY, p.MessageLimit()) },
			func(reply []byte) error { return t.Send(ctx, api.Kind_LINEAR_REPLY, reply) },
		); err != nil {
			return fmt.Errorf("linear layer %d: %w", l, err)
		}
	}
	return nil
}

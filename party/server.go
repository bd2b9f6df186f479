package party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/online"
	"pascaline/store"
)

// Server is party 0: it serves one model to its clients.
type Server struct {
	model *model.Model
	plan  [32]byte
	spec  *correlation.BundleSpec
	store *store.Store
	log   *slog.Logger
	// warm bounds the bundles that are claimed and wait in memory for their
	// inputs, over all clients.
	warm *semaphore.Weighted
}

const (
	// warmMemory bounds what claimed bundles take in memory, in bytes.
	warmMemory = 4 << 30
	// warmTime bounds how long a batch waits for its input.
	warmTime = 15 * time.Minute
)

// NewServer returns a server of m whose halves are in st. It logs who did what,
// never what was computed.
func NewServer(m *model.Model, st *store.Store, log *slog.Logger) (*Server, error) {
	if m.Weights == nil {
		return nil, errors.New("serving a model: this file holds the plan alone; the server needs the one with the weights")
	}
	return &Server{
		model: m,
		plan:  m.Plan.Hash(),
		spec:  m.Plan.Bundle(),
		store: st,
		log:   log,
		warm:  semaphore.NewWeighted(warmMemory),
	}, nil
}

// Handle serves one stream; it is a [link.Handler].
func (s *Server) Handle(ctx context.Context, stream *link.Stream) error {
	log := s.log.With("client", stream.Peer().String())
	var hello api.Hello
	if err := api.Receive(ctx, stream, api.Kind_HELLO, helloLimit, &hello); err != nil {
		return err
	}
	if err := s.check(&hello); err != nil {
		log.Warn("refused", "reason", err)
		return err
	}
	if err := api.Send(ctx, stream, api.Kind_WELCOME, &api.Welcome{Version: protocolVersion}); err != nil {
		return err
	}
	var err error
	switch hello.Purpose {
	case api.Purpose_PURPOSE_MEET:
		err = s.meet(ctx, stream, log)
	case api.Purpose_PURPOSE_PRODUCE:
		err = s.produce(ctx, stream, log)
	case api.Purpose_PURPOSE_INFER:
		err = s.infer(ctx, stream, log)
	default:
		err = fmt.Errorf("a stream opened for an unknown purpose (%d); compare the versions of pascaline on both sides", hello.Purpose)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, link.ErrGaveUp) {
		log.Info("the client left early", "purpose", hello.Purpose.String())
		return nil
	}
	if err != nil {
		log.Warn("stream failed", "purpose", hello.Purpose.String(), "reason", err)
	}
	return err
}

// check refuses a client that speaks another version or holds another plan.
func (s *Server) check(hello *api.Hello) error {
	if hello.Version != protocolVersion {
		return fmt.Errorf("the client speaks version %d of the protocol, this server version %d; run the same release on both sides", hello.Version, protocolVersion)
	}
	if len(hello.Plan) != len(s.plan) || [32]byte(hello.Plan) != s.plan {
		return fmt.Errorf("the client holds plan %x, this server serves %s (%q); give the client the plan file made with the served model",
			hello.Plan[:min(6, len(hello.Plan))], short(s.plan), s.model.Plan.Name)
	}
	return nil
}

func (s *Server) pair(stream *link.Stream) store.Pair {
	return store.Pair{Peer: stream.Peer(), Plan: s.plan}
}

// meet compares the client's halves with the server's: those that both hold
// are ready from now on, all others are dropped.
func (s *Server) meet(ctx context.Context, stream *link.Stream, log *slog.Logger) error {
	var meeting api.Meeting
	if err := api.Receive(ctx, stream, api.Kind_MEETING, maxHalves*halfBytes, &meeting); err != nil {
		return err
	}
	if len(meeting.Halves) > maxHalves {
		return fmt.Errorf("the client lists %d bundles; at most %d can be compared", len(meeting.Halves), maxHalves)
	}
	theirs := make(map[store.ID][32]byte, len(meeting.Halves))
	for _, h := range meeting.Halves {
		if len(h.Id) != len(store.ID{}) || len(h.Digest) != 32 {
			return fmt.Errorf("the client lists a bundle with an id of %d and a digest of %d bytes", len(h.Id), len(h.Digest))
		}
		theirs[store.ID(h.Id)] = [32]byte(h.Digest)
	}
	pair := s.pair(stream)
	ours, err := s.store.Halves(pair)
	if err != nil {
		return err
	}
	var twins, orphans []store.ID
	for _, h := range ours {
		if digest, ok := theirs[h.ID]; ok && digest == h.Digest {
			twins = append(twins, h.ID)
		} else {
			orphans = append(orphans, h.ID)
		}
	}
	if err := s.store.Drop(pair, orphans); err != nil {
		return err
	}
	if err := s.store.Confirm(pair, twins); err != nil {
		return err
	}
	log.Info("met", "ready", len(twins), "dropped", len(orphans))
	return api.Send(ctx, stream, api.Kind_MEETING_REPLY, &api.MeetingReply{Twins: encodeIDs(twins)})
}

func (s *Server) produce(ctx context.Context, stream *link.Stream, log *slog.Logger) error {
	sink := &sink{store: s.store, pair: s.pair(stream), log: log}
	return offline.Serve(ctx, stream, s.model.Plan, s.model.Weights, sink)
}

// sink writes the server's halves of a production run to its store.
type sink struct {
	store *store.Store
	pair  store.Pair
	log   *slog.Logger
}

func (k *sink) Put(_ context.Context, g *offline.Group) error {
	halves, err := newHalves(g)
	if err != nil {
		return err
	}
	return k.store.Put(k.pair, halves)
}

func (k *sink) Confirm(_ context.Context, g *offline.Group) error {
	if err := k.store.Confirm(k.pair, groupIDs(g)); err != nil {
		return err
	}
	k.log.Info("produced", "bundles", len(g.IDs))
	return nil
}

// infer serves one batch: claim, then one answer to each of the client's
// messages. An end of the stream before the first message is a client that did
// not need its warm bundles after all: they are spent nevertheless.
func (s *Server) infer(ctx context.Context, stream *link.Stream, log *slog.Logger) error {
	var ask api.Claim
	if err := api.Receive(ctx, stream, api.Kind_CLAIM, maxBatch*halfBytes, &ask); err != nil {
		return err
	}
	ids, err := decodeIDs(ask.Ids, maxBatch)
	if err != nil {
		return fmt.Errorf("claiming bundles: %w", err)
	}
	if len(ids) == 0 {
		return errors.New("claiming bundles: a batch needs at least one")
	}
	weight := int64(len(ids)) * int64(s.model.Plan.BundleMemory())
	if !s.warm.TryAcquire(weight) {
		return fmt.Errorf("claiming %d bundles: the server holds as many claimed bundles in memory as it may; infer in smaller batches, or try again when others have finished", len(ids))
	}
	defer s.warm.Release(weight)
	bundles, err := claim(s.store, s.pair(stream), s.spec, ids)
	if err != nil {
		return fmt.Errorf("claiming %d bundles: %w", len(ids), err)
	}
	machine, err := online.NewServer(s.model.Plan, s.model.Weights, bundles)
	if err != nil {
		return err
	}
	log.Info("claimed", "bundles", len(ids))
	if err := api.Send(ctx, stream, api.Kind_CLAIM_REPLY, &api.ClaimReply{}); err != nil {
		return err
	}
	msg, err := awaitInput(ctx, stream, machine.MessageSize())
	if err != nil {
		return err
	}
	log.Debug("inferring", "inferences", len(ids))
	began := time.Now()
	for round := 1; ; round++ {
		reply, last, err := machine.Step(msg)
		if err != nil {
			return err
		}
		kind := api.Kind_MASKED_SUM
		if last {
			kind = api.Kind_OUTPUT
		}
		if err := stream.Send(ctx, kind, reply); err != nil {
			return err
		}
		if last {
			log.Info("inferred", "inferences", len(ids), "took", time.Since(began).Round(time.Microsecond))
			return nil
		}
		machine.Evaluate()
		if msg, err = stream.Recv(ctx, api.Kind_MASKED, machine.MessageSize()); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
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

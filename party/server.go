package party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

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
	// backends are those that a client may choose from.
	backends []offline.Backend
	log      *slog.Logger

	warm      *quota     // what is claimed and waits in memory for its inputs
	producing *turnstile // production runs
	meeting   *turnstile
}

const (
	// warmMemory bounds what claimed bundles take in memory, in bytes, and
	// warmEach what those of one client do.
	warmMemory = 4 << 30
	warmEach   = 1 << 30
	// claimTime bounds how long memory is set aside for a claim that does not
	// come, warmTime how long a batch waits for its input.
	claimTime = 20 * time.Second
	warmTime  = 15 * time.Minute
	// productions and meetings bound how many run at a time. A production of a
	// large model takes some 500 MB.
	productions = 8
	meetings    = 16
)

// NewServer returns a server of m whose halves are in st and are made by any of
// backends, as the client chooses. It logs who did what, never what was computed.
func NewServer(m *model.Model, st *store.Store, backends []offline.Backend, log *slog.Logger) (*Server, error) {
	if m.Weights == nil {
		return nil, fmt.Errorf("serving a model: %w", model.ErrNoWeights)
	}
	return &Server{
		model:     m,
		plan:      m.Plan.Hash(),
		spec:      m.Plan.Bundle(),
		store:     st,
		backends:  backends,
		log:       log,
		warm:      newQuota(warmMemory, warmEach),
		producing: newTurnstile("other production runs", productions),
		meeting:   newTurnstile("other meetings", meetings),
	}, nil
}

// visit is one stream of a client's.
type visit struct {
	*Server
	stream *link.Stream
	pair   store.Pair
	log    *slog.Logger
}

// Handle serves one stream; it is a [link.Handler].
func (s *Server) Handle(ctx context.Context, stream *link.Stream) error {
	log := s.log.With("client", clientName(stream.Peer()))
	var hello api.Hello
	if err := api.Receive(ctx, stream, api.Kind_HELLO, helloLimit, &hello); err != nil {
		return err
	}
	twins, err := s.check(&hello)
	if err != nil {
		log.Warn("refused", "reason", err)
		return err
	}
	v := &visit{
		Server: s, stream: stream, log: log,
		pair: store.Pair{Peer: stream.Peer(), Plan: s.plan, Twin: twins},
	}
	switch hello.Purpose {
	case api.Purpose_PURPOSE_MEET:
		err = v.meet(ctx)
	case api.Purpose_PURPOSE_PRODUCE:
		err = v.produce(ctx)
	case api.Purpose_PURPOSE_INFER:
		err = v.infer(ctx, int(hello.Bundles))
	default:
		err = fmt.Errorf("a stream opened for an unknown purpose (%d); compare the versions of pascaline on both sides", hello.Purpose)
	}
	purpose := strings.ToLower(strings.TrimPrefix(hello.Purpose.String(), "PURPOSE_"))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, link.ErrGaveUp), errors.Is(err, link.ErrLost), errors.Is(err, context.Canceled):
		log.Info("the client left early", "purpose", purpose)
	case err != nil:
		log.Warn("stream failed", "purpose", purpose, "reason", err)
	}
	return err
}

// clientName is enough of a key to tell clients apart in a log.
func clientName(k link.PublicKey) string { return k.String()[:22] }

// welcome tells the client that it may go on.
func (v *visit) welcome(ctx context.Context) error {
	id := v.store.ID()
	return api.Send(ctx, v.stream, api.Kind_WELCOME, &api.Welcome{Version: protocolVersion, Store: id[:]})
}

// storeFailed logs what went wrong with the store and returns what a client may
// know of it: no path, no figure.
func (v *visit) storeFailed(doing string, err error) error {
	v.log.Error("the store failed", "doing", doing, "reason", err)
	for _, known := range []error{store.ErrClaimed, store.ErrUnknown, store.ErrNotReady, store.ErrCorrupt, store.ErrDiskFull, store.ErrDuplicate} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", doing, known)
		}
	}
	return fmt.Errorf("%s: the server's store failed; its log says why", doing)
}

// check refuses a client that speaks another version or holds another plan, and
// returns the id of its store.
func (s *Server) check(hello *api.Hello) (store.ID, error) {
	if hello.Version != protocolVersion {
		return store.ID{}, fmt.Errorf("the client speaks version %d of the protocol, this server version %d; run the same release on both sides", hello.Version, protocolVersion)
	}
	if len(hello.Plan) != len(s.plan) || [32]byte(hello.Plan) != s.plan {
		return store.ID{}, fmt.Errorf("the client holds plan %x, this server serves %s (%q); give the client the plan file made with the served model",
			hello.Plan[:min(6, len(hello.Plan))], short(s.plan), s.model.Plan.Name)
	}
	return decodeStore(hello.Store)
}

// meet compares the client's halves with the server's: those that both hold
// are ready from now on, all others of this pair of stores are dropped.
func (v *visit) meet(ctx context.Context) error {
	leave, err := v.meeting.pass(ctx, v.stream.Peer())
	if err != nil {
		return err
	}
	defer leave()
	if err := v.welcome(ctx); err != nil {
		return err
	}
	var meeting api.Meeting
	if err := api.Receive(ctx, v.stream, api.Kind_MEETING, maxHalves*halfSize+overhead, &meeting); err != nil {
		return err
	}
	theirs, err := decodeHalves(meeting.Halves)
	if err != nil {
		return err
	}
	ours, err := v.store.Halves(v.pair)
	if err != nil {
		return v.storeFailed("listing bundles", err)
	}
	var twins, orphans []store.ID
	for _, h := range ours {
		if digest, ok := theirs[h.ID]; ok && digest == h.Digest {
			twins = append(twins, h.ID)
		} else {
			orphans = append(orphans, h.ID)
		}
	}
	if err := v.store.Drop(v.pair, orphans); err != nil {
		return v.storeFailed("dropping bundles without a twin", err)
	}
	if err := v.store.Confirm(v.pair, twins); err != nil {
		return v.storeFailed("confirming bundles", err)
	}
	others, err := elsewhere(v.store, v.pair)
	if err != nil {
		return v.storeFailed("listing bundles", err)
	}
	level := slog.LevelInfo
	if len(orphans) > 0 {
		level = slog.LevelWarn
	}
	v.log.Log(ctx, level, "met", "ready", len(twins), "dropped", len(orphans), "elsewhere", others)
	return api.Send(ctx, v.stream, api.Kind_MEETING_REPLY, &api.MeetingReply{Twins: encodeIDs(twins), Elsewhere: uint64(others)})
}

func (v *visit) produce(ctx context.Context) error {
	leave, err := v.producing.pass(ctx, v.stream.Peer())
	if err != nil {
		return err
	}
	defer leave()
	if err := v.welcome(ctx); err != nil {
		return err
	}
	return offline.Serve(ctx, v.stream, v.model.Plan, v.model.Weights, v.backend, v)
}

// backend returns the backend of that name, if the server allows it.
func (v *visit) backend(_ context.Context, name string) (offline.Backend, error) {
	var names []string
	for _, b := range v.backends {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return offline.Backend{}, fmt.Errorf("the server does not allow backend %q; it allows %s (serve --backend)", name, strings.Join(names, ", "))
}

// Put writes the server's halves of a group; visit is the [offline.Sink] of its
// own production run.
func (v *visit) Put(_ context.Context, g *offline.Group) error {
	halves, err := newHalves(g)
	if err != nil {
		return err
	}
	if err := v.store.Put(v.pair, halves); err != nil {
		return v.storeFailed("writing bundles", err)
	}
	return nil
}

// Confirm makes a group ready.
func (v *visit) Confirm(_ context.Context, g *offline.Group) error {
	if err := v.store.Confirm(v.pair, groupIDs(g)); err != nil {
		return v.storeFailed("confirming bundles", err)
	}
	v.log.Info("produced", "bundles", len(g.IDs))
	return nil
}

// infer serves one batch of n inferences: claim, then one answer to each of the
// client's messages. Memory is set aside before the client may claim, so that a
// refusal costs it nothing. An end of the stream before the first message is a
// client that did not need its warm bundles after all: they are spent
// nevertheless.
func (v *visit) infer(ctx context.Context, n int) error {
	if n < 1 || n > maxBatch {
		return fmt.Errorf("a batch of %d inferences; it must have from 1 to %d", n, maxBatch)
	}
	giveBack, err := v.warm.take(v.stream.Peer(), int64(n)*int64(v.model.Plan.BundleMemory()))
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
	bundles, err := claim(v.store, v.pair, v.spec, ids)
	if err != nil {
		return v.storeFailed(fmt.Sprintf("claiming %d bundles", n), err)
	}
	machine, err := online.NewServer(v.model.Plan, v.model.Weights, bundles)
	if err != nil {
		return err
	}
	v.log.Info("claimed", "bundles", len(ids))
	if err := api.Send(ctx, v.stream, api.Kind_CLAIM_REPLY, &api.ClaimReply{}); err != nil {
		return err
	}
	msg, err := awaitInput(ctx, v.stream, machine.MessageSize())
	if err != nil {
		return err
	}
	v.log.Debug("inferring", "inferences", len(ids))
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
		if err := v.stream.Send(ctx, kind, reply); err != nil {
			return err
		}
		if last {
			v.log.Info("inferred", "inferences", len(ids), "took", time.Since(began).Round(time.Microsecond))
			return nil
		}
		machine.Evaluate()
		if msg, err = v.stream.Recv(ctx, api.Kind_MASKED, machine.MessageSize()); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
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

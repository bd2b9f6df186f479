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

// Config is what a server is made of.
type Config struct {
	// Model is what it serves; nil: nothing, it has pools only.
	Model *model.Model
	Store *store.Store
	// Backends are those that a client may choose from.
	Backends []offline.Backend
	// Programs are what clients may run with the server on shared values, by name.
	Programs map[string]Program
	// Exports is the directory that clients may have the server write its halves
	// to; empty: none.
	Exports string
	// Log hears who did what, never what was computed.
	Log *slog.Logger
}

// Server is party 0: it serves its clients.
type Server struct {
	Config
	plan [32]byte // zero without a model
	spec *correlation.BundleSpec

	circuit *online.Circuit // of the model

	warm      *quota     // what is claimed and waits in memory for its inputs
	producing *turnstile // production runs
	meeting   *turnstile
	exporting *turnstile

	inferences *precedence // over production
}

const (
	// warmMemory bounds what claimed correlations take in memory, in bytes, and
	// warmEach what those of one client do.
	warmMemory = 4 << 30
	warmEach   = 1 << 30
	// claimTime bounds how long memory is set aside for a claim that does not
	// come, warmTime how long a batch waits for its input.
	claimTime = 20 * time.Second
	warmTime  = 15 * time.Minute
	// productions, meetings and exports bound how many run at a time. A production
	// of a large model or batch takes some 200 MB here, and 650 MB in its backend.
	productions = 8
	meetings    = 16
	exports     = 4
)

// NewServer returns a server.
func NewServer(c Config) (*Server, error) {
	s := &Server{
		Config:    c,
		warm:      newQuota(warmMemory, warmEach),
		producing: newTurnstile("other production runs", productions),
		meeting:   newTurnstile("other meetings", meetings),
		exporting: newTurnstile("other exports", exports),

		inferences: newPrecedence(),
	}
	if c.Model != nil {
		if c.Model.Weights == nil {
			return nil, fmt.Errorf("serving a model: %w", model.ErrNoWeights)
		}
		s.plan, s.spec = c.Model.Plan.Hash(), c.Model.Plan.Bundle()
		var err error
		if s.circuit, err = online.NewCircuit(c.Model.Plan, c.Model.Weights); err != nil {
			return nil, fmt.Errorf("serving a model: %w", err)
		}
	}
	return s, nil
}

// visit is one stream of a client's.
type visit struct {
	*Server
	stream *link.Stream
	pair   store.Pair
	plan   *model.Plan // nil for a client that uses pools only
	log    *slog.Logger
}

// Handle serves one stream; it is a [link.Handler].
func (s *Server) Handle(ctx context.Context, stream *link.Stream) error {
	log := s.Log.With("client", clientName(stream.Peer()))
	var hello api.Hello
	if err := api.Receive(ctx, stream, api.Kind_HELLO, helloLimit, &hello); err != nil {
		return err
	}
	v := &visit{Server: s, stream: stream, log: log, pair: store.Pair{Peer: stream.Peer()}}
	if err := v.check(&hello); err != nil {
		log.Warn("refused", "reason", err)
		return err
	}
	err := v.serve(ctx, &hello)
	purpose := strings.ToLower(strings.TrimPrefix(hello.Purpose.String(), "PURPOSE_"))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, link.ErrGaveUp), errors.Is(err, link.ErrLost), errors.Is(err, context.Canceled):
		log.Info("the client left early", "purpose", purpose)
	case err != nil:
		log.Warn("stream failed", "purpose", purpose, "reason", err)
	}
	return err
}

func (v *visit) serve(ctx context.Context, hello *api.Hello) error {
	switch hello.Purpose {
	case api.Purpose_PURPOSE_MEET:
		return v.meet(ctx)
	case api.Purpose_PURPOSE_PRODUCE:
		return v.produce(ctx)
	case api.Purpose_PURPOSE_INFER:
		return v.infer(ctx, int(hello.Bundles))
	case api.Purpose_PURPOSE_SESSION:
		return v.session(ctx, hello.Program)
	case api.Purpose_PURPOSE_VERIFY:
		return v.verify(ctx)
	case api.Purpose_PURPOSE_EXPORT:
		return v.export(ctx)
	}
	return fmt.Errorf("a stream opened for an unknown purpose (%d); compare the versions of pascaline on both sides", hello.Purpose)
}

// clientName is enough of a key to tell clients apart in a log.
func clientName(k link.PublicKey) string { return k.String()[:22] }

// welcome tells the client that it may go on.
func (v *visit) welcome(ctx context.Context) error {
	id := v.Store.ID()
	return api.Send(ctx, v.stream, api.Kind_WELCOME, &api.Welcome{Version: protocolVersion, Store: id[:]})
}

// storeFailed logs what went wrong with the store and returns what a client may
// know of it: no path, no figure.
func (v *visit) storeFailed(doing string, err error) error {
	v.log.Error("the store failed", "doing", doing, "reason", err)
	for _, known := range []error{store.ErrClaimed, store.ErrUnknown, store.ErrNotReady, store.ErrCorrupt, store.ErrDiskFull, store.ErrDuplicate, store.ErrRange, store.ErrScattered} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", doing, known)
		}
	}
	return fmt.Errorf("%s: the server's store failed; its log says why", doing)
}

// check refuses a client that speaks another version or holds another plan, and
// notes which plan and store it has.
func (v *visit) check(hello *api.Hello) (err error) {
	if hello.Version != protocolVersion {
		return fmt.Errorf("the client speaks version %d of the protocol, this server version %d; run the same release on both sides", hello.Version, protocolVersion)
	}
	if v.pair.Twin, err = decodeStore(hello.Store); err != nil {
		return err
	}
	if len(hello.Plan) == 0 {
		return nil
	}
	if v.Model == nil {
		return errors.New("this server serves no model: it keeps pools only")
	}
	if len(hello.Plan) != len(v.Server.plan) || [32]byte(hello.Plan) != v.Server.plan {
		return fmt.Errorf("the client holds plan %x, this server serves %s (%q); give the client the plan file made with the served model",
			hello.Plan[:min(6, len(hello.Plan))], short(v.Server.plan), v.Model.Plan.Name)
	}
	v.plan, v.pair.Plan = v.Model.Plan, v.Server.plan
	return nil
}

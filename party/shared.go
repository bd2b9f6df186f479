package party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"pascaline/api"
	"pascaline/link"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/store"
)

// SharedConfig is what one of two servers is made of that evaluate models
// together of which neither knows the weights, on inputs that neither knows
// (docs/session.md, sections 6 and 7).
type SharedConfig struct {
	// Peer is the other server.
	Peer link.PublicKey
	// Dial connects to it; nil makes this server the one that is connected to,
	// party 0.
	Dial func(context.Context) (*link.Conn, error)
	// Owners may deal models, Clients inputs.
	Owners, Clients []link.PublicKey
	Store           *store.Store
	// Backends make the correlations: party 1 uses the first, party 0 those that
	// party 1 asks for.
	Backends []offline.Backend
	// Patience is how long a server waits for what the other must have got too,
	// of a deal or of an input; 0 stands for 20 s.
	Patience time.Duration
	// Log hears who did what, never what was computed.
	Log *slog.Logger
}

// Validate reports what makes c impossible; it does not look at the store.
func (c SharedConfig) Validate() error {
	if slices.Contains(c.Owners, c.Peer) || slices.Contains(c.Clients, c.Peer) {
		return errors.New("the other server is named as an owner or a client too; give every role a key of its own")
	}
	if len(c.Backends) == 0 {
		return errors.New("a server of shared models needs a backend")
	}
	return nil
}

// SharedServer is one of the two. What is dealt to it lives in its memory: after
// a restart, or when the two have lost each other, models are dealt again.
type SharedServer struct {
	SharedConfig
	party int
	peer  *Server // party 0: answers party 1

	ctx      context.Context // of what outlives the stream that began it
	cancel   context.CancelFunc
	sessions sync.WaitGroup

	inputs    *quota        // of clients, in memory
	preparing chan struct{} // party 1: holds a token while a deal is prepared

	mu      sync.Mutex
	changed chan struct{} // closed and made anew with every change of what follows
	other   *otherServer  // party 1: nil before the first deal and after a loss
	pending map[sharedID]*deal
	models  map[[32]byte]*deal // by plan, the latest
	inbox   map[requestKey]*request
}

// sharedID names a deal or an input.
type sharedID [16]byte

const (
	// sharedProgram is what party 1 runs with party 0 for each deal.
	sharedProgram = "shared-model"

	standardPatience = 20 * time.Second
	// maxShared bounds the models that a server keeps, those that are spent
	// included, and maxQueue the inputs that wait for their turn with one.
	maxShared = 16
	maxQueue  = 64

	// Bounds of messages, in bytes; shares are bounded by what they are of.
	sharedDealLimit = 2 << 20 // a plan has at most 1 MiB
	sharedLimit     = 4096
)

// NewSharedServer returns a server; party 1 connects with the first deal.
func NewSharedServer(c SharedConfig) (*SharedServer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Patience == 0 {
		c.Patience = standardPatience
	}
	s := &SharedServer{
		SharedConfig: c,
		inputs:       newQuota(warmMemory, warmEach),
		preparing:    make(chan struct{}, 1),
		changed:      make(chan struct{}),
		pending:      make(map[sharedID]*deal),
		models:       make(map[[32]byte]*deal),
		inbox:        make(map[requestKey]*request),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if c.Dial != nil {
		s.party = 1
		return s, nil
	}
	var err error
	s.peer, err = NewServer(Config{Store: c.Store, Backends: c.Backends, Programs: map[string]Program{sharedProgram: s.follow}, Log: c.Log})
	return s, err
}

// Party returns which party of the sessions this server is.
func (s *SharedServer) Party() int { return s.party }

// Allowed lists who may connect.
func (s *SharedServer) Allowed() []link.PublicKey {
	keys := slices.Concat(s.Owners, s.Clients)
	if s.party == 0 {
		keys = append(keys, s.Peer)
	}
	return keys
}

// Close ends what goes on with the other server. Streams are ended by whoever
// serves them.
func (s *SharedServer) Close() error {
	s.cancel()
	s.sessions.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.other != nil {
		return s.other.conn.Close()
	}
	return nil
}

// Handle serves one stream; it is a [link.Handler].
func (s *SharedServer) Handle(ctx context.Context, stream *link.Stream) error {
	if stream.Peer() == s.Peer {
		if s.peer == nil {
			return errors.New("each of the two servers was told to connect to the other; tell one alone (--peer)")
		}
		return s.peer.Handle(ctx, stream)
	}
	log := s.Log.With("client", clientName(stream.Peer()))
	var hello api.Hello
	if err := api.Receive(ctx, stream, api.Kind_HELLO, helloLimit, &hello); err != nil {
		return err
	}
	err := s.serve(ctx, stream, &hello)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, link.ErrGaveUp), errors.Is(err, link.ErrLost), errors.Is(err, context.Canceled):
		log.Info("the client left early")
	case err != nil:
		log.Warn("stream failed", "reason", err)
	}
	return err
}

func (s *SharedServer) serve(ctx context.Context, stream *link.Stream, hello *api.Hello) error {
	if hello.Version != protocolVersion {
		return fmt.Errorf("the client speaks version %d of the protocol, this server version %d; run the same release everywhere", hello.Version, protocolVersion)
	}
	who := stream.Peer()
	switch hello.Purpose {
	case api.Purpose_PURPOSE_SHARED_DEAL:
		if !slices.Contains(s.Owners, who) {
			return fmt.Errorf("this server takes models from its owners alone, and %v is none (shared serve --owner)", who)
		}
		return s.takeDeal(ctx, stream)
	case api.Purpose_PURPOSE_SHARED_INFER:
		if !slices.Contains(s.Clients, who) {
			return fmt.Errorf("this server takes inputs from its clients alone, and %v is none (shared serve --allow)", who)
		}
		return s.infer(ctx, stream, hello)
	}
	return errors.New("this server evaluates shared models and nothing else (pascaline shared deal, pascaline shared infer)")
}

// welcome tells an owner or a client to go on.
func (s *SharedServer) welcome(ctx context.Context, stream *link.Stream) error {
	id := s.Store.ID()
	return api.Send(ctx, stream, api.Kind_WELCOME, &api.Welcome{Version: protocolVersion, Store: id[:]})
}

// change tells those who await something to look again. The caller holds mu.
func (s *SharedServer) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until there says so, which is asked under mu after every change.
func (s *SharedServer) await(ctx context.Context, there func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := there(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sharedModel returns the latest model of a plan.
func (s *SharedServer) sharedModel(hash [32]byte) (*deal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.models[hash]
	if d == nil {
		return nil, fmt.Errorf("this server holds no model of plan %s: its owner has not dealt it, or not since the server was started (pascaline shared deal)", short(hash))
	}
	return d, nil
}

// inputWords and outputWords are the elements of one inference.
func inputWords(p *model.Plan) int  { return p.Nodes[0].Shape.Len() }
func outputWords(p *model.Plan) int { return p.Nodes[len(p.Nodes)-1].Shape.Len() }

package dealer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"

	"pascaline/api"
	"pascaline/link"
)

// Server is the trusted dealer. It keeps nothing: not on disk, and in memory no
// longer than a batch lasts.
type Server struct {
	log      *slog.Logger
	patience time.Duration
	memory   int64 // bytes
	room     *semaphore.Weighted
	lobby    *lobby
}

// An Option is a setting of a [Server].
type Option func(*Server)

// Patience sets how long a party waits for the other one, or for other parties'
// batches to be done; else it is 30 s.
func Patience(d time.Duration) Option { return func(s *Server) { s.patience = d } }

// Memory sets how many bytes the batches that are dealt at a time may take, all
// together; else it is 1 GiB. A batch takes little, however large it is: a few
// products of its largest matrices.
func Memory(bytes int64) Option { return func(s *Server) { s.memory = bytes } }

// NewServer returns a dealer. It logs who was dealt what, never a seed.
func NewServer(log *slog.Logger, options ...Option) *Server {
	s := &Server{log: log, patience: 30 * time.Second, memory: 1 << 30, lobby: newLobby()}
	for _, o := range options {
		o(s)
	}
	s.room = semaphore.NewWeighted(s.memory)
	return s
}

// Handle deals one party its halves of one batch; it is a [link.Handler]. The
// link has authenticated the party, and allows whom it was told to.
func (s *Server) Handle(ctx context.Context, stream *link.Stream) error {
	log := s.log.With("party", shortName(stream.Peer()))
	err := s.serve(ctx, stream, log)
	switch {
	case errors.Is(err, link.ErrGaveUp), errors.Is(err, link.ErrLost), errors.Is(err, context.Canceled):
		log.Info("the party left early")
	case err != nil:
		log.Warn("a batch failed", "reason", err)
	}
	return err
}

// shortName is enough of a key to tell parties apart in a log.
func shortName(k link.PublicKey) string { return k.String()[:22] }

func (s *Server) serve(ctx context.Context, stream *link.Stream, log *slog.Logger) (err error) {
	payload, err := stream.Recv(ctx, api.Kind_DEAL, dealLimit)
	if err != nil {
		return err
	}
	r, err := decodeDeal(payload, stream.Peer())
	if err != nil {
		return err
	}
	b, err := s.lobby.meet(ctx, r, s.patience)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.fail(fmt.Errorf("the batch could not be dealt to party %d: %w", r.party, err))
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.failed, func() { cancel(context.Cause(b.failed)) })()
	began := time.Now()
	if r.party == 0 {
		err = s.dealZero(ctx, stream, b)
	} else {
		err = s.dealOne(ctx, stream, b)
	}
	if err != nil {
		return err
	}
	log.Info("dealt", "role", r.party, "twin", shortName(r.peer), "batch", hex.EncodeToString(b.name[:4]), "what", contents(b.specs),
		"bytes", stream.Traffic().SentBytes, "took", time.Since(began).Round(time.Microsecond))
	return nil
}

// dealOne sends party 1 its seed, and stays until party 0 has its part.
func (s *Server) dealOne(ctx context.Context, stream *link.Stream, b *batch) error {
	if err := api.Send(ctx, stream, api.Kind_DEAL_REPLY, &api.DealReply{Seed: b.roots[1][:]}); err != nil {
		return err
	}
	select {
	case <-b.dealt:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// dealZero sends party 0 its seed and the corrections.
func (s *Server) dealZero(ctx context.Context, stream *link.Stream, b *batch) error {
	atOnce, bytes := b.memory(runtime.GOMAXPROCS(0))
	if bytes > s.memory {
		return fmt.Errorf("dealing this batch takes %d MiB at a time, and the dealer may use %d: ask for smaller matrices or images, or give it more", bytes>>20, s.memory>>20)
	}
	if err := s.enterRoom(ctx, bytes); err != nil {
		return err
	}
	defer s.room.Release(bytes)
	if err := api.Send(ctx, stream, api.Kind_DEAL_REPLY, &api.DealReply{Seed: b.roots[0][:]}); err != nil {
		return err
	}
	err := b.corrections(ctx, atOnce, func(ctx context.Context, msg []byte) error {
		return stream.Send(ctx, api.Kind_DEAL_CORRECTION, msg)
	})
	if err == nil {
		close(b.dealt)
	}
	return err
}

// enterRoom waits until the memory for a batch is free.
func (s *Server) enterRoom(ctx context.Context, bytes int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience, errors.New("the dealer is busy with other batches; try again later"))
	defer cancel()
	if s.room.Acquire(ctx, bytes) != nil {
		return context.Cause(ctx)
	}
	return nil
}

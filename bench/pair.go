package bench

import (
	"context"
	"errors"
	"fmt"
	"net"

	"pascaline/api"
	"pascaline/link"
	"pascaline/online"
)

// pair runs f at both parties, each with its end of one stream over a network.
func pair(ctx context.Context, network link.Network, f func(ctx context.Context, party int, s *link.Stream) error) (err error) {
	var ids [2]link.Identity
	for p := range ids {
		if ids[p], err = link.GenerateIdentity(); err != nil {
			return err
		}
	}
	served := make(chan error, 1)
	server, err := link.NewServer(ids[0], link.Allow(ids[1].Public()), func(ctx context.Context, s *link.Stream) error {
		err := f(ctx, 0, s)
		served <- err
		return err
	}, link.Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening on loopback: %w", err)
	}
	go server.Serve(l)
	defer server.Stop()
	conn, err := link.Dial(ctx, l.Addr().String(), ids[1], ids[0].Public(), link.Options{Network: network})
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := conn.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := f(ctx, 1, s); err != nil {
		return errors.Join(err, ctx.Err())
	}
	return errors.Join(s.End(ctx), <-served)
}

// exchange is one round over a stream.
func exchange(s *link.Stream) online.Exchange {
	return func(ctx context.Context, msg []byte, limit int) ([]byte, error) {
		return api.Exchange(ctx, s, api.Kind_ROUND, msg, limit)
	}
}

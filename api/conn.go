package api

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

// Conn carries messages, in order and whole; link.Stream is one. One goroutine
// may send while another receives.
type Conn interface {
	Send(ctx context.Context, kind Kind, payload []byte) error
	// Recv returns the next message, which must be of the given kind and hold
	// at most limit bytes.
	Recv(ctx context.Context, kind Kind, limit int) ([]byte, error)
}

// Send sends m as a message of the given kind.
func Send(ctx context.Context, c Conn, kind Kind, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding %v: %w", kind, err)
	}
	return c.Send(ctx, kind, b)
}

// Receive receives the next message, which must be of the given kind and hold
// at most limit bytes, into m.
func Receive(ctx context.Context, c Conn, kind Kind, limit int, m proto.Message) error {
	b, err := c.Recv(ctx, kind, limit)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("decoding %v: %w", kind, err)
	}
	return nil
}

// Exchange sends msg and meanwhile receives the other side's message of the same
// kind, of at most limit bytes: neither side waits for the other before it sends.
func Exchange(ctx context.Context, c Conn, kind Kind, msg []byte, limit int) (theirs []byte, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.Send(ctx, kind, msg) })
	group.Go(func() (err error) {
		theirs, err = c.Recv(ctx, kind, limit)
		return err
	})
	return theirs, group.Wait()
}

package party

import (
	"context"
	"sync/atomic"
	"time"

	"pascaline/api"
	"pascaline/link"
)

// precedence lets inferences go before production where both want the processors:
// an inference leaves its mark with every message, and production passes here
// before each of its own, and before it writes what it made. What it computes
// between two messages runs in the backend's process, at the lowest priority.
type precedence struct {
	began time.Time
	last  atomic.Int64 // when an inference last sent something, since began; 0: never
}

const (
	// lull is how long an inference may be silent on its way before production goes
	// on. Between two messages of one over a local network there are a few
	// milliseconds; where its messages take longer than this, they travel, and the
	// processors are idle.
	lull = 20 * time.Millisecond
	// deference bounds how long one message of production waits, so that it goes on
	// even where inferences never end: at four messages of a megabyte or two a
	// second, each way.
	deference = 250 * time.Millisecond
)

func newPrecedence() *precedence { return &precedence{began: time.Now()} }

// mark says that an inference is under way.
func (p *precedence) mark() { p.last.Store(int64(time.Since(p.began))) }

// giveWay returns once no inference is under way, at the latest after deference.
func (p *precedence) giveWay(ctx context.Context) error {
	late := time.Now().Add(deference)
	for {
		last := p.last.Load()
		wait := min(lull-(time.Since(p.began)-time.Duration(last)), time.Until(late))
		if last == 0 || wait <= 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// deferential is the stream of a production run. What it does not receive yet waits
// in the link's window, and in the end at the other party.
type deferential struct {
	*link.Stream
	inferences *precedence
}

func (d deferential) Send(ctx context.Context, kind api.Kind, payload []byte) error {
	if err := d.inferences.giveWay(ctx); err != nil {
		return err
	}
	return d.Stream.Send(ctx, kind, payload)
}

func (d deferential) Recv(ctx context.Context, kind api.Kind, limit int) ([]byte, error) {
	if err := d.inferences.giveWay(ctx); err != nil {
		return nil, err
	}
	return d.Stream.Recv(ctx, kind, limit)
}

package party

import (
	"context"

	"pascaline/api"
)

// An outbox sends the messages of one batch while the next are computed. It owns a
// few buffers, which go round: from buffer to whoever fills them, by send to the
// stream, and back.
type outbox struct {
	stream sender
	under  *precedence // hears of every message
	queue  chan parcel
	free   chan []byte
}

// A sender is a stream that keeps nothing of a message once Send has returned.
type sender interface {
	Send(ctx context.Context, kind api.Kind, payload []byte) error
}

type parcel struct {
	kind api.Kind
	msg  []byte
}

// outboxBuffers is how many messages are under way between the machine and the
// connection: one is filled, one is sent, and one waits.
const outboxBuffers = 3

func newOutbox(stream sender, size int, under *precedence) *outbox {
	o := &outbox{stream: stream, under: under, queue: make(chan parcel, outboxBuffers), free: make(chan []byte, outboxBuffers)}
	for range outboxBuffers {
		o.free <- make([]byte, size)
	}
	return o
}

// during calls f, which may send, and returns once all has been sent, or with the
// first error. It is good for one call.
func (o *outbox) during(ctx context.Context, f func(ctx context.Context) error) error {
	o.under.mark()
	ctx, cancel := context.WithCancelCause(ctx)
	sent := make(chan error, 1)
	go func() { sent <- o.deliver(ctx) }()
	err := f(ctx)
	close(o.queue)
	if err != nil {
		cancel(err) // nobody waits for what is still queued
	}
	failed := <-sent
	cancel(nil)
	if err == nil {
		err = failed
	}
	return err
}

// deliver sends what is queued. After an error, which has ended the stream, it only
// hands back buffers: whoever receives from the stream gets the error too.
func (o *outbox) deliver(ctx context.Context) error {
	var failed error
	for p := range o.queue {
		if failed == nil {
			failed = o.stream.Send(ctx, p.kind, p.msg)
		}
		o.free <- p.msg[:cap(p.msg)]
	}
	return failed
}

// buffer returns a buffer that is free, of the size of the longest message.
func (o *outbox) buffer() []byte { return <-o.free }

// send queues a message, whose memory is the outbox's from now on.
func (o *outbox) send(kind api.Kind, msg []byte) {
	o.under.mark()
	o.queue <- parcel{kind, msg}
}

package link

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/keepalive"
)

// Options are the settings of one end of a connection. The zero value is right
// for most.
type Options struct {
	// Stall is how long a message may make no progress before the exchange is
	// given up; 0 stands for 60 s. It bounds how long the other side may
	// compute before it answers.
	Stall time.Duration
	// Handshake is how long it may take to connect; 0 stands for 10 s.
	Handshake time.Duration
	// Streams is how many streams a server lets one connection have open at
	// once; 0 stands for 32. A client that opens more waits.
	Streams int
	// Network is emulated on every connection. Set it at one end only.
	Network Network
	// Log gets what nobody can be told otherwise: clients that were refused,
	// handshakes that failed, handlers that panicked. Nil drops it.
	Log *slog.Logger
}

// withDefaults fills in what was left out and reports what makes no sense.
func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
	}{
		{"stall", &o.Stall, 60 * time.Second},
		{"handshake", &o.Handshake, 10 * time.Second},
	} {
		if *d.value < 0 {
			return o, fmt.Errorf("the %s timeout is %v; it must be positive, or 0 for %v", d.name, *d.value, d.standard)
		}
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if o.Streams < 0 || o.Streams > 1<<16 {
		return o, fmt.Errorf("%d streams per connection; there may be 1 to %d, or 0 for 32", o.Streams, 1<<16)
	}
	if o.Streams == 0 {
		o.Streams = 32
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, o.Network.validate()
}

// Both sides' HTTP/2 settings.
const (
	// The windows are static, so that no probing of the link disturbs the
	// meter, and hold 1 Gbit/s over a round trip of 100 ms. They also bound
	// what a side keeps of messages that it does not read.
	streamWindow     = 16 << 20
	connectionWindow = 32 << 20
	// maxHeaders bounds the headers and trailers of a stream; an error's text
	// travels in a trailer, three bytes for each at worst.
	maxHeaders = 16 << 10
)

// A side pings after this long without a word from the other, and gives the
// connection up if no answer comes within keepaliveTimeout.
const (
	keepaliveTime    = 20 * time.Second
	keepaliveTimeout = 20 * time.Second
	// keepaliveMin is how often the other may ping.
	keepaliveMin = 5 * time.Second
)

var clientKeepalive = keepalive.ClientParameters{
	Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true,
}

var serverKeepalive = keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}

var serverTolerance = keepalive.EnforcementPolicy{MinTime: keepaliveMin, PermitWithoutStream: true}

// newStream makes the end of a stream that ctx, which cancel ends, belongs to.
func newStream(ctx context.Context, cancel context.CancelCauseFunc, raw rawStream, w *wire, o Options) *Stream {
	return &Stream{
		raw: raw, ctx: ctx, cancel: cancel, wire: w, stall: o.Stall,
		receiving: make(chan struct{}, 1),
	}
}

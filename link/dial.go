package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"

	"pascaline/api"
)

// A Conn is a client's connection to a server. It never reconnects: once lost,
// it stays lost, and what was under way on it has failed.
type Conn struct {
	grpc    *grpc.ClientConn
	client  api.LinkClient
	wire    *wire
	address string
	options Options
	drained <-chan struct{} // the emulated network has delivered all, if there is one
}

// Dial connects to the server at addr (host:port) as id. It returns once each
// side has accepted the other's key, or with an error that says what failed:
// the server has another key than this one ([ErrUntrusted]), or it does not
// allow ours ([ErrRefused]), or it is not to be reached within
// [Options.Handshake].
func Dial(ctx context.Context, addr string, id Identity, server PublicKey, o Options) (*Conn, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	config, err := clientTLS(id, server)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Handshake, errNoAnswer)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("connecting to %s: nothing listens there; is the server running, and is the port right? (%w)", addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, timeoutOf(ctx, o, err))
	}
	c := &Conn{address: addr, options: o}
	conn := emulate(raw, o.Network)
	if e, ok := conn.(*emulated); ok {
		c.drained = e.drained
	}
	c.wire = newWire(conn)
	if err := c.connect(ctx, config); err != nil {
		c.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connecting to %s: %w", addr, timeoutOf(ctx, o, err))
		}
		return nil, explainHandshake(err, addr, id.Public(), server)
	}
	c.wire.peer = server
	return c, nil
}

var errNoAnswer = errors.New("no answer in time")

// timeoutOf says that the time for connecting is over, if that is why err came.
func timeoutOf(ctx context.Context, o Options, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case context.Cause(ctx) == errNoAnswer:
		return failf([]error{context.DeadlineExceeded}, "the handshake took longer than %v; is it a pascaline server, and is the network up?", o.Handshake)
	}
	return causeOf(ctx)
}

// connect runs the handshakes of TLS and HTTP/2.
func (c *Conn) connect(ctx context.Context, config *tls.Config) error {
	stop := context.AfterFunc(ctx, func() { c.wire.SetDeadline(time.Unix(1, 0)) })
	conn, err := connectClient(c.wire, config)
	if err != nil {
		stop()
		return err
	}
	if !stop() {
		return ctx.Err()
	}
	var once atomic.Bool
	c.grpc, err = grpc.NewClient("passthrough:///"+c.address,
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if once.Swap(true) {
				return nil, errors.New("the connection was lost")
			}
			return conn, nil
		}),
		grpc.WithTransportCredentials(&established{c.wire}),
		grpc.WithAuthority("pascaline"),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connectionWindow),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithKeepaliveParams(clientKeepalive),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(frameCodec{}),
			grpc.MaxCallRecvMsgSize(maxFrame),
			grpc.MaxCallSendMsgSize(maxFrame),
		),
	)
	if err != nil {
		return err
	}
	c.client = api.NewLinkClient(c.grpc)
	c.grpc.Connect()
	for {
		switch state := c.grpc.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			if lost := c.wire.lost(); lost != nil {
				return lost
			}
			return errors.New("the server does not speak HTTP/2")
		default:
			if !c.grpc.WaitForStateChange(ctx, state) {
				return ctx.Err()
			}
		}
	}
}

// Open opens a stream, which lasts until [Stream.Close], or until ctx is over.
// If the server allows no more at present, Open waits.
func (c *Conn) Open(ctx context.Context) (*Stream, error) {
	if lost := c.wire.lost(); lost != nil {
		return nil, failf([]error{ErrLost, lost}, "opening a stream: the connection to server %s was lost: %v; connect again", c.address, lost)
	}
	// The stream gets a context of its own, so that its end has one cause, and
	// so that a deadline of ctx is ours alone.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	detach := context.AfterFunc(ctx, func() { cancel(&localCause{causeOf(ctx)}) })
	raw, err := c.client.Open(own)
	if err != nil {
		detach()
		cause := endedHere(own)
		cancel(nil)
		if cause != nil {
			return nil, fmt.Errorf("opening a stream to server %s: %w", c.address, cause)
		}
		return nil, failf([]error{ErrLost, err}, "opening a stream: the connection to server %s was lost, or the server is stopping; connect again", c.address)
	}
	s := newStream(own, cancel, raw, c.wire, c.options)
	s.client, s.peer, s.detach = true, "server "+c.address, detach
	return s, nil
}

// Peer returns the server's public key.
func (c *Conn) Peer() PublicKey { return c.wire.peer }

// Traffic returns what the connection has carried; its bytes are those on the
// wire.
func (c *Conn) Traffic() Traffic { return c.wire.meter.read() }

// Close closes the connection. Streams that are still open are lost.
func (c *Conn) Close() error {
	if c.grpc != nil {
		c.grpc.Close()
	}
	err := c.wire.Close()
	if c.drained != nil {
		// What was sent last is still under way on the emulated network, and
		// would be lost if the process ended now.
		select {
		case <-c.drained:
		case <-time.After(c.options.Network.Delay + drainTime):
		}
	}
	return err
}

// established are gRPC's credentials for a connection that is already secure.
type established struct{ wire *wire }

func (e *established) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return conn, e.wire, nil
}

func (e *established) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("link: these credentials are a client's")
}

func (e *established) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (e *established) Clone() credentials.TransportCredentials { return e }

func (e *established) OverrideServerName(string) error { return nil }

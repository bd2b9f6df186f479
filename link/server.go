package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"pascaline/api"
)

// A Handler serves one stream. Its return ends the stream; an error reaches the
// client as text, in a [RemoteError], so it must hold no secret. ctx is over
// when the stream is: when the client gives up or is lost, or the server stops.
type Handler func(ctx context.Context, s *Stream) error

// Allow accepts these keys and no others.
func Allow(keys ...PublicKey) func(PublicKey) bool {
	set := make(map[PublicKey]bool, len(keys))
	for _, k := range keys {
		set[k] = true
	}
	return func(k PublicKey) bool { return set[k] }
}

// maxPending bounds the connections whose handshake is not done, each of which
// costs memory and a file though nobody knows yet who it is.
const maxPending = 256

// A Server accepts connections from the clients it knows.
type Server struct {
	grpc    *grpc.Server
	tls     *tls.Config
	handler Handler
	options Options

	mu      sync.Mutex
	pending map[*wire]struct{} // in the handshake
	stopped bool
}

// NewServer makes a server that is known as id, accepts the clients whose keys
// allowed says yes to, and runs h for each stream they open. allowed is asked at
// every handshake, by several goroutines at once; a connection that stands is not
// asked about again.
func NewServer(id Identity, allowed func(PublicKey) bool, h Handler, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("making a server: %w", err)
	}
	config, err := serverTLS(id, allowed)
	if err != nil {
		return nil, fmt.Errorf("making a server: %w", err)
	}
	s := &Server{tls: config, handler: h, options: o, pending: make(map[*wire]struct{})}
	s.grpc = grpc.NewServer(
		grpc.Creds(&accepting{s}),
		grpc.ForceServerCodecV2(frameCodec{}),
		grpc.InTapHandle(ownCancel),
		grpc.MaxConcurrentStreams(uint32(o.Streams)),
		grpc.MaxRecvMsgSize(maxFrame),
		grpc.MaxSendMsgSize(maxFrame),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(o.Handshake),
		grpc.KeepaliveParams(serverKeepalive),
		grpc.KeepaliveEnforcementPolicy(serverTolerance),
		grpc.WaitForHandlers(true),
	)
	api.RegisterLinkServer(s.grpc, &service{server: s})
	return s, nil
}

// Serve accepts connections from l, which it closes in the end, until [Server.Stop]
// or [Server.Shutdown]; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(&listener{l, s})
	if err == nil || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("serving on %s: %w", l.Addr(), err)
}

// Stop closes all connections and returns when every [Handler] has; so no Handler
// may call it.
func (s *Server) Stop() {
	s.abandonPending()
	s.grpc.Stop()
}

// Shutdown lets the streams that are open come to their end, takes no new ones,
// and returns when every [Handler] has; when ctx is over it does as [Server.Stop].
func (s *Server) Shutdown(ctx context.Context) {
	s.abandonPending()
	stop := context.AfterFunc(ctx, s.grpc.Stop)
	defer stop()
	s.grpc.GracefulStop()
}

// abandonPending closes the connections that are in the handshake, and all that
// come from now on: gRPC would wait for them.
func (s *Server) abandonPending() {
	s.mu.Lock()
	s.stopped = true
	pending := slices.Collect(maps.Keys(s.pending))
	s.mu.Unlock()
	for _, w := range pending {
		w.Close() // which settles it
	}
}

// admit makes w one of the connections that are in the handshake, if there is
// room for one.
func (s *Server) admit(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.pending) >= maxPending {
		return false
	}
	s.pending[w] = struct{}{}
	return true
}

func (s *Server) settle(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, w)
}

// A listener makes wires of the connections it accepts.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		w := newWire(emulate(conn, l.server.options.Network))
		w.onClose = func() { l.server.settle(w) }
		if l.server.admit(w) {
			return w, nil
		}
		l.server.options.Log.Warn("connection closed: too many handshakes at once, or the server is stopping", "address", conn.RemoteAddr())
		w.Close()
	}
}

// accepting are gRPC's credentials for the server's side of the handshake.
type accepting struct{ server *Server }

func (a *accepting) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	w, ok := conn.(*wire)
	if !ok {
		return nil, nil, fmt.Errorf("link: handshake on a %T", conn)
	}
	defer a.server.settle(w)
	t := tls.Server(w, a.server.tls)
	err := t.Handshake() // gRPC has set the deadline
	if err == nil {
		w.peer, err = presentedKey(t.ConnectionState())
	}
	if err == nil {
		return t, w, nil
	}
	log := a.server.options.Log.With("address", w.RemoteAddr())
	var wrong *wrongKey
	if errors.As(err, &wrong) {
		log.Warn("client refused: its key is not allowed; if it should be, add it with --allow", "key", wrong.key)
		// The client must get to read why: a socket that is closed with input
		// unread is reset, and what was sent on it may be dropped.
		w.SetDeadline(time.Now().Add(time.Second))
		io.CopyN(io.Discard, w, 64<<10)
	} else {
		log.Info("handshake failed", "error", err)
	}
	return nil, nil, err
}

func (a *accepting) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("link: these credentials are a server's")
}

func (a *accepting) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (a *accepting) Clone() credentials.TransportCredentials { return a }

func (a *accepting) OverrideServerName(string) error { return nil }

// cancelKey is the context key of a stream's cancel function.
type cancelKey struct{}

// ownCancel gives a stream a context that this package can end. gRPC has no
// other way to end a call that waits on a server's stream but to return from
// its handler, which is what waits.
func ownCancel(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	return context.WithValue(ctx, cancelKey{}, cancel), nil
}

// A service is what gRPC calls.
type service struct {
	api.UnimplementedLinkServer
	server *Server
}

// Open serves one stream.
func (s *service) Open(raw grpc.BidiStreamingServer[api.Frame, api.Frame]) error {
	ctx := raw.Context()
	p, _ := peer.FromContext(ctx)
	w, ok := p.AuthInfo.(*wire)
	cancel, cancellable := ctx.Value(cancelKey{}).(context.CancelCauseFunc)
	if !ok || !cancellable {
		return status.Error(codes.Internal, "link: the stream has no connection")
	}
	stream := newStream(ctx, cancel, raw, w, s.server.options)
	stream.peer = "client " + w.peer.String()
	defer stream.Close()
	if err := s.server.handle(ctx, stream); err != nil {
		return status.Error(codes.Aborted, presentable(err.Error()))
	}
	return nil
}

// handle runs the handler; a panic in it becomes an error.
func (s *Server) handle(ctx context.Context, stream *Stream) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.options.Log.Error("handler panicked", "client", stream.Peer(), "panic", fmt.Sprint(p), "at", callers())
			err = errors.New("internal error; the server's log says more")
		}
	}()
	return s.handler(ctx, stream)
}

// callers lists the functions of the panic that is being recovered, without
// their arguments: those of a crash report could be secrets.
func callers() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s:%d ", f.Function, f.Line)
		if !more {
			return strings.TrimSpace(b.String())
		}
	}
}

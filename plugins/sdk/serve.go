package sdk

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pascaline/api"
	"pascaline/plugins/internal/wire"
)

// Serve serves a backend to the host that has started this program, until the
// host ends. It is all that main does. Where the program was started by hand, it
// says what it is and exits.
func Serve(b Backend) {
	if !started() {
		byHand(os.Stderr, b)
		os.Exit(1)
	}
	stderr := os.Stderr
	go func() {
		// The host holds the other end, and whatever ends the host closes it.
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         plugin.PluginSet{"backend": &served{server: &server{backend: b, blocks: wire.InheritBlocks(), stderr: stderr}}},
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, wire.ServerOptions()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: stderr, JSONFormat: true}),
	})
}

// byHand tells somebody who has started the program what it is.
func byHand(w io.Writer, b Backend) {
	path := os.Args[0]
	var d Description
	err := safely("Describe", func() (err error) {
		d, err = b.Describe(context.Background())
		return err
	})
	if err == nil {
		err = wire.CheckDescription(d)
	}
	if err != nil {
		fmt.Fprintf(w, "%s is a backend of pascaline, and its description is unusable: %v\n", filepath.Base(path), err)
		return
	}
	var kinds []string
	for _, k := range d.Kinds {
		kinds = append(kinds, k.String())
	}
	fmt.Fprintf(w, `%s is a backend of pascaline, %s %s. It makes %s.
Its users must trust: %s.
By itself it does nothing: pascaline starts it, by --backend %s,
or by --backend NAME if it is in the plugin directory as pascaline-backend-NAME.
"pascaline backend check %s" tests it.
`, filepath.Base(path), d.Name, d.Version, strings.Join(kinds, ", "), d.Trust, path, path)
}

// served is the backend as go-plugin registers it.
type served struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
}

func (p *served) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	api.RegisterBackendServer(s, p.server)
	return nil
}

func (p *served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("this is a plugin, not a host")
}

// server is what gRPC calls.
type server struct {
	api.UnimplementedBackendServer
	backend Backend
	blocks  *wire.Blocks
	stderr  *os.File // nil where it need not be restored
	restore sync.Once
}

// output lets what the author prints go to the host's log: go-plugin has put
// pipes in the place of both outputs, which it would read only for a host that
// asks.
func (s *server) output() {
	s.restore.Do(func() {
		if s.stderr != nil {
			os.Stdout, os.Stderr = s.stderr, s.stderr
		}
	})
}

// Describe says what the backend is and can.
func (s *server) Describe(ctx context.Context, _ *api.BackendDescribe) (*api.BackendDescription, error) {
	s.output()
	d, err := s.describe(ctx)
	if err != nil {
		return nil, status.Error(codes.Aborted, wire.Presentable(err.Error(), maxErrorText))
	}
	return wire.DescriptionMessage(d), nil
}

func (s *server) describe(ctx context.Context) (d Description, err error) {
	err = safely("Describe", func() (err error) {
		d, err = s.backend.Describe(ctx)
		return err
	})
	if err != nil {
		return d, err
	}
	if err := wire.CheckDescription(d); err != nil {
		return d, fmt.Errorf("the backend's description is unusable: %w", err)
	}
	return d, nil
}

// Run serves one run.
func (s *server) Run(stream grpc.BidiStreamingServer[api.BackendFrame, api.BackendFrame]) error {
	s.output()
	r := newRun(stream.Context(), wire.NewStream(stream), s.backend)
	r.blocks = s.blocks
	d, err := s.describe(r.ctx)
	if err != nil {
		r.fail(err)
		return nil
	}
	r.can = d
	r.serve()
	return nil
}

// maxErrorText bounds the text of an error that goes to the host, in bytes.
const maxErrorText = 2048

// safely runs a function of the author; a panic in it becomes an error. What the
// panic says goes to the log alone: errors may reach the other party.
func safely(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			Log.Error("panic in "+what, "panic", fmt.Sprint(p), "at", callers())
			err = fmt.Errorf("%s panicked; the log of the backend says where", what)
		}
	}()
	return f()
}

// callers lists the functions of the panic that is being recovered, without
// their arguments: those of a crash report could be secrets.
func callers() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(4, pc)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s:%d ", f.Function, f.Line)
		if !more {
			return strings.TrimSpace(b.String())
		}
	}
}

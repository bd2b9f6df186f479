package plugins

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
)

// process is a plugin's process, connected.
type process struct {
	plugin *Plugin
	launch *launch
	conn   *grpc.ClientConn
}

// start starts the process and connects to it.
func (p *Plugin) start(ctx context.Context) (*process, error) {
	log := p.options.Log.With("backend", p.Name())
	l := newLaunch(p.path, p.args, p.env(), p.sum, &pluginLog{log: log})
	config := &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          plugin.PluginSet{"backend": plugin.NetRPCUnsupportedPlugin{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.options.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: socketRoot()},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			l.env, l.socketDir = append(l.env, cmd.Env...), dir
			return l, nil
		},
	}
	stop := context.AfterFunc(ctx, l.stop)
	defer stop()
	begin := time.Now()
	address, err := plugin.NewClient(config).Start()
	// The one connection is made now or never, so the socket need not stay.
	defer func() {
		if l.socketDir != "" {
			os.RemoveAll(l.socketDir)
		}
	}()
	if err == nil && config.TLSConfig.RootCAs == nil {
		err = errNoCertificate
	}
	if err != nil {
		late := time.Since(begin) >= p.options.StartTimeout
		l.stop()
		if ctx.Err() != nil {
			return nil, p.fail(context.Cause(ctx))
		}
		return nil, p.fail(l.explain(err, late, p.options.StartTimeout))
	}
	process := &process{plugin: p, launch: l}
	if process.conn, err = connect(config, address); err == nil {
		healthy, cancel := context.WithTimeout(ctx, p.options.StartTimeout)
		err = process.healthy(healthy)
		cancel()
	}
	if err != nil {
		died := ctx.Err() == nil && l.within(lostTimeout)
		l.stop()
		if process.conn != nil {
			process.conn.Close()
		}
		if ctx.Err() != nil {
			return nil, p.fail(context.Cause(ctx))
		}
		if l.await(); died {
			return nil, p.fail(fmt.Errorf("it ended (%s) as soon as it had started%s", l.end(), l.lastWords()))
		}
		return nil, p.fail(fmt.Errorf("it started, and cannot be talked to: %w%s", err, l.lastWords()))
	}
	if p.options.Background {
		if err := l.background(); err != nil {
			log.Warn("the backend's process is as important as any other", "reason", err)
		}
	}
	go func() {
		<-l.drained
		process.conn.Close()
		if l.died {
			log.Warn("the backend's process has ended", "how", l.end())
		}
	}()
	return process, nil
}

// socketRoot is where directories of sockets are made. Paths of sockets have
// about a hundred bytes at most.
func socketRoot() string {
	if dir := os.TempDir(); len(dir) <= 50 || runtime.GOOS == "windows" {
		return dir
	}
	return "/tmp"
}

var (
	errNoCertificate = errors.New("it does not authenticate itself; build it with a version of go-plugin that knows AutoMTLS")
	errReconnect     = errors.New("the connection to it is lost")
)

// connect makes the one connection to a process.
func connect(config *plugin.ClientConfig, address net.Addr) (*grpc.ClientConn, error) {
	mutual := config.TLSConfig.Clone()
	mutual.MinVersion = tls.VersionTLS13
	var connected atomic.Bool
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		if connected.Swap(true) {
			return nil, errReconnect
		}
		return new(net.Dialer).DialContext(ctx, address.Network(), address.String())
	}
	return grpc.NewClient("passthrough:///backend", append(wire.DialOptions(),
		grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(credentials.NewTLS(mutual)),
		grpc.WithIdleTimeout(0),
	)...)
}

// explain says why a process is no plugin that this host can use.
func (l *launch) explain(err error, late bool, timeout time.Duration) error {
	core, rest, _ := strings.Cut(l.handshake(), "|")
	version, _, _ := strings.Cut(rest, "|")
	switch {
	case l.cmd == nil: // it was never started
		var exit *exec.Error
		switch {
		case notProgram(err):
			return fmt.Errorf("it is no program for %s/%s", runtime.GOOS, runtime.GOARCH)
		case errors.As(err, &exit), errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("it cannot be run: what it needs to run, its interpreter or loader, is missing (%w)", err)
		}
		return err
	case core == "" && late:
		return fmt.Errorf("it did not say within %v that it is a backend, and was killed%s", timeout, l.lastWords())
	case core == "":
		l.await()
		return fmt.Errorf("it is no backend: it ended (%s) without saying that it is one%s", l.end(), l.lastWords())
	case core != fmt.Sprint(plugin.CoreProtocolVersion):
		return fmt.Errorf("it speaks version %s of go-plugin's protocol, and this pascaline version %d; build it anew",
			wire.Presentable(core, 20), plugin.CoreProtocolVersion)
	case version != fmt.Sprint(wire.Version):
		return fmt.Errorf("it speaks version %s of the plugin protocol, and this pascaline version %d; use a backend built for this version, or the pascaline it is built for",
			wire.Presentable(version, 20), wire.Version)
	case errors.Is(err, errNoCertificate), errors.Is(err, errAddress):
		return err
	}
	return fmt.Errorf("it is no backend that this pascaline can use: %s", wire.Presentable(err.Error(), maxErrorText))
}

// within reports whether the process ends in that time.
func (l *launch) within(limit time.Duration) bool {
	select {
	case <-l.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// await waits until the process has ended and its log is read.
func (l *launch) await() {
	select {
	case <-l.drained:
	case <-time.After(closeTimeout):
	}
}

// lastWords is what errors say of the log.
func (l *launch) lastWords() string {
	if reason := l.log.reason(); reason != "" {
		return ", last line of its log: " + reason
	}
	return ", and it logged nothing"
}

// healthy asks go-plugin's server whether the process works.
func (p *process) healthy(ctx context.Context) error {
	reply, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: wire.Service})
	if err != nil {
		text, _ := said(err)
		return errors.New(text)
	}
	if reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("it says that it is %v", reply.Status)
	}
	return nil
}

// describe asks what the plugin is and can.
func (p *process) describe(ctx context.Context) (correlation.Description, error) {
	limited, cancel := context.WithTimeout(ctx, p.plugin.options.StartTimeout)
	defer cancel()
	m, err := api.NewBackendClient(p.conn).Describe(limited, &api.BackendDescribe{}, grpc.MaxCallRecvMsgSize(wire.MaxDescription))
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return correlation.Description{}, p.plugin.fail(context.Cause(ctx))
	case limited.Err() != nil || status.Code(err) == codes.DeadlineExceeded: // here or there
		p.launch.stop()
		return correlation.Description{}, p.plugin.fail(fmt.Errorf("it did not describe itself within %v, and was killed", p.plugin.options.StartTimeout))
	default:
		if text, ok := said(err); ok {
			return correlation.Description{}, p.plugin.fail(fmt.Errorf("it cannot describe itself: %s", text))
		}
		return correlation.Description{}, p.lost(err)
	}
	d, err := wire.ReadDescription(m)
	if err != nil {
		return correlation.Description{}, p.plugin.fail(fmt.Errorf("its description of itself is unusable: %w", err))
	}
	return d, nil
}

// lost says what has become of a process that a call failed on: with gRPC's
// error, which is of interest only if it has not died.
func (p *process) lost(err error) error {
	code := status.Code(err)
	if connected := code != codes.Unavailable && code != codes.Canceled; connected || !p.launch.within(lostTimeout) {
		text, _ := said(err)
		return fmt.Errorf("backend %s: the exchange with it broke: %s", p.plugin.Name(), text)
	}
	p.launch.await()
	if p.plugin.isClosed() {
		return fmt.Errorf("backend %s was closed; the run is lost, nothing of it is used", p.plugin.Name())
	}
	return fmt.Errorf("backend %s died (%s)%s; the run is lost, nothing of it is used", p.plugin.Name(), p.launch.end(), p.launch.lastWords())
}

const (
	// lostTimeout is how long a process may take to end after its connection has.
	lostTimeout = 2 * time.Second
	// closeTimeout is how long it may take to end when it is told to, before it is
	// killed, and to be gone after that.
	closeTimeout = 2 * time.Second
)

// close ends the process.
func (p *process) close() {
	p.launch.release()
	p.conn.Close()
	if !p.launch.within(closeTimeout) {
		p.launch.stop()
	}
	p.launch.await()
}

// giveUp kills a process that does not let go of a run.
func (p *process) giveUp() {
	o := p.plugin.options
	o.Log.Warn("the backend did not let go of a run in time, and is killed", "backend", o.Name, "after", o.StopTimeout)
	p.launch.stop()
}

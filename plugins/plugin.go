package plugins

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
)

// Options are how a plugin is run; the zero value will do.
type Options struct {
	// Name is what errors and the log call the plugin, instead of its file.
	Name string
	// SHA256 is what the executable must have, in hex; empty lets any run. Whoever
	// may write to the file could change it between the check and the start.
	SHA256 string
	// Log takes what the plugin logs, each line with the attribute "backend";
	// slog.Default() if nil.
	Log *slog.Logger
	// StartTimeout is how long the plugin may take to start, or to describe itself;
	// 20 seconds if zero.
	StartTimeout time.Duration
	// StopTimeout is how long it may take to end a run that is given up, before it
	// is killed; 2 seconds if zero.
	StopTimeout time.Duration
	// Background gives the process, once it has started, what the processors have
	// left: whatever else wants one goes first.
	Background bool
	// Env are further variables of the plugin's environment, "name=value".
	Env []string
}

// A Plugin is a backend that is a program of its own. Its process is started when
// it is first needed and serves any number of runs at once; when it has died, the
// next call starts another. It is safe for concurrent use.
type Plugin struct {
	path    string
	args    []string
	sum     []byte
	options Options

	starting chan struct{} // holds a token while somebody starts or checks the process

	mu      sync.Mutex
	process *process // nil before the first
	closed  bool
}

// New returns the backend that the executable at path is when run with args. It
// does not start it.
func New(path string, args []string, o Options) (*Plugin, error) {
	if o.Name == "" {
		o.Name = nameOf(path)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 20 * time.Second
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 2 * time.Second
	}
	p := &Plugin{path: path, args: slices.Clone(args), options: o, starting: make(chan struct{}, 1)}
	if o.SHA256 != "" {
		sum, err := hex.DecodeString(o.SHA256)
		if err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("%q is no SHA-256: it takes 64 hexadecimal digits, as sha256sum prints them", o.SHA256)
		}
		p.sum = sum
	}
	return p, nil
}

// filePrefix is what files in a plugin directory may have before the backend's
// name.
const filePrefix = "pascaline-backend-"

// nameOf returns the name of the backend in a file.
func nameOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	if short := strings.TrimPrefix(name, filePrefix); short != "" {
		name = short
	}
	return name
}

// Name is what errors and the log call the plugin.
func (p *Plugin) Name() string { return p.options.Name }

// Path is the executable.
func (p *Plugin) Path() string { return p.path }

// Describe asks the plugin what it is and can.
func (p *Plugin) Describe(ctx context.Context) (correlation.Description, error) {
	process, err := p.running(ctx)
	if err != nil {
		return correlation.Description{}, err
	}
	return process.describe(ctx)
}

// Open begins a run. The plugin reaches run.Twin by way of this process alone,
// and only while Open or Generate is at work; then nothing of theirs is left on
// its way. An error of the twin is returned as it is, wrapped.
//
// When ctx of Open or Generate is over, the run is; a plugin that does not let go
// of it within [Options].StopTimeout is killed, with whatever other runs it
// serves.
func (p *Plugin) Open(ctx context.Context, run correlation.Run) (correlation.Generator, error) {
	process, err := p.running(ctx)
	if err != nil {
		return nil, err
	}
	return process.open(ctx, run)
}

// Close ends the process and with it every run. The plugin is of no use after.
func (p *Plugin) Close() error {
	p.mu.Lock()
	process := p.process
	p.closed = true
	p.mu.Unlock()
	if process != nil {
		process.close()
	}
	return nil
}

func (p *Plugin) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

var errClosed = errors.New("it is closed")

// running returns the process, which it starts if there is none that works.
func (p *Plugin) running(ctx context.Context) (*process, error) {
	select {
	case p.starting <- struct{}{}:
		defer func() { <-p.starting }()
	case <-ctx.Done():
		return nil, p.fail(context.Cause(ctx))
	}
	p.mu.Lock()
	old, closed := p.process, p.closed
	p.mu.Unlock()
	if closed {
		return nil, p.fail(errClosed)
	}
	if old != nil && !old.launch.ended() {
		healthy, cancel := context.WithTimeout(ctx, healthTimeout)
		err := old.healthy(healthy)
		cancel()
		if err == nil {
			return old, nil
		}
		if ctx.Err() != nil {
			return nil, p.fail(context.Cause(ctx))
		}
		p.options.Log.Warn("the backend's process does not answer; another is started", "backend", p.Name(), "error", err)
	}
	if old != nil {
		old.close()
	}
	process, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	closed = p.closed
	if !closed {
		p.process = process
	}
	p.mu.Unlock()
	if closed {
		process.close()
		return nil, p.fail(errClosed)
	}
	return process, nil
}

// healthTimeout is how long a process may take to say that it works.
const healthTimeout = 5 * time.Second

// fail says which backend an error is of, and which file it is.
func (p *Plugin) fail(err error) error {
	return fmt.Errorf("backend %s (%s): %w", p.Name(), p.path, err)
}

// environment is what plugins get of the host's.
var environment = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
	"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
	"GOMAXPROCS", "GOMEMLIMIT", "GODEBUG", "GOGC", "GOTRACEBACK", "GOCOVERDIR",
	"SYSTEMROOT", "TEMP", "TMP", "USERPROFILE",
}

// env returns the environment of the process, but for go-plugin's variables.
func (p *Plugin) env() []string {
	var env []string
	for _, name := range environment {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, p.options.Env...)
}

// said returns what a plugin's status says, as far as it comes from the author's
// code; ok is false where it is gRPC's.
func said(err error) (text string, ok bool) {
	st, _ := status.FromError(err)
	return wire.Presentable(st.Message(), maxErrorText), st.Code() == codes.Aborted
}

// maxErrorText bounds what errors quote of a plugin, in bytes.
const maxErrorText = 2048

var _ correlation.Backend = (*Plugin)(nil)

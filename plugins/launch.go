package plugins

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"

	"pascaline/internal/cpu"
	"pascaline/plugins/internal/wire"
)

// launch is an executable as go-plugin runs it (its runner.Runner): a process and
// its three pipes. It is started once.
type launch struct {
	path string
	args []string
	env  []string
	sum  []byte // what the SHA-256 of the file must be; nil where anything may
	log  *pluginLog

	blocks    *wire.Blocks   // nil where the system has none
	socketDir string         // of the socket by which the process is reached
	line      *io.PipeReader // what go-plugin reads as the standard output: the handshake

	mu      sync.Mutex
	cmd     *exec.Cmd
	stdin   *os.File
	killed  bool   // the process was told to end
	died    bool   // it has ended without
	shaken  string // the handshake, once it has come
	exited  chan struct{}
	drained chan struct{} // it has exited, and all it printed is logged
}

func newLaunch(path string, args, env []string, sum []byte, log *pluginLog) *launch {
	return &launch{path: path, args: args, env: env, sum: sum, log: log, exited: make(chan struct{}), drained: make(chan struct{})}
}

// drainTime is how long what a process has printed may come after its end: a
// process that it has started may hold the pipes for as long as it likes.
const drainTime = time.Second

// Start starts the process.
func (l *launch) Start(context.Context) error {
	if err := checkExecutable(l.path, l.sum); err != nil {
		return err
	}
	cmd := exec.Command(l.path, l.args...)
	cmd.Env = l.env
	isolate(cmd)
	if blocks, err := wire.NewBlocks(); err == nil {
		l.blocks = blocks
		cmd.ExtraFiles = []*os.File{blocks.File()}
		cmd.Env = append(cmd.Env, wire.BlocksVariable+"=3")
	}
	var ours, theirs []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours)
			closeAll(theirs)
			l.blocks.Close()
			return fmt.Errorf("making pipes: %w", err)
		}
		if i == 0 {
			r, w = w, r
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	started := make(chan error)
	go func() {
		// The process lives no longer than the thread that starts it (isolate), so
		// this one does nothing else until the process has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		l.mu.Lock()
		err := errors.New("stopped before it was started")
		if !l.killed {
			err = cmd.Start()
		}
		if err == nil {
			l.cmd, l.stdin = cmd, ours[0]
		}
		l.mu.Unlock()
		started <- err
		if err == nil {
			cmd.Wait()
			l.mu.Lock()
			l.died = !l.killed
			l.mu.Unlock()
			close(l.exited)
		}
	}()
	err := <-started
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		l.blocks.Close()
		return err
	}
	var handshake *io.PipeWriter
	l.line, handshake = io.Pipe()
	go l.drain(ours[1], ours[2], handshake)
	return nil
}

// drain logs what the process prints, until it has ended.
func (l *launch) drain(stdout, stderr *os.File, handshake *io.PipeWriter) {
	var reading sync.WaitGroup
	reading.Go(func() { l.log.read(stderr, nil) })
	reading.Go(func() {
		l.log.read(stdout, func(line string) bool { return l.shake(line, handshake) })
		handshake.Close()
	})
	<-l.exited
	late := time.Now().Add(drainTime)
	stdout.SetReadDeadline(late)
	stderr.SetReadDeadline(late)
	reading.Wait()
	stdout.Close()
	stderr.Close()
	l.stdin.Close()
	l.blocks.Close()
	close(l.drained)
}

// shake takes the first line of the standard output that is a handshake; all
// others are what the plugin prints.
func (l *launch) shake(line string, handshake io.Writer) bool {
	core, _, ok := strings.Cut(line, "|")
	if _, err := strconv.Atoi(core); !ok || err != nil {
		return false
	}
	l.mu.Lock()
	first := l.shaken == ""
	if first {
		l.shaken = line
	}
	l.mu.Unlock()
	if first {
		io.WriteString(handshake, line+"\n")
	}
	return first
}

// handshake returns the line by which the process has said that it is a plugin,
// empty if it has not.
func (l *launch) handshake() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shaken
}

// stop ends the process, at once.
func (l *launch) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = true
	if l.cmd == nil || l.ended() {
		return
	}
	kill(l.cmd.Process)
}

// background lowers the priority of the process, if it is still there.
func (l *launch) background() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cmd == nil || l.ended() {
		return nil
	}
	return cpu.Background(l.cmd.Process.Pid)
}

// release lets the process end by itself, as it does when its host is gone.
func (l *launch) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = true
	if l.stdin != nil {
		l.stdin.Close()
	}
}

// ended reports whether the process has ended, or was never started.
func (l *launch) ended() bool {
	select {
	case <-l.exited:
		return true
	default:
		return l.cmd == nil
	}
}

// end says how the process has ended: "exit status 2", "signal: killed".
func (l *launch) end() string {
	select {
	case <-l.exited:
		return l.cmd.ProcessState.String()
	default:
		return "not ended"
	}
}

// The rest of runner.Runner.

func (l *launch) Wait(context.Context) error {
	<-l.exited
	return nil
}

func (l *launch) Kill(context.Context) error {
	l.stop()
	return nil
}

func (l *launch) Stdout() io.ReadCloser { return l.line }

// Stderr is empty for go-plugin; pluginLog reads what there is.
func (l *launch) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (l *launch) Name() string { return l.path }

func (l *launch) ID() string { return l.path }

func (l *launch) Diagnose(context.Context) string { return "" }

// PluginToHost takes the address at which the process listens: a socket in the
// directory made for it, or where there are no such sockets a port of this
// machine.
func (l *launch) PluginToHost(network, address string) (string, string, error) {
	local := network == "unix" && filepath.Dir(address) == filepath.Clean(l.socketDir) ||
		network == "tcp" && strings.HasPrefix(address, "127.0.0.1:")
	if !local {
		return "", "", errAddress
	}
	return network, address, nil
}

var errAddress = errors.New("it listens at an address that is not its host's choice")

func (l *launch) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// checkExecutable reports what keeps a file from being run, or from being run as
// the one with that SHA-256.
func checkExecutable(path string, sum []byte) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a directory; name the program in it")
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		return errors.New("it is not executable; if it is a plugin, chmod +x it")
	case sum == nil:
		return nil
	}
	hash := sha256.New()
	same, err := (&plugin.SecureConfig{Checksum: sum, Hash: hash}).Check(path)
	if err != nil {
		return fmt.Errorf("computing its SHA-256: %w", err)
	}
	if !same {
		return fmt.Errorf("its SHA-256 is %x, and %x is expected: it is another file; if it has changed for a reason that you know, give the new sum", hash.Sum(nil), sum)
	}
	return nil
}

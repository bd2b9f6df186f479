package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"pascaline/model"
	"pascaline/plugins"
)

// stage is a folder and the processes of this program that run there: a server, a
// dealer perhaps, and clients that come and go.
type stage struct {
	dir     string
	self    string // this program
	network string
	backend []string // flags that name the backend, for both parties
	quiet   bool     // what clients say meanwhile is not shown
	trust   string   // whom its users trust, beside the parties
	server  *child
	dealer  *child           // where the stage has one of its own
	running []*child         // in the order of their start
	usage   map[string]usage // by process
}

// newStage makes a folder, whose name says what for. The caller calls stop and
// clear in the end.
func newStage(purpose string) (*stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program to run it again: %w", err)
	}
	dir, err := os.MkdirTemp("", "pascaline-"+purpose+"-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the %s: %w; TMPDIR can name another place", purpose, err)
	}
	return &stage{dir: dir, self: self, usage: map[string]usage{}}, nil
}

// clear removes the folder.
func (st *stage) clear() { os.RemoveAll(st.dir) }

// keys makes keys for parties.
func (st *stage) keys(parties ...string) error {
	for _, name := range parties {
		if _, err := generateKey(st.path(name + ".key")); err != nil {
			return err
		}
	}
	return nil
}

// put writes the model for the server and the plan for the client.
func (st *stage) put(m *model.Model) error {
	if err := model.WriteFile(st.path("model.pasc"), m); err != nil {
		return err
	}
	return model.WriteFile(st.path("model.plan"), m.PlanOnly())
}

// child is a process that serves others.
type child struct {
	name, diary string // diary is the file of its standard error
	cmd         *exec.Cmd
	// lifeline is its standard input. Whatever ends this process ends it, and so
	// the child.
	lifeline io.WriteCloser
	said     *json.Decoder // its standard output
	address  string
}

// usage is what a process took from the system.
type usage struct {
	cpu    time.Duration
	memory int64 // peak, bytes; 0 where the system does not tell
}

func (st *stage) path(name string) string { return filepath.Join(st.dir, name) }

// askTrust notes whom the backend's users trust, unless it is the default. What is
// no backend fails here, before anything starts.
func (st *stage) askTrust(ctx context.Context, f *backendFlags) error {
	if f.names[0] == "lattigo" {
		return nil
	}
	p, err := f.find(f.names[0], plugins.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("--backend: %w", err)
	}
	defer p.Close()
	description, err := p.Describe(ctx)
	if err != nil {
		return fmt.Errorf("--backend: %w", err)
	}
	st.trust = description.Trust
	return nil
}

// chooseBackend returns the flags that name the backend for the two parties that
// use it. It starts a dealer where one is needed and none is named.
func (st *stage) chooseBackend(ctx context.Context, f *backendFlags, parties ...string) ([]string, error) {
	name := f.names[0]
	if err := st.askTrust(ctx, f); err != nil {
		return nil, err
	}
	if strings.ContainsRune(name, filepath.Separator) {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("--backend %s: %w", name, err)
		}
		name = path
	}
	flags := []string{"--backend", name}
	if f.directory != "" {
		flags = append(flags, "--plugins", f.directory)
	}
	if f.sha256 != "" {
		flags = append(flags, "--backend-sha256", f.sha256)
	}
	for k, v := range f.settings {
		flags = append(flags, "--backend-set", k+"="+v)
	}
	if name != dealerName {
		return append(flags, f.dealerFlags()...), nil
	}
	if f.dealer != "" {
		return append(flags, f.dealerFlags()...), nil
	}
	if _, err := os.Stat(st.path("dealer.key")); errors.Is(err, fs.ErrNotExist) {
		if err := st.keys("dealer"); err != nil {
			return nil, err
		}
	}
	args := []string{"dealer", "--key", st.path("dealer.key")}
	for _, name := range parties {
		args = append(args, "--allow", st.path(name+".key.pub"))
	}
	var err error
	if st.dealer, err = st.start(ctx, "dealer", args...); err != nil {
		return nil, err
	}
	return append(flags, "--dealer", st.dealer.address, "--dealer-key", st.path("dealer.key.pub")), nil
}

// serve starts the server process and waits until it takes connections.
func (st *stage) serve(ctx context.Context) (err error) {
	st.server, err = st.start(ctx, "serve", append([]string{"serve"}, append(st.backend, "--model", st.path("model.pasc"), "--key", st.path("server.key"),
		"--allow", st.path("client.key.pub"), "--store", st.path("server-store"))...)...)
	return err
}

// command is this program with other arguments. Nothing on a stage runs beside its
// production, which so has no reason to wait for anybody.
func (st *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, st.self, args...)
	cmd.Env = append(os.Environ(), priorityVariable+"=normal")
	return cmd
}

// start starts a process that serves others and waits until it takes connections.
func (st *stage) start(ctx context.Context, name string, args ...string) (*child, error) {
	c, err := st.spawn(ctx, name, append(args, "--json", "--stop-with-stdin", "--listen", "127.0.0.1:0")...)
	if err != nil {
		return nil, err
	}
	var l listening
	if err := c.hear(&l); err != nil {
		st.end(c)
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c.address = l.Address
	return c, nil
}

// spawn starts a process that ends when its standard input does.
func (st *stage) spawn(ctx context.Context, name string, args ...string) (*child, error) {
	c := &child{name: name, diary: st.path(name + ".log"), cmd: st.command(ctx, args...)}
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(c.diary)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer log.Close()
	c.cmd.Stderr = log
	if c.lifeline, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c.said = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	st.running = append(st.running, c)
	return c, nil
}

// hear waits for what a process says next.
func (c *child) hear(v any) error {
	if err := c.said.Decode(v); err != nil {
		c.lifeline.Close()
		why, _ := os.ReadFile(c.diary)
		return fmt.Errorf("it ended and said: %s", bytes.TrimSpace(why))
	}
	return nil
}

// ask has a process do what it does for a line of its standard input, and waits
// for its answer.
func (c *child) ask(answer any) error {
	io.WriteString(c.lifeline, "\n") // if it has ended, it says nothing more
	return c.hear(answer)
}

// stop ends the processes that serve, if they run, the last first.
func (st *stage) stop() (err error) {
	for _, c := range slices.Backward(slices.Clone(st.running)) {
		err = errors.Join(err, st.end(c))
	}
	return err
}

// end ends one process.
func (st *stage) end(c *child) error {
	st.running = slices.DeleteFunc(st.running, func(other *child) bool { return other == c })
	c.lifeline.Close()
	failed := c.cmd.Wait()
	st.note(c.name, c.cmd.ProcessState)
	if failed != nil {
		return fmt.Errorf("stopping %s: %w", c.name, failed)
	}
	return nil
}

// client runs a command of the client's in a process of its own and decodes
// the report that it prints.
func (st *stage) client(ctx context.Context, report any, command string, args ...string) error {
	return st.run(ctx, "client", report, command, append([]string{command}, append(st.clientFlags(), args...)...)...)
}

func (st *stage) clientFlags() []string {
	return []string{"--server", st.server.address, "--server-key", st.path("server.key.pub"), "--key", st.path("client.key"),
		"--plan", st.path("model.plan"), "--store", st.path("client-store"), "--network", st.network}
}

// run runs a command of somebody's in a process of its own and decodes the report
// that it prints.
func (st *stage) run(ctx context.Context, who string, report any, command string, args ...string) error {
	cmd := st.command(ctx, append(args, "--json")...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr // the progress bar, and what goes wrong
	var said bytes.Buffer
	if st.quiet {
		cmd.Stderr = &said
	}
	out, err := cmd.Output()
	st.note(command, cmd.ProcessState)
	if err != nil {
		return fmt.Errorf("the %s's %s failed: %w %s", who, command, err, bytes.TrimSpace(said.Bytes()))
	}
	if err := json.Unmarshal(out, report); err != nil {
		return fmt.Errorf("reading the %s's report: %w", who, err)
	}
	return nil
}

func (st *stage) note(name string, s *os.ProcessState) {
	if s != nil {
		st.usage[name] = usage{cpu: s.UserTime() + s.SystemTime(), memory: peakMemory(s)}
	}
}

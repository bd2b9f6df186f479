package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pascaline/internal/digits"
	"pascaline/model"
	"pascaline/plugins"
)

type demoFlags struct {
	mode    string
	backend backendFlags
	images  []string
	invert  bool
	network string
}

// demoBundles is how many bundles the demo makes at least, so that its figures
// are those of a group.
const demoBundles = 8

// What the demo shows.
const (
	clientServer = "client-server"
	sharedModel  = "shared-model"
)

func demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole private inference on this machine: two processes, from keys to results",
		Long: `Demo makes two identities, starts a server process with the built-in model and a
client process with sample images, lets them make correlated randomness by
homomorphic encryption, or by what --backend names, classifies the images
privately, and holds every result against the evaluation in the clear. It exits
with an error if any disagree. With --backend dealer it starts a dealer as well,
unless --dealer says where one is.

With --mode shared-model it starts two servers and plays an owner, who deals its
model to them, and a client: neither server knows the weights or the pictures.`,
		Example: "  pascaline demo\n  pascaline demo --network wan\n  pascaline demo --image my.png\n  pascaline demo --backend dealer\n  pascaline demo --mode shared-model",
		Args:    noArguments("your own pictures go with --image, one each"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilUnread(cmd.Context())
			defer stop()
			return f.run(ctx)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.mode, "mode", clientServer, "client-server: the server knows the model; shared-model: two servers that know nothing")
	flags.StringArrayVar(&f.images, "image", nil, "your own picture (PNG or JPEG) instead of the samples; repeat for more")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	addNetworkFlag(cmd, &f.network)
	f.backend.add(cmd)
	return cmd
}

// untilUnread returns a context that ends when nobody reads the output any more,
// so that what the demo started and wrote is cleared away. It is for programs
// without connections: a broken one raises the same signal.
func untilUnread(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGPIPE)
}

// demo is a running demonstration.
type demo struct {
	dir     string
	self    string // this program
	model   *model.Model
	network string
	backend []string // flags that name the backend, for both parties
	trust   string   // whom its users trust, beside the parties
	server  *child
	dealer  *child           // where the demo has one of its own
	running []*child         // in the order of their start
	usage   map[string]usage // by process
}

// child is a process that serves others.
type child struct {
	name string
	cmd  *exec.Cmd
	// lifeline is its standard input. Whatever ends this process ends it, and so
	// the child.
	lifeline io.Closer
	address  string
}

// usage is what a process took from the system.
type usage struct {
	cpu    time.Duration
	memory int64 // peak, bytes; 0 where the system does not tell
}

func (f *demoFlags) run(ctx context.Context) (err error) {
	if f.mode != clientServer && f.mode != sharedModel {
		return fmt.Errorf("--mode is %q; there are %s and %s", f.mode, clientServer, sharedModel)
	}
	network, err := parseNetwork(f.network)
	if err != nil {
		return err
	}
	m, err := readModel(builtIn)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program to run it again: %w", err)
	}
	dir, err := os.MkdirTemp("", "pascaline-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	d := &demo{dir: dir, self: self, model: m, network: network.String(), usage: map[string]usage{}}
	images, err := d.prepare(f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	inputs, err := d.readImages(images, f.invert)
	if err != nil {
		return err
	}
	if f.mode == sharedModel {
		return d.runShared(ctx, f, images, inputs)
	}
	if d.backend, err = d.chooseBackend(ctx, &f.backend, "server", "client"); err != nil {
		return err
	}
	fmt.Printf("server  has the model %q: %s\n", m.Plan.Name, describe(m.Plan))
	fmt.Printf("client  has %s and the plan: shapes and scales, no weights\n", count(len(inputs), "picture"))
	if d.dealer != nil {
		fmt.Println("dealer  has nothing, and is trusted to collude with neither")
	}
	if err := d.serve(ctx); err != nil {
		return err
	}

	bundles := max(len(inputs), demoBundles)
	fmt.Printf("\noffline  making %s by %s, two processes, TLS between them\n", count(bundles, "bundle"), f.backend.means())
	var production productionReport
	if err := d.client(ctx, &production, "produce", append(d.backend, "--bundles", strconv.Itoa(bundles))...); err != nil {
		return err
	}
	fmt.Printf("         done in %.1f s\n\n", production.Seconds)
	var inference inferenceReport
	if err := d.client(ctx, &inference, "infer", f.pictures(images)...); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	return d.report(inputs, &production, &inference)
}

// pictures returns the arguments of a command that infers.
func (f *demoFlags) pictures(images []string) (args []string) {
	if f.invert {
		args = append(args, "--invert")
	}
	if len(f.images) > 0 {
		args = append(args, "--fit")
	}
	return append(args, images...)
}

// prepare makes what the processes need: keys, the plan for the client, and the
// pictures. It returns the pictures' paths.
func (d *demo) prepare(f *demoFlags) ([]string, error) {
	parties := []string{"server", "client"}
	if f.mode == sharedModel {
		parties = sharedParties
	}
	for _, name := range parties {
		if _, err := generateKey(d.path(name + ".key")); err != nil {
			return nil, err
		}
	}
	if err := model.WriteFile(d.path("model.pasc"), d.model); err != nil {
		return nil, err
	}
	if err := model.WriteFile(d.path("model.plan"), d.model.PlanOnly()); err != nil {
		return nil, err
	}
	if len(f.images) > 0 {
		return f.images, nil
	}
	all, err := digits.WritePNGs(d.path("pictures"))
	if err != nil {
		return nil, err
	}
	// One hand after the other, so that eight or ten pictures are of as many
	// digits.
	var chosen []string
	for digit := range 10 {
		chosen = append(chosen, all[digit*digits.Variants+digit%digits.Variants])
	}
	return chosen, nil
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// askTrust notes whom the backend's users trust, unless it is the default. What is
// no backend fails here, before anything starts.
func (d *demo) askTrust(ctx context.Context, f *backendFlags) error {
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
	d.trust = description.Trust
	return nil
}

// chooseBackend returns the flags that name the backend for the two parties that
// use it. It starts a dealer where one is needed and none is named.
func (d *demo) chooseBackend(ctx context.Context, f *backendFlags, parties ...string) ([]string, error) {
	name := f.names[0]
	if err := d.askTrust(ctx, f); err != nil {
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
	if _, err := generateKey(d.path("dealer.key")); err != nil {
		return nil, err
	}
	args := []string{"dealer", "--key", d.path("dealer.key")}
	for _, name := range parties {
		args = append(args, "--allow", d.path(name+".key.pub"))
	}
	var err error
	if d.dealer, err = d.start(ctx, "dealer", args...); err != nil {
		return nil, err
	}
	return append(flags, "--dealer", d.dealer.address, "--dealer-key", d.path("dealer.key.pub")), nil
}

// serve starts the server process and waits until it takes connections.
func (d *demo) serve(ctx context.Context) (err error) {
	d.server, err = d.start(ctx, "serve", append([]string{"serve"}, append(d.backend, "--model", d.path("model.pasc"), "--key", d.path("server.key"),
		"--allow", d.path("client.key.pub"), "--store", d.path("server-store"))...)...)
	return err
}

// command is this program with other arguments. Nothing of a demo's runs beside its
// production, which so has no reason to wait for anybody.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.self, args...)
	cmd.Env = append(os.Environ(), priorityVariable+"=normal")
	return cmd
}

// start starts a process that serves others and waits until it takes connections.
func (d *demo) start(ctx context.Context, name string, args ...string) (*child, error) {
	args = append(args, "--json", "--stop-with-stdin", "--listen", "127.0.0.1:0")
	c := &child{name: name, cmd: d.command(ctx, args...)}
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	said := d.path(name + ".log")
	log, err := os.Create(said)
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
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var l listening
	if err == nil {
		err = json.Unmarshal(line, &l)
	}
	if err != nil {
		c.cmd.Process.Kill()
		c.cmd.Wait()
		why, _ := os.ReadFile(said)
		return nil, fmt.Errorf("starting %s: it ended and said: %s", name, why)
	}
	go io.Copy(io.Discard, out)
	c.address = l.Address
	d.running = append(d.running, c)
	return c, nil
}

// stop ends the processes that serve, if they run, the last first.
func (d *demo) stop() (err error) {
	for _, c := range slices.Backward(d.running) {
		c.lifeline.Close()
		if failed := c.cmd.Wait(); failed != nil {
			err = errors.Join(err, fmt.Errorf("stopping %s: %w", c.name, failed))
		}
		d.note(c.name, c.cmd.ProcessState)
	}
	d.running = nil
	return err
}

// client runs a command of the client's in a process of its own and decodes
// the report that it prints.
func (d *demo) client(ctx context.Context, report any, command string, args ...string) error {
	return d.run(ctx, "client", report, command, append([]string{command, "--server", d.server.address, "--server-key", d.path("server.key.pub"),
		"--key", d.path("client.key"), "--plan", d.path("model.plan"), "--store", d.path("client-store"),
		"--network", d.network}, args...)...)
}

// run runs a command of somebody's in a process of its own and decodes the report
// that it prints.
func (d *demo) run(ctx context.Context, who string, report any, command string, args ...string) error {
	cmd := d.command(ctx, append(args, "--json")...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr // the progress bar, and what goes wrong
	out, err := cmd.Output()
	d.note(command, cmd.ProcessState)
	if err != nil {
		return fmt.Errorf("the %s's %s failed: %w", who, command, err)
	}
	if err := json.Unmarshal(out, report); err != nil {
		return fmt.Errorf("reading the %s's report: %w", who, err)
	}
	return nil
}

func (d *demo) note(name string, s *os.ProcessState) {
	if s != nil {
		d.usage[name] = usage{cpu: s.UserTime() + s.SystemTime(), memory: peakMemory(s)}
	}
}

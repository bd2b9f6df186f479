package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pascaline/internal/digits"
	"pascaline/model"
)

type demoFlags struct {
	images  []string
	invert  bool
	network string
}

// demoBundles is how many bundles the demo makes at least, so that its figures
// are those of a group.
const demoBundles = 8

func demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole private inference on this machine: two processes, from keys to results",
		Long: `Demo makes two identities, starts a server process with the built-in model and a
client process with sample images, lets them make correlated randomness by
homomorphic encryption, classifies the images privately, and holds every result
against the evaluation in the clear. It exits with an error if any disagree.`,
		Example: "  pascaline demo\n  pascaline demo --network wan\n  pascaline demo --image my.png",
		Args:    noArguments("your own pictures go with --image, one each"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilUnread(cmd.Context())
			defer stop()
			return f.run(ctx)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.images, "image", nil, "your own picture (PNG or JPEG) instead of the samples; repeat for more")
	flags.BoolVar(&f.invert, "invert", false, "exchange black and white, for dark ink on light paper")
	addNetworkFlag(cmd, &f.network)
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
	server  *exec.Cmd
	// lifeline is the server's standard input. Whatever ends this process ends
	// it, and so the server.
	lifeline io.Closer
	address  string
	usage    map[string]usage // by command
}

// usage is what a process took from the system.
type usage struct {
	cpu    time.Duration
	memory int64 // peak, bytes; 0 where the system does not tell
}

func (f *demoFlags) run(ctx context.Context) (err error) {
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
	inputs, err := d.readImages(images, f.invert)
	if err != nil {
		return err
	}

	fmt.Printf("server  has the model %q: %s\n", m.Plan.Name, describe(m.Plan))
	fmt.Printf("client  has %s and the plan: shapes and scales, no weights\n", count(len(inputs), "picture"))
	if err := d.serve(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()

	bundles := max(len(inputs), demoBundles)
	fmt.Printf("\noffline  making %s by homomorphic encryption, two processes, TLS between them\n", count(bundles, "bundle"))
	var production productionReport
	if err := d.client(ctx, &production, "produce", "--bundles", strconv.Itoa(bundles)); err != nil {
		return err
	}
	fmt.Printf("         done in %.1f s\n\n", production.Seconds)
	var args []string
	if f.invert {
		args = append(args, "--invert")
	}
	if len(f.images) > 0 {
		args = append(args, "--fit")
	}
	var inference inferenceReport
	if err := d.client(ctx, &inference, "infer", append(args, images...)...); err != nil {
		return err
	}
	if err := d.stop(); err != nil {
		return err
	}
	return d.report(inputs, &production, &inference)
}

// prepare makes what the two processes need: keys, the plan for the client, and
// the pictures. It returns the pictures' paths.
func (d *demo) prepare(f *demoFlags) ([]string, error) {
	for _, name := range []string{"server.key", "client.key"} {
		if _, err := generateKey(d.path(name)); err != nil {
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

// serve starts the server process and waits until it takes connections.
func (d *demo) serve(ctx context.Context) error {
	d.server = exec.CommandContext(ctx, d.self, "serve", "--json", "--stop-with-stdin",
		"--model", d.path("model.pasc"), "--key", d.path("server.key"), "--allow", d.path("client.key.pub"),
		"--store", d.path("server-store"), "--listen", "127.0.0.1:0")
	d.server.Cancel = func() error { return d.server.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(d.path("server.log"))
	if err != nil {
		return fmt.Errorf("making the server's log: %w", err)
	}
	defer log.Close()
	d.server.Stderr = log
	if d.lifeline, err = d.server.StdinPipe(); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	out, err := d.server.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	if err := d.server.Start(); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var l listening
	if err == nil {
		err = json.Unmarshal(line, &l)
	}
	if err != nil {
		d.server.Process.Kill()
		d.server.Wait()
		said, _ := os.ReadFile(d.path("server.log"))
		d.server = nil
		return fmt.Errorf("starting the server: it ended and said: %s", said)
	}
	go io.Copy(io.Discard, out)
	d.address = l.Address
	return nil
}

// stop ends the server process, if it runs.
func (d *demo) stop() error {
	if d.server == nil {
		return nil
	}
	server := d.server
	d.server = nil
	d.lifeline.Close()
	err := server.Wait()
	d.note("serve", server.ProcessState)
	if err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	return nil
}

// client runs a command of the client's in a process of its own and decodes
// the report that it prints.
func (d *demo) client(ctx context.Context, report any, command string, args ...string) error {
	full := append([]string{command, "--json", "--server", d.address, "--server-key", d.path("server.key.pub"),
		"--key", d.path("client.key"), "--plan", d.path("model.plan"), "--store", d.path("client-store"),
		"--network", d.network}, args...)
	cmd := exec.CommandContext(ctx, d.self, full...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr // the progress bar, and what goes wrong
	out, err := cmd.Output()
	d.note(command, cmd.ProcessState)
	if err != nil {
		return fmt.Errorf("the client's %s failed: %w", command, err)
	}
	if err := json.Unmarshal(out, report); err != nil {
		return fmt.Errorf("reading the client's report: %w", err)
	}
	return nil
}

func (d *demo) note(command string, s *os.ProcessState) {
	if s != nil {
		d.usage[command] = usage{cpu: s.UserTime() + s.SystemTime(), memory: peakMemory(s)}
	}
}

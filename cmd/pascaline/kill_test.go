package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
	"pascaline/party"
	"pascaline/store"
)

// spentLine is what the spender prints of a claim of a pool, once it has been made
// in both stores.
type spentLine struct{ Extents []party.Extent }

// errStopped ends a spender whose parent has closed its input.
var errStopped = errors.New("stopped")

// spend is a client that produces and spends at the same time until its input
// ends: bundles, and elements of a pool. What it claims it prints. It is run as a
// process, to be killed.
func spend() int {
	if len(os.Args) > 1 { // the host of a built-in backend starts itself again
		return run()
	}
	var f clientFlags
	b := backendFlags{names: []string{os.Getenv("BACKEND")}, dealer: os.Getenv("DEALER"), dealerKey: os.Getenv("DEALER_KEY")}
	f.server, f.serverKey, f.key, f.plan, f.store, f.network = os.Getenv("SERVER"), "server.key.pub", "client.key", builtIn, "client-store", ""
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel(errStopped)
	}()
	err := func() error {
		backend, stop, err := b.one(ctx, f.key, terminalLog())
		if err != nil {
			return err
		}
		defer stop()
		c, err := f.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		pool := correlation.Spec{Kind: correlation.Powers, Degree: 2, MaskBits: 40}
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			for {
				spec := pool
				spec.N = 4000
				if _, err := c.ProducePool(ctx, spec, backend, nil); err != nil {
					return err
				}
				if _, err := c.Produce(ctx, 3, backend, nil); err != nil {
					return err
				}
			}
		})
		for range 2 {
			group.Go(func() error { return spendPool(ctx, c.Client, pool) })
		}
		group.Go(func() error { return spendBundles(ctx, c.Client) })
		return group.Wait()
	}()
	if errors.Is(context.Cause(ctx), errStopped) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "spender:", err)
	return 1
}

func spendPool(ctx context.Context, c *party.Client, pool correlation.Spec) error {
	for ctx.Err() == nil {
		spec := pool
		spec.N = 100 + rand.IntN(100)
		v, err := c.Verify(ctx, spec)
		switch {
		case errors.Is(err, party.ErrExhausted):
			time.Sleep(10 * time.Millisecond) // until there is more
		case err != nil:
			return err
		default:
			printJSON(spentLine{Extents: v.Claimed})
			time.Sleep(20 * time.Millisecond) // or production never gets ahead
		}
	}
	return ctx.Err()
}

func spendBundles(ctx context.Context, c *party.Client) error {
	for ctx.Err() == nil {
		b, err := c.Warm(ctx, 1)
		switch {
		case errors.Is(err, party.ErrEmpty):
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			return err
		default:
			b.Close() // claimed, and lost: the server's log has the id
		}
	}
	return ctx.Err()
}

// process is one of the processes of the test, started again when it has died.
type process struct {
	t       *testing.T
	name    string
	command func() *exec.Cmd
	line    func(stream, line string)

	mu     sync.Mutex
	cmd    *exec.Cmd
	input  io.Closer
	closed bool
	ended  chan struct{}
}

// keep runs the process until stop, starting it again whenever it ends.
func (p *process) keep() {
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		for {
			p.mu.Lock()
			if p.closed {
				p.mu.Unlock()
				return
			}
			cmd := p.command()
			p.cmd = cmd
			input, _ := cmd.StdinPipe()
			stdout, _ := cmd.StdoutPipe()
			stderr, _ := cmd.StderrPipe()
			p.input = input
			if err := cmd.Start(); err != nil {
				p.t.Errorf("starting %s: %v", p.name, err)
				p.mu.Unlock()
				return
			}
			p.mu.Unlock()
			var readers sync.WaitGroup
			for stream, r := range map[string]io.Reader{"stdout": stdout, "stderr": stderr} {
				readers.Go(func() {
					lines := bufio.NewScanner(r)
					lines.Buffer(nil, 1<<20)
					for lines.Scan() {
						p.line(stream, lines.Text())
					}
				})
			}
			readers.Wait()
			cmd.Wait()
		}
	}()
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// stop ends the process by closing its input, and waits for it.
func (p *process) stop() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	if p.input != nil {
		p.input.Close()
	}
	p.mu.Unlock()
	<-p.ended
}

// children returns the processes that pid has started.
func children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, field := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(field); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// claims records everything that was claimed, as each party says it.
type claims struct {
	mu       sync.Mutex
	elements map[string]map[string]int // by party, batch and element
	bundles  map[string]int            // by id, at the server
	lines    int
}

func (c *claims) extents(who string, extents []party.Extent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines++
	for _, e := range extents {
		for _, r := range e.Ranges {
			for i := r.From; i < r.To; i++ {
				c.elements[who][fmt.Sprint(e.Batch, "/", i)]++
			}
		}
	}
}

// server reads a line of the server's log.
func (c *claims) server(line string) {
	var l struct {
		Msg    string
		Batch  store.ID
		Ranges []store.Range
		IDs    []store.ID
	}
	if !strings.Contains(line, `"claimed"`) || json.Unmarshal([]byte(line), &l) != nil {
		return
	}
	c.extents("server", []party.Extent{{Batch: l.Batch, Ranges: l.Ranges}})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range l.IDs {
		c.bundles[id.String()]++
	}
}

// since reports whether both ranges and bundles have been claimed since an earlier
// look, and what to look at next time.
func (c *claims) since(earlier [2]int) (now [2]int, both bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now = [2]int{c.lines, len(c.bundles)}
	return now, now[0] > earlier[0]+5 && now[1] > earlier[1]
}

// Either host, either plugin and the dealer are killed at random moments of a
// production run with claims going on. Afterwards both stores open and agree, and
// nothing was handed out twice.
func TestLongKillsNeverMakeAnythingUsedTwice(t *testing.T) {
	longTest(t)
	for _, backend := range []string{"lattigo", "dealer"} {
		t.Run(backend, func(t *testing.T) { killAround(t, backend, 20) })
	}
}

func killAround(t *testing.T, backend string, kills int) {
	dir := t.TempDir()
	pascaline := func(args ...string) *exec.Cmd {
		self, err := exec.LookPath("pascaline")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, args...)
		cmd.Dir = dir
		return cmd
	}
	for _, key := range []string{"server", "client", "dealer"} {
		if out, err := pascaline("keygen", "-o", key+".key").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	serverAddress, dealerAddress := freeAddress(t), freeAddress(t)
	record := &claims{elements: map[string]map[string]int{"server": {}, "client": {}}, bundles: map[string]int{}}
	var said sync.Map // the last words of each process, for failures
	var dealing []string
	if backend == dealerName {
		dealing = []string{"--dealer", dealerAddress, "--dealer-key", "dealer.key.pub"}
	}
	server := &process{t: t, name: "server", command: func() *exec.Cmd {
		return pascaline(append([]string{"serve", "--json", "--verbose", "--stop-with-stdin", "--listen", serverAddress, "--key", "server.key",
			"--allow", "client.key.pub", "--store", "server-store", "--backend", backend}, dealing...)...)
	}, line: func(stream, line string) {
		if stream == "stderr" {
			record.server(line)
			said.Store("server", line)
		}
	}}
	client := &process{t: t, name: "client", command: func() *exec.Cmd {
		self, err := exec.LookPath("spender")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "BACKEND="+backend, "SERVER="+serverAddress)
		if backend == dealerName {
			cmd.Env = append(cmd.Env, "DEALER="+dealerAddress, "DEALER_KEY=dealer.key.pub")
		}
		return cmd
	}, line: func(stream, line string) {
		var l spentLine
		if stream == "stdout" && json.Unmarshal([]byte(line), &l) == nil {
			record.extents("client", l.Extents)
		} else {
			said.Store("client", line)
		}
	}}
	dealer := &process{t: t, name: "dealer", command: func() *exec.Cmd {
		return pascaline("dealer", "--json", "--stop-with-stdin", "--listen", dealerAddress, "--key", "dealer.key", "--allow", "server.key.pub", "--allow", "client.key.pub")
	}, line: func(string, string) {}}
	all := []*process{server, client}
	if backend == dealerName {
		all = append(all, dealer)
	}
	for _, p := range all {
		p.keep()
		defer p.stop()
	}
	claimed := func(when string) {
		before, _ := record.since([2]int{})
		await(t, "claims "+when, func() bool { _, both := record.since(before); return both }, &said)
	}
	for i := range kills {
		// A kill hits something only while claims are going on.
		claimed(fmt.Sprintf("before kill %d", i))
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		victim := all[i%len(all)]
		pid := victim.pid()
		if plugins := children(pid); len(plugins) > 0 && i%2 == 0 {
			pid = plugins[rand.IntN(len(plugins))]
		}
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
	claimed("after the last kill")
	for _, p := range slices.Backward(all) {
		p.stop()
	}
	record.check(t)
	agreeAfterwards(t, dir)
}

// freeAddress returns an address that nobody listens on: a server that is started
// again must have the same.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func await(t *testing.T, what string, f func() bool, said *sync.Map) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			said.Range(func(who, line any) bool { t.Logf("%v: %v", who, line); return true })
			t.Fatalf("waited for %s for two minutes", what)
		}
	}
}

// check holds the record against the promise.
func (c *claims) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for who, elements := range c.elements {
		for e, n := range elements {
			if n > 1 {
				t.Errorf("%s was handed out %d times at the %s", e, n, who)
			}
		}
		t.Logf("%d elements claimed at the %s", len(elements), who)
	}
	// The client says what both have claimed; the server may have claimed more.
	for e := range c.elements["client"] {
		if c.elements["server"][e] == 0 {
			t.Errorf("%s was used by the client and not claimed at the server", e)
		}
	}
	for id, n := range c.bundles {
		if n > 1 {
			t.Errorf("bundle %s was handed out %d times", id, n)
		}
	}
	t.Logf("%d bundles claimed", len(c.bundles))
	if len(c.bundles) == 0 || len(c.elements["client"]) == 0 {
		t.Error("nothing was claimed: the test tests nothing")
	}
}

// agreeAfterwards opens both stores, lets them meet, and holds them against each
// other.
func agreeAfterwards(t *testing.T, dir string) {
	t.Helper()
	s, l, err := startServer(dir, os.Environ(), "--key", "server.key", "--allow", "client.key.pub", "--store", "server-store")
	if err != nil {
		t.Fatal(err)
	}
	defer s.kill()
	key := func(name string) string { return filepath.Join(dir, name) }
	f := clientFlags{server: l.Address, serverKey: key("server.key.pub"), key: key("client.key"), plan: builtIn, store: key("client-store")}
	c, err := f.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.kill()
	atServer, atClient := inventory(t, key("server-store")), inventory(t, key("client-store"))
	if !slices.Equal(atServer, atClient) {
		t.Errorf("after meeting, the server holds\n%v\nand the client\n%v", atServer, atClient)
	}
	t.Logf("both hold %d bundles and batches", len(atServer))
}

// inventory lists what is in a store, whoever made it.
func inventory(t *testing.T, dir string) (list []string) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	entries, err := st.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		halves, err := st.Halves(e.Pair)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range halves {
			list = append(list, fmt.Sprintf("bundle %v %v %x", h.ID, h.State, h.Digest[:8]))
		}
	}
	pools, err := st.Pools()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pools {
		batches, err := st.Batches(p.Pair)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range batches {
			list = append(list, fmt.Sprintf("batch %v %s %v %d %v", b.ID, b.Kind, b.State, b.N, b.Spent))
		}
	}
	slices.Sort(list)
	return list
}

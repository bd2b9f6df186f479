package dealer

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pascaline/correlation"
	"pascaline/link"
)

// TestMain fails the package if its tests leave goroutines behind.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // it keeps workers
	if code == 0 && !fuzzing && !settled(before) {
		stacks := make([]byte, 1<<20)
		os.Stderr.Write(stacks[:runtime.Stack(stacks, true)])
		os.Stderr.WriteString("\ngoroutines were left behind\n")
		code = 1
	}
	os.Exit(code)
}

// settled waits until no more than n goroutines run.
func settled(n int) bool {
	for range 500 {
		if runtime.NumGoroutine() <= n {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// A logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A player is a party: its identity, and where it lies.
type player struct {
	link.Identity
	path string
}

func newPlayer(t testing.TB) player {
	t.Helper()
	id, err := link.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := id.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return player{id, path}
}

// A table is a dealer on loopback, and players it allows.
type table struct {
	address string
	id      link.Identity // the dealer's
	players []player
	log     logBuffer
	handler link.Handler
	server  *link.Server
	served  chan error
}

// newTable opens a dealer for so many players.
func newTable(t testing.TB, players int, options ...Option) *table {
	t.Helper()
	b := &table{}
	b.handler = NewServer(slog.New(slog.NewTextHandler(&b.log, nil)), options...).Handle
	b.open(t, players)
	return b
}

// open starts serving b.handler.
func (b *table) open(t testing.TB, players int) {
	t.Helper()
	b.id = newPlayer(t).Identity
	for range players {
		b.players = append(b.players, newPlayer(t))
	}
	b.start(t, "127.0.0.1:0")
	t.Cleanup(b.stop)
}

func (b *table) start(t testing.TB, address string) {
	t.Helper()
	var keys []link.PublicKey
	for _, p := range b.players {
		keys = append(keys, p.Public())
	}
	var err error
	b.server, err = link.NewServer(b.id, link.Allow(keys...), b.handler, link.Options{Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b.address, b.served = listener.Addr().String(), make(chan error, 1)
	go func(s *link.Server, served chan error) { served <- s.Serve(listener) }(b.server, b.served)
}

// stop stops the dealer.
func (b *table) stop() {
	b.server.Stop()
	<-b.served
}

// settings are those of player a for a run with player b.
func (b *table) settings(a, other player) map[string]string {
	return map[string]string{
		"dealer": b.address, "dealer-key": b.id.Public().String(),
		"key": a.path, "peer": other.Public().String(),
	}
}

// A pipe is one end of a correlation.Twin in memory. It keeps what was sent.
type pipe struct {
	out, in chan []byte
	mu      sync.Mutex
	sent    [][]byte
}

func newPipes() [2]*pipe {
	a, b := make(chan []byte), make(chan []byte)
	return [2]*pipe{{out: a, in: b}, {out: b, in: a}}
}

func (p *pipe) Send(ctx context.Context, msg []byte) error {
	msg = slices.Clone(msg)
	p.mu.Lock()
	p.sent = append(p.sent, msg)
	p.mu.Unlock()
	select {
	case p.out <- msg:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipe) Recv(ctx context.Context, limit int) ([]byte, error) {
	select {
	case msg := <-p.in:
		if len(msg) > limit {
			return nil, fmt.Errorf("a message of %d bytes, at most %d were due", len(msg), limit)
		}
		return msg, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A couple is the two sides of a run.
type couple struct {
	runs  [2]correlation.Generator
	pipes [2]*pipe
}

// newCouple opens a run of the first two players. Party 0 alone has weights.
func (b *table) newCouple(t testing.TB, layers ...correlation.Layer) *couple {
	t.Helper()
	return b.newCoupleOf(t, [2]player{b.players[0], b.players[1]}, layers...)
}

func (b *table) newCoupleOf(t testing.TB, players [2]player, layers ...correlation.Layer) *couple {
	t.Helper()
	c := &couple{pipes: newPipes()}
	for party := range c.runs {
		r := correlation.Run{Party: party, Twin: c.pipes[party], Settings: b.settings(players[party], players[1-party])}
		for _, l := range layers {
			if party == 1 {
				l.Weights = nil
			}
			r.Layers = append(r.Layers, l)
		}
		var err error
		if c.runs[party], err = (Backend{}).Open(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.runs[party].Close() })
	}
	return c
}

// generate has both parties ask, each for its own, and returns each one's halves
// and error.
func (c *couple) generate(ctx context.Context, requests [2][]correlation.Request) (halves [2][]*correlation.Half, errs [2]error) {
	var wg sync.WaitGroup
	for party, g := range c.runs {
		wg.Go(func() { halves[party], errs[party] = g.Generate(ctx, requests[party]) })
	}
	wg.Wait()
	return halves, errs
}

// make is generate where both ask for the same and nothing may fail.
func (c *couple) make(t testing.TB, specs ...correlation.Spec) [2][]*correlation.Half {
	t.Helper()
	var requests []correlation.Request
	for _, s := range specs {
		requests = append(requests, correlation.Request{Spec: s})
	}
	halves, errs := c.generate(t.Context(), [2][]correlation.Request{requests, requests})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	for party := range halves {
		for i, h := range halves[party] {
			if h.Spec != specs[i] || h.Party != party {
				t.Fatalf("half %d of party %d is %v of %+v", i, party, h, h.Spec)
			}
		}
	}
	return halves
}

// mustSay fails unless err holds all these texts.
func mustSay(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; it should say %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

// triples is the specification of n triples.
func triples(n int) correlation.Spec { return correlation.Spec{Kind: correlation.Triples, N: n} }

// ask is a list of requests without inputs.
func ask(specs ...correlation.Spec) (requests []correlation.Request) {
	for _, s := range specs {
		requests = append(requests, correlation.Request{Spec: s})
	}
	return requests
}

// discard is a log that nobody reads.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

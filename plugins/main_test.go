package plugins

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pascaline/correlation"
	"pascaline/ring"
)

// The test binary is its own plugins: with this variable it serves the backend of
// that name (see served), and with hostVariable it is a host.
const (
	backendVariable = "PASCALINE_TEST_BACKEND"
	hostVariable    = "PASCALINE_TEST_HOST"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(backendVariable); name != "" {
		serveTest(name)
		return
	}
	if os.Getenv(hostVariable) != "" {
		beHost()
		return
	}
	code := m.Run()
	if left := leaks(); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaks returns the goroutines of plugins that do not end.
func leaks() string {
	buf := make([]byte, 1<<20)
	var left string
	for range 100 {
		left = ""
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "plugin") && !strings.Contains(g, "plugins.leaks") || strings.Contains(g, "grpc") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			break
		}
		time.Sleep(20 * time.Millisecond) // there is no event for the end of a goroutine
	}
	return left
}

// testPlugin returns the plugin that serves a backend of the tests, closed with
// the test.
func testPlugin(t testing.TB, name string, o Options) *Plugin {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Env = append(o.Env, backendVariable+"="+name)
	if o.Name == "" {
		o.Name = name
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p, err := New(self, []string{"-test.run=^$"}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// pipe is one end of a twin in memory.
type pipe struct{ out, in chan []byte }

// newPipes returns the two ends of a connection that holds that many messages.
func newPipes(room int) (a, b *pipe) {
	x, y := make(chan []byte, room), make(chan []byte, room)
	return &pipe{out: x, in: y}, &pipe{out: y, in: x}
}

func (p *pipe) Send(ctx context.Context, msg []byte) error {
	select {
	case p.out <- bytes.Clone(msg):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipe) Recv(ctx context.Context, limit int) ([]byte, error) {
	select {
	case msg := <-p.in:
		if len(msg) > limit {
			return nil, fmt.Errorf("a message of %d bytes; at most %d are due", len(msg), limit)
		}
		return msg, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// both runs f for both parties, each with its end of a twin. The first error
// ends the other.
func both(t testing.TB, f func(ctx context.Context, party int, twin correlation.Twin) error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var twins [2]*pipe
	twins[0], twins[1] = newPipes(1)
	var wg sync.WaitGroup
	for party := range 2 {
		wg.Go(func() {
			if err := f(ctx, party, twins[party]); err != nil {
				cancel(fmt.Errorf("party %d: %w", party, err))
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
}

// logBuffer is a log in memory.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // closed and replaced by the next write
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
	return l.buf.Write(p)
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// await waits until the log says text, and returns all of it.
func (l *logBuffer) await(t *testing.T, text string) string {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		log := l.buf.String()
		if l.written == nil {
			l.written = make(chan struct{})
		}
		written := l.written
		l.mu.Unlock()
		if strings.Contains(log, text) {
			return log
		}
		select {
		case <-written:
		case <-late:
			t.Fatalf("the log does not say %q: %s", text, log)
		}
	}
}

// checkError checks that err says every one of the texts.
func checkError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error is %q; it does not say %q", err, text)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 4000 {
		t.Errorf("the error cannot be printed on a line: %q", err)
	}
}

var testShape = ring.ConvShape{H: 6, W: 5, C: 3, K: 4, KH: 3, KW: 3, StrideH: 2, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}

// testSpec is a small specification of a kind.
func testSpec(k correlation.Kind) correlation.Spec {
	switch k {
	case correlation.Matrix:
		return correlation.MatrixSpec(4, 5, 6, 3, false)
	case correlation.Convolution:
		return correlation.Spec{Kind: k, N: 2, Shape: testShape, Fixed: true}
	case correlation.Powers:
		return correlation.Spec{Kind: k, N: 300, Degree: 4, MaskBits: 52}
	case correlation.Linear:
		return correlation.Spec{Kind: k, N: 2, Shape: testShape, Layer: 1}
	}
	return correlation.Spec{Kind: k, N: 300}
}

// testLayers are two layers, with weights at party 0.
func testLayers(party int) []correlation.Layer {
	layers := []correlation.Layer{{Shape: ring.LinearShape(7, 3)}, {Shape: testShape}}
	for i := range layers {
		if w := testWeights(layers[i].Shape); party == 0 {
			layers[i].Weights = w
		}
	}
	return layers
}

func testWeights(s ring.ConvShape) []int16 {
	w := make([]int16, s.WeightLen())
	for i := range w {
		w[i] = int16(i*2654435761) >> 4
	}
	return w
}

// testInput is r of a linear specification, at party 1.
func testInput(s correlation.Spec, party int) []uint64 {
	if s.Kind != correlation.Linear || party == 0 {
		return nil
	}
	r := make([]uint64, s.N*s.Shape.InLen())
	ring.NewStream(ring.Seed{1}, "test input").Fill(r)
	return r
}

// checkHalves checks that two halves belong together.
func checkHalves(t *testing.T, h0, h1 *correlation.Half) {
	t.Helper()
	var err error
	if spec := h0.Spec; spec.Kind == correlation.Linear {
		err = correlation.VerifyLinear(testWeights(spec.Shape), testInput(spec, 1), h0, h1)
	} else {
		err = correlation.Verify(h0, h1)
	}
	if err != nil {
		t.Error(err)
	}
}

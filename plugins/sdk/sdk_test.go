package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
	"pascaline/plugins/internal/wiretest"
)

// A host is the other side of a run that a backend serves.
type host struct {
	t      *testing.T
	stream *wire.Stream
	end    *wiretest.End
	served chan struct{} // closed when the run is over
}

// serveRun has a backend serve a run, by way of blocks where there are any.
func serveRun(t *testing.T, b Backend, blocks ...*wire.Blocks) *host {
	t.Helper()
	mine, theirs := wiretest.Pipe()
	h := &host{t: t, stream: wire.NewStream(mine), end: mine, served: make(chan struct{})}
	r := newRun(t.Context(), wire.NewStream(theirs), b)
	if len(blocks) > 0 {
		r.blocks = blocks[0]
	}
	var err error
	if r.can, err = b.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.served)
		defer theirs.Close()
		r.serve()
	}()
	t.Cleanup(func() {
		mine.Close()
		<-h.served
	})
	return h
}

func (h *host) send(kind api.BackendKind, payload ...[]byte) {
	h.t.Helper()
	if err := h.stream.Send(kind, payload...); err != nil {
		h.t.Fatal(err)
	}
}

// open opens a run, and with good has it opened.
func (h *host) open(run Run) {
	h.t.Helper()
	b, err := wire.EncodeOpen(run, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.send(api.BackendKind_BACKEND_OPEN, b)
	if run.Party == 0 {
		for _, l := range run.Layers {
			h.send(api.BackendKind_BACKEND_WEIGHTS, wire.EncodeWeights(l.Weights))
		}
	}
}

func (h *host) request(run Run, requests ...Request) {
	h.t.Helper()
	b, err := wire.EncodeRequests(requests, run)
	if err != nil {
		h.t.Fatal(err)
	}
	h.send(api.BackendKind_BACKEND_REQUEST, b)
	for _, r := range requests {
		if len(r.Input) > 0 {
			h.send(api.BackendKind_BACKEND_INPUT, wire.EncodeWords(r.Input))
		}
	}
}

// next returns the next message, which must be of that kind.
func (h *host) next(want api.BackendKind) []byte {
	h.t.Helper()
	kind, payload, err := h.stream.Recv(func(api.BackendKind, uint64) error { return nil })
	if err != nil {
		h.t.Fatalf("%v where %v is due", err, wire.Name(want))
	}
	if kind != want {
		h.t.Fatalf("%v (%q) came where %v is due", wire.Name(kind), payload, wire.Name(want))
	}
	return payload
}

// failed checks that the run fails, and says what.
// done takes the end of an answer: its cost, and that it is one.
func (h *host) done() {
	h.t.Helper()
	var m api.BackendCost
	if err := proto.Unmarshal(h.next(cost), &m); err != nil || !(m.CpuSeconds >= 0 && m.CpuSeconds < 3600) {
		h.t.Errorf("an answer cost %v s, %v", m.CpuSeconds, err)
	}
	h.next(done)
}

func (h *host) failed(says string) {
	h.t.Helper()
	var m api.BackendFailed
	if err := proto.Unmarshal(h.next(api.BackendKind_BACKEND_FAILED), &m); err != nil {
		h.t.Fatal(err)
	}
	if !strings.Contains(m.Message, says) {
		h.t.Errorf("the run failed because %q, which does not say %q", m.Message, says)
	}
	h.end.Close()
	<-h.served
}

// of makes a backend of one function, which makes triples and linear correlations.
func of(generate func(ctx context.Context, run Run, requests []Request) ([]*Half, error)) Backend {
	return &funcBackend{generate: generate}
}

type funcBackend struct {
	generate func(ctx context.Context, run Run, requests []Request) ([]*Half, error)
	run      Run
}

func (b *funcBackend) Describe(context.Context) (Description, error) {
	return Description{Name: "f", Version: "1", Trust: "nobody", Kinds: []Kind{Triples, Linear}}, nil
}

func (b *funcBackend) Open(_ context.Context, run Run) (Generator, error) {
	b.run = run
	return b, nil
}

func (b *funcBackend) Generate(ctx context.Context, requests []Request) ([]*Half, error) {
	return b.generate(ctx, b.run, requests)
}

func (b *funcBackend) Close() error { return nil }

func halvesOf(requests []Request, party int) []*Half {
	var halves []*Half
	for _, r := range requests {
		halves = append(halves, NewHalf(r.Spec, party))
	}
	return halves
}

var (
	triples = Spec{Kind: Triples, N: 5}
	shape   = ConvShape{H: 1, W: 1, C: 2, K: 3, KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	linear  = Spec{Kind: Linear, N: 2, Shape: shape}
)

const (
	opened = api.BackendKind_BACKEND_OPENED
	half   = api.BackendKind_BACKEND_HALF
	done   = api.BackendKind_BACKEND_DONE
	cost   = api.BackendKind_BACKEND_COST
	want   = api.BackendKind_BACKEND_WANT
	send   = api.BackendKind_BACKEND_SEND
	sent   = api.BackendKind_BACKEND_SENT
	twins  = api.BackendKind_BACKEND_TWIN
)

// The backend is given what the host sends, layers and inputs too.
func TestARunIsServed(t *testing.T) {
	for party := range 2 {
		run := Run{Party: party, Layers: []Layer{{Shape: shape}, {Shape: shape}}, Settings: map[string]string{"a": "b"}}
		request := Request{Spec: linear}
		if party == 0 {
			run.Layers[0].Weights, run.Layers[1].Weights = []int16{1, -2, 3, -4, 5, -6}, make([]int16, 6)
		} else {
			request.Input = []uint64{1, 2, 3, 1<<64 - 1}
		}
		var got Run
		var asked []Request
		h := serveRun(t, of(func(_ context.Context, run Run, requests []Request) ([]*Half, error) {
			got, asked = run, requests
			return halvesOf(requests, run.Party), nil
		}))
		h.open(run)
		h.next(opened)
		for range 2 {
			h.request(run, Request{Spec: linear, Input: request.Input}, request)
			for range 2 {
				if _, err := correlation.UnmarshalHalf(linear, party, h.next(half)); err != nil {
					t.Error(err)
				}
			}
			h.done()
		}
		if got.Party != party || got.Settings["a"] != "b" || len(got.Layers) != 2 || !slices.Equal(got.Layers[0].Weights, run.Layers[0].Weights) {
			t.Errorf("party %d: the backend was given %+v", party, got)
		}
		if len(asked) != 2 || asked[1].Spec != linear || !slices.Equal(asked[1].Input, request.Input) {
			t.Errorf("party %d: it was asked for %+v", party, asked)
		}
		h.end.Close()
		<-h.served
	}
}

func TestWhatTheHostMayNotSend(t *testing.T) {
	run := Run{Party: 1, Layers: []Layer{{Shape: shape}}}
	waits := of(func(ctx context.Context, run Run, _ []Request) ([]*Half, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	for says, send := range map[string]func(h *host){
		"REQUEST (0 bytes) came where it is not due": func(h *host) { h.send(api.BackendKind_BACKEND_REQUEST) },
		"OPEN of 1048577 bytes was announced":        func(h *host) { h.send(api.BackendKind_BACKEND_OPEN, make([]byte, wire.MaxOpen+1)) },
		"decoding OPEN":                              func(h *host) { h.send(api.BackendKind_BACKEND_OPEN, []byte{0xff}) },
		"WEIGHTS (12 bytes) came where it is not due": func(h *host) {
			h.open(run)
			h.next(opened)
			h.send(api.BackendKind_BACKEND_WEIGHTS, make([]byte, 12))
		},
		"WEIGHTS of 13 bytes where 12 are due": func(h *host) {
			b, _ := wire.EncodeOpen(Run{Layers: []Layer{{Shape: shape, Weights: make([]int16, 6)}}}, 0)
			h.send(api.BackendKind_BACKEND_OPEN, b)
			h.send(api.BackendKind_BACKEND_WEIGHTS, make([]byte, 13))
		},
		"INPUT of 8 bytes where 32 are due": func(h *host) {
			h.open(run)
			h.next(opened)
			b, _ := wire.EncodeRequests([]Request{{Spec: linear, Input: make([]uint64, 4)}}, run)
			h.send(api.BackendKind_BACKEND_REQUEST, b)
			h.send(api.BackendKind_BACKEND_INPUT, make([]byte, 8))
		},
		"TWIN (1 bytes) came where it is not due": func(h *host) {
			h.open(run)
			h.next(opened)
			h.request(run, Request{Spec: triples})
			h.send(twins, []byte{1})
		},
		"passed on a message that was not sent": func(h *host) {
			h.open(run)
			h.next(opened)
			h.request(run, Request{Spec: triples})
			h.send(sent)
		},
		"REQUEST (66 bytes) came where it is not due": func(h *host) {
			h.open(run)
			h.next(opened)
			h.request(run, Request{Spec: triples})
			h.request(run, Request{Spec: triples})
		},
		"HALF (0 bytes) came where it is not due": func(h *host) { h.send(half) },
	} {
		h := serveRun(t, waits)
		send(h)
		h.failed(says)
	}
}

func TestWhatAnAuthorMayNotReturn(t *testing.T) {
	for says, generate := range map[string]func(ctx context.Context, run Run, requests []Request) ([]*Half, error){
		"Generate returned 0 halves for 1 requests": func(context.Context, Run, []Request) ([]*Half, error) { return nil, nil },
		"something else for request 0":              func(context.Context, Run, []Request) ([]*Half, error) { return make([]*Half, 1), nil },
		"party 1's half of 5 triples":               func(_ context.Context, _ Run, r []Request) ([]*Half, error) { return halvesOf(r, 0), nil },
		"an invalid half for request 0: encoding": func(_ context.Context, _ Run, r []Request) ([]*Half, error) {
			halves := halvesOf(r, 1)
			halves[0].Columns[0] = make([]uint64, 4)
			return halves, nil
		},
		"Generate panicked; the log of the backend says where": func(context.Context, Run, []Request) ([]*Half, error) { panic("secret") },
		"my own words": func(context.Context, Run, []Request) ([]*Half, error) { return nil, errors.New("my own words") },
		"while a goroutine of it sends to the twin or receives from it": func(ctx context.Context, run Run, r []Request) ([]*Half, error) {
			twin := run.Twin.(*twin)
			go run.Twin.Recv(twin.run.ctx, 1)
			for twin.mu.Lock(); twin.limit < 0; twin.mu.Lock() {
				twin.mu.Unlock()
			}
			twin.mu.Unlock()
			return halvesOf(r, 1), nil
		},
		"after it has given up a message of the twin": func(ctx context.Context, run Run, r []Request) ([]*Half, error) {
			ctx, cancel := context.WithCancel(ctx)
			context.AfterFunc(run.Twin.(*twin).run.ctx, cancel)
			go func() {
				twin := run.Twin.(*twin)
				for twin.mu.Lock(); twin.limit < 0; twin.mu.Lock() {
					twin.mu.Unlock()
				}
				twin.mu.Unlock()
				cancel()
			}()
			if _, err := run.Twin.Recv(ctx, 1); !errors.Is(err, context.Canceled) {
				return nil, fmt.Errorf("giving up returned %w", err)
			}
			if _, err := run.Twin.Recv(context.Background(), 1); err == nil {
				return nil, errors.New("receiving after giving up")
			}
			return halvesOf(r, 1), nil
		},
		"at most 64 MiB at a time": func(ctx context.Context, run Run, _ []Request) ([]*Half, error) {
			return nil, run.Twin.Send(ctx, make([]byte, wire.MaxTwin+1))
		},
		"at most -1 bytes": func(ctx context.Context, run Run, _ []Request) ([]*Half, error) {
			_, err := run.Twin.Recv(ctx, -1)
			return nil, err
		},
	} {
		t.Run(says, func(t *testing.T) {
			h := serveRun(t, of(generate))
			run := Run{Party: 1}
			h.open(run)
			h.next(opened)
			h.request(run, Request{Spec: triples})
			if strings.Contains(says, "goroutine") || strings.Contains(says, "given up") {
				h.next(want)
			}
			h.failed(says)
		})
	}
	h := serveRun(t, of(nil))
	run := Run{Party: 1}
	h.open(run)
	h.next(opened)
	h.request(run, Request{Spec: Spec{Kind: Squares, N: 5}})
	h.failed("f does not make squares")
}

func TestTheTwinIsThereDuringACall(t *testing.T) {
	var kept Twin
	h := serveRun(t, of(func(ctx context.Context, run Run, r []Request) ([]*Half, error) {
		kept = run.Twin
		return halvesOf(r, 0), run.Twin.Send(ctx, []byte("now"))
	}))
	h.open(Run{})
	h.next(opened)
	h.request(Run{}, Request{Spec: triples})
	if msg := h.next(send); string(msg) != "now" {
		t.Errorf("the twin is sent %q", msg)
	}
	h.next(half)
	h.done()
	if err := kept.Send(t.Context(), nil); err != errNoCall {
		t.Errorf("between calls sending returns %v", err)
	}
	if _, err := kept.Recv(t.Context(), 1); err != errNoCall {
		t.Errorf("between calls receiving returns %v", err)
	}
}

// What is on its way is bounded, whatever the host's twin does; a large message
// waits until there is nothing else.
func TestSendingWaitsForRoom(t *testing.T) {
	const large = wire.MaxUnsentBytes + 1
	sizes := append(slices.Repeat([]int{1}, wire.MaxUnsent+1), large, 1)
	h := serveRun(t, of(func(ctx context.Context, run Run, r []Request) ([]*Half, error) {
		for _, n := range sizes {
			if err := run.Twin.Send(ctx, make([]byte, n)); err != nil {
				return nil, err
			}
		}
		return halvesOf(r, 0), nil
	}))
	h.open(Run{})
	h.next(opened)
	h.request(Run{}, Request{Spec: triples})
	messages, bytes := 0, 0
	for len(sizes) > 0 {
		// Everything that fits comes, and nothing else does before room is given.
		for len(sizes) > 0 && wire.Room(messages, bytes, sizes[0]) {
			n := len(h.next(send))
			if n != sizes[0] {
				t.Fatalf("a message of %d bytes came, want %d", n, sizes[0])
			}
			messages, bytes, sizes = messages+1, bytes+n, sizes[1:]
		}
		bytes -= map[bool]int{true: large, false: 1}[bytes >= large]
		messages--
		h.send(sent)
	}
	h.next(half)
	h.done()
}

func TestTheEndOfTheHostEndsACall(t *testing.T) {
	working := make(chan struct{})
	h := serveRun(t, of(func(ctx context.Context, _ Run, _ []Request) ([]*Half, error) {
		close(working)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}))
	h.open(Run{})
	h.next(opened)
	h.request(Run{}, Request{Spec: triples})
	<-working
	h.end.Close()
	h.failed("the host has ended the run")
}

func TestSimpleDealsOneAfterTheOther(t *testing.T) {
	var dealt int
	s := Simple{
		Description: Description{Name: "s", Version: "1", Trust: "nobody", Kinds: []Kind{Triples}},
		Deal: func(_ context.Context, run Run, r Request) (*Half, error) {
			if dealt++; dealt > 3 {
				return nil, errors.New("enough")
			}
			return NewHalf(r.Spec, run.Party), nil
		},
	}
	var told []float64
	open := func() Generator {
		g, err := s.Open(t.Context(), Run{Party: 1, Progress: func(f float64) { told = append(told, f) }})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := open()
	halves, err := g.Generate(t.Context(), []Request{{Spec: triples}, {Spec: triples}})
	if err != nil || len(halves) != 2 || halves[1].Spec != triples || halves[1].Party != 1 || !slices.Equal(told, []float64{0.5, 1}) {
		t.Errorf("it dealt %v, %v and told %v", halves, err, told)
	}
	for i, says := range []string{"enough", "this run has failed"} {
		if _, err := g.Generate(t.Context(), []Request{{Spec: triples}, {Spec: triples}}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("call %d returned %v", i, err)
		}
	}
	dealt = 0
	if _, err := open().Generate(t.Context(), []Request{{Spec: Spec{Kind: Squares, N: 1}}}); err == nil || err.Error() != "s does not make squares" {
		t.Errorf("squares: %v", err)
	}
	if _, err := open().Generate(t.Context(), []Request{{Spec: Spec{Kind: Triples}}}); err == nil {
		t.Error("no triples are asked for, and there is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open().Generate(ctx, []Request{{Spec: triples}}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v", err)
	}
	g = open()
	g.Close()
	if _, err := g.Generate(t.Context(), nil); err == nil {
		t.Error("a closed run generates")
	}
	if _, err := (Simple{}).Open(t.Context(), Run{}); err == nil {
		t.Error("a backend without Deal opens a run")
	}
}

// The log is what hclog writes, so that any host of go-plugin reads it; by hand
// it is text.
func TestTheLogIsTheHosts(t *testing.T) {
	var b bytes.Buffer
	newLog(&b, true).With("a", 1).Warn("trouble", "seed", Seed{1})
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["@level"] != "WARN" || line["@message"] != "trouble" || line["@timestamp"] == nil || line["a"] != 1.0 {
		t.Errorf("the line is %s", b.String())
	}
	b.Reset()
	newLog(&b, false).Info("hello")
	if !strings.Contains(b.String(), "level=INFO msg=hello") {
		t.Errorf("by hand the line is %s", b.String())
	}
}

func TestByHandItSaysWhatItIs(t *testing.T) {
	var b bytes.Buffer
	byHand(&b, of(nil))
	for _, text := range []string{"is a backend of pascaline, f 1", "triples, linear", "must trust: nobody", "--backend", "backend check"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("it says %q, and not %q", b.String(), text)
		}
	}
	b.Reset()
	byHand(&b, Simple{})
	if !strings.Contains(b.String(), "its description is unusable: its name has 0 bytes") {
		t.Errorf("it says %q", b.String())
	}
}

// Whatever a host sends, the run ends with the host's side, and the backend is
// asked only what is possible.
func FuzzRun(f *testing.F) {
	frame := func(kind api.BackendKind, payload []byte) []byte {
		b, err := proto.Marshal(&api.BackendFrame{Kind: kind, Size: uint64(len(payload)), Chunk: payload})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	run := Run{Party: 1, Layers: []Layer{{Shape: shape}}}
	open, err := wire.EncodeOpen(run, 0)
	if err != nil {
		f.Fatal(err)
	}
	request, err := wire.EncodeRequests([]Request{{Spec: linear, Input: make([]uint64, 4)}}, run)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame(api.BackendKind_BACKEND_OPEN, open), frame(api.BackendKind_BACKEND_REQUEST, request),
		frame(api.BackendKind_BACKEND_INPUT, make([]byte, 32)), frame(twins, []byte("hello")))
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		raw := wiretest.Recorded(a, b, c, d)
		backend := of(func(ctx context.Context, run Run, requests []Request) ([]*Half, error) {
			words := 0
			for _, r := range requests {
				if err := r.Validate(run); err != nil {
					t.Errorf("the backend is asked for the impossible: %v", err)
				}
				words += r.Spec.Words()
			}
			if msg, err := run.Twin.Recv(ctx, 4); err == nil && len(msg) > 4 {
				t.Errorf("a message of %d bytes", len(msg))
			}
			if words > 1<<16 {
				return nil, errors.New("too much for a fuzzer")
			}
			return halvesOf(requests, run.Party), nil
		})
		r := newRun(t.Context(), wire.NewStream(raw), backend)
		r.can, _ = backend.Describe(t.Context())
		r.serve()
		<-r.ended
	})
}

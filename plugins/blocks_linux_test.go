package plugins

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
	"pascaline/plugins/internal/wiretest"
)

// A guest is the plugin's side of a run that a host has opened.
type guest struct {
	t      *testing.T
	end    *wiretest.End
	stream *wire.Stream
	failed chan error // what Generate returned
}

// newGuest has the host ask for triples.
func newGuest(ctx context.Context, t *testing.T, host, plugin *wire.Blocks, twin correlation.Twin) *guest {
	theirs, mine := wiretest.Pipe()
	g := &guest{t: t, end: mine, stream: wire.NewStream(mine), failed: make(chan error, 1)}
	g.stream.Blocks = plugin
	r := &run{
		Run: correlation.Run{Twin: twin}, name: "guest", stream: wire.NewStream(theirs), blocks: host, reads: true,
		cut: theirs.Close, kill: func() { t.Error("the plugin is killed") }, lost: func(err error) error { return err },
		grace: time.Minute,
	}
	r.stream.Blocks = host
	go func() {
		_, err := r.Generate(ctx, ask(triples))
		g.failed <- err
	}()
	g.next(api.BackendKind_BACKEND_REQUEST)
	return g
}

func (g *guest) next(want api.BackendKind) []byte {
	g.t.Helper()
	kind, payload, err := g.stream.Recv(func(api.BackendKind, uint64) error { return nil })
	if err != nil || kind != want {
		g.t.Fatalf("%s came (%v) where %s is due", wire.Name(kind), err, wire.Name(want))
	}
	return payload
}

func (g *guest) say(kind api.BackendKind, m proto.Message) {
	g.t.Helper()
	b, err := proto.Marshal(m)
	if err == nil {
		err = g.stream.Send(kind, b)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) want() {
	g.t.Helper()
	g.say(api.BackendKind_BACKEND_WANT, &api.BackendWant{Limit: wire.PieceSize})
}

func fullOf(b byte) []byte { return bytes.Repeat([]byte{b}, wire.PieceSize) }

// A run that fails keeps the blocks of the twin's message from other runs until
// the plugin has ended its side: it may still read them.
func TestBlocksOfAFailedRunAreKeptUntilThePluginHasReadThem(t *testing.T) {
	host, plugin := wiretest.Blocks(t)
	twin, peer := newPipes(1)
	failing := newGuest(t.Context(), t, host, plugin, twin)
	peer.Send(t.Context(), fullOf('a'))
	failing.want()
	failing.end.Await(1) // TWIN, which is not read yet
	failing.say(api.BackendKind_BACKEND_FAILED, &api.BackendFailed{Message: "enough"})
	failing.end.AwaitEnd()

	twin, peer = newPipes(1)
	ctx, cancel := context.WithCancel(t.Context())
	other := newGuest(ctx, t, host, plugin, twin)
	for range host.Count() {
		peer.Send(t.Context(), fullOf('b'))
		other.want()
		if !bytes.Equal(other.next(api.BackendKind_BACKEND_TWIN), fullOf('b')) {
			t.Error("the other run's message is not what its twin sent")
		}
	}
	if !bytes.Equal(failing.next(api.BackendKind_BACKEND_TWIN), fullOf('a')) {
		t.Error("the message of a run that has failed is another run's")
	}
	failing.end.Close()
	checkError(t, <-failing.failed, "enough")
	cancel()
	other.end.Close()
	if err := <-other.failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the other run ended with %v", err)
	}
	if host.Free() != host.Count() {
		t.Errorf("%d of %d blocks are free after the runs", host.Free(), host.Count())
	}
}

// stubborn is a twin that takes what it was sent before it looks at its context.
type stubborn struct {
	deafTwin
	sending, goOn chan struct{}
	sent          [][]byte
}

func (s *stubborn) Send(_ context.Context, msg []byte) error {
	if s.sent = append(s.sent, bytes.Clone(msg)); len(s.sent) == 1 {
		close(s.sending)
		<-s.goOn
	}
	return nil
}

// What is read after the plugin was asked to let go may be of blocks that it uses
// for another run by then, so it is not passed on.
func TestNothingIsPassedOnOnceARunIsGivenUp(t *testing.T) {
	host, plugin := wiretest.Blocks(t)
	ctx, cancel := context.WithCancel(t.Context())
	twin := &stubborn{sending: make(chan struct{}), goOn: make(chan struct{})}
	g := newGuest(ctx, t, host, plugin, twin)
	if err := g.stream.Send(api.BackendKind_BACKEND_SEND, []byte("before")); err != nil {
		t.Fatal(err)
	}
	<-twin.sending
	cancel()
	g.end.AwaitEnd()
	for range 3 {
		if _, err := g.stream.SendBlocks(api.BackendKind_BACKEND_SEND, plugin, fullOf('a')); err != nil {
			t.Fatal(err)
		}
	}
	g.end.AwaitTaken()
	close(twin.goOn)
	g.end.Close()
	if err := <-g.failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	if !slices.EqualFunc(twin.sent, [][]byte{[]byte("before")}, bytes.Equal) {
		t.Errorf("%d messages are passed on, want 1", len(twin.sent))
	}
}

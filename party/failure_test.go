package party_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/link"
	"pascaline/party"
	"pascaline/store"
)

// severed is a TCP proxy that cuts both directions after a number of bytes.
type severed struct {
	net.Listener
	target string
	left   atomic.Int64
}

func sever(t *testing.T, target string, bytes int64) *severed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &severed{Listener: l, target: target}
	s.left.Store(bytes)
	go s.run()
	t.Cleanup(func() { l.Close() })
	return s
}

func (s *severed) run() {
	for {
		a, err := s.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", s.target)
		if err != nil {
			a.Close()
			continue
		}
		go s.copy(a, b)
		go s.copy(b, a)
	}
}

func (s *severed) copy(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 4096)
	for {
		n, err := src.Read(buf)
		if err != nil || s.left.Add(-int64(n)) < 0 {
			return
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// session is everything once: meet, produce two bundles, spend one.
func (w *world) session() error {
	c, err := w.connect(w.model.Plan)
	if err != nil {
		return err
	}
	defer c.close()
	ready, err := c.Ready()
	if err != nil {
		return err
	}
	if _, err := c.Produce(w.t.Context(), ready+2, byLattigo(), nil); err != nil {
		return err
	}
	return w.infer(c, 1)
}

// Wherever the connection breaks, the parties agree again after the next
// meeting, nothing is claimed at one and ready at the other, and the next
// session works.
func TestACutAnywhereLosesNoMoreThanWhatWasUnderWay(t *testing.T) {
	w := newWorld(t, smallModel())
	atServer, atClient := w.pairs()
	whole := sever(t, w.address, 1<<40)
	direct := w.address
	w.address = whole.Addr().String()
	if err := w.session(); err != nil {
		t.Fatal(err)
	}
	total := 1<<40 - whole.left.Load()
	const cuts = 24
	for i := range int64(cuts) {
		w.address = sever(t, direct, total*i/cuts).Addr().String()
		before := 0
		if c, err := store.Open(w.clientDir); err == nil {
			before = len(ids(t, c, atClient, store.Ready))
			c.Close()
		}
		if err := w.session(); err == nil {
			t.Fatalf("cut after %d of %d bytes: the session succeeds", total*i/cuts, total)
		}
		w.address = direct
		c := w.mustConnect()
		theirs, ours := ids(t, w.serverStore, atServer, store.Ready), ids(t, c.store, atClient, store.Ready)
		if !same(theirs, ours) {
			t.Fatalf("cut after %d of %d bytes: the stores disagree after the next meeting", total*i/cuts, total)
		}
		if len(ours) < before-1 {
			t.Fatalf("cut after %d of %d bytes: %d bundles are left of %d, at most one was in use", total*i/cuts, total, len(ours), before)
		}
		c.close()
	}
	if err := w.session(); err != nil {
		t.Fatalf("after %d cuts: %v", cuts, err)
	}
}

func TestADiskFullWhileProducingLosesNothing(t *testing.T) {
	w := newWorld(t, smallModel())
	c := w.mustConnect()
	w.produce(c, 2)
	c.close()

	// More than any disk has free is to be kept free.
	st, err := store.Open(w.clientDir, store.WithReserve(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := link.Dial(t.Context(), w.address, w.clientID, w.serverID.Public(), link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	full, _, err := party.NewClient(t.Context(), conn, w.serverID.Public(), w.model.Plan, st)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := full.Produce(t.Context(), 4, byLattigo(), nil); !errors.Is(err, store.ErrDiskFull) {
		t.Fatalf("producing onto a full disk: %v", err)
	}
	if n, err := full.Ready(); n != 2 || err != nil {
		t.Fatalf("%d bundles are ready after the failure (%v), want 2", n, err)
	}
	conn.Close()
	st.Close()

	c = w.mustConnect()
	defer c.close()
	atServer, atClient := w.pairs()
	if theirs := ids(t, w.serverStore, atServer, store.Ready); c.met.Ready != 2 || !same(theirs, ids(t, c.store, atClient, store.Ready)) {
		t.Fatalf("%d bundles are ready after the next meeting, want 2 on both sides", c.met.Ready)
	}
	w.produce(c, 4)
	if err := w.infer(c, 4); err != nil {
		t.Fatal(err)
	}
}

// A client that says hello and then nothing more is cut off, and others are
// served meanwhile.
func TestAStalledClientIsCutOff(t *testing.T) {
	w := newWorld(t, smallModel())
	w.stopServer()
	w.stall = 2 * time.Second // more than the last session needs on a busy machine
	w.startServer()
	conn, err := link.Dial(t.Context(), w.address, w.clientID, w.serverID.Public(), link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hash := w.model.Plan.Hash()
	stalled := map[string]*link.Stream{}
	for purpose, due := range map[api.Purpose]string{
		api.Purpose_PURPOSE_MEET: "MEETING", api.Purpose_PURPOSE_PRODUCE: "PRODUCE", api.Purpose_PURPOSE_INFER: "CLAIM",
	} {
		s, err := conn.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello, err := proto.Marshal(&api.Hello{Version: 3, Purpose: purpose, Plan: hash[:], Store: w.clientStore[:], Bundles: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), api.Kind_HELLO, hello); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(t.Context(), api.Kind_WELCOME, 4096); err != nil {
			t.Fatal(err)
		}
		stalled[due] = s
	}
	for due, s := range stalled {
		_, err := s.Recv(t.Context(), api.Kind_MEETING_REPLY, 4096)
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a client that owes %s is not told that it was cut off: %v", due, err)
		}
		s.Close()
	}
	if err := w.session(); err != nil {
		t.Errorf("another session after the stalled ones: %v", err)
	}
}

// A server that takes the stream and never answers is given up.
func TestAStalledServerIsGivenUp(t *testing.T) {
	w := newWorld(t, smallModel())
	w.stopServer()
	silent, err := link.NewServer(w.serverID, link.Allow(w.clientID.Public()), func(ctx context.Context, _ *link.Stream) error {
		<-ctx.Done()
		return ctx.Err()
	}, link.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go silent.Serve(l)
	defer silent.Stop()
	st, err := store.Open(w.clientDir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	conn, err := link.Dial(t.Context(), l.Addr().String(), w.clientID, w.serverID.Public(), link.Options{Stall: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := party.NewClient(t.Context(), conn, w.serverID.Public(), w.model.Plan, st); !errors.Is(err, link.ErrStalled) {
		t.Errorf("meeting a silent server: %v", err)
	}
}

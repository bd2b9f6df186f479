package link

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"pascaline/api"
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

func newIdentity(t testing.TB) Identity {
	t.Helper()
	id, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A party is a server on loopback with the identities of both sides.
type party struct {
	server   *Server
	id       Identity // the server's
	client   Identity
	address  string
	logs     *logBuffer
	listener net.Listener
}

// serve starts a server for h that allows one client.
func serve(t testing.TB, h Handler, o Options) *party {
	t.Helper()
	p := &party{id: newIdentity(t), client: newIdentity(t), logs: new(logBuffer)}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(p.logs, nil))
	}
	var err error
	if p.server, err = NewServer(p.id, Allow(p.client.Public()), h, o); err != nil {
		t.Fatal(err)
	}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.address = p.listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.listener) }()
	t.Cleanup(func() {
		p.server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v after Stop", err)
		}
	})
	return p
}

func (p *party) dial(t testing.TB, o Options) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), p.address, p.client, p.id.Public(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func open(t testing.TB, c *Conn) *Stream {
	t.Helper()
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// echo answers every HELLO with a WELCOME of the same bytes.
func echo(ctx context.Context, s *Stream) error {
	for {
		_, b, err := s.RecvNext(ctx, Due{api.Kind_HELLO, 1 << 30})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(ctx, api.Kind_WELCOME, b); err != nil {
			return err
		}
	}
}

func ask(t testing.TB, s *Stream, payload []byte) {
	t.Helper()
	if err := s.Send(t.Context(), api.Kind_HELLO, payload); err != nil {
		t.Fatal(err)
	}
	got, err := s.Recv(t.Context(), api.Kind_WELCOME, len(payload))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, payload) {
		t.Fatalf("%d bytes came back as %d others", len(payload), len(got))
	}
}

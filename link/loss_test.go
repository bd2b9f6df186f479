package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"pascaline/api"
)

// cut breaks a connection below TLS, as a crash of the process (a reset) or of
// its machine's network would.
func cut(t *testing.T, w *wire, reset bool) {
	t.Helper()
	if tcp, ok := w.Conn.(*net.TCPConn); ok && reset {
		if err := tcp.SetLinger(0); err != nil {
			t.Error(err)
		}
	}
	w.Conn.Close()
}

// An exchange of several messages, some of several pieces, is cut off after each
// of its steps, by either side: whoever waits gets an error that names the
// connection, in time.
func TestALostConnectionIsAnErrorAtEveryStep(t *testing.T) {
	const big = 3*PieceSize + 100
	type step func(context.Context, *Stream) error
	send := func(k api.Kind, n int) step {
		return func(ctx context.Context, s *Stream) error { return s.Send(ctx, k, numbered(n)) }
	}
	recv := func(k api.Kind, n int) step {
		return func(ctx context.Context, s *Stream) error { return errOf(s.Recv(ctx, k, n)) }
	}
	half := func(k api.Kind) step {
		return func(_ context.Context, s *Stream) error {
			return s.raw.SendMsg(&piece{k, big, numbered(PieceSize)})
		}
	}
	client := []step{
		send(api.Kind_HELLO, 10), recv(api.Kind_WELCOME, 10),
		send(api.Kind_GROUP, big), recv(api.Kind_GROUP_REPLY, big),
		half(api.Kind_CLAIM),
	}
	server := []step{
		recv(api.Kind_HELLO, 10), send(api.Kind_WELCOME, 10),
		recv(api.Kind_GROUP, big), send(api.Kind_GROUP_REPLY, big),
		recv(api.Kind_CLAIM, big),
	}
	run := func(ctx context.Context, s *Stream, steps []step) error {
		for _, f := range steps {
			if err := f(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
	for _, reset := range []bool{false, true} {
		for n := range len(client) + 1 {
			t.Run(fmt.Sprintf("client dies after %d steps, reset %v", n, reset), func(t *testing.T) {
				begun := make(chan struct{})
				p, result := reporting(t, func(ctx context.Context, s *Stream) error {
					close(begun)
					return run(ctx, s, server)
				}, Options{})
				c := p.dial(t, Options{})
				s := open(t, c)
				if err := run(t.Context(), s, client[:n]); err != nil {
					t.Fatal(err)
				}
				<-begun // else there may be no handler yet that could learn of it
				cut(t, c.wire, reset)
				err := after(t, result)
				mustSay(t, err, "connection to client "+p.client.Public().String()+" lost while")
				mustBe(t, err, ErrLost)
				if errors.Is(err, ErrGaveUp) {
					t.Error("a lost connection looks like a client that gave up")
				}
			})
		}
		for n := range server {
			t.Run(fmt.Sprintf("server dies after %d steps, reset %v", n, reset), func(t *testing.T) {
				p := serve(t, func(ctx context.Context, s *Stream) error {
					if err := run(ctx, s, server[:n]); err != nil {
						return err
					}
					if n%2 == 1 { // it sends next: let it die within that
						half(api.Kind_GROUP_REPLY)(ctx, s)
					}
					cut(t, s.wire, reset)
					<-ctx.Done()
					return nil
				}, Options{})
				c := p.dial(t, Options{})
				s := open(t, c)
				if n == 1 { // what it sends within is no WELCOME
					client := []step{client[0], recv(api.Kind_GROUP_REPLY, big)}
					err := run(t.Context(), s, client)
					mustSay(t, err, "connection to server "+p.address+" lost while GROUP_REPLY was")
					mustBe(t, err, ErrLost)
					return
				}
				err := run(t.Context(), s, client)
				if err == nil { // the last was still taken
					err = errOf(s.Recv(t.Context(), api.Kind_CLAIM_REPLY, 10))
				}
				mustSay(t, err, "connection to server "+p.address+" lost while")
				mustBe(t, err, ErrLost)
				err = errOf(c.Open(t.Context()))
				mustSay(t, err, "opening a stream", "lost", "connect again")
				mustBe(t, err, ErrLost)
			})
		}
	}
}

func TestASenderLearnsOfALostConnection(t *testing.T) {
	p := serve(t, func(ctx context.Context, s *Stream) error {
		cut(t, s.wire, true)
		<-ctx.Done()
		return nil
	}, Options{})
	s := open(t, p.dial(t, Options{}))
	err := blocked(true)(t.Context(), s)
	mustSay(t, err, "lost while OUTPUT was being sent")
	mustBe(t, err, ErrLost)
}

func TestStopEndsWhatIsUnderWay(t *testing.T) {
	started := make(chan struct{})
	p, result := reporting(t, func(ctx context.Context, s *Stream) error {
		close(started)
		_, _, err := s.RecvNext(ctx, Due{api.Kind_HELLO, 10})
		return err
	}, Options{})
	c := p.dial(t, Options{})
	s := open(t, c)
	<-started
	p.server.Stop()
	select {
	case err := <-result:
		mustBe(t, err, ErrLost)
	default:
		t.Error("Stop returned before the handler")
	}
	_, err := s.Recv(t.Context(), api.Kind_WELCOME, 10)
	mustBe(t, err, ErrLost)
	mustBe(t, errOf(c.Open(t.Context())), ErrLost)
	mustSay(t, errOf(Dial(t.Context(), p.address, p.client, p.id.Public(), Options{})), "nothing listens there")
}

func TestShutdownLetsStreamsComeToTheirEnd(t *testing.T) {
	p := serve(t, echo, Options{})
	c := p.dial(t, Options{})
	s := open(t, c)
	ask(t, s, numbered(10))
	down := make(chan struct{})
	go func() {
		defer close(down)
		p.server.Shutdown(t.Context())
	}()
	// The client hears of it by and by: until then, opening may work.
	for {
		late, err := c.Open(t.Context())
		if err != nil {
			mustSay(t, err, "stopping")
			mustBe(t, err, ErrLost)
			break
		}
		err = late.Send(t.Context(), api.Kind_HELLO, nil)
		if err == nil {
			_, err = late.Recv(t.Context(), api.Kind_WELCOME, 0)
		}
		late.Close()
		if err != nil {
			mustBe(t, err, ErrLost)
			break
		}
	}
	ask(t, s, numbered(PieceSize*3))
	select {
	case <-down:
		t.Error("Shutdown did not wait")
	default:
	}
	if err := s.End(t.Context()); err != nil {
		t.Error(err)
	}
	<-down
}

func TestShutdownStopsWhenItsTimeIsUp(t *testing.T) {
	p := serve(t, echo, Options{})
	s := open(t, p.dial(t, Options{}))
	ask(t, s, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p.server.Shutdown(ctx)
	mustBe(t, errOf(s.Recv(t.Context(), api.Kind_WELCOME, 1)), ErrLost)
}

func TestClosingAConnectionEndsItsStreams(t *testing.T) {
	p, result := reporting(t, echo, Options{})
	c := p.dial(t, Options{})
	s := open(t, c)
	ask(t, s, nil)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	mustBe(t, after(t, result), ErrLost)
	mustBe(t, errOf(s.Recv(t.Context(), api.Kind_WELCOME, 1)), ErrLost)
	mustBe(t, errOf(c.Open(t.Context())), ErrLost)
	c.Close()
}

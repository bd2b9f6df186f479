package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"pascaline/api"
)

// reporting serves a handler and passes on what it returns.
func reporting(t *testing.T, h Handler, o Options) (*party, <-chan error) {
	t.Helper()
	result := make(chan error, 100)
	return serve(t, func(ctx context.Context, s *Stream) error {
		err := h(ctx, s)
		result <- err
		return err
	}, o), result
}

func after(t *testing.T, result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the handler did not return")
		return nil
	}
}

func mustBe(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%v: not of the kind %q", err, kind)
	}
}

func TestMessagesOfAllSizesArriveWhole(t *testing.T) {
	p := serve(t, echo, Options{})
	s := open(t, p.dial(t, Options{}))
	for _, n := range []int{0, 1, 1000, 4096, 17_000, PieceSize - 1, PieceSize, PieceSize + 1, 5*PieceSize + 3} {
		ask(t, s, numbered(n))
	}
	if err := s.End(t.Context()); err != nil {
		t.Error(err)
	}
}

// Send may return before the message is on the wire, but it does not look at
// payload again.
func TestSendKeepsNothingOfThePayload(t *testing.T) {
	p := serve(t, echo, Options{})
	s := open(t, p.dial(t, Options{}))
	want := numbered(PieceSize + 100)
	payload := bytes.Clone(want)
	for range 20 {
		copy(payload, want)
		if err := s.Send(t.Context(), api.Kind_HELLO, payload); err != nil {
			t.Fatal(err)
		}
		clear(payload)
		got, err := s.Recv(t.Context(), api.Kind_WELCOME, len(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back changed (%v)", len(got), err)
		}
	}
}

func TestOneGoroutineMaySendWhileAnotherReceives(t *testing.T) {
	p := serve(t, echo, Options{})
	s := open(t, p.dial(t, Options{}))
	const n = 100
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range n {
			if err := s.Send(t.Context(), api.Kind_HELLO, numbered(i*997)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range n {
		got, err := s.Recv(t.Context(), api.Kind_WELCOME, i*997)
		if err != nil || !bytes.Equal(got, numbered(i*997)) {
			t.Fatalf("message %d: %d bytes (%v)", i, len(got), err)
		}
	}
	sent.Wait()
}

func TestStreamsOfAConnectionDoNotMix(t *testing.T) {
	p := serve(t, echo, Options{})
	c := p.dial(t, Options{})
	var all sync.WaitGroup
	for i := range 20 {
		s := open(t, c)
		all.Go(func() {
			for j := range 20 {
				ask(t, s, bytes.Repeat([]byte{byte(i)}, j*5000))
			}
		})
	}
	all.Wait()
}

func TestAServerBoundsTheStreamsOfAConnection(t *testing.T) {
	p := serve(t, echo, Options{Streams: 2})
	c := p.dial(t, Options{})
	first, second := open(t, c), open(t, c)
	ask(t, first, nil)
	ask(t, second, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Open(ctx)
	mustSay(t, err, "opening a stream", "deadline exceeded")
	if err := first.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(t, open(t, c), nil)
}

func TestAnUnexpectedKindIsAnError(t *testing.T) {
	p, result := reporting(t, func(ctx context.Context, s *Stream) error {
		_, err := s.Recv(ctx, api.Kind_CLAIM, 100)
		return err
	}, Options{})
	s := open(t, p.dial(t, Options{}))
	if err := s.Send(t.Context(), api.Kind_HELLO, numbered(3)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Recv(t.Context(), api.Kind_WELCOME, 100)
	mustSay(t, err, "server "+p.address, "reported", "HELLO (3 bytes) came where CLAIM is due")
	if remote := new(RemoteError); !errors.As(err, &remote) {
		t.Errorf("wrong kind of error: %v", err)
	}
	if errors.Is(err, ErrLost) {
		t.Error("a refusal looks like a lost connection")
	}
	mustSay(t, after(t, result), "client "+p.client.Public().String(), "broke the protocol", "HELLO")
	// The stream is over, and says why.
	again := s.Send(t.Context(), api.Kind_HELLO, nil)
	if again != err || errOf(s.Recv(t.Context(), api.Kind_WELCOME, 1)) != err {
		t.Errorf("the end of the stream was forgotten: %v", again)
	}
}

func TestAMessageLargerThanAllowedIsRefusedWhenAnnounced(t *testing.T) {
	for _, n := range []int{1001, 10 * PieceSize} {
		p := serve(t, func(ctx context.Context, s *Stream) error {
			return s.Send(ctx, api.Kind_OUTPUT, numbered(n))
		}, Options{})
		s := open(t, p.dial(t, Options{}))
		_, err := s.Recv(t.Context(), api.Kind_OUTPUT, 1000)
		mustSay(t, err, "broke the protocol", fmt.Sprintf("OUTPUT of %d bytes", n), "at most 1000")
	}
}

func TestOneOfSeveralMessagesMayCome(t *testing.T) {
	p := serve(t, func(ctx context.Context, s *Stream) error {
		for {
			kind, b, err := s.RecvNext(ctx, Due{api.Kind_GROUP, 10}, Due{api.Kind_CLAIM, 100})
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.Send(ctx, kind, b); err != nil {
				return err
			}
		}
	}, Options{})
	s := open(t, p.dial(t, Options{}))
	for _, c := range []struct {
		kind api.Kind
		size int
	}{{api.Kind_GROUP, 10}, {api.Kind_CLAIM, 100}, {api.Kind_CLAIM, 3}, {api.Kind_GROUP, 0}} {
		if err := s.Send(t.Context(), c.kind, numbered(c.size)); err != nil {
			t.Fatal(err)
		}
		kind, b, err := s.RecvOne(t.Context(), Due{api.Kind_CLAIM, 100}, Due{api.Kind_GROUP, 10})
		if err != nil || kind != c.kind || len(b) != c.size {
			t.Errorf("%v of %d bytes came back as %v of %d (%v)", c.kind, c.size, kind, len(b), err)
		}
	}
	if err := s.Send(t.Context(), api.Kind_GROUP, numbered(11)); err != nil {
		t.Fatal(err)
	}
	mustSay(t, s.End(t.Context()), "GROUP of 11 bytes", "at most 10")
}

func TestPiecesThatBreakTheProtocolEndTheExchange(t *testing.T) {
	for says, pieces := range map[string][]piece{
		"a piece of 5 bytes of HELLO came where 10 are due": {{api.Kind_HELLO, 10, numbered(5)}},
		"a piece of 11 bytes of HELLO":                      {{api.Kind_HELLO, 10, numbered(11)}},
		"CLAIM came within HELLO":                           {{api.Kind_HELLO, PieceSize + 1, numbered(PieceSize)}, {api.Kind_CLAIM, 0, numbered(1)}},
		"HELLO (1 bytes) was announced within HELLO":        {{api.Kind_HELLO, PieceSize + 1, numbered(PieceSize)}, {api.Kind_HELLO, 1, numbered(1)}},
		"(1 bytes) came without an announcement":            {{api.Kind_HELLO, 1, numbered(1)}, {api.Kind_HELLO, 0, numbered(1)}},
	} {
		p, result := reporting(t, func(ctx context.Context, s *Stream) error {
			for {
				if _, err := s.Recv(ctx, api.Kind_HELLO, 2*PieceSize); err != nil {
					return err
				}
			}
		}, Options{})
		s := open(t, p.dial(t, Options{}))
		for _, f := range pieces {
			if err := s.raw.SendMsg(&f); err != nil {
				t.Fatal(err)
			}
		}
		mustSay(t, s.End(t.Context()), "reported", says)
		mustSay(t, after(t, result), "broke the protocol", says)
	}
}

func TestAMessageAfterTheEndIsAnError(t *testing.T) {
	p := serve(t, func(ctx context.Context, s *Stream) error {
		if err := s.Send(ctx, api.Kind_WELCOME, nil); err != nil {
			return err
		}
		return s.Send(ctx, api.Kind_OUTPUT, numbered(4))
	}, Options{})
	s := open(t, p.dial(t, Options{}))
	if _, err := s.Recv(t.Context(), api.Kind_WELCOME, 0); err != nil {
		t.Fatal(err)
	}
	mustSay(t, s.End(t.Context()), "OUTPUT came where the end is due")
}

func TestAnEarlyEndIsAnError(t *testing.T) {
	p, result := reporting(t, func(ctx context.Context, s *Stream) error {
		_, err := s.Recv(ctx, api.Kind_HELLO, PieceSize*2)
		return err
	}, Options{})
	c := p.dial(t, Options{})

	s := open(t, c) // the client ends where a message is due
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	err := after(t, result)
	mustSay(t, err, "ended the exchange while HELLO was due")
	mustBe(t, err, io.ErrUnexpectedEOF)

	s = open(t, c) // in the middle of one
	if err := s.raw.SendMsg(&piece{api.Kind_HELLO, PieceSize + 1, numbered(PieceSize)}); err != nil {
		t.Fatal(err)
	}
	s.CloseSend()
	err = after(t, result)
	mustSay(t, err, "ended the exchange while HELLO was being received", fmt.Sprintf("%d of %d bytes", PieceSize, PieceSize+1))
	mustBe(t, err, io.ErrUnexpectedEOF)

	s = open(t, c) // the server does
	if err := s.Send(t.Context(), api.Kind_HELLO, nil); err != nil {
		t.Fatal(err)
	}
	_, err = s.Recv(t.Context(), api.Kind_WELCOME, 10)
	mustSay(t, err, "server "+p.address+" ended the exchange while WELCOME was due")
	mustBe(t, err, io.ErrUnexpectedEOF)

	s = open(t, c) // and the client learns it when it sends
	if err := s.Send(t.Context(), api.Kind_HELLO, nil); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		err = s.Send(t.Context(), api.Kind_HELLO, nil)
	}
	mustSay(t, err, "ended the exchange while HELLO was being sent")
}

func TestTheHandlersErrorReachesTheClientAsText(t *testing.T) {
	p := serve(t, func(ctx context.Context, s *Stream) error {
		if _, err := s.Recv(ctx, api.Kind_HELLO, 10); err != nil {
			return err
		}
		return errors.New("the plan 1234 is not served here\x1b[31m\nname it with --plan \xff" + strings.Repeat("é", 5000))
	}, Options{})
	c := p.dial(t, Options{})
	check := func(err error) {
		t.Helper()
		mustSay(t, err, "server "+p.address+" reported: the plan 1234 is not served here\uFFFD[31m name it with --plan")
		var remote *RemoteError
		if !errors.As(err, &remote) || len(remote.Message) > maxErrorText+10 {
			t.Errorf("%T of %d bytes", err, len(err.Error()))
		}
	}
	s := open(t, c)
	if err := s.Send(t.Context(), api.Kind_HELLO, nil); err != nil {
		t.Fatal(err)
	}
	check(errOf(s.Recv(t.Context(), api.Kind_WELCOME, 10)))

	s = open(t, c)
	if err := s.Send(t.Context(), api.Kind_HELLO, nil); err != nil {
		t.Fatal(err)
	}
	check(s.End(t.Context()))

	s = open(t, c) // one who only sends learns it as well
	var err error
	for err == nil {
		err = s.Send(t.Context(), api.Kind_HELLO, nil)
	}
	check(err)
}

func TestAPanicInAHandlerIsAnErrorAndIsLoggedWithoutArguments(t *testing.T) {
	p := serve(t, func(ctx context.Context, s *Stream) error {
		b, err := s.Recv(ctx, api.Kind_HELLO, 10)
		if err != nil {
			return err
		}
		_ = b[len(b)]
		return nil
	}, Options{})
	c := p.dial(t, Options{})
	for range 2 {
		s := open(t, c)
		if err := s.Send(t.Context(), api.Kind_HELLO, []byte{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		mustSay(t, s.End(t.Context()), "reported", "internal error")
	}
	log := p.logs.await(t, "out of range")
	if !strings.Contains(log, "stream_test") && !strings.Contains(log, "TestAPanic") || strings.Contains(log, "0xc0") {
		t.Errorf("the log does not say where, or too much: %s", log)
	}
}

func TestAClientThatGivesUpIsNotALostConnection(t *testing.T) {
	p, result := reporting(t, func(ctx context.Context, s *Stream) error {
		_, err := s.Recv(ctx, api.Kind_HELLO, 10)
		if ctx.Err() == nil {
			t.Error("the handler's context goes on")
		}
		return err
	}, Options{})
	c := p.dial(t, Options{})
	s := open(t, c)
	s.Close()
	err := after(t, result)
	mustSay(t, err, "client "+p.client.Public().String()+" gave up while HELLO was due")
	mustBe(t, err, ErrGaveUp)
	mustSay(t, s.Send(t.Context(), api.Kind_HELLO, nil), "the stream is closed")

	ctx, cancel := context.WithCancel(t.Context())
	s, err = c.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	mustBe(t, after(t, result), ErrGaveUp)
	_, err = s.Recv(t.Context(), api.Kind_WELCOME, 1)
	mustSay(t, err, "context canceled")
	mustBe(t, err, context.Canceled)
}

// An error that is found on the client ends the stream on the server too.
func TestAClientThatFindsAnErrorGivesUp(t *testing.T) {
	p, result := reporting(t, func(ctx context.Context, s *Stream) error {
		if err := s.Send(ctx, api.Kind_OUTPUT, nil); err != nil {
			return err
		}
		_, err := s.Recv(ctx, api.Kind_HELLO, 10)
		return err
	}, Options{})
	s := open(t, p.dial(t, Options{}))
	mustSay(t, errOf(s.Recv(t.Context(), api.Kind_WELCOME, 10)), "OUTPUT (0 bytes) came where WELCOME is due")
	mustBe(t, after(t, result), ErrGaveUp)
}

// What is on the wire is gRPC as everybody speaks it: somebody may write another
// party in another language. A frame larger than any may be does not get far.
func TestAStockGRPCClientCanSpeakTheProtocol(t *testing.T) {
	p, result := reporting(t, echo, Options{})
	cert, err := p.client.certificate()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true,
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := api.NewLinkClient(conn).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	message := numbered(PieceSize + 5)
	for _, f := range frames(api.Kind_HELLO, message) {
		if err := s.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range frames(api.Kind_WELCOME, message) {
		got, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != want.Kind || got.Size != want.Size || !bytes.Equal(got.Chunk, want.Chunk) {
			t.Errorf("frame %d is another", i)
		}
	}
	if err := s.Send(&api.Frame{Kind: api.Kind_HELLO, Size: 2 * PieceSize, Chunk: numbered(2 * PieceSize)}); err != nil {
		t.Fatal(err)
	}
	mustSay(t, after(t, result), "broke the protocol", fmt.Sprintf("a frame of more than %d bytes", maxFrame))
	if _, err := s.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the client got %v", err)
	}
}

package link

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pascaline/api"
)

// blocked are handlers' and clients' ways to wait for ever.
func blocked(send bool) func(context.Context, *Stream) error {
	return func(ctx context.Context, s *Stream) error {
		if !send {
			_, err := s.Recv(ctx, api.Kind_OUTPUT, 10)
			return err
		}
		for { // until the windows are full
			if err := s.Send(ctx, api.Kind_OUTPUT, make([]byte, 4*PieceSize)); err != nil {
				return err
			}
		}
	}
}

func idle(ctx context.Context, s *Stream) error {
	<-ctx.Done()
	return nil
}

func TestAPeerThatStallsIsAnErrorWhoeverWaits(t *testing.T) {
	const stall = 100 * time.Millisecond
	for _, send := range []bool{false, true} {
		t.Run(fmt.Sprintf("client sends %v", send), func(t *testing.T) {
			p := serve(t, idle, Options{})
			s := open(t, p.dial(t, Options{Stall: stall}))
			start := time.Now()
			err := blocked(send)(t.Context(), s)
			mustSay(t, err, "server "+p.address, "stalled", "100ms", "OUTPUT was")
			mustBe(t, err, ErrStalled)
			if time.Since(start) < stall {
				t.Error("it gave up early")
			}
		})
		t.Run(fmt.Sprintf("server sends %v", send), func(t *testing.T) {
			p, result := reporting(t, blocked(send), Options{Stall: stall})
			s := open(t, p.dial(t, Options{}))
			err := after(t, result)
			mustSay(t, err, "client "+p.client.Public().String(), "stalled", "100ms", "OUTPUT was")
			mustBe(t, err, ErrStalled)
			if !send { // else what was sent comes first
				_, err = s.Recv(t.Context(), api.Kind_WELCOME, 10)
				mustSay(t, err, "reported", "stalled")
			}
		})
	}
}

func TestAMessageThatStallsHalfwayIsAnError(t *testing.T) {
	p, result := reporting(t, func(ctx context.Context, s *Stream) error {
		_, _, err := s.RecvNext(ctx, Due{api.Kind_HELLO, 10 * PieceSize})
		return err
	}, Options{Stall: 50 * time.Millisecond})
	s := open(t, p.dial(t, Options{}))
	if err := s.raw.SendMsg(&piece{api.Kind_HELLO, 3 * PieceSize, numbered(PieceSize)}); err != nil {
		t.Fatal(err)
	}
	err := after(t, result)
	mustSay(t, err, "stalled", fmt.Sprintf("%d of %d bytes", PieceSize, 3*PieceSize))
	mustBe(t, err, ErrStalled)
}

func TestWaitingForWhatComesNextIsNoStall(t *testing.T) {
	p := serve(t, echo, Options{Stall: 20 * time.Millisecond})
	s := open(t, p.dial(t, Options{}))
	for range 2 {
		select { // there is no event: nothing must happen
		case <-s.Context().Done():
			t.Fatal("the stream ended")
		case <-time.After(100 * time.Millisecond):
		}
		ask(t, s, numbered(10))
	}
}

func TestEveryCallHonoursItsContext(t *testing.T) {
	for _, send := range []bool{false, true} {
		t.Run(fmt.Sprintf("client sends %v", send), func(t *testing.T) {
			p := serve(t, idle, Options{})
			s := open(t, p.dial(t, Options{}))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := blocked(send)(ctx, s)
			mustSay(t, err, "deadline exceeded", "OUTPUT was", "server "+p.address)
			mustBe(t, err, context.DeadlineExceeded)
			if !send { // else it may have been over between two messages
				mustBe(t, s.Send(t.Context(), api.Kind_HELLO, nil), context.DeadlineExceeded)
			}
		})
		t.Run(fmt.Sprintf("server sends %v", send), func(t *testing.T) {
			reason := errors.New("the oven is hot")
			p, result := reporting(t, func(ctx context.Context, s *Stream) error {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
				return blocked(send)(ctx, s)
			}, Options{})
			s := open(t, p.dial(t, Options{}))
			err := after(t, result)
			if !send {
				mustSay(t, errOf(s.Recv(t.Context(), api.Kind_HELLO, 1)), "reported", "the oven is hot")
			}
			mustSay(t, err, "the oven is hot", "OUTPUT was")
			mustBe(t, err, context.Canceled)
			mustBe(t, err, reason)
		})
	}
}

func TestACallWhoseContextIsOverLeavesTheStreamAlone(t *testing.T) {
	p := serve(t, echo, Options{})
	s := open(t, p.dial(t, Options{}))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	mustBe(t, s.Send(over, api.Kind_HELLO, nil), context.Canceled)
	mustBe(t, errOf(s.Recv(over, api.Kind_WELCOME, 1)), context.Canceled)
	ask(t, s, numbered(10))
}

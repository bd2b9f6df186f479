package conformance

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

func TestMessagesArriveWholeAndInOrder(t *testing.T) {
	p := newPipe(nil)
	a, b := twin{p, 0}, twin{p, 1}
	msg := []byte("one")
	for _, text := range []string{"one", "", "three"} {
		msg = append(msg[:0], text...)
		if err := a.Send(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	copy(msg, "XXXXX") // the sender's again
	for _, want := range []string{"one", "", "three"} {
		if got, err := b.Recv(t.Context(), 5); err != nil || string(got) != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
	if n, bytes := p.messages(), p.traffic(); n != 3 || bytes != [2]int64{8, 0} {
		t.Errorf("%d messages and %d bytes", n, bytes)
	}
}

func TestAMessageBeyondTheLimitIsAnError(t *testing.T) {
	p := newPipe(nil)
	if err := (twin{p, 0}).Send(t.Context(), []byte("four")); err != nil {
		t.Fatal(err)
	}
	if _, err := (twin{p, 1}).Recv(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "4 bytes where at most 3") {
		t.Error(err)
	}
}

func TestASenderWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(nil)
		a, b := twin{p, 0}, twin{p, 1}
		large := make([]byte, 2*laneSize) // passes alone
		sent := 0
		go func() {
			for range 3 {
				if err := a.Send(t.Context(), large); err != nil {
					t.Error(err)
				}
				sent++
			}
		}()
		for want := 1; want <= 3; want++ {
			synctest.Wait()
			if sent != want {
				t.Fatalf("%d messages sent while %d were received", sent, want-1)
			}
			if got, err := b.Recv(t.Context(), len(large)); err != nil || !bytes.Equal(got, large) {
				t.Fatal(err)
			}
		}
	})
}

func TestWaitingEndsWithTheContextAndWithThePipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(nil)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { _, err := (twin{p, 0}).Recv(ctx, 1); errs <- err }()
		go func() { _, err := (twin{p, 1}).Recv(t.Context(), 1); errs <- err }()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		p.cut()
		if err := <-errs; !errors.Is(err, errTwinGone) {
			t.Error(err)
		}
		if err := (twin{p, 0}).Send(t.Context(), nil); !errors.Is(err, errTwinGone) {
			t.Error(err)
		}
	})
}

func TestAFaultStrikesAtItsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			p := newPipe(&fault{at: 2, silent: silent})
			a, b := twin{p, 0}, twin{p, 1}
			ctx, cancel := context.WithCancel(t.Context())
			for i := range 2 {
				if err := a.Send(ctx, []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if p.hasStruck() {
				t.Error("the fault strikes early")
			}
			errs := make(chan error, 1)
			go func() { errs <- b.Send(ctx, []byte{2}) }()
			synctest.Wait()
			if !p.hasStruck() {
				t.Error("the fault does not strike")
			}
			cancel()
			want := errTwinGone
			if silent {
				want = context.Canceled
			}
			if err := <-errs; !errors.Is(err, want) {
				t.Errorf("silent %v: %v", silent, err)
			}
		}
	})
}

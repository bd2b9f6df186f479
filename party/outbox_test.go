package party

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"pascaline/api"
)

// slowStream takes a message when it is told to, and copies it only then.
type slowStream struct {
	begun, goOn chan struct{}
	sent        [][]byte
	failed      error
}

func (s *slowStream) Send(_ context.Context, _ api.Kind, payload []byte) error {
	s.begun <- struct{}{}
	<-s.goOn
	s.sent = append(s.sent, bytes.Clone(payload))
	return s.failed
}

// What is being sent must not be written over: the other party would get the next
// message's elements in the place of these, some of them twice.
func TestABufferIsNotFreeWhileItIsSent(t *testing.T) {
	s := &slowStream{begun: make(chan struct{}), goOn: make(chan struct{})}
	o := newOutbox(s, 4, newPrecedence())
	const messages = 5
	err := o.during(t.Context(), func(context.Context) error {
		for i := range messages {
			msg := o.buffer()
			for k := range msg {
				msg[k] = byte(i)
			}
			o.send(api.Kind_MASKED, msg[:4-i%2])
			<-s.begun
			var others [outboxBuffers - 1][]byte
			for k := range others {
				others[k] = o.buffer()
				clear(others[k])
			}
			if len(o.free) != 0 {
				t.Errorf("message %d: its buffer is free while it is sent", i)
			}
			for _, b := range others {
				o.free <- b
			}
			s.goOn <- struct{}{}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.sent) != messages {
		t.Fatalf("%d messages are sent, want %d", len(s.sent), messages)
	}
	for i, msg := range s.sent {
		if want := bytes.Repeat([]byte{byte(i)}, 4-i%2); !bytes.Equal(msg, want) {
			t.Errorf("message %d is sent as %v, want %v", i, msg, want)
		}
	}
}

func TestAfterAnErrorNothingIsSentAndNobodyWaits(t *testing.T) {
	broken := errors.New("broken")
	s := &slowStream{begun: make(chan struct{}, 1), goOn: make(chan struct{}, 1), failed: broken}
	s.goOn <- struct{}{}
	o := newOutbox(s, 4, newPrecedence())
	err := o.during(t.Context(), func(context.Context) error {
		for range 3 * outboxBuffers {
			o.send(api.Kind_MASKED, o.buffer())
		}
		return nil
	})
	if !errors.Is(err, broken) || len(s.sent) != 1 {
		t.Errorf("after an error %d messages are sent: %v", len(s.sent)-1, err)
	}
}

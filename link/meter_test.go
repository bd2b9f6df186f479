package link

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"pascaline/api"
)

// Design section 4: eight bytes per activation each way. The meter must be able
// to show that no more than 5 % comes on top for messages of some 45 KB, an
// average activation layer of ResNet-18.
func TestFramingCostsLittle(t *testing.T) {
	for _, c := range []struct {
		size, rounds int
		most         float64 // bytes on the wire for one of the message
	}{
		{8, 1000, 15},
		{1 << 10, 500, 1.15},
		{45_000, 200, 1.005},
		{PieceSize, 50, 1.003},
		{4 << 20, 10, 1.003},
	} {
		p := serve(t, echo, Options{})
		conn := p.dial(t, Options{})
		s := open(t, conn)
		ask(t, s, numbered(c.size)) // what comes once: headers
		wire, stream := conn.Traffic(), s.Traffic()
		for range c.rounds {
			ask(t, s, numbered(c.size))
		}
		wire, stream = conn.Traffic().Sub(wire), s.Traffic().Sub(stream)
		n := int64(c.rounds)
		if want := (Traffic{n * int64(c.size), n * int64(c.size), n, n, n}); stream != want {
			t.Errorf("the stream counted %+v, not %+v", stream, want)
		}
		if wire.SentMessages != n || wire.ReceivedMessages != n || wire.Rounds != n {
			t.Errorf("the connection counted %+v", wire)
		}
		for _, bytes := range []int64{wire.SentBytes, wire.ReceivedBytes} {
			ratio := float64(bytes) / float64(n*int64(c.size))
			if ratio < 1 || ratio > c.most {
				t.Errorf("messages of %d bytes: %.4f bytes on the wire for one of theirs; at most %v are due", c.size, ratio, c.most)
			}
		}
		t.Logf("messages of %d bytes: %.4f out, %.4f in, for one of theirs", c.size,
			float64(wire.SentBytes)/float64(stream.SentBytes), float64(wire.ReceivedBytes)/float64(stream.ReceivedBytes))
	}
}

func TestBothEndsCountTheSame(t *testing.T) {
	counted := make(chan [2]Traffic, 1)
	p := serve(t, func(ctx context.Context, s *Stream) error {
		err := echo(ctx, s)
		counted <- [2]Traffic{s.Traffic(), s.Wire()}
		return err
	}, Options{})
	c := p.dial(t, Options{})
	s := open(t, c)
	for i := range 5 {
		ask(t, s, numbered(i*10))
	}
	if err := s.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, wire, server := s.Traffic(), c.Traffic(), <-counted
	mirror := Traffic{client.ReceivedBytes, client.SentBytes, client.ReceivedMessages, client.SentMessages, client.Rounds - 1}
	if server[0] != mirror {
		// One round less: the server never waits for the first message with
		// one of its own on the way.
		t.Errorf("the server's stream counted %+v, the client's %+v", server[0], client)
	}
	// The client has read the end, which the server sends after its count; all
	// that the client sent before, the server had read.
	if server[1].SentBytes > wire.ReceivedBytes || server[1].ReceivedBytes > wire.SentBytes {
		t.Errorf("the server's wire counted %+v, the client's %+v", server[1], wire)
	}
	if server[1].SentBytes < wire.ReceivedBytes-400 || server[1].ReceivedBytes < wire.SentBytes-400 {
		t.Errorf("the server's wire counted %+v, the client's %+v", server[1], wire)
	}
}

// A conn that takes three bytes and looks at the meter meanwhile.
type observer struct {
	net.Conn
	wire *wire
	seen int64
}

func (o *observer) Write(p []byte) (int, error) {
	o.seen = o.wire.read().SentBytes
	return min(3, len(p)), io.ErrShortWrite
}

// Whoever has the answer to some bytes finds them counted.
func TestBytesAreCountedBeforeTheyAreAnswered(t *testing.T) {
	o := &observer{}
	o.wire = newWire(o)
	o.wire.Write(numbered(10))
	if o.seen != 10 {
		t.Errorf("%d of 10 bytes were counted when they left", o.seen)
	}
	if n := o.wire.read().SentBytes; n != 3 {
		t.Errorf("%d bytes were counted in the end, not the 3 that left", n)
	}
}

// A round is a message that this side had to wait for, however many messages go
// one way in it.
func TestRoundsAreWaitsNotMessages(t *testing.T) {
	p := serve(t, func(ctx context.Context, s *Stream) error {
		for range 3 {
			for range 4 {
				if _, err := s.Recv(ctx, api.Kind_HELLO, 10); err != nil {
					return err
				}
			}
			for range 2 {
				if err := s.Send(ctx, api.Kind_WELCOME, nil); err != nil {
					return err
				}
			}
		}
		return nil
	}, Options{})
	s := open(t, p.dial(t, Options{}))
	for range 3 {
		for range 4 {
			if err := s.Send(t.Context(), api.Kind_HELLO, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, err := s.Recv(t.Context(), api.Kind_WELCOME, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := s.Traffic(), (Traffic{SentMessages: 12, ReceivedMessages: 6, Rounds: 3}); got != want {
		t.Errorf("counted %+v, not %+v", got, want)
	}
}

func TestTheMeterCountsUnderAnEmulatedNetworkToo(t *testing.T) {
	p := serve(t, echo, Options{})
	c := p.dial(t, Options{Network: Network{Delay: time.Millisecond}})
	s := open(t, c)
	ask(t, s, nil)
	before := c.Traffic()
	ask(t, s, numbered(45_000))
	d := c.Traffic().Sub(before)
	if d.SentBytes < 45_000 || d.SentBytes > 46_000 || d.ReceivedBytes < 45_000 || d.ReceivedBytes > 46_000 {
		t.Errorf("counted %+v for 45000 bytes each way", d)
	}
}

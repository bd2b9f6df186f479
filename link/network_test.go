package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"pascaline/api"
)

func TestANetworkSurvivesItsText(t *testing.T) {
	for text, want := range map[string]Network{
		"":                   {},
		"loopback":           {},
		"lan":                {125 * time.Microsecond, 10e9},
		"wan":                {50 * time.Millisecond, 100e6},
		"50ms":               {50 * time.Millisecond, 0},
		"50ms,100Mbit/s":     {50 * time.Millisecond, 100e6},
		"100Mbit/s, 1.5ms":   {1500 * time.Microsecond, 100e6},
		"2.5Gbit/s":          {0, 2_500_000_000},
		"1kbit/s":            {0, 1000},
		"64000bit/s":         {0, 64000},
		" 1s , 1234567bit/s": {time.Second, 1234567},
	} {
		got, err := ParseNetwork(text)
		if err != nil || got != want {
			t.Errorf("%q was read as %+v (%v)", text, got, err)
		}
		if back, err := ParseNetwork(got.String()); err != nil || back != want {
			t.Errorf("%q was written as %q, which is %+v (%v)", text, got, back, err)
		}
	}
	for text, says := range map[string]string{
		"slow":                "neither loopback, lan or wan",
		"50":                  "one-way delay such as 50ms",
		"50ms,":               "neither",
		"50ms,60ms":           "two delays",
		"1Mbit/s,1Gbit/s":     "two bandwidths",
		"-1ms":                "from 0",
		"11s":                 "10s",
		"xMbit/s":             "bandwidth",
		"NaNbit/s":            "bandwidth",
		"-5Mbit/s":            "bandwidth",
		"10bit/s":             "bandwidth",
		"1e30Gbit/s":          "bandwidth",
		"lan,50ms":            "neither",
		"50ms,100Mbit/s,wan":  "neither",
		"100MB/s":             "neither",
		"9999999999999999ms":  "neither",
		"0x10Mbit/s,0x10":     "network",
		"100Mbit/s50ms":       "neither",
		"Infbit/s,1ms,lan,wa": "bandwidth",
	} {
		_, err := ParseNetwork(text)
		mustSay(t, err, "network", says)
	}
}

func FuzzParseNetwork(f *testing.F) {
	for _, text := range []string{"", "lan", "wan", "50ms,100Mbit/s", "1.5Gbit/s", "0.000001s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNetwork(text)
		if err != nil {
			return
		}
		if err := n.validate(); err != nil {
			t.Errorf("%q was accepted: %v", text, err)
		}
		if back, err := ParseNetwork(n.String()); err != nil || back != n {
			t.Errorf("%q was written as %q, which is %+v (%v)", text, n, back, err)
		}
	})
}

// pair returns the two ends of a TCP connection, the first over n.
func pair(t *testing.T, n Network) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a = emulate(a, n)
	b := <-accepted
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// The fastest of several round trips has the network's latency and little more;
// no round trip is faster. Upper bounds are loose: the machine may be busy.
func TestAnEmulatedDelayIsKept(t *testing.T) {
	for _, c := range []struct {
		network Network
		rounds  int
		most    time.Duration
	}{
		{LAN, 200, 2 * time.Millisecond},
		{Network{Delay: 10 * time.Millisecond}, 5, 40 * time.Millisecond},
		{WAN, 2, 200 * time.Millisecond},
	} {
		for _, atServer := range []bool{false, true} {
			server, client := Options{}, Options{Network: c.network}
			if atServer {
				server, client = client, server
			}
			p := serve(t, echo, server)
			s := open(t, p.dial(t, client))
			ask(t, s, numbered(8))
			fastest := time.Hour
			for range c.rounds {
				start := time.Now()
				ask(t, s, numbered(8))
				fastest = min(fastest, time.Since(start))
			}
			if rtt := 2 * c.network.Delay; fastest < rtt || fastest > rtt+c.most {
				t.Errorf("%v, emulated by the server %v: a round trip took %v", c.network, atServer, fastest)
			}
			t.Logf("%v, emulated by the server %v: %v", c.network, atServer, fastest)
		}
	}
}

func TestAnEmulatedBandwidthIsKeptEachWay(t *testing.T) {
	const size = 500_000
	n := Network{Bandwidth: 40e6} // 0.1 s
	p := serve(t, echo, Options{})
	s := open(t, p.dial(t, Options{Network: n}))
	ask(t, s, nil)
	start := time.Now()
	ask(t, s, numbered(size)) // there, and back when all of it is there
	if took, least := time.Since(start), 2*n.transmission(size); took < least || took > 20*least {
		t.Errorf("%d bytes went there and back in %v; %v is due", size, took, least)
	}
	// Both directions at once take no longer than one.
	start = time.Now()
	var sent sync.WaitGroup
	sent.Go(func() {
		for range 4 {
			if err := s.Send(t.Context(), api.Kind_HELLO, numbered(size)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		if _, err := s.Recv(t.Context(), api.Kind_WELCOME, size); err != nil {
			t.Fatal(err)
		}
	}
	sent.Wait()
	if took, least := time.Since(start), 5*n.transmission(size); took < least || took > 40*n.transmission(size) {
		t.Errorf("four times %d bytes each way took %v; %v is due", size, took, least)
	}
}

// A long fat link is filled: no window of gRPC's and no buffer of the emulation
// makes a sender wait for round trips; 64 KiB at a time, it would take 13 s.
func TestALongLinkIsNotBoundByWindows(t *testing.T) {
	const size = 8 << 20
	n := Network{Delay: 50 * time.Millisecond, Bandwidth: 400e6}
	p := serve(t, func(ctx context.Context, s *Stream) error {
		if _, err := s.Recv(ctx, api.Kind_HELLO, size); err != nil {
			return err
		}
		return s.Send(ctx, api.Kind_WELCOME, nil)
	}, Options{})
	s := open(t, p.dial(t, Options{Network: n}))
	start := time.Now()
	if err := s.Send(t.Context(), api.Kind_HELLO, numbered(size)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(t.Context(), api.Kind_WELCOME, 0); err != nil {
		t.Fatal(err)
	}
	took, least := time.Since(start), 2*n.Delay+n.transmission(size)
	if took < least || took > 20*least {
		t.Errorf("it took %v; %v is due", took, least)
	}
	t.Logf("%v, where %v is due", took, least)
}

func TestAWriteDoesNotWaitForTheDelay(t *testing.T) {
	a, b := pair(t, Network{Delay: 500 * time.Millisecond, Bandwidth: 1e9})
	start := time.Now()
	if _, err := a.Write(numbered(1 << 20)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("Write took %v", took)
	}
	got := make([]byte, 1<<20)
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, numbered(1<<20)) {
		t.Errorf("it arrived changed (%v)", err)
	}
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("it arrived after %v", took)
	}
}

func TestAWriterWaitsWhenTheLinkIsFull(t *testing.T) {
	a, _ := pair(t, Network{Bandwidth: 1e6})
	a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := a.Write(numbered(8 << 20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n < backlog || n > backlog+1<<20 {
		t.Errorf("%d bytes were taken (%v)", n, err)
	}
	a.SetWriteDeadline(time.Time{})
	blocked := make(chan error, 1)
	go func() { blocked <- errOf(a.Write(numbered(8 << 20))) }()
	a.(*emulated).Conn.Close() // what is under way is lost, and who waits hears of it
	if err := <-blocked; err == nil {
		t.Error("a write to a broken connection succeeded")
	}
}

func TestWhatWasWrittenBeforeCloseArrives(t *testing.T) {
	a, b := pair(t, Network{Delay: 50 * time.Millisecond, Bandwidth: 1e9})
	if _, err := a.Write(numbered(1 << 20)); err != nil {
		t.Fatal(err)
	}
	a.Close()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, numbered(1<<20)) {
		t.Errorf("%d bytes arrived (%v)", len(got), err)
	}
	mustBe(t, errOf(a.Write([]byte{1})), net.ErrClosed)
	mustBe(t, errOf(a.Read(make([]byte, 1))), net.ErrClosed)
	<-a.(*emulated).drained
}

func TestWhatWasSentBeforeTheEndIsRead(t *testing.T) {
	a, b := pair(t, Network{Delay: 20 * time.Millisecond})
	if _, err := b.Write(numbered(100_000)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	got, err := io.ReadAll(a)
	if err != nil || !bytes.Equal(got, numbered(100_000)) {
		t.Errorf("%d bytes arrived (%v)", len(got), err)
	}
}

func TestReadDeadlinesHoldUnderEmulation(t *testing.T) {
	a, b := pair(t, Network{Delay: time.Millisecond})
	buf := make([]byte, 10)
	a.SetReadDeadline(time.Now().Add(-time.Second))
	mustBe(t, errOf(a.Read(buf)), os.ErrDeadlineExceeded)
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	mustBe(t, errOf(a.Read(buf)), os.ErrDeadlineExceeded)
	mustBe(t, errOf(a.Read(buf)), os.ErrDeadlineExceeded)

	a.SetReadDeadline(time.Time{})
	read := make(chan error, 1)
	go func() { read <- errOf(a.Read(buf)) }()
	a.SetReadDeadline(time.Now()) // wakes who waits already
	mustBe(t, <-read, os.ErrDeadlineExceeded)

	a.SetDeadline(time.Now().Add(time.Minute))
	if _, err := b.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Read(buf[:2]); n != 2 || err != nil {
		t.Errorf("read %d (%v)", n, err)
	}
	if n, err := a.Read(buf); n != 3 || err != nil {
		t.Errorf("read %d (%v)", n, err)
	}
	go func() { read <- errOf(a.Read(buf)) }()
	a.Close()
	mustBe(t, <-read, net.ErrClosed)
}

func TestAWaiterIsNotEarly(t *testing.T) {
	w := newWaiter()
	defer w.close()
	for _, d := range []time.Duration{-time.Second, 0, 30 * time.Microsecond, time.Millisecond, 5 * time.Millisecond} {
		until := time.Now().Add(d)
		w.wait(until)
		if late := time.Since(until); late < 0 {
			t.Errorf("a wait of %v ended %v early", d, -late)
		}
	}
}

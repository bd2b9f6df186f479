package link

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

func TestEachSideLearnsTheOthersKey(t *testing.T) {
	seen := make(chan PublicKey, 1)
	p := serve(t, func(ctx context.Context, s *Stream) error {
		seen <- s.Peer()
		return nil
	}, Options{})
	c := p.dial(t, Options{})
	s := open(t, c)
	if err := s.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != p.client.Public() {
		t.Errorf("the server saw %s", got)
	}
	if s.Peer() != p.id.Public() || c.Peer() != p.id.Public() {
		t.Errorf("the client saw %s", s.Peer())
	}
}

func TestAServerWithAnotherKeyIsNotTrusted(t *testing.T) {
	p := serve(t, echo, Options{})
	expected := newIdentity(t).Public()
	_, err := Dial(t.Context(), p.address, p.client, expected, Options{})
	mustSay(t, err, p.address, p.id.Public().String(), expected.String(), "do not connect")
	if !errors.Is(err, ErrUntrusted) || errors.Is(err, ErrRefused) {
		t.Errorf("wrong kind of error: %v", err)
	}
}

func TestAClientThatIsNotAllowedIsToldItsKey(t *testing.T) {
	for _, o := range []Options{{}, {Network: Network{Delay: 5 * time.Millisecond}}} {
		p := serve(t, echo, o)
		for range 20 { // a race between alert and reset would show now and then
			stranger := newIdentity(t)
			_, err := Dial(t.Context(), p.address, stranger, p.id.Public(), Options{})
			mustSay(t, err, p.address, "does not allow", "serve --allow "+stranger.Public().String())
			if !errors.Is(err, ErrRefused) || errors.Is(err, ErrUntrusted) {
				t.Errorf("wrong kind of error: %v", err)
			}
			p.logs.await(t, stranger.Public().String())
		}
		p.dial(t, Options{}) // the right one still gets in
	}
}

func TestAnEmptyIdentityIsRefused(t *testing.T) {
	p := serve(t, echo, Options{})
	_, err := Dial(t.Context(), p.address, Identity{}, p.id.Public(), Options{})
	mustSay(t, err, "identity is empty")
	_, err = NewServer(Identity{}, Allow(), echo, Options{})
	mustSay(t, err, "identity is empty")
	// The zero key is nobody's, so a server that was never told one trusts none.
	_, err = Dial(t.Context(), p.address, p.client, PublicKey{}, Options{})
	if !errors.Is(err, ErrUntrusted) {
		t.Errorf("an empty server key was accepted: %v", err)
	}
}

func TestSenselessOptionsAreRefused(t *testing.T) {
	p := serve(t, echo, Options{})
	for says, o := range map[string]Options{
		"stall":     {Stall: -1},
		"handshake": {Handshake: -1},
		"streams":   {Streams: -1},
		"delay":     {Network: Network{Delay: -1}},
		"bandwidth": {Network: Network{Bandwidth: 1}},
	} {
		_, err := Dial(t.Context(), p.address, p.client, p.id.Public(), o)
		mustSay(t, err, says)
		_, err = NewServer(p.id, Allow(), echo, o)
		mustSay(t, err, says)
	}
}

// answer runs f on every connection to the address it returns.
func answer(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestWhatAnswersInsteadOfAServerIsNamed(t *testing.T) {
	id, server := newIdentity(t), newIdentity(t)
	dial := func(addr string, o Options) error {
		t.Helper()
		c, err := Dial(t.Context(), addr, id, server.Public(), o)
		if err == nil {
			c.Close()
		}
		return err
	}
	t.Run("nothing", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		mustSay(t, dial(addr, Options{}), addr, "nothing listens there")
	})
	t.Run("no address", func(t *testing.T) {
		mustSay(t, dial("127.0.0.1", Options{}), "connecting to 127.0.0.1", "missing port")
	})
	t.Run("no TLS", func(t *testing.T) {
		addr := answer(t, func(c net.Conn) {
			io.WriteString(c, "220 mail.example ESMTP\r\n")
			io.CopyN(io.Discard, c, 1)
		})
		mustSay(t, dial(addr, Options{}), addr, "does not speak TLS")
	})
	t.Run("silence", func(t *testing.T) {
		addr := answer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		err := dial(addr, Options{Handshake: 50 * time.Millisecond})
		mustSay(t, err, addr, "50ms")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wrong kind of error: %v", err)
		}
	})
	t.Run("hanging up", func(t *testing.T) {
		err := dial(answer(t, func(c net.Conn) { c.Read(make([]byte, 1)) }), Options{})
		mustSay(t, err, "during the handshake")
		if !errors.Is(err, ErrLost) {
			t.Errorf("wrong kind of error: %v", err)
		}
	})
	t.Run("no HTTP/2", func(t *testing.T) {
		config, err := serverTLS(server, Allow(id.Public()))
		if err != nil {
			t.Fatal(err)
		}
		addr := answer(t, func(c net.Conn) {
			s := tls.Server(c, config)
			io.WriteString(s, strings.Repeat("hello, this is not HTTP/2. ", 10))
			s.Close()
		})
		if dial(addr, Options{}) == nil {
			t.Error("connected")
		}
	})
	t.Run("another kind of key", func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}
		addr := answer(t, func(c net.Conn) { tls.Server(c, config).Handshake() })
		mustSay(t, dial(addr, Options{}), addr, "Ed25519 is due")
	})
}

func TestDialHonoursItsContext(t *testing.T) {
	addr := answer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := Dial(ctx, addr, newIdentity(t), PublicKey{}, Options{})
	mustSay(t, err, addr, "context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("wrong kind of error: %v", err)
	}
}

// A certificate is only a wrapping of a key, but TLS still checks that who shows
// it holds the key: the server's certificate, which anybody can copy, does not
// open anything.
func TestACopiedCertificateIsWorthNothing(t *testing.T) {
	p := serve(t, echo, Options{})
	stolen, err := p.id.certificate()
	if err != nil {
		t.Fatal(err)
	}
	thief := newIdentity(t)
	stolen.PrivateKey = thief.key
	config := &tls.Config{Certificates: []tls.Certificate{stolen}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}
	addr := answer(t, func(c net.Conn) { tls.Server(c, config).Handshake() })
	if c, err := Dial(t.Context(), addr, p.client, p.id.Public(), Options{}); err == nil {
		c.Close()
		t.Error("a server that does not hold the key was accepted")
	}

	stolen, err = p.client.certificate()
	if err != nil {
		t.Fatal(err)
	}
	stolen.PrivateKey = thief.key
	raw, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{Certificates: []tls.Certificate{stolen}, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	_, err = io.ReadAll(c)
	if err == nil || remoteAlert(err) == "" {
		t.Errorf("a client that does not hold the key was accepted: %v", err)
	}
}

func TestOlderTLSAndMissingCertificatesAreRefused(t *testing.T) {
	p := serve(t, echo, Options{})
	cert, err := p.client.certificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]*tls.Config{
		"TLS 1.2":        {MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
		"no certificate": {},
	} {
		config.InsecureSkipVerify, config.NextProtos = true, []string{"h2"}
		raw, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(tls.Client(raw, config))
		if err == nil || remoteAlert(err) == "" {
			t.Errorf("%s was accepted: %v", name, err)
		}
		raw.Close()
	}
}

func TestASilentConnectionIsDroppedInTime(t *testing.T) {
	p := serve(t, echo, Options{Handshake: 100 * time.Millisecond})
	raw, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, raw); isTimeout(err) {
		t.Errorf("the server kept a silent connection: %v", err)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// A server holds so many unfinished handshakes and no more, and stopping it does
// not wait for them.
func TestUnfinishedHandshakesAreBounded(t *testing.T) {
	p := serve(t, echo, Options{Handshake: time.Hour})
	var silent []net.Conn
	defer func() {
		for _, c := range silent {
			c.Close()
		}
	}()
	dropped := false
	for !dropped && len(silent) < maxPending+10 {
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
		if len(silent) > maxPending {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err := c.Read(make([]byte, 1))
			dropped = !isTimeout(err)
		}
	}
	if !dropped {
		t.Errorf("%d connections were accepted", len(silent))
	}
	p.server.mu.Lock()
	n := len(p.server.pending)
	p.server.mu.Unlock()
	if n != maxPending {
		t.Errorf("%d handshakes are pending, not %d", n, maxPending)
	}
	// The cleanup stops the server: it would time out the test if it waited.
}

package link

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"time"
)

// certificate makes the self-signed certificate that TLS wants around a key.
// Nobody looks at anything in it but the key, so it never expires (RFC 5280,
// section 4.1.2.5, on 99991231235959Z).
func (id Identity) certificate() (tls.Certificate, error) {
	if id.key == nil {
		return tls.Certificate{}, errors.New("the identity is empty: generate or read one first")
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "pascaline"},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, id.key.Public(), id.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the certificate of %s: %w", id.Public(), err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: id.key}, nil
}

// tlsConfig is what both sides have in common: TLS 1.3 only, no resumption (so
// that every connection proves both keys anew), and full-size records from the
// first byte on, which keeps the framing of messages small.
func tlsConfig(id Identity) (*tls.Config, error) {
	cert, err := id.certificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:                []tls.Certificate{cert},
		MinVersion:                  tls.VersionTLS13,
		NextProtos:                  []string{"h2"},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}, nil
}

// clientTLS accepts the server with the key want and no other.
func clientTLS(id Identity, want PublicKey) (*tls.Config, error) {
	config, err := tlsConfig(id)
	if err != nil {
		return nil, err
	}
	// No name and no issuer is verified, only the key, below. TLS itself
	// checks that the server can sign with it.
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		key, err := presentedKey(state)
		if err != nil {
			return err
		}
		if key != want {
			return &wrongKey{key}
		}
		return nil
	}
	return config, nil
}

// serverTLS accepts the clients whose keys allowed says yes to.
func serverTLS(id Identity, allowed func(PublicKey) bool) (*tls.Config, error) {
	config, err := tlsConfig(id)
	if err != nil {
		return nil, err
	}
	config.ClientAuth = tls.RequireAnyClientCert
	config.VerifyConnection = func(state tls.ConnectionState) error {
		key, err := presentedKey(state)
		if err != nil {
			return err
		}
		if !allowed(key) {
			return &wrongKey{key}
		}
		return nil
	}
	return config, nil
}

// A wrongKey is the key of somebody we were not told to accept.
type wrongKey struct{ key PublicKey }

func (e *wrongKey) Error() string { return "key " + e.key.String() + " is not accepted" }

// presentedKey returns the other side's key. While the handshake runs the other
// side may yet fail to prove that it holds the key.
func presentedKey(state tls.ConnectionState) (PublicKey, error) {
	if n := len(state.PeerCertificates); n != 1 {
		return PublicKey{}, fmt.Errorf("the other side presented %d certificates where one is due", n)
	}
	key, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("the other side presented a key of type %T; Ed25519 is due", state.PeerCertificates[0].PublicKey)
	}
	return PublicKey(key), nil
}

// connectClient runs the client's side of the handshake on w and waits until
// the server has accepted it too. In TLS 1.3 the client is done before the
// server has looked at its key, so only the server's first bytes, HTTP/2's
// settings, say that it has; they are kept for whoever reads the connection.
func connectClient(w *wire, config *tls.Config) (net.Conn, error) {
	t := tls.Client(w, config)
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	first := make([]byte, 512)
	n, err := t.Read(first)
	if err != nil {
		return nil, err
	}
	return &replayed{Conn: t, first: first[:n]}, nil
}

// A replayed connection yields first before anything else.
type replayed struct {
	*tls.Conn
	first []byte
}

func (c *replayed) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// explainHandshake says what went wrong between us, who are own, and the server
// at addr, which should be want.
func explainHandshake(err error, addr string, own, want PublicKey) error {
	var wrong *wrongKey
	if errors.As(err, &wrong) {
		return failf([]error{ErrUntrusted}, "the server at %s has the public key %s, but %s was expected: "+
			"if its key was changed on purpose, get the new one from its operator and use that; if not, something else answers there, so do not connect",
			addr, wrong.key, want)
	}
	if alert := remoteAlert(err); alert != "" {
		if strings.Contains(alert, "bad certificate") || strings.Contains(alert, "access denied") {
			return failf([]error{ErrRefused, err}, "the server at %s is the right one but does not allow our public key %s: "+
				"ask its operator to allow it (serve --allow %s)", addr, own, own)
		}
		return failf([]error{err}, "the server at %s broke off the handshake: %s", addr, alert)
	}
	var notTLS tls.RecordHeaderError
	if errors.As(err, &notTLS) {
		return failf([]error{err}, "what answers at %s does not speak TLS: check the address and port", addr)
	}
	if errors.Is(err, io.EOF) || errors.As(err, new(net.Error)) {
		return failf([]error{ErrLost, err}, "the connection to %s broke during the handshake: %v; "+
			"the server may be stopping or overloaded, or something else answers there", addr, err)
	}
	return failf([]error{err}, "the handshake with %s failed: %v", addr, err)
}

// remoteAlert returns the text of the TLS alert that the other side sent, or "".
func remoteAlert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return op.Err.Error()
	}
	return ""
}

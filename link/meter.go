package link

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
)

// Traffic is what has crossed a stream or a connection, seen from one side.
//
// For a stream the bytes are those of the messages; for a connection they are
// those on the wire, TLS and everything above it included, TCP and IP not.
type Traffic struct {
	SentBytes, ReceivedBytes       int64
	SentMessages, ReceivedMessages int64
	// Rounds counts how often this side had to wait for the other: the
	// messages received before which something was sent since the last one.
	Rounds int64
}

// Sub returns the traffic since before was taken.
func (t Traffic) Sub(before Traffic) Traffic {
	return Traffic{
		SentBytes:        t.SentBytes - before.SentBytes,
		ReceivedBytes:    t.ReceivedBytes - before.ReceivedBytes,
		SentMessages:     t.SentMessages - before.SentMessages,
		ReceivedMessages: t.ReceivedMessages - before.ReceivedMessages,
		Rounds:           t.Rounds - before.Rounds,
	}
}

// A meter counts traffic; all of it may be used at once by several goroutines.
type meter struct {
	sentBytes, receivedBytes       atomic.Int64
	sentMessages, receivedMessages atomic.Int64
	rounds                         atomic.Int64
}

func (m *meter) read() Traffic {
	return Traffic{
		SentBytes:        m.sentBytes.Load(),
		ReceivedBytes:    m.receivedBytes.Load(),
		SentMessages:     m.sentMessages.Load(),
		ReceivedMessages: m.receivedMessages.Load(),
		Rounds:           m.rounds.Load(),
	}
}

// A wire is one connection below TLS. It counts the bytes and remembers how the
// connection ended. It also carries the other side's key to the streams on it,
// as gRPC's AuthInfo.
type wire struct {
	net.Conn
	meter
	peer PublicKey // set when the handshake is done

	onClose func() // if set, called by the first Close

	closing  sync.Once
	closeErr error
	mu       sync.Mutex
	end      error // the first error that ended it
}

func newWire(conn net.Conn) *wire { return &wire{Conn: conn} }

// AuthType makes a wire what gRPC calls AuthInfo.
func (w *wire) AuthType() string { return "tls with pinned keys" }

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.receivedBytes.Add(int64(n))
	w.note(err)
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	// Counted before they leave: the answer to them may be read, and the meter
	// with it, before this goroutine runs again.
	w.sentBytes.Add(int64(len(p)))
	n, err := w.Conn.Write(p)
	w.sentBytes.Add(int64(n - len(p)))
	w.note(err)
	return n, err
}

func (w *wire) Close() error {
	w.closing.Do(func() {
		w.note(errClosedHere)
		w.closeErr = w.Conn.Close()
		if w.onClose != nil {
			w.onClose()
		}
	})
	return w.closeErr
}

// errClosedHere is the end of a connection that this side closed, on purpose or
// because gRPC found something wrong with it.
var errClosedHere = errors.New("it was closed on this side, which is stopping or got no answer to its pings")

// note remembers err if it is the first that ends the connection; deadlines do
// not.
func (w *wire) note(err error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.end == nil {
		w.end = err
	}
}

// lost returns how the connection ended, or nil while it stands.
func (w *wire) lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

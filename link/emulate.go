package link

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// parcelSize is how finely an emulated link cuts what it carries: a TLS
	// record cannot be read before it is complete anyway.
	parcelSize = 16 << 10
	// backlog is how much may wait for the link's bandwidth before a writer
	// has to wait: the buffer of a socket.
	backlog = 4 << 20
	// unlimitedFlight bounds what is under way on a link without bandwidth.
	unlimitedFlight = 64 << 20
	// drainTime is how much longer than the link needs a closed connection may
	// take to hand over what was still under way.
	drainTime = 5 * time.Second
)

// emulate makes conn behave as if it ran over n.
func emulate(conn net.Conn, n Network) net.Conn {
	if n == (Network{}) {
		return conn
	}
	e := &emulated{
		Conn:     conn,
		out:      newLine(n),
		in:       newLine(n),
		arrived:  make(chan []byte),
		closed:   make(chan struct{}),
		drained:  make(chan struct{}),
		ingested: make(chan struct{}),
	}
	e.readBy.init()
	e.writeBy.init()
	go e.egress()
	go e.ingress()
	go e.deliver()
	return e
}

// An emulated connection carries both directions over a line. A write goes onto
// the outgoing line and returns; what comes off it is written to the real
// connection. What the real connection yields goes onto the incoming line, and
// comes off it to whoever reads.
type emulated struct {
	net.Conn // the real one; read by ingress and written by egress only
	out, in  *line

	arrived  chan []byte // from deliver to Read
	rest     []byte      // of what Read got last
	readMu   sync.Mutex
	readBy   deadline
	writeBy  deadline
	closing  sync.Once
	closed   chan struct{} // Close was called
	drained  chan struct{} // the real connection is closed
	ingested chan struct{} // nothing more will arrive
}

// egress hands over what has come to the end of the outgoing line, even after
// Close, and then closes the real connection.
func (e *emulated) egress() {
	defer close(e.drained)
	defer e.Conn.Close()
	w := newWaiter()
	defer w.close()
	for {
		p, err := e.out.take(w)
		if err != nil {
			return
		}
		if _, err := e.Conn.Write(p); err != nil {
			e.out.abort(err)
			return
		}
	}
}

// ingress puts what really arrives onto the incoming line.
func (e *emulated) ingress() {
	buf := make([]byte, parcelSize)
	for {
		n, err := e.Conn.Read(buf)
		if n > 0 {
			if e.in.put(buf[:n], nil) != nil {
				return
			}
		}
		if err != nil {
			e.in.end(err)
			return
		}
	}
}

// deliver hands what has come to the end of the incoming line to Read.
func (e *emulated) deliver() {
	defer close(e.ingested)
	w := newWaiter()
	defer w.close()
	for {
		p, err := e.in.take(w)
		if err != nil {
			return
		}
		select {
		case e.arrived <- p:
		case <-e.closed:
			return
		}
	}
}

func (e *emulated) Read(p []byte) (int, error) {
	e.readMu.Lock()
	defer e.readMu.Unlock()
	if len(e.rest) == 0 && len(p) > 0 {
		select {
		case <-e.closed:
			return 0, net.ErrClosed
		case <-e.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		default:
		}
		select {
		case e.rest = <-e.arrived:
		case <-e.ingested:
			return 0, e.in.ended()
		case <-e.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case <-e.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *emulated) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n := min(len(p)-sent, parcelSize)
		if err := e.out.put(p[sent:sent+n], e.writeBy.passed()); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// Close returns at once; what was written before still arrives in its time.
func (e *emulated) Close() error {
	e.closing.Do(func() {
		// The other side may not be reading: give it as long as the link
		// needs, and a little more.
		e.Conn.SetWriteDeadline(e.out.clear().Add(drainTime))
		close(e.closed)
		e.out.end(net.ErrClosed)
		e.in.abort(net.ErrClosed)
		e.readBy.set(time.Time{})
		e.writeBy.set(time.Time{})
	})
	return nil
}

func (e *emulated) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

func (e *emulated) SetReadDeadline(t time.Time) error  { e.readBy.set(t); return nil }
func (e *emulated) SetWriteDeadline(t time.Time) error { e.writeBy.set(t); return nil }

// A line is one direction of an emulated link: a queue whose parcels come out
// in order, each when the link has transmitted it and its delay has passed. One
// goroutine puts and one takes.
type line struct {
	network Network
	limit   int // bytes queued before put waits

	mu      sync.Mutex
	parcels []parcel
	queued  int
	free    time.Time // when the link has transmitted all that is queued
	err     error     // what take returns after the last parcel
	filled  chan struct{}
	taken   chan struct{}
}

type parcel struct {
	bytes []byte
	due   time.Time
}

func newLine(n Network) *line {
	limit := unlimitedFlight
	if n.Bandwidth != 0 {
		limit = min(backlog+int(float64(n.Bandwidth)/8*n.Delay.Seconds()), unlimitedFlight)
	}
	return &line{network: n, limit: limit, filled: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
}

// put copies p onto the line; it waits while the line is full, at most until
// timeout.
func (l *line) put(p []byte, timeout <-chan struct{}) error {
	for {
		select {
		case <-timeout:
			return os.ErrDeadlineExceeded
		default:
		}
		now := time.Now()
		l.mu.Lock()
		if l.err != nil {
			defer l.mu.Unlock()
			return l.err
		}
		if l.queued < l.limit {
			if l.free.Before(now) {
				l.free = now
			}
			l.free = l.free.Add(l.network.transmission(len(p)))
			l.parcels = append(l.parcels, parcel{append([]byte(nil), p...), l.free.Add(l.network.Delay)})
			l.queued += len(p)
			l.mu.Unlock()
			signal(l.filled)
			return nil
		}
		l.mu.Unlock()
		select {
		case <-l.taken:
		case <-timeout:
		}
	}
}

// take waits for the next parcel to be due and returns it.
func (l *line) take(w *waiter) ([]byte, error) {
	for {
		l.mu.Lock()
		if len(l.parcels) > 0 {
			due := l.parcels[0].due
			l.mu.Unlock()
			w.wait(due)
			l.mu.Lock()
			if len(l.parcels) > 0 { // not aborted meanwhile
				p := l.parcels[0].bytes
				l.parcels[0] = parcel{}
				l.parcels = l.parcels[1:]
				l.queued -= len(p)
				l.mu.Unlock()
				signal(l.taken)
				return p, nil
			}
		}
		err := l.err
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		<-l.filled
	}
}

// end lets take return err once the line is empty.
func (l *line) end(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	signal(l.filled)
	signal(l.taken)
}

// abort is end for a line whose parcels nobody wants any more.
func (l *line) abort(err error) {
	l.mu.Lock()
	l.parcels, l.queued = nil, 0
	l.mu.Unlock()
	l.end(err)
}

// ended returns what end was told.
func (l *line) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return io.ErrClosedPipe
	}
	return l.err
}

// clear returns when the last parcel will have come off the line.
func (l *line) clear() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		return now.Add(l.network.Delay)
	}
	return l.free.Add(l.network.Delay)
}

// signal wakes the one goroutine that waits on c, now or the next time it does.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A deadline is a point in time that may be moved: passed returns a channel
// that is closed while it lies in the past.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{}
}

func (d *deadline) init() { d.over = make(chan struct{}) }

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

// set moves the deadline to t; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.over // it is just closing it
	}
	d.timer = nil
	select {
	case <-d.over:
		d.over = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	over := d.over
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(over) })
	} else {
		close(over)
	}
}

package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// laneSize is how many bytes may be under way in one direction before a sender
// has to wait, as on a link: a backend must not rely on more.
const laneSize = 256 << 10

var errTwinGone = errors.New("the twin is gone: the other party's side of the run has ended")

// A fault strikes a pipe at one message, counted over both directions: the pipe
// breaks, or else nothing passes any more and nobody is told.
type fault struct {
	at     int
	silent bool
}

// pipe joins two parties in memory.
type pipe struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, at every change
	lanes   [2]lane       // by sender
	broken  error
	fault   *fault
	struck  chan struct{} // closed when the fault has struck
	taken   int           // messages
}

// lane is one direction of a pipe.
type lane struct {
	queue  [][]byte
	queued int   // bytes
	bytes  int64 // taken in all
}

func newPipe(f *fault) *pipe {
	return &pipe{changed: make(chan struct{}), struck: make(chan struct{}), fault: f}
}

// twin is what a party sees of a pipe.
type twin struct {
	*pipe
	party int
}

func (t twin) Send(ctx context.Context, msg []byte) error {
	msg = slices.Clone(msg)
	return t.wait(ctx, func() (bool, error) {
		l := &t.lanes[t.party]
		switch {
		case t.broken != nil:
			return true, t.broken
		case t.fault != nil && t.taken == t.fault.at:
			t.strike()
			return t.broken != nil, t.broken
		case len(l.queue) > 0 && l.queued+len(msg) > laneSize:
			return false, nil
		}
		l.queue = append(l.queue, msg)
		l.queued += len(msg)
		l.bytes += int64(len(msg))
		t.taken++
		t.change()
		return true, nil
	})
}

func (t twin) Recv(ctx context.Context, limit int) (msg []byte, err error) {
	err = t.wait(ctx, func() (bool, error) {
		l := &t.lanes[1-t.party]
		switch {
		case t.broken != nil:
			return true, t.broken
		case len(l.queue) == 0:
			return false, nil
		case len(l.queue[0]) > limit:
			return true, fmt.Errorf("receiving from the twin: a message of %d bytes where at most %d are due", len(l.queue[0]), limit)
		}
		msg = l.queue[0]
		l.queue = l.queue[1:]
		l.queued -= len(msg)
		t.change()
		return true, nil
	})
	return msg, err
}

// wait calls step under the lock, after every change, until it is done.
func (p *pipe) wait(ctx context.Context, step func() (done bool, err error)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.mu.Lock()
		done, err := step()
		changed := p.changed
		p.mu.Unlock()
		if done {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// change wakes who waits; the lock is held.
func (p *pipe) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// strike is the fault's; the lock is held.
func (p *pipe) strike() {
	select {
	case <-p.struck:
		return
	default:
	}
	close(p.struck)
	if !p.fault.silent {
		p.broken = errTwinGone
		p.change()
	}
}

// cut breaks the pipe; what is under way is lost.
func (p *pipe) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken == nil {
		p.broken = errTwinGone
		p.change()
	}
}

// hasStruck reports whether the fault has.
func (p *pipe) hasStruck() bool {
	select {
	case <-p.struck:
		return true
	default:
		return false
	}
}

// messages and traffic return what has passed: messages in all, and bytes by
// sender.
func (p *pipe) messages() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

func (p *pipe) traffic() [2]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return [2]int64{p.lanes[0].bytes, p.lanes[1].bytes}
}

package sdk

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/plugins/internal/wire"
)

// twin is the way to the other party's side of a run, by way of the host. What is
// sent takes room, which the host gives back when it has passed it on; so that
// wants never wait behind messages that the other party does not take.
type twin struct {
	run     *run
	sending chan struct{} // holds a token while somebody sends
	arrived chan []byte   // the message that was wanted
	blocks  *wire.Blocks  // by way of which messages are sent; nil where there are none

	mu     sync.Mutex
	open   bool // a call is at work
	using  int  // how many goroutines of it are in Send or Recv
	limit  int  // of the message that is wanted; -1 where none is
	gaveUp bool // nobody waits for it any more, so what follows would be misread
	sent   []*message
	bytes  int           // of sent
	passed chan struct{} // closed and replaced when the host has passed one on
}

// message is one that is on its way.
type message struct {
	size   int
	passed bool  // the host has passed it on
	blocks []int // that hold it until then
}

func (t *twin) init(r *run) {
	t.run, t.limit = r, -1
	t.sending, t.arrived, t.passed = make(chan struct{}, 1), make(chan []byte, 1), make(chan struct{})
}

func (t *twin) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = true
}

// end reports what a call has left undone.
func (t *twin) end() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = false
	switch {
	case t.using > 0:
		return errors.New("while a goroutine of it sends to the twin or receives from it")
	case t.gaveUp:
		return errors.New("after it has given up a message of the twin")
	}
	return nil
}

var errNoCall = errors.New("the twin is there while Open or Generate is at work, and not in between")

// enter counts a goroutine that uses the twin.
func (t *twin) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return errNoCall
	}
	t.using++
	return nil
}

func (t *twin) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.using--
}

// over returns why ctx or the run is over.
func (t *twin) over(ctx context.Context) error {
	if t.run.ctx.Err() != nil {
		return context.Cause(t.run.ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Send sends a message to the other party. It returns when the message is on its
// way and does not keep it.
func (t *twin) Send(ctx context.Context, msg []byte) error {
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	if len(msg) > wire.MaxTwin {
		return fmt.Errorf("sending a message of %d bytes to the twin: send at most %d MiB at a time", len(msg), wire.MaxTwin>>20)
	}
	select {
	case t.sending <- struct{}{}:
		defer func() { <-t.sending }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.run.ctx.Done():
		return context.Cause(t.run.ctx)
	}
	m, err := t.takeRoom(ctx, len(msg))
	if err != nil {
		return err
	}
	held, err := t.run.stream.SendBlocks(api.BackendKind_BACKEND_SEND, t.blocks, msg)
	t.mu.Lock()
	if m.passed { // while it was sent
		t.blocks.Release(held)
	} else {
		m.blocks = held
	}
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("sending to the twin: %w", err)
	}
	return nil
}

// takeRoom waits until a message of n bytes may be on its way too.
func (t *twin) takeRoom(ctx context.Context, n int) (*message, error) {
	for {
		t.mu.Lock()
		if err := t.over(ctx); err != nil { // under the lock, for close comes after the end
			t.mu.Unlock()
			return nil, err
		}
		if wire.Room(len(t.sent), t.bytes, n) {
			m := &message{size: n}
			t.sent, t.bytes = append(t.sent, m), t.bytes+n
			t.mu.Unlock()
			return m, nil
		}
		passed := t.passed
		t.mu.Unlock()
		select {
		case <-passed:
		case <-ctx.Done():
		case <-t.run.ctx.Done():
		}
	}
}

// confirm gives back the room of the oldest message.
func (t *twin) confirm() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sent) == 0 {
		return errors.New("the host says that it has passed on a message that was not sent")
	}
	t.pass()
	return nil
}

// pass gives back the room of the oldest message; t.mu is held.
func (t *twin) pass() {
	m := t.sent[0]
	t.sent, t.bytes = append(t.sent[:0], t.sent[1:]...), t.bytes-m.size
	m.passed = true
	t.blocks.Release(m.blocks)
	close(t.passed)
	t.passed = make(chan struct{})
}

// close gives back whatever room is taken when the run is over at both sides.
func (t *twin) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.sent) > 0 {
		t.pass()
	}
}

// Recv returns the next message of the other party, which holds at most limit
// bytes.
func (t *twin) Recv(ctx context.Context, limit int) ([]byte, error) {
	if err := t.enter(); err != nil {
		return nil, err
	}
	defer t.leave()
	if limit < 0 {
		return nil, fmt.Errorf("receiving a message of at most %d bytes from the twin", limit)
	}
	limit = min(limit, wire.MaxTwin)
	if err := t.want(ctx, limit); err != nil {
		return nil, err
	}
	select {
	case msg := <-t.arrived:
		return msg, nil
	case <-ctx.Done():
	case <-t.run.ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gaveUp = true
	return nil, t.over(ctx)
}

// want asks the host for a message.
func (t *twin) want(ctx context.Context, limit int) error {
	if err := t.over(ctx); err != nil {
		return err
	}
	b, err := proto.Marshal(&api.BackendWant{Limit: uint64(limit)})
	if err != nil {
		return err
	}
	t.mu.Lock()
	if t.limit >= 0 || t.gaveUp {
		t.mu.Unlock()
		return errors.New("receiving from the twin in two goroutines at once, or after a message was given up")
	}
	t.limit = limit
	t.mu.Unlock()
	if err := t.run.stream.Send(api.BackendKind_BACKEND_WANT, b); err != nil {
		return fmt.Errorf("receiving from the twin: %w", err)
	}
	return nil
}

// accept says whether a message of the twin may come.
func (t *twin) accept(size uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limit < 0 {
		return wire.Unexpected(api.BackendKind_BACKEND_TWIN, size)
	}
	return wire.AtMost(api.BackendKind_BACKEND_TWIN, size, uint64(t.limit))
}

// deliver passes on a message that was accepted.
func (t *twin) deliver(msg []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit = -1
	t.arrived <- msg // has room: a message is taken before the next is wanted
}

// Package wiretest connects the two sides of a run in memory, for tests.
package wiretest

import (
	"bytes"
	"io"
	"sync"

	"google.golang.org/grpc/mem"

	"pascaline/plugins/internal/wire"
)

// An End is one side of a connection that holds any number of frames.
type End struct {
	in, out *frames
}

// Pipe returns the two ends of a connection.
func Pipe() (a, b *End) {
	x, y := newFrames(), newFrames()
	return &End{x, y}, &End{y, x}
}

// Recorded returns an end to which these frames come, and then the end of the
// other side.
func Recorded(list ...[]byte) *End {
	f := newFrames()
	f.list, f.over = list, true
	return &End{in: f, out: newFrames()}
}

// SendMsg is gRPC's.
func (e *End) SendMsg(m any) error {
	data, err := wire.Codec().Marshal(m)
	if err != nil {
		return err
	}
	defer data.Free()
	return e.out.put(bytes.Clone(data.Materialize()))
}

// RecvMsg is gRPC's.
func (e *End) RecvMsg(m any) error {
	f, err := e.in.take()
	if err != nil {
		return err
	}
	return wire.Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(f)}, m)
}

// Close ends this side: the other receives what was sent, and then io.EOF.
func (e *End) Close() { e.out.close() }

// Await waits until n frames are there that were not received.
func (e *End) Await(n int) { e.in.await(func() bool { return len(e.in.list) >= n }) }

// AwaitEnd waits until the other side has ended.
func (e *End) AwaitEnd() { e.in.await(func() bool { return e.in.over }) }

// AwaitTaken waits until the other side has received all that was sent.
func (e *End) AwaitTaken() { e.out.await(func() bool { return len(e.out.list) == 0 }) }

// CloseSend is gRPC's.
func (e *End) CloseSend() error {
	e.Close()
	return nil
}

// frames is one direction.
type frames struct {
	mu   sync.Mutex
	more sync.Cond
	list [][]byte
	over bool
}

func newFrames() *frames {
	f := &frames{}
	f.more.L = &f.mu
	return f
}

func (f *frames) put(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return io.EOF
	}
	f.list = append(f.list, b)
	f.more.Broadcast()
	return nil
}

func (f *frames) take() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.list) == 0 {
		if f.over {
			return nil, io.EOF
		}
		f.more.Wait()
	}
	b := f.list[0]
	f.list = f.list[1:]
	f.more.Broadcast()
	return b, nil
}

// await waits until something is so.
func (f *frames) await(so func() bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !so() {
		f.more.Wait()
	}
}

func (f *frames) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.more.Broadcast()
}

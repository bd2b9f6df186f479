package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/internal/cpu"
	"pascaline/plugins/internal/wire"
)

// run is one run as the plugin serves it. One goroutine reads what the host
// sends, another calls the backend.
type run struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stream  *wire.Stream
	backend Backend
	blocks  *wire.Blocks  // nil where the host has none
	can     Description   // what the backend says it can
	asked   chan struct{} // a whole call is there: r.run, or r.requests
	ended   chan struct{} // the host has ended its side and all of it is read, or the stream is broken
	counted float64       // processor seconds of this process when the run's cost was last told

	// What the reader is at, and has taken.
	due      due
	run      Run
	requests []Request
	next     int // the layer whose weights, or request whose input, is due

	mu sync.Mutex // guards these

	twin     twin
	progress progress
}

// due is what may come from the host, beside what the twin waits for.
type due int

const (
	dueOpen due = iota
	dueWeights
	dueRequest
	dueInput
	dueNothing // a call is at work
)

func newRun(ctx context.Context, stream *wire.Stream, b Backend) *run {
	r := &run{stream: stream, backend: b, asked: make(chan struct{}, 1), ended: make(chan struct{}), counted: cpu.Seconds()}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.twin.init(r)
	return r
}

// errEnded is why a run is over that the host has ended.
var errEnded = errors.New("the host has ended the run")

// serve calls the backend for whatever is asked, and returns when the run is
// over at both sides. Blocks are for other runs only then: a host that has ended
// its side passes nothing on that it reads later; and when this side ends,
// nothing of the host's is left to read.
func (r *run) serve() {
	defer r.cancel(errEnded)
	go r.read()
	err := r.answerAll()
	if cause := context.Cause(r.ctx); cause != nil && cause != errEnded {
		err = cause // and whatever the backend made of it
	}
	if err != nil {
		r.fail(err)
	}
	<-r.ended
	r.twin.close()
}

// answerAll opens the run and answers requests until the host ends its side.
func (r *run) answerAll() error {
	if !r.await() {
		return nil
	}
	var g Generator
	err := r.call("Open", func(ctx context.Context) (err error) {
		g, err = r.backend.Open(ctx, r.run)
		if err == nil && g == nil {
			err = errors.New("the backend opened no run and gave no reason")
		}
		return err
	})
	if err != nil {
		return err
	}
	opened, err := proto.Marshal(&api.BackendOpened{Blocks: r.stream.Blocks != nil})
	if err == nil {
		err = r.answer(api.BackendKind_BACKEND_OPENED, opened)
	}
	for err == nil && r.await() {
		if err = r.generate(g); err == nil {
			err = r.tellCost()
		}
		if err == nil {
			err = r.answer(api.BackendKind_BACKEND_DONE)
		}
	}
	if closing := safely("Close", g.Close); err == nil {
		err = closing
	}
	return err
}

// tellCost says what this process has used since it last said so.
func (r *run) tellCost() error {
	now := cpu.Seconds()
	payload, err := proto.Marshal(&api.BackendCost{CpuSeconds: now - r.counted})
	if err != nil {
		return err
	}
	r.counted = now
	return r.stream.Send(api.BackendKind_BACKEND_COST, payload)
}

// await waits for the next call; it reports whether there is one.
func (r *run) await() bool {
	select {
	case <-r.asked:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// answer lets the host ask again, and tells it that the call is answered.
func (r *run) answer(kind api.BackendKind, payload ...[]byte) error {
	r.mu.Lock()
	r.due, r.requests = dueRequest, nil
	r.mu.Unlock()
	return r.stream.Send(kind, payload...)
}

// call runs a function of the backend, which may use the twin meanwhile.
func (r *run) call(what string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	r.twin.begin()
	r.progress.begin(r.stream)
	err := safely(what, func() error { return f(ctx) })
	r.progress.end()
	if left := r.twin.end(); left != nil && err == nil {
		err = fmt.Errorf("%s returned %w", what, left)
	}
	return err
}

// generate answers the present requests.
func (r *run) generate(g Generator) error {
	requests := r.requests
	if len(requests) > 0 && !r.can.Makes(requests[0].Spec.Kind) {
		return fmt.Errorf("%s does not make %v", r.can.Name, requests[0].Spec.Kind)
	}
	var halves []*Half
	err := r.call("Generate", func(ctx context.Context) (err error) {
		halves, err = g.Generate(ctx, requests)
		return err
	})
	if err != nil {
		return err
	}
	if len(halves) != len(requests) {
		return fmt.Errorf("Generate returned %d halves for %d requests", len(halves), len(requests))
	}
	for i, h := range halves {
		if h == nil || h.Spec != requests[i].Spec || h.Party != r.run.Party {
			return fmt.Errorf("Generate returned something else for request %d than party %d's half of %d %v",
				i, r.run.Party, requests[i].Spec.N, requests[i].Spec.Kind)
		}
		head, rows, err := h.Encode()
		if err != nil {
			return fmt.Errorf("Generate returned an invalid half for request %d: %w", i, err)
		}
		if err := r.stream.Send(api.BackendKind_BACKEND_HALF, head, rows); err != nil {
			return err
		}
		halves[i] = nil
	}
	return nil
}

// fail tells the host why the run has failed. A stream that is broken is over as
// it is.
func (r *run) fail(err error) {
	if b, e := proto.Marshal(&api.BackendFailed{Message: wire.Presentable(err.Error(), maxErrorText)}); e == nil {
		r.stream.Send(api.BackendKind_BACKEND_FAILED, b)
	}
}

// read takes what the host sends until its side ends. What follows an error is
// not looked at.
func (r *run) read() {
	defer close(r.ended)
	for {
		kind, payload, err := r.stream.Recv(r.accept)
		if err == nil {
			err = r.take(kind, payload)
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			r.cancel(errEnded)
			return
		}
		r.cancel(fmt.Errorf("the host is lost or broke the protocol: %w", err))
		r.stream.Drain()
		return
	}
}

// accept says whether a message may come.
func (r *run) accept(kind api.BackendKind, size uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	exactly := func(n int) error {
		if size != uint64(n) {
			return fmt.Errorf("%s of %d bytes where %d are due", wire.Name(kind), size, n)
		}
		return nil
	}
	switch {
	case kind == api.BackendKind_BACKEND_OPEN && r.due == dueOpen:
		return wire.AtMost(kind, size, wire.MaxOpen)
	case kind == api.BackendKind_BACKEND_WEIGHTS && r.due == dueWeights:
		return exactly(2 * r.run.Layers[r.next].Shape.WeightLen())
	case kind == api.BackendKind_BACKEND_REQUEST && r.due == dueRequest:
		return wire.AtMost(kind, size, wire.MaxRequest)
	case kind == api.BackendKind_BACKEND_INPUT && r.due == dueInput:
		return exactly(8 * r.run.InputLen(r.requests[r.next].Spec))
	case kind == api.BackendKind_BACKEND_TWIN:
		return r.twin.accept(size)
	case kind == api.BackendKind_BACKEND_SENT:
		return exactly(0)
	}
	return wire.Unexpected(kind, size)
}

// take takes a message that was accepted.
func (r *run) take(kind api.BackendKind, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch kind {
	case api.BackendKind_BACKEND_OPEN:
		run, blocks, err := wire.DecodeOpen(payload)
		if err != nil {
			return err
		}
		if blocks > 0 && blocks == r.blocks.Count() {
			r.twin.blocks, r.stream.Blocks = r.blocks, r.blocks
		}
		r.run = run
		r.run.Twin, r.run.Progress = &r.twin, r.progress.tell
		r.due, r.next = dueWeights, 0
	case api.BackendKind_BACKEND_WEIGHTS:
		r.run.Layers[r.next].Weights = wire.DecodeWeights(payload)
		r.next++
	case api.BackendKind_BACKEND_REQUEST:
		requests, err := wire.DecodeRequests(payload, r.run)
		if err != nil {
			return err
		}
		r.requests, r.due, r.next = requests, dueInput, 0
	case api.BackendKind_BACKEND_INPUT:
		r.requests[r.next].Input = wire.DecodeWords(payload)
		r.next++
	case api.BackendKind_BACKEND_TWIN:
		r.twin.deliver(payload)
	case api.BackendKind_BACKEND_SENT:
		return r.twin.confirm()
	}
	r.settle()
	return nil
}

// settle goes on to what is due next; a call that is there whole is passed on.
func (r *run) settle() {
	switch r.due {
	case dueWeights:
		if r.run.Party == 0 && r.next < len(r.run.Layers) {
			return
		}
	case dueInput:
		for r.next < len(r.requests) && r.run.InputLen(r.requests[r.next].Spec) == 0 {
			r.next++
		}
		if r.next < len(r.requests) {
			return
		}
	default:
		return
	}
	r.due = dueNothing
	r.asked <- struct{}{} // has room: the last call was taken before this one became due
}

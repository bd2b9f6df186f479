package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
)

// run is the host's side of a run.
type run struct {
	correlation.Run
	name   string
	stream *wire.Stream
	// blocks are the process's; reads is set where the plugin uses the host's.
	blocks *wire.Blocks
	reads  bool
	// cut ends the stream at once.
	cut context.CancelFunc
	// kill ends the process that does not let go of the run.
	kill func()
	// lost explains an error of the stream.
	lost  func(error) error
	grace time.Duration

	calling sync.Mutex // held by Generate and Close
	over    error      // why there are no more calls
	cpu     float64    // processor seconds, as the plugin says
}

var (
	errRunFailed = errors.New("this run has failed; open another")
	errRunClosed = errors.New("this run is closed; open another")
)

// open begins a run of a process.
func (p *process) open(ctx context.Context, of correlation.Run) (*run, error) {
	encoded, err := wire.EncodeOpen(of, p.launch.blocks.Count())
	if err != nil {
		return nil, fmt.Errorf("opening a run of backend %s: %w", p.plugin.Name(), err)
	}
	streaming, cut := context.WithCancel(context.Background())
	raw, err := p.conn.NewStream(streaming, &api.Backend_ServiceDesc.Streams[0], api.Backend_Run_FullMethodName)
	if err != nil {
		cut()
		return nil, p.lost(err)
	}
	if of.Twin == nil {
		of.Twin = nobody{}
	}
	r := &run{
		Run: of, name: p.plugin.Name(), stream: wire.NewStream(raw), blocks: p.launch.blocks, cut: cut,
		kill: p.giveUp, lost: p.lost, grace: p.plugin.options.StopTimeout,
	}
	r.stream.Blocks = r.blocks
	if err := r.open(ctx, encoded); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *run) open(ctx context.Context, encoded []byte) error {
	c := &call{run: r, answer: api.BackendKind_BACKEND_OPENED}
	return c.do(ctx, func() error {
		if err := r.stream.Send(api.BackendKind_BACKEND_OPEN, encoded); err != nil || r.Party != 0 {
			return err
		}
		for _, l := range r.Layers {
			if err := r.stream.Send(api.BackendKind_BACKEND_WEIGHTS, wire.EncodeWeights(l.Weights)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Generate asks the plugin for correlations. What it returns are the requests'
// halves, valid; whether they are correlations only both parties together could
// tell.
func (r *run) Generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	r.calling.Lock()
	defer r.calling.Unlock()
	if r.over != nil {
		return nil, r.over
	}
	encoded, err := wire.EncodeRequests(requests, r.Run)
	if err != nil {
		return nil, err
	}
	c := &call{run: r, answer: api.BackendKind_BACKEND_DONE, requests: requests}
	err = c.do(ctx, func() error {
		if err := r.stream.Send(api.BackendKind_BACKEND_REQUEST, encoded); err != nil {
			return err
		}
		for _, q := range requests {
			if len(q.Input) == 0 {
				continue
			}
			if err := r.stream.Send(api.BackendKind_BACKEND_INPUT, wire.EncodeWords(q.Input)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.halves, nil
}

// CPU returns the processor seconds that the plugin says the run has cost it so
// far: all of its process meanwhile, other runs included.
func (r *run) CPU() float64 {
	r.calling.Lock()
	defer r.calling.Unlock()
	return r.cpu
}

// Close ends the run.
func (r *run) Close() error {
	r.calling.Lock()
	defer r.calling.Unlock()
	if r.over != nil {
		r.over = errRunClosed
		return nil
	}
	r.over = errRunClosed
	defer r.cut()
	late := r.letGo()
	_, payload, err := r.stream.Recv(func(kind api.BackendKind, size uint64) error {
		if kind != api.BackendKind_BACKEND_FAILED {
			return wire.Unexpected(kind, size)
		}
		return wire.Small(kind, size)
	})
	switch {
	case !late.Stop():
		return fmt.Errorf("backend %s did not end a run within %v, and was killed", r.name, r.grace)
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return r.explain(err)
	}
	return r.failed(payload)
}

// letGo asks the plugin to end the run, and kills it if the timer that it returns
// is not stopped in time.
func (r *run) letGo() *time.Timer {
	go r.stream.CloseSend() // which may wait for a message that the plugin does not take
	return time.AfterFunc(r.grace, r.kill)
}

// explain says what an error of the stream means.
func (r *run) explain(err error) error {
	var broken *wire.ProtocolError
	if errors.As(err, &broken) {
		return fmt.Errorf("backend %s broke the plugin protocol: %w", r.name, err)
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("backend %s ended the run without an answer", r.name)
	}
	return r.lost(err)
}

// failed says what the plugin gave as the reason.
func (r *run) failed(payload []byte) error {
	var m api.BackendFailed
	if err := proto.Unmarshal(payload, &m); err != nil {
		return r.explain(wire.Broken("decoding FAILED: %w", err))
	}
	text := wire.Presentable(m.Message, maxErrorText)
	if text == "" {
		text = "it gives no reason"
	}
	return fmt.Errorf("backend %s: %s", r.name, text)
}

// call is a question to the plugin, and what happens until it is answered: the
// plugin's messages are read here, and two goroutines carry those of the twins,
// one for each direction. None of the three waits for another, so that the
// plugin's wants are seen whatever its twin does.
type call struct {
	*run
	answer   api.BackendKind
	requests []correlation.Request
	halves   []*correlation.Half
	told     int // messages of progress
	costs    int // messages of cost

	mu       sync.Mutex
	messages int // for the twin, and their bytes, not yet passed on
	bytes    int

	held []int // blocks of the last TWIN; that it is read the next WANT says, or the end

	outgoing chan []byte
	wanting  atomic.Bool // an answer to a want is due
	wants    chan int    // the limit of the message that is wanted
}

// do asks and waits for the answer. After an error the run is over.
func (c *call) do(ctx context.Context, ask func() error) (err error) {
	defer func() {
		if err != nil {
			c.over = errRunFailed
			c.cut()
		}
	}()
	if ctx.Err() != nil {
		return fmt.Errorf("backend %s: %w", c.name, context.Cause(ctx))
	}
	c.outgoing, c.wants = make(chan []byte, wire.MaxUnsent), make(chan int, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var carrying sync.WaitGroup
	// Sending fails where the stream is over, and why it is the reader is told.
	carrying.Go(func() { ask() })
	carrying.Go(func() { c.passOn(ctx, cancel) })
	blocks := c.blocks
	if !c.reads {
		blocks = nil
	}
	carrying.Go(func() { c.fetch(ctx, cancel, blocks) })

	// When ctx is over, or the twin is lost, the plugin is asked to let go, and
	// what it still says is read until it has.
	letGo := make(chan *time.Timer, 1)
	attached := context.AfterFunc(ctx, func() { letGo <- c.letGo() })
	if err = c.read(ctx); err == nil {
		// What is on its way to the twin gets there first.
		close(c.outgoing)
		close(c.wants)
		carrying.Wait()
	}
	if !attached() {
		(<-letGo).Stop()
		err = context.Cause(ctx) // whatever the plugin made of it
		var twin *twinError
		if !errors.As(err, &twin) {
			err = fmt.Errorf("backend %s: %w", c.name, err)
		}
	}
	if err != nil {
		cancel(nil)
		if blocks != nil {
			// Until its side ends, the plugin may read what is held.
			late := c.letGo()
			c.stream.Drain()
			late.Stop()
		}
		c.cut()
		carrying.Wait()
	}
	blocks.Release(c.held)
	return err
}

// read takes what the plugin says until it has answered.
func (c *call) read(ctx context.Context) error {
	for {
		kind, payload, err := c.stream.Recv(c.accept)
		if err != nil {
			return c.explain(err)
		}
		switch kind {
		case api.BackendKind_BACKEND_FAILED:
			return c.failed(payload)
		case c.answer:
			if kind == api.BackendKind_BACKEND_OPENED {
				return c.opened(payload)
			}
			if len(c.halves) < len(c.requests) {
				err = wire.Broken("it said that it is done after %d of %d halves", len(c.halves), len(c.requests))
			} else if c.wanting.Load() {
				err = errStillWants
			} else {
				return nil
			}
		case api.BackendKind_BACKEND_SEND:
			c.mu.Lock()
			c.messages, c.bytes = c.messages+1, c.bytes+len(payload)
			c.mu.Unlock()
			// A plugin that was asked to let go may have given its blocks to another
			// run before they were read here: looking at ctx now, not earlier, tells.
			if ctx.Err() == nil {
				c.outgoing <- payload // has room: it was accepted
			}
		case api.BackendKind_BACKEND_WANT:
			err = c.want(payload)
		case api.BackendKind_BACKEND_PROGRESS:
			err = c.progress(payload)
		case api.BackendKind_BACKEND_HALF:
			err = c.half(payload)
		case api.BackendKind_BACKEND_COST:
			err = c.cost(payload)
		}
		if err != nil {
			return c.explain(err)
		}
	}
}

// accept says whether a message may come.
func (c *call) accept(kind api.BackendKind, size uint64) error {
	switch kind {
	case api.BackendKind_BACKEND_DONE:
		if kind != c.answer {
			return wire.Unexpected(kind, size)
		}
		return wire.AtMost(kind, size, 0)
	case c.answer, api.BackendKind_BACKEND_FAILED, api.BackendKind_BACKEND_WANT:
		return wire.Small(kind, size)
	case api.BackendKind_BACKEND_COST:
		if c.costs++; c.costs > 1 {
			return errors.New("it told the cost of one answer twice")
		}
		return wire.Small(kind, size)
	case api.BackendKind_BACKEND_PROGRESS:
		if c.told++; c.told > wire.MaxProgress {
			return fmt.Errorf("it told its progress more than %d times", wire.MaxProgress)
		}
		return wire.Small(kind, size)
	case api.BackendKind_BACKEND_SEND:
		c.mu.Lock()
		defer c.mu.Unlock()
		if size <= wire.MaxTwin && !wire.Room(c.messages, c.bytes, int(size)) {
			return fmt.Errorf("it sent %d bytes for its twin while %d messages of %d bytes are on their way", size, c.messages, c.bytes)
		}
		return wire.AtMost(kind, size, wire.MaxTwin)
	case api.BackendKind_BACKEND_HALF:
		if len(c.halves) == len(c.requests) {
			return fmt.Errorf("a half (%d bytes) came that was not asked for", size)
		}
		return wire.AtMost(kind, size, wire.HalfLimit(c.requests[len(c.halves)].Spec))
	}
	return wire.Unexpected(kind, size)
}

// opened takes what the plugin answers to OPEN.
func (c *call) opened(payload []byte) error {
	var m api.BackendOpened
	if err := proto.Unmarshal(payload, &m); err != nil {
		return c.explain(wire.Broken("decoding OPENED: %w", err))
	}
	if c.wanting.Load() {
		return c.explain(errStillWants)
	}
	c.reads = m.Blocks && c.blocks != nil
	return nil
}

var errStillWants = wire.Broken("it said that it is done while it waits for a message of its twin")

// want has the twin's next message fetched.
func (c *call) want(payload []byte) error {
	var m api.BackendWant
	if err := proto.Unmarshal(payload, &m); err != nil {
		return wire.Broken("decoding WANT: %w", err)
	}
	if m.Limit > wire.MaxTwin {
		return wire.Broken("it wants a message of up to %d bytes of its twin; at most %d are allowed", m.Limit, wire.MaxTwin)
	}
	if c.wanting.Swap(true) {
		return wire.Broken("it wants two messages of its twin at once")
	}
	c.wants <- int(m.Limit) // has room: the last was taken
	return nil
}

func (c *call) cost(payload []byte) error {
	var m api.BackendCost
	if err := proto.Unmarshal(payload, &m); err != nil {
		return wire.Broken("decoding COST: %w", err)
	}
	if !(m.CpuSeconds >= 0 && m.CpuSeconds <= 1e9) { // which a NaN is not
		return wire.Broken("it took %v seconds of processor time", m.CpuSeconds)
	}
	c.cpu += m.CpuSeconds
	return nil
}

func (c *call) progress(payload []byte) error {
	var m api.BackendProgress
	if err := proto.Unmarshal(payload, &m); err != nil {
		return wire.Broken("decoding PROGRESS: %w", err)
	}
	if !(m.Fraction >= 0 && m.Fraction <= 1) { // which a NaN is not
		return wire.Broken("its progress is %v; it must be from 0 to 1", m.Fraction)
	}
	if c.Progress != nil {
		c.Progress(m.Fraction)
	}
	return nil
}

// half takes the next half.
func (c *call) half(payload []byte) error {
	h, err := correlation.UnmarshalHalf(c.requests[len(c.halves)].Spec, c.Party, payload)
	if err != nil {
		return wire.Broken("half %d: %w", len(c.halves), err)
	}
	c.halves = append(c.halves, h)
	return nil
}

// passOn sends the plugin's messages to its twin, and tells it so.
func (c *call) passOn(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case msg, ok := <-c.outgoing:
			if !ok {
				return
			}
			if err := c.Twin.Send(ctx, msg); err != nil {
				cancel(&twinError{c.name, "sending to", err})
				return
			}
			c.mu.Lock()
			c.messages, c.bytes = c.messages-1, c.bytes-len(msg)
			c.mu.Unlock()
			if c.stream.Send(api.BackendKind_BACKEND_SENT) != nil {
				return
			}
		}
	}
}

// fetch receives the messages of the twin that the plugin wants, and sends them
// by way of blocks where it may.
func (c *call) fetch(ctx context.Context, cancel context.CancelCauseFunc, blocks *wire.Blocks) {
	for {
		select {
		case <-ctx.Done():
			return
		case limit, ok := <-c.wants:
			if !ok {
				return
			}
			msg, err := c.Twin.Recv(ctx, limit)
			if err == nil && len(msg) > limit {
				err = fmt.Errorf("a message of %d bytes where at most %d are due", len(msg), limit)
			}
			if err != nil {
				cancel(&twinError{c.name, "receiving from", err})
				return
			}
			blocks.Release(c.held)
			c.wanting.Store(false)
			if c.held, err = c.stream.SendBlocks(api.BackendKind_BACKEND_TWIN, blocks, msg); err != nil {
				return
			}
		}
	}
}

// twinError is why a run failed whose plugin is not to blame.
type twinError struct {
	name, doing string
	err         error
}

func (e *twinError) Error() string {
	return fmt.Sprintf("backend %s, %s its twin: %v", e.name, e.doing, e.err)
}
func (e *twinError) Unwrap() error { return e.err }

// nobody is the twin of a run that has none.
type nobody struct{}

var errNobody = errors.New("this run has no other party")

func (nobody) Send(context.Context, []byte) error        { return errNobody }
func (nobody) Recv(context.Context, int) ([]byte, error) { return nil, errNobody }

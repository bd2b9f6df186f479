package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pascaline/api"
)

// A Stream carries one exchange of messages on a connection. One goroutine may
// send while another receives; each direction is for one goroutine at a time.
//
// A call that fails ends the stream, with one exception: an error because its
// context was already over leaves the stream as it was. After the end every
// call returns the first error again.
type Stream struct {
	raw    rawStream
	ctx    context.Context         // of raw
	cancel context.CancelCauseFunc // ends ctx, and so raw
	detach func() bool             // from the context the stream was opened with
	wire   *wire
	peer   string // how errors name the other side
	client bool   // this is the client's end
	stall  time.Duration

	meter
	asked     atomic.Bool   // something was sent since the last message came
	receiving chan struct{} // holds a token while somebody reads raw

	mu     sync.Mutex
	failed error // the first error that ended it
}

// rawStream is what grpc.ClientStream and grpc.ServerStream have in common.
type rawStream interface {
	SendMsg(any) error
	RecvMsg(any) error
}

// Peer returns the public key of the other side.
func (s *Stream) Peer() PublicKey { return s.wire.peer }

// Context is over when the stream is.
func (s *Stream) Context() context.Context { return s.ctx }

// Traffic returns what the stream has carried; its bytes are those of whole
// messages.
func (s *Stream) Traffic() Traffic { return s.meter.read() }

// Wire returns what the stream's connection has carried, all its streams
// together; its bytes are those on the wire. Messages just sent may still be on
// their way there.
func (s *Stream) Wire() Traffic { return s.wire.meter.read() }

// abort ends the stream because of cause, which came from this side while doing
// something, and so ends the call that waits on raw.
func (s *Stream) abort(doing string, cause error) {
	if r, ok := s.raw.(grpc.ServerStream); ok {
		// The call will make gRPC tell the client that the stream was
		// cancelled, before the handler can return the reason.
		r.SetTrailer(metadata.Pairs(reasonKey, presentable(s.explainHere(doing, cause).Error())))
	}
	s.cancel(&localCause{cause})
}

// reasonKey is the trailer that carries the reason of [Stream.abort], as "-bin"
// because it is UTF-8.
const reasonKey = "pascaline-reason-bin"

// guard aborts the stream when ctx is over or, if stalls is set, when nothing
// moves for as long as a stall may last. It works until it is stopped.
func (s *Stream) guard(ctx context.Context, doing string, stalls bool) *guard {
	g := &guard{stream: s, doing: doing}
	if ctx != s.ctx { // else the stream ends by itself
		g.release = context.AfterFunc(ctx, func() { s.abort(doing, causeOf(ctx)) })
	}
	if stalls {
		g.moved()
	}
	return g
}

type guard struct {
	stream  *Stream
	doing   string
	timer   *time.Timer
	release func() bool
}

// moved says that something moved: a stall begins anew.
func (g *guard) moved() {
	if g.timer == nil {
		g.timer = time.AfterFunc(g.stream.stall, func() { g.stream.abort(g.doing, ErrStalled) })
		return
	}
	g.timer.Reset(g.stream.stall)
}

func (g *guard) stop() {
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.release != nil {
		g.release()
	}
}

// Send sends a message. It returns once the message is on its way, not once it
// has arrived, and does not keep payload. A side that takes nothing for as long
// as [Options.Stall] makes it fail with [ErrStalled].
func (s *Stream) Send(ctx context.Context, kind api.Kind, payload []byte) error {
	doing := kindName(kind) + " was being sent"
	if err := s.ready(ctx, doing); err != nil {
		return err
	}
	g := s.guard(ctx, doing, true)
	defer g.stop()
	s.asked.Store(true)
	p := piece{kind: kind, size: uint64(len(payload))}
	for rest, first := payload, true; first || len(rest) > 0; first = false {
		p.chunk, rest = rest[:min(len(rest), PieceSize)], rest[min(len(rest), PieceSize):]
		if err := s.raw.SendMsg(&p); err != nil {
			return s.sendFailed(g, err, doing)
		}
		p.size = 0
		g.moved()
	}
	for _, m := range []*meter{&s.meter, &s.wire.meter} {
		m.sentMessages.Add(1)
	}
	s.sentBytes.Add(int64(len(payload)))
	return nil
}

// sendFailed finds out why sending failed. gRPC tells a sending client only
// that the stream is over; why, it tells a receiver.
func (s *Stream) sendFailed(g *guard, err error, doing string) error {
	if !s.client || !errors.Is(err, io.EOF) {
		return s.fail(doing, err)
	}
	// A receiver that is at work ends the stream with the reason. What it does
	// not want any more, nobody will: the stream is over.
	s.receiving <- struct{}{}
	defer func() { <-s.receiving }()
	for {
		if err := s.over(); err != nil {
			return err
		}
		if err := s.raw.RecvMsg(&discard{}); err != nil {
			if errors.Is(err, io.EOF) {
				err = errEndedEarly
			}
			return s.fail(doing, err)
		}
	}
}

// errEndedEarly is the end of a stream by the server's free will.
var errEndedEarly = errors.New("the server ended the exchange early")

// A discard takes any frame.
type discard struct{}

// Recv returns the next message, which must be of this kind and have at most
// limit bytes. If nothing comes for as long as [Options.Stall] it fails with
// [ErrStalled]; if the other side has ended the exchange, with
// io.ErrUnexpectedEOF.
func (s *Stream) Recv(ctx context.Context, kind api.Kind, limit int) ([]byte, error) {
	_, payload, err := s.RecvOne(ctx, Due{kind, limit})
	return payload, err
}

// RecvInto is [Stream.Recv] of a message of at most len(buf) bytes, into buf. After
// an error buf may hold anything.
func (s *Stream) RecvInto(ctx context.Context, kind api.Kind, buf []byte) ([]byte, error) {
	_, payload, err := s.recvOne(ctx, []Due{{kind, len(buf)}}, buf)
	return payload, err
}

// RecvOne is [Stream.Recv] where one of several messages may come: it returns
// which one did.
func (s *Stream) RecvOne(ctx context.Context, due ...Due) (api.Kind, []byte, error) {
	return s.recvOne(ctx, due, nil)
}

func (s *Stream) recvOne(ctx context.Context, due []Due, into []byte) (api.Kind, []byte, error) {
	kind, payload, err := s.receive(ctx, due, into, true)
	if err == io.EOF {
		err = s.fail(dueNames(due)+" was due", io.ErrUnexpectedEOF)
	}
	return kind, payload, err
}

// RecvNext is [Stream.RecvOne] for a side that waits for what the other may
// want next: it waits for as long as ctx allows, though a message that has
// begun may not stall, and it returns io.EOF, exactly, if the other side has
// ended the exchange. A connection that dies is noticed nevertheless.
func (s *Stream) RecvNext(ctx context.Context, due ...Due) (api.Kind, []byte, error) {
	return s.receive(ctx, due, nil, false)
}

// End ends the exchange in agreement: it says that this side will send no more,
// and waits until the other has said so too. For the client that is when the
// [Handler] has returned, and a [RemoteError] if it returned an error. A message
// that still comes is an error.
func (s *Stream) End(ctx context.Context) error {
	if err := s.ready(ctx, "the end was due"); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	_, _, err := s.receive(ctx, nil, nil, true)
	if err == io.EOF {
		return nil
	}
	return err
}

// CloseSend says that this side will send no more. On the server it does
// nothing: there the return of the [Handler] says so.
func (s *Stream) CloseSend() error {
	c, ok := s.raw.(grpc.ClientStream)
	if !ok {
		return nil
	}
	if err := c.CloseSend(); err != nil {
		return s.fail("the end was being sent", err)
	}
	return nil
}

// Close ends the stream, whatever state it is in, and frees what it holds. The
// client must call it for each stream it opens; the server does when the
// [Handler] returns.
func (s *Stream) Close() {
	if s.detach != nil {
		s.detach()
	}
	s.cancel(&localCause{errStreamClosed})
}

var errStreamClosed = errors.New("the stream is closed")

// receive returns the next message, in the memory of into if it fits, or io.EOF at
// an end between two messages.
func (s *Stream) receive(ctx context.Context, due []Due, into []byte, stalls bool) (api.Kind, []byte, error) {
	doing := dueNames(due) + " was due"
	if err := s.ready(ctx, doing); err != nil {
		return 0, nil, err
	}
	s.receiving <- struct{}{}
	defer func() { <-s.receiving }()
	g := s.guard(ctx, doing, stalls)
	defer g.stop()
	a := assembly{due: due, into: into}
	for !a.done() {
		err := s.raw.RecvMsg(&a)
		if err == nil && a.err != nil {
			err = &protocolError{a.err}
		}
		if err == nil {
			g.moved()
			continue
		}
		if errors.Is(err, io.EOF) {
			if !a.begun {
				return 0, nil, io.EOF
			}
			err = io.ErrUnexpectedEOF
		}
		if a.begun {
			doing = fmt.Sprintf("%s was being received (%d of %d bytes)", kindName(a.kind), a.got, len(a.buf))
		}
		return 0, nil, s.fail(doing, err)
	}
	round := int64(0)
	if s.asked.Swap(false) {
		round = 1
	}
	for _, m := range []*meter{&s.meter, &s.wire.meter} {
		m.receivedMessages.Add(1)
		m.rounds.Add(round)
	}
	s.receivedBytes.Add(int64(len(a.buf)))
	return a.kind, a.buf, nil
}

// A protocolError is a frame that breaks the protocol.
type protocolError struct{ err error }

func (e *protocolError) Error() string { return e.err.Error() }
func (e *protocolError) Unwrap() error { return e.err }

// ready returns why a call cannot even begin, or nil.
func (s *Stream) ready(ctx context.Context, doing string) error {
	if err := s.over(); err != nil {
		return err
	}
	if ctx.Err() != nil && ctx != s.ctx {
		cause := causeOf(ctx)
		return failf([]error{cause}, "%v, before %s (%s)", cause, doing, s.peer)
	}
	return nil
}

// over returns the error that ended the stream, or nil.
func (s *Stream) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// fail ends the stream because of err, which came while doing something, and
// returns the error to show: the first that ended the stream.
func (s *Stream) fail(doing string, err error) error {
	err = s.explain(doing, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
		s.cancel(&localCause{err})
	}
	return s.failed
}

// explain turns what gRPC says into what happened.
func (s *Stream) explain(doing string, err error) error {
	var broken *protocolError
	switch {
	case errors.As(err, &broken):
		return failf([]error{err}, "%s broke the protocol: %v", s.peer, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errEndedEarly):
		return failf([]error{io.ErrUnexpectedEOF}, "%s ended the exchange while %s", s.peer, doing)
	}
	if cause := endedHere(s.ctx); cause != nil {
		return s.explainHere(doing, cause)
	}
	st, _ := status.FromError(err)
	if s.client && st.Code() == codes.Aborted {
		return &RemoteError{From: s.peer, Message: presentable(st.Message())}
	}
	if c, ok := s.raw.(grpc.ClientStream); ok && st.Code() == codes.Canceled {
		if reason := c.Trailer().Get(reasonKey); len(reason) > 0 {
			return &RemoteError{From: s.peer, Message: presentable(reason[0])}
		}
	}
	if lost := s.wire.lost(); lost != nil || st.Code() == codes.Unavailable {
		if lost == nil || lost == errClosedHere && st.Code() == codes.Unavailable {
			lost = errors.New(presentable(st.Message())) // gRPC closed it, and says why
		}
		return failf([]error{ErrLost, lost}, "connection to %s lost while %s: %v", s.peer, doing, lost)
	}
	switch {
	case st.Code() == codes.ResourceExhausted:
		return failf([]error{err}, "%s broke the protocol: it sent a frame of more than %d bytes while %s", s.peer, maxFrame, doing)
	case !s.client && st.Code() == codes.Canceled:
		return failf([]error{ErrGaveUp}, "%s gave up while %s", s.peer, doing)
	}
	return failf([]error{err}, "the stream with %s broke while %s: %s", s.peer, doing, presentable(st.Message()))
}

// explainHere is explain for a stream that this side ended.
func (s *Stream) explainHere(doing string, cause error) error {
	if cause == ErrStalled {
		return failf([]error{cause}, "%s stalled: nothing moved for %v while %s", s.peer, s.stall, doing)
	}
	return failf([]error{cause}, "%v, while %s (%s)", cause, doing, s.peer)
}

package wire

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"pascaline/api"
)

// Raw is what grpc.ClientStream and grpc.ServerStream have in common.
type Raw interface {
	SendMsg(any) error
	RecvMsg(any) error
}

// A Stream carries the messages of a run. Any number of goroutines may send, one
// receives.
type Stream struct {
	// Blocks, where not nil, are those whose other half may be named by the other
	// side. They are set before the first message is received.
	Blocks *Blocks

	raw     Raw
	sending sync.Mutex
	closed  bool // this side has said that it will send no more
}

// NewStream makes a stream of a call to, or of, api.Backend's Run.
func NewStream(raw Raw) *Stream { return &Stream{raw: raw} }

// errClosed is what sending returns after [Stream.CloseSend].
var errClosed = errors.New("this side of the run has ended")

// Send sends the concatenation of the parts as one message and keeps none of
// them.
func (s *Stream) Send(kind api.BackendKind, parts ...[]byte) error {
	_, err := s.send(kind, nil, parts)
	return err
}

// SendBlocks is [Stream.Send] by way of blocks, as far as there are free ones. They
// are the caller's to release, after an error too: when the message is confirmed,
// or nothing is read of this stream any more.
func (s *Stream) SendBlocks(kind api.BackendKind, blocks *Blocks, msg []byte) (held []int, err error) {
	return s.send(kind, blocks, [][]byte{msg})
}

func (s *Stream) send(kind api.BackendKind, blocks *Blocks, parts [][]byte) (held []int, err error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.closed {
		return nil, errClosed
	}
	size, left := 0, make([][]byte, 0, len(parts))
	for _, p := range parts {
		if len(p) > 0 {
			size, left = size+len(p), append(left, p)
		}
	}
	p := piece{kind: kind, size: uint64(size), parts: left}
	for first := true; first || size > 0; first = false {
		p.n, p.block = min(size, PieceSize), 0
		if blocks != nil && p.n >= minBlock {
			if block, ok := blocks.put(p.parts[0][:p.n]); ok {
				p.block, held = uint64(block)+1, append(held, block)
			}
		}
		if err := s.raw.SendMsg(&p); err != nil {
			return held, err
		}
		size -= p.n
		p.size = 0
	}
	return held, nil
}

// CloseSend says that this side, which is the host's, will send no more.
func (s *Stream) CloseSend() error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.closed = true
	if c, ok := s.raw.(interface{ CloseSend() error }); ok {
		return c.CloseSend()
	}
	return nil
}

// A ProtocolError says how the other side broke the protocol.
type ProtocolError struct{ err error }

func (e *ProtocolError) Error() string { return e.err.Error() }
func (e *ProtocolError) Unwrap() error { return e.err }

// Broken returns a [ProtocolError].
func Broken(format string, args ...any) error {
	return &ProtocolError{fmt.Errorf(format, args...)}
}

// Recv returns the next message if accept allows one of its kind and size, which
// it is asked before memory is taken. Its error is a [ProtocolError], io.EOF at
// the end of the other side, or gRPC's.
func (s *Stream) Recv(accept func(kind api.BackendKind, size uint64) error) (api.BackendKind, []byte, error) {
	a := assembly{accept: accept, blocks: s.Blocks}
	for !a.done() {
		if err := s.raw.RecvMsg(&a); err != nil {
			return 0, nil, err
		}
		if a.err != nil {
			return 0, nil, &ProtocolError{a.err}
		}
	}
	return a.kind, a.buf, nil
}

// Drain receives until the other side ends or the stream breaks, and reads
// nothing of what comes.
func (s *Stream) Drain() {
	for s.raw.RecvMsg(&assembly{}) == nil {
	}
}

// Name names a kind as the protocol does, an unknown one by its number.
func Name(k api.BackendKind) string {
	if name, ok := api.BackendKind_name[int32(k)]; ok {
		return strings.TrimPrefix(name, "BACKEND_")
	}
	return fmt.Sprintf("unknown kind %d", k)
}

// Unexpected is the error for a message that is not due.
func Unexpected(kind api.BackendKind, size uint64) error {
	return fmt.Errorf("%s (%d bytes) came where it is not due", Name(kind), size)
}

// AtMost is the error for a message of more than limit bytes, or nil.
func AtMost(kind api.BackendKind, size, limit uint64) error {
	if size > limit {
		return fmt.Errorf("%s of %d bytes was announced; it may have at most %d", Name(kind), size, limit)
	}
	return nil
}

// Small is [AtMost] for the messages that say something small.
func Small(kind api.BackendKind, size uint64) error { return AtMost(kind, size, maxControl) }

// ServerOptions are those of a plugin's server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(Codec()),
		grpc.MaxRecvMsgSize(maxFrame),
		grpc.MaxSendMsgSize(maxFrame),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.ReadBufferSize(0),
		grpc.WriteBufferSize(bufferSize),
	}
}

// DialOptions are those of the host's connection.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(Codec()),
			grpc.MaxCallRecvMsgSize(maxFrame),
			grpc.MaxCallSendMsgSize(maxFrame),
		),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connectionWindow),
		grpc.WithReadBufferSize(0),
		grpc.WithWriteBufferSize(bufferSize),
	}
}

// Room reports whether a message of n bytes for the twin may be on its way beside
// that many others, which have that many bytes.
func Room(messages, bytes, n int) bool {
	return messages == 0 || messages < MaxUnsent && bytes+n <= MaxUnsentBytes
}

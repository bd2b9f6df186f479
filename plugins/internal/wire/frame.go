package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of everything else
	"google.golang.org/grpc/mem"

	"pascaline/api"
)

// PieceSize is how much of a message one frame carries: every frame of a message
// but the last carries exactly so many bytes. It is part of the protocol.
const PieceSize = 256 << 10

// maxFrame bounds a frame on the wire: tags, a kind, a size and a length.
const maxFrame = PieceSize + 3 + 5 + 10 + 5

// The tags of api.BackendFrame's fields: the number, and in the low three bits
// the wire type, 0 for numbers and 2 for bytes.
const (
	tagKind  = 1 << 3
	tagSize  = 2 << 3
	tagChunk = 3<<3 | 2
	tagBlock = 4 << 3
)

// codec is gRPC's codec for api.BackendFrame on the types of this package, and
// protobuf's for all other messages: go-plugin serves some of its own on the same
// connection. What it writes is what proto.Marshal would. It exists to check a
// message's announcement before taking memory for it, and to copy each byte
// once.
type codec struct{ encoding.CodecV2 }

// Codec returns gRPC's codec for runs and everything beside.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2("proto")} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if p, ok := v.(*piece); ok {
		return p.encode(), nil
	}
	return c.CodecV2.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if a, ok := v.(*assembly); ok {
		// An error goes to whoever receives, not to gRPC.
		a.err = a.add(data)
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// A piece is one frame to send.
type piece struct {
	kind  api.BackendKind
	size  uint64   // of the message, in its first frame; else 0
	parts [][]byte // what is left of the message; the piece is its first n bytes
	n     int
	block uint64 // one more than the block that holds these, or 0
}

// encode copies the piece into a buffer that gRPC gives back to framePool, and
// takes it off the parts.
func (p *piece) encode() mem.BufferSlice {
	inline := p.n
	if p.block != 0 {
		inline = 0
	}
	buf := framePool.Get(maxFrame - PieceSize + inline)
	b := (*buf)[:0]
	b = binary.AppendUvarint(append(b, tagKind), uint64(p.kind))
	if p.size != 0 {
		b = binary.AppendUvarint(append(b, tagSize), p.size)
	}
	switch {
	case p.block != 0:
		b = binary.AppendUvarint(append(b, tagBlock), p.block)
	case p.n != 0:
		b = binary.AppendUvarint(append(b, tagChunk), uint64(p.n))
	}
	for rest := p.n; rest > 0; {
		n := min(rest, len(p.parts[0]))
		if p.block == 0 {
			b = append(b, p.parts[0][:n]...)
		}
		if p.parts[0] = p.parts[0][n:]; len(p.parts[0]) == 0 {
			p.parts = p.parts[1:]
		}
		rest -= n
	}
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, framePool)}
}

// framePool keeps the buffers of frames. gRPC's own pool would round 256 KiB up
// to 1 MiB and clear it each time.
var framePool = &buffers{}

type buffers struct{ full sync.Pool }

// smallFrame is the size up to which a buffer is not worth keeping.
const smallFrame = 4 << 10

func (b *buffers) Get(n int) *[]byte {
	if n > smallFrame && n <= maxFrame {
		if buf, ok := b.full.Get().(*[]byte); ok {
			*buf = (*buf)[:n]
			return buf
		}
		buf := make([]byte, n, maxFrame)
		return &buf
	}
	buf := make([]byte, n)
	return &buf
}

func (b *buffers) Put(buf *[]byte) {
	if cap(*buf) == maxFrame {
		b.full.Put(buf)
	}
}

// An assembly puts one message together from its frames.
type assembly struct {
	// accept says whether a message of that kind and size may come; a nil function
	// takes none.
	accept func(kind api.BackendKind, size uint64) error
	begun  bool // the first frame has been accepted
	kind   api.BackendKind
	buf    []byte // the whole message, of which got bytes are there
	got    int
	blocks *Blocks // of which the other side's may be named; nil where they may not
	err    error   // the last frame's
}

// done reports whether the message is complete.
func (a *assembly) done() bool { return a.begun && a.got == len(a.buf) }

// add takes one encoded frame: its fields in the order of their numbers, none
// twice, zero values left out or not. It takes memory for the message only once
// its kind and size are accepted.
func (a *assembly) add(data mem.BufferSlice) error {
	r := data.Reader()
	defer r.Close()
	h, err := readHeader(r)
	if err != nil {
		return fmt.Errorf("malformed frame: %w", err)
	}
	switch {
	case !a.begun:
		err = a.begin(h)
	case h.kind != a.kind || h.size != 0:
		return fmt.Errorf("%s (%d bytes) began within %s, after %d of %d bytes", Name(h.kind), h.size, Name(a.kind), a.got, len(a.buf))
	default:
		err = h.check(uint64(a.got), uint64(len(a.buf)))
	}
	if err != nil {
		return err
	}
	piece := a.buf[a.got:min(a.got+PieceSize, len(a.buf))]
	a.got += len(piece)
	if h.block != 0 {
		return a.blocks.get(h.block-1, piece)
	}
	_, err = io.ReadFull(r, piece)
	return err
}

// begin accepts the announcement of a message and takes memory for it.
func (a *assembly) begin(h header) error {
	if h.size == 0 && (h.chunk != 0 || h.block != 0) {
		return fmt.Errorf("a piece of %s (%d bytes) came without an announcement", Name(h.kind), h.chunk)
	}
	if a.accept == nil {
		return fmt.Errorf("%s (%d bytes) came where nothing is due", Name(h.kind), h.size)
	}
	if err := a.accept(h.kind, h.size); err != nil {
		return err
	}
	if err := h.check(0, h.size); err != nil {
		return err
	}
	a.begun, a.kind, a.buf = true, h.kind, make([]byte, h.size)
	return nil
}

// header is a frame without its chunk.
type header struct {
	kind  api.BackendKind
	size  uint64
	chunk int
	block uint64
}

// check reports whether the frame's piece may follow got of size bytes.
func (h header) check(got, size uint64) error {
	if want := min(size-got, PieceSize); h.block == 0 && uint64(h.chunk) != want {
		return fmt.Errorf("a piece of %d bytes of %s came where %d are due, after %d of %d bytes", h.chunk, Name(h.kind), want, got, size)
	}
	return nil
}

// readHeader reads a frame up to its chunk, which is the rest of it.
func readHeader(r *mem.Reader) (h header, err error) {
	last := byte(0)
	for r.Remaining() > 0 {
		tag, err := r.ReadByte()
		if err != nil {
			return h, err
		}
		if tag <= last {
			return h, fmt.Errorf("field tag %#x after %#x", tag, last)
		}
		last = tag
		if tag != tagKind && tag != tagSize && tag != tagChunk && tag != tagBlock {
			return h, fmt.Errorf("unknown field tag %#x", tag)
		}
		v, err := binary.ReadUvarint(r)
		if err != nil {
			return h, errors.New("a number is cut off or too long")
		}
		switch tag {
		case tagKind:
			if v > math.MaxInt32 {
				return h, fmt.Errorf("kind %d is out of range", v)
			}
			h.kind = api.BackendKind(v)
		case tagSize:
			h.size = v
		case tagBlock:
			h.block = v
		case tagChunk:
			if v != uint64(r.Remaining()) {
				return h, fmt.Errorf("a chunk of %d bytes is announced and %d follow", v, r.Remaining())
			}
			h.chunk = int(v)
			return h, nil
		}
	}
	return h, nil
}

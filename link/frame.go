package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/mem"

	"pascaline/api"
)

// PieceSize is how much of a message one frame carries: every frame of a message
// but the last carries exactly so many bytes, and the last at least one, unless
// the message is empty. It is part of the protocol.
const PieceSize = 256 << 10

// maxFrame bounds a frame on the wire: three tags, a kind, two lengths.
const maxFrame = PieceSize + 3 + 5 + 10 + 5

// The tags of api.Frame's fields: the number, and in the low three bits the wire
// type, 0 for numbers and 2 for bytes.
const (
	tagKind  = 1 << 3
	tagSize  = 2 << 3
	tagChunk = 3<<3 | 2
)

// frameCodec is gRPC's codec for api.Frame on the types of this package: what
// it writes is what proto.Marshal would, and it reads nothing else than that.
// It exists to check a message's announcement before taking memory for it, and
// to copy each byte once.
type frameCodec struct{}

// Name says "proto" because that is what is on the wire.
func (frameCodec) Name() string { return "proto" }

func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*piece)
	if !ok {
		return nil, fmt.Errorf("link: cannot send a %T", v)
	}
	return p.encode(), nil
}

func (frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	a, ok := v.(*assembly)
	if !ok {
		if _, ok := v.(*discard); ok {
			return nil
		}
		return fmt.Errorf("link: cannot receive a %T", v)
	}
	// An error goes to whoever receives, not to gRPC: a server's gRPC would end
	// the stream with a text of its own before the handler can say anything.
	a.err = a.add(data)
	return nil
}

// A piece is one frame to send.
type piece struct {
	kind  api.Kind
	size  uint64 // of the message, in its first frame; else 0
	chunk []byte
}

// encode copies the piece into a buffer that gRPC gives back to framePool.
func (p *piece) encode() mem.BufferSlice {
	buf := framePool.Get(maxFrame - PieceSize + len(p.chunk))
	b := (*buf)[:0]
	b = binary.AppendUvarint(append(b, tagKind), uint64(p.kind))
	if p.size != 0 {
		b = binary.AppendUvarint(append(b, tagSize), p.size)
	}
	if len(p.chunk) != 0 {
		b = binary.AppendUvarint(append(b, tagChunk), uint64(len(p.chunk)))
		b = append(b, p.chunk...)
	}
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, framePool)}
}

// framePool keeps the buffers of frames: full ones, and those of messages that
// fit in a quarter of one. gRPC's own pool would round 256 KiB up to 1 MiB and
// clear it each time.
var framePool = &buffers{sizes: [...]int{maxFrame / 4, maxFrame}}

type buffers struct {
	sizes [2]int
	pools [2]sync.Pool
}

func (b *buffers) Get(n int) *[]byte {
	if n <= b.sizes[0]/16 { // small and short-lived: not worth the room
		buf := make([]byte, n)
		return &buf
	}
	for i, size := range b.sizes {
		if n <= size {
			if buf, ok := b.pools[i].Get().(*[]byte); ok {
				*buf = (*buf)[:n]
				return buf
			}
			buf := make([]byte, n, size)
			return &buf
		}
	}
	buf := make([]byte, n)
	return &buf
}

func (b *buffers) Put(buf *[]byte) {
	// The buffer is somebody else's as soon as it is put.
	if i := slices.Index(b.sizes[:], cap(*buf)); i >= 0 {
		b.pools[i].Put(buf)
	}
}

// A Due is a message that may come next: its kind, and the most bytes it may
// have.
type Due struct {
	Kind api.Kind
	Max  int
}

// An assembly puts one message together from its frames.
type assembly struct {
	due   []Due  // which messages may come; none if the stream must end here
	into  []byte // where the message goes if it fits
	begun bool   // the first frame has been accepted
	kind  api.Kind
	buf   []byte // the whole message, of which got bytes are there
	got   int
	err   error // the last frame's
}

// done reports whether the message is complete.
func (a *assembly) done() bool { return a.begun && a.got == len(a.buf) }

// add takes one encoded frame: api.Frame with its fields in the order of their
// numbers, none twice, zero values left out or not. It takes memory for the
// message only once its kind and size are accepted.
func (a *assembly) add(data mem.BufferSlice) error {
	r := data.Reader()
	defer r.Close()
	kind, size, chunk, err := readHeader(r)
	if err != nil {
		return fmt.Errorf("malformed frame: %w", err)
	}
	switch {
	case !a.begun:
		err = a.begin(kind, size, chunk)
	case kind != a.kind:
		return fmt.Errorf("a piece of %s came within %s, after %d of %d bytes", kindName(kind), kindName(a.kind), a.got, len(a.buf))
	case size != 0:
		return fmt.Errorf("%s (%d bytes) was announced within %s, after %d of %d bytes", kindName(kind), size, kindName(a.kind), a.got, len(a.buf))
	default:
		err = checkPiece(kind, chunk, uint64(a.got), uint64(len(a.buf)))
	}
	if err != nil {
		return err
	}
	n, err := io.ReadFull(r, a.buf[a.got:a.got+chunk])
	a.got += n
	return err
}

// begin accepts the announcement of a message and takes memory for it.
func (a *assembly) begin(kind api.Kind, size uint64, chunk int) error {
	if len(a.due) == 0 {
		return fmt.Errorf("%s came where the end is due", kindName(kind))
	}
	for _, d := range a.due {
		if d.Kind != kind {
			continue
		}
		if size == 0 && chunk != 0 {
			return fmt.Errorf("a piece of %s (%d bytes) came without an announcement", kindName(kind), chunk)
		}
		if d.Max < 0 || size > uint64(d.Max) {
			return fmt.Errorf("%s of %d bytes was announced; it may have at most %d", kindName(kind), size, max(d.Max, 0))
		}
		if err := checkPiece(kind, chunk, 0, size); err != nil {
			return err
		}
		a.begun, a.kind = true, kind
		if size <= uint64(len(a.into)) {
			a.buf = a.into[:size]
		} else {
			a.buf = make([]byte, size)
		}
		return nil
	}
	return fmt.Errorf("%s (%d bytes) came where %s is due", kindName(kind), size, dueNames(a.due))
}

// checkPiece reports whether a piece of n bytes may follow got of size bytes.
func checkPiece(kind api.Kind, n int, got, size uint64) error {
	if want := min(size-got, PieceSize); uint64(n) != want {
		return fmt.Errorf("a piece of %d bytes of %s came where %d are due, after %d of %d bytes", n, kindName(kind), want, got, size)
	}
	return nil
}

// readHeader reads a frame up to its chunk, whose length it returns: the rest of
// the frame.
func readHeader(r *mem.Reader) (kind api.Kind, size uint64, chunk int, err error) {
	last := byte(0)
	for r.Remaining() > 0 {
		tag, err := r.ReadByte()
		if err != nil {
			return 0, 0, 0, err
		}
		if tag <= last {
			return 0, 0, 0, fmt.Errorf("field tag %#x after %#x", tag, last)
		}
		last = tag
		if tag != tagKind && tag != tagSize && tag != tagChunk {
			return 0, 0, 0, fmt.Errorf("unknown field tag %#x", tag)
		}
		v, err := binary.ReadUvarint(r)
		if err != nil {
			return 0, 0, 0, errors.New("a number is cut off or too long")
		}
		switch tag {
		case tagKind:
			if v > math.MaxInt32 {
				return 0, 0, 0, fmt.Errorf("kind %d is out of range", v)
			}
			kind = api.Kind(v)
		case tagSize:
			size = v
		case tagChunk:
			if v != uint64(r.Remaining()) {
				return 0, 0, 0, fmt.Errorf("a chunk of %d bytes is announced and %d follow", v, r.Remaining())
			}
			return kind, size, int(v), nil
		}
	}
	return kind, size, 0, nil
}

// kindName names a kind as the protocol does, an unknown one by its number.
func kindName(k api.Kind) string {
	if name, ok := api.Kind_name[int32(k)]; ok {
		return name
	}
	return fmt.Sprintf("unknown kind %d", k)
}

// dueNames names what is due: "HELLO or GROUP".
func dueNames(due []Due) string {
	if len(due) == 0 {
		return "the end"
	}
	names := make([]string, len(due))
	for i, d := range due {
		names[i] = kindName(d.Kind)
	}
	return strings.Join(names, " or ")
}

package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"pascaline/api"
)

// A recording is one direction of a run: what is sent to it can be received from
// it, frame by frame.
type recording struct {
	mu     sync.Mutex
	frames [][]byte
}

func (r *recording) SendMsg(m any) error {
	data, err := Codec().Marshal(m)
	if err != nil {
		return err
	}
	defer data.Free()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, bytes.Clone(data.Materialize()))
	return nil
}

func (r *recording) RecvMsg(m any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.frames) == 0 {
		return io.EOF
	}
	f := r.frames[0]
	r.frames = r.frames[1:]
	return Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(f)}, m)
}

func anything(api.BackendKind, uint64) error { return nil }

func TestMessagesArriveWhole(t *testing.T) {
	r := &recording{}
	s := NewStream(r)
	sizes := []int{0, 1, PieceSize - 1, PieceSize, PieceSize + 1, 3*PieceSize + 17}
	for i, n := range sizes {
		msg := bytes.Repeat([]byte{byte(i + 1)}, n)
		// In parts, one of which is empty.
		if err := s.Send(api.BackendKind_BACKEND_SEND, msg[:n/3], nil, msg[n/3:]); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range sizes {
		kind, msg, err := s.Recv(anything)
		if err != nil || kind != api.BackendKind_BACKEND_SEND || !bytes.Equal(msg, bytes.Repeat([]byte{byte(i + 1)}, n)) {
			t.Errorf("message %d is %v of %d bytes (%v), want %d", i, kind, len(msg), err, n)
		}
	}
	if _, _, err := s.Recv(anything); err != io.EOF {
		t.Errorf("after the last message comes %v", err)
	}
}

// What is on the wire is protobuf: anybody's code reads and writes it.
func TestFramesAreTheContract(t *testing.T) {
	r := &recording{}
	s := NewStream(r)
	msg := bytes.Repeat([]byte("0123456789"), 30000)
	if err := s.Send(api.BackendKind_BACKEND_HALF, msg); err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for i, b := range r.frames {
		var f api.BackendFrame
		if err := proto.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		if want := []uint64{uint64(len(msg)), 0}[i]; f.Kind != api.BackendKind_BACKEND_HALF || f.Size != want {
			t.Errorf("frame %d is of %v and %d bytes", i, f.Kind, f.Size)
		}
		whole = append(whole, f.Chunk...)
		if again, err := (proto.MarshalOptions{Deterministic: true}).Marshal(&f); err != nil || !bytes.Equal(again, b) {
			t.Errorf("frame %d is not what protobuf would write", i)
		}
	}
	if !bytes.Equal(whole, msg) {
		t.Error("the chunks are not the message")
	}
	// And go-plugin's own messages pass beside.
	in := &grpc_health_v1.HealthCheckRequest{Service: "x"}
	data, err := Codec().Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out grpc_health_v1.HealthCheckRequest
	if err := Codec().Unmarshal(data, &out); err != nil || !proto.Equal(in, &out) {
		t.Errorf("a message of another service became %v (%v)", &out, err)
	}
}

func TestMessagesOfManyGoroutinesDoNotMix(t *testing.T) {
	r := &recording{}
	s := NewStream(r)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 5 {
				s.Send(api.BackendKind_BACKEND_SEND, bytes.Repeat([]byte{byte(i)}, PieceSize+i))
			}
		})
	}
	wg.Wait()
	for range 20 {
		_, msg, err := s.Recv(anything)
		if err != nil {
			t.Fatal(err)
		}
		if i := msg[0]; !bytes.Equal(msg, bytes.Repeat([]byte{i}, PieceSize+int(i))) {
			t.Error("messages are mixed")
		}
	}
}

func frame(kind api.BackendKind, size uint64, chunk []byte) []byte {
	b, err := proto.Marshal(&api.BackendFrame{Kind: kind, Size: size, Chunk: chunk})
	if err != nil {
		panic(err)
	}
	return b
}

// shared returns both sides' view of the same blocks, in a file as good as one in
// memory.
func shared(t testing.TB, count int) (host, plugin *Blocks) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "blocks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := file.Truncate(2 * int64(count) * PieceSize); err != nil {
		t.Fatal(err)
	}
	return newBlocks(file, count, false), newBlocks(file, count, true)
}

// Messages pass through blocks as far as there are free ones; what is held is
// free again when it is released.
func TestMessagesPassThroughBlocks(t *testing.T) {
	host, plugin := shared(t, 2)
	r := &recording{}
	out, in := NewStream(r), NewStream(r)
	in.Blocks = host
	for i, n := range []int{PieceSize, minBlock - 1, 2*PieceSize + minBlock, 5*PieceSize + 1, 0} {
		msg := bytes.Repeat([]byte{byte(i + 1)}, n)
		held, err := out.SendBlocks(api.BackendKind_BACKEND_SEND, plugin, msg)
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 0, 2, 2, 0}[i]; len(held) != want || plugin.Free() != 2-want {
			t.Errorf("message %d holds %d blocks and leaves %d, want %d", i, len(held), plugin.Free(), want)
		}
		_, got, err := in.Recv(anything)
		if err != nil || !bytes.Equal(got, msg) {
			t.Errorf("message %d is not what was sent (%v)", i, err)
		}
		plugin.Release(held)
	}
	if host.Free() != 2 || plugin.Free() != 2 {
		t.Errorf("%d and %d blocks are free", host.Free(), plugin.Free())
	}
	// The two halves are apart.
	a, _ := host.put(bytes.Repeat([]byte{'a'}, 10))
	b, _ := plugin.put(bytes.Repeat([]byte{'b'}, 10))
	got := make([]byte, 10)
	if err := plugin.get(uint64(a), got); err != nil || string(got) != "aaaaaaaaaa" {
		t.Errorf("the plugin reads %q (%v)", got, err)
	}
	if err := host.get(uint64(b), got); err != nil || string(got) != "bbbbbbbbbb" {
		t.Errorf("the host reads %q (%v)", got, err)
	}
	// The named block is checked, and that blocks are used at all.
	send := func(block uint64, n int) []byte {
		p := piece{kind: api.BackendKind_BACKEND_SEND, size: uint64(n), parts: [][]byte{make([]byte, n)}, n: n, block: block}
		data := p.encode()
		defer data.Free()
		return bytes.Clone(data.Materialize())
	}
	for says, f := range map[string][]byte{
		"block 2 of 2 is named":                    send(3, 10),
		"block 18446744073709551614 of 2 is named": send(1<<64-1, 10),
		"came without an announcement":             {tagKind, 11, tagBlock, 1},
	} {
		in := NewStream(&recording{frames: [][]byte{f}})
		in.Blocks = host
		if _, _, err := in.Recv(anything); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; it does not say %q", err, says)
		}
	}
	if _, _, err := NewStream(&recording{frames: [][]byte{send(1, 10)}}).Recv(anything); err == nil || !strings.Contains(err.Error(), "a block is named where none are used") {
		t.Errorf("the error is %v", err)
	}
	// A file that the other side has cut is an error, and no more.
	if err := host.file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	in = NewStream(&recording{frames: [][]byte{send(1, 10)}})
	in.Blocks = host
	if _, _, err := in.Recv(anything); err == nil || !strings.Contains(err.Error(), "reading block 0") {
		t.Errorf("the error is %v", err)
	}
}

// What a host makes a plugin inherits, and its size is fixed.
func TestBlocksAreInherited(t *testing.T) {
	b, err := NewBlocks()
	if err != nil {
		t.Skip(err)
	}
	defer b.Close()
	if b.File().Truncate(PieceSize) == nil || b.File().Truncate(1<<30) == nil {
		t.Error("the size of the file can be changed")
	}
	for _, value := range []string{"", "x", "0", "2", "9999"} {
		t.Setenv(BlocksVariable, value)
		if InheritBlocks() != nil {
			t.Errorf("%q is inherited", value)
		}
	}
	if b := (*Blocks)(nil); b.Count() != 0 || b.Free() != 0 {
		t.Error("there are blocks where there are none")
	}
}

func TestBrokenFrames(t *testing.T) {
	const send = api.BackendKind_BACKEND_SEND
	full := make([]byte, PieceSize)
	for says, frames := range map[string][][]byte{
		"came without an announcement":             {frame(send, 0, full)},
		"a piece of 10 bytes of SEND came where":   {frame(send, 1<<20, full[:10])},
		"a piece of 262144 bytes of SEND came":     {frame(send, 5, full)},
		"a piece of 0 bytes of SEND came where 6":  {frame(send, PieceSize+6, full), frame(send, 0, nil)},
		"DONE (0 bytes) began within SEND":         {frame(send, 1<<20, full), frame(api.BackendKind_BACKEND_DONE, 0, nil)},
		"SEND (5 bytes) began within SEND":         {frame(send, 1<<20, full), frame(send, 5, full[:5])},
		"malformed frame: unknown field tag 0x28":  {{tagKind, 11, 0x28, 1}},
		"malformed frame: field tag 0x8 after 0x8": {{tagKind, 11, tagKind, 11}},
		"a number is cut off":                      {{tagKind, 0x80}},
		"a chunk of 9 bytes is announced and 1":    {{tagKind, 11, tagChunk, 9, 0}},
		"kind 4294967295 is out of range":          {{tagKind, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		"not allowed":                              {frame(send, 1<<62, full)},
	} {
		s := NewStream(&recording{frames: frames})
		_, _, err := s.Recv(func(_ api.BackendKind, size uint64) error {
			if size > 1<<20 {
				return errors.New("not allowed")
			}
			return nil
		})
		var broken *ProtocolError
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; it does not say %q", err, says)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(frame(api.BackendKind_BACKEND_SEND, 3, []byte("abc")), []byte{})
	f.Add(frame(api.BackendKind_BACKEND_SEND, PieceSize+1, make([]byte, PieceSize)), frame(api.BackendKind_BACKEND_SEND, 0, []byte{1}))
	f.Add([]byte{tagKind, 11, tagSize, 5, tagBlock, 2}, []byte{})
	f.Add([]byte{tagKind, 11, tagSize, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, []byte{})
	blocks, _ := shared(f, 2)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		const limit = 1 << 20
		s := NewStream(&recording{frames: [][]byte{a, b}})
		s.Blocks = blocks
		kind, msg, err := s.Recv(func(kind api.BackendKind, size uint64) error { return AtMost(kind, size, limit) })
		if err != nil {
			return
		}
		if len(msg) > limit {
			t.Fatalf("a message of %d bytes", len(msg))
		}
		// What was read is what would be written.
		r := &recording{}
		if err := NewStream(r).Send(kind, msg); err != nil {
			t.Fatal(err)
		}
		if again, _, err := NewStream(&recording{frames: slices.Clone(r.frames)}).Recv(anything); err != nil || again != kind {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		messages, bytes, n int
		want               bool
	}{
		{0, 0, MaxTwin, true},
		{1, 0, MaxUnsentBytes, true},
		{1, 1, MaxUnsentBytes, false},
		{MaxUnsent - 1, 0, 0, true},
		{MaxUnsent, 0, 0, false},
	} {
		if got := Room(c.messages, c.bytes, c.n); got != c.want {
			t.Errorf("Room(%d, %d, %d) = %v", c.messages, c.bytes, c.n, got)
		}
	}
}

func TestPresentable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		"a\nb\tc":                      "a b c",
		"\x1b[31m":                     "\uFFFD[31m",
		"\xff":                         "\uFFFD",
		"0123456789abcdefg":            "0123456789abcdef…",
		"0123456789abcdeééé":           "0123456789abcde…",
		"\x01\x01\x01\x01\x01\x01\x01": "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD…",
	} {
		if got := Presentable(in, 16); got != want {
			t.Errorf("Presentable(%q) = %q, want %q", in, got, want)
		}
	}
	for n := range 40 {
		if got := Presentable(strings.Repeat("\xe2\x82", n), 16); len(got) > 16+len("…") {
			t.Errorf("%d bytes became %d", 2*n, len(got))
		}
	}
}

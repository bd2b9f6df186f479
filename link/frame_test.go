package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"pascaline/api"
)

func bytesOf(s mem.BufferSlice) []byte {
	defer s.Free()
	return s.Materialize()
}

// frames cuts a message as Send does.
func frames(kind api.Kind, message []byte) []*api.Frame {
	f := &api.Frame{Kind: kind, Size: uint64(len(message))}
	all := []*api.Frame{f}
	for {
		n := min(len(message), PieceSize)
		f.Chunk, message = message[:n], message[n:]
		if len(message) == 0 {
			return all
		}
		f = &api.Frame{Kind: kind}
		all = append(all, f)
	}
}

func encoded(t testing.TB, f *api.Frame) mem.BufferSlice {
	t.Helper()
	b, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}
}

// pattern tells its bytes' places apart.
var pattern = sync.OnceValue(func() []byte {
	b := make([]byte, 8<<20)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
})

// numbered returns n bytes that no test may change.
func numbered(n int) []byte { return pattern()[:n:n] }

func TestAFrameIsThePlainProtobufMessage(t *testing.T) {
	for _, p := range []piece{
		{kind: api.Kind_HELLO},
		{kind: api.Kind_OUTPUT, size: 1, chunk: []byte{7}},
		{kind: api.Kind_OUTPUT, size: math.MaxUint64, chunk: numbered(1000)},
		{kind: math.MaxInt32, chunk: numbered(20_000)},
		{kind: api.Kind_MASKED, size: 1 << 30, chunk: numbered(PieceSize)},
	} {
		got := bytesOf(p.encode())
		want, err := proto.Marshal(&api.Frame{Kind: p.kind, Size: p.size, Chunk: p.chunk})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("kind %d, size %d, %d bytes: not what proto.Marshal makes", p.kind, p.size, len(p.chunk))
		}
		if len(got) > maxFrame {
			t.Errorf("a frame of %d bytes is larger than any should be", len(got))
		}
	}
}

func TestAMessageIsPutTogetherFromItsPieces(t *testing.T) {
	for _, n := range []int{0, 1, 100, PieceSize - 1, PieceSize, PieceSize + 1, 3 * PieceSize, 3*PieceSize + 17} {
		message := numbered(n)
		a := assembly{due: []Due{{api.Kind_HELLO, 0}, {api.Kind_OUTPUT, n}}}
		for i, f := range frames(api.Kind_OUTPUT, message) {
			if a.done() {
				t.Errorf("%d bytes: done before frame %d", n, i)
			}
			whole := encoded(t, f)[0].ReadOnlyData()
			// However gRPC cuts the bytes of a frame, they are the same frame.
			cut := rand.IntN(len(whole) + 1)
			if err := a.add(mem.BufferSlice{mem.SliceBuffer(whole[:cut]), mem.SliceBuffer(whole[cut:])}); err != nil {
				t.Fatalf("%d bytes, frame %d: %v", n, i, err)
			}
		}
		if !a.done() || a.kind != api.Kind_OUTPUT || !bytes.Equal(a.buf, message) {
			t.Errorf("a message of %d bytes came out otherwise", n)
		}
	}
}

func TestFramesThatDoNotFitAreRefused(t *testing.T) {
	const big = 2*PieceSize + 10
	due := []Due{{api.Kind_GROUP, big}, {api.Kind_PRODUCE_STATS, 0}}
	first := func(f *api.Frame) []*api.Frame { return []*api.Frame{f} }
	then := func(f *api.Frame) []*api.Frame { return []*api.Frame{frames(api.Kind_GROUP, numbered(big))[0], f} }
	for name, c := range map[string]struct {
		frames []*api.Frame
		says   []string
	}{
		"another kind":           {first(&api.Frame{Kind: api.Kind_OUTPUT, Size: 3, Chunk: numbered(3)}), []string{"OUTPUT (3 bytes)", "GROUP or PRODUCE_STATS is due"}},
		"no kind":                {first(&api.Frame{Size: 3, Chunk: numbered(3)}), []string{"KIND_UNSPECIFIED"}},
		"an unknown kind":        {first(&api.Frame{Kind: 999}), []string{"unknown kind 999"}},
		"a negative kind":        {first(&api.Frame{Kind: -1}), []string{"out of range"}},
		"one byte too many":      {first(&api.Frame{Kind: api.Kind_GROUP, Size: big + 1, Chunk: numbered(PieceSize)}), []string{fmt.Sprint(big + 1), fmt.Sprint(big)}},
		"no end of bytes":        {first(&api.Frame{Kind: api.Kind_GROUP, Size: math.MaxUint64, Chunk: numbered(PieceSize)}), []string{"18446744073709551615", fmt.Sprint(big)}},
		"some where none may be": {first(&api.Frame{Kind: api.Kind_PRODUCE_STATS, Size: 1, Chunk: numbered(1)}), []string{"PRODUCE_STATS of 1 bytes", "at most 0"}},
		"no announcement":        {first(&api.Frame{Kind: api.Kind_GROUP, Chunk: numbered(5)}), []string{"without an announcement"}},
		"a short first piece":    {first(&api.Frame{Kind: api.Kind_GROUP, Size: 10, Chunk: numbered(9)}), []string{"a piece of 9 bytes", "10 are due"}},
		"a long first piece":     {first(&api.Frame{Kind: api.Kind_GROUP, Size: 10, Chunk: numbered(11)}), []string{"a piece of 11 bytes", "10 are due"}},
		"an empty first piece":   {first(&api.Frame{Kind: api.Kind_GROUP, Size: 10}), []string{"a piece of 0 bytes"}},
		"a small first piece":    {first(&api.Frame{Kind: api.Kind_GROUP, Size: big, Chunk: numbered(PieceSize - 1)}), []string{fmt.Sprint(PieceSize - 1), fmt.Sprint(PieceSize)}},
		"a short piece":          {then(&api.Frame{Kind: api.Kind_GROUP, Chunk: numbered(1)}), []string{"a piece of 1 bytes"}},
		"an empty piece":         {then(&api.Frame{Kind: api.Kind_GROUP}), []string{"a piece of 0 bytes", fmt.Sprintf("after %d of %d", PieceSize, big)}},
		"another kind within":    {then(&api.Frame{Kind: api.Kind_OUTPUT, Chunk: numbered(PieceSize)}), []string{"OUTPUT came within GROUP"}},
		"announced again":        {then(&api.Frame{Kind: api.Kind_GROUP, Size: big, Chunk: numbered(PieceSize)}), []string{"announced within GROUP"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := assembly{due: due}
			for i, f := range c.frames {
				err := a.add(encoded(t, f))
				if i < len(c.frames)-1 {
					if err != nil {
						t.Fatal(err)
					}
					continue
				}
				mustSay(t, err, c.says...)
			}
			if len(c.frames) == 1 && a.buf != nil {
				t.Errorf("memory was taken for a message that was refused")
			}
		})
	}
	a := assembly{}
	mustSay(t, a.add(encoded(t, &api.Frame{Kind: api.Kind_HELLO})), "HELLO came where the end is due")
	a = assembly{due: []Due{{api.Kind_HELLO, -1}}}
	mustSay(t, a.add(encoded(t, &api.Frame{Kind: api.Kind_HELLO, Size: 1, Chunk: []byte{1}})), "at most 0")
}

func TestMalformedFramesAreRefused(t *testing.T) {
	for name, raw := range map[string][]byte{
		"cut kind":         {tagKind},
		"cut size":         {tagKind, 1, tagSize, 0x80},
		"endless number":   append([]byte{tagSize}, bytes.Repeat([]byte{0xff}, 20)...),
		"fields backwards": {tagSize, 1, tagKind, 1},
		"kind twice":       {tagKind, 1, tagKind, 1},
		"another field":    {tagKind, 1, 4 << 3, 1},
		"another type":     {tagKind | 5, 1, 0, 0, 0},
		"long chunk":       {tagKind, 1, tagSize, 1, tagChunk, 2, 0},
		"short chunk":      {tagKind, 1, tagSize, 1, tagChunk, 1, 0, 0},
		"cut chunk":        {tagKind, 1, tagSize, 1, tagChunk},
	} {
		a := assembly{due: []Due{{api.Kind_HELLO, 100}}}
		mustSay(t, a.add(mem.BufferSlice{mem.SliceBuffer(raw)}), "malformed frame")
		if a.buf != nil {
			t.Errorf("%s: memory was taken", name)
		}
	}
}

// A script of frames is what the fuzzer changes: one byte that says how many raw
// bytes of a frame follow, or, if it is zero, kind, size and length of a frame
// with a chunk of so many bytes, each a varint. So even large messages have
// short scripts.
func nextFrame(t testing.TB, script []byte) (frame, rest []byte) {
	if n := int(script[0]); n > 0 {
		n = min(n, len(script)-1)
		return script[1 : 1+n], script[1+n:]
	}
	script = script[1:]
	number := func() uint64 {
		v, n := binary.Uvarint(script)
		script = script[max(n, min(1, len(script))):]
		return v
	}
	kind, size, length := number(), number(), number()
	f := &api.Frame{Kind: api.Kind(kind), Size: size, Chunk: numbered(int(min(length, PieceSize+1)))}
	return encoded(t, f)[0].ReadOnlyData(), script
}

func script(kind api.Kind, numbers ...uint64) []byte {
	var b []byte
	for i := 0; i+1 < len(numbers); i += 2 {
		b = binary.AppendUvarint(append(b, 0), uint64(kind))
		b = binary.AppendUvarint(binary.AppendUvarint(b, numbers[i]), numbers[i+1])
	}
	return b
}

// FuzzFrames: whatever frames come, a message that comes out is the one that
// protobuf's own decoder reads from them, of a kind and size that was due, and
// never more memory is taken than may be.
func FuzzFrames(f *testing.F) {
	const most = 2*PieceSize + 5
	f.Add(script(api.Kind_OUTPUT, 0, 0), 3)
	f.Add(script(api.Kind_OUTPUT, 10, 10), 1)
	f.Add(script(api.Kind_COMMIT, 10, 10), 1)
	f.Add(script(api.Kind_OUTPUT, PieceSize+1, PieceSize, 0, 1), 20)
	f.Add(script(api.Kind_OUTPUT, most, PieceSize, 0, PieceSize, 0, 5), 5)
	f.Add(script(api.Kind_OUTPUT, most+1, PieceSize), 5)
	f.Add(script(api.Kind_OUTPUT, 5, 1, 0, 4), 5)
	f.Add([]byte{11, tagKind, 35, tagSize, 0xff, 0xff, 0xff, 0xff, 0x0f, tagChunk, 1, 0}, 0)
	f.Add([]byte{5, tagKind, 35, tagChunk, 1, 9}, 2)
	f.Add([]byte{7, tagKind, 35, tagSize, 1, tagChunk, 1, 9}, 2)
	f.Fuzz(func(t *testing.T, script []byte, cut int) {
		a := assembly{due: []Due{{api.Kind_OUTPUT, most}, {api.Kind_COMMIT, 10}}}
		var reference []byte
		for len(script) > 0 && !a.done() {
			var frame []byte
			frame, script = nextFrame(t, script)
			at := min(max(cut, 0), len(frame))
			err := a.add(mem.BufferSlice{mem.SliceBuffer(frame[:at]), mem.SliceBuffer(frame[at:])})
			if len(a.buf) > most {
				t.Fatalf("%d bytes were taken", len(a.buf))
			}
			if err != nil {
				return
			}
			var m api.Frame
			if err := proto.Unmarshal(frame, &m); err != nil {
				t.Fatalf("protobuf does not read a frame that was accepted: %v", err)
			}
			if m.Kind != a.kind {
				t.Fatalf("kind %v was read as %v", m.Kind, a.kind)
			}
			reference = append(reference, m.Chunk...)
			if a.got != len(reference) {
				t.Fatalf("%d bytes were counted as %d", len(reference), a.got)
			}
		}
		if a.done() && !bytes.Equal(a.buf, reference) {
			t.Fatal("another message came out")
		}
		if a.done() && a.kind == api.Kind_COMMIT && len(a.buf) > 10 {
			t.Fatal("a message larger than due came out")
		}
	})
}

package ring

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestWordsAreLittleEndianOnTheWire(t *testing.T) {
	defer func(is bool) { littleEndian = is }(littleEndian)
	r := testRand(50)
	for i := range 2 * 41 {
		n := i % 41
		if i == 41 { // once more, in the way of other processors
			littleEndian = false
		}
		v := randomWords(r, n)
		var want []byte
		for _, e := range v {
			want = binary.LittleEndian.AppendUint64(want, e)
		}
		got := make([]byte, 8*n)
		PutWords(got, v)
		if !slices.Equal(got, want) {
			t.Fatalf("%d elements: PutWords wrote %x, want %x", n, got, want)
		}
		before := []byte("before")
		if got := AppendWords(before, v); !slices.Equal(got, append(before, want...)) {
			t.Fatalf("%d elements: AppendWords gave %x", n, got)
		}
		back := randomWords(r, n)
		Words(back, want)
		if !slices.Equal(back, v) {
			t.Fatalf("%d elements: Words read %x from %x", n, back, want)
		}
	}
}

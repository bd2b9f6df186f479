package ring

import (
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// knownSeed is the bytes 0 to 31.
func knownSeed() (s Seed) {
	for i := range s {
		s[i] = byte(i)
	}
	return s
}

// The known answers were computed without this package, by Python's hmac and
// OpenSSL's aes-128-ctr. They are part of every format that holds a seed: a
// change of them makes stored correlations worthless.
func TestStreamsGiveTheKnownAnswers(t *testing.T) {
	for _, tc := range []struct {
		domain string
		index  []uint64
		first  [3]uint64
		last   uint64 // element 1000
	}{
		{"", nil, [3]uint64{0xc9b7b0e26d07016b, 0x55b4db8e6b1e9ef9, 0x1552f9aa0c0b6062}, 0x2e94bb9ccb340c95},
		{"known answer", nil, [3]uint64{0x360b4a5e2daeb435, 0xeba37423c0f8377f, 0x603470cd97b25424}, 0x06612f0823662ee0},
		{"known answer", []uint64{7}, [3]uint64{0x9eeaf7ff4f8208bc, 0xfed7ad2ea60f1de6, 0x39f8a1e866cacabf}, 0xcda34a7f3b88852b},
		{"known answer", []uint64{7, 1 << 40}, [3]uint64{0xca250ba2b55c0016, 0x9310f89b8f064853, 0x081ebb1f8eb0496e}, 0x9ee34a7ad17dd03c},
	} {
		v := make([]uint64, 1001)
		NewStream(knownSeed(), tc.domain, tc.index...).Fill(v)
		if [3]uint64(v) != tc.first || v[1000] != tc.last {
			t.Errorf("stream %q %d: %#x … %#x, want %#x … %#x", tc.domain, tc.index, v[:3], v[1000], tc.first, tc.last)
		}
	}
	for _, tc := range []struct {
		index []uint64
		want  string
	}{
		{nil, "96fc9022a3abc1b14e4e957080f6efdca7a9cf077ae204711d33059bab6cae94"},
		{[]uint64{7}, "786fa1b5c8afa5b9b41325bf5c0d3f78eeefbdef60207c14cefa26d3da78a8cd"},
	} {
		s := knownSeed().Derive("known answer", tc.index...)
		if got := hex.EncodeToString(s[:]); got != tc.want {
			t.Errorf("derived seed %d: %s, want %s", tc.index, got, tc.want)
		}
	}
}

func TestAStreamFilledInPiecesIsTheSameStream(t *testing.T) {
	const n = 3000
	want := make([]uint64, n)
	NewStream(knownSeed(), "pieces").Fill(want)
	r := testRand(30)
	for range 20 {
		got, s := make([]uint64, n), NewStream(knownSeed(), "pieces")
		for at := 0; at < n; {
			size := min(r.IntN(700), n-at)
			s.Fill(got[at : at+size])
			at += size
		}
		if !slices.Equal(got, want) {
			t.Fatal("pieces differ from the whole")
		}
	}
	raw := make([]byte, 8*n)
	if _, err := io.ReadFull(NewStream(knownSeed(), "pieces"), raw); err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		var x uint64
		for j := range 8 {
			x |= uint64(raw[8*i+j]) << (8 * j)
		}
		if x != w {
			t.Fatalf("element %d is not eight little-endian bytes of Read", i)
		}
	}
}

func TestReadOverwritesWhatTheBufferHeld(t *testing.T) {
	zero, full := make([]byte, 100), make([]byte, 100)
	for i := range full {
		full[i] = 0xff
	}
	NewStream(knownSeed(), "read").Read(zero)
	NewStream(knownSeed(), "read").Read(full)
	if !slices.Equal(zero, full) {
		t.Error("Read depends on what the buffer held")
	}
}

func TestFillBitsIsFillMasked(t *testing.T) {
	for _, n := range []uint{0, 1, 8, 53, 61, 63, 64} {
		got, want := make([]uint64, 600), make([]uint64, 600)
		s := NewStream(knownSeed(), "bits")
		s.FillBits(got, n)
		NewStream(knownSeed(), "bits").Fill(want)
		var all uint64
		for i := range got {
			if got[i] != want[i]&(1<<n-1) {
				t.Fatalf("%d bits: element %d is %#x", n, i, got[i])
			}
			all |= got[i]
		}
		if bits.OnesCount64(all) != int(n) {
			t.Errorf("%d bits: only %#x ever set", n, all)
		}
	}
}

func TestFill128IsTheLowWordsThenTheHigh(t *testing.T) {
	v, want := MakeVec128(700), make([]uint64, 1400)
	NewStream(knownSeed(), "wide").Fill128(v)
	NewStream(knownSeed(), "wide").Fill(want)
	if !slices.Equal(v.Lo, want[:700]) || !slices.Equal(v.Hi, want[700:]) {
		t.Error("Fill128 is not one Fill after the other")
	}
}

func TestDomainsAndIndicesAreApart(t *testing.T) {
	seen := map[uint64]string{}
	add := func(name string, s *Stream) {
		var v [1]uint64
		s.Fill(v[:])
		if other, ok := seen[v[0]]; ok {
			t.Errorf("%s and %s are the same stream", name, other)
		}
		seen[v[0]] = name
	}
	zero := string(make([]byte, 8))
	for _, domain := range []string{"", "a", "b", "ab", "a" + zero, zero, "stream", "seed"} {
		for _, index := range [][]uint64{nil, {0}, {1}, {0, 0}, {0, 1}, {1, 0}, {1 << 32}, {1 << 63}} {
			name := fmt.Sprintf("%q %d", domain, index)
			add("stream "+name, NewStream(knownSeed(), domain, index...))
			add("stream of the seed "+name, NewStream(knownSeed().Derive(domain, index...), ""))
		}
	}
	other := knownSeed()
	other[31] ^= 0x80
	add("another seed", NewStream(other, ""))
}

func TestNewSeedsDiffer(t *testing.T) {
	if a, b := NewSeed(), NewSeed(); a == b {
		t.Error("two new seeds are equal")
	}
}

func TestPrintingASeedShowsNothing(t *testing.T) {
	s := knownSeed()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, s); got != "seed(redacted)" {
			t.Errorf("%s prints %q", verb, got)
		}
		if got := fmt.Sprintf(verb, struct{ S Seed }{s}); !strings.Contains(got, "seed(redacted)") {
			t.Errorf("%s inside a struct prints %q", verb, got)
		}
	}
}

func BenchmarkFill(b *testing.B) {
	v := make([]uint64, 1<<15)
	s := NewStream(knownSeed(), "benchmark")
	b.SetBytes(int64(8 * len(v)))
	for b.Loop() {
		s.Fill(v)
	}
}

// Whoever spends a correlation by ranges starts in the middle of its streams.
func TestSeekGoesToAnyWord(t *testing.T) {
	whole := make([]uint64, 3000)
	NewStream(knownSeed(), "seek").Fill(whole)
	s := NewStream(knownSeed(), "seek")
	for _, n := range []int{0, 1, 2, 511, 512, 513, 2997, 5} {
		part := make([]uint64, 3)
		s.Seek(uint64(n))
		s.Fill(part)
		if !slices.Equal(part, whole[n:n+3]) {
			t.Errorf("after Seek(%d) the stream goes on elsewhere", n)
		}
	}
}

// The counter is 128 bits wide, and its carry is the standard library's.
func TestSeekCarries(t *testing.T) {
	const n = 9
	s, want := NewStream(knownSeed(), "carry"), make([]uint64, n+2)
	copy(s.start[8:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe})
	s.Seek(0)
	s.Fill(want)
	for i := range want {
		got := make([]uint64, 1)
		s.Seek(uint64(i))
		s.Fill(got)
		if got[0] != want[i] {
			t.Errorf("word %d differs after the carry", i)
		}
	}
}

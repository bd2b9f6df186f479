package correlation

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

func encode(t testing.TB, h interface{ MarshalBinary() ([]byte, error) }) []byte {
	t.Helper()
	data, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if cap(data) > len(data)+64 {
		t.Errorf("encoding has %d bytes in a buffer of %d", len(data), cap(data))
	}
	return data
}

// offsets in the encoding of a half
const (
	atSpec     = headerSize
	atSeed     = atSpec + specSize
	atFrom     = atSeed + ring.SeedSize
	atExplicit = atFrom + 8
)

func TestDecodingUndoesEncoding(t *testing.T) {
	eachHalf(t, 10, func(t *testing.T, h *Half) {
		h.From = 5
		mixes(h, func(h *Half) {
			data := encode(t, h)
			got, err := UnmarshalHalf(h.Spec, h.Party, data)
			if err != nil || !reflect.DeepEqual(got, h) {
				t.Fatalf("explicit columns %#x: differs after encoding and decoding: %v", h.explicit(), err)
			}
			if again := encode(t, got); !bytes.Equal(again, data) {
				t.Fatalf("explicit columns %#x: encoding again gives other bytes", h.explicit())
			}
		})
	})
}

func TestTheSizeOfAnEncodingIsKnownBeforehand(t *testing.T) {
	eachHalf(t, 12, func(t *testing.T, h *Half) {
		products := uint64(0)
		for i, c := range h.Spec.Columns(h.Party) {
			if c.Product {
				products |= 1 << i
			}
		}
		for given, half := range map[bool]*Half{false: h, true: withExplicit(h, products)} {
			if got, want := h.Spec.Size(h.Party, given), len(encode(t, half)); got != want {
				t.Errorf("products given %v: %d bytes, not %d", given, got, want)
			}
		}
	})
	r := testRand(13)
	for party := range 2 {
		b := testBundle(r, party)
		for given, mask := range map[bool]uint64{false: 0, true: 1<<10 - 2} { // all but ρ
			for l, h := range b.Powers {
				b.Powers[l] = withExplicit(SeedHalf(h.Spec, party, h.Seed), mask&(1<<len(h.Columns)-1))
			}
			for l, h := range b.Linear {
				b.Linear[l] = withExplicit(SeedHalf(h.Spec, party, h.Seed), mask>>1&1)
			}
			if got, want := b.Spec.Size(party, given), len(encode(t, b)); got != want {
				t.Errorf("bundle of party %d, products given %v: %d bytes, not %d", party, given, got, want)
			}
		}
	}
}

// TestARangeIsDecodedFromTheHeadAndItsRows takes every range of every mix: it is
// the slice, and a head and the rows of a slice are ranges of the slice.
func TestARangeIsDecodedFromTheHeadAndItsRows(t *testing.T) {
	eachHalf(t, 11, func(t *testing.T, h *Half) {
		h.From = 9
		mixes(h, func(h *Half) {
			head, rows, err := h.Encode()
			if err != nil || !bytes.Equal(slices.Concat(head, rows), encode(t, h)) {
				t.Fatalf("head and rows are not the encoding: %v", err)
			}
			if size := h.RowSize(); len(rows) != h.Spec.N*size {
				t.Fatalf("rows of %d bytes, not %d times %d", len(rows), h.Spec.N, size)
			}
			for from := range h.Spec.N {
				for to := from + 1; to <= h.Spec.N; to++ {
					got, err := UnmarshalRange(head, from, to, rows[from*h.RowSize():to*h.RowSize()])
					if err != nil || !reflect.DeepEqual(got, h.Slice(from, to)) {
						t.Fatalf("explicit columns %#x: elements %d to %d differ: %v", h.explicit(), from, to, err)
					}
					encode(t, got)
				}
			}
			last := h.Slice(h.Spec.N-1, h.Spec.N)
			head, rows, err = last.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := UnmarshalRange(head, 0, 1, rows); err != nil || !reflect.DeepEqual(got, last) {
				t.Fatalf("a range of a slice differs: %v", err)
			}
		})
	})
}

func TestDecodedHalvesKeepNoMemoryOfTheirBytes(t *testing.T) {
	h := withExplicit(SeedHalf(MatrixSpec(2, 3, 4, 2, true), 0, knownSeed()), 7)
	data := encode(t, h)
	got, err := UnmarshalHalf(h.Spec, 0, data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !reflect.DeepEqual(got, h) {
		t.Error("clearing the bytes changes the half")
	}
}

func TestRangesThatAreNoneAreRefused(t *testing.T) {
	h := withExplicit(SeedHalf(Spec{Kind: Triples, N: 4}, 0, knownSeed()), 5)
	head, rows, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	size := h.RowSize()
	if size != 16 {
		t.Fatalf("rows of two columns take %d bytes", size)
	}
	const most = int(^uint(0) >> 1)
	for _, r := range [][2]int{{-1, 2}, {0, 5}, {2, 2}, {3, 2}, {4, 5}, {4, 4}, {0, 0}, {-most - 1, most}, {0, most}, {most, 0}, {most - 1, most}, {-most - 1, 1}} {
		for _, data := range [][]byte{nil, rows, rows[:size]} {
			if _, err := UnmarshalRange(head, r[0], r[1], data); !errors.Is(err, ErrHalf) {
				t.Errorf("elements %d to %d of 4 in %d bytes: error %v", r[0], r[1], len(data), err)
			}
		}
	}
	for n := range len(rows) + 1 {
		for from := range 4 {
			for to := from + 1; to <= 4; to++ {
				_, err := UnmarshalRange(head, from, to, rows[:n])
				if fits := n == (to-from)*size; fits != (err == nil) || err != nil && !errors.Is(err, ErrHalf) {
					t.Errorf("elements %d to %d in %d bytes: error %v", from, to, n, err)
				}
			}
		}
	}
	for n := range len(head) {
		if _, err := UnmarshalRange(head[:n], 0, 1, rows[:size]); !errors.Is(err, ErrHalf) {
			t.Errorf("a head cut to %d bytes: error %v", n, err)
		}
	}
	if _, err := UnmarshalRange(append(bytes.Clone(head), 0), 0, 1, rows[:size]); !errors.Is(err, ErrHalf) {
		t.Errorf("a head with a trailing byte: error %v", err)
	}
}

func TestEveryCutAndEveryTrailingByteIsRefused(t *testing.T) {
	eachHalf(t, 12, func(t *testing.T, h *Half) {
		for _, mask := range []uint64{0, 1, 2, 3, 1<<len(h.Columns) - 1} {
			h := withExplicit(h, mask&(1<<len(h.Columns)-1))
			data := encode(t, h)
			for n := range len(data) {
				if _, err := UnmarshalHalf(h.Spec, h.Party, data[:n:n]); !errors.Is(err, ErrHalf) {
					t.Fatalf("cut to %d bytes: error %v", n, err)
				}
			}
			for n := 1; n <= 16; n++ {
				if _, err := UnmarshalHalf(h.Spec, h.Party, append(bytes.Clone(data), make([]byte, n)...)); !errors.Is(err, ErrHalf) {
					t.Errorf("with %d trailing bytes: error %v", n, err)
				}
			}
		}
	})
}

// TestEveryBitOfAHeadMatters flips each: header, specification and list of
// explicit columns are then refused, and another seed is another half.
func TestEveryBitOfAHeadMatters(t *testing.T) {
	eachHalf(t, 13, func(t *testing.T, h *Half) {
		h = withExplicit(h, 1)
		data := encode(t, h)
		for i := range headerSize + halfFixed {
			for bit := range 8 {
				changed := bytes.Clone(data)
				changed[i] ^= 1 << bit
				got, err := UnmarshalHalf(h.Spec, h.Party, changed)
				switch {
				case err != nil && !errors.Is(err, ErrHalf):
					t.Errorf("bit %d of byte %d: error %v", bit, i, err)
				case err == nil && (i < atSeed || i >= atExplicit):
					t.Errorf("bit %d of byte %d of the head flipped is accepted", bit, i)
				case err == nil && reflect.DeepEqual(got, h):
					t.Errorf("bit %d of byte %d of the head says nothing", bit, i)
				case err != nil && i >= atSeed && i < atFrom:
					t.Errorf("another seed, bit %d of byte %d: error %v", bit, i, err)
				}
			}
		}
	})
}

func TestAHalfOfAnotherSpecificationIsNamed(t *testing.T) {
	h := SeedHalf(Spec{Kind: Powers, N: 3, Degree: 4, MaskBits: 52}, 1, knownSeed())
	data := encode(t, h)
	other := h.Spec
	other.MaskBits = 51
	for _, tc := range []struct {
		spec  Spec
		party int
		want  string
	}{
		{other, 1, "party 1's half of 3 of powers/4/52 in the place of party 1's half of 3 of powers/4/51"},
		{h.Spec, 0, "party 1's half of 3 of powers/4/52 in the place of party 0's half of 3 of powers/4/52"},
		{Spec{Kind: Triples, N: 3}, 1, "in the place of party 1's half of 3 of triples"},
		{Spec{}, 1, "in the place of party 1's half of 0 of kind 0"},
		{h.Spec, 7, "in the place of party 7's half"},
	} {
		if _, err := UnmarshalHalf(tc.spec, tc.party, data); !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	data := encode(t, withExplicit(SeedHalf(Spec{Kind: Powers, N: 3, Degree: 2, MaskBits: 8}, 1, knownSeed()), 7))
	spec := Spec{Kind: Powers, N: 3, Degree: 2, MaskBits: 8}
	for _, tc := range []struct {
		change func(b []byte)
		want   string
	}{
		{func(b []byte) { b[0] = 'q' }, `it begins with "qscH", not with "pscH"`},
		{func(b []byte) { b[3] = 'B' }, `it begins with "pscB"`},
		{func(b []byte) { b[4] = 1 }, "format version 1; this program reads version 2"},
		{func(b []byte) { b[5] = 2 }, "party 2"},
		{func(b []byte) { b[6] = 1 }, "unknown flags 0x1 0x0"},
		{func(b []byte) { b[7] = 1 }, "unknown flags 0x0 0x1"},
		{func(b []byte) { b[atSpec+1] = 2 }, "marked 2"},
		{func(b []byte) { b[atSpec+1] = 1 }, "powers with a fixed operand"},
		{func(b []byte) { binary.LittleEndian.PutUint64(b[atSpec+8:], 1<<40) }, "powers of 1099511627776 elements"},
		{func(b []byte) { binary.LittleEndian.PutUint64(b[atFrom:], MaxElements-2) }, "3 elements from element 268435454"},
		{func(b []byte) { binary.LittleEndian.PutUint64(b[atFrom:], ^uint64(0)) }, "from element 18446744073709551615"},
		{func(b []byte) { b[atExplicit] = 15 }, "explicit columns 0xf of 3 columns"},
		{func(b []byte) { b[atExplicit+7] = 128 }, "explicit columns 0x8000000000000007"},
		{func(b []byte) { b[atExplicit] = 3 }, "rows of 72 bytes, not the 48"},
		{func(b []byte) { b[headerSize+halfFixed+1] = 1 }, "column rho is not below 2^8"},
	} {
		changed := bytes.Clone(data)
		tc.change(changed)
		if _, err := UnmarshalHalf(spec, 1, changed); !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

// TestLengthsAreCheckedBeforeMemoryIsTaken decodes heads that promise the largest
// halves there are, with few bytes behind them.
func TestLengthsAreCheckedBeforeMemoryIsTaken(t *testing.T) {
	for _, spec := range []Spec{
		{Kind: Triples, N: MaxWords / 3},
		{Kind: Powers, N: MaxWords / 15, Degree: 8, MaskBits: 61},
		MatrixSpec(1, 1<<13, 1<<13, 1, false),
		MatrixSpec(1, 1<<13, 1<<13, 1000, true),
		{Kind: Linear, N: MaxWords, Shape: ring.LinearShape(1, 1)},
	} {
		columns := len(spec.Columns(1))
		head := encode(t, SeedHalf(spec, 1, knownSeed()))
		binary.LittleEndian.PutUint64(head[atExplicit:], 1<<columns-1)
		for _, rest := range []int{0, 8, 24, 4096} {
			data := append(bytes.Clone(head), make([]byte, rest)...)
			taken := allocated(func() {
				if _, err := UnmarshalHalf(spec, 1, data); !errors.Is(err, ErrHalf) {
					t.Errorf("%v: error %v", spec, err)
				}
				if _, err := UnmarshalRange(head, 0, spec.N, data[len(head):]); !errors.Is(err, ErrHalf) {
					t.Errorf("%v: a range: error %v", spec, err)
				}
			})
			if taken > 64<<10 {
				t.Errorf("%v: %d bytes of memory for %d of data", spec, taken, len(data))
			}
		}
	}
}

// TestAHalfTakesNoMoreMemoryThanItsBytes counts all that is taken while halves
// are decoded, what the collector gets back included.
func TestAHalfTakesNoMoreMemoryThanItsBytes(t *testing.T) {
	for _, spec := range []Spec{
		{Kind: Triples, N: 100000},
		MatrixSpec(10, 100, 200, 10, true),
		{Kind: Powers, N: 1, Degree: 8, MaskBits: 61},
		{Kind: Powers, N: MaxWords / 15, Degree: 8, MaskBits: 61}, // a seed: nothing is expanded
	} {
		h := SeedHalf(spec, 0, knownSeed())
		if spec.N <= 100000 {
			h = withExplicit(h, 1<<len(h.Columns)-1)
		}
		data := encode(t, h)
		taken := allocated(func() {
			if _, err := UnmarshalHalf(spec, 0, data); err != nil {
				t.Error(err)
			}
		})
		if limit := uint64(len(data) + len(data)/8 + 32<<10); taken > limit {
			t.Errorf("%v: %d bytes of memory for %d of data", spec, taken, len(data))
		}
	}
}

// allocated returns how many bytes f takes from the heap in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// The bytes of small halves, written out: part of the format.
func TestTheFormatIsFixed(t *testing.T) {
	var seed ring.Seed
	for i := range seed {
		seed[i] = 0xb0
	}
	seeds := strings.Repeat("b0", 32)
	dims := func(v ...byte) (s string) {
		for _, b := range v {
			s += fmt.Sprintf("%02x000000", b)
		}
		return s
	}
	word := func(v ...byte) (s string) {
		for _, b := range v {
			s += fmt.Sprintf("%02x00000000000000", b)
		}
		return s
	}
	none := dims(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for name, tc := range map[string]struct {
		half Half
		want string
	}{
		"triples from a seed": {
			Half{Spec: Spec{Kind: Triples, N: 2}, Seed: seed, From: 0x0102, Columns: make([][]uint64, 3)},
			"70736348" + "02000000" + "01000000" + "00000000" + word(2) + none + seeds + "0201000000000000" + word(0)},
		"triples with a and c explicit": {
			Half{Spec: Spec{Kind: Triples, N: 2}, Party: 1, Seed: seed, Columns: [][]uint64{{1, 2}, nil, {0x0102030405060708, 4}}},
			"70736348" + "02010000" + "01000000" + "00000000" + word(2) + none + seeds + word(0) + word(5) +
				word(1) + "0807060504030201" + word(2, 4)},
		"matrices with a fixed operand": {
			Half{Spec: MatrixSpec(1, 2, 1, 2, true), Seed: seed, Columns: [][]uint64{{1, 2, 3, 4}, {5, 6}, {7, 8}}},
			"70736348" + "02000000" + "04010000" + "00000000" + word(2) + dims(1, 1, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0) + seeds + word(0) + word(7) +
				word(5, 6) + word(1, 2, 7) + word(3, 4, 8)},
		"powers": {
			Half{Spec: Spec{Kind: Powers, N: 2, Degree: 3, MaskBits: 54}, Seed: seed,
				Columns: [][]uint64{nil, {1, 2}, {3, 4}, {5, 6}, {7, 8}}},
			"70736348" + "02000000" + "06000336" + "00000000" + word(2) + none + seeds + word(0) + word(0x1e) +
				word(1, 3, 5, 7) + word(2, 4, 6, 8)},
		"linear": {
			Half{Spec: Spec{Kind: Linear, N: 2, Shape: ring.LinearShape(3, 2), Layer: 0x010203}, Party: 1, Seed: seed,
				Columns: [][]uint64{{1, 2, 3, 4}}},
			"70736348" + "02010000" + "07000000" + "03020100" + word(2) + dims(1, 1, 3, 2, 1, 1, 1, 1, 0, 0, 0, 0) + seeds + word(0) + word(1) +
				word(1, 2, 3, 4)},
	} {
		if got := hex.EncodeToString(encode(t, &tc.half)); got != tc.want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, tc.want)
		}
	}
}

// fuzzSeeds are encodings of every kind and party, of seeds and of halves with
// columns.
func fuzzSeeds() (halves []*Half) {
	r := testRand(14)
	for _, spec := range testSpecs() {
		for party := range 2 {
			h := SeedHalf(spec, party, testSeed(r))
			halves = append(halves, h, withExplicit(h, 1<<len(h.Columns)-1), withExplicit(h, 1<<len(h.Columns)/2))
		}
	}
	return halves
}

func FuzzUnmarshalHalf(f *testing.F) {
	for _, h := range fuzzSeeds() {
		f.Add(encode(f, h))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// Of whichever specification and party it says it is.
		spec, party := Spec{Kind: Triples, N: 1}, 0
		if len(data) >= atSeed {
			if s, err := UnmarshalSpec(data[atSpec:atSeed]); err == nil {
				spec, party = s, int(data[5])
			}
		}
		h, err := UnmarshalHalf(spec, party, data)
		if err != nil {
			if !errors.Is(err, ErrHalf) || h != nil {
				t.Errorf("%v, error %v", h, err)
			}
			return
		}
		if again := encode(t, h); !bytes.Equal(again, data) {
			t.Errorf("decoded %x, encoded %x", data, again)
		}
		if h.Spec != spec || h.Party != party {
			t.Errorf("party %d's half of %v is %v", party, spec, h)
		}
	})
}

func FuzzUnmarshalRange(f *testing.F) {
	for _, h := range fuzzSeeds() {
		head, rows, err := h.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head, 0, 1, rows[:h.RowSize()])
		f.Add(head, 0, h.Spec.N, rows)
		f.Add(head, h.Spec.N-1, h.Spec.N, rows[(h.Spec.N-1)*h.RowSize():])
	}
	f.Fuzz(func(t *testing.T, head []byte, from, to int, rows []byte) {
		h, err := UnmarshalRange(head, from, to, rows)
		if err != nil {
			if !errors.Is(err, ErrHalf) || h != nil {
				t.Errorf("%v, error %v", h, err)
			}
			return
		}
		gotHead, gotRows, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		// The head is that of the whole, but for how many elements and which.
		binary.LittleEndian.PutUint64(gotHead[atSpec+8:], binary.LittleEndian.Uint64(head[atSpec+8:]))
		binary.LittleEndian.PutUint64(gotHead[atFrom:], binary.LittleEndian.Uint64(head[atFrom:]))
		if !bytes.Equal(gotHead, head) || !bytes.Equal(gotRows, rows) || h.Spec.N != to-from {
			t.Errorf("decoded %x and %x, encoded %x and %x", head, rows, gotHead, gotRows)
		}
	})
}

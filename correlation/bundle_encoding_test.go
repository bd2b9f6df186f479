package correlation

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pascaline/ring"
)

func TestDecodingUndoesEncodingOfBundles(t *testing.T) {
	r := testRand(21)
	for party := range 2 {
		b := testBundle(r, party)
		data := encode(t, b)
		got, err := UnmarshalBundle(b.Spec, data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, b) {
			t.Errorf("bundle of party %d differs after encoding and decoding", party)
		}
		if !bytes.Equal(encode(t, got), data) {
			t.Errorf("bundle of party %d: encoding again gives other bytes", party)
		}
	}
}

func TestABundleWithoutActivationsHasAnEncoding(t *testing.T) {
	spec := &BundleSpec{Input: 2, Output: 1, Linear: []Spec{{Kind: Linear, N: 1, Shape: ring.LinearShape(2, 1)}}}
	b := &Bundle{Spec: spec, Party: 1, Output: []uint64{7}}
	got, err := UnmarshalBundle(spec, encode(t, b))
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestEveryCutAndEveryTrailingByteOfABundleIsRefused(t *testing.T) {
	for party := range 2 {
		b := testBundle(testRand(22), party)
		data := encode(t, b)
		for n := range len(data) {
			if _, err := UnmarshalBundle(b.Spec, data[:n:n]); !errors.Is(err, ErrHalf) {
				t.Errorf("party %d: cut to %d bytes: error %v", party, n, err)
			}
		}
		if _, err := UnmarshalBundle(b.Spec, append(bytes.Clone(data), 0)); !errors.Is(err, ErrHalf) {
			t.Errorf("party %d: with a trailing byte: error %v", party, err)
		}
	}
}

func TestAChangedHeaderOfABundleIsRefused(t *testing.T) {
	for party := range 2 {
		b := testBundle(testRand(23), party)
		data := encode(t, b)
		for i := range headerSize + len(b.Spec.Plan) {
			for bit := range 8 {
				changed := bytes.Clone(data)
				changed[i] ^= 1 << bit
				// The other party's bundle holds other halves.
				if _, err := UnmarshalBundle(b.Spec, changed); !errors.Is(err, ErrHalf) {
					t.Errorf("party %d: bit %d of byte %d flipped: error %v", party, bit, i, err)
				}
			}
		}
	}
}

func TestABundleOfAnotherPlanIsNamed(t *testing.T) {
	b := testBundle(testRand(24), 0)
	other := testBundleSpec()
	other.Plan[0] = 0xee
	_, err := UnmarshalBundle(other, encode(t, b))
	if !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), fmt.Sprintf("%x", b.Spec.Plan)) || !strings.Contains(err.Error(), fmt.Sprintf("%x", other.Plan)) {
		t.Errorf("error %v does not name both plans", err)
	}
}

func TestRefusalsOfABundleSayWhere(t *testing.T) {
	b := testBundle(testRand(25), 0)
	good := encode(t, b)
	const first = headerSize + 32 + ring.SeedSize // the length of the first half
	second := first + 8 + b.Powers[0].size()
	linear := second + 8 + b.Powers[1].size()
	for _, tc := range []struct {
		at    int
		value uint64
		want  string
	}{
		{first, 0, "activation layer 0: decoding powers: not a usable correlation: 0 bytes are too short"},
		{first, ^uint64(0), "activation layer 0: not a usable correlation: a half of 18446744073709551615 bytes where"},
		{first, uint64(len(good)), "bytes where"},
		{second, 1 << 40, "activation layer 1: not a usable correlation: a half of 1099511627776 bytes"},
		{second, 1 << 63, "activation layer 1: not a usable correlation: a half of 9223372036854775808 bytes"},
		{linear, 7, "linear layer 0: decoding linear: not a usable correlation"},
		{second + 8 + atSpec + 8, 4, "activation layer 1: decoding powers: not a usable correlation: party 0's half of 4 of powers/2/50 in the place of party 0's half of 3 of powers/2/50"},
	} {
		data := bytes.Clone(good)
		binary.LittleEndian.PutUint64(data[tc.at:], tc.value)
		if _, err := UnmarshalBundle(b.Spec, data); !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
	if _, err := UnmarshalBundle(b.Spec, good[:second+3]); !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), "it ends where a half should begin") {
		t.Errorf("error %v", err)
	}
	if _, err := UnmarshalBundle(b.Spec, good[:len(good)-8]); !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), "56 bytes of openings and output, not 64") {
		t.Errorf("error %v", err)
	}
}

func TestLengthsOfABundleAreCheckedBeforeMemoryIsTaken(t *testing.T) {
	small := encode(t, testBundle(testRand(26), 1))
	huge := testBundleSpec()
	huge.Activations[0].Powers.N = MaxWords / 7
	huge.Output = MaxElements
	wide := testBundleSpec()
	wide.Output = MaxElements
	for name, spec := range map[string]*BundleSpec{"another layer": huge, "a huge output": wide} {
		if taken := allocated(func() {
			if _, err := UnmarshalBundle(spec, small); !errors.Is(err, ErrHalf) {
				t.Errorf("%s: error %v", name, err)
			}
		}); taken > 64<<10 {
			t.Errorf("%s: %d bytes of memory", name, taken)
		}
	}
}

// TestABundleTakesLittleMoreMemoryThanItsBytes decodes the worst case, very many
// small halves that are seeds, and the usual one, few large ones.
func TestABundleTakesLittleMoreMemoryThanItsBytes(t *testing.T) {
	for name, tc := range map[string]struct {
		layers, n int
		explicit  uint64
	}{"seeds": {2000, 1, 0}, "shares": {2, 1 << 16, 1<<15 - 2}} {
		spec := &BundleSpec{Input: 1, Output: 1}
		b := &Bundle{Spec: spec, Party: 1, Seed: knownSeed(), Output: []uint64{1}}
		for range tc.layers {
			a := Spec{Kind: Powers, N: tc.n, Degree: 8, MaskBits: 54}
			spec.Activations = append(spec.Activations, ActivationSpec{Powers: a})
			b.Powers = append(b.Powers, withExplicit(SeedHalf(a, 1, knownSeed()), tc.explicit))
			b.Opening = append(b.Opening, make([]uint64, tc.n))
		}
		data := encode(t, b)
		var kept *Bundle
		held := heapGrowth(func() { kept, _ = UnmarshalBundle(spec, data) })
		if kept == nil {
			t.Fatal("it does not decode")
		}
		if limit := int64(len(data) + 1024*tc.layers + 64<<10); held > limit {
			t.Errorf("%s: a bundle of %d bytes and %d halves takes %d bytes of memory", name, len(data), tc.layers, held)
		}
		runtime.KeepAlive(kept)
	}
}

// heapGrowth returns by how much f makes grow what the heap holds.
func heapGrowth(f func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// The bytes of the smallest bundles, written out: part of the format.
func TestTheFormatOfBundlesIsFixed(t *testing.T) {
	powers := Spec{Kind: Powers, N: 1, Degree: 2, MaskBits: 54}
	linear := Spec{Kind: Linear, N: 1, Shape: ring.LinearShape(1, 1)}
	spec := &BundleSpec{Input: 1, Output: 1, Activations: []ActivationSpec{{Powers: powers, LowBits: 8}}, Linear: []Spec{linear}}
	var seed, other ring.Seed
	for i := range 32 {
		spec.Plan[i], seed[i], other[i] = 0xa0, 0xb0, 0xc0
	}
	half := func(h *Half) string {
		data := hex.EncodeToString(encode(t, h))
		return fmt.Sprintf("%02x00000000000000", len(data)/2) + data
	}
	plan, seeds := strings.Repeat("a0", 32), strings.Repeat("b0", 32)
	p0, p1 := SeedHalf(powers, 0, other), SeedHalf(powers, 1, other)
	p1.Columns[1], p1.Columns[2] = []uint64{0x1122}, []uint64{0x3344}
	for _, tc := range []struct {
		bundle *Bundle
		want   string
	}{
		{&Bundle{Spec: spec, Seed: seed, Powers: []*Half{p0}, Linear: []*Half{SeedHalf(linear, 0, other)}, Opening: [][]uint64{{5}}},
			"70736342" + "02000000" + plan + seeds + half(p0) + half(SeedHalf(linear, 0, other)) + "0500000000000000"},
		{&Bundle{Spec: spec, Party: 1, Seed: seed, Powers: []*Half{p1}, Opening: [][]uint64{{5}}, Output: []uint64{6}},
			"70736342" + "02010000" + plan + seeds + half(p1) + "0500000000000000" + "0600000000000000"},
	} {
		if got := hex.EncodeToString(encode(t, tc.bundle)); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func FuzzUnmarshalBundle(f *testing.F) {
	for party := range 2 {
		f.Add(encode(f, testBundle(testRand(27), party)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := UnmarshalBundle(testBundleSpec(), data)
		if err != nil {
			if !errors.Is(err, ErrHalf) || b != nil {
				t.Errorf("%v, error %v", b, err)
			}
			return
		}
		if again := encode(t, b); !bytes.Equal(again, data) {
			t.Errorf("decoded %x, encoded %x", data, again)
		}
	})
}

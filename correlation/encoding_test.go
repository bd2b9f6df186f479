package correlation

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
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
	if cap(data) != len(data) {
		t.Errorf("encoding has %d bytes in a buffer of %d", len(data), cap(data))
	}
	return data
}

// halves are encodings of every kind, with the function that decodes each and
// encodes it again.
func halves(t testing.TB) map[string]struct {
	data   []byte
	decode func([]byte) ([]byte, error)
} {
	r := testRand(20)
	type half = struct {
		data   []byte
		decode func([]byte) ([]byte, error)
	}
	bundle := func(data []byte) ([]byte, error) {
		b, err := UnmarshalBundle(testSpec(), data)
		if err != nil {
			return nil, err
		}
		return b.MarshalBinary()
	}
	powers := func(data []byte) ([]byte, error) {
		h, err := UnmarshalPowersHalf(data)
		if err != nil {
			return nil, err
		}
		return h.MarshalBinary()
	}
	linear0 := func(data []byte) ([]byte, error) {
		h, err := UnmarshalLinearHalf0(data)
		if err != nil {
			return nil, err
		}
		return h.MarshalBinary()
	}
	linear1 := func(data []byte) ([]byte, error) {
		h, err := UnmarshalLinearHalf1(data)
		if err != nil {
			return nil, err
		}
		return h.MarshalBinary()
	}
	p0, p1 := dealPowers(r, PowersSpec{N: 4, Degree: 3, MaskBits: 50})
	_, l0, l1 := dealLinear(r, testLinearSpec())
	explicit0, explicit1 := LinearHalf0{Spec: l0.Spec, S: l0.Mask()}, LinearHalf1{Spec: l1.Spec, R: l1.Mask(), Y: l1.Y}
	return map[string]half{
		"server's bundle":        {encode(t, testBundle(r, 0)), bundle},
		"client's bundle":        {encode(t, testBundle(r, 1)), bundle},
		"powers from a seed":     {encode(t, p0), powers},
		"powers":                 {encode(t, p1), powers},
		"linear 0 from a seed":   {encode(t, l0), linear0},
		"linear 0":               {encode(t, explicit0), linear0},
		"linear 1 with r a seed": {encode(t, l1), linear1},
		"linear 1":               {encode(t, explicit1), linear1},
	}
}

func TestDecodingUndoesEncoding(t *testing.T) {
	r := testRand(21)
	for party := range 2 {
		b := testBundle(r, party)
		got, err := UnmarshalBundle(b.Spec, encode(t, b))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, b) {
			t.Errorf("bundle of party %d differs after encoding and decoding", party)
		}
	}
	p0, p1 := dealPowers(r, PowersSpec{N: 4, Degree: 8, MaskBits: 61})
	for _, h := range []PowersHalf{p0, p1} {
		if got, err := UnmarshalPowersHalf(encode(t, h)); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("powers differ after encoding and decoding: %v", err)
		}
	}
	_, l0, l1 := dealLinear(r, testLinearSpec())
	for _, h := range []LinearHalf0{l0, {Spec: l0.Spec, S: l0.Mask()}} {
		if got, err := UnmarshalLinearHalf0(encode(t, h)); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("the server's linear half differs after encoding and decoding: %v", err)
		}
	}
	for _, h := range []LinearHalf1{l1, {Spec: l1.Spec, R: l1.Mask(), Y: l1.Y}, {Spec: l1.Spec, Seed: l1.Seed}} {
		if got, err := UnmarshalLinearHalf1(encode(t, h)); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("the client's linear half differs after encoding and decoding: %v", err)
		}
	}
}

func TestABundleWithoutActivationsHasAnEncoding(t *testing.T) {
	spec := &BundleSpec{Input: 2, Output: 1, Linear: []LinearSpec{{Shape: ring.LinearShape(2, 1)}}}
	b := &Bundle{Spec: spec, Party: 1, Opening: [][]uint64{}, Output: []uint64{7}}
	got, err := UnmarshalBundle(spec, encode(t, b))
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("got %#v, %v", got, err)
	}
}

func TestEveryCutAndEveryTrailingByteIsRefused(t *testing.T) {
	for name, h := range halves(t) {
		for n := range len(h.data) {
			if _, err := h.decode(h.data[:n]); !errors.Is(err, ErrHalf) {
				t.Errorf("%s cut to %d bytes: error %v", name, n, err)
			}
		}
		if _, err := h.decode(append(bytes.Clone(h.data), 0)); !errors.Is(err, ErrHalf) {
			t.Errorf("%s with a trailing byte: error %v", name, err)
		}
		if again, err := h.decode(h.data); err != nil || !bytes.Equal(again, h.data) {
			t.Errorf("%s: encoding again gave other bytes: %v", name, err)
		}
	}
}

func TestAChangedHeaderIsRefused(t *testing.T) {
	for name, h := range halves(t) {
		for i := range headerSize {
			for bit := range 8 {
				data := bytes.Clone(h.data)
				data[i] ^= 1 << bit
				// A party or a flag that is known changes the length, or whose
				// half it is.
				if _, err := h.decode(data); !errors.Is(err, ErrHalf) {
					t.Errorf("%s with bit %d of byte %d of the header flipped: error %v", name, bit, i, err)
				}
			}
		}
	}
}

func TestABundleOfAnotherPlanIsNamed(t *testing.T) {
	b := testBundle(testRand(22), 0)
	other := testSpec()
	other.Plan[0] = 0xee
	_, err := UnmarshalBundle(other, encode(t, b))
	if !errors.Is(err, ErrHalf) || !strings.Contains(err.Error(), fmt.Sprintf("%x", b.Spec.Plan)) || !strings.Contains(err.Error(), fmt.Sprintf("%x", other.Plan)) {
		t.Errorf("error %v does not name both plans", err)
	}
}

func TestLengthsAreCheckedBeforeMemoryIsTaken(t *testing.T) {
	huge := testSpec()
	huge.Activations[0].Powers.N = maxElements
	huge.Output = maxElements
	small := encode(t, testBundle(testRand(23), 1))
	if n := testing.AllocsPerRun(1, func() {
		if _, err := UnmarshalBundle(huge, small); !errors.Is(err, ErrHalf) {
			t.Errorf("error %v", err)
		}
	}); n > 20 {
		t.Errorf("%v allocations", n)
	}

	p, _ := dealPowers(testRand(24), PowersSpec{N: 4, Degree: 3, MaskBits: 50})
	data := encode(t, p)
	data[6] = flagShares
	for _, n := range []uint64{0, maxElements, maxElements + 1, 1 << 40, ^uint64(0)} {
		for i := range 8 {
			data[headerSize+i] = byte(n >> (8 * i))
		}
		if _, err := UnmarshalPowersHalf(data); !errors.Is(err, ErrHalf) {
			t.Errorf("%d elements: error %v", n, err)
		}
	}
}

func TestImpossibleHalvesHaveNoEncoding(t *testing.T) {
	r := testRand(25)
	for _, tc := range []struct {
		change func(*Bundle)
		party  int
		want   string
	}{
		{func(b *Bundle) { b.Spec = nil }, 0, "without a specification"},
		{func(b *Bundle) { b.Spec.Input = 0 }, 0, "0 inputs"},
		{func(b *Bundle) { b.Spec.Activations[1].LowBits = ^uint(0) }, 0, "leave no room"},
		{func(b *Bundle) { b.Spec.Linear[0].Shape.KH = 2 }, 0, "linear layer 0"},
		{func(b *Bundle) { b.Spec.Activations[0].Powers.Degree = 1 }, 0, "activation layer 0"},
		{func(b *Bundle) { b.Party = 2 }, 0, "party 2"},
		{func(b *Bundle) { b.Opening = b.Opening[:1] }, 0, "openings of 1"},
		{func(b *Bundle) { b.Opening[1] = b.Opening[1][:2] }, 0, "activation layer 1: 2 openings"},
		{func(b *Bundle) { b.Output = []uint64{1} }, 0, "1 elements of the output, not 0"},
		{func(b *Bundle) { b.Output = nil }, 1, "0 elements of the output, not 3"},
		{func(b *Bundle) { b.Shares = b.Shares[:1] }, 1, "shares of 1 activation layers"},
		{func(b *Bundle) { b.Shares[0] = b.Shares[0][:1] }, 1, "shares of 1 powers"},
		{func(b *Bundle) { b.Shares[1] = []ring.Vec128{ring.MakeVec128(2)} }, 1, "2 and 2 words"},
	} {
		b := testBundle(r, tc.party)
		tc.change(b)
		if _, err := b.MarshalBinary(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
	if _, err := (PowersHalf{}).MarshalBinary(); err == nil {
		t.Error("powers of nothing have an encoding")
	}
	if _, err := (LinearHalf0{Spec: testLinearSpec(), S: make([]uint64, 1)}).MarshalBinary(); err == nil {
		t.Error("a server's half with one element of s has an encoding")
	}
	for _, h := range []LinearHalf1{{Spec: testLinearSpec(), R: make([]uint64, 1)}, {Spec: testLinearSpec(), Y: make([]uint64, 1)}, {}} {
		if _, err := h.MarshalBinary(); err == nil {
			t.Error("a client's half of other lengths has an encoding")
		}
	}
}

// The bytes of the smallest halves, written out: part of the format.
func TestTheFormatIsFixed(t *testing.T) {
	spec := &BundleSpec{
		Input: 1, Output: 1,
		Activations: []ActivationSpec{{Powers: PowersSpec{N: 1, Degree: 2, MaskBits: 54}, LowBits: 8}},
	}
	var seed ring.Seed
	for i := range 32 {
		spec.Plan[i], seed[i] = 0xa0, 0xb0
	}
	share := []ring.Vec128{{Lo: []uint64{0x1122}, Hi: []uint64{0x3344}}}
	plan, seeds := strings.Repeat("a0", 32), strings.Repeat("b0", 32)
	dim := func(v ...byte) (s string) {
		for _, b := range v {
			s += fmt.Sprintf("%02x000000", b)
		}
		return s
	}
	linear := LinearSpec{Shape: ring.ConvShape{H: 2, W: 3, C: 1, K: 1, KH: 3, KW: 4, StrideH: 5, StrideW: 6, PadTop: 1, PadLeft: 2, PadBottom: 0, PadRight: 1}}
	for _, tc := range []struct {
		half interface{ MarshalBinary() ([]byte, error) }
		want string
	}{
		{&Bundle{Spec: spec, Seed: seed, Opening: [][]uint64{{5}}},
			"70736342" + "01000000" + plan + seeds + "00" + "0500000000000000"},
		{&Bundle{Spec: spec, Party: 1, Seed: seed, Shares: [][]ring.Vec128{share}, Opening: [][]uint64{{5}}, Output: []uint64{6}},
			"70736342" + "01010000" + plan + seeds + "01" + "2211000000000000" + "4433000000000000" + "0500000000000000" + "0600000000000000"},
		{PowersHalf{Spec: PowersSpec{N: 1, Degree: 2, MaskBits: 54}, Seed: seed},
			"70736350" + "01000000" + "0100000000000000" + "02000000" + "36000000" + seeds},
		{PowersHalf{Spec: PowersSpec{N: 1, Degree: 2, MaskBits: 54}, Seed: seed, Shares: share},
			"70736350" + "01000100" + "0100000000000000" + "02000000" + "36000000" + seeds + "2211000000000000" + "4433000000000000"},
		{LinearHalf0{Spec: linear, Seed: seed, S: []uint64{7}},
			"7073634c" + "01000100" + dim(2, 3, 1, 1, 3, 4, 5, 6, 1, 2, 0, 1) + seeds + "0700000000000000"},
		{LinearHalf1{Spec: linear, Seed: seed, Y: []uint64{8}},
			"7073634c" + "01010200" + dim(2, 3, 1, 1, 3, 4, 5, 6, 1, 2, 0, 1) + seeds + "0800000000000000"},
	} {
		if got := hex.EncodeToString(encode(t, tc.half)); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestPrintingAHalfShowsNoSecret(t *testing.T) {
	r := testRand(26)
	b := testBundle(r, 1)
	p := b.Powers(0)
	_, l0, l1 := dealLinear(r, testLinearSpec())
	l0.S, l1.R = l0.Mask(), l1.Mask()
	secrets := []uint64{b.Opening[0][0], b.Output[0], p.Shares[0].Lo[0], p.Shares[0].Hi[1], l0.S[0], l1.R[0], l1.Y[0]}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, h := range []any{b, *b, p, &p, l0, l1, []any{b}, struct{ B *Bundle }{b}} {
			out := fmt.Sprintf(verb, h)
			for _, s := range secrets {
				if strings.Contains(out, fmt.Sprint(s)) || strings.Contains(out, fmt.Sprintf("%x", s)) {
					t.Errorf("%s of %T shows a secret: %s", verb, h, out)
				}
			}
		}
	}
	if got := fmt.Sprint(b); got != "bundle(party 1, plan 0102030405060708, redacted)" {
		t.Errorf("a bundle prints as %q", got)
	}
	if got := fmt.Sprint(&Bundle{}); got != "bundle(party 0, redacted)" {
		t.Errorf("an empty bundle prints as %q", got)
	}
}

// fuzz checks that whatever decodes also encodes, to the same bytes.
func fuzz(f *testing.F, kinds ...string) {
	all := halves(f)
	decode := all[kinds[0]].decode
	for _, kind := range kinds {
		f.Add(all[kind].data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again, err := decode(data)
		if err != nil {
			if !errors.Is(err, ErrHalf) {
				t.Errorf("error %v does not wrap ErrHalf", err)
			}
			return
		}
		if !bytes.Equal(again, data) {
			t.Errorf("decoded %x, encoded %x", data, again)
		}
	})
}

func FuzzUnmarshalBundle(f *testing.F)      { fuzz(f, "server's bundle", "client's bundle") }
func FuzzUnmarshalPowersHalf(f *testing.F)  { fuzz(f, "powers", "powers from a seed") }
func FuzzUnmarshalLinearHalf0(f *testing.F) { fuzz(f, "linear 0", "linear 0 from a seed") }
func FuzzUnmarshalLinearHalf1(f *testing.F) { fuzz(f, "linear 1", "linear 1 with r a seed") }

func BenchmarkBundle(b *testing.B) {
	const n = 1 << 16
	spec := testSpec()
	spec.Activations = []ActivationSpec{{Powers: PowersSpec{N: n, Degree: 4, MaskBits: 54}, LowBits: 8}}
	r := testRand(27)
	half := &Bundle{Spec: spec, Party: 1, Opening: [][]uint64{randomWords(r, n)}, Output: randomWords(r, spec.Output)}
	half.Shares = [][]ring.Vec128{nil}
	for range 3 {
		half.Shares[0] = append(half.Shares[0], ring.Vec128{Lo: randomWords(r, n), Hi: randomWords(r, n)})
	}
	data := encode(b, half)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := half.MarshalBinary(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := UnmarshalBundle(spec, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package dealer

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// someone and other are keys.
var someone, other = link.PublicKey{1}, link.PublicKey{2}

// rightDeal is a request of other's.
func rightDeal(t testing.TB, party int, specs ...correlation.Spec) *api.Deal {
	m := dealOf(t, party, player{}, specs...)
	m.Peer = someone[:]
	return m
}

func TestARightRequestIsRead(t *testing.T) {
	specs := append(kinds(), correlation.Spec{Kind: correlation.Linear, N: 3, Layer: 2, Shape: image})
	for party := range 2 {
		r, err := decodeDeal(encode(t, rightDeal(t, party, specs...)), other)
		if err != nil {
			t.Fatal(err)
		}
		if r.key != other || r.peer != someone || r.party != party || !slices.Equal(r.specs, specs) {
			t.Errorf("%v", r)
		}
	}
}

func TestWrongRequestsAreRefusedInWords(t *testing.T) {
	line := correlation.Spec{Kind: correlation.Linear, N: 3, Layer: 2, Shape: image}
	huge := correlation.MatrixSpec(1, 1, 1, 1, false)
	for _, c := range []struct {
		name   string
		party  int
		spec   correlation.Spec
		change func(m *api.Deal)
		says   string
	}{
		{"another version", 0, triples(1), func(m *api.Deal) { m.Version = 7 }, "speaks version 7"},
		{"no name", 0, triples(1), func(m *api.Deal) { m.Batch = nil }, "name of the batch has 0 bytes"},
		{"a long name", 0, triples(1), func(m *api.Deal) { m.Batch = make([]byte, 33) }, "name of the batch has 33 bytes"},
		{"party 2", 0, triples(1), func(m *api.Deal) { m.Party = 2 }, "party 2; there are 0 and 1"},
		{"party 2^32 − 1", 0, triples(1), func(m *api.Deal) { m.Party = 1<<32 - 1 }, "there are 0 and 1"},
		{"half a key", 0, triples(1), func(m *api.Deal) { m.Peer = m.Peer[:16] }, "public key has 16 bytes"},
		{"its own twin", 0, triples(1), func(m *api.Deal) { m.Peer = other[:] }, "names itself"},
		{"nothing", 0, triples(1), func(m *api.Deal) { m.Specs = nil }, "list of specifications has 0 bytes"},
		{"half a specification", 0, triples(1), func(m *api.Deal) { m.Specs = m.Specs[:63] }, "list of specifications has 63 bytes"},
		{"too many", 0, triples(1), func(m *api.Deal) { m.Specs = slices.Repeat(m.Specs, maxCorrelations+1) }, "1 to 65536 correlations"},
		{"no elements", 1, triples(1), func(m *api.Deal) { clear(m.Specs[8:16]) }, "triples of 0 elements"},
		{"2^40 elements", 1, triples(1), func(m *api.Deal) { binary.LittleEndian.PutUint64(m.Specs[8:], 1<<40) }, "there must be from 1 to"},
		{"2^64 − 1 elements", 1, triples(1), func(m *api.Deal) { binary.LittleEndian.PutUint64(m.Specs[8:], 1<<64-1) }, "there must be from 1 to"},
		{"an unknown kind", 1, triples(1), func(m *api.Deal) { m.Specs[0] = 99 }, "unknown kind 99"},
		{"degree 9", 1, correlation.Spec{Kind: correlation.Powers, N: 1, Degree: 8, MaskBits: 4}, func(m *api.Deal) { m.Specs[2] = 9 }, "powers to degree 9"},
		{"wide masks", 1, correlation.Spec{Kind: correlation.Powers, N: 1, Degree: 8, MaskBits: 4}, func(m *api.Deal) { m.Specs[3] = 62 }, "masks of 62 bits"},
		{"a stride of 0", 1, correlation.Spec{Kind: correlation.Convolution, N: 1, Shape: image}, func(m *api.Deal) { clear(m.Specs[16+4*6:][:4]) }, "vertical stride is 0"},
		{"2^32 − 1 channels", 1, huge, func(m *api.Deal) { binary.LittleEndian.PutUint32(m.Specs[16+8:], 1<<32-1) }, "input channels is 4294967295"},
		{"a product that takes an hour", 1, correlation.MatrixSpec(1<<12, 1<<12, 1<<12, 1, false), nil, "68719 million multiplications"},
		{"too many words", 1, triples(1 << 25), func(m *api.Deal) { m.Specs = slices.Repeat(m.Specs, 11) }, "more than 8192 MiB"},
		{"a seed from party 1", 1, line, func(m *api.Deal) { m.Blind = make([]byte, 32) }, "a seed of 32 bytes"},
		{"no seed from party 0", 0, line, func(m *api.Deal) { m.Blind = nil }, "a seed of 0 bytes to blind weights with, not 32"},
		{"a seed for triples", 0, triples(1), func(m *api.Deal) { m.Blind = make([]byte, 32) }, "a seed of 32 bytes to blind weights with, not 0"},
		{"a short seed", 0, line, func(m *api.Deal) { m.Blind = m.Blind[:31] }, "a seed of 31 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := rightDeal(t, c.party, c.spec)
			if c.change != nil {
				c.change(m)
			}
			_, err := decodeDeal(encode(t, m), other)
			mustSay(t, err, c.says)
		})
	}
	_, err := decodeDeal([]byte{0xff}, other)
	mustSay(t, err, "malformed")
}

// FuzzDeal feeds a request of any bytes to the decoder. What it takes is within
// the limits, so that dealing it is bounded.
func FuzzDeal(f *testing.F) {
	f.Add(encode(f, rightDeal(f, 0, triples(5))))
	f.Add(encode(f, rightDeal(f, 1, kinds()...)))
	f.Add(encode(f, rightDeal(f, 0, correlation.Spec{Kind: correlation.Linear, N: 3, Layer: 2, Shape: image})))
	f.Add(protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), 1<<40)) // a list of 2^40 bytes
	f.Add(encode(f, &api.Deal{Version: 1, Batch: make([]byte, 32), Peer: someone[:], Specs: make([]byte, 64)}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := decodeDeal(payload, other)
		if err != nil {
			return
		}
		words := 0
		for _, s := range r.specs {
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			if multiplications(s) > maxProduct {
				t.Fatalf("%+v", s)
			}
			words += s.Words()
			for _, n := range []int{blockElements(s), correctionWords(s)} {
				if n < 1 || n > correlation.MaxWords {
					t.Fatalf("blocks of %d elements of %d words", blockElements(s), correctionWords(s))
				}
			}
		}
		if len(r.specs) > maxCorrelations || words > maxBatchWords || r.peer == r.key || r.party > 1 || r.party < 0 {
			t.Fatalf("%v", r)
		}
		b := &batch{specs: r.specs}
		if atOnce, bytes := b.memory(4); atOnce < 2 || atOnce > 5 || bytes < 1 {
			t.Fatalf("%d blocks at once take %d bytes", atOnce, bytes)
		}
	})
}

func TestDifferencesAreSaid(t *testing.T) {
	line := correlation.Spec{Kind: correlation.Linear, N: 3, Layer: 2, Shape: image}
	longer, elsewhere := line, line
	longer.Shape.W++
	elsewhere.Layer++
	for _, c := range []struct {
		a, b []correlation.Spec
		says string
	}{
		{[]correlation.Spec{triples(1)}, []correlation.Spec{triples(1)}, ""},
		{[]correlation.Spec{triples(1)}, []correlation.Spec{triples(1), triples(1)}, "party 0 asks for 1 correlations, party 1 for 2"},
		{[]correlation.Spec{triples(1), triples(5)}, []correlation.Spec{triples(1), triples(6)}, "correlation 1: party 0 asks for 5 of triples, party 1 for 6 of triples"},
		{[]correlation.Spec{triples(1)}, []correlation.Spec{{Kind: correlation.Squares, N: 1}}, "party 0 asks for 1 of triples, party 1 for 1 of squares"},
		{[]correlation.Spec{line}, []correlation.Spec{longer}, "H:6 W:6"},
		{[]correlation.Spec{line}, []correlation.Spec{elsewhere}, "linear layer 2, of shape {H:6 W:5 C:3 K:4 KH:3 KW:3 StrideH:2 StrideW:1 PadTop:1 PadLeft:1 PadBottom:1 PadRight:0}, party 1 for 3 inferences of linear layer 3"},
	} {
		a, b := &request{party: 0, specs: c.a}, &request{party: 1, specs: c.b}
		if got := difference(a, b); got != c.says && (c.says == "" || !strings.Contains(got, c.says)) {
			t.Errorf("%q does not say %q", got, c.says)
		}
	}
	if got := difference(&request{key: someone, party: 1}, &request{key: other, party: 1}); !strings.Contains(got, "say that they are party 1") {
		t.Error(got)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	seed := ring.Seed([]byte("a seed that nobody should see!!!"))
	r := &request{specs: []correlation.Spec{triples(7)}, blind: seed}
	b := &batch{specs: r.specs, roots: [2]ring.Seed{seed, seed}, blind: seed}
	g := &run{blind: seed, blinded: map[int][]uint64{0: {12345}}}
	for _, v := range []any{r, *r, b, *b, g} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			if !strings.Contains(text, "redacted") || strings.Contains(text, "nobody") || strings.Contains(text, "12345") || strings.Contains(text, fmt.Sprintf("%x", seed[:4])) {
				t.Errorf("%s prints %q", verb, text)
			}
		}
	}
}

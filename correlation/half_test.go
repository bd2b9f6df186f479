package correlation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

// TestColumnsAreThoseOfTheFormat lists them: their names are domains of seeds,
// and their order that of encodings.
func TestColumnsAreThoseOfTheFormat(t *testing.T) {
	describe := func(columns []Column) string {
		var all []string
		for _, c := range columns {
			text := fmt.Sprintf("%s:%d:%d", c.Name, c.Width, c.Bits)
			if c.Fixed {
				text += ":fixed"
			}
			if c.Product {
				text += "*"
			}
			all = append(all, text)
		}
		return strings.Join(all, " ")
	}
	shape := testShape() // 40 in, 36 weights, 2·5·3 out
	for _, tc := range []struct {
		spec Spec
		want [2]string
	}{
		{Spec{Kind: Triples, N: 9}, [2]string{"a:1:64 b:1:64 c:1:64*", "a:1:64 b:1:64 c:1:64*"}},
		{Spec{Kind: Squares, N: 9}, [2]string{"a:1:64 c:1:64*", "a:1:64 c:1:64*"}},
		{Spec{Kind: Products, N: 9}, [2]string{"a:1:64 c:1:64*", "b:1:64 c:1:64*"}},
		{MatrixSpec(2, 3, 4, 9, false), [2]string{"a:6:64 b:12:64 c:8:64*", "a:6:64 b:12:64 c:8:64*"}},
		{MatrixSpec(2, 3, 4, 9, true), [2]string{"a:6:64 b:12:64:fixed c:8:64*", "a:6:64 b:12:64:fixed c:8:64*"}},
		{Spec{Kind: Convolution, N: 9, Shape: shape}, [2]string{"a:40:64 b:36:64 c:30:64*", "a:40:64 b:36:64 c:30:64*"}},
		{Spec{Kind: Powers, N: 9, Degree: 3, MaskBits: 52},
			[2]string{"rho:1:52 lo2:1:64* hi2:1:64* lo3:1:64* hi3:1:64*", "rho:1:52 lo2:1:64* hi2:1:64* lo3:1:64* hi3:1:64*"}},
		{Spec{Kind: Linear, N: 9, Shape: shape}, [2]string{"s:30:64*", "y:30:64*"}},
	} {
		for party, want := range tc.want {
			if got := describe(tc.spec.Columns(party)); got != want {
				t.Errorf("%v, party %d: %s, want %s", tc.spec, party, got, want)
			}
		}
	}
}

// The known answers were computed without this project, by Python's hmac and
// OpenSSL's aes-128-ctr: the stream "half/" + name of the seed 0, 1, …, 31, its
// words 0 and 1000. They are part of the format of every half that is a seed.
func TestASeedExpandsToTheKnownAnswers(t *testing.T) {
	triples, powers := Spec{Kind: Triples, N: 1001}, Spec{Kind: Powers, N: 1001, Degree: 8, MaskBits: 61}
	products := Spec{Kind: Products, N: 1001}
	linear := Spec{Kind: Linear, N: 91, Shape: ring.LinearShape(2, 11)}
	const below = 1<<61 - 1
	for _, tc := range []struct {
		spec        Spec
		party       int
		name        string
		first, last uint64
	}{
		{triples, 0, "a", 0xcac4609b5d719696, 0x7886498719002db1},
		{triples, 1, "b", 0x020a9baa0e469b2d, 0xf39d3d98281ec0fb},
		{triples, 0, "c", 0xa74b16533b9a477f, 0x68c8ee4672c7bf5b},
		{products, 0, "a", 0xcac4609b5d719696, 0x7886498719002db1},
		{products, 1, "b", 0x020a9baa0e469b2d, 0xf39d3d98281ec0fb},
		{powers, 0, "rho", 0xffcc2d6ef50503a6 & below, 0x1bc1f8f548e13f6d & below},
		{powers, 1, "lo2", 0x12f97d8a34048abf, 0xbbe544617ff8e324},
		{powers, 0, "hi2", 0x7e58c1fa09d22a9c, 0x0a8b1f8cb95b2e7e},
		{powers, 1, "lo8", 0xbcdbc49ec0b449b7, 0xa7ca288b62517114},
		{powers, 0, "hi8", 0x5cf22d0fa50098ea, 0xb62d41f96f925194},
		{linear, 0, "s", 0x34318a631a3601ee, 0x0017d82bd56b8483},
		{linear, 1, "y", 0xa9d7f5beadeb043d, 0x649c3995aa127408},
	} {
		h := SeedHalf(tc.spec, tc.party, knownSeed())
		if v := h.named(tc.name); v[0] != tc.first || v[1000] != tc.last {
			t.Errorf("%v, party %d, column %s: %#x … %#x, want %#x … %#x", tc.spec, tc.party, tc.name, v[0], v[1000], tc.first, tc.last)
		}
		if tc.spec.Kind == Linear {
			h = h.Slice(90, 91) // words 990 to 1000
		} else {
			h = h.Slice(400, 1001).Slice(600, 601)
		}
		if v := h.named(tc.name); v[len(v)-1] != tc.last {
			t.Errorf("%v, party %d, column %s of a slice: %#x, want %#x", tc.spec, tc.party, tc.name, v, tc.last)
		}
	}
}

func TestNamesOfColumnsAreThoseOfTheMethods(t *testing.T) {
	same := func(h *Half, what string, got []uint64, column int) {
		t.Helper()
		if !slices.Equal(got, h.Column(column)) {
			t.Errorf("%v, party %d: %s is not column %d", h.Spec, h.Party, what, column)
		}
	}
	eachHalf(t, 1, func(t *testing.T, h *Half) {
		switch h.Spec.Kind {
		case Triples, Matrix, Convolution:
			same(h, "a", h.A(), 0)
			same(h, "b", h.B(), 1)
			same(h, "c", h.C(), 2)
		case Squares:
			same(h, "a", h.A(), 0)
			same(h, "c", h.C(), 1)
		case Products:
			same(h, "its factor", [2]func() []uint64{h.A, h.B}[h.Party](), 0)
			same(h, "c", h.C(), 1)
		case Linear:
			same(h, "its share", [2]func() []uint64{h.S, h.Y}[h.Party](), 0)
		case Powers:
			same(h, "rho", h.Rho(), 0)
			shares := h.Powers()
			if len(shares) != h.Spec.Degree-1 {
				t.Fatalf("shares of %d powers", len(shares))
			}
			for k, v := range shares {
				same(h, "a low word", v.Lo, 1+2*k)
				same(h, "a high word", v.Hi, 2+2*k)
			}
			again := SeedHalf(h.Spec, h.Party, ring.Seed{})
			again.SetPowers(shares)
			for i := 1; i < len(h.Columns); i++ {
				same(h, "what was set", again.Columns[i], i)
			}
		}
	})
}

// TestASliceHoldsThoseElements takes every range of every mix of explicit and
// expanded columns, and of every such slice every range again.
func TestASliceHoldsThoseElements(t *testing.T) {
	eachHalf(t, 2, func(t *testing.T, h *Half) {
		h.From = 3
		want := columnsOf(h)
		mixes(h, func(h *Half) {
			for from := range h.Spec.N {
				for to := from + 1; to <= h.Spec.N; to++ {
					part := h.Slice(from, to)
					if err := part.Validate(); err != nil {
						t.Fatalf("elements %d to %d: %v", from, to, err)
					}
					checkSlice(t, part, want, from, to)
					for again := range to - from {
						checkSlice(t, part.Slice(again, to-from), want, from+again, to)
						checkSlice(t, part.Slice(0, again+1), want, from, from+again+1)
					}
				}
			}
		})
	})
}

// checkSlice holds elements from to to against the columns of the whole.
func checkSlice(t *testing.T, part *Half, whole [][]uint64, from, to int) {
	t.Helper()
	if part.Spec.N != to-from {
		t.Fatalf("%d elements of %d to %d", part.Spec.N, from, to)
	}
	for i, c := range part.Spec.Columns(part.Party) {
		want := whole[i]
		if !c.Fixed {
			want = want[from*c.Width : to*c.Width]
		}
		if got := part.Column(i); !slices.Equal(got, want) {
			t.Fatalf("column %s of elements %d to %d is %x, want %x", c.Name, from, to, got, want)
		}
	}
}

func TestASliceSharesMemoryAndCannotGrowIntoTheNext(t *testing.T) {
	h := withExplicit(SeedHalf(Spec{Kind: Triples, N: 4}, 0, knownSeed()), 7)
	before := columnsOf(h)
	part := h.Slice(1, 3)
	part.Columns[0][0]++
	if h.Columns[0][1] != before[0][1]+1 {
		t.Error("a slice is a copy")
	}
	_ = append(part.Columns[1], 7)
	if h.Columns[1][3] != before[1][3] {
		t.Error("appending to a slice overwrites the next element")
	}
	part.Columns[2] = nil
	if h.Columns[2] == nil {
		t.Error("a slice shares the list of columns")
	}
}

func TestSlicesOutsideAHalfAreRefused(t *testing.T) {
	h := SeedHalf(Spec{Kind: Triples, N: 4}, 0, knownSeed())
	for _, r := range [][2]int{{-1, 2}, {0, 5}, {2, 2}, {3, 2}, {4, 4}, {0, 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("there are elements %d to %d of 4", r[0], r[1])
				}
			}()
			h.Slice(r[0], r[1])
		}()
	}
}

func TestExpandingAgainGivesTheSame(t *testing.T) {
	eachHalf(t, 3, func(t *testing.T, h *Half) {
		first := columnsOf(h)
		for i := range h.Columns {
			if h.Columns[i] != nil {
				t.Errorf("expanding made column %d explicit", i)
			}
			if !slices.Equal(h.Column(i), first[i]) {
				t.Errorf("column %d differs when it is expanded again", i)
			}
		}
	})
}

// TestNoTwoElementsAreTheSame expands all columns of halves of every kind and
// party: no word but a bit of a narrow mask comes up twice, whether in one
// column, in two of a half, or in two halves.
func TestNoTwoElementsAreTheSame(t *testing.T) {
	seen := map[uint64]string{}
	eachHalf(t, 4, func(t *testing.T, h *Half) {
		if h.Spec.MaskBits == 1 {
			return
		}
		for i, c := range h.Spec.Columns(h.Party) {
			for _, x := range h.Column(i) {
				name := fmt.Sprintf("%v, party %d, column %s", h.Spec, h.Party, c.Name)
				if before, ok := seen[x]; ok {
					t.Fatalf("%s and %s share an element", before, name)
				}
				seen[x] = name
			}
		}
	})
	if len(seen) < 1000 {
		t.Errorf("only %d elements", len(seen))
	}
}

func TestFreshHalvesHaveFreshSeeds(t *testing.T) {
	spec := Spec{Kind: Squares, N: 2}
	a, b := NewHalf(spec, 1), NewHalf(spec, 1)
	if a.Seed == b.Seed || a.Seed == (ring.Seed{}) {
		t.Error("two fresh halves have the same seed, or none")
	}
	if err := a.Validate(); err != nil || a.Spec != spec || a.Party != 1 || a.explicit() != 0 {
		t.Errorf("a fresh half is %v: %v", a, err)
	}
}

func TestImpossibleHalvesAreRefused(t *testing.T) {
	triples := Spec{Kind: Triples, N: 4}
	powers := Spec{Kind: Powers, N: 2, Degree: 2, MaskBits: 8}
	for _, tc := range []struct {
		spec   Spec
		change func(*Half)
		want   string
	}{
		{triples, func(h *Half) { h.Spec.N = 0 }, "triples of 0 elements"},
		{triples, func(h *Half) { h.Spec.Kind = 9 }, "unknown kind 9"},
		{triples, func(h *Half) { h.Party = 2 }, "party 2; there are 0 and 1"},
		{triples, func(h *Half) { h.Party = -1 }, "party -1"},
		{triples, func(h *Half) { h.From = -1 }, "from element -1 of their seed"},
		{triples, func(h *Half) { h.From = MaxElements - 3 }, "from element 268435453 of their seed, 4 of them"},
		{triples, func(h *Half) { h.From = 1<<63 - 1 }, "from element 9223372036854775807"},
		{triples, func(h *Half) { h.Columns = nil }, "0 columns, not 3"},
		{triples, func(h *Half) { h.Columns = append(h.Columns, nil) }, "4 columns, not 3"},
		{triples, func(h *Half) { h.Columns[1] = []uint64{} }, "column b has 0 words, not 4"},
		{triples, func(h *Half) { h.Columns[1] = make([]uint64, 3) }, "column b has 3 words, not 4"},
		{triples, func(h *Half) { h.Columns[2] = make([]uint64, 5) }, "column c has 5 words, not 4"},
		{MatrixSpec(2, 3, 4, 2, true), func(h *Half) { h.Columns[1] = make([]uint64, 24) }, "column b has 24 words, not 12"},
		{MatrixSpec(2, 3, 4, 2, false), func(h *Half) { h.Columns[1] = make([]uint64, 12) }, "column b has 12 words, not 24"},
		{powers, func(h *Half) { h.Columns[0] = []uint64{255, 256} }, "column rho is not below 2^8"},
		{powers, func(h *Half) { h.Columns[0] = []uint64{1 << 63, 0} }, "column rho is not below 2^8"},
		{powers, func(h *Half) { h.Columns[2] = make([]uint64, 1) }, "column hi2 has 1 words, not 2"},
		{Spec{Kind: Linear, N: 2, Shape: ring.LinearShape(3, 5)}, func(h *Half) { h.Columns[0] = make([]uint64, 5) }, "column s has 5 words, not 10"},
	} {
		h := SeedHalf(tc.spec, 0, knownSeed())
		if err := h.Validate(); err != nil {
			t.Fatal(err)
		}
		tc.change(h)
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
		if _, err := h.MarshalBinary(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("encoding: error %v, want one with %q", err, tc.want)
		}
		if _, _, err := h.Encode(); err == nil {
			t.Errorf("it has a head and rows: %s", tc.want)
		}
	}
	last := SeedHalf(triples, 0, knownSeed())
	last.From = MaxElements - 4
	for _, h := range []*Half{last, last.Slice(3, 4)} {
		if err := h.Validate(); err != nil {
			t.Errorf("the last elements there are: %v", err)
		}
	}
	if h := (&Half{Spec: powers, Columns: [][]uint64{{255, 0}, nil, nil}}); h.Validate() != nil {
		t.Errorf("masks below 2^8: %v", h.Validate())
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	r := testRand(26)
	b0, b1 := testBundle(r, 0), testBundle(r, 1)
	secrets := [][]uint64{b1.Opening[0], b1.Output, b0.Powers[0].Column(0), b1.Powers[0].Column(2), b0.Linear[1].Columns[0]}
	request := Request{Spec: Spec{Kind: Linear, N: 1, Shape: ring.LinearShape(5, 3)}, Input: randomWords(r, 5)}
	layer := Layer{Shape: ring.LinearShape(2, 3), Weights: []int16{-12345, 23456, -23457, 12346, 31234, -31235}}
	secrets = append(secrets, request.Input)
	var halves []*Half
	for _, spec := range testSpecs() {
		for party := range 2 {
			h := SeedHalf(spec, party, testSeed(r))
			h = withExplicit(h, 1<<len(h.Columns)-1)
			halves = append(halves, h)
			if spec.MaskBits != 1 {
				secrets = append(secrets, h.Columns...)
			}
		}
	}
	h := halves[0]
	values := []any{
		b0, *b0, b1, *b1, []any{b1}, struct{ B *Bundle }{b1}, struct{ B Bundle }{*b1}, map[string]*Bundle{"b": b1},
		halves, *h, []Half{*h}, struct{ H Half }{*h}, struct{ H *Half }{h}, map[int]Half{1: *h}, [1]Half{*h}, [2][]*Half{halves},
		request, &request, []Request{request}, struct{ R Request }{request},
		layer, &layer, Run{Layers: []Layer{layer}}, &Run{Layers: []Layer{layer}},
		fmt.Errorf("%v, %w", h, fmt.Errorf("%+v", *b1)),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%q", "%o", "%b", "%c", "%U", "%t", "%e", "%10.3v", "%08d", "%T"} {
		for i, v := range values {
			out := fmt.Sprintf(verb, v)
			for _, s := range secrets {
				for _, x := range s {
					if strings.Contains(out, fmt.Sprint(x)) || strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", x)) {
						t.Fatalf("%s of value %d, a %T, shows a secret: %s", verb, i, v, out)
					}
				}
			}
			for _, w := range layer.Weights {
				if strings.Contains(out, fmt.Sprint(w)) || strings.Contains(out, fmt.Sprintf("%x", w)) {
					t.Fatalf("%s of value %d, a %T, shows a weight: %s", verb, i, v, out)
				}
			}
		}
	}
	for _, tc := range []struct {
		value any
		want  string
	}{
		{b1, "bundle(party 1, plan 0102030405060708, redacted)"},
		{&Bundle{}, "bundle(party 0, redacted)"},
		{h, "triples(party 0, 7 elements, redacted)"},
		{&Half{}, "kind 0(party 0, 0 elements, redacted)"},
		{(*Half)(nil), "<nil>"},
		{request, "request(1 of linear layer 0, 1x1x5/1x1x3/s1x1/p0x0x0x0, input of 5 elements, redacted)"},
		{layer, "layer(1x1x2/1x1x3/s1x1/p0x0x0x0, 6 weights, redacted)"},
	} {
		if got := fmt.Sprint(tc.value); got != tc.want {
			t.Errorf("a %T prints as %q, not %q", tc.value, got, tc.want)
		}
	}
}

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pascaline/correlation"
	"pascaline/offline"
	"pascaline/ring"
)

var (
	// brief are the sizes of tests that break one thing plainly, tiny those of
	// tests that need no statistics.
	brief = sizes{main: 1100, last: 2048, side: 600}
	tiny  = sizes{main: 30, last: 40, side: 10}
)

// passing returns sizes for what is right, or tiny ones where tests are to be
// short.
func passing(n sizes) *sizes {
	if testing.Short() {
		n = tiny
	}
	return &n
}

func TestTheBuiltInBackendPasses(t *testing.T) {
	o := Options{sizes: passing(quick)}
	if testing.Short() {
		o.Kinds = []correlation.Kind{triples, linear}
	}
	r := Check(t.Context(), offline.Lattigo{}, offline.Lattigo{}, o)
	t.Logf("\n%v", r)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestABackendThatDealsPasses(t *testing.T) {
	var told []Result
	r := Check(t.Context(), new(dealing), new(dealing), Options{sizes: passing(brief), Done: func(x Result) { told = append(told, x) }})
	t.Logf("\n%v", r)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if !slices.Equal(told, r.Results) {
		t.Error("the results told are not those of the report")
	}
	// One for the backend, nine for each kind, none left out.
	if want := 1 + 9*len(correlation.Kinds()); len(r.Results) != want {
		t.Errorf("%d results, want %d", len(r.Results), want)
	}
	if len(r.Throughput) != len(correlation.Kinds()) {
		t.Errorf("throughput of %d kinds", len(r.Throughput))
	}
	if c := r.Confidence(); c < 36 {
		t.Errorf("%d tests: a correct backend fails with a probability of up to 2^-%.1f", r.Tests, c)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil || back.String() != r.String() {
		t.Errorf("the report does not survive JSON: %v", err)
	}
}

func TestLongAThoroughCheckPasses(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("set PASCALINE_LONG=1 to run: thorough checks of two backends, some minutes")
	}
	for _, b := range []correlation.Backend{new(dealing), offline.Lattigo{}} {
		r := Check(t.Context(), b, b, Options{Thorough: true})
		t.Logf("\n%v", r)
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		if c := r.Confidence(); c < 36 {
			t.Errorf("%d tests: a correct backend fails with a probability of up to 2^-%.1f", r.Tests, c)
		}
	}
}

// A broken backend and the fault that is to be found.
type broken struct {
	name  string
	kind  correlation.Kind
	check string // that fails
	want  []string
	dealing
}

const (
	triples  = correlation.Triples
	squares  = correlation.Squares
	products = correlation.Products
	matrix   = correlation.Matrix
	images   = correlation.Convolution
	powers   = correlation.Powers
	linear   = correlation.Linear
)

// wrongHalves break the algebra, or what a call returns.
var wrongHalves = []broken{
	{"a wrong product", triples, checkAlgebra, []string{"of triples", "product 3 do not add up"}, dealing{
		deal: func(_ *dealingRun, h0, _ *correlation.Half, _ []uint64) {
			if c := h0.C(); len(c) > 3 {
				c[3]++
			}
		},
	}},
	{"a wrong high word of a power", powers, checkAlgebra, []string{"power 3 do not add up"}, dealing{
		deal: func(_ *dealingRun, h0, _ *correlation.Half, _ []uint64) {
			if len(h0.Columns) > 4 {
				h0.Columns[4][0]++
			}
		},
	}},
	{"a linear correlation off by two units", linear, checkAlgebra, []string{"off by 2 units"}, dealing{
		deal: func(_ *dealingRun, _, h1 *correlation.Half, _ []uint64) { h1.Columns[0][0] += 2 },
	}},
	{"unrelated halves", squares, checkAlgebra, []string{"do not add up"}, dealing{
		deal: func(_ *dealingRun, h0, _ *correlation.Half, _ []uint64) {
			*h0 = *correlation.NewHalf(h0.Spec, 0)
		},
	}},
	{"halves that the next call overwrites", triples, checkAlgebra, []string{"in call 2 of run 1"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half {
			if first := r.kept[min(1, len(r.kept)-1)]; r.Party == 0 && r.calls == 3 && first.Spec == halves[0].Spec {
				copy(first.Columns[2], halves[0].Columns[2])
			}
			return halves
		},
	}},
	{"a short batch", triples, checkAnswers, []string{"party 1", "wrong size", "4 elements for 5 of triples"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half {
			if h := halves[0]; r.Party == 1 && h.Spec.N > 1 {
				halves[0] = h.Slice(0, h.Spec.N-1)
			}
			return halves
		},
	}},
	{"a short column", matrix, checkAnswers, []string{"party 0", "column c has"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half {
			if r.Party == 0 {
				halves[0].Columns[2] = halves[0].Columns[2][1:]
			}
			return halves
		},
	}},
	{"fewer halves than asked for", squares, checkAnswers, []string{"2 halves for 3 requests"}, dealing{
		answer: func(_ *dealingRun, halves []*correlation.Half) []*correlation.Half {
			return halves[:min(2, len(halves))]
		},
	}},
	{"no half", squares, checkAnswers, []string{"no half for request 0"}, dealing{
		answer: func(_ *dealingRun, halves []*correlation.Half) []*correlation.Half {
			return make([]*correlation.Half, len(halves))
		},
	}},
	{"a wrong kind", triples, checkAnswers, []string{"wrong kind: squares for 5 of triples"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half {
			halves[0] = correlation.NewHalf(correlation.Spec{Kind: squares, N: halves[0].Spec.N}, r.Party)
			return halves
		},
	}},
	{"another degree", powers, checkAnswers, []string{"returned 5 of powers/3/52 for 5 of powers/4/52"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half {
			spec := halves[0].Spec
			spec.Degree = 3
			halves[0] = correlation.NewHalf(spec, r.Party)
			return halves
		},
	}},
	{"the other party's half", triples, checkAnswers, []string{"party 1 returned the half of party 0"}, dealing{
		answer: func(_ *dealingRun, halves []*correlation.Half) []*correlation.Half {
			halves[0] = correlation.NewHalf(halves[0].Spec, 0)
			return halves
		},
	}},
	{"masks that are too wide", powers, checkAnswers, []string{"does not fit", "rho is not below 2^52"}, dealing{
		answer: func(_ *dealingRun, halves []*correlation.Half) []*correlation.Half {
			explicit(halves[0])
			halves[0].Columns[0][0] = 1 << 52
			return halves
		},
	}},
	{"progress beyond the end", triples, checkAnswers, []string{"Progress was told 1.5"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half { r.Progress(1.5); return halves },
	}},
}

// wrongValues have the right algebra, and hide nothing.
var wrongValues = []broken{
	{"the same seed in every call", triples, checkFresh, []string{"the same seed for two calls of a run"}, dealing{
		open:  func(r *dealingRun) error { r.kept = []*correlation.Half{{Seed: ring.NewSeed()}}; return nil },
		seeds: func(r *dealingRun, i int) [2]ring.Seed { return seedPair(r.kept[0].Seed, i) },
	}},
	{"the same seed for all halves of a call", squares, checkFresh, []string{"the same seed for two halves of a call"}, dealing{
		seeds: func(r *dealingRun, _ int) [2]ring.Seed {
			return [2]ring.Seed{fixedSeed.Derive("call", uint64(r.calls)), ring.NewSeed()}
		},
	}},
	{"the same seeds in every run", products, checkFresh, []string{"the same seed for two runs"}, dealing{
		seeds: func(r *dealingRun, i int) [2]ring.Seed {
			return seedPair(fixedSeed.Derive("call", uint64(r.calls), uint64(len(r.kept))), i)
		},
	}},
	{"seeds that count up", triples, checkFresh, []string{"nearly the same"}, dealing{
		seeds: func(r *dealingRun, i int) [2]ring.Seed {
			s := [2]ring.Seed{fixedSeed, ring.NewSeed()}
			s[0][0] += byte(len(r.kept) + i)
			return s
		},
	}},
	{"seeds of eight bytes", triples, checkFresh, []string{"hardly random"}, dealing{
		seeds: func(*dealingRun, int) [2]ring.Seed {
			short := ring.NewSeed()
			clear(short[8:])
			return [2]ring.Seed{ring.NewSeed(), short}
		},
	}},
	{"the same values in every run, explicitly", triples, checkFresh, []string{"words come twice", "for two runs", "party 0's a of 5 of triples in call 1 of run 1"}, dealing{
		deal: func(r *dealingRun, h0, h1 *correlation.Half, _ []uint64) {
			explicit(h1)
			from := correlation.SeedHalf(h0.Spec, 0, fixedSeed.Derive("deal", uint64(len(r.kept)), uint64(h0.Spec.N)))
			h0.Columns[0] = from.Column(0)
			correlation.Complete(h0, h1)
		},
	}},
	{"repeating elements", triples, checkFresh, []string{"words come twice", "in one half"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for _, h := range []*correlation.Half{h0, h1} {
				for i := 16; i < h.Spec.N; i++ {
					for _, c := range h.Columns {
						c[i] = c[i%16]
					}
				}
			}
		}),
	}},
	{"masks that repeat", powers, checkFresh, []string{"words come twice", "party 0's rho"}, dealing{
		deal: operand(func(h0, _ *correlation.Half) {
			for i := 500; i < h0.Spec.N; i++ {
				h0.Columns[0][i] = h0.Columns[0][i-500]
			}
		}),
	}},
	{"a call that is the one before plus a constant", triples, checkFresh, []string{"the difference of party 1's a (triples) and the same column of another call"}, dealing{
		deal: func(r *dealingRun, h0, h1 *correlation.Half, _ []uint64) {
			explicit(h0)
			explicit(h1)
			if before := slices.IndexFunc(r.kept, func(h *correlation.Half) bool { return h.Spec == h0.Spec }); before >= 0 {
				// Party 1's column, which party 0 keeps beside its own.
				for i, v := range r.kept[before].Columns[3] {
					h1.Columns[0][i] = v + 12345
				}
			}
			correlation.Complete(h0, h1)
			h0.Columns = append(h0.Columns, h1.Columns[0])
		},
		answer: func(_ *dealingRun, halves []*correlation.Half) []*correlation.Half {
			var out []*correlation.Half
			for _, h := range halves {
				c := *h
				c.Columns = h.Columns[:3]
				out = append(out, &c)
			}
			return out
		},
	}},
	{"a constant column", triples, checkUniform, []string{"party 1's b (triples) is the same word in all"}, dealing{
		deal: operand(func(_, h1 *correlation.Half) { fill(h1.Columns[1], 0x123456789abcdef0) }),
	}},
	{"a bit set three times in four", triples, checkUniform, []string{"bit 5 of party 1's b (triples) is set in", "shows what it should hide"}, dealing{
		deal: operand(func(_, h1 *correlation.Half) {
			for i, v := range h1.Columns[0] {
				h1.Columns[1][i] |= v >> 7 & 1 << 5
			}
		}),
	}},
	{"a bit that is another", squares, checkUniform, []string{"bit 2 of party 0's a", "bit 40 of the same agree in"}, dealing{
		deal: operand(func(h0, _ *correlation.Half) {
			for i, v := range h0.Columns[0] {
				h0.Columns[0][i] = v&^(1<<40) | v>>2&1<<40
			}
		}),
	}},
	{"bytes that are digits", squares, checkUniform, []string{"party 0's a"}, dealing{
		deal: operand(func(h0, _ *correlation.Half) {
			for i, v := range h0.Columns[0] {
				h0.Columns[0][i] = v&^0xff | v%200&0xff
			}
		}),
	}},
	{"a linear congruential generator", products, checkUniform, []string{"party 0's a", "the word after it"}, dealing{
		deal: operand(func(h0, _ *correlation.Half) {
			for i := 1; i < h0.Spec.N; i++ {
				h0.Columns[0][i] = h0.Columns[0][i-1]*6364136223846793005 + 1442695040888963407
			}
		}),
	}},
	{"shares of 32 bits", triples, checkUniform, []string{"bit 40 of party 0's c", "set in 0 of"}, dealing{
		deal: share(func(h0, _ *correlation.Half) {
			for i := range h0.Columns[2] {
				h0.Columns[2][i] &= 1<<40 - 1
			}
		}),
	}},
	{"shares of powers in 64 bits", powers, checkUniform, []string{"party 1's hi2", "is the same word"}, dealing{
		deal: func(_ *dealingRun, h0, h1 *correlation.Half, _ []uint64) {
			explicit(h1)
			for k := range h1.Spec.Degree - 1 {
				clear(h1.Columns[2+2*k])
			}
			correlation.Complete(h0, h1)
		},
	}},
	{"masks that are too narrow", powers, checkUniform, []string{"bit 51 of party 0's rho (powers/4/52) is set in 0 of"}, dealing{
		deal: operand(func(h0, _ *correlation.Half) {
			for i := range h0.Columns[0] {
				h0.Columns[0][i] &= 1<<(h0.Spec.MaskBits-1) - 1
			}
		}),
	}},
	{"a constant s", linear, checkUniform, []string{"party 0's s", "is the same word in all"}, dealing{
		deal: linearMask(func(_ *dealingRun, s, _, _ []uint64) { fill(s, 7) }),
	}},
	{"an s of 40 bits", linear, checkUniform, []string{"party 0's s", "bit 40"}, dealing{
		deal: linearMask(func(_ *dealingRun, s, _, _ []uint64) {
			for i := range s {
				s[i] &= 1<<40 - 1
			}
		}),
	}},
	{"an s that the weights determine", linear, checkFresh, []string{"words come twice", "party 0's s"}, dealing{
		deal: func(r *dealingRun, h0, h1 *correlation.Half, in []uint64) {
			seed := fixedSeed
			w := r.Layers[h0.Spec.Layer].Weights
			for i, v := range w {
				seed[i%32] = seed[i%32]*5 + byte(v) + byte(v>>8)
			}
			s := correlation.SeedHalf(h0.Spec, 0, seed)
			h0.Columns[0] = s.Column(0)
			correlation.CompleteLinear(w, in, h0, h1)
		},
	}},
}

// leakingHalves are uniform each, and tell of each other.
var leakingHalves = []broken{
	{"a1 = a0", triples, checkIndependent, []string{"come twice", "party 0's a", "party 1's a"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) { copy(h1.Columns[0], h0.Columns[0]) }),
	}},
	{"a1 = −a0", squares, checkIndependent, []string{"the sum of party 0's a and party 1's a (squares) is the same word", "tell something of the other's half"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for i, v := range h0.Columns[0] {
				h1.Columns[0][i] = -v
			}
		}),
	}},
	{"b is a, turned by 17 bits", products, checkIndependent, []string{"bit 0 of party 0's a and bit 17 of party 1's b (products) agree in"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for i, v := range h0.Columns[0] {
				h1.Columns[0][i] = bits.RotateLeft64(v, 17)
			}
		}),
	}},
	{"a bit of b1 is one of a0, three times in four", triples, checkIndependent, []string{"bit 30 of party 0's a and bit 60 of party 1's b"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for i, v := range h0.Columns[0] {
				if b := &h1.Columns[1][i]; *b&1 == 1 {
					*b = *b&^(1<<60) | v>>30&1<<60
				}
			}
		}),
	}},
	{"b1 = a0 + 3·b0", triples, checkIndependent, []string{"one linear equation holds for bit 0 of party 0's a, bit 0 of party 0's b, bit 0 of party 1's b"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for i := range h1.Columns[1] {
				h1.Columns[1][i] = h0.Columns[0][i] + 3*h0.Columns[1][i]
			}
		}),
	}},
	{"the matrices of both parties alike", matrix, checkIndependent, []string{"party 0's b", "party 1's b"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) { copy(h1.Columns[1], h0.Columns[1]) }),
	}},
	{"c0 = a0·b0", triples, checkIndependent, []string{"party 0's c − a0·b0 (triples) is the same word in all"}, dealing{
		deal: share(func(h0, _ *correlation.Half) {
			for i := range h0.Columns[2] {
				h0.Columns[2][i] = h0.Columns[0][i] * h0.Columns[1][i]
			}
		}),
	}},
	{"c1 = a1·b0 − a1·b1", triples, checkIndependent, []string{"party 1's c − a1·b0 + a1·b1 (triples) is the same word in all"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for i := range h1.Columns[2] {
				h1.Columns[2][i] = h1.Columns[0][i]*h0.Columns[1][i] - h1.Columns[0][i]*h1.Columns[1][i]
			}
		}),
	}},
	{"c1 is zero", triples, checkUniform, []string{"party 1's c (triples) is the same word in all"}, dealing{
		deal: operand(func(_, h1 *correlation.Half) { clear(h1.Columns[2]) }),
	}},
	{"c1 = a1²", squares, checkIndependent, []string{"party 1's c − a1·a1 (squares) is the same word in all"}, dealing{
		deal: operand(func(_, h1 *correlation.Half) {
			for i, v := range h1.Columns[0] {
				h1.Columns[1][i] = v * v
			}
		}),
	}},
	{"C0 = A0∗B0", images, checkIndependent, []string{"party 0's c − a0·b0 (convolution/8x8x8/3x3x16/s1x1/p1x1x1x1) is the same word in all"}, dealing{
		deal: share(func(h0, _ *correlation.Half) {
			c := class{spec: h0.Spec}
			h0.Columns[2] = c.convolve(h0.Spec.N, h0.Columns[0], h0.Columns[1])
		}),
	}},
	{"a share of ρ³ that is ρ1³", powers, checkIndependent, []string{"party 1's lo3 − rho1^3 (powers/4/52) is the same word in all"}, dealing{
		deal: operand(func(_, h1 *correlation.Half) {
			if h1.Spec.Degree < 3 {
				return
			}
			for i, r := range h1.Columns[0] {
				lo, hi := multiply128(r, 0, r)
				h1.Columns[3][i], h1.Columns[4][i] = multiply128(lo, hi, r)
			}
		}),
	}},
	{"the high word of a share that is the product's", powers, checkIndependent, []string{"the high word of party 1's lo2 − (rho^2 − rho0^2 − rho1^2)"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) {
			for i, r := range h1.Columns[0] {
				lo, hi := multiply128(r, 0, 2*h0.Columns[0][i])
				_, borrow := bits.Sub64(h1.Columns[1][i], lo, 0)
				h1.Columns[2][i] = hi + borrow
			}
		}),
	}},
	{"the same masks at both parties", powers, checkIndependent, []string{"the difference of party 0's rho and party 1's rho (powers/4/52) is the same word"}, dealing{
		deal: operand(func(h0, h1 *correlation.Half) { copy(h1.Columns[0], h0.Columns[0]) }),
	}},
	{"one seed for both parties", triples, checkIndependent, []string{"the same seed for both parties"}, dealing{
		seeds: func(*dealingRun, int) [2]ring.Seed { s := ring.NewSeed(); return [2]ring.Seed{s, s} },
	}},
	{"opposite seeds", triples, checkIndependent, []string{"nearly the same, or opposite, for both parties"}, dealing{
		seeds: func(*dealingRun, int) [2]ring.Seed {
			s := ring.NewSeed()
			return [2]ring.Seed{s, difference(s, ring.Seed(slices.Repeat([]byte{255}, 32)))}
		},
	}},
	{"seeds that differ by a secret", triples, checkIndependent, []string{"seeds that differ by what other seeds differ by, for both parties"}, dealing{
		seeds: func(*dealingRun, int) [2]ring.Seed {
			s := ring.NewSeed()
			return [2]ring.Seed{s, difference(s, fixedSeed)}
		},
	}},
	{"y is r", linear, checkIndependent, []string{"party 1's y", "party 1's input"}, dealing{
		deal: linearMask(func(_ *dealingRun, s, wr, r []uint64) {
			for i, v := range wr {
				s[i] = v - r[i%len(r)]
			}
		}),
	}},
	{"s = W·r + y' for a y' of half the bits", linear, checkUniform, []string{"party 1's y", "bit 32"}, dealing{
		deal: linearMask(func(_ *dealingRun, s, wr, _ []uint64) {
			for i, v := range wr {
				s[i] = v - s[i]&(1<<32-1)
			}
		}),
	}},
	{"s follows the input", linear, checkIndependent, []string{"party 0's s", "party 1's input"}, dealing{
		deal: linearMask(func(_ *dealingRun, s, _, r []uint64) {
			for i := range s {
				s[i] = s[i]&^(1<<9) | r[i%len(r)]>>20&1<<9
			}
		}),
	}},
}

// wrongEnds hang, crash, or go on where they should not.
var wrongEnds = []broken{
	{"a hang", triples, checkAnswers, []string{"in call 1", "hangs", "cancelling its context does not end it"}, dealing{
		generate: func(ctx context.Context, r *dealingRun, _ []correlation.Request) ([]*correlation.Half, bool, error) {
			if r.Party == 1 {
				<-released(ctx)
			}
			return nil, false, nil
		},
	}},
	{"a wait for nothing", triples, checkAnswers, []string{"hangs: no answer in 1m0s"}, dealing{
		generate: func(ctx context.Context, _ *dealingRun, _ []correlation.Request) ([]*correlation.Half, bool, error) {
			<-ctx.Done()
			return nil, true, ctx.Err()
		},
	}},
	{"a hang in Open", triples, checkAnswers, []string{"opening a run", "hangs"}, dealing{
		open: func(r *dealingRun) error {
			_, err := r.Twin.Recv(context.Background(), 1)
			return err
		},
	}},
	{"more in the twin than it holds", triples, checkAnswers, []string{"hangs"}, dealing{
		generate: func(ctx context.Context, r *dealingRun, _ []correlation.Request) ([]*correlation.Half, bool, error) {
			for range 4 {
				if err := r.Twin.Send(ctx, make([]byte, laneSize/2)); err != nil {
					return nil, true, err
				}
			}
			for range 4 {
				if _, err := r.Twin.Recv(ctx, laneSize); err != nil {
					return nil, true, err
				}
			}
			return nil, false, nil
		},
	}},
	{"a crash in the middle", triples, checkAnswers, []string{"party 1 crashes: index out of range"}, dealing{
		answer: func(r *dealingRun, halves []*correlation.Half) []*correlation.Half {
			if r.Party == 1 {
				panic("index out of range")
			}
			return halves
		},
	}},
	{"an error in the middle", triples, checkAnswers, []string{"in call 2", "party 0 failed: out of paper"}, dealing{
		generate: func(_ context.Context, r *dealingRun, _ []correlation.Request) ([]*correlation.Half, bool, error) {
			if r.Party == 0 && r.calls == 1 {
				return nil, true, errors.New("out of paper")
			}
			return nil, false, nil
		},
	}},
	{"a run that opens with nothing", triples, checkAnswers, []string{"opening a run", "party 0 failed: a wrong moon"}, dealing{
		open: func(r *dealingRun) error {
			if r.Party == 0 {
				return errors.New("a wrong moon")
			}
			return nil
		},
	}},
	{"a hang when the twin breaks", triples, checkBrokenTwin, []string{"when the twin breaks at message", "hangs"}, dealing{
		lost: func(ctx context.Context, _ *dealingRun, _ []correlation.Request, _ error) ([]*correlation.Half, error) {
			<-released(ctx)
			return nil, errors.New("released")
		},
	}},
	{"halves of a run that was cut", triples, checkBrokenTwin, []string{"when the twin breaks at message", "takes the run for complete"}, dealing{
		lost: func(_ context.Context, r *dealingRun, requests []correlation.Request, err error) ([]*correlation.Half, error) {
			if r.Party == 0 {
				return nil, err
			}
			return []*correlation.Half{correlation.NewHalf(requests[0].Spec, 1)}, nil
		},
	}},
	{"a run that goes on after an error", triples, checkBrokenTwin, []string{"party 0's run goes on"}, dealing{
		lost: func(_ context.Context, r *dealingRun, _ []correlation.Request, err error) ([]*correlation.Half, error) {
			r.over = false
			r.dealing = &dealing{generate: func(context.Context, *dealingRun, []correlation.Request) ([]*correlation.Half, bool, error) {
				return nil, r.Party == 0, nil
			}}
			return nil, err
		},
	}},
	{"a failed run that spoils the next", triples, checkRecovery, []string{", a new run fails", "party 0 failed: spoilt"}, dealing{
		open: func(r *dealingRun) error {
			if spoilt := r.describe != nil; spoilt && r.Party == 0 {
				return errors.New("spoilt")
			}
			return nil
		},
		lost: func(_ context.Context, r *dealingRun, _ []correlation.Request, err error) ([]*correlation.Half, error) {
			if r.Party == 0 {
				r.describe = func(*correlation.Description) {}
			}
			return nil, err
		},
	}},
	{"a panic when the twin breaks", triples, checkBrokenTwin, []string{"crashes"}, dealing{
		lost: func(context.Context, *dealingRun, []correlation.Request, error) ([]*correlation.Half, error) {
			panic("no twin")
		},
	}},
	{"a context that is not passed on", triples, checkCancelling, []string{"falls silent and the context is cancelled", "hangs"}, dealing{
		generate: func(_ context.Context, r *dealingRun, requests []correlation.Request) ([]*correlation.Half, bool, error) {
			h, err := r.one(context.Background(), 0, requests[0])
			for i := 1; i < len(requests) && err == nil; i++ {
				_, err = r.one(context.Background(), i, requests[i])
			}
			return []*correlation.Half{h}, len(requests) == 1 || err != nil, err
		},
	}},
	{"anything is accepted", powers, checkRefusals, []string{"asked for degree 9", "party 0 accepts"}, dealing{
		generate: accept(func(r correlation.Request) bool { return r.Spec.Degree == 9 }),
	}},
	{"a kind that is not declared", squares, checkRefusals, []string{"asked for triples, which it does not declare", "accepts"}, dealing{
		describe: func(d *correlation.Description) { d.Kinds = []correlation.Kind{squares} },
	}},
	{"inputs of any length", linear, checkRefusals, []string{"asked for an input that lacks a word at party 1", "accepts"}, dealing{
		generate: accept(func(r correlation.Request) bool {
			return r.Spec.Kind == linear && r.Spec.N > 0 && len(r.Input)%r.Spec.Shape.InLen() != 0
		}),
	}},
	{"a crash at no elements", triples, checkRefusals, []string{"asked for no elements", "crashes"}, dealing{
		generate: func(_ context.Context, _ *dealingRun, requests []correlation.Request) ([]*correlation.Half, bool, error) {
			if requests[0].Spec.N == 0 {
				panic("divide by zero")
			}
			return nil, false, nil
		},
	}},
	{"two words for a name", triples, "description", []string{`"dealing two"`, "one word"}, dealing{
		describe: func(d *correlation.Description) { d.Name = "dealing two" },
	}},
	{"no version", triples, "description", []string{"version"}, dealing{
		describe: func(d *correlation.Description) { d.Version = "" },
	}},
	{"nothing about trust", triples, "description", []string{"whom and what its users must trust"}, dealing{
		describe: func(d *correlation.Description) { d.Trust = "yes" },
	}},
	{"no kinds", triples, "description", []string{"declares no kinds"}, dealing{
		describe: func(d *correlation.Description) { d.Kinds = nil },
	}},
	{"a kind twice", triples, "description", []string{"declares triples twice"}, dealing{
		describe: func(d *correlation.Description) { d.Kinds = append(d.Kinds, triples) },
	}},
	{"a kind that is none", triples, "description", []string{"declares kind 77, which is none"}, dealing{
		describe: func(d *correlation.Description) { d.Kinds = append(d.Kinds, 77) },
	}},
}

func TestEveryFaultIsNamed(t *testing.T) {
	for _, of := range []struct {
		name  string
		cases []broken
		sizes sizes
	}{{"halves", wrongHalves, tiny}, {"values", wrongValues, brief}, {"leaks", leakingHalves, brief}, {"ends", wrongEnds, tiny}} {
		for i, b := range of.cases {
			if testing.Short() && of.sizes == brief && (i%4 != 0 || b.kind == powers) {
				continue // statistics are slow with the race detector, and have no races
			}
			t.Run(of.name+"/"+b.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { b.isNamed(t, of.sizes) })
			})
		}
	}
}

// isNamed runs in a bubble of synctest: its clock goes on only when everybody
// waits, so that a hang is one, and takes no time.
func (b *broken) isNamed(t *testing.T, n sizes) {
	release := make(chan struct{})
	ctx := context.WithValue(t.Context(), releasing{}, release)
	r := Check(ctx, &b.dealing, &b.dealing, Options{Kinds: []correlation.Kind{b.kind}, sizes: &n})
	close(release)
	err := r.Err()
	if err == nil {
		t.Fatalf("passes:\n%v", r)
	}
	i := slices.IndexFunc(r.Results, func(x Result) bool { return x.Check == b.check && x.Status == Failed })
	if i < 0 {
		t.Fatalf("%s does not fail:\n%v", b.check, r)
	}
	for _, want := range b.want {
		if !strings.Contains(r.Results[i].Detail, want) {
			t.Errorf("%q is not in: %s", want, r.Results[i].Detail)
		}
	}
	t.Log(r.Results[i].Detail)
}

type releasing struct{}

// released returns a channel that is closed when the check is over.
func released(ctx context.Context) <-chan struct{} {
	return ctx.Value(releasing{}).(chan struct{})
}

// accept has requests of a sort accepted.
func accept(sort func(correlation.Request) bool) func(context.Context, *dealingRun, []correlation.Request) ([]*correlation.Half, bool, error) {
	return func(_ context.Context, r *dealingRun, requests []correlation.Request) ([]*correlation.Half, bool, error) {
		if r.Party == 0 && requests[0].Spec.Kind != powers || !sort(requests[0]) {
			return nil, false, nil
		}
		return []*correlation.Half{{Spec: requests[0].Spec, Party: r.Party}}, true, nil
	}
}

// linearMask changes s, given W·r and r, of every inference, and has y follow.
func linearMask(change func(run *dealingRun, s, wr, r []uint64)) func(*dealingRun, *correlation.Half, *correlation.Half, []uint64) {
	return func(run *dealingRun, h0, h1 *correlation.Half, r []uint64) {
		explicit(h0)
		shape, w := h0.Spec.Shape, run.Layers[h0.Spec.Layer].Weights
		wr := make([]uint64, shape.OutLen())
		for n := range h0.Spec.N {
			in := r[n*shape.InLen():][:shape.InLen()]
			ring.Conv(wr, in, w, shape)
			change(run, h0.Columns[0][n*shape.OutLen():][:shape.OutLen()], wr, in)
		}
		correlation.CompleteLinear(w, r, h0, h1)
	}
}

// fixedSeed is no secret.
var fixedSeed = ring.NewSeed()

func seedPair(s ring.Seed, i int) [2]ring.Seed {
	return [2]ring.Seed{s.Derive("party 0", uint64(i)), s.Derive("party 1", uint64(i))}
}

func fill(v []uint64, x uint64) {
	for i := range v {
		v[i] = x
	}
}

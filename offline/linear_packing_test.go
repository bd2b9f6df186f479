package offline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

// randomShape draws a convolution of at most size rows and columns.
func randomShape(rng *rand.Rand, size int) ring.ConvShape {
	for {
		s := ring.ConvShape{
			H: 1 + rng.IntN(size), W: 1 + rng.IntN(size), C: 1 + rng.IntN(6), K: 1 + rng.IntN(6),
			KH: 1 + rng.IntN(5), KW: 1 + rng.IntN(5), StrideH: 1 + rng.IntN(3), StrideW: 1 + rng.IntN(3),
			PadTop: rng.IntN(4), PadLeft: rng.IntN(4), PadBottom: rng.IntN(4), PadRight: rng.IntN(4),
		}
		if s.Validate() == nil {
			return s
		}
	}
}

// TestPackedPolynomialsMultiplyToTheConvolution does in the clear what the
// scheme does under encryption.
func TestPackedPolynomialsMultiplyToTheConvolution(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 120 {
		size, group := 12, 1+rng.IntN(9)
		if i%8 == 0 {
			size, group = 120, 1+rng.IntN(2)
		}
		shape := randomShape(rng, size)
		p, err := NewLinearPacking(shape, group)
		if err != nil {
			t.Fatalf("%+v: %v", shape, err)
		}
		checkPacking(t, rng, p)
	}
}

func TestStripsMultiplyToTheConvolution(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		shape := randomShape(rng, 40)
		p, err := NewLinearPacking(shape, 2)
		if err != nil {
			t.Fatal(err)
		}
		tape := newTape(p.rows, p.cols, 2, 1+rng.IntN(shape.OutW()))
		length := tape.halo + 1 + rng.IntN(max(1, linearN/4-tape.halo))
		p.use(layout{tape: tape, channels: min(2, p.inChannels), outputs: min(2, shape.K), length: length})
		checkPacking(t, rng, p)
	}
}

func checkPacking(t *testing.T, rng *rand.Rand, p *LinearPacking) {
	t.Helper()
	shape := p.shape
	if n := p.channels * p.outputs * p.length; n > linearN {
		t.Fatalf("%+v: polynomials of %d coefficients", shape, n)
	}
	w := randomWeights(rng, shape.WeightLen())
	r := uniformVectors(p.group, shape.InLen())
	want, got, times := make([][]uint64, p.group), make([][]uint64, p.group), make([][]int, p.group)
	for g := range want {
		want[g], got[g], times[g] = make([]uint64, shape.OutLen()), make([]uint64, shape.OutLen()), make([]int, shape.OutLen())
		ring.Conv(want[g], r[g], w, shape)
	}
	query, product := make([]uint64, linearN), make([]uint64, 2*linearN)
	for i := range p.replies() {
		seg, k := p.reply(i)
		clear(product)
		for j := range p.queryGroups {
			p.gather(query, r, seg, j)
			p.eachWeight(j, k, func(n, at int, negative bool) {
				weight := uint64(int64(w[at]))
				if negative {
					weight = -weight
				}
				for m, v := range query {
					product[n+m] += weight * v
				}
			})
		}
		bytes := replyMaskSize
		p.eachReplyRun(seg, k, func(g, pixel, channel, n, at int) {
			for j := range n {
				y := (pixel+j)*shape.K + channel
				got[g][y] = product[at+j] - product[linearN+at+j]
				times[g][y]++
				bytes += 8
			}
		})
		if bytes != p.replySize(seg, k) {
			t.Fatalf("%+v: a reply of %d bytes, replySize says %d", shape, bytes, p.replySize(seg, k))
		}
	}
	for g := range want {
		if slices.Min(times[g]) != 1 || slices.Max(times[g]) != 1 {
			t.Fatalf("%+v for %d: outputs are not carried exactly once", shape, p.group)
		}
		if !slices.Equal(want[g], got[g]) {
			t.Fatalf("%+v for %d, %d strips, %d segments, %d channels, %d outputs, length %d: wrong outputs",
				shape, p.group, p.tape.strips, len(p.segments), p.channels, p.outputs, p.length)
		}
	}
}

func TestEverySegmentFitsAndCoversTheTape(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		shape := randomShape(rng, 30)
		rows := newAxis(shape.H, shape.OutH(), shape.KH, shape.StrideH, shape.PadTop)
		cols := newAxis(shape.W, shape.OutW(), shape.KW, shape.StrideW, shape.PadLeft)
		tape := newTape(rows, cols, 1+rng.IntN(5), 1+rng.IntN(cols.out))
		length := tape.halo + 1 + rng.IntN(500)
		at := tape.next(tape.outputs, 0)
		for _, s := range tape.segments(length, tape.end()) {
			if s.start != at || !tape.fits(s, length) {
				t.Fatalf("%+v: segment %+v, expected to start at %d", shape, s, at)
			}
			at = tape.next(tape.outputs, s.end)
		}
		if at != tape.end() {
			t.Fatalf("%+v: nothing carries outputs from %d on", shape, at)
		}
	}
}

// TestGroupsShareCiphertexts holds the layouts to what they promise: bytes for
// each inference.
func TestGroupsShareCiphertexts(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape ring.ConvShape
		group int
		limit int
	}{
		{"first convolution", conv(28, 28, 1, 16, 5, 2, 2), 64, 80_000},
		{"second convolution", conv(14, 14, 16, 32, 5, 2, 2), 64, 90_000},
		{"hidden layer", ring.LinearShape(1568, 100), 64, 75_000},
		{"output layer", ring.LinearShape(100, 10), 64, 7_000},
		{"wide images", conv(32, 32, 64, 64, 3, 1, 1), 8, 2_800_000},
		{"many channels", conv(4, 4, 512, 512, 3, 1, 1), 8, 2_000_000},
	} {
		p, err := NewLinearPacking(c.shape, c.group)
		if err != nil {
			t.Fatal(err)
		}
		if n := (p.QueryBytes() + p.ReplyBytes()) / c.group; n > c.limit {
			t.Errorf("%s: %d bytes for each inference, not %d", c.name, n, c.limit)
		}
	}
}

func TestLayoutsOfLargeImagesAreFoundQuickly(t *testing.T) {
	for _, shape := range []ring.ConvShape{
		conv(224, 224, 3, 64, 7, 2, 3), conv(224, 224, 64, 64, 3, 1, 1), conv(1000, 4000, 3, 8, 5, 1, 2),
		ring.LinearShape(25088, 4096), conv(7, 7, 2048, 512, 1, 1, 0),
	} {
		p, err := NewLinearPacking(shape, 8)
		if err != nil {
			t.Fatal(err)
		}
		if p.QueryBytes() < 13*8*shape.InLen()/2 {
			t.Errorf("%+v: %d bytes of queries cannot hold the inputs", shape, p.QueryBytes())
		}
	}
}

// TestNoLayoutSumsMoreThanTheProofAllows counts the weights in the polynomials
// that make one reply: each may add a query's noise to each coefficient.
func TestNoLayoutSumsMoreThanTheProofAllows(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	shapes := []ring.ConvShape{
		ring.LinearShape(25088, 4096), ring.LinearShape(1<<18, 1000), ring.LinearShape(maxLinearTerms, 3),
		ring.LinearShape(620_513, 432), ring.LinearShape(298, 900_790), // would cost least with more terms
		conv(7, 7, 2048, 512, 1, 1, 0), conv(4, 4, 512, 512, 3, 1, 1), conv(4, 4, 4096, 512, 3, 2, 1),
	}
	for range 50 {
		shapes = append(shapes, randomShape(rng, 12))
	}
	reached := 0
	for _, shape := range shapes {
		p, err := NewLinearPacking(shape, 1)
		if err != nil {
			t.Fatal(err)
		}
		terms := 0
		for j := range p.queryGroups {
			p.eachWeight(j, 0, func(int, int, bool) { terms++ })
		}
		if terms > maxLinearTerms {
			t.Errorf("%+v: a coefficient sums %d terms", shape, terms)
		}
		if want := p.terms * p.outputsOf(0); terms != want {
			t.Errorf("%+v: a coefficient sums %d terms, the search counts %d", shape, terms, want)
		}
		reached = max(reached, terms)
	}
	if reached < maxLinearTerms/2 {
		t.Errorf("no layout sums more than %d terms: the bound is not tested", reached)
	}
	if _, err := NewLinearPacking(ring.LinearShape(maxLinearTerms, 1), 1); err != nil {
		t.Errorf("as many terms as the proof allows: %v", err)
	}
	if _, err := NewLinearPacking(conv(2, 2, maxLinearTerms/4+1, 1, 2, 1, 0), 1); err == nil || !strings.Contains(err.Error(), "last place") {
		t.Errorf("more terms than the proof allows, in any layout: %v", err)
	}
	// Taps that meet nothing but padding sum nothing.
	if _, err := NewLinearPacking(conv(1, 1, 1<<17, 1, 5, 1, 2), 1); err != nil {
		t.Errorf("few terms of a large kernel: %v", err)
	}
}

// TestNoPlanMakesTheSearchLong tries the shapes that a hostile plan would name.
func TestNoPlanMakesTheSearchLong(t *testing.T) {
	wide := func(h, w, kh, kw, strideH, strideW int) ring.ConvShape {
		return ring.ConvShape{H: h, W: w, C: 1, K: 1, KH: kh, KW: kw, StrideH: strideH, StrideW: strideW}
	}
	const refused = "ciphertexts"
	for _, c := range []struct {
		shape ring.ConvShape
		group int
		want  string
	}{
		{wide(1, 1<<20, 1, 4096, 1, 1), 1, refused}, // one output in a polynomial
		{wide(1, 1<<20, 1, 4096, 1, 1), maxLinearGroup, refused},
		{wide(1, 1<<20, 1, 3000, 1, 1), 1, ""},
		{wide(1<<20, 1, 4096, 1, 1, 1), 1, refused},
		{wide(1, 1<<20, 1, 1<<20, 1, 1<<20), 1, ""}, // a million phases
		{wide(1<<10, 1<<10, 1<<10, 1<<10, 1<<10, 1<<10), 1, ""},
		{wide(1<<14, 1<<14, 1, 1, 1, 1), 1, ""}, // as many segments as there may be
		{wide(1<<14, 1<<14, 1, 1, 1, 1), 2, refused},
		{wide(1<<14, 1<<14, 64, 64, 1, 1), 1, "does not fit"},
		{ring.LinearShape(1<<14, 1<<14), 1, ""}, // many ways to group channels
		{ring.LinearShape(1<<20, 1<<8), maxLinearGroup, ""},
		{ring.LinearShape(1<<8, 1<<20), maxLinearGroup, ""},
		{conv(1024, 1024, 256, 256, 1, 1, 0), 64, refused}, // segments in bounds, ciphertexts not
		{conv(16, 16, 16000, 16001, 1, 1, 0), 3, ""},
		{conv(511, 513, 700, 701, 3, 1, 1), 8, ""},
		{conv(1000, 4000, 3, 8, 5, 1, 2), 8, ""}, // no fewer than 10,000 segments, and many strips to try
	} {
		p, err := newPacking(&linearParameters, c.shape, c.group, 1)
		if err != nil {
			t.Fatalf("%+v: %v", c.shape, err)
		}
		s := newLayoutSearch(p)
		switch err := s.run(); {
		case c.want == "" && err != nil:
			t.Errorf("%+v for %d: %v", c.shape, c.group, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v for %d: %v, want an error about %q", c.shape, c.group, err, c.want)
		case err == nil:
			p.use(s.best)
			if n := max(p.queries(), p.replies()); n > maxCiphers || len(p.segments) > maxSegments {
				t.Errorf("%+v for %d: %d segments and %d ciphertexts", c.shape, c.group, len(p.segments), n)
			}
		}
		if s.tapes > 64 || s.tried > 20_000 || s.cuts > maxCuts {
			t.Errorf("%+v for %d: the search tried %d layouts on %d tapes and cut %d segments", c.shape, c.group, s.tried, s.tapes, s.cuts)
		}
	}
}

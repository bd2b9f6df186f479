package dealer

import (
	"errors"
	"math/rand/v2"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

var image = ring.ConvShape{H: 6, W: 5, C: 3, K: 4, KH: 3, KW: 3, StrideH: 2, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1}

// kinds are specifications of all kinds that need no layers, some of several
// blocks and some whose one element is larger than a block.
func kinds() []correlation.Spec {
	return []correlation.Spec{
		{Kind: correlation.Triples, N: 1},
		{Kind: correlation.Triples, N: 3*blockWords + 17},
		{Kind: correlation.Squares, N: blockWords + 1},
		{Kind: correlation.Products, N: 2 * blockWords},
		correlation.MatrixSpec(3, 5, 7, 11, false),
		correlation.MatrixSpec(3, 5, 7, 3000, true),
		correlation.MatrixSpec(300, 2, 200, 2, false),
		correlation.MatrixSpec(1, 1, 1, 70_000, true),
		{Kind: correlation.Convolution, N: 9, Shape: image},
		{Kind: correlation.Convolution, N: 1000, Shape: image, Fixed: true},
		{Kind: correlation.Powers, N: 5, Degree: 2, MaskBits: 1},
		{Kind: correlation.Powers, N: 20_000, Degree: 4, MaskBits: 56},
		{Kind: correlation.Powers, N: 10_000, Degree: 8, MaskBits: 61},
	}
}

func TestEveryKindIsACorrelation(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	for _, s := range kinds() {
		halves := c.make(t, s)
		if err := correlation.Verify(halves[0][0], halves[1][0]); err != nil {
			t.Errorf("%s: %v", describe(s), err)
		}
	}
}

func TestManyCorrelationsOfOneBatchAreEachOnesOwn(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	seeds := map[ring.Seed]bool{}
	for range 2 {
		halves := c.make(t, triples(1), triples(100), triples(blockWords+3), triples(100), triples(2))
		for i := range halves[0] {
			if err := correlation.Verify(halves[0][i], halves[1][i]); err != nil {
				t.Errorf("correlation %d: %v", i, err)
			}
			seeds[halves[0][i].Seed], seeds[halves[1][i].Seed] = true, true
		}
		if correlation.Verify(halves[0][1], halves[1][3]) == nil {
			t.Error("two correlations of a batch are the same")
		}
	}
	if len(seeds) != 20 {
		t.Errorf("%d seeds for 20 halves", len(seeds))
	}
}

func TestPartyOnesHalvesAreSeeds(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	for _, s := range kinds() {
		halves := c.make(t, s)
		for i, column := range s.Columns(0) {
			if explicit := halves[0][0].Columns[i] != nil; explicit != column.Product {
				t.Errorf("%s: column %s of party 0 is explicit: %v", describe(s), column.Name, explicit)
			}
		}
		for i, column := range halves[1][0].Columns {
			if column != nil {
				t.Errorf("%s: column %d of party 1 is not expanded from its seed", describe(s), i)
			}
		}
	}
}

func TestEveryHalfIsUniformAndIndependentOfTheOther(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	n := 1 << 14
	if testing.Short() {
		n = 1 << 11
	}
	for _, s := range []correlation.Spec{
		triples(n),
		{Kind: correlation.Squares, N: n},
		{Kind: correlation.Products, N: n},
		correlation.MatrixSpec(2, 3, 4, n, false),
		correlation.MatrixSpec(2, 1, 4, n, true),
		{Kind: correlation.Powers, N: n, Degree: 3, MaskBits: 40},
	} {
		first, second := c.make(t, s), c.make(t, s)
		for party := range first {
			h := first[party][0]
			for i, column := range s.Columns(party) {
				if column.Fixed {
					continue
				}
				v := h.Column(i)
				isUniform(t, v, column.Bits, "%s: column %s of party %d", describe(s), column.Name, party)
				xorUniform(t, v, second[party][0].Column(i), column.Bits, "%s: column %s of party %d in two batches", describe(s), column.Name, party)
				other := first[1-party][0]
				for j, c := range s.Columns(1 - party) {
					// The two shares of one product add up to it, which is not uniform.
					if same := c.Product && c.Name == column.Name; !c.Fixed && !same {
						xorUniform(t, v, other.Column(j), min(column.Bits, c.Bits), "%s: columns %s of party %d and %s of the other", describe(s), column.Name, party, c.Name)
					}
				}
				for j, c := range s.Columns(party) {
					if j != i && !c.Fixed {
						xorUniform(t, v, h.Column(j), min(column.Bits, c.Bits), "%s: columns %s and %s of party %d", describe(s), column.Name, c.Name, party)
					}
				}
			}
		}
	}
}

// isUniform fails unless each of the low bits of the words of v is set in about
// half of them: within nine standard deviations, which chance exceeds once in
// 10^18.
func isUniform(t *testing.T, v []uint64, bits uint, format string, args ...any) {
	t.Helper()
	for bit := range bits {
		ones := 0
		for _, w := range v {
			ones += int(w >> bit & 1)
		}
		if d := 2*ones - len(v); d*d > 81*len(v) {
			t.Errorf(format+": bit %d is set in %d of %d words", append(args, bit, ones, len(v))...)
			return
		}
	}
}

// xorUniform is isUniform of the bits in which v and w differ, as far as both
// reach.
func xorUniform(t *testing.T, v, w []uint64, bits uint, format string, args ...any) {
	t.Helper()
	x := make([]uint64, min(len(v), len(w)))
	for i := range x {
		x[i] = v[i] ^ w[i]
	}
	isUniform(t, x, bits, format, args...)
}

func TestPartyZeroIsSentItsProductsAndPartyOneASeed(t *testing.T) {
	const n = 1 << 20
	c := newTable(t, 2).newCouple(t)
	c.make(t, triples(1)) // the parties have met
	var before, after [2]int64
	for party, g := range c.runs {
		before[party] = g.(*run).conn.Traffic().ReceivedBytes
	}
	halves := c.make(t, triples(n))
	for party, g := range c.runs {
		after[party] = g.(*run).conn.Traffic().ReceivedBytes - before[party]
	}
	if err := correlation.Verify(halves[0][0], halves[1][0]); err != nil {
		t.Error(err)
	}
	t.Logf("a batch of %d triples: %d bytes on the wire to party 0, %d to party 1", n, after[0], after[1])
	if after[1] >= 1024 {
		t.Errorf("party 1 received %d bytes", after[1])
	}
	if after[0] < 8*n || after[0] > 8*n*101/100 {
		t.Errorf("party 0 received %d bytes, not some 8 for each triple", after[0])
	}
}

func TestMixedKindsAreRefused(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	mixed := ask(triples(1), correlation.Spec{Kind: correlation.Squares, N: 1})
	_, errs := c.generate(t.Context(), [2][]correlation.Request{mixed, mixed})
	for _, err := range errs {
		mustSay(t, err, "triples and squares at once")
	}
}

func TestNoRequestsAreNoBatch(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	if halves, errs := c.generate(t.Context(), [2][]correlation.Request{}); errors.Join(errs[:]...) != nil || len(halves[0])+len(halves[1]) > 0 {
		t.Errorf("%v, %v", halves, errs)
	}
}

// layer is a linear layer with weights of all sizes.
func layer(s ring.ConvShape) correlation.Layer {
	l := correlation.Layer{Shape: s, Weights: make([]int16, s.WeightLen())}
	for i := range l.Weights {
		l.Weights[i] = int16(rand.Uint32())
	}
	return l
}

// linear returns the requests of both parties for n inferences of a layer.
func linear(shape ring.ConvShape, index, n int) (requests [2]correlation.Request) {
	s := correlation.Spec{Kind: correlation.Linear, N: n, Layer: index, Shape: shape}
	requests[0], requests[1] = correlation.Request{Spec: s}, correlation.Request{Spec: s, Input: make([]uint64, n*shape.InLen())}
	for i := range requests[1].Input {
		requests[1].Input[i] = rand.Uint64()
	}
	return requests
}

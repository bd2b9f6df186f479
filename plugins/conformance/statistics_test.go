package conformance

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

// uniformWords draws as the halves are drawn.
func uniformWords(n int, width uint) []uint64 {
	v := make([]uint64, n)
	ring.NewStream(ring.NewSeed(), "test").FillBits(v, width)
	return v
}

func TestUniformWordsPassEveryTest(t *testing.T) {
	for _, n := range []int{1, 2, 3, 90, 91, 300, 5000} {
		for _, width := range []uint{1, 7, 8, 9, 52, 61, 64} {
			var f findings
			x, y := &column{words: uniformWords(n, width), bits: width}, &column{words: uniformWords(n, 64), bits: 64}
			f.uniform("x", x.words, width)
			f.pair(x, y, nil, nil, "x", "y")
			view := []*column{x, y}
			f.relation(view, []*planes{newPlanes(x.words), newPlanes(y.words)}, "test")
			if err := f.err(""); err != nil {
				t.Errorf("%d words of %d bits: %v", n, width, err)
			}
		}
	}
}

// binomialTail returns the probability that at least k of n fair coins are
// heads.
func binomialTail(n, k int) *big.Float {
	if k > n {
		return new(big.Float)
	}
	term := new(big.Float).SetPrec(200).SetInt(new(big.Int).Binomial(int64(n), int64(k)))
	sum := new(big.Float).SetPrec(200)
	for i := k; i <= n; i++ {
		sum.Add(sum, term)
		term.Mul(term, new(big.Float).SetInt64(int64(n-i)))
		term.Quo(term, new(big.Float).SetInt64(int64(i+1)))
	}
	return sum.SetMantExp(sum, -n)
}

var level = math.Ldexp(1, -levelBits)

func TestTheLevelOfAParityIsItsExactProbabilityAtMost(t *testing.T) {
	for _, n := range []int{64, 100, 1000, 4096, 20000} {
		// The least k with 2k − n ≥ bound; both tails count.
		k := int(math.Ceil((float64(n) + hoeffding*math.Sqrt(float64(n))) / 2))
		p, _ := binomialTail(n, k).Float64()
		if 2*p > level {
			t.Errorf("%d words: probability %g", n, 2*p)
		}
		if n >= 1000 && 2*p < level/10_000 {
			t.Errorf("%d words: probability %g, which is far below what the test is meant for", n, 2*p)
		}
	}
}

// With two values a relative entropy is a function of the number of heads, so
// that Agrawal's bound can be held against the exact probability.
func TestTheLevelOfAnEntropyIsItsExactProbabilityAtMost(t *testing.T) {
	for _, n := range []int{100, 1000, 10000} {
		k := n/2 + 1
		for ; k <= n && !tooFar(relativeEntropy([]int32{int32(k), int32(n - k)}, n), 2); k++ {
		}
		if p, _ := binomialTail(n, k).Float64(); 2*p > level || k > n {
			t.Errorf("%d words: from %d on, with probability %g", n, k, 2*p)
		}
	}
}

func TestTheLevelOfRepeatsIsItsBound(t *testing.T) {
	bound := func(m, r int, width uint) float64 {
		p := new(big.Float).SetInt(new(big.Int).Binomial(int64(m), int64(r)))
		each := new(big.Float).SetInt64(int64(m))
		each.SetMantExp(each, -int(width))
		for range r {
			p.Mul(p, each)
		}
		f, _ := p.Float64()
		return f
	}
	for _, width := range []uint{40, 52, 61, 63} {
		for _, m := range []int{2, 1000, 36_000, 300_000} {
			most, ok := chanceRepeats(m, width)
			if !ok {
				if float64(m)*float64(m) < math.Ldexp(1, int(width)-5) {
					t.Errorf("%d words of %d bits are not tested", m, width)
				}
				continue
			}
			if p := bound(m, most+1, width); p > level {
				t.Errorf("%d words of %d bits: %d repeats have a probability of up to %g", m, width, most+1, p)
			}
		}
	}
	if _, ok := chanceRepeats(1<<20, 30); ok {
		t.Error("words of 30 bits cannot be told from repeating ones by their repeats")
	}
}

// The package's comment says from where on a bias is found.
func TestABiasOfTheSizeSaidIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1000, 5000, 20000} {
		delta := (9.5 + 7.5) / math.Sqrt(float64(n))
		for trial := range 20 {
			words := uniformWords(n, 64)
			bit := trial * 3
			for i := range words {
				if r.Float64() < delta { // else it is fair
					words[i] |= 1 << bit
				}
			}
			var f findings
			if f.uniform("x", words, 64) {
				t.Errorf("a bit of %d words that is set with probability %.3f is not found", n, (1+delta)/2)
			}
		}
	}
}

func TestPlanesAreTheBitsOfWords(t *testing.T) {
	words := uniformWords(200, 64)
	p := newPlanes(words)
	if p.n != 192 {
		t.Fatalf("planes of %d words", p.n)
	}
	for j := range 64 {
		for i := range p.n {
			if p.bits[j][i/64]>>(i%64)&1 != words[i]>>j&1 {
				t.Fatalf("bit %d of word %d is wrong", j, i)
			}
		}
	}
}

func TestASumOfCountsIsTheParityOfABitSet(t *testing.T) {
	counts := make([]int32, 16)
	for i := range counts {
		counts[i] = int32(i * i % 7)
	}
	got := slices.Clone(counts)
	walshHadamard(got)
	for set := range got {
		var want int32
		for v, c := range counts {
			parity := int32(1)
			for _, b := range bitsOf(set&v, 0) {
				_ = b
				parity = -parity
			}
			want += parity * c
		}
		if got[set] != want {
			t.Errorf("set %b: %d, want %d", set, got[set], want)
		}
	}
}

// An equation over all columns, in which every bit but one is random, is found
// and named.
func TestALinearEquationIsFound(t *testing.T) {
	const n = 64 * 6
	view := []*column{{party: 0, name: "x", bits: 64}, {party: 0, name: "y", bits: 64}, {party: 1, name: "z", bits: 52}}
	for _, constant := range []uint64{0, 1} {
		var f findings
		var p []*planes
		for _, c := range view {
			c.words = uniformWords(n, c.bits)
		}
		for i := range n {
			x, y := view[0].words[i], view[1].words[i]
			view[2].words[i] = view[2].words[i]&^(1<<30) | (x>>3^x>>60^y>>9^constant)&1<<30
		}
		for _, c := range view {
			p = append(p, newPlanes(c.words))
		}
		f.relation(view, p, "test")
		err := f.err("")
		if want := "for bits [3 60] of party 0's x, bit 9 of party 0's y, bit 30 of party 1's z"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// dealt returns a class of answers of two parties that are right.
func dealt(spec correlation.Spec, counts ...int) *class {
	e := exam{kind: spec.Kind}
	if spec.Kind == correlation.Linear {
		e.shapes = []ring.ConvShape{spec.Shape}
	}
	layers := e.layers()
	var answers []*answer
	for _, n := range counts {
		spec.N = n
		questions := []question{{spec: spec}}
		asked := requests(questions)
		h0, h1 := correlation.NewHalf(spec, 0), correlation.NewHalf(spec, 1)
		if spec.Kind == correlation.Linear {
			correlation.CompleteLinear(layers[0].Weights, asked[1][0].Input, h0, h1)
		} else {
			correlation.Complete(h0, h1)
		}
		answers = append(answers, collect(questions, asked, [2][]*correlation.Half{{h0}, {h1}}, layers)...)
	}
	return classes(answers)[0]
}

var specs = []correlation.Spec{
	{Kind: correlation.Triples}, {Kind: correlation.Squares}, {Kind: correlation.Products},
	correlation.MatrixSpec(3, 4, 5, 0, false), correlation.MatrixSpec(3, 4, 5, 0, true),
	{Kind: correlation.Convolution, Shape: strided}, {Kind: correlation.Convolution, Shape: strided, Fixed: true},
	{Kind: correlation.Powers, Degree: 5, MaskBits: 40}, {Kind: correlation.Linear, Shape: strided},
}

func TestTheTermsOfAProductAreAllOfIt(t *testing.T) {
	for _, spec := range specs {
		c := dealt(spec, 3, 2)
		c.expand()
		for _, p := range c.products() {
			column := func(party int, name string) []uint64 {
				if name == "" {
					return c.columns[party][0].words
				}
				return c.named(party, name).words
			}
			for i := range column(0, p.low) {
				var lo, hi, wantLo, wantHi uint64
				for party := range 2 {
					shareHi := uint64(0)
					if p.high != "" {
						shareHi = column(party, p.high)[i]
					}
					lo, hi = add128(lo, hi, column(party, p.low)[i], shareHi)
				}
				for _, x := range p.terms {
					termHi := uint64(0)
					if x.high != nil {
						termHi = x.high[i]
					}
					wantLo, wantHi = add128(wantLo, wantHi, x.low[i], termHi)
				}
				if lo != wantLo || p.high != "" && hi != wantHi {
					t.Fatalf("%s: the shares of product %s%s of word %d are not the sum of its terms", pool(spec), p.low, p.high, i)
				}
			}
		}
	}
}

// Words of a view's columns at the same place are of the same element.
func TestAViewIsRowByRow(t *testing.T) {
	for _, spec := range specs {
		c := dealt(spec, 3, 2)
		c.expand()
		for party := range 2 {
			view := c.view(party)
			var names []string
			for _, col := range view {
				names = append(names, fmt.Sprint(col.party, col.name))
				if len(col.words) != len(view[0].words) {
					t.Errorf("%s: %v has %d words, %v %d", pool(spec), col, len(col.words), view[0], len(view[0].words))
				}
			}
			for p, columns := range c.columns {
				for _, col := range columns {
					if seen := slices.Contains(names, fmt.Sprint(p, col.name)); seen != (p == party || !col.product) {
						t.Errorf("%s: party %d's view: %v is in it: %v", pool(spec), party, col, seen)
					}
				}
			}
		}
	}
	// The first words of each element, of the narrowest column's width: c's 5.
	c := dealt(correlation.MatrixSpec(1, 4, 5, 0, false), 3)
	c.expand()
	view := c.view(0)
	if a := c.columns[0][0].words; !slices.Equal(view[0].words, a) || len(a) != 12 {
		t.Error("the narrowest column is not taken whole")
	}
	if b := c.columns[0][1].words; !slices.Equal(view[1].words, slices.Concat(b[:4], b[20:24], b[40:44])) {
		t.Error("of a wider column, not the first words of each element are taken")
	}
	// A column that all elements share goes with the first.
	c = dealt(correlation.MatrixSpec(1, 4, 5, 0, true), 3, 2)
	c.expand()
	view = c.view(1)
	a := view[slices.IndexFunc(view, func(c *column) bool { return c.party == 1 && c.name == "a" })]
	if whole := c.named(1, "a").words; !slices.Equal(a.words, slices.Concat(whole[:4], whole[12:16])) {
		t.Error("beside a fixed column, not the first element of each answer is taken")
	}
}

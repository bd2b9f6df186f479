package correlation

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

// eachDeal runs f for every kind but linear, with halves dealt in math/big such
// that the products of either party are the explicit ones.
func eachDeal(t *testing.T, seed uint64, f func(t *testing.T, party int, h0, h1 *Half)) {
	r := testRand(seed)
	for _, spec := range testSpecs() {
		for party := range 2 {
			if spec.Kind == Linear {
				continue
			}
			t.Run(spec.String()+" completed at party "+string(rune('0'+party)), func(t *testing.T) {
				h0, h1 := deal(r, spec, party)
				f(t, party, h0, h1)
			})
		}
	}
}

func TestVerifyAcceptsWhatTheDefinitionSays(t *testing.T) {
	eachDeal(t, 40, func(t *testing.T, _ int, h0, h1 *Half) {
		if err := Verify(h0, h1); err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyAcceptsSlicesAndExplicitHalves(t *testing.T) {
	eachDeal(t, 41, func(t *testing.T, _ int, h0, h1 *Half) {
		all := uint64(1)<<len(h0.Columns) - 1
		if err := Verify(withExplicit(h0, all), withExplicit(h1, all)); err != nil {
			t.Errorf("explicit: %v", err)
		}
		for from := range h0.Spec.N {
			for to := from + 1; to <= h0.Spec.N; to++ {
				if err := Verify(h0.Slice(from, to), withExplicit(h1.Slice(from, to), 1)); err != nil {
					t.Errorf("elements %d to %d: %v", from, to, err)
				}
			}
		}
		if n := h0.Spec.N; Verify(h0.Slice(0, n-1), h1.Slice(1, n)) == nil && h0.Spec.MaskBits != 1 {
			t.Error("other elements of the other party's half pass")
		}
	})
}

func TestCompleteGivesWhatTheDefinitionSays(t *testing.T) {
	eachDeal(t, 42, func(t *testing.T, party int, h0, h1 *Half) {
		want := columnsOf([2]*Half{h0, h1}[party])
		for _, explicit := range []uint64{0, 1, 1<<len(h0.Columns) - 1} {
			h := [2]*Half{h0, h1}
			// What the half to complete has for products does not matter.
			mine, other := withExplicit(SeedHalf(h0.Spec, party, h[party].Seed), explicit), withExplicit(h[1-party], explicit)
			before := columnsOf(other)
			Complete(mine, other)
			for i, v := range columnsOf(mine) {
				if !slices.Equal(v, want[i]) {
					t.Errorf("explicit columns %#x: column %d is %x, want %x", explicit, i, v, want[i])
				}
			}
			for i, v := range columnsOf(other) {
				if !slices.Equal(v, before[i]) {
					t.Errorf("explicit columns %#x: column %d of the other party's half has changed", explicit, i)
				}
			}
			if err := mine.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCompleteTouchesNothingButProducts(t *testing.T) {
	eachDeal(t, 43, func(t *testing.T, party int, h0, h1 *Half) {
		mine, other := h0, h1
		if party == 1 {
			mine, other = h1, h0
		}
		mine = withExplicit(mine, 1<<len(mine.Columns)-1)
		columns := slices.Clone(mine.Columns)
		before := columnsOf(mine)
		Complete(mine, other)
		for i, c := range mine.Spec.Columns(party) {
			if !slices.Equal(columns[i], before[i]) {
				t.Errorf("column %s was written to: it may be shared", c.Name)
			}
			if mine.Columns[i] == nil || c.Product == (&mine.Columns[i][0] == &columns[i][0]) {
				t.Errorf("column %s: product %v, replaced %v", c.Name, c.Product, !c.Product)
			}
		}
	})
}

func TestCompletingALinearHalfWithoutWeightsIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it passes for a correlation")
		}
	}()
	spec := Spec{Kind: Linear, N: 1, Shape: ring.LinearShape(2, 1)}
	Complete(NewHalf(spec, 1), NewHalf(spec, 0))
}

// TestVerifyCatchesEveryFlippedBit flips each bit of each word of each column of
// either party. A bit of a factor may vanish: in products with an even number it
// moves nothing, and in convolutions padding or strides may leave a pixel out.
// The definition tells.
func TestVerifyCatchesEveryFlippedBit(t *testing.T) {
	eachDeal(t, 44, func(t *testing.T, _ int, h0, h1 *Half) {
		n := min(h0.Spec.N, 2)
		if h0.Spec.Kind == Convolution {
			n = 1 // thousands of bits
		}
		all := uint64(1)<<len(h0.Columns) - 1
		h := [2]*Half{withExplicit(h0.Slice(0, n), all), withExplicit(h1.Slice(0, n), all)}
		products := definition(h[0], h[1])
		vanished, caught := 0, 0
		for party := range 2 {
			for i, c := range h[party].Spec.Columns(party) {
				for j := range h[party].Columns[i] {
					word := &h[party].Columns[i][j]
					for bit := range c.Bits {
						if h0.Spec.Kind == Convolution && !c.Product && bit%9 != 0 {
							continue // a convolution in math/big for each
						}
						*word ^= 1 << bit
						err := Verify(h[0], h[1])
						if err == nil && (c.Product || !sameProducts(h0.Spec.Kind, definition(h[0], h[1]), products)) {
							t.Fatalf("party %d, column %s: flipping bit %d of word %d passes", party, c.Name, bit, j)
						}
						if err == nil {
							vanished++
						} else {
							caught++
						}
						*word ^= 1 << bit
					}
				}
			}
		}
		if vanished > caught/10 {
			t.Errorf("%d of %d flipped bits change nothing", vanished, vanished+caught)
		}
		if err := Verify(h[0], h[1]); err != nil {
			t.Error(err)
		}
	})
}

// sameProducts compares products as their shares do, mod 2^64, powers mod 2^128.
func sameProducts(k Kind, x, y [][]*big.Int) bool {
	for i := range x {
		for j := range x[i] {
			lo, hi := words(new(big.Int).Sub(x[i][j], y[i][j]))
			if lo != 0 || k == Powers && hi != 0 {
				return false
			}
		}
	}
	return true
}

func TestVerifyCatchesAnotherSeed(t *testing.T) {
	eachDeal(t, 45, func(t *testing.T, _ int, h0, h1 *Half) {
		for _, h := range []*Half{h0, h1} {
			h.Seed[31] ^= 0x80
			if Verify(h0, h1) == nil {
				t.Error("another seed passes")
			}
			h.Seed[31] ^= 0x80
			h.From++
			if Verify(h0, h1) == nil {
				t.Error("other elements of the seed pass")
			}
			h.From--
		}
	})
}

func TestVerifyRefusesHalvesThatDoNotMatch(t *testing.T) {
	r := testRand(46)
	spec := Spec{Kind: Powers, N: 3, Degree: 3, MaskBits: 54}
	h0, h1 := deal(r, spec, 1)
	more := SeedHalf(Spec{Kind: Powers, N: 4, Degree: 3, MaskBits: 54}, 1, testSeed(r))
	triples := SeedHalf(Spec{Kind: Triples, N: 3}, 1, testSeed(r))
	short := withExplicit(h1, 31)
	short.Columns[4] = short.Columns[4][:2]
	bad := SeedHalf(spec, 0, testSeed(r))
	bad.Spec.Degree = 9
	linear := Spec{Kind: Linear, N: 1, Shape: ring.LinearShape(2, 1)}
	for _, tc := range []struct {
		h0, h1 *Half
		want   string
	}{
		{h0, more, "party 0 holds 3 of powers/3/54, party 1 4 of powers/3/54"},
		{h0, triples, "party 0 holds 3 of powers/3/54, party 1 3 of triples"},
		{h0, short, "verifying: party 1: powers: column hi3 has 2 words, not 3"},
		{bad, h1, "verifying: party 0: powers to degree 9"},
		{h1, h0, "verifying powers: a half of party 1 in the place of party 0's"},
		{h0, h0, "verifying powers: a half of party 0 in the place of party 1's"},
		{NewHalf(linear, 0), NewHalf(linear, 1), "linear correlations are verified with weights and masks"},
	} {
		if err := Verify(tc.h0, tc.h1); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

func TestVerifySaysWhichElementIsWrong(t *testing.T) {
	r := testRand(47)
	h0, h1 := deal(r, Spec{Kind: Triples, N: 5}, 0)
	h0.Columns[2][3]++
	if err := Verify(h0, h1); err == nil || err.Error() != "verifying triples: the shares of product 3 do not add up" {
		t.Errorf("error %v", err)
	}
	h0, h1 = deal(r, Spec{Kind: Powers, N: 5, Degree: 4, MaskBits: 50}, 1)
	h1.Columns[4][2] ^= 1 << 63
	if err := Verify(h0, h1); err == nil || err.Error() != "verifying powers: element 2: the shares of power 3 do not add up" {
		t.Errorf("error %v", err)
	}
}

func testLinearSpec() Spec { return Spec{Kind: Linear, N: 2, Shape: testShape(), Layer: 1} }

func TestCompleteLinearGivesWhatTheDefinitionSays(t *testing.T) {
	r := testRand(50)
	for _, spec := range []Spec{testLinearSpec(), {Kind: Linear, N: 3, Shape: ring.LinearShape(7, 4)}} {
		w, masks, h0, h1 := dealLinear(r, spec)
		again := SeedHalf(spec, 1, testSeed(r))
		CompleteLinear(w, masks, h0, again)
		if !slices.Equal(again.Y(), h1.Y()) {
			t.Errorf("%v: W·r − s is %x, not %x", spec, again.Y(), h1.Y())
		}
		if err := VerifyLinear(w, masks, h0, again); err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyLinearAcceptsACorrelationToWithinOneUnit(t *testing.T) {
	for _, spec := range []Spec{testLinearSpec(), {Kind: Linear, N: 3, Shape: ring.LinearShape(7, 4)}} {
		w, masks, h0, h1 := dealLinear(testRand(51), spec)
		if err := VerifyLinear(w, masks, h0, h1); err != nil {
			t.Fatal(err)
		}
		h0 = withExplicit(h0, 1)
		y := h1.Columns[0]
		y[0]++
		y[1]--
		y[len(y)-1]++
		if err := VerifyLinear(w, masks, h0, h1); err != nil {
			t.Errorf("one unit: %v", err)
		}
		for i := range y {
			for _, d := range []uint64{2, 3, 1 << 63} {
				for _, sign := range []uint64{1, ^uint64(0)} {
					was := y[i]
					y[i] = h1.Columns[0][i] + sign*(d+1) // whatever the unit it is off by already
					if VerifyLinear(w, masks, h0, h1) == nil {
						t.Errorf("output %d: %d units passed", i, d)
					}
					y[i] = was
				}
			}
		}
		y[1]--
		if err := VerifyLinear(w, masks, h0, h1); err == nil || !strings.Contains(err.Error(), "output 1 of inference 0 is off by -2 units") {
			t.Errorf("error %v", err)
		}
		y[1]++
		y[len(y)-1]++
		if err := VerifyLinear(w, masks, h0, h1); err == nil || !strings.Contains(err.Error(), "is off by 2 units") {
			t.Errorf("error %v", err)
		}
	}
}

func TestVerifyLinearCatchesFlippedBits(t *testing.T) {
	spec := Spec{Kind: Linear, N: 2, Shape: ring.LinearShape(3, 2)}
	w, masks, h0, h1 := dealLinear(testRand(52), spec)
	h0 = withExplicit(h0, 1)
	for name, v := range map[string][]uint64{"s": h0.Columns[0], "r": masks, "W·r − s": h1.Columns[0]} {
		top := uint(64)
		if name == "r" {
			top = 40 // above, W·2^bit may vanish mod 2^64
		}
		for i := range v {
			for bit := uint(2); bit < top; bit++ { // below: within tolerance
				v[i] ^= 1 << bit
				if VerifyLinear(w, masks, h0, h1) == nil {
					t.Errorf("%s, element %d: flipping bit %d passed", name, i, bit)
				}
				v[i] ^= 1 << bit
			}
		}
	}
	for i := range w {
		w[i]++
		if VerifyLinear(w, masks, h0, h1) == nil {
			t.Errorf("another weight %d passed", i)
		}
		w[i]--
	}
	if err := VerifyLinear(w, masks, h0, h1); err != nil {
		t.Error(err)
	}
}

func TestVerifyLinearRefusesHalvesThatDoNotMatch(t *testing.T) {
	spec := testLinearSpec()
	w, masks, h0, h1 := dealLinear(testRand(53), spec)
	other := spec
	other.Layer++
	short := *h1
	short.Columns = [][]uint64{h1.Columns[0][1:]}
	triples := Spec{Kind: Triples, N: 2}
	for _, tc := range []struct {
		w      []int16
		r      []uint64
		h0, h1 *Half
		want   string
	}{
		{w, masks, h0, SeedHalf(other, 1, knownSeed()), "party 0 holds 2 of linear layer 1, 4x5x2/3x2x3/s2x1/p1x0x0x1, party 1 2 of linear layer 2"},
		{w, masks, h0, &short, "column y has 59 words, not 60"},
		{w[1:], masks, h0, h1, "35 weights and 80 elements of r do not fit 2 of linear layer 1"},
		{w, masks[1:], h0, h1, "36 weights and 79 elements of r do not fit"},
		{nil, nil, h0, h1, "0 weights and 0 elements of r do not fit"},
		{w, masks, h1, h0, "a half of party 1 in the place of party 0's"},
		{w, masks, NewHalf(triples, 0), NewHalf(triples, 1), "verifying triples as linear"},
	} {
		if err := VerifyLinear(tc.w, tc.r, tc.h0, tc.h1); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

package correlation

import (
	"math"
	"testing"

	"pascaline/ring"
)

// TestEveryBitOfEveryMaskIsBalanced counts the ones at each place of what a seed
// expands to: a mask whose top bit is missing hides half of what it should.
func TestEveryBitOfEveryMaskIsBalanced(t *testing.T) {
	const n, maskBits, lowBits = 1 << 12, 53, 9
	balanced := func(name string, v []uint64, bits uint) {
		t.Helper()
		if len(v) != n {
			t.Fatalf("%s: %d elements, not %d", name, len(v), n)
		}
		for bit := range uint(64) {
			ones := 0.0
			for _, x := range v {
				ones += float64(x >> bit & 1)
			}
			if bit >= bits && ones > 0 {
				t.Errorf("%s: bit %d of %d is one in %v", name, bit, bits, ones)
			}
			if bit < bits && math.Abs(ones-n/2) > 6*math.Sqrt(n)/2 {
				t.Errorf("%s: bit %d is one in %v of %d", name, bit, ones, n)
			}
		}
	}
	r := testRand(60)
	for _, spec := range []Spec{
		{Kind: Triples, N: n}, {Kind: Squares, N: n}, {Kind: Products, N: n},
		MatrixSpec(8, 8, 8, n/64, false), MatrixSpec(1, 64, 64, n/64, true),
		{Kind: Powers, N: n, Degree: 8, MaskBits: MaxMaskBits}, {Kind: Powers, N: n, Degree: 2, MaskBits: 1},
		{Kind: Linear, N: n / 64, Shape: ring.LinearShape(3, 64)},
	} {
		for party := range 2 {
			h := SeedHalf(spec, party, testSeed(r))
			for i, c := range spec.Columns(party) {
				if v := h.Column(i); len(v) == n { // of the fixed ones' factors, some are smaller
					balanced(spec.Pool()+", column "+c.Name, v, c.Bits)
				}
			}
		}
	}
	spec := &BundleSpec{Input: n, Output: n, Activations: []ActivationSpec{
		{Powers: Spec{Kind: Powers, N: n, Degree: 4, MaskBits: maskBits}, LowBits: lowBits},
		{Powers: Spec{Kind: Powers, N: n, Degree: 2, MaskBits: MaxMaskBits}},
	}}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	b := &Bundle{Spec: spec, Seed: testSeed(r)}
	for l, a := range spec.Activations {
		b.Powers = append(b.Powers, SeedHalf(a.Powers, 0, testSeed(r)))
		balanced("R", b.OpeningMask(l), a.Powers.MaskBits+a.LowBits)
		balanced("the mask of an activation", b.ActivationMask(l), 64)
	}
	balanced("the mask of the input", b.InputMask(), 64)
	dither := b.Dither(12)
	for i := range dither {
		dither[i] += 1 << 11
	}
	balanced("the dither", dither, 12)
}

// TestSharesOfProductsAreBalanced: what is not a seed is uniform all the same,
// since the other party's seed masks it.
func TestSharesOfProductsAreBalanced(t *testing.T) {
	const n = 1 << 12
	r := testRand(61)
	h0, h1 := SeedHalf(Spec{Kind: Powers, N: n, Degree: 3, MaskBits: 20}, 0, testSeed(r)), SeedHalf(Spec{Kind: Powers, N: n, Degree: 3, MaskBits: 20}, 1, testSeed(r))
	Complete(h1, h0)
	for i := 1; i < len(h1.Columns); i++ {
		for bit := range 64 {
			ones := 0.0
			for _, x := range h1.Columns[i] {
				ones += float64(x >> bit & 1)
			}
			if math.Abs(ones-n/2) > 6*math.Sqrt(n)/2 {
				t.Errorf("column %d: bit %d is one in %v of %d", i, bit, ones, n)
			}
		}
	}
}

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
	spec := &BundleSpec{
		Input: n,
		Activations: []ActivationSpec{
			{Powers: PowersSpec{N: n, Degree: 4, MaskBits: maskBits}, LowBits: lowBits},
			{Powers: PowersSpec{N: n, Degree: 2, MaskBits: MaxMaskBits}},
		},
		Linear: []LinearSpec{{Shape: ring.LinearShape(1, n)}},
		Output: n,
	}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	balanced := func(name string, v []uint64, bits uint) {
		t.Helper()
		if len(v) != n {
			t.Fatalf("%s: %d elements, not %d", name, len(v), n)
		}
		for bit := range bits {
			ones := 0.0
			for _, x := range v {
				ones += float64(x >> bit & 1)
			}
			if math.Abs(ones-n/2) > 6*math.Sqrt(n)/2 {
				t.Errorf("%s: bit %d is one in %v of %d", name, bit, ones, n)
			}
		}
	}
	r := testRand(8)
	b := &Bundle{Spec: spec, Seed: testSeed(r)}
	for l, a := range spec.Activations {
		half := b.Powers(l)
		rho := half.Rho()
		balanced("ρ", rho, a.Powers.MaskBits)
		balanced("R", b.OpeningMask(l, rho), a.Powers.MaskBits+a.LowBits)
		balanced("the mask of an activation", b.ActivationMask(l), 64)
		for _, v := range half.Expand() {
			balanced("the low words of a share", v.Lo, 64)
			balanced("the high words of a share", v.Hi, 64)
		}
	}
	balanced("the mask of the input", b.InputMask(), 64)
	balanced("the mask of a linear layer", b.LinearMask(0), 64)
	balanced("s of a linear correlation", LinearHalf0{Spec: spec.Linear[0], Seed: testSeed(r)}.Mask(), 64)
	balanced("r of a linear correlation", LinearHalf1{Spec: LinearSpec{Shape: ring.LinearShape(n, 1)}, Seed: testSeed(r)}.Mask(), 64)
}

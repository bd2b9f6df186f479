package offline

import (
	"math/big"
	"testing"
)

func TestWideFractionsOfQAreExactToTheirLastPlace(t *testing.T) {
	const n = 1024
	r, err := newRLWE(n, append(primesBelow(57, 5, n), primesBelow(58, 2, n)...)...)
	if err != nil {
		t.Fatal(err)
	}
	q := r.modulus()
	x, residues := integersIn(r, len(r.q), n)
	planes := vectors(4, n)
	planes[0][3] = 5 // fractions are added to what is there
	r.wideFractions().add(planes, residues)
	one := power2(256)
	for j := range x {
		want := new(big.Int).Lsh(x[j], 256)
		want.Quo(want, q)
		if j == 3 {
			want.Add(want, big.NewInt(5))
		}
		got := wideInteger(planes, j)
		// Too small by less than a unit for each of seven primes, and one.
		d := want.Sub(want, got)
		if d.Mod(d, one).Cmp(big.NewInt(8)) > 0 {
			t.Errorf("the fraction of %v is off by %v units of 2^-256", x[j], d)
		}
	}
}

// wideInteger returns element j of planes.
func wideInteger(planes [][]uint64, j int) *big.Int {
	x := new(big.Int)
	for l := len(planes) - 1; l >= 0; l-- {
		x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(planes[l][j]))
	}
	return x
}

func TestWideRoundingIsToTheNearest(t *testing.T) {
	const n = 64
	r, err := newRLWE(n, primesBelow(57, 5, n)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []uint{129, 150, 173, 184, 191} {
		_, residues := integersIn(r, len(r.q), n)
		planes := vectors(4, n)
		r.wideFractions().add(planes, residues)
		for l := range planes { // just below one: rounds to zero
			planes[l][5] = ^uint64(0)
		}
		planes[1][6], planes[0][6] = 1<<(191-width), 0 // exactly a half: up
		planes[1][7], planes[0][7] = 1<<(191-width)-1, ^uint64(0)
		want := make([]*big.Int, n)
		for j := range want {
			want[j] = wideInteger(planes, j)
			want[j].Add(want[j], power2(255-width)).Rsh(want[j], 256-width)
			want[j].Mod(want[j], power2(width))
		}
		roundWide(planes, width)
		for j := range want {
			if got := wideInteger(planes[:3], j); got.Cmp(want[j]) != 0 {
				t.Errorf("%d bits: %v, not %v", width, got, want[j])
			}
		}
	}
}

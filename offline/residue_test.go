package offline

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// residueDraws are what kernels are tested on: words below limit (0: 2^64).
var residueDraws = map[string]func(limit uint64) uint64{
	"random": func(limit uint64) uint64 {
		if limit == 0 {
			return rand.Uint64()
		}
		return rand.Uint64N(limit)
	},
	"extreme": func(limit uint64) uint64 { return []uint64{0, 1, 1<<32 - 1, 1 << 32, limit - 1}[rand.IntN(5)] },
	"largest": func(limit uint64) uint64 { return limit - 1 },
	"zero":    func(uint64) uint64 { return 0 },
}

// drawn returns vectors of words below limit.
func drawn(count, n int, draw func(limit uint64) uint64, limit uint64) [][]uint64 {
	v := vectors(count, n)
	for _, p := range v {
		for i := range p {
			p[i] = draw(limit)
		}
	}
	return v
}

func TestVectorKernelsForResiduesEqualThePortableOnes(t *testing.T) {
	if vectorDot(make([]uint64, 8), vectors(2, 8), vectors(2, 8), 3, 1) == 0 {
		t.Skip("this machine has no vector kernels for residues")
	}
	const n = 128 + 5 // the last are for the portable code alone
	r, err := newRLWE(64, append([]uint64{257}, powersPrimes[:]...)...)
	if err != nil {
		t.Fatal(err)
	}
	f := r.fractions()
	for name, draw := range residueDraws {
		for i, s := range r.sub {
			for words := 1; words <= 5; words++ {
				form := newResidueForm(s, words, new(big.Int).SetUint64(draw(0)), new(big.Int).SetUint64(draw(0)))
				planes := drawn(words, n, draw, 0)
				got, want := make([]uint64, n), make([]uint64, n)
				form.apply(got, planes)
				form.applyFrom(want, planes, 0)
				if !slices.Equal(got, want) {
					t.Errorf("form of %d words mod %d, %s: the residues differ", words, s.Modulus, name)
				}
			}
			for terms := 1; terms <= 8; terms++ {
				x, y := drawn(terms, n, draw, s.Modulus), drawn(terms, n, draw, s.Modulus)
				got, want := make([]uint64, n), make([]uint64, n)
				dot(got, s, x, y)
				dotFrom(want, s, x, y, 0)
				if !slices.Equal(got, want) {
					t.Errorf("%d products mod %d, %s: the sums differ", terms, s.Modulus, name)
				}
			}
			x, start := drawn(1, n, draw, 0)[0], drawn(2, n, draw, 0)
			got, want := [2][]uint64{slices.Clone(start[0]), slices.Clone(start[1])}, start
			from := vectorFraction(got[0], got[1], x, s.Modulus, s.MRedConstant, f.inverse[i], &f.constant[i])
			f.addFrom(got[0], got[1], x, i, s, from)
			f.addFrom(want[0], want[1], x, i, s, 0)
			if !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
				t.Errorf("fractions of Q by %d, %s: they differ", s.Modulus, name)
			}
		}
	}
}

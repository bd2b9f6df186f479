//go:build unix

package offline

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"pascaline/internal/fence"
)

// Whoever touches what lies next to a vector in this test is ended.
func TestVectorKernelsForResiduesStayWithinTheirVectors(t *testing.T) {
	r, err := newRLWE(64, powersPrimes[:]...)
	if err != nil {
		t.Fatal(err)
	}
	s, f := r.sub[0], r.fractions()
	for _, n := range []int{1, 7, 8, 9, 64, 133} {
		for _, side := range []fence.Side{fence.Before, fence.Behind} {
			below := func(count int, limit uint64) [][]uint64 {
				v := make([][]uint64, count)
				for i := range v {
					v[i] = fence.Of[uint64](t, n, side)
					for j := range v[i] {
						v[i][j] = rand.Uint64N(limit)
					}
				}
				return fence.Copy(t, v, side)
			}
			x := below(3, s.Modulus)
			dot(x[0], s, x[1:], below(2, s.Modulus))
			newResidueForm(s, 3, big.NewInt(3), big.NewInt(5)).apply(x[0], below(3, 1<<63))
			f.of(x[0], x[1], r, below(len(r.sub), s.Modulus))
			toHalves(x[2])
		}
	}
	rng := rand.New(rand.NewPCG(21, 22))
	for n := 1; n <= productsAtOnce; n++ {
		for _, side := range []fence.Side{fence.Before, fence.Behind} {
			products, fenced := extremeProducts(rng, n), fence.Of[factors](t, n, side)
			for i, p := range products {
				for k := range p {
					fenced[i][k] = (*[productBlock]uint64)(fence.Copy(t, p[k][:], side))
				}
			}
			mulAdd(&fence.Of[productSums](t, 1, side)[0], fenced)
		}
	}
}

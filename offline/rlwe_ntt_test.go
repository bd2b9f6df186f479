package offline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestVectorTransformsEqualLattigos(t *testing.T) {
	for _, n := range []int{64, 128, 1024, 2048, 4096, 8192, 16384} {
		for _, q := range transformPrimes(t) {
			if q%uint64(2*n) != 1 {
				continue
			}
			r, err := newRLWE(n, q)
			if err != nil {
				t.Fatal(err)
			}
			sub := r.sub[0]
			if newVectorTransform(sub) == nil {
				t.Skip("this machine has no vector transforms")
			}
			fast := newTransform(sub)
			for name, draw := range map[string]func(limit uint64) uint64{
				"random":  func(limit uint64) uint64 { return rand.Uint64N(limit) },
				"extreme": func(limit uint64) uint64 { return []uint64{0, q - 1, q, limit - 1}[rand.IntN(4)] },
				"largest": func(limit uint64) uint64 { return limit - 1 },
				"zero":    func(uint64) uint64 { return 0 },
			} {
				p, want := make([]uint64, n), make([]uint64, n)
				for i := range p {
					p[i] = draw(4 * q)
				}
				sub.NTT(p, want)
				fast.ntt(p)
				if !slices.Equal(p, want) {
					t.Errorf("forward, degree %d, prime %d, %s input: the values differ", n, q, name)
				}
				for i := range p {
					p[i] = draw(2 * q)
				}
				sub.INTT(p, want)
				fast.intt(p)
				if !slices.Equal(p, want) {
					t.Errorf("back, degree %d, prime %d, %s input: the coefficients differ", n, q, name)
				}
			}
		}
	}
}

// transformPrimes are 1 mod 2^14, some mod 2^15, of all sizes that occur.
func transformPrimes(t *testing.T) []uint64 {
	primes := []uint64{65537, testPrimes[0]}
	for _, bits := range []uint{30, 43, 51, 54, 58, 60} {
		p := &powersPlan{}
		if !p.choosePrimes(1, power2(bits)) {
			continue
		}
		primes = append(primes, p.t...)
	}
	for _, bits := range []uint{56, 58, 60} {
		primes = append(primes, primesBelow(bits, 1, 16384)...)
	}
	return primes
}

func BenchmarkTransforms(b *testing.B) {
	r, err := newRLWE(8192, testPrimes[0])
	if err != nil {
		b.Fatal(err)
	}
	p := make([]uint64, 8192)
	for i := range p {
		p[i] = rand.Uint64N(r.q[0])
	}
	for _, t := range []struct {
		name string
		transform
	}{{"lattigo", transform{sub: r.sub[0]}}, {"vector", newTransform(r.sub[0])}} {
		b.Run(fmt.Sprintf("%s/forward", t.name), func(b *testing.B) {
			for b.Loop() {
				t.ntt(p)
			}
		})
		b.Run(fmt.Sprintf("%s/back", t.name), func(b *testing.B) {
			for b.Loop() {
				t.intt(p)
			}
		})
	}
}

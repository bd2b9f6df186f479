package offline

import (
	"fmt"
	"math/bits"

	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// rlwe is the ring Z_Q[X]/(X^n + 1), Q a product of primes, in residues: a
// polynomial is a [][]uint64, one vector of n residues for each prime. What is
// built on it is Brakerski, Fan and Vercauteren's scheme with a plaintext
// scaled by Q/T; the two users of this file differ in T and in what they pack.
//
// Primes stay below 2^61: above that, lattigo's inverse transform overflows.
type rlwe struct {
	n         int
	q         []uint64
	sub       []*lattigo.SubRing
	transform []transform
}

// newRLWE returns the ring of degree n, a power of two, over the given primes,
// each 1 mod 2n and below 2^61.
func newRLWE(n int, q ...uint64) (*rlwe, error) {
	for _, p := range q {
		if bits.Len64(p) > 61 {
			return nil, fmt.Errorf("preparing the ring of degree %d: the prime %d is not below 2^61", n, p)
		}
	}
	r, err := lattigo.NewRing(n, q)
	if err != nil {
		return nil, fmt.Errorf("preparing the ring of degree %d: %w", n, err)
	}
	x := &rlwe{n: n, q: q, sub: r.SubRings}
	for _, s := range x.sub {
		x.transform = append(x.transform, newTransform(s))
	}
	return x, nil
}

// poly returns the zero polynomial.
func (r *rlwe) poly() [][]uint64 { return vectors(len(r.q), r.n) }

// vectors returns count zero vectors of n words in one piece of memory.
func vectors(count, n int) [][]uint64 {
	words := make([]uint64, count*n)
	v := make([][]uint64, count)
	for i := range v {
		v[i] = words[i*n : (i+1)*n : (i+1)*n]
	}
	return v
}

// ntt transforms p in place; the values come out below each prime.
func (r *rlwe) ntt(p [][]uint64) {
	for i, t := range r.transform {
		t.ntt(p[i])
	}
}

// intt transforms p, below twice each prime, back in place; the coefficients
// come out below each prime.
func (r *rlwe) intt(p [][]uint64) {
	for i, t := range r.transform {
		t.intt(p[i])
	}
}

// lift writes to dst the residues of a polynomial with small signed
// coefficients.
func (r *rlwe) lift(dst [][]uint64, small []int64) {
	for i, q := range r.q {
		d := dst[i]
		for j, v := range small {
			d[j] = uint64(v) + q&uint64(v>>63)
		}
	}
}

// uniform fills dst with residues uniform modulo each prime, expanded from
// seed in the given domain; prime i is index i after the given ones. Both
// parties expand the same seed to the same residues. Values are public, so
// rejection may take its time.
func (r *rlwe) uniform(dst [][]uint64, seed ring.Seed, domain string, index ...uint64) {
	for i, q := range r.q {
		s := ring.NewStream(seed, domain, append(index[:len(index):len(index)], uint64(i))...)
		uniformMod(dst[i], s, q)
	}
}

// uniformMod fills dst with uniform integers below q.
func uniformMod(dst []uint64, s *ring.Stream, q uint64) {
	n := uint(bits.Len64(q - 1))
	s.FillBits(dst, n)
	var again [1]uint64
	for i, v := range dst {
		for v >= q {
			s.FillBits(again[:], n)
			v = again[0]
		}
		dst[i] = v
	}
}

// ternary fills dst with coefficients uniform over {−1, 0, 1}, up to a bias of
// 2^−62, in constant time.
func ternary(dst []int64, s *ring.Stream) {
	var words [512]uint64
	for len(dst) > 0 {
		w := words[:min(len(dst), len(words))]
		s.Fill(w)
		for i, x := range w {
			hi, _ := bits.Mul64(x, 3)
			dst[i] = int64(hi) - 1
		}
		dst = dst[len(w):]
	}
}

// Errors are centred binomial: the difference of two sums of errorBits bits.
// The standard deviation is √(errorBits/2) = 3.24.
const (
	errorBits     = 21
	errorVariance = float64(errorBits) / 2
)

// smallErrors fills dst with centred binomial errors, in constant time.
func smallErrors(dst []int64, s *ring.Stream) {
	var words [512]uint64
	for len(dst) > 0 {
		w := words[:min(len(dst), len(words))]
		s.Fill(w)
		for i, x := range w {
			const mask = 1<<errorBits - 1
			dst[i] = int64(bits.OnesCount64(x&mask) - bits.OnesCount64(x>>errorBits&mask))
		}
		dst = dst[len(w):]
	}
}

// secretKey draws a ternary secret from s and returns its values (the NTT
// domain).
func (r *rlwe) secretKey(s *ring.Stream) [][]uint64 {
	small := make([]int64, r.n)
	ternary(small, s)
	key := r.poly()
	r.lift(key, small)
	r.ntt(key)
	return key
}

// publicKey returns b = −a·key + e, in values, for a the polynomial whose
// values [rlwe.uniform] expands from seed in the domain "rlwe/public": (b, a)
// is an encryption of zero.
func (r *rlwe) publicKey(key [][]uint64, seed ring.Seed, errors *ring.Stream) [][]uint64 {
	small := make([]int64, r.n)
	smallErrors(small, errors)
	b, a := r.poly(), r.publicUniform(seed)
	r.lift(b, small)
	r.ntt(b)
	for i, s := range r.sub {
		s.MulCoeffsBarrett(a[i], key[i], a[i])
		s.Sub(b[i], a[i], b[i])
	}
	return b
}

// publicUniform expands the half a of a public key from its seed.
func (r *rlwe) publicUniform(seed ring.Seed) [][]uint64 {
	a := r.poly()
	r.uniform(a, seed, "rlwe/public")
	return a
}

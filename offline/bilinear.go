package offline

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// Matrix and convolution correlations by homomorphic encryption (design section
// 6): shares of A, B and C = A∗B mod 2^64, where ∗ is a convolution or a product
// of matrices and A = A_0 + A_1, B = B_0 + B_1 are uniform mod 2^64.
//
// # What is computed
//
//	A∗B = A_0∗B_0 + A_0∗B_1 + A_1∗B_0 + A_1∗B_1
//
// Each party computes one of the outer terms alone. For the inner two, each party
// encrypts its share of A under a key of its own and the other multiplies by its
// share of B in the clear: A packs densely into ciphertexts, while a ciphertext
// of weights, of which a product has many, would carry a few coefficients each.
// For 64 channels of 32×32 pixels and a 3×3 kernel, that is 14 MB in all; both
// terms under one key would take 24 MB in two replies, and 120 MB in one.
//
//  1. Both send Enc_i(A_i).
//  2. Party 1 draws M_1, uniform mod 2^64, and answers Enc_0(A_0∗B_1 − M_1).
//     Party 0 decrypts: D_0 = A_0∗B_1 − M_1.
//  3. Party 0, whose C_0 is given, sets M_0 = C_0 − A_0∗B_0 − D_0 and answers
//     Enc_1(A_1∗B_0 − M_0). Party 1 decrypts D_1 and has C_1 = A_1∗B_1 + M_1 + D_1.
//
// The sum of C_0 and C_1 is A∗B. M_0 is a mask because C_0 is: uniform, known to
// party 0 alone and used for nothing else.
//
// # Encryption
//
// Brakerski, Fan and Vercauteren's scheme with plaintext modulus 2^64 exactly, N =
// 8192, Q of 183 bits (three primes below 2^61; 218 bits are allowed at 128-bit
// security), a ternary secret and centred binomial errors. A unit of the
// plaintext is Δ = Q/2^64 > 2^119·(1 − 2^−40). R is 2^64.
//
// A query, one for each segment and group of channels ([packing]), is c1 = a,
// uniform, expanded from the message's fresh seed, and c0 = −a·sk + e +
// round(m·Q/2^64) mod Q. Both are polynomials of values (in the NTT domain), which
// saves the receiver a transform.
//
// A reply is a sum of queries times polynomials of weights, centred, |w| ≤ 2^63,
// and then, in this order,
//
//  1. an encryption of zero under the other party's public key (b, a) at full Q:
//     b·u to c0 and a·u + e2 to c1, from a fresh seed for every reply. The error
//     that c0 would get as well is left to step 3, which drowns it;
//  2. the mask, subtracted from the coefficients of c0 that are outputs;
//  3. the flood: each of those gets an integer multiple of Δ·2^−64, uniform in
//     [−Δ/4, Δ/4);
//  4. modulus switching: c1' = round(c1·2^75/Q) mod 2^75, all of it, and c0' =
//     round(c0·2^67/Q) mod 2^67, of outputs only: 11 and 3 bits below the unit.
//
// # It is exact
//
// Decryption is c0'/2^3 + c1'·sk/2^11 mod 2^64, rounded to the nearest integer. It
// is off from that integer by, in units,
//   - noise of queries. A fresh query is off by ε, |ε| ≤ errorBits + 1/2, a sum of
//     at most 2^18 terms by at most 2^18·2^63·2^4.5 < 2^86: below 2^−33;
//   - noise of the encryption of zero, |e·u + e2·sk| ≤ 2N·errorBits < 2^19;
//   - the flood: at most 1/4;
//   - rounding of c0': at most 1/16;
//   - rounding of c1'·sk. Each coefficient is off by at most 1/2 in 2^−11 units,
//     uniformly and independently of sk because c1 is. N such terms make a
//     sub-Gaussian sum of variance N/12, which exceeds 380 with a probability of at
//     most 2·exp(−6·380²/N) < 2^−151.
//
// So together at most 2^−32 + 1/4 + 1/16 + 380/2^11 < 1/2, for all 8192
// coefficients of a reply but with a probability below 2^−138. This holds for all
// values of A and B.
//
// # What the reply hides
//
// The party that decrypts knows sk, its own errors ε and its own share of A. Of c1
// it sees a function, and a·u + e2 is an RLWE sample, uniform to anyone who does
// not know u and e2, whatever was multiplied. Given c1, each c0' is a function of
// D = A∗B − mask, which is uniform and its output, and of v + f, the noise and the
// flood. v depends on B, the other party's share: v = Σ w·ε + e·u + e2·sk. It
// shifts f, uniform over Δ/2, by at most |v| and the rounding of fractions by 4
// units of Δ·2^−64, so the distance is at most (|v| + Δ·2^−62)/(Δ/2). The w are
// uniform mod 2^64, E w² < 2^126/3 + 1, the ε independent with zero mean and a
// variance below 10.8, so for t ≤ 2^18 terms, in the mean over what both parties
// draw,
//
//	E|v| ≤ √(t·2^126/3·10.8) + 2^19 < 2^(9 + 63 + 0.93),
//
// and the distance is below 2^−45.06 for each output; 2^−49 at the 1152 terms of
// the example above. Whether two parties exchange many correlations or few, each
// output has its own mask and its own flood.
//
// The party that evaluates sees queries: fresh encryptions under a key that it
// does not hold.
//
// # Once
//
// Seeds are fresh for every message, and every domain is used once in each. M_1
// has a seed of its own for every product.
//
// This file's arithmetic on secrets is in constant time, up to lattigo's
// transforms, whose conditional subtractions compile to conditional moves.

const (
	bilinearN = 1 << 13

	bilinearPrimes    = 3
	bilinearPrimeBits = 61

	// Bits below the unit of the plaintext in a reply.
	bilinearBits0 = 3
	bilinearBits1 = 11

	// The flood is uniform in ±2^(bilinearFlood−1), in units of Δ·2^−64.
	bilinearFlood = 63

	// maxBilinearTerms bounds the terms of a coefficient of a reply: see the proof
	// above.
	maxBilinearTerms = 1 << 18
)

// bilinearModulus has the three largest primes below 2^61 that are 1 mod 2N. Part
// of the format, never change.
var bilinearModulus = [bilinearPrimes]uint64{1<<61 - 376831, 1<<61 - 573439, 1<<61 - 999423}

// Messages. Each is a version and, of a public key, seed ‖ values of b; of a
// query, seed ‖ values of c0; of a reply, c1' ‖ for each output of [packing] eight
// bytes of c0' ‖ its bits below the unit. What is no whole number of bytes is
// padded to one with zeros.
const (
	bilinearKeyVersion   = 0x21
	bilinearQueryVersion = 0x22
	bilinearReplyVersion = 0x23

	bilinearPolySize  = bilinearPrimes * bilinearN * bilinearPrimeBits / 8
	bilinearKeySize   = 1 + ring.SeedSize + bilinearPolySize
	bilinearQuerySize = 1 + ring.SeedSize + bilinearPolySize
	bilinearMaskSize  = 1 + bilinearN*(64+bilinearBits1)/8
)

// bilinearParameters are what layouts depend on.
var bilinearParameters = parameters{
	n:              bilinearN,
	maxTerms:       maxBilinearTerms,
	tooMany:        "would show through the flood",
	maxQueryGroups: 256,
	cipherMemory:   2 * bilinearPrimes * bilinearN * 8,
	bandMemory:     64 << 20,
	querySize:      bilinearQuerySize,
	maskSize:       bilinearMaskSize,
	productWork:    60_000,
	weightWork: func(_, stride int) int64 {
		return 15_000 + 75_000/int64(stride)
	},
}

// bilinearReplySize returns the bytes of the reply for a segment and a group of
// output channels.
func bilinearReplySize(p *packing, seg, k int) int {
	n := p.outputCount(seg, k)
	return bilinearMaskSize + 8*n + packedSize(n, bilinearBits0)
}

// bilinearRing is the ring and the constants that follow from its primes.
type bilinearRing struct {
	*rlwe
	fractions fractions
	low       uint64 // Q mod 2^64
	inverse   uint64 // q0^−1·R mod q1
	prime     [bilinearPrimes]bilinearPrime
}

// bilinearPrime is what belongs to one prime q.
type bilinearPrime struct {
	q, mred uint64
	r1, r2  uint64 // R, R² mod q
	offset  uint64 // bilinearOffset mod q
}

// bilinearOffset = 2^88 makes c1'·sk non-negative: N products below 2^75.
const bilinearOffset = 64 + bilinearBits1 + 13

// newBilinearRing is the ring that all products share. Its error is that of
// constants, so none in practice.
var newBilinearRing = sync.OnceValues(func() (*bilinearRing, error) {
	base, err := newRLWE(bilinearN, bilinearModulus[:]...)
	if err != nil {
		return nil, err
	}
	r := &bilinearRing{rlwe: base, fractions: base.fractions(), low: 1}
	for i, q := range bilinearModulus {
		m := new(big.Int).SetUint64(q)
		power := func(n uint) uint64 {
			x := new(big.Int).Lsh(big.NewInt(1), n)
			return x.Mod(x, m).Uint64()
		}
		r.prime[i] = bilinearPrime{
			q: q, mred: base.sub[i].MRedConstant,
			r1: power(64), r2: power(128), offset: power(bilinearOffset),
		}
		r.low *= q
	}
	q0, q1 := new(big.Int).SetUint64(bilinearModulus[0]), bilinearModulus[1]
	r.inverse = montgomery(q0.ModInverse(q0, new(big.Int).SetUint64(q1)), q1)
	return r, nil
})

// mul returns x·y/R mod q, below 2q, for x·y < q·2^64.
func (p *bilinearPrime) mul(x, y uint64) uint64 { return lattigo.MRedLazy(x, y, p.q, p.mred) }

// reduce returns x mod q for x below 2q.
func (p *bilinearPrime) reduce(x uint64) uint64 {
	x, borrow := bits.Sub64(x, p.q, 0)
	return x + p.q&-borrow
}

// weight returns the residue, in Montgomery form and below 3q, of v read as a
// signed integer.
func (p *bilinearPrime) weight(v uint64) uint64 {
	return p.mul(v, p.r2) + (p.q-p.r2)&-(v>>63)
}

// encode returns the residue of round(v·Q/2^64) + e, below 4q. With s = −v·Q mod
// 2^64, centred, the former is (v·Q + s)/2^64, and Q is 0 mod q.
func (p *bilinearPrime) encode(v, low uint64, e int64) uint64 {
	s := -v * low
	return p.mul(s, 1) + p.q + uint64(e) - s>>63
}

// compose returns the integer below q0·q1 with residues x0 and x1, reduced.
func (r *bilinearRing) compose(x0, x1 uint64) (hi, lo uint64) {
	p := &r.prime[1]
	// q0 exceeds q1 by less than 2^18, so x0 is below 2·q1.
	t := p.reduce(p.mul(x1+2*p.q-x0, r.inverse))
	hi, lo = bits.Mul64(t, r.prime[0].q)
	lo, carry := bits.Add64(lo, x0, 0)
	return hi + carry, lo
}

// unpackPoly reads the residues of a polynomial from packed bytes, which must be
// below the primes.
func (r *bilinearRing) unpackPoly(dst [][]uint64, src []byte) error {
	var over uint64
	for i, d := range dst {
		src = unpackBits(d, src, bilinearPrimeBits)
		for _, v := range d {
			over |= r.prime[i].q - 1 - v
		}
	}
	if over>>63 != 0 {
		return fmt.Errorf("a residue is not below its modulus")
	}
	return nil
}

// packPoly writes the residues of a polynomial, below the primes.
func packPoly(dst []byte, src [][]uint64) {
	for _, s := range src {
		dst = packBits(dst, s, bilinearPrimeBits)
	}
}

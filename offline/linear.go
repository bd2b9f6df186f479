package offline

import (
	"math/big"
	"math/bits"
	"sync"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// Linear correlations, y = W·r − s mod 2^64 for the client's r and the server's
// W and s (design section 6).
//
// The scheme is Brakerski, Fan and Vercauteren's with plaintext modulus 2^64
// exactly, in the ring of degree N = 4096 over Q = q0·q1, two primes of 54 bits:
// log2 Q < 108 where 128 bits of security with ternary secrets allow 109
// (Homomorphic Encryption Standard, table 1). A unit of the plaintext is Q/2^64,
// just below 2^44. R is 2^64 mod q, as in Montgomery forms.
//
// A query, one for each segment and group of channels (see [LinearPacking]), is
// c1 = a, uniform, expanded from the message's fresh seed, and c0 = −a·sk + e +
// round(r·Q/2^64), rounded to a multiple of 2^dropBits.
//
// A reply is a sum of queries times polynomials of weights, then
//  1. plus an encryption of zero under the client's public key (b, a), (b·u + e1,
//     a·u + e2) at full Q, from a fresh seed for every reply;
//  2. both parts scaled to powers of two: c0' = round(c0·2^64/Q) mod 2^64, of the
//     coefficients that are outputs only, and c1' = round(c1·2^72/Q) mod 2^72;
//  3. c0' − s mod 2^64, s being the server's half.
//
// What the client sees says nothing about W. c0' − s is uniform and independent
// of everything else, noise included, because s is uniform mod 2^64 and masks
// this one number. And c1' is a function of c1, where a·u + e2 is an RLWE sample,
// uniform to anyone who does not know u. So there is no flooding, and the mask
// comes last, at its own modulus: here this differs from the design, section 6.
// What remains is that y is off from W·r − s by −1, 0 or 1, and that this error
// depends on the noise with a probability of about noise over unit: 2^−25 and
// less for the layers of a ResNet. What an output can show of that, and the
// dither against it, is the last remark of docs/protocol.md, section 6.
//
// Decryption is y = c0' + round(c1'·sk/2^8) mod 2^64. It is off by, in units:
//   - noise of the queries. Each coefficient is off by at most 1/2 from encoding,
//     2^(dropBits−1) from dropping and errorBits, together below 2^5, so a sum of
//     at most 2^20 terms with weights of at most 2^15 is off by at most 2^40;
//   - noise of the encryption of zero, e'·u + e1 + e2·sk: at most (2N + 1)·
//     errorBits < 2^18. With the former, below 2^−3.9 units;
//   - rounding of c0': at most 1/2;
//   - rounding of c1'·sk. Each coefficient is off by at most 1/2 in 2^−8 units,
//     uniformly and independently of sk because c1 is. N such terms make a
//     sub-Gaussian sum of variance N/12, which exceeds 238 in 2^−8 units with a
//     probability of at most 2·exp(−6·238²/N) < 2^−118.
//
// So it is an integer, off by less than 2^−3.9 + 1/2 + 238/256 < 3/2 and then
// rounded to the nearest: at most one unit, as correlation.LinearTolerance
// promises. The typical noise is far smaller; about one output in twenty is off
// at all.
//
// This file's arithmetic on secrets is in constant time. lattigo's transforms
// reduce by conditional subtractions that the compiler may turn into branches.

const (
	linearN = 1 << 12

	// The two largest primes below 2^54 that are 1 mod 2N. So Q > 2^108·(1 −
	// 2^−35), and even the top bits of packed coefficients look uniform.
	linearQ0 = 1<<54 - 172031
	linearQ1 = 1<<54 - 188415

	primeBits  = 54
	dropBits   = 4 // leaves 13 bytes, and adds half as much variance as the errors have
	queryBits  = 2*primeBits - dropBits
	replyShift = 8 // c1' has so many bits below the unit
	replyBits  = 64 + replyShift

	// maxLinearTerms bounds the terms of a coefficient of a reply: see the proof
	// above.
	maxLinearTerms = 1 << 20
)

// linearParameters are what the layouts of linear correlations depend on.
var linearParameters = parameters{
	n:              linearN,
	maxTerms:       maxLinearTerms,
	tooMany:        "would blur the last place",
	maxQueryGroups: maxCiphers,
	cipherMemory:   2 * 2 * linearN * 8,
	bandMemory:     128 << 20,
	querySize:      queryCipherSize,
	maskSize:       replyMaskSize,
	productWork:    11_000,
	weightWork: func(weights, stride int) int64 {
		return min(combineWork(weights), transformWork(stride))
	},
}

// linearRing is the ring and the constants that follow from its primes.
type linearRing struct {
	*rlwe
	qHi, qLo uint64 // Q
	inverse  uint64 // q0^−1·R mod q1
	prime    [2]linearPrime
}

// linearPrime is what belongs to one prime q; q' is the other.
type linearPrime struct {
	q, mred uint64
	r2, r3  uint64 // R^2, R^3 mod q
	// 2^dropBits·R^2 and 2^(dropBits + 64)·R^2 mod q take the words of a query's
	// coefficient to its residue in Montgomery form.
	queryLo, queryHi uint64
	// cofactor is q'^−1·R mod q; recip is 2^128/q in three words, the first of
	// them the fraction. They take a residue to its part of x/Q.
	cofactor uint64
	recip    [3]uint64
	offset   uint64 // decryptOffset mod q
}

// decryptOffset = 2^84 makes c1'·sk non-negative: N products below 2^72.
const decryptOffset = replyBits + 12

// newLinearRing is the ring that all linear correlations share. Its error is
// that of constants, so none in practice.
var newLinearRing = sync.OnceValues(func() (*linearRing, error) {
	base, err := newRLWE(linearN, linearQ0, linearQ1)
	if err != nil {
		return nil, err
	}
	r := &linearRing{rlwe: base}
	r.qHi, r.qLo = bits.Mul64(linearQ0, linearQ1)
	q := [2]*big.Int{big.NewInt(linearQ0), big.NewInt(linearQ1)}
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	for i := range q {
		p, other := &r.prime[i], q[1-i]
		mod := func(x *big.Int) uint64 { return x.Mod(x, q[i]).Uint64() }
		p.q, p.mred = q[i].Uint64(), base.sub[i].MRedConstant
		p.r2, p.r3 = mod(power(128)), mod(power(192))
		p.queryLo, p.queryHi = mod(power(128+dropBits)), mod(power(192+dropBits))
		inverse := new(big.Int).ModInverse(other, q[i])
		p.cofactor = mod(inverse.Lsh(inverse, 64))
		recip := power(192)
		recip.Div(recip, q[i])
		for w := range p.recip {
			p.recip[w] = new(big.Int).Rsh(recip, uint(64*w)).Uint64()
		}
		p.offset = mod(power(decryptOffset))
	}
	r.inverse = r.prime[1].cofactor
	return r, nil
})

// mul returns x·y/R mod q, below q, for x·y < q·2^64.
func (p *linearPrime) mul(x, y uint64) uint64 {
	return p.reduce(lattigo.MRedLazy(x, y, p.q, p.mred))
}

// reduce returns x mod q for x below 2q.
func (p *linearPrime) reduce(x uint64) uint64 {
	x, borrow := bits.Sub64(x, p.q, 0)
	return x + p.q&-borrow
}

// compose returns the integer below Q with residues x0, x1, x0 below 2^55 and
// x1 below q1. The integer is below Q + q0 if x0 is not reduced.
func (r *linearRing) compose(x0, x1 uint64) (hi, lo uint64) {
	t := r.prime[1].mul(x1+4*linearQ1-x0, r.inverse)
	hi, lo = bits.Mul64(t, linearQ0)
	lo, carry := bits.Add64(lo, x0, 0)
	return hi + carry, lo
}

// encode returns round(v·Q/2^64), below Q.
func (r *linearRing) encode(v uint64) (hi, lo uint64) {
	h0, l0 := bits.Mul64(v, r.qLo)
	h1, l1 := bits.Mul64(v, r.qHi)
	_, carry := bits.Add64(l0, 1<<63, 0)
	lo, carry = bits.Add64(h0, l1, carry)
	return h1 + carry, lo
}

// reduceOnce returns x − Q if that is not negative, and x if it is.
func (r *linearRing) reduceOnce(hi, lo uint64) (uint64, uint64) {
	dlo, borrow := bits.Sub64(lo, r.qLo, 0)
	dhi, borrow := bits.Sub64(hi, r.qHi, borrow)
	dlo, carry := bits.Add64(dlo, r.qLo&-borrow, 0)
	return dhi + r.qHi&-borrow + carry, dlo
}

// fraction returns floor(2^128·x/Q) mod 2^128, to within two units, for the x
// with residues x0 and x1, each below 2^55 and so perhaps not reduced.
//
// x/Q = Σ_i (x·q'^−1 mod q_i)/q_i mod 1.
func (r *linearRing) fraction(x0, x1 uint64) (hi, lo uint64) {
	for i, x := range [2]uint64{x0, x1} {
		p := &r.prime[i]
		y := p.mul(x, p.cofactor)
		f, _ := bits.Mul64(y, p.recip[0])
		h, l := bits.Mul64(y, p.recip[1])
		l, carry := bits.Add64(l, f, 0)
		h += y*p.recip[2] + carry
		lo, carry = bits.Add64(lo, l, 0)
		hi += h + carry
	}
	return hi, lo
}

// lifted returns the residue of small signed e modulo q.
func (p *linearPrime) lifted(e int64) uint64 { return uint64(e) + p.q&uint64(e>>63) }

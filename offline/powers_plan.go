package offline

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"pascaline/correlation"
)

// PowersSlots is how many elements one query carries: the degree of the ring.
const PowersSlots = 8192

// powersPrimes make Q, of 183 bits. They are 1 mod 2·PowersSlots and below
// 2^61. Ternary secrets in this degree allow 218 bits at 128-bit security
// (Homomorphic Encryption Standard, 2018, table 1). Part of the format.
var powersPrimes = [3]uint64{1<<61 - 376831, 1<<61 - 573439, 1<<61 - 999423}

// Statistical security of the two things that hide the server's half from the
// client, in bits: of the mask, for each power of an element, and of the flood,
// for each coefficient of a reply. An element meets at most seven masks, and on
// average one coefficient for each power and plaintext prime: 12 at degree 4,
// 39 at degree 8. So the flood's share of what leaks stays below the masks',
// and each bit that it does not have is one that no query has to send.
const (
	powersMaskSigma  = 45
	powersFloodSigma = 52
)

// powersTail is ten standard deviations of the error that rounding c1 makes, in
// units of its last place: Σ s_i·u_i for u_i uniform in ±1/2 and s_i ternary, of
// which at most powersWeight are not zero. A coefficient exceeds it with a
// probability of at most 2·exp(−6·222²/5888) < 2^−71, since E exp(t·u) ≤
// exp(t²/24); one of the 39·8192 that a reply has at most with 2^−53.
const powersTail = 222

// powersWeight bounds the number of coefficients of a secret that are not zero: 5461
// of 8192 in the mean, and more than ten standard deviations above that with a
// probability of at most 2^powersWeightBits, by Chernoff's bound exp(−N·D) for D =
// p·ln(p/q) + (1−p)·ln((1−p)/(1−q)), p = 5888/8192 and q = 2/3.
const (
	powersWeight     = 5888
	powersWeightBits = -74
)

// powersPlan is the arithmetic of the exchange for one degree and one width of
// masks: public, the same at both parties, computed in integers alone. Part of
// the format.
type powersPlan struct {
	degree   int
	maskBits uint

	// t are the plaintext primes, 1 mod 2·PowersSlots; power k is computed
	// modulo the first count[k−2] of them.
	t     []uint64
	count []int
	// offset[k−2] is the smallest o with |v| ≤ 2^o for every value v of the
	// terms of power k that the server computes; mask[k−2] is the number of bits
	// of the mask M: x = M + 2^o − v is below Πt.
	offset, mask []uint

	drop         uint // low bits that the query's c0 does without
	queryBits    uint // bits of each coefficient of the query's c0
	flood        uint // the flood is uniform over ±2^(flood−1), in units of Q/2^128
	bits0, bits1 uint // bits of each coefficient of a reply's c0 and c1
}

var powersPlans sync.Map // of func() (*powersPlan, error), by [2]int

// planPowers returns the plan for one degree and one width of masks.
func planPowers(degree int, maskBits uint) (*powersPlan, error) {
	spec := correlation.Spec{Kind: correlation.Powers, N: PowersSlots, Degree: degree, MaskBits: maskBits}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("planning homomorphic powers: %w", err)
	}
	once, _ := powersPlans.LoadOrStore([2]int{degree, int(maskBits)}, sync.OnceValues(func() (*powersPlan, error) {
		return searchPowers(degree, maskBits)
	}))
	return once.(func() (*powersPlan, error))()
}

// searchPowers tries every number of plaintext primes that might do and keeps
// the plan that sends the least. Fewer primes are larger: they carry more of a
// coefficient, but need more of Q below them.
func searchPowers(degree int, maskBits uint) (*powersPlan, error) {
	var best *powersPlan
	for n := 2; n <= 9; n++ {
		p := &powersPlan{degree: degree, maskBits: maskBits}
		if p.fill(n) && (best == nil || p.bitsPerElement() < best.bitsPerElement()) {
			best = p
		}
	}
	if best == nil {
		return nil, fmt.Errorf("planning homomorphic powers: no parameters for degree %d and masks of %d bits", degree, maskBits)
	}
	return best, nil
}

// bitsPerElement returns what a full batch sends, both ways.
func (p *powersPlan) bitsPerElement() uint {
	return uint(p.queries())*p.queryBits + uint(p.replies())*(p.bits0+p.bits1)
}

// queries returns the number of ciphertexts of a query: Enc(b^j) modulo each
// plaintext prime, j = 1..degree−1.
func (p *powersPlan) queries() int { return (p.degree - 1) * len(p.t) }

// replies returns the number of ciphertexts of a reply.
func (p *powersPlan) replies() int {
	n := 0
	for _, c := range p.count {
		n += c
	}
	return n
}

// fill completes p for n plaintext primes, and reports whether there is such a
// plan.
func (p *powersPlan) fill(n int) bool {
	var bound []*big.Int // x is below bound
	for k := 2; k <= p.degree; k++ {
		o := p.magnitude(k)
		b := max(128, o+powersMaskSigma) // 128: the share, M mod 2^128, must be uniform
		p.offset, p.mask = append(p.offset, o), append(p.mask, b)
		bound = append(bound, new(big.Int).Add(power2(b), power2(o+1)))
	}
	if !p.choosePrimes(n, bound[len(bound)-1]) {
		return false
	}
	product, k := big.NewInt(1), 0
	for i, t := range p.t {
		product.Mul(product, new(big.Int).SetUint64(t))
		for ; k < len(bound) && product.Cmp(bound[k]) >= 0; k++ {
			p.count = append(p.count, i+1)
		}
	}
	return k == len(bound) && p.chooseWidths()
}

// magnitude returns the bits of the largest v: with a^i and b^i reduced to
// −2^127..2^127 and |a|, |b| ≤ 2^(maskBits−1), v is the sum of binom(k,
// j)·a^(k−j)·b^j over 0 ≤ j < k.
func (p *powersPlan) magnitude(k int) uint {
	factor := func(i int) uint { return min(127, uint(i)*(p.maskBits-1)) }
	sum := power2(factor(k))
	for j := 1; j < k; j++ {
		term := new(big.Int).Binomial(int64(k), int64(j))
		sum.Add(sum, term.Lsh(term, factor(k-j)+factor(j)))
	}
	return uint(sum.Sub(sum, big.NewInt(1)).BitLen())
}

// choosePrimes finds the n smallest primes whose product reaches bound, and
// reports whether they are of a size that works: above 2^58 Q leaves no room for
// the noise; below 2^32 the primes would soon be rare, and many are never better
// than few.
func (p *powersPlan) choosePrimes(n int, bound *big.Int) bool {
	p.t = primesReaching(bound, n, PowersSlots)
	return bits.Len64(p.t[0]) > 32 && bits.Len64(p.t[n-1]) <= 58
}

// chooseWidths sets the flood and what is dropped of query and reply, so that
// the exchange sends the least within the noise budget.
//
// Query: c0 arrives without its drop low bits, so a fresh ciphertext's noise is
// e + u with u uniform over 2^drop values. Multiplying by degree−1 plaintexts
// with coefficients of at most T/2 makes noise of standard deviation at most
// s = T/2·√(n·(degree−1)·(Var e + 1 + 4^drop/12)); the encryption of zero adds
// two small products to it, less than one part in 2^40. Shifting the flood,
// uniform over 2^flood·Q/2^128, by noise of deviation s is noticed with
// probability at most s·2^128/(Q·2^flood), which must stay below
// 2^−powersFloodSigma.
//
// Reply: a coefficient decrypts if flood, rounding of c0, rounding of c1 and
// noise stay below half of Q/T:
//
//	2^(flood−1) + 2^(127−bits0) + powersTail·2^(128−bits1) + noise < 2^127/T
//
// where the noise is at most 2^(flood−40), being 2^−52 of the flood in the mean.
func (p *powersPlan) chooseWidths() bool {
	largest := new(big.Int).SetUint64(p.t[len(p.t)-1])
	q := big.NewInt(1)
	for _, m := range powersPrimes {
		q.Mul(q, new(big.Int).SetUint64(m))
	}
	half := new(big.Int).Quo(power2(127), largest) // of Q/T, in units of Q/2^128
	found := false
	for flood := uint(half.BitLen()); flood > uint(half.BitLen())-4; flood-- {
		drop, ok := dropFor(largest, q, p.degree, flood)
		if !ok {
			continue
		}
		left := new(big.Int).Sub(half, power2(flood-1))
		left.Sub(left, power2(flood-40))
		for bits0 := uint(largest.BitLen()); bits0 < uint(largest.BitLen())+12; bits0++ {
			rest := new(big.Int).Sub(left, power2(127-bits0))
			bits1 := bits0
			for ; bits1 < bits0+16; bits1++ {
				tail := power2(128 - bits1)
				if tail.Mul(tail, big.NewInt(powersTail)).Cmp(rest) < 0 {
					break
				}
			}
			if bits1 == bits0+16 {
				continue
			}
			try := *p
			try.drop, try.flood, try.bits0, try.bits1 = drop, flood, bits0, bits1
			try.queryBits = uint(q.BitLen()) - drop
			if !found || try.bitsPerElement() < p.bitsPerElement() {
				*p, found = try, true
			}
		}
	}
	return found
}

// dropFor returns the most low bits that c0 of a query may lose, and whether
// the noise allows even a whole one.
func dropFor(t, q *big.Int, degree int, flood uint) (uint, bool) {
	// 12·s²·2^256 ≤ 12·(q·2^flood)²/2^(2·powersFloodSigma), for Var e + 1 < 12
	limit := new(big.Int).Mul(q, q)
	limit.Mul(limit, big.NewInt(12)).Lsh(limit, 2*flood).Rsh(limit, 2*powersFloodSigma+256)
	scale := new(big.Int).Mul(t, t)
	scale.Mul(scale, big.NewInt(int64(PowersSlots*(degree-1)))).Rsh(scale, 2)
	for drop := uint(50); ; drop-- {
		s := power2(2 * drop)
		if s.Add(s, big.NewInt(144)).Mul(s, scale).Cmp(limit) <= 0 {
			return drop, true
		}
		if drop == 0 {
			return 0, false
		}
	}
}

func power2(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }

package offline

import (
	"fmt"
	"math/big"
	"sync"

	"pascaline/ring"
)

// This file and its neighbours powers_*.go make powers correlations by
// homomorphic encryption (design section 6). The client, party 1, encrypts; the
// server, party 0, evaluates; one message each way carries [PowersSlots]
// elements.
//
// # What is computed
//
// With B the width of the masks let a = ρ_0 − 2^(B−1) and b = ρ_1 − 2^(B−1):
// centred, they save a bit in every factor, and (a + b)^k is as good as ρ^k
// because ρ = a + b + 2^B and shares can be added. The client sends
// Enc(b^j/j!), j = 1..d−1, the server returns Enc(x_k/k!) for every k, where
//
//	x_k = M_k + 2^o − v_k,  v_k = Σ_{j<k} binom(k, j)·a^(k−j)·b^j
//
// as integers, M_k uniform below 2^m. Dividing by factorials makes the
// binomial coefficients vanish: v_k/k! = Σ a^(k−j)/(k−j)! · b^j/j!, a sum of
// plaintext products without noise from constants. All powers enter reduced mod
// 2^128 to the nearest representative of zero, which changes v_k by a multiple
// of 2^128 and bounds it at every degree. The low 128 bits of M_k are the share
// that the server's seed expands to, so the client's share of (a + b)^k is
// 2^o − x_k + b^k mod 2^128.
//
// Everything is done modulo plaintext primes T whose product exceeds every x_k,
// so the client reconstructs x_k exactly, as an integer. Masks uniform modulo
// the product would leave a small probability of shares that are off by it;
// here the only thing left to chance is that ten standard deviations suffice
// for decryption (powersTail).
//
// # Encryption
//
// Brakerski, Fan and Vercauteren with N = 8192, Q of 183 bits, a ternary secret
// and centred binomial errors: above 128 bits of security, where up to 218 bits
// of Q are allowed. Enc(m) = (c0, c1) with c0 = −c1·s + e + ⌊Q·m/T⌋ mod Q,
// exactly. c1 is expanded from a seed that is fresh for every query, and read
// as values in Montgomery form. c0 is sent without its low bits: a public
// function of the ciphertext, which costs noise but no security.
//
// # What the server's answer hides
//
// In this order (design section 6), for each power and each T:
//
//  1. an encryption of zero under the client's public key at full Q, (b·u, a·u +
//     e1): c1 of the answer is pseudorandom by RLWE, whatever was multiplied.
//     The error that c0 would get as well is left to step 3, which drowns it;
//  2. the mask: x_k is within 2^−45 of independent of a, since |v_k| ≤ 2^o and
//     M_k is uniform below 2^m, m ≥ o + 45;
//  3. the flood, uniform over about half of Q/T: c0 is determined by c1, x_k and
//     noise that depends on a; noise shifts the flood by 2^−52 of its width in
//     the mean, whatever a is;
//  4. rounding to what decryption needs: a public function of the result.
//
// From step 3 on, c0 is a fraction of Q in units of 2^−128, of which the flood
// has 2^69 or more: that rounding adds less than 2^−66 to step 3.
//
// So a client that follows the protocol sees, for each element, at most 7·2^−45
// + 39·2^−52 more than x_k, which is uniform: statistically 2^−42 at degree 8,
// 2^−43 at degree 4. Slots without an element carry zero and a mask, and their
// coefficients are noise of the other elements as well: a reply that is not full
// reveals 39·2^−52 for each of its coefficients all the same (model.Plan.Distance).
// The server sees ciphertexts. Seeds are fresh for every message.

const (
	powersVersion = 1
	powersHeader  = headerSize // the parameters are degree and mask bits

	powersKeyMessage   = 1
	powersQueryMessage = 2
	powersReplyMessage = 3
)

// PowersQuerySize returns the bytes of the queries for n elements, one query
// for each [PowersSlots] or part of it; 0 if there is no such exchange.
func PowersQuerySize(degree int, maskBits uint, n int) int {
	p, err := planPowers(degree, maskBits)
	if err != nil || n < 0 {
		return 0
	}
	return (n + PowersSlots - 1) / PowersSlots * p.querySize()
}

// PowersReplySize returns the bytes of the replies for n elements, one reply
// for each [PowersSlots] or part of it; 0 if there is no such exchange.
func PowersReplySize(degree int, maskBits uint, n int) int {
	p, err := planPowers(degree, maskBits)
	if err != nil || n < 0 {
		return 0
	}
	return (n + PowersSlots - 1) / PowersSlots * p.replySize()
}

// A query is header ‖ seed of all c1 ‖ for each prime, for each power j: c0 in
// planes.
func (p *powersPlan) querySize() int {
	return powersHeader + ring.SeedSize + p.queries()*wideSize(PowersSlots, p.queryBits)
}

// A reply is header ‖ for each prime, for each power k that is computed modulo
// it: c1 in planes, c0.
func (p *powersPlan) replySize() int {
	return powersHeader + p.replies()*(wideSize(PowersSlots, p.bits1)+wideSize(PowersSlots, p.bits0))
}

// A public key is header ‖ key.
func (r *powersRings) keySize() int { return powersHeader + r.q.publicKeySize() }

// header returns the header of a message of the plan.
func (p *powersPlan) header(message byte, elements int) header {
	return header{powersVersion, message, [2]byte{byte(p.degree), byte(p.maskBits)}, elements}
}

// checkHeader refuses a message that is not exactly of the given kind and size
// for the plan and number of elements, and returns what follows its header.
func (p *powersPlan) checkHeader(src []byte, message byte, elements, size int) ([]byte, error) {
	return p.header(message, elements).check(src, size, func(got [2]byte) string {
		return fmt.Sprintf("degree %d and masks of %d bits, not for degree %d and %d bits", got[0], got[1], p.degree, p.maskBits)
	})
}

// checkRho refuses parts of masks that a batch cannot carry.
func (p *powersPlan) checkRho(rho []uint64) error {
	if len(rho) < 1 || len(rho) > PowersSlots {
		return fmt.Errorf("a batch of %d elements; there must be from 1 to %d", len(rho), PowersSlots)
	}
	var all uint64
	for _, r := range rho {
		all |= r
	}
	if all>>p.maskBits != 0 {
		return fmt.Errorf("a part of a mask is not below 2^%d", p.maskBits)
	}
	return nil
}

// powersRings is what both parties compute from a plan.
type powersRings struct {
	*powersPlan
	q, t      *rlwe
	fractions fractions
	factorial []*big.Int // k!
}

var (
	powersQ       = sync.OnceValues(func() (*rlwe, error) { return newRLWE(PowersSlots, powersPrimes[:]...) })
	powersRingSet sync.Map // of func() (*powersRings, error), by *powersPlan
)

// ringsForPowers returns the plan and the rings for one degree and one width of
// masks; they are made once and shared.
func ringsForPowers(degree int, maskBits uint) (*powersRings, error) {
	p, err := planPowers(degree, maskBits)
	if err != nil {
		return nil, err
	}
	once, _ := powersRingSet.LoadOrStore(p, sync.OnceValues(func() (*powersRings, error) {
		q, err := powersQ()
		if err != nil {
			return nil, err
		}
		t, err := newRLWE(PowersSlots, p.t...)
		if err != nil {
			return nil, err
		}
		r := &powersRings{powersPlan: p, q: q, t: t, fractions: q.fractions()}
		for k := range p.degree + 1 {
			r.factorial = append(r.factorial, new(big.Int).MulRange(1, int64(k)))
		}
		return r, nil
	}))
	return once.(func() (*powersRings, error))()
}

// overFactorial returns f/k! mod t.
func (r *powersRings) overFactorial(f *big.Int, k int, t uint64) *big.Int {
	m := new(big.Int).SetUint64(t)
	inverse := new(big.Int).ModInverse(r.factorial[k], m)
	return inverse.Mul(inverse, f).Mod(inverse, m)
}

// signedForm returns the form x ↦ f·x mod the i-th plaintext prime for x a
// signed integer of 128 bits with its sign bit flipped, that is, x + 2^127.
func (r *powersRings) signedForm(i int, f *big.Int) *residueForm {
	k := new(big.Int).Mul(f, power2(127))
	return newResidueForm(r.t.sub[i], 2, f, k.Neg(k))
}

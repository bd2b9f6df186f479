package offline

import (
	"fmt"
	"math/big"
	"sync"

	"pascaline/correlation"
	"pascaline/ring"
)

// This file and its neighbours products_*.go make triples, squares and products
// mod 2^64 by homomorphic encryption (design section 6). Party 1, the encryptor,
// sends one query for [ProductsSlots] elements, party 0, the evaluator, one
// reply.
//
// # What is computed
//
// Words are read as integers from −2^63 to 2^63 − 1. Of each element
//
//	           party 0 has    party 1 has    v                  own products
//	triples    a0, b0, c0     a1, b1         a0·b1 + b0·a1      a0·b0, a1·b1
//	squares    a0, c0         a1             (2·a0 mod 2^64)·a1 a0², a1²
//	products   a0, c0         a1             a0·a1              none
//
// where c0 is uniform mod 2^64, party 0's share of the product. Party 1 sends
// Enc(a1), and Enc(b1) for triples, and is answered Enc(x),
//
//	x = M + 2^o − v,  |v| ≤ 2^o,
//
// as integers, M uniform below 2^m. The low 64 bits of M are c0 less party 0's
// own product, and o ≥ 64: so with c1 = party 1's own product − x, c0 + c1 is the
// product mod 2^64.
//
// The plaintext modulus T exceeds every x, so party 1 reconstructs x exactly, as
// an integer: the only thing left to chance is that ten standard deviations
// suffice for decryption (productsTail). T is the product of three primes that
// are 1 mod 2N, so a plaintext is a vector of N integers mod T. Nobody computes
// with numbers of that length: coefficients are known by their residues modulo
// the three primes, multiplied as digits in mixed radix, and added as fractions
// of T.
//
// # Encryption
//
// Brakerski, Fan and Vercauteren with N = 16384, Q of at most 401 bits, a ternary
// secret and centred binomial errors: above 128 bits of security, where up to 438
// bits of Q are allowed. Enc(m) = (c0, c1) with c0 = −c1·s + e + Q·m/T mod Q, the
// last term rounded. c1 is expanded from a seed that is fresh for every query.
// c0 is sent whole, in values: Q is as short as the noise allows, and the three
// bits that rounding would save are not worth leaving the values.
//
// # What the reply hides
//
// In this order (design section 6):
//
//  1. an encryption of zero under the client's public key at full Q, (b·u, a·u +
//     e1): c1 of the reply is pseudorandom by RLWE, whatever was multiplied. The
//     error that c0 would get as well is left to step 3, which drowns it;
//  2. the mask: x is within 2^−45 of independent of a0 and b0, since |v| ≤ 2^o
//     and M is uniform below 2^m, m = o + 45. Its low 64 bits are exactly uniform;
//  3. the flood, uniform over about half of Q/T: c0 is determined by c1, x and
//     noise that depends on a0 and b0; noise shifts the flood by 2^−47 of its
//     width in the mean, whatever they are;
//  4. rounding to what decryption needs: a public function of the result.
//
// From step 3 on, c0 is a fraction of Q in units of 2^−256, of which the flood has
// 2^80 or more: that rounding adds less than 2^−76 to step 3.
//
// So a client that follows the protocol sees, for each element, at most 2^−45 +
// 2^−47 < 2^−44 more than x, whose low 64 bits say its own share and whose high
// ones nothing. Slots without an element carry zero and a mask, and their
// coefficients are noise of the other elements as well: 2^−47 for each. The server
// sees ciphertexts. Seeds are fresh for every message.

const (
	productsVersion = 1

	productsKeyMessage   = 1
	productsQueryMessage = 2
	productsReplyMessage = 3
)

// ProductsQuerySize returns the bytes of the queries for n triples, squares or
// products, one query for each [ProductsSlots] or part of it; 0 if there is no
// such exchange.
func ProductsQuerySize(kind correlation.Kind, n int) int {
	p, err := planProducts(kind)
	if err != nil || n < 0 {
		return 0
	}
	return (n + ProductsSlots - 1) / ProductsSlots * p.querySize()
}

// ProductsReplySize returns the bytes of the replies for n triples, squares or
// products, one reply for each [ProductsSlots] or part of it; 0 if there is no
// such exchange.
func ProductsReplySize(kind correlation.Kind, n int) int {
	p, err := planProducts(kind)
	if err != nil || n < 0 {
		return 0
	}
	return (n + ProductsSlots - 1) / ProductsSlots * p.replySize()
}

// A query is header ‖ seed of all c1 ‖ for each prime, for each operand: values
// of c0.
func (p *productsPlan) querySize() int {
	return headerSize + ring.SeedSize + p.operands*residuesSize(ProductsSlots, p.q)
}

// A reply is header ‖ c1 in planes ‖ c0 in planes.
func (p *productsPlan) replySize() int {
	return headerSize + wideSize(ProductsSlots, p.bits1) + wideSize(ProductsSlots, p.bits0)
}

// A public key is header ‖ key.
func (r *productsRings) keySize() int { return headerSize + r.q.publicKeySize() }

// header returns the header of a message: its first parameter is the kind.
func (p *productsPlan) header(message byte, elements int) header {
	return header{productsVersion, message, [2]byte{byte(p.kind)}, elements}
}

// checkHeader refuses a message that is not exactly of the given type and size
// for the kind and number of elements, and returns what follows its header.
func (p *productsPlan) checkHeader(src []byte, message byte, elements, size int) ([]byte, error) {
	return p.header(message, elements).check(src, size, func(got [2]byte) string {
		return fmt.Sprintf("%v (%d), not for %v", correlation.Kind(got[0]), got[1], p.kind)
	})
}

// checkOperands refuses what a batch cannot carry and returns its operands.
func (p *productsPlan) checkOperands(a, b []uint64) ([][]uint64, error) {
	switch {
	case len(a) < 1 || len(a) > ProductsSlots:
		return nil, fmt.Errorf("a batch of %d elements; there must be from 1 to %d", len(a), ProductsSlots)
	case p.operands == 1 && len(b) != 0:
		return nil, fmt.Errorf("%d second operands, where %v have none", len(b), p.kind)
	case p.operands == 1:
		return [][]uint64{a}, nil
	case len(b) != len(a):
		return nil, fmt.Errorf("%d second operands for %d first ones", len(b), len(a))
	}
	return [][]uint64{a, b}, nil
}

// subtractOwn subtracts from dst the product of a party's own operands, mod 2^64,
// that is part of what it has a share of.
func (p *productsPlan) subtractOwn(dst []uint64, operands [][]uint64) {
	if p.kind == correlation.Products {
		return
	}
	a, b := operands[0], operands[p.operands-1]
	for i, x := range a {
		dst[i] -= x * b[i]
	}
}

// productsRings is what both parties compute from a plan.
type productsRings struct {
	*productsPlan
	q, t   *rlwe
	tRadix mixedRadix
}

var productsRingSet sync.Map // of func() (*productsRings, error), by correlation.Kind

// ringsForProducts returns the plan and the rings for one kind; they are made
// once and shared.
func ringsForProducts(kind correlation.Kind) (*productsRings, error) {
	once, _ := productsRingSet.LoadOrStore(kind, sync.OnceValues(func() (*productsRings, error) {
		p, err := planProducts(kind)
		if err != nil {
			return nil, err
		}
		r := &productsRings{productsPlan: p}
		if r.q, err = newRLWE(ProductsSlots, p.q...); err != nil {
			return nil, err
		}
		if r.t, err = newRLWE(ProductsSlots, p.t...); err != nil {
			return nil, err
		}
		r.tRadix = r.t.mixedRadix(len(p.t))
		return r, nil
	}))
	return once.(func() (*productsRings, error))()
}

// wordForm returns the form x ↦ f·x modulo the i-th plaintext prime, for x a
// signed integer of 64 bits with its sign bit flipped, that is, x + 2^63.
func (r *productsRings) wordForm(i int, f *big.Int) *residueForm {
	k := new(big.Int).Mul(f, power2(63))
	return newResidueForm(r.t.sub[i], 1, f, k.Neg(k))
}

// encode writes the coefficients, modulo each plaintext prime, of the plaintext
// with times·x mod 2^64 in its slots to dst, in the forms of wordForm. Slots
// beyond x hold zero.
func (r *productsRings) encode(dst [][]uint64, flipped, x []uint64, times uint64, forms []*residueForm) {
	for i, v := range x {
		flipped[i] = v*times ^ 1<<63
	}
	for i := len(x); i < len(flipped); i++ {
		flipped[i] = 1 << 63
	}
	for i, f := range forms {
		f.apply(dst[i], [][]uint64{flipped})
		r.t.transform[i].intt(dst[i])
	}
}

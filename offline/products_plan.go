package offline

import (
	"fmt"
	"math/big"
	"sync"

	"pascaline/correlation"
)

// ProductsSlots is how many elements one query for triples, squares or products
// carries: the degree of the ring.
const ProductsSlots = 16384

// productsMaxQ bounds the bits of Q: ternary secrets in this degree allow 438 at
// 128-bit security (Homomorphic Encryption Standard, 2018, table 1).
const productsMaxQ = 438

// Statistical security of the two things that hide the server's half from the
// client, in bits: of the mask and of the flood. An element meets one mask and
// on average one coefficient.
const (
	productsMaskSigma  = 45
	productsFloodSigma = 47
)

// productsTail is what powersTail is, for this degree: secrets of weight up to
// 11526 of 16384, and 16384 coefficients in a reply.
const productsTail = 310

// productsPlan is the arithmetic of the exchange for one kind: public, the same
// at both parties, computed in integers alone. Part of the format.
type productsPlan struct {
	kind     correlation.Kind
	operands int // that each party has, and ciphertexts of a query

	// t are the plaintext primes, 1 mod 2·ProductsSlots, ascending; T is their
	// product.
	t []uint64
	// |v| ≤ 2^offset for every value v of the terms that the server computes; the
	// mask M has mask bits: x = M + 2^offset − v is below T.
	offset, mask uint

	q            []uint64 // the primes of Q, 1 mod 2·ProductsSlots, ascending
	flood        uint     // the flood is uniform over ±2^(flood−1), in units of Q/2^256
	bits0, bits1 uint     // bits of each coefficient of a reply's c0 and c1
}

var productsPlans sync.Map // of func() (*productsPlan, error), by correlation.Kind

// planProducts returns the plan for a kind.
func planProducts(kind correlation.Kind) (*productsPlan, error) {
	once, _ := productsPlans.LoadOrStore(kind, sync.OnceValues(func() (*productsPlan, error) {
		return searchProducts(kind)
	}))
	return once.(func() (*productsPlan, error))()
}

// searchProducts chooses the primes and the widths with which the exchange sends
// the least within the noise budget.
//
// Each bit of T is sent twice in every ciphertext of a query, as room for the
// plaintext and for the noise of its products, and each bit of the flood's
// security once. Hence a single ciphertext with a T of 172 bits, 401 bits in all,
// which this degree allows, and not, as for powers, several of small T: with
// three in half the degree it would be 3·171. The three primes of T are the
// fewest that stay below 2^61.
//
// Query: the noise of a fresh ciphertext is e + f, e the error and f in (−2, 1]
// what encoding rounds, so its mean square is at most Var e + 4. Multiplying by
// plaintexts with coefficients of at most T/2 makes noise of standard deviation
// at most s = T/2·√(n·operands·(Var e + 4)); the encryption of zero adds two small
// products to it, less than one part in 2^150. Shifting the flood, uniform over
// 2^flood·Q/2^256, by noise of deviation s is noticed with probability at most
// s·2^256/(Q·2^flood), which must stay below 2^−productsFloodSigma.
//
// Reply: a coefficient decrypts if flood, rounding of c0, rounding of c1 and
// noise stay below half of Q/T:
//
//	2^(flood−1) + 2^(255−bits0) + productsTail·2^(256−bits1) + noise < 2^255/T
//
// where the noise is at most 2^(flood−35), 2^12 times its deviation.
func searchProducts(kind correlation.Kind) (*productsPlan, error) {
	p := productsPlan{kind: kind, operands: 1}
	switch kind {
	case correlation.Triples:
		p.operands = 2
	case correlation.Squares, correlation.Products:
	default:
		return nil, fmt.Errorf("planning homomorphic products: %v are none", kind)
	}
	p.offset = 125 + uint(p.operands) // one or two products of integers of at most 2^63
	p.mask = p.offset + productsMaskSigma
	p.t = primesReaching(new(big.Int).Add(power2(p.mask), power2(p.offset+1)), 3, ProductsSlots)
	t := productOf(p.t)
	half := new(big.Int).Quo(power2(255), t) // of Q/T, in units of Q/2^256

	var best *productsPlan
	for flood := uint(half.BitLen()); flood > uint(half.BitLen())-4; flood-- {
		try := p
		try.flood = flood
		if !try.chooseModulus(t) {
			continue
		}
		left := new(big.Int).Sub(half, power2(flood-1))
		left.Sub(left, power2(flood-35))
		for try.bits0 = uint(t.BitLen()); try.bits0 < uint(t.BitLen())+12; try.bits0++ {
			rest := new(big.Int).Sub(left, power2(255-try.bits0))
			for try.bits1 = try.bits0; try.bits1 < try.bits0+16; try.bits1++ {
				tail := power2(256 - try.bits1)
				if tail.Mul(tail, big.NewInt(productsTail)).Cmp(rest) >= 0 {
					continue
				}
				if best == nil || try.bitsPerElement() < best.bitsPerElement() {
					fits := try
					best = &fits
				}
			}
		}
	}
	if best == nil {
		return nil, fmt.Errorf("planning homomorphic products: no parameters for %v", kind)
	}
	return best, nil
}

// bitsPerElement returns what a full batch sends, both ways.
func (p *productsPlan) bitsPerElement() uint {
	return uint(p.operands)*uint(productOf(p.q).BitLen()) + p.bits0 + p.bits1
}

// chooseModulus finds the shortest Q that drowns the noise in the flood, and
// reports whether it is secure. It is made of primes just below powers of two,
// so that packing wastes nothing.
func (p *productsPlan) chooseModulus(t *big.Int) bool {
	// 8·s², for Var e = errorBits/2
	noise := new(big.Int).Mul(t, t)
	noise.Mul(noise, big.NewInt(int64(ProductsSlots*p.operands*(errorBits+8))))
	noise.Lsh(noise, 2*(productsFloodSigma+256))
	shortest := (uint(noise.BitLen()) - 2*p.flood - 3) / 2
	for length := shortest; length <= productsMaxQ; length++ {
		count := (length + 59) / 60
		long := length % count
		p.q = primesBelow(length/count, int(count-long), ProductsSlots)
		p.q = append(p.q, primesBelow(length/count+1, int(long), ProductsSlots)...)
		q := productOf(p.q)
		q.Mul(q, q).Lsh(q, 2*p.flood+3)
		if noise.Cmp(q) <= 0 {
			return true
		}
	}
	return false
}

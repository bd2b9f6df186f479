package offline

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"pascaline/correlation"
	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// ProductsEncryptor is the encrypting party, party 1, of triples, squares or
// products: it holds the secret key. Its methods may be called at the same time.
type ProductsEncryptor struct {
	*productsRings
	public []byte
	minusS [][]uint64 // values of −s, in Montgomery form

	slot  []*residueForm // [i]: x ↦ Q·x·(T/T_i)^−1 mod T_i
	scale []*residueForm // [l]: (z_i) ↦ 1 − Σ_i z_i/T_i mod q_l

	lift  []*residueForm // [l]: c1 of a reply mod q_l, for the first primes of Q
	away  []uint64       // [l]: 2^(bits1+14) mod q_l
	radix mixedRadix     // of −c1·s
	whole [3]uint64      // T
	value []*residueForm // [i]: m ↦ m mod T_i

	scratch sync.Pool
}

// productsEncryption is what one call of [ProductsEncryptor.Encrypt] or
// [ProductsEncryptor.Decrypt] needs.
type productsEncryption struct {
	plain  [][][]uint64 // [operand]: coefficients modulo each T_i
	small  [][]int64    // [operand]
	c, c1  []uint64
	planes [][]uint64
	c0     [][]uint64 // planes
	phase  [][]uint64 // −c1·s, modulo each prime of its radix
}

// NewProductsEncryptor draws a fresh key pair for triples, squares or products.
func NewProductsEncryptor(kind correlation.Kind) (*ProductsEncryptor, error) {
	r, err := ringsForProducts(kind)
	if err != nil {
		return nil, err
	}
	return newProductsEncryptor(r), nil
}

func newProductsEncryptor(r *productsRings) *ProductsEncryptor {
	e := &ProductsEncryptor{productsRings: r, public: make([]byte, r.keySize())}
	e.minusS = r.q.keyPair(r.header(productsKeyMessage, 0).put(e.public), "products")
	for l, s := range r.q.sub {
		s.MForm(e.minusS[l], e.minusS[l])
	}
	e.prepareEncryption()
	e.prepareDecryption()
	e.scratch.New = func() any { return e.newScratch() }
	return e
}

// prepareEncryption computes the constants of Encrypt.
func (e *ProductsEncryptor) prepareEncryption() {
	q, whole := e.q.modulus(), e.t.modulus()
	for i, t := range e.t.q {
		m := new(big.Int).SetUint64(t)
		f := new(big.Int).Quo(whole, m)
		f.ModInverse(f, m).Mul(f, q)
		e.slot = append(e.slot, e.wordForm(i, f))
	}
	for _, s := range e.q.sub {
		m := new(big.Int).SetUint64(s.Modulus)
		var factors []*big.Int
		for _, t := range e.t.q {
			f := new(big.Int).SetUint64(t)
			factors = append(factors, f.ModInverse(f.Neg(f), m))
		}
		e.scale = append(e.scale, newWeightedForm(s, factors, big.NewInt(1)))
	}
}

// prepareDecryption computes the constants of Decrypt.
func (e *ProductsEncryptor) prepareDecryption() {
	one, zero, away := big.NewInt(1), new(big.Int), power2(e.bits1+14)
	count := e.phasePrimes()
	e.radix = e.q.mixedRadix(count)
	for _, s := range e.q.sub[:count] {
		e.lift = append(e.lift, newResidueForm(s, widePlanes(e.bits1), one, zero))
		e.away = append(e.away, new(big.Int).Mod(away, new(big.Int).SetUint64(s.Modulus)).Uint64())
	}
	whole := e.t.modulus()
	e.whole = [3]uint64(wordsOf(whole, 3))
	for _, s := range e.t.sub {
		e.value = append(e.value, newResidueForm(s, 3, one, zero))
	}
}

func (e *ProductsEncryptor) newScratch() *productsEncryption {
	const n = ProductsSlots
	s := &productsEncryption{
		c: make([]uint64, n), c1: make([]uint64, n), planes: vectors(3, n), c0: vectors(3, n),
		phase: vectors(e.phasePrimes(), n),
	}
	for range e.operands {
		s.plain, s.small = append(s.plain, e.t.poly()), append(s.small, make([]int64, n))
	}
	return s
}

// Format keeps the secret key out of logs, errors and debug output, whatever the
// verb.
func (e *ProductsEncryptor) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "encryptor of %v(redacted)", e.kind)
}

// PublicKey returns the public key, which the evaluating party needs before the
// first query.
func (e *ProductsEncryptor) PublicKey() []byte { return append([]byte(nil), e.public...) }

// Encrypt returns the query for a batch of this party's operands mod 2^64, 1 to
// [ProductsSlots] of them. Triples have two operands, a and b; squares and
// products have one, a, and b is empty. Every query is a fresh encryption.
func (e *ProductsEncryptor) Encrypt(a, b []uint64) ([]byte, error) {
	operands, err := e.checkOperands(a, b)
	if err != nil {
		return nil, fmt.Errorf("encrypting %v: %w", e.kind, err)
	}
	s := e.scratch.Get().(*productsEncryption)
	defer e.scratch.Put(s)
	query := make([]byte, e.querySize())
	rest := e.header(productsQueryMessage, len(a)).put(query)
	public, secret := ring.NewSeed(), ring.NewSeed()
	rest = rest[copy(rest, public[:]):]
	for j, x := range operands {
		e.encode(s.plain[j], s.c, x, 1, e.slot)
		smallErrors(s.small[j], ring.NewStream(secret, "products/query error", uint64(j)))
	}
	for l := range e.q.sub {
		for j := range operands {
			e.encrypt(s, j, l, public)
			rest = packBits(rest, s.c, uint(bits.Len64(e.q.q[l])))
		}
	}
	return query, nil
}

// encrypt sets s.c to the values modulo q_l of c0 = −c1·s + e + Q·m/T for the
// plaintext m that s.plain[j] encodes.
//
// As fractions, m/T = Σ_i y_i/T_i mod 1 with y_i = m·(T/T_i)^−1 mod T_i; so Q·m/T
// is Σ_i ⌊Q·y_i/T_i⌋ + 1 but for f in (−2, 1], and ⌊Q·y/T⌋ = (Q·y − (Q·y mod
// T))/T is −(Q·y mod T)/T modulo each prime of Q.
func (e *ProductsEncryptor) encrypt(s *productsEncryption, j, l int, public ring.Seed) {
	sub, c, c1 := e.q.sub[l], s.c, s.c1
	q, inv := sub.Modulus, sub.MRedConstant
	e.scale[l].apply(c, s.plain[j])
	for x, err := range s.small[j][:len(c)] {
		c[x] += uint64(err) + q&uint64(err>>63)
	}
	e.q.transform[l].ntt(c)
	uniformMod(c1, ring.NewStream(public, "products/query", uint64(j), uint64(l)), q)
	c1, minusS := c1[:len(c)], e.minusS[l][:len(c)]
	for x, v := range c {
		c[x] = lattigo.CRed(v+lattigo.MRed(c1[x], minusS[x], q, inv), q)
	}
}

// Decrypt returns this party's shares of the products or squares from the reply
// to the query for a and b.
func (e *ProductsEncryptor) Decrypt(a, b []uint64, reply []byte) ([]uint64, error) {
	operands, err := e.checkOperands(a, b)
	if err != nil {
		return nil, fmt.Errorf("decrypting %v: %w", e.kind, err)
	}
	rest, err := e.checkHeader(reply, productsReplyMessage, len(a), e.replySize())
	if err != nil {
		return nil, fmt.Errorf("decrypting %v: the reply is unusable: %w", e.kind, err)
	}
	s := e.scratch.Get().(*productsEncryption)
	defer e.scratch.Put(s)
	e.decrypt(s, rest)
	shares := make([]uint64, len(a))
	e.tRadix.integer([][]uint64{shares}, s.plain[0])
	e.subtractOwn(shares, operands)
	for x, v := range shares {
		shares[x] = -v
	}
	return shares, nil
}

// decrypt reads a ciphertext from src and writes the digits of the integers in
// its slots to s.plain[0].
func (e *ProductsEncryptor) decrypt(s *productsEncryption, src []byte) {
	e.phase(s, src)
	e.roundToPlaintext(s.planes)
	slots := s.plain[0]
	for i, f := range e.value {
		f.apply(slots[i], s.planes)
		e.t.transform[i].ntt(slots[i])
	}
	e.tRadix.digits(slots)
}

// phasePrimes is how many primes of Q hold −c1·s + 2^(bits1+14), c1 of a reply,
// as an integer: below 2^(bits1+15), since c1 has 2^14 coefficients below 2^bits1.
func (p *productsPlan) phasePrimes() int {
	n := 1
	for productOf(p.q[:n]).BitLen() <= int(p.bits1)+15 {
		n++
	}
	return n
}

// phase reads one ciphertext from src and writes c0 + c1·s as a fraction of Q, in
// units of 2^−192, to s.planes. c1·s is computed exactly, as integers.
func (e *ProductsEncryptor) phase(s *productsEncryption, src []byte) {
	src = unpackWide(s.planes, src, e.bits1)
	unpackWide(s.c0, src, e.bits0)
	for l, f := range e.lift {
		sub, c := e.q.sub[l], s.phase[l]
		f.apply(c, s.planes)
		e.q.transform[l].ntt(c)
		sub.MulCoeffsMontgomeryLazy(c, e.minusS[l], c)
		e.q.transform[l].intt(c)
		for x, v := range c {
			c[x] = lattigo.CRed(v+e.away[l], sub.Modulus)
		}
	}
	e.radix.digits(s.phase)
	e.radix.integer(s.planes, s.phase)
	// As fractions; 2^(bits1+14) vanishes.
	p0, p1, p2 := s.planes[0], s.planes[1], s.planes[2]
	c0, c1, c2 := s.c0[0], s.c0[1], s.c0[2]
	shift0, shift1 := 192-e.bits0, 192-e.bits1
	for x, lo := range p0 {
		mid, hi := p1[x], p2[x]
		w0, borrow := bits.Sub64(c0[x]<<shift0, lo<<shift1, 0)
		w1, borrow := bits.Sub64(c1[x]<<shift0|c0[x]>>(64-shift0), mid<<shift1|lo>>(64-shift1), borrow)
		p0[x], p1[x] = w0, w1
		p2[x] = (c2[x]<<shift0 | c1[x]>>(64-shift0)) - (hi<<shift1 | mid>>(64-shift1)) - borrow
	}
}

// roundToPlaintext replaces fractions of Q, in units of 2^−192, by the nearest
// multiples of 1/T, 0 to T of them.
func (e *ProductsEncryptor) roundToPlaintext(planes [][]uint64) {
	t0, t1, t2 := e.whole[0], e.whole[1], e.whole[2]
	p0, p1, p2 := planes[0], planes[1], planes[2]
	p1, p2 = p1[:len(p0)], p2[:len(p0)]
	for x, f0 := range p0 {
		f1, f2 := p1[x], p2[x]
		// Rows of the product, one for each word of the fraction.
		h, _ := bits.Mul64(f0, t0)
		h1, l1 := bits.Mul64(f0, t1)
		h2, l2 := bits.Mul64(f0, t2)
		w1, carry := bits.Add64(l1, h, 0)
		w2, carry := bits.Add64(l2, h1, carry)
		w3 := h2 + carry

		h, l := bits.Mul64(f1, t0)
		h1, l1 = bits.Mul64(f1, t1)
		h2, l2 = bits.Mul64(f1, t2)
		l1, carry = bits.Add64(l1, h, 0)
		l2, carry = bits.Add64(l2, h1, carry)
		h2 += carry
		_, carry = bits.Add64(w1, l, 0)
		w2, carry = bits.Add64(w2, l1, carry)
		w3, carry = bits.Add64(w3, l2, carry)
		w4 := h2 + carry

		h, l = bits.Mul64(f2, t0)
		h1, l1 = bits.Mul64(f2, t1)
		h2, l2 = bits.Mul64(f2, t2)
		l1, carry = bits.Add64(l1, h, 0)
		l2, carry = bits.Add64(l2, h1, carry)
		h2 += carry
		w2, carry = bits.Add64(w2, l, 0)
		w3, carry = bits.Add64(w3, l1, carry)
		w4, carry = bits.Add64(w4, l2, carry)
		w5 := h2 + carry

		_, carry = bits.Add64(w2, 1<<63, 0)
		p0[x], carry = bits.Add64(w3, 0, carry)
		p1[x], carry = bits.Add64(w4, 0, carry)
		p2[x] = w5 + carry
	}
}

package offline

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"pascaline/correlation"
	"pascaline/ring"
)

// ProductsEvaluator is the evaluating party, party 0, of triples, squares or
// products: it holds the other party's public key. Its methods may be called at
// the same time.
type ProductsEvaluator struct {
	*productsRings
	public [2][][]uint64 // values of b and a, in Montgomery form

	slot       []*residueForm // [i]: x ↦ −x mod T_i
	factor     []*residueForm // [l]: digits d ↦ 2^64·(d − (T−1)/2) mod q_l
	own        []*residueForm // [i]: M ↦ M + 2^offset mod T_i
	qFractions wideFractions
	tFractions wideFractions
	scratch    sync.Pool
}

// productsEvaluation is what one call of [ProductsEvaluator.Evaluate] needs.
type productsEvaluation struct {
	factors [][][]uint64  // [operand]: digits of the coefficients that multiply its ciphertext
	mask    [][]uint64    // planes of M
	slots   [][]uint64    // modulo each T_i
	u, e1   []int64       // of the encryption of zero
	c0, c1  [][]uint64    // [operand], then the public key: values modulo one prime of Q
	values  [][]uint64    // of what they are multiplied by
	sum     [2][][]uint64 // c0 and c1 of the reply at full Q
	planes  [][]uint64
}

// NewProductsEvaluator prepares for queries under the given public key.
func NewProductsEvaluator(kind correlation.Kind, publicKey []byte) (*ProductsEvaluator, error) {
	r, err := ringsForProducts(kind)
	if err != nil {
		return nil, err
	}
	return newProductsEvaluator(r, publicKey)
}

func newProductsEvaluator(r *productsRings, publicKey []byte) (*ProductsEvaluator, error) {
	v := &ProductsEvaluator{productsRings: r}
	rest, err := v.checkHeader(publicKey, productsKeyMessage, 0, v.keySize())
	if err == nil {
		v.public, err = v.q.readPublicKey(rest)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the public key for %v: %w", v.kind, err)
	}
	v.prepare()
	v.scratch.New = func() any { return v.newScratch() }
	return v, nil
}

// prepare computes the constants of Evaluate.
func (v *ProductsEvaluator) prepare() {
	for i, s := range v.t.sub {
		v.slot = append(v.slot, v.wordForm(i, big.NewInt(-1)))
		v.own = append(v.own, newResidueForm(s, widePlanes(v.mask), big.NewInt(1), power2(v.offset)))
	}
	half := v.t.modulus()
	half.Rsh(half, 1).Lsh(half, 64)
	for _, s := range v.q.sub {
		var factors []*big.Int
		for _, w := range v.tRadix.weight {
			factors = append(factors, new(big.Int).Lsh(w, 64))
		}
		v.factor = append(v.factor, newWeightedForm(s, factors, new(big.Int).Neg(half)))
	}
	v.qFractions, v.tFractions = v.q.wideFractions(), v.t.wideFractions()
}

func (v *ProductsEvaluator) newScratch() *productsEvaluation {
	const n = ProductsSlots
	s := &productsEvaluation{
		mask: vectors(widePlanes(v.mask), n), slots: v.t.poly(), u: make([]int64, n), e1: make([]int64, n),
		c0: vectors(v.operands, n), c1: vectors(v.operands, n), values: vectors(v.operands+1, n),
		sum: [2][][]uint64{v.q.poly(), v.q.poly()}, planes: vectors(4, n),
	}
	for range v.operands {
		s.factors = append(s.factors, v.t.poly())
	}
	return s
}

// Evaluate answers a query with what makes the given shares this party's: a, and
// b for triples, are its operands mod 2^64, as many as the query is for; shares
// are its shares of the products or squares, which must be uniform mod 2^64 and
// used for nothing else. Every answer is freshly masked.
func (v *ProductsEvaluator) Evaluate(a, b, shares []uint64, query []byte) ([]byte, error) {
	operands, err := v.checkOperands(a, b)
	if err == nil && len(shares) != len(a) {
		err = fmt.Errorf("%d shares for %d elements", len(shares), len(a))
	}
	if err != nil {
		return nil, fmt.Errorf("evaluating %v: %w", v.kind, err)
	}
	rest, err := v.checkHeader(query, productsQueryMessage, len(a), v.querySize())
	if err != nil {
		return nil, fmt.Errorf("evaluating %v: the query is unusable: %w", v.kind, err)
	}
	s := v.scratch.Get().(*productsEvaluation)
	defer v.scratch.Put(s)
	seed := ring.NewSeed()
	v.prepareMask(s, operands, shares, seed)
	v.prepareFactors(s, operands)
	if err := v.multiply(s, seed, rest); err != nil {
		return nil, fmt.Errorf("evaluating %v: the query is unusable: %w", v.kind, err)
	}
	reply := make([]byte, v.replySize())
	v.answer(s, seed, v.header(productsReplyMessage, len(a)).put(reply))
	return reply, nil
}

// prepareMask draws M, uniform below 2^mask with low words shares − own products.
func (v *ProductsEvaluator) prepareMask(s *productsEvaluation, operands [][]uint64, shares []uint64, seed ring.Seed) {
	low := s.mask[0]
	v.subtractOwn(low[:copy(low, shares)], operands)
	stream := ring.NewStream(seed, "products/mask")
	stream.Fill(low[len(shares):]) // slots without an element have masks all the same
	stream.Fill(s.mask[1])
	stream.FillBits(s.mask[2], v.mask-128)
}

// prepareFactors computes the digits of the coefficients, plus (T−1)/2, of the
// plaintexts that the ciphertexts of a query are multiplied by: less the operand
// of this party that belongs to each.
func (v *ProductsEvaluator) prepareFactors(s *productsEvaluation, operands [][]uint64) {
	times := uint64(1)
	if v.kind == correlation.Squares {
		times = 2
	}
	for j, digits := range s.factors {
		v.encode(digits, s.planes[0], operands[v.operands-1-j], times, v.slot)
		for i, t := range v.t.q {
			for x, z := range digits[i] {
				z += t / 2
				digits[i][x] = z - t&-((t-1-z)>>63)
			}
		}
		v.tRadix.digits(digits)
	}
}

// multiply sets s.sum to the ciphertext of −v, re-randomised by an encryption of
// zero, one prime of Q after the other: Σ_j c[j]·factor_j + p·u, and an error for
// c1.
func (v *ProductsEvaluator) multiply(s *productsEvaluation, seed ring.Seed, query []byte) error {
	public := ring.Seed(query)
	query = query[ring.SeedSize:]
	ternary(s.u, ring.NewStream(seed, "products/zero"))
	smallErrors(s.e1, ring.NewStream(seed, "products/zero error"))
	for l, sub := range v.q.sub {
		q, transform := sub.Modulus, v.q.transform[l]
		for j, digits := range s.factors {
			uniformMod(s.c1[j], ring.NewStream(public, "products/query", uint64(j), uint64(l)), q)
			var err error
			if query, err = v.q.unpackResidues(s.c0[j], query, l); err != nil {
				return err
			}
			v.factor[l].apply(s.values[j], digits)
			transform.ntt(s.values[j])
		}
		zero := s.values[v.operands]
		for x, u := range s.u[:len(zero)] {
			zero[x] = uint64(u) + q&uint64(u>>63)
		}
		transform.ntt(zero)
		dot(s.sum[0][l], sub, append(s.c0[:v.operands:v.operands], v.public[0][l]), s.values)
		transform.intt(s.sum[0][l])
		dot(s.sum[1][l], sub, append(s.c1[:v.operands:v.operands], v.public[1][l]), s.values)
		transform.intt(s.sum[1][l])
		c1 := s.sum[1][l]
		for x, e := range s.e1[:len(c1)] {
			c1[x] += uint64(e) + q&uint64(e>>63)
		}
	}
	return nil
}

// answer writes the ciphertext of x to dst: the steps and their order are those
// of products.go.
func (v *ProductsEvaluator) answer(s *productsEvaluation, seed ring.Seed, dst []byte) {
	// c1: rounding.
	s.clearPlanes()
	v.qFractions.add(s.planes, s.sum[1])
	roundWide(s.planes, v.bits1)
	dst = packWide(dst, s.planes[:3], v.bits1)

	// c0: mask,
	s.clearPlanes()
	v.qFractions.add(s.planes, s.sum[0])
	for i, f := range v.own {
		f.apply(s.slots[i], s.mask)
		v.t.transform[i].intt(s.slots[i])
	}
	v.tFractions.add(s.planes, s.slots)
	// flood,
	v.addFlood(s, ring.NewStream(seed, "products/flood"))
	// rounding.
	roundWide(s.planes, v.bits0)
	packWide(dst, s.planes[:3], v.bits0)
}

func (s *productsEvaluation) clearPlanes() {
	for _, p := range s.planes {
		clear(p)
	}
}

// addFlood adds integers uniform in ±2^(flood−1), flood from 65 to 128, to the
// fractions in s.planes.
func (v *ProductsEvaluator) addFlood(s *productsEvaluation, stream *ring.Stream) {
	low, high := s.slots[0], s.slots[1]
	stream.Fill(low)
	stream.FillBits(high, v.flood-64)
	centre := uint64(1) << (v.flood - 65)
	w0, w1, w2, w3 := s.planes[0], s.planes[1], s.planes[2], s.planes[3]
	low, high, w1, w2, w3 = low[:len(w0)], high[:len(w0)], w1[:len(w0)], w2[:len(w0)], w3[:len(w0)]
	for x := range w0 {
		h := high[x] - centre
		sign := uint64(int64(h) >> 63)
		var carry uint64
		w0[x], carry = bits.Add64(w0[x], low[x], 0)
		w1[x], carry = bits.Add64(w1[x], h, carry)
		w2[x], carry = bits.Add64(w2[x], sign, carry)
		w3[x] += sign + carry
	}
}

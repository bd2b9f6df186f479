package offline

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"pascaline/ring"
)

// PowersEvaluator is the evaluating party, party 0, of powers correlations: it
// holds the other party's public key. Its methods may be called at the same
// time.
type PowersEvaluator struct {
	*powersRings
	public [2][][]uint64 // values of b and a, in Montgomery form

	receive [3]*residueForm  // c0 of a query, without its low bits, to 2^64·c0 mod q_l
	limit   [3]uint64        // the largest c0 there is
	factor  [][]*residueForm // [i][j−1]: a^j ↦ −a^j/j! mod T_i
	own     [][]*residueForm // [k−2][i]: y ↦ y/k! mod T_i
	part    [][3]uint64      // reciprocals of T_i
	scratch sync.Pool
}

// evaluatorScratch is what one call needs.
type evaluatorScratch struct {
	powers  [][][]uint64 // [k−1]: planes of a^k mod 2^128
	own     [][][]uint64 // [k−2]: planes of M + 2^o − a^k
	flipped [][]uint64   // planes
	planes  [][]uint64   // of one ciphertext
	slots   []uint64
	c0, c1  [][][]uint64 // [j−1][l]: values of Enc(b^j), modulo one prime T
	factors [][][]uint64 // [j−1][l]: values of −a^j/j!
	zero    [][]uint64   // values of u
	sum     [][]uint64
	small   []int64
	hi, lo  []uint64
}

// NewPowersEvaluator prepares for queries under the given public key.
func NewPowersEvaluator(degree int, maskBits uint, publicKey []byte) (*PowersEvaluator, error) {
	r, err := ringsForPowers(degree, maskBits)
	if err != nil {
		return nil, err
	}
	return newPowersEvaluator(r, publicKey)
}

func newPowersEvaluator(r *powersRings, publicKey []byte) (*PowersEvaluator, error) {
	v := &PowersEvaluator{powersRings: r}
	if err := v.readKey(publicKey); err != nil {
		return nil, fmt.Errorf("reading the public key for powers: %w", err)
	}
	v.prepare()
	v.scratch.New = func() any { return v.newScratch() }
	return v, nil
}

// readKey decodes the public key.
func (v *PowersEvaluator) readKey(key []byte) error {
	rest, err := v.checkHeader(key, powersKeyMessage, 0, v.keySize())
	if err != nil {
		return err
	}
	v.public, err = v.q.readPublicKey(rest)
	return err
}

// prepare computes the constants of Evaluate.
func (v *PowersEvaluator) prepare() {
	q := v.q.modulus()
	top := new(big.Int).Sub(q, big.NewInt(1))
	top.Rsh(top, v.drop)
	for l := range v.limit {
		v.limit[l] = new(big.Int).And(top, new(big.Int).SetUint64(^uint64(0))).Uint64()
		top.Rsh(top, 64)
	}
	for l, s := range v.q.sub {
		// The bits that were dropped are replaced by their mean.
		f, k := power2(v.drop+64), power2(v.drop+63)
		if v.drop == 0 {
			k.SetInt64(0)
		}
		v.receive[l] = newResidueForm(s, widePlanes(v.queryBits), f, k)
	}
	for i, t := range v.t.q {
		var forms []*residueForm
		for j := 1; j < v.degree; j++ {
			forms = append(forms, v.signedForm(i, v.overFactorial(big.NewInt(-1), j, t)))
		}
		v.factor = append(v.factor, forms)
		v.part = append(v.part, reciprocal(t))
	}
	for k := range v.count {
		var forms []*residueForm
		for i := range v.count[k] {
			f := v.overFactorial(big.NewInt(1), k+2, v.t.q[i])
			forms = append(forms, newResidueForm(v.t.sub[i], widePlanes(v.mask[k]+1), f, new(big.Int)))
		}
		v.own = append(v.own, forms)
	}
}

func (v *PowersEvaluator) newScratch() *evaluatorScratch {
	const n = PowersSlots
	s := &evaluatorScratch{
		flipped: vectors(2, n), planes: vectors(widePlanes(v.queryBits), n), slots: make([]uint64, n),
		zero: v.q.poly(), sum: v.q.poly(), small: make([]int64, n), hi: make([]uint64, n), lo: make([]uint64, n),
	}
	for k := range v.degree {
		s.powers = append(s.powers, vectors(2, n))
		if k < v.degree-1 {
			s.c0, s.c1, s.factors = append(s.c0, v.q.poly()), append(s.c1, v.q.poly()), append(s.factors, v.q.poly())
			s.own = append(s.own, vectors(widePlanes(v.mask[k]+1), n))
		}
	}
	return s
}

// Evaluate answers a query with what makes the given shares this party's: rho
// are its parts of the masks, as many as the query is for, below 2^maskBits;
// shares[k−2] are its shares of ρ^k, k = 2..degree, which must be uniform mod
// 2^128 and used for nothing else. Every answer is freshly masked.
func (v *PowersEvaluator) Evaluate(rho []uint64, shares []ring.Vec128, query []byte) ([]byte, error) {
	if err := v.checkEvaluate(rho, shares); err != nil {
		return nil, fmt.Errorf("evaluating powers: %w", err)
	}
	rest, err := v.checkHeader(query, powersQueryMessage, len(rho), v.querySize())
	if err != nil {
		return nil, fmt.Errorf("evaluating powers: the query is unusable: %w", err)
	}
	var public ring.Seed
	rest = rest[copy(public[:], rest):]
	s := v.scratch.Get().(*evaluatorScratch)
	defer v.scratch.Put(s)
	seed := ring.NewSeed()
	v.prepareOwn(s, rho, shares, seed)
	reply := make([]byte, v.replySize())
	out := v.header(powersReplyMessage, len(rho)).put(reply)
	for i := range v.t.q {
		for j := range v.degree - 1 {
			v.factorValues(s, i, j)
			v.q.uniform(s.c1[j], public, "powers/query", uint64(i), uint64(j))
			if rest, err = v.unpack(s, s.c0[j], rest); err != nil {
				return nil, fmt.Errorf("evaluating powers: the query is unusable: %w", err)
			}
		}
		for k := range v.count {
			if i < v.count[k] {
				out = v.answer(s, i, k, seed, out)
			}
		}
	}
	return reply, nil
}

func (v *PowersEvaluator) checkEvaluate(rho []uint64, shares []ring.Vec128) error {
	if err := v.checkRho(rho); err != nil {
		return err
	}
	if len(shares) != v.degree-1 {
		return fmt.Errorf("there are shares of %d powers, not of %d", len(shares), v.degree-1)
	}
	for k, x := range shares {
		if len(x.Lo) != len(rho) || len(x.Hi) != len(rho) {
			return fmt.Errorf("there are %d shares of power %d for %d elements", x.Len(), k+2, len(rho))
		}
	}
	return nil
}

// prepareOwn computes a^k and, for each k, the integers M + 2^o − a^k: M is
// uniform below 2^mask, its low 128 bits the share of (a + b)^k that follows
// from the shares of powers of ρ (design section 6; powers.go).
func (v *PowersEvaluator) prepareOwn(s *evaluatorScratch, rho []uint64, shares []ring.Vec128, seed ring.Seed) {
	n := len(rho)
	centredPowers(s.powers, rho, v.maskBits)
	of := []ring.Vec128{{Lo: rho, Hi: make([]uint64, n)}} // the share of ρ is ρ_0
	of = append(of, shares...)
	for k, y := range s.own {
		rebase(ring.Vec128{Lo: y[0][:n], Hi: y[1][:n]}, of[:k+2], 0, v.maskBits, true)
		stream := ring.NewStream(seed, "powers/mask", uint64(k))
		left := v.mask[k]
		for l, plane := range y {
			if l < 2 { // slots without an element have masks all the same
				plane = plane[n:]
			}
			stream.FillBits(plane, min(left, 64))
			left -= min(left, 64)
		}
		subtractSigned(y, v.offset[k], s.powers[k+1][0], s.powers[k+1][1])
	}
}

// factorValues computes the values modulo each prime of Q of the plaintext
// −a^(j+1)/(j+1)! modulo T_i, its coefficients centred.
func (v *PowersEvaluator) factorValues(s *evaluatorScratch, i, j int) {
	flipSign(s.flipped, s.powers[j])
	v.factor[i][j].apply(s.slots, s.flipped)
	v.t.transform[i].intt(s.slots)
	t := v.t.q[i]
	for l, sub := range v.q.sub {
		d, add := s.factors[j][l], sub.Modulus-t
		for x, m := range s.slots[:len(d)] {
			d[x] = m + add&-((t/2-m)>>63)
		}
		v.q.transform[l].ntt(d)
	}
}

// unpack reads a c0 and writes its values, in Montgomery form, to dst. It
// returns the rest of src.
func (v *PowersEvaluator) unpack(s *evaluatorScratch, dst [][]uint64, src []byte) ([]byte, error) {
	src = unpackWide(s.planes, src, v.queryBits)
	var over uint64
	for x := range PowersSlots {
		var borrow uint64
		for l, p := range s.planes {
			_, borrow = bits.Sub64(v.limit[l], p[x], borrow)
		}
		over |= borrow
	}
	if over != 0 {
		return nil, fmt.Errorf("a coefficient is not below the modulus")
	}
	for l, f := range v.receive {
		f.apply(dst[l], s.planes)
		v.q.transform[l].ntt(dst[l])
	}
	return src, nil
}

// answer writes the encryption of x_k/k! mod T_i, k = the index plus two, to
// dst and returns the rest: the steps and their order are those of powers.go.
func (v *PowersEvaluator) answer(s *evaluatorScratch, i, k int, seed ring.Seed, dst []byte) []byte {
	index := []uint64{uint64(i), uint64(k)}

	// c1: products, encryption of zero, rounding.
	v.hiddenC1(s, k, seed, index)
	v.fractions.of(s.hi, s.lo, v.q, s.sum)
	planes := [][]uint64{s.hi, s.lo}
	roundTo(planes, v.bits1)
	dst = packWide(dst, planes[:widePlanes(v.bits1)], v.bits1)

	// c0: products and encryption of zero,
	v.products(s, s.c0, v.public[0], k)
	v.fractions.of(s.hi, s.lo, v.q, s.sum)
	// mask and own power,
	v.own[k][i].apply(s.slots, s.own[k])
	v.t.transform[i].intt(s.slots)
	// flood, uniform in ±2^(flood−1), in units of Q/2^128, flood from 65 to 128,
	flood := ring.NewStream(seed, "powers/flood", index...)
	low, high := s.sum[0], s.sum[1]
	flood.Fill(low)
	flood.FillBits(high, v.flood-64)
	lo, hi, m := s.lo[:len(s.hi)], s.hi, s.slots[:len(s.hi)]
	low, high = low[:len(hi)], high[:len(hi)]
	part, centre := v.part[i], uint64(1)<<(v.flood-65)
	for x := range hi {
		h, l := fraction(m[x], part)
		var carry uint64
		l, carry = bits.Add64(l, lo[x], 0)
		h, _ = bits.Add64(h, hi[x], carry)
		lo[x], carry = bits.Add64(l, low[x], 0)
		hi[x], _ = bits.Add64(h, high[x]-centre, carry)
	}
	// rounding.
	planes = [][]uint64{s.hi, s.lo}
	roundTo(planes, v.bits0)
	return packBits(dst, planes[0], v.bits0)
}

// hiddenC1 draws an encryption of zero and sets s.sum to c1 of the answer for
// power k at full Q, its residues not reduced: products + a·u + e1. The values of
// u stay in s.zero, for c0.
func (v *PowersEvaluator) hiddenC1(s *evaluatorScratch, k int, seed ring.Seed, index []uint64) {
	ternary(s.small, ring.NewStream(seed, "powers/zero", index...))
	v.q.lift(s.zero, s.small)
	v.q.ntt(s.zero)
	smallErrors(s.small, ring.NewStream(seed, "powers/zero error", index...))
	v.products(s, s.c1, v.public[1], k)
	for l, q := range v.q.q {
		d := s.sum[l]
		for x, e := range s.small[:len(d)] {
			d[x] += uint64(e) + q&uint64(e>>63)
		}
	}
}

// products sets s.sum to the coefficients of Σ_j c[j]·(−a^(k−j)/(k−j)!) + p·u
// for power k, given as an index from zero: one half of the ciphertext.
func (v *PowersEvaluator) products(s *evaluatorScratch, c [][][]uint64, p [][]uint64, k int) {
	x, y := make([][]uint64, 0, 8), make([][]uint64, 0, 8)
	for l, sub := range v.q.sub {
		x, y = append(x[:0], p[l]), append(y[:0], s.zero[l])
		for j := range k + 1 {
			x, y = append(x, c[j][l]), append(y, s.factors[k-j][l])
		}
		dot(s.sum[l], sub, x, y)
		v.q.transform[l].intt(s.sum[l])
	}
}

// roundTo rounds fractions of 128 bits, high words first, to the given number
// of bits; the result is in planes, low words first, which may be the same
// memory in another order.
func roundTo(planes [][]uint64, width uint) {
	hi, lo := planes[0], planes[1]
	lo = lo[:len(hi)]
	halfHi, halfLo := uint64(0), uint64(0)
	if width < 64 {
		halfHi = 1 << (63 - width)
	} else {
		halfLo = 1 << (127 - width)
	}
	for x := range hi {
		l, carry := bits.Add64(lo[x], halfLo, 0)
		h, _ := bits.Add64(hi[x], halfHi, carry)
		if width <= 64 { // public
			hi[x] = h >> (64 - width)
			continue
		}
		hi[x] = h<<(width-64) | l>>(128-width)
		lo[x] = h >> (128 - width)
	}
}

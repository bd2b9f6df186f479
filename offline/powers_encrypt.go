package offline

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// PowersEncryptor is the encrypting party, party 1, of powers correlations: it
// holds the secret key. Its methods may be called at the same time.
type PowersEncryptor struct {
	*powersRings
	public []byte
	minusS [][]uint64 // values of −s

	encode  [][]*residueForm // [i][j−1]: b^j ↦ Q·b^j/j! mod T_i
	negInvT [][]uint64       // [i][l]: −1/T_i mod q_l, in Montgomery form
	inverse [3]uint64        // 1/q_0 mod q_1, 1/q_0 mod q_2, 1/q_1 mod q_2, in Montgomery form

	lift     [2]*residueForm // c1 of a reply to 2^64·c1 mod q_0 and q_1
	away     [2]uint64       // 2^100 mod q_0 and q_1
	radix    mixedRadix      // of x_k
	multiple [][]uint64      // [k−2][i]: k! mod T_i, in Montgomery form

	scratch sync.Pool
}

// encryptorScratch is what one call needs.
type encryptorScratch struct {
	powers  [][][]uint64 // [k−1]: planes of b^k mod 2^128
	flipped [][]uint64   // planes
	slots   []uint64
	c       [][]uint64 // modulo each q
	small   []int64
	planes  [][]uint64
	masked  [][][]uint64 // [k−2][i]: values of x_k/k! mod T_i
	c0      []uint64
}

// NewPowersEncryptor draws a fresh key pair for powers up to degree of masks of
// maskBits bits.
func NewPowersEncryptor(degree int, maskBits uint) (*PowersEncryptor, error) {
	r, err := ringsForPowers(degree, maskBits)
	if err != nil {
		return nil, err
	}
	return newPowersEncryptor(r), nil
}

func newPowersEncryptor(r *powersRings) *PowersEncryptor {
	e := &PowersEncryptor{powersRings: r}
	e.public = make([]byte, r.keySize())
	e.minusS = r.q.keyPair(r.header(powersKeyMessage, 0).put(e.public), "powers")
	e.prepareEncryption()
	e.prepareDecryption()
	e.scratch.New = func() any { return e.newScratch() }
	return e
}

// prepareEncryption computes the constants of Encrypt.
func (e *PowersEncryptor) prepareEncryption() {
	q := e.q.modulus()
	for i, t := range e.t.q {
		var forms []*residueForm
		for j := 1; j < e.degree; j++ {
			forms = append(forms, e.signedForm(i, e.overFactorial(q, j, t)))
		}
		e.encode = append(e.encode, forms)
		var negInv []uint64
		for _, p := range e.q.q {
			negInv = append(negInv, inverseMod(new(big.Int).Neg(new(big.Int).SetUint64(t)), p))
		}
		e.negInvT = append(e.negInvT, negInv)
	}
	p := e.q.q
	e.inverse = [3]uint64{
		inverseMod(new(big.Int).SetUint64(p[0]), p[1]),
		inverseMod(new(big.Int).SetUint64(p[0]), p[2]),
		inverseMod(new(big.Int).SetUint64(p[1]), p[2]),
	}
}

// prepareDecryption computes the constants of Decrypt.
func (e *PowersEncryptor) prepareDecryption() {
	unit, away := power2(64), power2(100)
	for l := range e.lift {
		e.lift[l] = newResidueForm(e.q.sub[l], widePlanes(e.bits1), unit, new(big.Int))
		e.away[l] = new(big.Int).Mod(away, new(big.Int).SetUint64(e.q.q[l])).Uint64()
	}
	e.radix = e.t.mixedRadix(len(e.t.q))
	for k := 2; k <= e.degree; k++ {
		var m []uint64
		for _, t := range e.t.q {
			m = append(m, montgomery(e.factorial[k], t))
		}
		e.multiple = append(e.multiple, m)
	}
}

func (e *PowersEncryptor) newScratch() *encryptorScratch {
	const n = PowersSlots
	s := &encryptorScratch{
		flipped: vectors(2, n), slots: make([]uint64, n), c: e.q.poly(), small: make([]int64, n),
		planes: vectors(max(widePlanes(e.queryBits), widePlanes(e.bits1)), n), c0: make([]uint64, n),
	}
	for k := range e.degree {
		s.powers = append(s.powers, vectors(2, n))
		if k >= 1 {
			s.masked = append(s.masked, vectors(e.count[k-1], n))
		}
	}
	return s
}

// PublicKey returns the public key, which the evaluating party needs before the
// first query.
func (e *PowersEncryptor) PublicKey() []byte { return append([]byte(nil), e.public...) }

// Encrypt returns the query for a batch of this party's parts of the masks, 1
// to [PowersSlots] integers below 2^maskBits. Every query is a fresh
// encryption.
func (e *PowersEncryptor) Encrypt(rho []uint64) ([]byte, error) {
	if err := e.checkRho(rho); err != nil {
		return nil, fmt.Errorf("encrypting masks: %w", err)
	}
	s := e.scratch.Get().(*encryptorScratch)
	defer e.scratch.Put(s)
	centredPowers(s.powers[:e.degree-1], rho, e.maskBits)
	query := make([]byte, e.querySize())
	rest := e.header(powersQueryMessage, len(rho)).put(query)
	public, secret := ring.NewSeed(), ring.NewSeed()
	rest = rest[copy(rest, public[:]):]
	for i := range e.t.q {
		for j := range e.degree - 1 {
			flipSign(s.flipped, s.powers[j])
			e.encode[i][j].apply(s.slots, s.flipped)
			e.t.transform[i].intt(s.slots)
			e.q.uniform(s.c, public, "powers/query", uint64(i), uint64(j))
			smallErrors(s.small, ring.NewStream(secret, "powers/query error", uint64(i), uint64(j)))
			e.encrypt(s, i)
			rest = packWide(rest, s.planes[:widePlanes(e.queryBits)], e.queryBits)
		}
	}
	return query, nil
}

// encrypt replaces c1 in s.c by c0 = −c1·s + e + ⌊Q·m/T_i⌋ and writes all but
// its low bits to s.planes. It takes Q·m mod T_i from s.slots: ⌊Q·m/T⌋ =
// (Q·m − (Q·m mod T))/T, which is −(Q·m mod T)/T modulo each prime of Q.
func (e *PowersEncryptor) encrypt(s *encryptorScratch, i int) {
	for l, sub := range e.q.sub {
		c := s.c[l]
		q, inv, f := sub.Modulus, sub.MRedConstant, e.negInvT[i][l]
		dot(c, sub, s.c[l:][:1], e.minusS[l:][:1])
		e.q.transform[l].intt(c)
		small, z := s.small[:len(c)], s.slots[:len(c)]
		for x, v := range c { // below q + 2q + q
			err := uint64(small[x]) + q&uint64(small[x]>>63)
			c[x] = v + lattigo.MRedLazy(z[x], f, q, inv) + err
		}
	}
	e.toInteger(s)
}

// toInteger writes the integers below Q that s.c holds in residues (below four
// times each prime) to s.planes, without their low bits, by Garner's method.
func (e *PowersEncryptor) toInteger(s *encryptorScratch) {
	s0, s1, s2 := e.q.sub[0], e.q.sub[1], e.q.sub[2]
	q0, q1, q2 := s0.Modulus, s1.Modulus, s2.Modulus
	m1, m2 := s1.MRedConstant, s2.MRedConstant
	bred0, i01, i02, i12 := s0.BRedConstant, e.inverse[0], e.inverse[1], e.inverse[2]
	p0, p1, p2 := s.planes[0], s.planes[1], s.planes[2]
	c0, c1, c2 := s.c[0][:len(p0)], s.c[1][:len(p0)], s.c[2][:len(p0)]
	p1, p2 = p1[:len(p0)], p2[:len(p0)]
	drop := e.drop
	for x := range p0 {
		// 2q is above 2^61, so no difference is negative.
		d0 := lattigo.BRedAdd(c0[x], q0, bred0)
		d1 := lattigo.MRed(c1[x]+2*q1-d0, i01, q1, m1)
		d2 := lattigo.MRedLazy(c2[x]+2*q2-d0, i02, q2, m2)
		d2 = lattigo.MRed(d2+2*q2-d1, i12, q2, m2)
		// d0 + q0·(d1 + q1·d2)
		h, l := bits.Mul64(q1, d2)
		l, carry := bits.Add64(l, d1, 0)
		h += carry
		h0, w0 := bits.Mul64(q0, l)
		w2, w1 := bits.Mul64(q0, h)
		w0, carry = bits.Add64(w0, d0, 0)
		w1, carry = bits.Add64(w1, h0, carry)
		w2 += carry
		p0[x] = w0>>drop | w1<<(64-drop)
		p1[x] = w1>>drop | w2<<(64-drop)
		p2[x] = w2 >> drop
	}
}

// Decrypt returns this party's shares of ρ^2..ρ^degree from the reply to the
// query for rho.
func (e *PowersEncryptor) Decrypt(rho []uint64, reply []byte) ([]ring.Vec128, error) {
	if err := e.checkRho(rho); err != nil {
		return nil, fmt.Errorf("decrypting powers: %w", err)
	}
	rest, err := e.checkHeader(reply, powersReplyMessage, len(rho), e.replySize())
	if err != nil {
		return nil, fmt.Errorf("decrypting powers: the reply is unusable: %w", err)
	}
	s := e.scratch.Get().(*encryptorScratch)
	defer e.scratch.Put(s)
	for i := range e.t.q {
		for k := range e.count {
			if i < e.count[k] {
				rest = e.decrypt(s, s.masked[k][i], i, rest)
			}
		}
	}
	return e.reconstruct(s, rho), nil
}

// decrypt reads one ciphertext from src and writes the values of its plaintext
// modulo T_i to dst; it returns the rest of src.
func (e *PowersEncryptor) decrypt(s *encryptorScratch, dst []uint64, i int, src []byte) []byte {
	src = e.phase(s, src)
	t, hi, lo := e.t.q[i], s.c[0][:len(dst)], s.c[1][:len(dst)]
	for x := range dst {
		h, l := bits.Mul64(hi[x], t)
		below, _ := bits.Mul64(lo[x], t)
		l, carry := bits.Add64(l, below, 0)
		m := h + carry + l>>63
		dst[x] = m - t&-((t-1-m)>>63) // T itself is 0
	}
	e.t.transform[i].ntt(dst)
	return src
}

// phase reads one ciphertext from src and writes c0 + c1·s as a fraction of Q,
// in units of 2^−128, to s.c[0] (high words) and s.c[1]; it returns the rest of
// src.
//
// c1·s is computed exactly, as integers: below 2^13·2^bits1 in absolute value,
// well inside the product of two primes of Q.
func (e *PowersEncryptor) phase(s *encryptorScratch, src []byte) []byte {
	planes := s.planes[:widePlanes(e.bits1)]
	src = unpackWide(planes, src, e.bits1)
	src = unpackBits(s.c0, src, e.bits0)
	for l := range 2 {
		sub, c := e.q.sub[l], s.c[l]
		e.lift[l].apply(c, planes)
		e.q.transform[l].ntt(c)
		dot(c, sub, s.c[l:][:1], e.minusS[l:][:1])
		e.q.transform[l].intt(c)
	}
	s0, s1 := e.q.sub[0], e.q.sub[1]
	q0, q1, m1, bred0 := s0.Modulus, s1.Modulus, s1.MRedConstant, s0.BRedConstant
	inverse, away0, away1 := e.inverse[0], e.away[0], e.away[1]
	x0, x1, c0 := s.c[0], s.c[1], s.c0
	x1, c0 = x1[:len(x0)], c0[:len(x0)]
	shift0, shift1 := 64-e.bits0, 128-e.bits1
	for x := range x0 {
		// −c1·s + 2^100, not negative; 2^100 is 2^36 in the high word.
		d0 := lattigo.BRedAdd(x0[x]+away0, q0, bred0)
		d1 := lattigo.MRed(x1[x]+away1+2*q1-d0, inverse, q1, m1)
		hi, lo := bits.Mul64(q0, d1)
		lo, carry := bits.Add64(lo, d0, 0)
		hi += carry - 1<<36
		// A shift of 64 or more makes 0, as does one that would be negative.
		hi = hi<<shift1 | lo>>(64-shift1) | lo<<(shift1-64)
		lo <<= shift1
		lo, borrow := bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(c0[x]<<shift0, hi, borrow)
		x0[x], x1[x] = hi, lo
	}
	return src
}

// reconstruct returns the shares of ρ^2..ρ^degree from x_k/k! modulo each prime
// in s.masked.
func (e *PowersEncryptor) reconstruct(s *encryptorScratch, rho []uint64) []ring.Vec128 {
	n := len(rho)
	centredPowers(s.powers, rho, e.maskBits)
	// centred[k−1] is this party's share of (a + b)^k; for k = 1, of ρ − 2^B.
	centred := make([]ring.Vec128, e.degree)
	centred[0] = ring.MakeVec128(n)
	for i, r := range rho {
		x := r - 1<<e.maskBits
		centred[0].Lo[i], centred[0].Hi[i] = x, uint64(int64(x)>>63)
	}
	shares := make([]ring.Vec128, e.degree-1)
	for k := range shares {
		v := ring.MakeVec128(n)
		e.integer(v, s.masked[k], k)
		// 2^o − x + b^k
		h, l := words128(power2(e.offset[k]))
		power := s.powers[k+1]
		for i := range n {
			lo, carry := bits.Add64(power[0][i], l, 0)
			hi := power[1][i] + h + carry
			var borrow uint64
			v.Lo[i], borrow = bits.Sub64(lo, v.Lo[i], 0)
			v.Hi[i] = hi - v.Hi[i] - borrow
		}
		centred[k+1] = v
		shares[k] = ring.MakeVec128(n)
		rebase(shares[k], centred[:k+2], 1, e.maskBits, false)
	}
	return shares
}

// integer adds x mod 2^128 to v from x/(k+2)! modulo each prime, which it
// overwrites.
func (e *PowersEncryptor) integer(v ring.Vec128, masked [][]uint64, k int) {
	digits := make([][]uint64, len(masked))
	for i, values := range masked {
		sub, d, f := e.t.sub[i], values[:v.Len()], e.multiple[k][i]
		for x, y := range d {
			d[x] = lattigo.MRed(y, f, sub.Modulus, sub.MRedConstant)
		}
		digits[i] = d
		e.radix.digit(digits, i)
		addProduct([][]uint64{v.Lo, v.Hi}, d, e.radix.words[i])
	}
}

// flipSign writes the signed 128-bit integers of src, plus 2^127, to dst.
func flipSign(dst, src [][]uint64) {
	copy(dst[0], src[0])
	for i, v := range src[1] {
		dst[1][i] = v ^ 1<<63
	}
}

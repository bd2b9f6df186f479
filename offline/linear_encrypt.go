package offline

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"

	"pascaline/ring"
)

// Messages. A query message is its version, a seed and up to queriesPerMessage
// ciphertexts, each N coefficients of queryBits; a reply message is its version
// and as many replies as fit, each N coefficients of replyBits and then 8 bytes
// for each output, run after run, in each the output channels' runs one after the
// other. How many of each follows from the layout.
const (
	linearKeyVersion   = 0x11
	linearQueryVersion = 0x12
	linearReplyVersion = 0x13

	linearMessageLimit = 1 << 20
	queryHeader        = 1 + ring.SeedSize
	queryCipherSize    = linearN * queryBits / 8
	queriesPerMessage  = (linearMessageLimit - queryHeader) / queryCipherSize
	replyHeader        = 1
	replyMaskSize      = linearN * replyBits / 8
	linearKeySize      = 1 + ring.SeedSize + 2*linearN*primeBits/8
)

// LinearEncryptor is the client's side of linear correlations: it holds a secret
// key, good for any number of layers and groups. It is safe for concurrent use.
type LinearEncryptor struct {
	ring   *linearRing
	key    [][]uint64 // values of the secret
	public []byte
}

// NewLinearEncryptor draws a key.
func NewLinearEncryptor() (*LinearEncryptor, error) {
	r, err := newLinearRing()
	if err != nil {
		return nil, err
	}
	secret, seed := ring.NewSeed(), ring.NewSeed()
	e := &LinearEncryptor{ring: r, key: r.secretKey(ring.NewStream(secret, "linear/key"))}
	b := r.publicKey(e.key, seed, ring.NewStream(secret, "linear/public"))
	e.public = make([]byte, linearKeySize)
	e.public[0] = linearKeyVersion
	rest := e.public[1+copy(e.public[1:], seed[:]):]
	for _, residues := range b {
		rest = packBits(rest, residues, primeBits)
	}
	return e, nil
}

// PublicKey returns the message that [NewLinearEvaluator] takes.
func (e *LinearEncryptor) PublicKey() []byte { return e.public }

// Encrypt sends the client's half of every inference of a group, r[g] of
// InLen elements mod 2^64, as messages of at most p.MessageLimit bytes. A message
// belongs to send, and the first error of send ends the call.
func (e *LinearEncryptor) Encrypt(p *LinearPacking, r [][]uint64, send func([]byte) error) error {
	if err := p.checkVectors("inputs", r, p.shape.InLen()); err != nil {
		return fmt.Errorf("encrypting for a linear layer: %w", err)
	}
	type query struct {
		public, private ring.Seed
		index           int // in the message
	}
	var q query
	var message []byte
	return ordered(context.Background(), p.queries(),
		func(_ context.Context, i int) (query, error) {
			if q.index = i % queriesPerMessage; q.index == 0 {
				q.public, q.private = ring.NewSeed(), ring.NewSeed()
			}
			return q, nil
		},
		func(i int, q query) (queryPart, error) {
			m := make([]uint64, linearN)
			p.gather(m, r, i/p.queryGroups, i%p.queryGroups)
			return queryPart{q.public, e.encrypt(m, q.public, q.private, uint64(q.index))}, nil
		},
		func(_ context.Context, i int, part queryPart) error {
			if i%queriesPerMessage == 0 {
				message = make([]byte, 0, queryHeader+p.queryMessage(i)*queryCipherSize)
				message = append(message, linearQueryVersion)
				message = append(message, part.seed[:]...)
			}
			message = append(message, part.cipher...)
			if len(message) == cap(message) {
				if err := send(message); err != nil {
					return fmt.Errorf("sending a query for a linear layer: %w", err)
				}
			}
			return nil
		})
}

// queryPart is a ciphertext and the seed of the message that it goes into.
type queryPart struct {
	seed   ring.Seed
	cipher []byte
}

// encrypt returns c0 of an encryption of the polynomial m mod 2^64, packed. The
// values of c1 are expanded from public, and stand for themselves in Montgomery
// form: that saves the evaluator a conversion. The error is expanded from
// private.
func (e *LinearEncryptor) encrypt(m []uint64, public, private ring.Seed, index uint64) []byte {
	c := e.ring.mask(e.key, public, index)
	small := make([]int64, linearN)
	smallErrors(small, ring.NewStream(private, "linear/error", index))
	top := make([]uint64, linearN)
	for i, v := range m {
		// −a·sk + round(v·Q/2^64) + e + Q is above zero and below 3Q + 2^5.
		hi, lo := e.ring.compose(c[0][i], c[1][i])
		encHi, encLo := e.ring.encode(v)
		lo, carry := bits.Add64(lo, encLo, 0)
		hi += encHi + carry
		lo, carry = bits.Add64(lo, e.ring.qLo, 0)
		hi += e.ring.qHi + carry
		lo, carry = bits.Add64(lo, uint64(small[i]), 0)
		hi += uint64(small[i]>>63) + carry
		hi, lo = e.ring.reduceOnce(hi, lo)
		hi, lo = e.ring.reduceOnce(hi, lo)
		hi, lo = e.ring.reduceOnce(hi, lo)
		lo, carry = bits.Add64(lo, 1<<(dropBits-1), 0)
		hi += carry
		m[i], top[i] = hi<<(64-dropBits)|lo>>dropBits, hi>>dropBits
	}
	cipher := make([]byte, queryCipherSize)
	packWide(cipher, [][]uint64{m, top}, queryBits)
	return cipher
}

// mask returns the coefficients of −a·sk for the a of a query.
func (r *linearRing) mask(key [][]uint64, seed ring.Seed, index uint64) [][]uint64 {
	a := r.queryUniform(seed, index)
	for i, s := range r.sub {
		s.MulCoeffsMontgomery(a[i], key[i], a[i])
		s.Neg(a[i], a[i])
	}
	r.intt(a)
	return a
}

// queryUniform expands c1 of a query: values in Montgomery form.
func (r *linearRing) queryUniform(seed ring.Seed, index uint64) [][]uint64 {
	a := r.poly()
	r.uniform(a, seed, "linear/query", index)
	return a
}

// Decrypt receives the replies and returns y[g] = W·r[g] − s[g] mod 2^64, off by
// at most correlation.LinearTolerance. The first error of recv ends the call.
func (e *LinearEncryptor) Decrypt(p *LinearPacking, recv func() ([]byte, error)) (y [][]uint64, err error) {
	y = make([][]uint64, p.group)
	for g := range y {
		y[g] = make([]uint64, p.shape.OutLen())
	}
	var message []byte
	left := 0 // replies in message
	err = ordered(context.Background(), p.replies(),
		func(_ context.Context, i int) ([]byte, error) {
			if left == 0 {
				m, err := recv()
				if err != nil {
					return nil, fmt.Errorf("receiving a reply for a linear layer: %w", err)
				}
				var size int
				if left, size = p.replyMessage(i); len(m) != size || m[0] != linearReplyVersion {
					return nil, fmt.Errorf("a reply for a linear layer has %d bytes where %d of version %#x were expected; "+
						"do both parties run the same version of pascaline?", len(m), size, linearReplyVersion)
				}
				message = m[replyHeader:]
			}
			left--
			size := p.replySize(p.reply(i))
			var reply []byte
			reply, message = message[:size], message[size:]
			return reply, nil
		},
		func(i int, reply []byte) (struct{}, error) {
			seg, k := p.reply(i)
			e.decrypt(p, y, seg, k, reply)
			return struct{}{}, nil
		},
		func(context.Context, int, struct{}) error { return nil })
	if err != nil {
		return nil, err
	}
	return y, nil
}

// decrypt writes the outputs of one reply, of the right length, to y.
func (e *LinearEncryptor) decrypt(p *LinearPacking, y [][]uint64, seg, k int, reply []byte) {
	c := e.ring.poly()
	planes := vectors(2, linearN)
	masked := unpackWide(planes, reply, replyBits)
	for i, s := range e.ring.sub {
		prime := &e.ring.prime[i]
		for j, lo := range planes[0] {
			// Montgomery form of c1'
			c[i][j] = prime.reduce(prime.mul(lo, prime.r2) + prime.mul(planes[1][j], prime.r3))
		}
		e.ring.transform[i].ntt(c[i])
		s.MulCoeffsMontgomery(c[i], e.key[i], c[i])
		e.ring.transform[i].intt(c[i])
	}
	p.eachReplyRun(seg, k, func(g, pixel, channel, n, at int) {
		for j := range n {
			// c1'·sk as an integer, plus 2^84, which is 0 mod 2^72.
			hi, lo := e.ring.compose(
				e.ring.prime[0].reduce(c[0][at+j]+e.ring.prime[0].offset),
				e.ring.prime[1].reduce(c[1][at+j]+e.ring.prime[1].offset))
			lo, carry := bits.Add64(lo, 1<<(replyShift-1), 0)
			hi += carry
			y[g][(pixel+j)*p.shape.K+channel] = binary.LittleEndian.Uint64(masked[8*j:]) +
				(hi<<(64-replyShift) | lo>>replyShift)
		}
		masked = masked[8*n:]
	})
}

// eachReplyRun calls f for each run of n neighbouring outputs of a reply, in the
// order of its bytes: of image g of the group or of those side by side, output
// channel channel of that image, the first being pixel y·OutW + x at coefficient
// at.
func (p *packing) eachReplyRun(seg, k int, f func(g, pixel, channel, n, at int)) {
	p.eachOutput(seg, func(g, pixel, n, at int) {
		for o := range p.outputsOf(k) {
			channel := k*p.outputs + o
			f(g+channel/p.shape.K, pixel, channel%p.shape.K, n, o*p.channels*p.length+at)
		}
	})
}

// checkVectors reports what makes v no vectors of n elements for each inference.
func (p *LinearPacking) checkVectors(what string, v [][]uint64, n int) error {
	if len(v) != p.group {
		return fmt.Errorf("%s of %d inferences for a layout of %d", what, len(v), p.group)
	}
	for g := range v {
		if len(v[g]) != n {
			return fmt.Errorf("%s of inference %d have %d elements, not %d", what, g, len(v[g]), n)
		}
	}
	return nil
}

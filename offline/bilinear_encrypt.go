package offline

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"pascaline/ring"
)

// BilinearKey is one party's secret key for matrix and convolution correlations,
// good for any number of them. It is safe for concurrent use.
type BilinearKey struct {
	ring   *bilinearRing
	key    [][]uint64 // values of the secret, in Montgomery form
	public []byte
}

// NewBilinearKey draws a key.
func NewBilinearKey() (*BilinearKey, error) {
	r, err := newBilinearRing()
	if err != nil {
		return nil, err
	}
	secret, seed := ring.NewSeed(), ring.NewSeed()
	k := &BilinearKey{ring: r, key: r.secretKey(ring.NewStream(secret, "bilinear/key"))}
	b := r.publicKey(k.key, seed, ring.NewStream(secret, "bilinear/public"))
	for i, s := range r.sub {
		s.MForm(k.key[i], k.key[i])
	}
	k.public = make([]byte, bilinearKeySize)
	k.public[0] = bilinearKeyVersion
	packPoly(k.public[1+copy(k.public[1:], seed[:]):], b)
	return k, nil
}

// PublicKey returns the message that the other party's [NewBilinearParty] takes.
func (k *BilinearKey) PublicKey() []byte { return k.public }

// Format keeps the key out of logs, errors and debug output, whatever the verb.
func (k BilinearKey) Format(f fmt.State, _ rune) { io.WriteString(f, "key(redacted)") }

// query returns the message with query j of segment seg of the images a.
func (k *BilinearKey) query(p *packing, a [][]uint64, seg, j int) []byte {
	public, private := ring.NewSeed(), ring.NewSeed()
	m := make([]uint64, bilinearN)
	p.gather(m, a, seg, j)
	small := make([]int64, bilinearN)
	smallErrors(small, ring.NewStream(private, "bilinear/error"))
	c0, c1 := k.ring.poly(), k.ring.queryUniform(public)
	for i, s := range k.ring.sub {
		c, prime := c0[i], &k.ring.prime[i]
		for x, v := range m {
			c[x] = prime.encode(v, k.ring.low, small[x])
		}
		k.ring.transform[i].ntt(c)
		s.MulCoeffsMontgomeryThenSub(c1[i], k.key[i], c)
	}
	message := make([]byte, bilinearQuerySize)
	message[0] = bilinearQueryVersion
	packPoly(message[1+copy(message[1:], public[:]):], c0)
	return message
}

// queryUniform expands c1 of a query: its values.
func (r *bilinearRing) queryUniform(seed ring.Seed) [][]uint64 {
	a := r.poly()
	r.uniform(a, seed, "bilinear/query")
	return a
}

// decrypt calls out for each output of the reply for segment seg and group k of
// output channels: of image g, element i. The reply has the right length.
func (k *BilinearKey) decrypt(p *packing, seg, group int, reply []byte, out func(g, i int, v uint64)) error {
	if reply[0] != bilinearReplyVersion {
		return fmt.Errorf("a reply of version %#x where %#x was expected; do both parties run the same version of pascaline?",
			reply[0], bilinearReplyVersion)
	}
	planes := vectors(2, bilinearN)
	words := unpackWide(planes, reply[1:], 64+bilinearBits1)
	count := p.outputCount(seg, group)
	below := make([]uint64, count)
	unpackBits(below, words[8*count:], bilinearBits0)
	// |c1'·sk| < 2^88, so two of the primes hold it.
	c := vectors(2, bilinearN)
	for i, x := range c {
		prime := &k.ring.prime[i]
		for j, lo := range planes[0] {
			x[j] = prime.mul(lo, prime.r1) + prime.mul(planes[1][j], prime.r2)
		}
		k.ring.transform[i].ntt(x)
		k.ring.sub[i].MulCoeffsMontgomery(x, k.key[i], x)
		k.ring.transform[i].intt(x)
	}
	const unit = bilinearBits1
	p.eachReplyRun(seg, group, func(g, pixel, channel, n, at int) {
		for j := range n {
			// c1'·sk plus 2^88, which is 0 mod 2^75.
			hi, lo := k.ring.compose(
				k.ring.prime[0].reduce(c[0][at+j]+k.ring.prime[0].offset),
				k.ring.prime[1].reduce(c[1][at+j]+k.ring.prime[1].offset))
			lo, carry := bits.Add64(lo, below[j]<<(unit-bilinearBits0)+1<<(unit-1), 0)
			hi += carry
			out(g, (pixel+j)*p.shape.K+channel, binary.LittleEndian.Uint64(words[8*j:])+(hi<<(64-unit)|lo>>unit))
		}
		words, below = words[8*n:], below[n:]
	})
	return nil
}

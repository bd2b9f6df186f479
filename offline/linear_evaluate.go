package offline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"runtime"

	"golang.org/x/sync/errgroup"

	"pascaline/ring"
)

// LinearEvaluator is the server's side of linear correlations: it holds the
// client's public key, good for any number of layers and groups. It is safe for
// concurrent use.
type LinearEvaluator struct {
	ring   *linearRing
	public [2][][]uint64 // values of the public key (b, a), in Montgomery form
}

// NewLinearEvaluator takes the client's public key.
func NewLinearEvaluator(publicKey []byte) (*LinearEvaluator, error) {
	if len(publicKey) != linearKeySize || publicKey[0] != linearKeyVersion {
		return nil, fmt.Errorf("the public key for linear correlations has %d bytes where %d of version %#x were expected; "+
			"do both parties run the same version of pascaline?", len(publicKey), linearKeySize, linearKeyVersion)
	}
	r, err := newLinearRing()
	if err != nil {
		return nil, err
	}
	var seed ring.Seed
	rest := publicKey[1+copy(seed[:], publicKey[1:]):]
	b := r.poly()
	for i, q := range r.q {
		rest = unpackBits(b[i], rest, primeBits)
		for _, v := range b[i] {
			if v >= q {
				return nil, errors.New("the public key for linear correlations holds a residue above its modulus")
			}
		}
	}
	v := &LinearEvaluator{ring: r, public: [2][][]uint64{b, r.publicUniform(seed)}}
	for _, part := range v.public {
		for i, s := range r.sub {
			s.MForm(part[i], part[i])
		}
	}
	return v, nil
}

// Evaluate receives a group's queries and answers them with weights w
// (KH×KW×C×K) and the server's halves s, s[g] of OutLen elements, uniform mod
// 2^64 and used for nothing else. It receives everything before it sends
// anything. A message belongs to send; the first error of recv or send ends the
// call.
func (v *LinearEvaluator) Evaluate(p *LinearPacking, w []int16, s [][]uint64, recv func() ([]byte, error), send func([]byte) error) error {
	if len(w) != p.shape.WeightLen() {
		return fmt.Errorf("evaluating a linear layer: %d weights, not %d", len(w), p.shape.WeightLen())
	}
	if err := p.checkVectors("masks", s, p.shape.OutLen()); err != nil {
		return fmt.Errorf("evaluating a linear layer: %w", err)
	}
	queries, err := p.receiveQueries(recv)
	if err != nil {
		return err
	}
	var message []byte
	sent := 0
	emit := func(reply []byte) error {
		if message == nil {
			_, size := p.replyMessage(sent)
			message = append(make([]byte, 0, size), linearReplyVersion)
		}
		message = append(message, reply...)
		sent++
		if len(message) < cap(message) {
			return nil
		}
		full := message
		message = nil
		if err := send(full); err != nil {
			return fmt.Errorf("sending a reply for a linear layer: %w", err)
		}
		return nil
	}
	values := v.ring.newWeightValues(p)
	for from := 0; from < len(p.segments); from += p.band {
		to := min(from+p.band, len(p.segments))
		if err := v.evaluateBand(p, values, w, s, queries, from, to, emit); err != nil {
			return err
		}
		clear(queries[from*p.queryGroups : to*p.queryGroups])
	}
	return nil
}

// packedQuery is a query as received; cipher is its part of the message.
type packedQuery struct {
	seed   ring.Seed
	index  uint64 // in the message
	cipher []byte
}

// receiveQueries receives all queries of a group.
func (p *LinearPacking) receiveQueries(recv func() ([]byte, error)) ([]packedQuery, error) {
	all := make([]packedQuery, 0, p.queries())
	for len(all) < p.queries() {
		m, err := recv()
		if err != nil {
			return nil, fmt.Errorf("receiving a query for a linear layer: %w", err)
		}
		n := p.queryMessage(len(all))
		if size := queryHeader + n*queryCipherSize; len(m) != size || m[0] != linearQueryVersion {
			return nil, fmt.Errorf("a query for a linear layer has %d bytes where %d of version %#x were expected; "+
				"do both parties run the same version of pascaline?", len(m), size, linearQueryVersion)
		}
		seed := ring.Seed(m[1:queryHeader])
		for i := range n {
			all = append(all, packedQuery{seed, uint64(i), m[queryHeader+i*queryCipherSize:][:queryCipherSize]})
		}
	}
	return all, nil
}

// expand returns the values of a query, both parts in Montgomery form
// and in halves.
func (r *linearRing) expand(q packedQuery) (cipher, error) {
	c := cipher{r.poly(), r.queryUniform(q.seed, q.index)}
	planes := vectors(2, linearN)
	unpackWide(planes, q.cipher, queryBits)
	// The largest coefficient is (Q − 1)/2^dropBits, rounded.
	mostLo, carry := bits.Add64(r.qLo, 1<<(dropBits-1)-1, 0)
	mostHi := r.qHi + carry
	mostHi, mostLo = mostHi>>dropBits, mostHi<<(64-dropBits)|mostLo>>dropBits
	for j, lo := range planes[0] {
		if hi := planes[1][j]; hi > mostHi || hi == mostHi && lo > mostLo {
			return cipher{}, errors.New("a query for a linear layer holds a coefficient above its modulus")
		}
	}
	for i := range r.prime {
		prime := &r.prime[i]
		for j, lo := range planes[0] {
			c[0][i][j] = prime.reduce(prime.mul(lo, prime.queryLo) + prime.mul(planes[1][j], prime.queryHi))
		}
	}
	r.ntt(c[0])
	for part := range c {
		for i := range c[part] {
			toHalves(c[part][i])
		}
	}
	return c, nil
}

// evaluateBand answers segments from to to (exclusive).
func (v *LinearEvaluator) evaluateBand(p *LinearPacking, values weightValues, w []int16, s [][]uint64, packed []packedQuery, from, to int, emit func([]byte) error) error {
	queries := make([]cipher, (to-from)*p.queryGroups)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range queries {
		group.Go(func() (err error) {
			queries[i], err = v.ring.expand(packed[from*p.queryGroups+i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	// A job takes some groups of output channels and all segments. Where there are
	// too few groups for all cores, it takes one group and some of the segments.
	// Either way replies keep their order.
	n, cores := to-from, runtime.GOMAXPROCS(0)
	groups := sharedGroups
	if values.basis == nil {
		groups = denseGroups
	}
	groups = max(1, min(groups, sharedSums/n, p.replyGroups/cores))
	size := ceilDiv(n, ceilDiv(cores, p.replyGroups))
	parts := ceilDiv(n, size)
	return ordered(context.Background(), ceilDiv(p.replyGroups, groups)*parts,
		func(context.Context, int) (struct{}, error) { return struct{}{}, nil },
		func(i int, _ struct{}) ([][]byte, error) {
			k0, first := i/parts*groups, i%parts*size
			k1, last := min(k0+groups, p.replyGroups), min(first+size, n)
			sums := v.ring.products(p, values, w, k0, k1, queries[first*p.queryGroups:last*p.queryGroups])
			replies := make([][]byte, len(sums))
			for j, sum := range sums {
				v.addZero(sum, ring.NewSeed())
				replies[j] = v.reply(p, s, from+first+j%(last-first), k0+j/(last-first), sum)
			}
			return replies, nil
		},
		func(_ context.Context, _ int, replies [][]byte) error {
			for _, r := range replies {
				if err := emit(r); err != nil {
					return err
				}
			}
			return nil
		})
}

// addZero adds an encryption of zero under the client's key, made from seed, to
// the values of c, below twice each prime, and leaves c in coefficients below
// twice each prime.
func (v *LinearEvaluator) addZero(c cipher, seed ring.Seed) {
	stream := ring.NewStream(seed, "linear/zero")
	u := v.ring.secretKey(stream)
	small := make([]int64, linearN)
	for part := range c {
		for i, s := range v.ring.sub {
			s.MulCoeffsMontgomeryThenAdd(u[i], v.public[part][i], c[part][i])
		}
		v.ring.intt(c[part])
		smallErrors(small, stream)
		for i := range v.ring.prime {
			prime := &v.ring.prime[i]
			for j, e := range small {
				c[part][i][j] += prime.lifted(e)
			}
		}
	}
}

// reply scales the coefficients of c, masks the outputs with s and packs both
// parts.
func (v *LinearEvaluator) reply(p *LinearPacking, s [][]uint64, seg, k int, c cipher) []byte {
	reply := make([]byte, p.replySize(seg, k))
	planes := vectors(2, linearN)
	for j := range linearN {
		hi, lo := v.ring.fraction(c[1][0][j], c[1][1][j])
		lo, carry := bits.Add64(lo, 1<<(127-replyBits), 0)
		hi += carry
		planes[0][j], planes[1][j] = hi<<replyShift|lo>>(64-replyShift), hi>>(64-replyShift)
	}
	rest := packWide(reply, planes, replyBits)
	p.eachReplyRun(seg, k, func(g, pixel, channel, n, at int) {
		for j := range n {
			hi, lo := v.ring.fraction(c[0][0][at+j], c[0][1][at+j])
			hi += lo >> 63 // rounded
			binary.LittleEndian.PutUint64(rest[8*j:], hi-s[g][(pixel+j)*p.shape.K+channel])
		}
		rest = rest[8*n:]
	})
	return reply
}

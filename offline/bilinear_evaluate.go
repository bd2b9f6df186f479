package offline

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"pascaline/ring"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// bilinearPublic is the other party's public key: values of (b, a), in Montgomery
// form.
type bilinearPublic [2][][]uint64

func (r *bilinearRing) readPublic(key []byte) (public bilinearPublic, err error) {
	if len(key) != bilinearKeySize || key[0] != bilinearKeyVersion {
		return public, fmt.Errorf("the public key for products has %d bytes where %d of version %#x were expected; "+
			"do both parties run the same version of pascaline?", len(key), bilinearKeySize, bilinearKeyVersion)
	}
	var seed ring.Seed
	rest := key[1+copy(seed[:], key[1:]):]
	public[0] = r.poly()
	if err := r.unpackPoly(public[0], rest); err != nil {
		return public, fmt.Errorf("the public key for products is unusable: %w", err)
	}
	public[1] = r.publicUniform(seed)
	for _, part := range public {
		for i, s := range r.sub {
			s.MForm(part[i], part[i])
		}
	}
	return public, nil
}

// readQuery returns the values of a query of the right length.
func (r *bilinearRing) readQuery(message []byte) (cipher, error) {
	if message[0] != bilinearQueryVersion {
		return cipher{}, fmt.Errorf("a query of version %#x where %#x was expected; do both parties run the same version of pascaline?",
			message[0], bilinearQueryVersion)
	}
	c := cipher{r.poly(), nil}
	if err := r.unpackPoly(c[0], message[1+ring.SeedSize:]); err != nil {
		return cipher{}, fmt.Errorf("a query is unusable: %w", err)
	}
	c[1] = r.queryUniform(ring.Seed(message[1:]))
	return c, nil
}

const (
	// bilinearBlock is how many values are worked on at a time, so that they stay
	// in the cache.
	bilinearBlock = 512

	// bilinearDense is how many polynomials of weights a job holds in values modulo
	// one prime, for each of its groups of output channels.
	bilinearDense = 64

	// A job works on so many groups of output channels at a time, so as to share
	// what it reads of the queries. bilinearSums bounds the groups times the
	// segments.
	bilinearGroups = 4
	bilinearSums   = 16
)

// bilinearScratch is what a job of products needs besides its outcome: polynomials
// of weights in values, and a block of each of four.
type bilinearScratch struct {
	dense  [bilinearGroups * bilinearDense][]uint64
	blocks [4][bilinearBlock]uint64
}

var bilinearScratches = sync.Pool{New: func() any { return new(bilinearScratch) }}

// products returns, for each group of output channels from k0 to k1 (exclusive)
// and each segment of queries, the sum over the segment's queries of their
// products with the polynomials of weights b: values below twice each prime.
func (r *bilinearRing) products(p *packing, b []uint64, k0, k1 int, queries []cipher) []cipher {
	groups, segments := k1-k0, len(queries)/p.queryGroups
	sums := make([]cipher, groups*segments)
	for i := range sums {
		sums[i] = cipher{r.poly(), r.poly()}
	}
	most, stride := min(bilinearDense, p.queryGroups), weightStride(p)
	scratch := bilinearScratches.Get().(*bilinearScratch)
	defer bilinearScratches.Put(scratch)
	active := make([][]int, groups) // queries that meet weights, from the first of this round
	for i := range r.prime {
		for from := 0; from < p.queryGroups; from += most {
			for k := range groups {
				active[k] = active[k][:0]
				for c := range min(most, p.queryGroups-from) {
					x := &scratch.dense[k*most+c]
					if *x == nil {
						*x = make([]uint64, bilinearN)
					}
					if r.weights((*x)[:bilinearN/stride], i, p, b, from+c, k0+k) {
						active[k] = append(active[k], c)
					}
				}
			}
			for at := 0; at < bilinearN; at += bilinearBlock {
				for k, js := range active {
					for ; len(js) > 0; js = js[min(4, len(js)):] {
						cs := js[:min(4, len(js))]
						var w [4]*[bilinearBlock]uint64
						for l, c := range cs {
							w[l] = weightBlock(&scratch.blocks[l], scratch.dense[k*most+c], at, stride)
						}
						for seg := range segments {
							for part, sum := range sums[k*segments+seg] {
								var x [4]*[bilinearBlock]uint64
								for l, c := range cs {
									x[l] = (*[bilinearBlock]uint64)(queries[seg*p.queryGroups+from+c][part][i][at:])
								}
								r.prime[i].addProducts((*[bilinearBlock]uint64)(sum[i][at:]), &x, &w, len(cs))
							}
						}
					}
				}
			}
		}
	}
	return sums
}

// weightStride returns a power of two such that polynomials of weights are
// polynomials in X^stride.
//
// Such a polynomial is one of lower degree in X^stride: its transform is shorter,
// over the first of the same roots because lattigo keeps them in the order of
// reversed bits, and each of its values is that of stride neighbours.
func weightStride(p *packing) int {
	if p.rows.taps*p.cols.taps > 1 {
		return 1
	}
	if stride := p.length & -p.length; stride >= minStride {
		return stride
	}
	return 1
}

// weights sets x to the values modulo prime i, in Montgomery form, of the
// polynomial of weights b that takes query j to reply k, and reports whether there
// are any. For a polynomial in X^stride, x has bilinearN/stride values.
func (r *bilinearRing) weights(x []uint64, i int, p *packing, b []uint64, j, k int) bool {
	prime, n, stride, some := &r.prime[i], len(x), bilinearN/len(x), false
	clear(x)
	p.eachWeight(j, k, func(at, from int, negative bool) {
		v := b[from]
		if negative {
			v = -v
		}
		x[at/stride] = prime.weight(v)
		some = true
	})
	if !some {
		return false
	}
	s := r.sub[i]
	if stride == 1 {
		r.transform[i].ntt(x)
		return true
	}
	s.Reduce(x, x)
	if n > 1 {
		lattigo.NTTStandard(x, x, n, prime.q, prime.mred, s.BRedConstant, s.RootsForward[:n])
	}
	return true
}

// weightBlock returns a block of values from at on of a polynomial in X^stride, for
// its values x. It may use memory for it.
func weightBlock(memory *[bilinearBlock]uint64, x []uint64, at, stride int) *[bilinearBlock]uint64 {
	if stride == 1 {
		return (*[bilinearBlock]uint64)(x[at:])
	}
	run := min(stride, bilinearBlock)
	for from := 0; from < bilinearBlock; from += run {
		to := memory[from:][:run]
		to[0] = x[(at+from)/stride]
		for n := 1; n < run; n *= 2 {
			copy(to[n:], to[:n])
		}
	}
	return memory
}

// addProducts adds the sum of the first n products x[l]·y[l], divided by R, to dst,
// whose values stay below 2q.
func (p *bilinearPrime) addProducts(dst *[bilinearBlock]uint64, x, y *[4]*[bilinearBlock]uint64, n int) {
	if n == 4 {
		p.addDot4(dst, x, y)
		return
	}
	for l := range n {
		p.addProduct(dst, x[l], y[l])
	}
}

// addDot4 is addProducts for four: all factors are below q < 2^61, so the sum is
// below 4·q² < q·2^64.
func (p *bilinearPrime) addDot4(dst *[bilinearBlock]uint64, x, y *[4]*[bilinearBlock]uint64) {
	x0, x1, x2, x3, y0, y1, y2, y3 := x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]
	q, mred := p.q, p.mred
	for i := range dst {
		hi, lo := bits.Mul64(x0[i], y0[i])
		hi, lo = multiplyAdd(hi, lo, x1[i], y1[i])
		hi, lo = multiplyAdd(hi, lo, x2[i], y2[i])
		hi, lo = multiplyAdd(hi, lo, x3[i], y3[i])
		h, _ := bits.Mul64(lo*mred, q)
		v, borrow := bits.Sub64(dst[i]+hi-h+q, 2*q, 0)
		dst[i] = v + 2*q&-borrow
	}
}

// addProduct is addProducts for one.
func (p *bilinearPrime) addProduct(dst, x, y *[bilinearBlock]uint64) {
	q := p.q
	for i := range dst {
		v, borrow := bits.Sub64(dst[i]+p.mul(x[i], y[i]), 2*q, 0)
		dst[i] = v + 2*q&-borrow
	}
}

// addZero adds an encryption of zero under the other party's key, made from seed,
// to the values of c, below twice each prime, and leaves c in coefficients: c0
// below each prime and c1, which gets an error, below twice each.
func (r *bilinearRing) addZero(c cipher, public bilinearPublic, seed ring.Seed) {
	u := r.secretKey(ring.NewStream(seed, "bilinear/zero"))
	for part := range c {
		for i, s := range r.sub {
			s.MulCoeffsMontgomeryThenAdd(u[i], public[part][i], c[part][i])
		}
		r.intt(c[part])
	}
	small := make([]int64, bilinearN)
	smallErrors(small, ring.NewStream(seed, "bilinear/zero error"))
	for i, x := range c[1] {
		q := r.prime[i].q
		for j, e := range small {
			x[j] += uint64(e) + q&uint64(e>>63)
		}
	}
}

// flood returns n integers uniform below 2^bilinearFlood.
func flood(n int, seed ring.Seed) []uint64 {
	f := make([]uint64, n)
	ring.NewStream(seed, "bilinear/flood").FillBits(f, bilinearFlood)
	return f
}

// reply returns the message for segment seg and group k of output channels, of the
// coefficients of c: flooded, which spends the flood, and scaled, and still to be
// masked.
func (r *bilinearRing) reply(p *packing, seg, k int, c cipher, flood []uint64) []byte {
	message := make([]byte, bilinearReplySize(p, seg, k))
	message[0] = bilinearReplyVersion
	planes := vectors(2, bilinearN)
	high, low := planes[0], planes[1]

	r.fractions.of(high, low, r.rlwe, c[1])
	for j, hi := range high {
		lo, carry := bits.Add64(low[j], 1<<(63-bilinearBits1), 0)
		hi += carry
		high[j], low[j] = hi<<bilinearBits1|lo>>(64-bilinearBits1), hi>>(64-bilinearBits1)
	}
	words := packWide(message[1:], planes, 64+bilinearBits1)

	r.fractions.of(high, low, r.rlwe, c[0])
	i := 0
	p.eachReplyRun(seg, k, func(_, _, _, n, at int) {
		for j := range n {
			const centre, half = 1 << (bilinearFlood - 1), 1 << (63 - bilinearBits0)
			lo, carry := bits.Add64(low[at+j], flood[i]+half, 0)
			hi := high[at+j] + carry
			lo, borrow := bits.Sub64(lo, centre, 0)
			binary.LittleEndian.PutUint64(words[8*i:], hi-borrow)
			flood[i] = lo >> (64 - bilinearBits0) // its bits below the unit
			i++
		}
	})
	packBits(words[8*len(flood):], flood, bilinearBits0)
	return message
}

// maskReply subtracts the masks from the outputs of a reply. mask is asked for
// element i of image g.
func maskReply(p *packing, seg, k int, message []byte, mask func(g, i int) uint64) {
	words := message[bilinearMaskSize:]
	p.eachReplyRun(seg, k, func(g, pixel, channel, n, _ int) {
		for j := range n {
			v := binary.LittleEndian.Uint64(words[8*j:])
			binary.LittleEndian.PutUint64(words[8*j:], v-mask(g, (pixel+j)*p.shape.K+channel))
		}
		words = words[8*n:]
	})
}

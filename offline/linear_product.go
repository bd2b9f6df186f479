package offline

import (
	"math"
	"math/bits"
	"sync"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// cipher is a ciphertext: residues of c0 and c1.
type cipher [2][][]uint64

// Multiplying queries by weights is most of the server's work. A value, a
// residue in the NTT domain, is split into two halves of 27 bits and a bit, kept
// in the two halves of a word; so products of halves can be summed without a
// carry until there are maxSum of them, and vector instructions that multiply 32
// bits suffice.
const (
	halfBits = 27
	halfMask = 1<<halfBits - 1

	// productBlock is how many coefficients are worked on at a time, so that the
	// sums stay in the cache.
	productBlock = 256

	// maxSum bounds how many products are summed: each is below 2^54·2^55, the
	// sum must stay below q·2^64, and the sums of halves, two products of 27 by 28
	// bits each, below 2^64.
	maxSum = 64

	// A job works on so many groups of output channels at a time, so as to share
	// what it reads of the queries; fewer if it holds their weights' values.
	// sharedSums bounds the groups times the segments.
	sharedGroups = 4
	denseGroups  = 2
	sharedSums   = 32

	// maxTaps bounds the weights in a polynomial that is cheaper summed from the
	// values of monomials than transformed. A sum of maxTaps products of a weight
	// by a half stays below 2^49 in absolute value.
	maxTaps = 64
)

// halves splits x < 2^55.
func halves(x uint64) uint64 { return x>>halfBits<<32 | x&halfMask }

// toHalves splits all of x.
func toHalves(x []uint64) {
	for i := vectorHalves(x); i < len(x); i++ {
		x[i] = halves(x[i])
	}
}

// productSums are sums of products of halves for the two parts of a ciphertext,
// low by low, low by high and high by low, high by high: as vector instructions
// take them, of eight coefficients next to each other.
type productSums [productBlock / lanes][2][3][lanes]uint64

const lanes = 8

// factors are those of a product: w, and both parts of a ciphertext, x0 and x1.
type factors [3]*[productBlock]uint64

// mulAddGeneric adds a product to sums.
func mulAddGeneric(sums *productSums, p factors) {
	w := p[0]
	for part, x := range p[1:] {
		for g := range sums {
			s, w, x := &sums[g][part], (*[lanes]uint64)(w[lanes*g:]), (*[lanes]uint64)(x[lanes*g:])
			for j := range lanes {
				wl, wh, xl, xh := w[j]&(1<<32-1), w[j]>>32, x[j]&(1<<32-1), x[j]>>32
				s[0][j] += wl * xl
				s[1][j] += wl*xh + wh*xl
				s[2][j] += wh * xh
			}
		}
	}
}

// fold adds one part of sums, divided by R, to dst, whose values stay below 2q.
func (p *linearPrime) fold(dst []uint64, sums *productSums, part int) {
	dst = dst[:productBlock]
	for j := range dst {
		s := &sums[j/lanes][part]
		low, mid, high := s[0][j%lanes], s[1][j%lanes], s[2][j%lanes]
		lo, carry := bits.Add64(low, mid<<halfBits, 0)
		hi := mid>>(64-halfBits) + high>>(64-2*halfBits) + carry
		lo, carry = bits.Add64(lo, high<<(2*halfBits), 0)
		hi += carry
		h, _ := bits.Mul64(lo*p.mred, p.q)
		v, borrow := bits.Sub64(dst[j]+hi-h+p.q, 2*p.q, 0)
		dst[j] = v + 2*p.q&-borrow
	}
}

// taps are the weights of a polynomial: coefficients and where the values of
// their monomials begin in a table, in bytes.
type taps struct {
	offsets []uint64
	weights []int64
}

// combineGeneric sets dst to the sum of weights times the values of monomials,
// below 2^55 and in halves: see combineStart.
func combineGeneric(dst *[productBlock]uint64, table []uint64, t taps, delta uint64) {
	var low, high [productBlock]int64
	for i, weight := range t.weights {
		values := table[t.offsets[i]/8:][:productBlock]
		for j, v := range values {
			low[j] += weight * int64(v&(1<<32-1))
			high[j] += weight * int64(v>>32)
		}
	}
	startLow, startHigh := combineStart(delta)
	for j := range dst {
		l, h := startLow+uint64(low[j]), startHigh+uint64(high[j])
		dst[j] = halves(l + h&halfMask<<halfBits + h>>halfBits*delta)
	}
}

// combineStart returns what makes sums of low and of high halves positive:
// together 2^23·q, for q = 2^54 − delta and delta < 2^18. The sums are then
// below 2^51, so that low + high·2^27, with 2^54 = delta, is below 2^55.
func combineStart(delta uint64) (low, high uint64) {
	return 1<<50 - delta<<23, 1<<50 - 1<<23
}

// weightValues takes the polynomials of weights of a layer to values, whichever
// way is cheaper: summed from a basis, or, where that is nil, transformed.
//
// Values are shared by a group and not kept from one group to the next. Those of
// ResNet-18 for groups of 8 take 3.4 s and 12 GB: 256 MiB of them would save 9 ms an
// inference. As much memory makes a group of 12 (groupMemory), which saves 140 ms.
type weightValues struct {
	basis   *basis
	stride  int // all exponents are multiples of it
	scratch *sync.Pool
}

// scratch is what a job of products needs besides its outcome: sums for each
// segment and, for each polynomial of weights, its taps or its values.
type scratch struct {
	blocks   []productSums
	sparse   []taps
	dense    [][][]uint64
	combined [productsAtOnce][productBlock]uint64
}

// productsAtOnce is how many products are added to sums at a time, so that these are
// read and written less often.
const productsAtOnce = 4

func (s *scratch) grow(r *linearRing, segments, polynomials int, dense bool) {
	for len(s.blocks) < segments {
		s.blocks = append(s.blocks, productSums{})
	}
	for dense && len(s.dense) < polynomials {
		s.dense = append(s.dense, r.poly())
	}
	for !dense && len(s.sparse) < polynomials {
		s.sparse = append(s.sparse, taps{})
	}
}

func (r *linearRing) newWeightValues(p *LinearPacking) weightValues {
	used := make([]bool, linearN)
	most := 0
	for j := range p.queryGroups {
		count := 0
		p.eachWeight(j, 0, func(n, _ int, _ bool) { used[n] = true; count++ })
		most = max(most, count)
	}
	v := weightValues{stride: linearN, scratch: new(sync.Pool)}
	var places []int
	for n, u := range used {
		if u {
			places = append(places, n)
			for n%v.stride != 0 {
				v.stride /= 2
			}
		}
	}
	if vectorCombine() && combineWork(most) < transformWork(v.stride) {
		v.basis = r.newBasis(places)
	}
	return v
}

// combineWork and transformWork return about how many nanoseconds the values of
// a polynomial take, modulo both primes and in halves: when n weights are summed
// from the values of monomials, or when it is transformed.
func combineWork(n int) int64 {
	if n > maxTaps {
		return math.MaxInt64
	}
	return 2 * linearN / productBlock * (170 + 62*int64(n))
}

func transformWork(stride int) int64 {
	if stride < minStride {
		return 50_000
	}
	return 15_000 + 90_000/int64(stride)
}

// minStride is the stride from which on a shorter transform is worth while.
const minStride = 4

// basis holds the values of the monomials in a layer's polynomials of weights:
// for each prime one vector of linearN words of halves after the other.
type basis struct {
	index  [linearN]int // by exponent
	tables [2][]uint64
}

// newBasis returns the values of the monomials with the given exponents.
func (r *linearRing) newBasis(places []int) *basis {
	b := new(basis)
	for i := range b.tables {
		b.tables[i] = make([]uint64, len(places)*linearN)
	}
	monomial := r.poly()
	for at, n := range places {
		b.index[n] = at
		for i := range monomial {
			clear(monomial[i])
			monomial[i][n] = 1
		}
		r.ntt(monomial)
		for i, table := range b.tables {
			for j, v := range monomial[i] {
				table[at*linearN+j] = halves(v)
			}
		}
	}
	return b
}

// taps sets t to the weights that take query j to reply k.
func (b *basis) taps(t *taps, p *LinearPacking, w []int16, j, k int) {
	t.offsets, t.weights = t.offsets[:0], t.weights[:0]
	p.eachWeight(j, k, func(n, at int, negative bool) {
		v := int64(w[at])
		if negative {
			v = -v
		}
		t.offsets = append(t.offsets, uint64(b.index[n]*linearN*8))
		t.weights = append(t.weights, v)
	})
}

// transformed sets dst to the values, in halves, of the polynomial of weights
// that takes query j to reply k.
//
// A polynomial in X^stride is one of lower degree: its transform is shorter, over
// the first of the same roots because lattigo keeps them in the order of reversed
// bits, and each of its values is that of stride neighbours.
func (r *linearRing) transformed(dst [][]uint64, stride int, p *LinearPacking, w []int16, j, k int) {
	if stride < minStride {
		stride = 1
	}
	n := linearN / stride
	for i := range dst {
		x, prime := dst[i], &r.prime[i]
		clear(x[:n])
		p.eachWeight(j, k, func(at, from int, negative bool) {
			v := int64(w[from])
			if negative {
				v = -v
			}
			x[at/stride] = prime.lifted(v)
		})
		if stride > 1 && n > 1 {
			s := r.sub[i]
			lattigo.NTTStandard(x[:n], x[:n], n, prime.q, prime.mred, s.BRedConstant, s.RootsForward[:n])
		}
	}
	if stride == 1 {
		r.ntt(dst)
	}
	for _, x := range dst {
		if stride == 1 {
			toHalves(x)
			continue
		}
		for at := n - 1; at >= 0; at-- { // the last first: values move up
			v := halves(x[at])
			for to := range x[at*stride:][:stride] {
				x[at*stride+to] = v
			}
		}
	}
}

// products returns, for each group of output channels from k0 to k1 (exclusive)
// and each segment of queries, the sum over the segment's queries of their
// products with the polynomials of weights: values below twice each prime. The
// groups share what is read of the queries, which are too many for the cache.
func (r *linearRing) products(p *LinearPacking, v weightValues, w []int16, k0, k1 int, queries []cipher) []cipher {
	groups, segments := k1-k0, len(queries)/p.queryGroups
	sums := make([]cipher, groups*segments)
	for i := range sums {
		sums[i] = cipher{r.poly(), r.poly()}
	}
	most := min(maxSum, p.queryGroups)
	s, _ := v.scratch.Get().(*scratch)
	if s == nil {
		s = new(scratch)
	}
	defer v.scratch.Put(s)
	s.grow(r, segments, groups*most, v.basis == nil)
	blocks, sparse, dense := s.blocks[:segments], s.sparse, s.dense
	for from := 0; from < p.queryGroups; from += most {
		n := min(most, p.queryGroups-from)
		for k := range groups {
			for c := range n {
				if v.basis == nil {
					r.transformed(dense[k*most+c], v.stride, p, w, from+c, k0+k)
				} else {
					v.basis.taps(&sparse[k*most+c], p, w, from+c, k0+k)
				}
			}
		}
		for i := range r.prime {
			for at := 0; at < linearN; at += productBlock {
				for k := range groups {
					clear(blocks)
					for first := 0; first < n; first += productsAtOnce {
						var together [productsAtOnce]factors
						some := together[:min(productsAtOnce, n-first)]
						for c := range some {
							which := k*most + first + c
							if v.basis == nil {
								some[c][0] = (*[productBlock]uint64)(dense[which][i][at:])
							} else {
								some[c][0] = &s.combined[c]
								combine(some[c][0], v.basis.tables[i][at:], sparse[which], 1<<primeBits-r.q[i])
							}
						}
						for seg := range blocks {
							for c := range some {
								q := &queries[seg*p.queryGroups+from+first+c]
								some[c][1], some[c][2] = (*[productBlock]uint64)(q[0][i][at:]), (*[productBlock]uint64)(q[1][i][at:])
							}
							mulAdd(&blocks[seg], some)
						}
					}
					for seg := range blocks {
						for part := range 2 {
							r.prime[i].fold(sums[k*segments+seg][part][i][at:], &blocks[seg], part)
						}
					}
				}
			}
		}
	}
	return sums
}

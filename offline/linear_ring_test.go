package offline

import (
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pascaline/ring"
)

func linearRingFor(t testing.TB) *linearRing {
	t.Helper()
	r, err := newLinearRing()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func bigOf(hi, lo uint64) *big.Int {
	v := new(big.Int).SetUint64(hi)
	return v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(lo))
}

// edges returns values at the ends of [0, n) and uniform ones in between.
func edges(rng *rand.Rand, n uint64) []uint64 {
	v := []uint64{0, 1, 2, n/2 - 1, n / 2, n/2 + 1, n - 2, n - 1}
	for range 200 {
		v = append(v, rng.Uint64N(n))
	}
	return v
}

func TestLinearModulusIsAsLargeAsSecurityAllows(t *testing.T) {
	r := linearRingFor(t)
	q := bigOf(r.qHi, r.qLo)
	if q.BitLen() != 108 {
		t.Errorf("Q has %d bits", q.BitLen())
	}
	for _, p := range r.q {
		if !new(big.Int).SetUint64(p).ProbablyPrime(32) || p%(2*linearN) != 1 || bits.Len64(p) != primeBits {
			t.Errorf("%d is no prime of %d bits that is 1 mod %d", p, primeBits, 2*linearN)
		}
	}
	gap := new(big.Int).Lsh(big.NewInt(1), 108)
	if gap.Sub(gap, q).BitLen() > 108-35 {
		t.Errorf("Q is not above 2^108·(1 − 2^−35)")
	}
}

func TestResiduesAreComposedAndScaledExactly(t *testing.T) {
	r := linearRingFor(t)
	q := bigOf(r.qHi, r.qLo)
	rng := rand.New(rand.NewPCG(11, 12))
	var q1 = edges(rng, linearQ1)
	for i, x0 := range edges(rng, linearQ0) {
		x1 := q1[i]
		x := bigOf(r.compose(x0, x1))
		mod := func(p uint64) uint64 { return new(big.Int).Mod(x, new(big.Int).SetUint64(p)).Uint64() }
		if x.Cmp(q) >= 0 || mod(linearQ0) != x0 || mod(linearQ1) != x1 {
			t.Fatalf("compose(%d, %d) = %v", x0, x1, x)
		}
		want := new(big.Int).Lsh(x, 128)
		want.Div(want, q)
		for _, over := range []uint64{0, 1} {
			d := bigOf(r.fraction(x0+over*linearQ0, x1+over*linearQ1))
			d.Sub(d, want)
			wrap := new(big.Int).Lsh(big.NewInt(1), 128)
			if d.CmpAbs(big.NewInt(2)) > 0 && d.Add(d, wrap).CmpAbs(big.NewInt(2)) > 0 {
				t.Fatalf("fraction(%d, %d) is off by %v", x0, x1, d)
			}
		}
	}
}

func TestEncodingRoundsToTheNearest(t *testing.T) {
	r := linearRingFor(t)
	q := bigOf(r.qHi, r.qLo)
	half := new(big.Int).Lsh(big.NewInt(1), 63)
	for _, v := range append(edges(rand.New(rand.NewPCG(13, 14)), 1<<63), 1<<63, 1<<64-1) {
		want := new(big.Int).Mul(q, new(big.Int).SetUint64(v))
		want.Add(want, half).Rsh(want, 64)
		if got := bigOf(r.encode(v)); got.Cmp(want) != 0 {
			t.Fatalf("encode(%d) = %v, not %v", v, got, want)
		}
		hi, lo := r.encode(v)
		lo, carry := bits.Add64(lo, r.qLo, 0)
		if got := bigOf(r.reduceOnce(hi+r.qHi+carry, lo)); got.Cmp(want) != 0 {
			t.Fatalf("reduceOnce(encode(%d) + Q) = %v", v, got)
		}
		if got := bigOf(r.reduceOnce(r.encode(v))); got.Cmp(want) != 0 {
			t.Fatalf("reduceOnce(encode(%d)) = %v", v, got)
		}
	}
}

// phaseUnder returns the coefficients of c0 + c1·sk, centred, for values out of
// Montgomery form.
func phaseUnder(e *LinearEncryptor, c cipher) []*big.Int {
	r := e.ring
	sum := r.poly()
	for i, s := range r.sub {
		s.MulCoeffsBarrett(c[1][i], e.key[i], sum[i])
		s.Add(sum[i], c[0][i], sum[i])
		s.Reduce(sum[i], sum[i])
	}
	r.intt(sum)
	q := bigOf(r.qHi, r.qLo)
	half := new(big.Int).Rsh(q, 1)
	v := make([]*big.Int, linearN)
	for j := range v {
		v[j] = bigOf(r.compose(sum[0][j], sum[1][j]))
		if v[j].Cmp(half) > 0 {
			v[j].Sub(v[j], q)
		}
	}
	return v
}

func TestNoiseStaysWithinItsBounds(t *testing.T) {
	l := newLinearParties(t)
	r := l.client.ring
	q := bigOf(r.qHi, r.qLo)

	m := uniformVectors(1, linearN)[0]
	public, private := ring.NewSeed(), ring.NewSeed()
	packed := l.client.encrypt(slices.Clone(m), public, private, 3)
	c, err := r.expand(packedQuery{public, 3, packed})
	if err != nil {
		t.Fatal(err)
	}
	for part := range c {
		for i, s := range r.sub {
			for j, v := range c[part][i] {
				c[part][i][j] = v>>32<<halfBits + v&(1<<32-1)
			}
			s.IMForm(c[part][i], c[part][i])
		}
	}
	some := false
	for j, got := range phaseUnder(l.client, c) {
		// 2^64·phase − m·Q, modulo 2^64·Q
		d := new(big.Int).Lsh(got, 64)
		d.Sub(d, new(big.Int).Mul(q, new(big.Int).SetUint64(m[j])))
		d.Rsh(d, 64).Mod(d, q)
		if d.Cmp(new(big.Int).Rsh(q, 1)) > 0 {
			d.Sub(d, q)
		}
		if d.CmpAbs(big.NewInt(1<<5)) >= 0 {
			t.Fatalf("the noise of a query is %v", d)
		}
		some = some || d.CmpAbs(big.NewInt(1)) > 0
	}
	if !some {
		t.Error("queries have no noise")
	}

	zero := cipher{r.poly(), r.poly()}
	l.server.addZero(zero, ring.NewSeed())
	for _, part := range zero {
		r.ntt(part)
	}
	some = false
	for _, d := range phaseUnder(l.client, zero) {
		if d.CmpAbs(big.NewInt(1<<18)) >= 0 {
			t.Fatalf("the noise of an encryption of zero is %v", d)
		}
		some = some || d.CmpAbs(big.NewInt(errorBits)) > 0
	}
	if !some {
		t.Error("encryptions of zero have no noise")
	}
}

func TestWeightsComeToTheSameValuesEitherWay(t *testing.T) {
	r := linearRingFor(t)
	rng := rand.New(rand.NewPCG(15, 16))
	for _, shape := range []ring.ConvShape{
		conv(32, 32, 2, 2, 3, 1, 1), conv(6, 6, 4, 3, 3, 1, 1), conv(8, 8, 3, 2, 1, 1, 0),
		ring.LinearShape(100, 7), ring.LinearShape(3000, 1), ring.LinearShape(1, 1),
	} {
		p, err := NewLinearPacking(shape, 8)
		if err != nil {
			t.Fatal(err)
		}
		w := randomWeights(rng, shape.WeightLen())
		v := r.newWeightValues(p)
		var places []int
		want := r.poly()
		p.eachWeight(0, 0, func(n, at int, negative bool) {
			places = append(places, n)
			weight := int64(w[at])
			if negative {
				weight = -weight
			}
			for i := range want {
				want[i][n] = r.prime[i].lifted(weight)
			}
		})
		r.ntt(want)
		check := func(how string, i int, got []uint64, at int) {
			t.Helper()
			for n, v := range got {
				if v = v>>32<<halfBits + v&(1<<32-1); v%r.q[i] != want[i][at+n] {
					t.Fatalf("%+v, %s: value %d is %d, not %d", shape, how, at+n, v, want[i][at+n])
				}
			}
		}
		for _, stride := range []int{1, v.stride} {
			got := r.poly()
			for i := range got {
				for n := range got[i] {
					got[i][n] = rng.Uint64() // of the polynomial before
				}
			}
			r.transformed(got, stride, p, w, 0, 0)
			for i := range got {
				check("transformed", i, got[i], 0)
			}
		}
		if len(places) > maxTaps {
			continue
		}
		slices.Sort(places)
		b := r.newBasis(slices.Compact(places))
		var tp taps
		b.taps(&tp, p, w, 0, 0)
		for i := range r.prime {
			for at := 0; at < linearN; at += productBlock {
				var got [productBlock]uint64
				combine(&got, b.tables[i][at:], tp, 1<<primeBits-r.q[i])
				check("combined", i, got[:], at)
			}
		}
	}
}

func TestVectorKernelsAgreeWithTheGenericOnes(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for at := 1; at <= productsAtOnce; at++ {
		var got, want productSums
		for range maxSum / at {
			products := extremeProducts(rng, at)
			mulAdd(&got, products)
			for _, p := range products {
				mulAddGeneric(&want, p)
			}
		}
		if got != want {
			t.Errorf("mulAdd of %d products differs from mulAddGeneric", at)
		}
	}

	for n := range 20 {
		x, want := make([]uint64, n), make([]uint64, n)
		for j := range x {
			x[j] = rng.Uint64N(1 << 55)
			want[j] = halves(x[j])
		}
		if toHalves(x); !slices.Equal(x, want) {
			t.Errorf("the halves of %d words differ", n)
		}
	}

	r := linearRingFor(t)
	for i, q := range r.q {
		delta := 1<<primeBits - q
		for _, n := range []int{0, 1, 9, maxTaps} {
			table := make([]uint64, max(1, n)*linearN)
			for j := range table {
				table[j] = halves(q - 1 - rng.Uint64N(1<<uint(rng.IntN(54))))
			}
			var tp taps
			for k := range n {
				tp.offsets = append(tp.offsets, uint64(k*linearN*8))
				tp.weights = append(tp.weights, []int64{1 << 15, -1 << 15, 0, rng.Int64N(1<<16) - 1<<15}[rng.IntN(4)])
			}
			var got, generic [productBlock]uint64
			combine(&got, table, tp, delta)
			combineGeneric(&generic, table, tp, delta)
			if got != generic {
				t.Errorf("combine of %d taps differs from combineGeneric", n)
			}
			for j := range got {
				want := new(big.Int)
				for k, weight := range tp.weights {
					v := table[k*linearN+j]
					want.Add(want, new(big.Int).Mul(big.NewInt(weight), big.NewInt(int64(v>>32<<halfBits+v&(1<<32-1)))))
				}
				modulus := new(big.Int).SetUint64(r.q[i])
				v := got[j]>>32<<halfBits + got[j]&(1<<32-1)
				if v >= 1<<55 || v%q != want.Mod(want, modulus).Uint64() {
					t.Fatalf("combine of %d taps: %d is not %v modulo %d", n, v, want, q)
				}
			}
		}
	}
}

// extremeProducts returns n products of values in halves, the largest among them.
func extremeProducts(rng *rand.Rand, n int) []factors {
	products := make([]factors, n)
	for i := range products {
		var w, x0, x1 [productBlock]uint64
		for j := range w {
			w[j], x0[j], x1[j] = halves(1<<55-1-rng.Uint64N(2)), halves(1<<54-1), halves(rng.Uint64N(1<<54))
		}
		products[i] = factors{&w, &x0, &x1}
	}
	return products
}

func TestSumsAreFoldedModuloThePrimes(t *testing.T) {
	r := linearRingFor(t)
	rng := rand.New(rand.NewPCG(19, 20))
	for i := range r.prime {
		p := &r.prime[i]
		var w, x [productBlock]uint64
		var sums productSums
		want := make([]*big.Int, productBlock)
		for j := range want {
			want[j] = new(big.Int)
		}
		for range maxSum {
			for j := range w {
				a, b := 1<<55-1-rng.Uint64N(4), p.q-1-rng.Uint64N(4)
				w[j], x[j] = halves(a), halves(b)
				want[j].Add(want[j], new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b)))
			}
			mulAdd(&sums, []factors{{&w, &x, &x}})
		}
		dst := make([]uint64, productBlock)
		for j := range dst {
			dst[j] = 2*p.q - 1
			want[j].Add(want[j], new(big.Int).Lsh(new(big.Int).SetUint64(dst[j]), 64))
		}
		p.fold(dst, &sums, 1)
		for j := range dst {
			// dst·2^64 = want mod q
			got := new(big.Int).Lsh(new(big.Int).SetUint64(dst[j]), 64)
			got.Sub(got, want[j])
			if dst[j] >= 2*p.q || got.Mod(got, new(big.Int).SetUint64(p.q)).Sign() != 0 {
				t.Fatalf("fold: %d", dst[j])
			}
		}
	}
}

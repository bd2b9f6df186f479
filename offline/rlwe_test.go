package offline

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"pascaline/ring"
)

// testPrimes are 1 mod 2^14 and just below 2^61.
var testPrimes = []uint64{0x1ffffffffffa4001, 0x1ffffffffff74001, 0x1ffffffffff0c001}

func testRing(t testing.TB, n int) *rlwe {
	t.Helper()
	r, err := newRLWE(n, testPrimes...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSecretAndErrorsHaveTheirDistributions(t *testing.T) {
	const n = 1 << 16
	s := ring.NewStream(ring.Seed{1}, "test")
	v := make([]int64, n)
	ternary(v, s)
	var count [3]float64
	for _, x := range v {
		count[x+1]++
	}
	for i, c := range count {
		if math.Abs(c-n/3.0) > 6*math.Sqrt(n*2/9.0) {
			t.Errorf("ternary value %d drawn %v times of %d", i-1, c, n)
		}
	}
	smallErrors(v, s)
	var sum, squares float64
	for _, x := range v {
		if x < -errorBits || x > errorBits {
			t.Fatalf("error of %d", x)
		}
		sum += float64(x)
		squares += float64(x * x)
	}
	if mean := sum / n; math.Abs(mean) > 6*math.Sqrt(errorVariance/n) {
		t.Errorf("errors have mean %v", mean)
	}
	if v := squares / n; math.Abs(v-errorVariance) > 0.03*errorVariance {
		t.Errorf("errors have variance %v, not %v", v, errorVariance)
	}
}

// variance returns the mean square of v.
func variance(v []int64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return sum / float64(len(v))
}

// haveVariance reports whether v may be draws of mean zero and variance want: it
// wrongly says no six standard deviations out, no tails being heavier than a
// normal distribution's.
func haveVariance(v []int64, want float64) bool {
	return math.Abs(variance(v)/want-1) < 6*math.Sqrt(2/float64(len(v)))
}

// independent reports whether draws of mean zero are uncorrelated, to six
// standard deviations.
func independent(v, w []int64) bool {
	sum := 0.0
	for i := range v {
		sum += float64(v[i]) * float64(w[i])
	}
	n := float64(len(v))
	return math.Abs(sum/n) < 6/math.Sqrt(n)*math.Sqrt(variance(v)*variance(w))
}

// centred returns the residues of v, below 2q, as integers from −q/2 to q/2.
func centred(v []uint64, q uint64) []int64 {
	c := make([]int64, len(v))
	for i, x := range v {
		if x %= q; x > q/2 {
			x -= q
		}
		c[i] = int64(x)
	}
	return c
}

func TestUniformResiduesFollowTheSeedAndStayBelowTheirPrimes(t *testing.T) {
	r := testRing(t, 1024)
	a, b, c := r.poly(), r.poly(), r.poly()
	r.uniform(a, ring.Seed{1}, "test", 7)
	r.uniform(b, ring.Seed{1}, "test", 7)
	r.uniform(c, ring.Seed{1}, "test", 8)
	for i, q := range r.q {
		equal := 0
		for j := range a[i] {
			if a[i][j] >= q {
				t.Fatalf("residue %d is not below the prime %d", a[i][j], q)
			}
			if a[i][j] != b[i][j] {
				t.Fatal("one seed and index, two expansions")
			}
			if a[i][j] == c[i][j] {
				equal++
			}
		}
		if equal > 1 {
			t.Errorf("two indices share %d residues", equal)
		}
	}
	// A prime just above a power of two rejects nearly every second draw.
	v := make([]uint64, 20000)
	uniformMod(v, ring.NewStream(ring.Seed{2}, "test"), 65537)
	var sum float64
	for _, x := range v {
		if x >= 65537 {
			t.Fatalf("%d is not below 65537", x)
		}
		sum += float64(x)
	}
	if mean := sum / float64(len(v)); math.Abs(mean-32768) > 6*65537/math.Sqrt(12*float64(len(v))) {
		t.Errorf("uniform values below 65537 have mean %v", mean)
	}
}

func TestPublicKeyEncryptsZero(t *testing.T) {
	r := testRing(t, 8192)
	s := ring.NewStream(ring.NewSeed(), "test")
	seed := ring.NewSeed()
	key := r.secretKey(s)
	b, a := r.publicKey(key, seed, s), r.publicUniform(seed)
	for i, sub := range r.sub {
		sub.MulCoeffsBarrettThenAdd(a[i], key[i], b[i])
	}
	r.intt(b)
	for i, q := range r.q {
		if e := centred(b[i], q); !haveVariance(e, errorVariance) {
			t.Errorf("coefficients of b + a·s have variance %v mod %d, not %v", variance(e), q, errorVariance)
		}
	}
}

func TestPrimesThatLattigoCannotTransformAreRefused(t *testing.T) {
	for _, q := range []uint64{
		0x3fffffffffffc001,     // 62 bits
		0x1ffffffffffa4001 * 3, // composite
		65537 - 2,              // not 1 mod 2n
	} {
		if _, err := newRLWE(1024, q); err == nil {
			t.Errorf("a ring over %d was made", q)
		}
	}
}

func TestFractionsOfQAreExactToTheirLastPlace(t *testing.T) {
	const n = 64
	r := testRing(t, n)
	q := big.NewInt(1)
	for _, p := range r.q {
		q.Mul(q, new(big.Int).SetUint64(p))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]*big.Int, n)
	p := r.poly()
	for j := range x {
		x[j] = new(big.Int)
		for range 4 {
			x[j].Lsh(x[j], 64).Or(x[j], new(big.Int).SetUint64(rng.Uint64()))
		}
		x[j].Mod(x[j], q)
		switch j {
		case 0:
			x[j].SetInt64(0)
		case 1:
			x[j].Sub(q, big.NewInt(1))
		}
		for i, m := range r.q {
			p[i][j] = new(big.Int).Mod(x[j], new(big.Int).SetUint64(m)).Uint64()
		}
	}
	hi, lo := make([]uint64, n), make([]uint64, n)
	r.fractions().of(hi, lo, r, p)
	for j := range x {
		want := new(big.Int).Lsh(x[j], 128)
		want.Quo(want, q)
		got := new(big.Int).SetUint64(hi[j])
		got.Lsh(got, 64).Or(got, new(big.Int).SetUint64(lo[j]))
		d := want.Sub(want, got)
		one := new(big.Int).Lsh(big.NewInt(1), 128)
		d.Mod(d.Add(d, big.NewInt(8)), one)
		if d.Sub(d, big.NewInt(8)).CmpAbs(big.NewInt(4)) > 0 {
			t.Errorf("the fraction of %v is off by %v units of 2^-128", x[j], d)
		}
	}
}

func TestPackedBitsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for bits := uint(1); bits <= 64; bits++ {
		for _, n := range []int{1, 7, 8, 63, 64, 200} {
			v := make([]uint64, n)
			for i := range v {
				v[i] = rng.Uint64() >> (64 - bits)
			}
			buf := bytes.Repeat([]byte{0xaa}, packedSize(n, bits)+3)
			if rest := packBits(buf, v, bits); len(rest) != 3 {
				t.Fatalf("%d values of %d bits leave %d bytes", n, bits, len(rest))
			}
			if tail := buf[len(buf)-3:]; !bytes.Equal(tail, []byte{0xaa, 0xaa, 0xaa}) {
				t.Fatalf("%d values of %d bits were written past their end: %x", n, bits, tail)
			}
			got := make([]uint64, n)
			if rest := unpackBits(got, buf, bits); len(rest) != 3 {
				t.Fatalf("%d values of %d bits read all but %d bytes", n, bits, len(rest))
			}
			for i := range v {
				if got[i] != v[i] {
					t.Fatalf("%d bits: value %d is %#x, not %#x", bits, i, got[i], v[i])
				}
			}
		}
	}
}

func TestWideValuesComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, bits := range []uint{3, 64, 65, 128, 161, 192} {
		planes := vectors(widePlanes(bits), 100)
		got := vectors(widePlanes(bits), 100)
		for l, p := range planes {
			for i := range p {
				p[i] = rng.Uint64() >> (64 - min(bits-64*uint(l), 64))
			}
		}
		buf := make([]byte, wideSize(100, bits))
		if rest := packWide(buf, planes, bits); len(rest) != 0 {
			t.Fatalf("%d bits leave %d bytes", bits, len(rest))
		}
		if rest := unpackWide(got, buf, bits); len(rest) != 0 {
			t.Fatalf("%d bits: %d bytes not read", bits, len(rest))
		}
		for l := range planes {
			for i := range planes[l] {
				if got[l][i] != planes[l][i] {
					t.Fatalf("%d bits: word %d of value %d differs", bits, l, i)
				}
			}
		}
	}
}

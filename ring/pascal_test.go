package ring

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

var two64, two128 = new(big.Int).Lsh(big.NewInt(1), 64), new(big.Int).Lsh(big.NewInt(1), 128)

// random128 returns a uniform integer below 2^128.
func random128(r *rand.Rand) *big.Int {
	v := new(big.Int).SetUint64(r.Uint64())
	v.Lsh(v, 64)
	return v.Or(v, new(big.Int).SetUint64(r.Uint64()))
}

// mod64 returns v mod 2^64.
func mod64(v *big.Int) uint64 { return new(big.Int).Mod(v, two64).Uint64() }

// sharedMask is a mask ρ for each element, as an offline phase deals it: parts
// below 2^bits and uniform shares of its powers mod 2^128, by math/big.
type sharedMask struct {
	rho    [2][]uint64
	shares [2][]Vec128
}

func dealMask(r *rand.Rand, n, degree int, maskBits uint) *sharedMask {
	m := new(sharedMask)
	for party := range 2 {
		m.rho[party] = randomWords(r, n)
		for i := range n {
			m.rho[party][i] &= 1<<maskBits - 1
		}
		for range degree - 1 {
			m.shares[party] = append(m.shares[party], MakeVec128(n))
		}
	}
	for i := range n {
		rho := new(big.Int).SetUint64(m.rho[0][i])
		rho.Add(rho, new(big.Int).SetUint64(m.rho[1][i]))
		for k := 2; k <= degree; k++ {
			share := random128(r)
			other := new(big.Int).Exp(rho, big.NewInt(int64(k)), nil)
			other.Sub(other, share).Mod(other, two128)
			for party, v := range []*big.Int{share, other} {
				w := reduce128(v)
				m.shares[party][k-2].Lo[i], m.shares[party][k-2].Hi[i] = w.lo, w.hi
			}
		}
	}
	return m
}

// eval runs steps 3 and 4 at both parties and adds up the shares.
func (m *sharedMask) eval(p *Pascal, c []uint64) []uint64 {
	sum := make([]uint64, len(c))
	for party := range 2 {
		dst := make([]uint64, len(c))
		p.Eval(dst, party, c, m.rho[party], m.shares[party])
		Add(sum, sum, dst)
	}
	return sum
}

// exact returns p = P(t)·2^(fa·d+q) as an integer.
func exact(alpha []int64, fa uint, t *big.Int) *big.Int {
	d := len(alpha) - 1
	sum := new(big.Int)
	for k, a := range alpha {
		term := new(big.Int).Exp(t, big.NewInt(int64(k)), nil)
		term.Mul(term, big.NewInt(a))
		sum.Add(sum, term.Lsh(term, fa*uint(d-k)))
	}
	return sum
}

// unitsApart returns got − ⌊p/2^s⌋ mod 2^64, centred.
func unitsApart(got uint64, p *big.Int, s uint) int64 {
	return int64(got - mod64(new(big.Int).Rsh(p, s)))
}

func mustPascal(t testing.TB, alpha []int64, q, fa, fracOut uint) *Pascal {
	t.Helper()
	p, err := NewPascal(alpha, q, fa, fracOut)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func randomAlpha(r *rand.Rand, degree int) []int64 {
	alpha := make([]int64, degree+1)
	for k := range alpha {
		alpha[k] = r.Int64N(4096) - 2048
	}
	return alpha
}

func TestSharesOfPascalAddUpToThePolynomial(t *testing.T) {
	r := testRand(10)
	for degree := minDegree; degree <= maxDegree; degree++ {
		for _, fa := range []uint{0, 4, 9, 12} {
			const q, fracOut, n = 10, 4, 300
			alpha := randomAlpha(r, degree)
			p := mustPascal(t, alpha, q, fa, fracOut)
			if want := fa*uint(degree) + q - fracOut; p.Degree() != degree || p.Shift() != want {
				t.Fatalf("degree %d and shift %d, want %d and %d", p.Degree(), p.Shift(), degree, want)
			}
			m := dealMask(r, n, degree, 54)
			c, want := make([]uint64, n), make([]*big.Int, n)
			for i := range c {
				v := r.Int64N(2<<fa) - 1<<fa // |t| ≤ 1
				c[i] = uint64(v) + m.rho[0][i] + m.rho[1][i]
				want[i] = exact(alpha, fa, big.NewInt(v))
			}
			for i, got := range m.eval(p, c) {
				if d := unitsApart(got, want[i], p.Shift()); d < 0 || d > 1 {
					t.Fatalf("degree %d, fa %d, element %d: %d units from the polynomial rounded down", degree, fa, i, d)
				}
			}
		}
	}
}

// With at most 64 bits dropped nothing overflows, whatever c and ρ are.
func TestPascalIsExactModulo64BitsForAnyArgument(t *testing.T) {
	r := testRand(11)
	for degree := minDegree; degree <= maxDegree; degree++ {
		const n = 150
		alpha := randomAlpha(r, degree)
		p := mustPascal(t, alpha, 10, 6, 6)
		m := dealMask(r, n, degree, 61)
		c := randomWords(r, n)
		copy(c, []uint64{0, 1, ^uint64(0), 1 << 63, 1<<63 - 1})
		for i, got := range m.eval(p, c) {
			v := big.NewInt(int64(c[i]))
			v.Sub(v, new(big.Int).SetUint64(m.rho[0][i]+m.rho[1][i]))
			if d := unitsApart(got, exact(alpha, 6, v), p.Shift()); d < 0 || d > 1 {
				t.Fatalf("degree %d, element %d: %d units from the polynomial rounded down", degree, i, d)
			}
		}
	}
}

func TestPascalTakesWideCoefficientsAndEveryShift(t *testing.T) {
	r := testRand(12)
	const fa, q, n = 14, 12, 60
	for degree := minDegree; degree <= maxDegree; degree++ {
		alpha := randomAlpha(r, degree)
		for s := uint(0); s < 128; s += 3 {
			full := fa*uint(degree) + q
			if s > full || full-s > 127 {
				continue
			}
			p := mustPascal(t, alpha, q, fa, full-s)
			m := dealMask(r, n, degree, 50)
			c, want := make([]uint64, n), make([]*big.Int, n)
			for i := range c {
				v := r.Int64N(1<<9) - 1<<8
				c[i] = uint64(v) + m.rho[0][i] + m.rho[1][i]
				want[i] = exact(alpha, fa, big.NewInt(v))
			}
			for i, got := range m.eval(p, c) {
				if s > 64 && want[i].BitLen() > 100 {
					continue // the truncation may fail
				}
				if d := unitsApart(got, want[i], s); d < 0 || d > 1 {
					t.Fatalf("degree %d, %d bits dropped, element %d: %d units from the polynomial rounded down", degree, s, i, d)
				}
			}
		}
	}
}

func TestPascalInTheClearIsThePolynomialRoundedDown(t *testing.T) {
	r := testRand(13)
	for degree := minDegree; degree <= maxDegree; degree++ {
		for _, fa := range []uint{0, 5, 12} {
			alpha := randomAlpha(r, degree)
			p := mustPascal(t, alpha, 10, fa, 5)
			c := make([]uint64, 200)
			for i := range c {
				c[i] = uint64(r.Int64N(2<<(fa+2)) - 1<<(fa+2))
			}
			got := make([]uint64, len(c))
			p.EvalClear(got, c)
			zero := dealMask(r, len(c), degree, 0)
			shared := zero.eval(p, c)
			for i := range c {
				want := exact(alpha, fa, big.NewInt(int64(c[i])))
				if d := unitsApart(got[i], want, p.Shift()); d != 0 {
					t.Fatalf("degree %d, fa %d: P(%d) is %d units off", degree, fa, int64(c[i]), d)
				}
				if d := shared[i] - got[i]; d > 1 {
					t.Fatalf("degree %d, fa %d: the shares of P(%d) add up to %d units more", degree, fa, int64(c[i]), int64(d))
				}
				if b := p.Magnitude(uint64(max(int64(c[i]), -int64(c[i])))); want.BitLen() > b {
					t.Fatalf("degree %d: |p| has %d bits at %d, bound %d", degree, want.BitLen(), int64(c[i]), b)
				}
			}
		}
	}
}

func TestMagnitudeIsTightForPositiveCoefficients(t *testing.T) {
	p := mustPascal(t, []int64{1, 0, 3}, 0, 2, 0)
	for _, tc := range []struct {
		t    uint64
		want int
	}{{0, 5}, {1, 5}, {4, 7}, {1 << 40, 82}, {math.MaxUint64, 130}} { // 3t² + 16
		if got := p.Magnitude(tc.t); got != tc.want {
			t.Errorf("Magnitude(%d) = %d, want %d", tc.t, got, tc.want)
		}
	}
}

func TestNewPascalRefusesWhatItCannotCompute(t *testing.T) {
	for _, tc := range []struct {
		alpha          []int64
		q, fa, fracOut uint
		want           string
	}{
		{[]int64{1, 2}, 10, 9, 9, "degree 1"},
		{nil, 10, 9, 9, "degree -1"},
		{make([]int64, 10), 10, 9, 9, "degree 9"},
		{[]int64{1, 1, 1}, 10, 9, 29, "must drop"},
		{[]int64{1, 1, 1}, 100, 60, 10, "must drop"},
		{[]int64{1, 1, 1}, 200, 9, 9, "200 fractional bits"},
		{[]int64{1, 1, 1}, 10, 1 << 31, 9, "fractional bits"},
		{[]int64{1 << 40, 1, 1}, 10, 50, 100, "coefficient of t^0"},
		{[]int64{math.MinInt64, 1, 1}, 0, 32, 1, "coefficient of t^0"},
	} {
		_, err := NewPascal(tc.alpha, tc.q, tc.fa, tc.fracOut)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("NewPascal(%v, %d, %d, %d): error %v, want one with %q", tc.alpha, tc.q, tc.fa, tc.fracOut, err, tc.want)
		}
	}
}

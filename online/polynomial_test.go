package online

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"pascaline/correlation"
)

// pillarDegree4 is PILLAR's polynomial of degree 4 on [−5, 5], over 1024 (design
// section 11).
var pillarDegree4 = []int64{322, 512, 160, 0, -3}

// polynomialOf returns random coefficients over 2^10, shrinking with the degree
// so that the terms are of a size.
func polynomialOf(r *rand.Rand, degree int) []int64 {
	alpha := make([]int64, degree+1)
	for k := range alpha {
		alpha[k] = r.Int64N(1024>>k*2+2) - 512>>k
	}
	alpha[degree] |= 1
	return alpha
}

// exactly evaluates P at a fixed-point number, rounded once from the exact value.
func exactly(p Polynomial, word uint64, frac uint) float64 {
	x := new(big.Int).SetInt64(int64(word))
	d := p.Degree()
	sum := new(big.Int)
	for k := d; k >= 0; k-- {
		sum.Mul(sum, x)
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(p.Alpha[k]), frac*uint(d-k)))
	}
	f, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(sum), -int(frac)*d-int(p.Q)).Float64()
	return f
}

// fixed returns n arguments uniform in [−limit, limit], the ends among them.
func fixed(r *rand.Rand, n int, frac uint, limit float64) shared {
	v := shared{shape: []int{n}, frac: frac, words: make([]uint64, n)}
	edge := int64(math.Ldexp(limit, int(frac)))
	for i := range v.words {
		v.words[i] = uint64(r.Int64N(2*edge+1) - edge)
	}
	copy(v.words, []uint64{0, 1, ^uint64(0), uint64(edge), uint64(-edge)})
	return v
}

func evaluate(t testing.TB, p Polynomial, x shared) ([]uint64, [2]*Session) {
	t.Helper()
	return compute(t, []shared{x}, once(func(s *Session, v []*Value) *Value { return s.Polynomial(v[0], p) }))
}

// floats returns the numbers that arguments stand for.
func (o shared) floats() []float64 {
	x := make([]float64, len(o.words))
	for i, v := range o.words {
		x[i] = math.Ldexp(float64(int64(v)), -int(o.frac))
	}
	return x
}

func TestAllMethodsComputeThePolynomialWithinTheirBound(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 1))
	for degree := 2; degree <= 8; degree++ {
		for _, m := range Methods() {
			for _, c := range []struct {
				frac, argFrac, out uint
				limit              float64
			}{{16, 9, 10, 1}, {14, 8, 12, 1.7}, {9, 9, 9, 1.2}, {8, 7, 20, 1}, {17, 8, 3, 2}} {
				p := Polynomial{Alpha: polynomialOf(r, degree), Q: 10, Method: m, ArgFrac: c.argFrac, Frac: c.out}
				what := fmt.Sprintf("%v of degree %d, %+v", m, degree, c)
				if err := p.Validate(c.frac); err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				if c.limit > p.Range(c.frac) {
					t.Errorf("%s: computes up to %.2g only", what, p.Range(c.frac))
					continue
				}
				x := fixed(r, 200, c.frac, c.limit)
				if rate := p.GrossErrorRate(c.frac, x.floats()...); rate > 1e-6 {
					t.Fatalf("%s: gross errors at a rate of %.2g, too often for this test", what, rate)
				}
				got, sessions := evaluate(t, p, x)
				bound := p.ErrorBound(c.frac, c.limit)
				for i, w := range x.words {
					y := math.Ldexp(float64(int64(got[i])), -int(c.out))
					if want := exactly(p, w, c.frac); math.Abs(y-want) > bound {
						t.Fatalf("%s: P(%v) = %v, want %v within %v", what, x.floats()[i], y, want, bound)
					}
				}
				checkCost(t, what, sessions, p.Rounds(), 200*p.Bytes())
				spec := p.Spec(200, c.frac)
				if spent := sessions[0].Spent(); len(spent) != 1 || spent[spec.Pool()] != spec.N {
					t.Errorf("%s spends %v, not %d of %s", what, spent, spec.N, spec.Pool())
				}
			}
		}
	}
}

func TestMethodsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 2))
	const frac, limit = 16, 5
	x := fixed(r, 2000, frac, limit)
	p := Polynomial{Alpha: pillarDegree4, Q: 10, ArgFrac: 12, Frac: 12}
	var results [3][]uint64
	var bounds [3]float64
	for _, p.Method = range Methods() {
		results[p.Method], _ = evaluate(t, p, x)
		bounds[p.Method] = p.ErrorBound(frac, limit)
	}
	for i := range x.words {
		for a := range results {
			for b := range a {
				d := math.Ldexp(float64(int64(results[a][i]-results[b][i])), -12)
				if math.Abs(d) > bounds[a]+bounds[b] {
					t.Fatalf("P(%v) by %v and by %v differ by %v", x.floats()[i], Method(a), Method(b), d)
				}
			}
		}
	}
}

func TestRoundsAndBytesAtDegree4(t *testing.T) {
	const n = 64
	x := fixed(rand.New(rand.NewPCG(32, 3)), n, 16, 2)
	for _, tc := range []struct {
		method        Method
		rounds, bytes int
		pool          string
		count         int
	}{
		{Powers, 1, 8, "powers/4/56", n},
		{ESPN, 1, 48, "products", 6 * n},
		{Tree, 2, 48, "triples", 3 * n},
	} {
		p := Polynomial{Alpha: pillarDegree4, Q: 10, Method: tc.method, ArgFrac: 10, Frac: 10}
		if p.Rounds() != tc.rounds || p.Bytes() != tc.bytes {
			t.Errorf("%v is said to take %d rounds and %d bytes", tc.method, p.Rounds(), p.Bytes())
		}
		_, sessions := evaluate(t, p, x)
		checkCost(t, tc.method.String(), sessions, tc.rounds, n*tc.bytes)
		if got := sessions[1].Spent()[tc.pool]; got != tc.count {
			t.Errorf("%v spends %v, want %d of %s", tc.method, sessions[1].Spent(), tc.count, tc.pool)
		}
	}
	for degree, want := range map[int][2]int{2: {1, 1}, 3: {2, 3}, 5: {3, 10}, 8: {3, 28}} {
		tree, espn := Polynomial{Alpha: make([]int64, degree+1), Method: Tree}, Polynomial{Alpha: make([]int64, degree+1), Method: ESPN}
		if tree.Rounds() != want[0] || espn.Bytes() != 8*want[1] || tree.Bytes() != 16*(degree-1) {
			t.Errorf("degree %d: tree of %d rounds and %d bytes, espn of %d bytes", degree, tree.Rounds(), tree.Bytes(), espn.Bytes())
		}
	}
}

// Arguments far outside of any calibrated range still compute by powers, with
// the relative error that rounding the argument makes.
func TestPowersComputeFarOutOfRange(t *testing.T) {
	p := Polynomial{Alpha: pillarDegree4, Q: 10, ArgFrac: 9, Frac: 9}
	const frac = 17
	var x shared
	x.frac = frac
	for range 50 {
		for _, v := range []float64{15, -1000, 12345.678, -1 << 13} {
			w, err := Encode(frac, v)
			if err != nil {
				t.Fatal(err)
			}
			x.words = append(x.words, w...)
		}
	}
	x.shape = []int{len(x.words)}
	got, _ := evaluate(t, p, x)
	for i, w := range x.words {
		limit := math.Abs(x.floats()[i])
		if limit > p.Range(frac) {
			t.Fatalf("%v is outside of the range of %v", limit, p.Range(frac))
		}
		y, want := math.Ldexp(float64(int64(got[i])), -9), exactly(p, w, frac)
		if math.Abs(y-want) > p.ErrorBound(frac, limit) {
			t.Fatalf("P(%v) = %v, want %v", x.floats()[i], y, want)
		}
	}
}

// At the edge of the range of espn or tree the largest truncation fails half the
// time: within it most results may be right, beyond it fewer than half.
func TestRangesAreWhereHalfTheResultsFail(t *testing.T) {
	const frac, n = 20, 2000
	for _, m := range []Method{ESPN, Tree} {
		for _, degree := range []int{2, 3, 4, 6, 8} {
			p := Polynomial{Alpha: make([]int64, degree+1), Method: m, Frac: frac}
			p.Alpha[degree] = 1
			limit := p.Range(frac)
			for _, factor := range []float64{0.98, 1.2} {
				x := shared{[]int{n}, frac, make([]uint64, n)}
				for i := range x.words {
					x.words[i] = uint64(math.Ldexp(limit*factor, frac))
				}
				got, _ := evaluate(t, p, x)
				right, want := 0, exactly(p, x.words[0], frac)
				for _, w := range got {
					if math.Abs(math.Ldexp(float64(int64(w)), -frac)-want) <= p.ErrorBound(frac, limit) {
						right++
					}
				}
				if inside := factor < 1; inside == (right < n*2/5) {
					t.Errorf("%v of degree %d at %.2f of its range, %v: %d of %d are right", m, degree, factor, limit, right, n)
				}
			}
		}
	}
}

func TestRangesThatAreTooSmallAreRefused(t *testing.T) {
	alpha := func(degree int) []int64 { return append(make([]int64, degree), 1) }
	for _, tc := range []struct {
		p    Polynomial
		frac uint
		want string
	}{
		{Polynomial{Alpha: alpha(8), Method: ESPN, Frac: 3}, 3, "the share for x^8 is divided by 2^3, which leaves nothing of 3 fractional bits; give the argument 4"},
		{Polynomial{Alpha: alpha(4), Method: ESPN, Frac: 10}, 32, "it computes for arguments below 0.71 only"},
		{Polynomial{Alpha: alpha(4), Method: Tree, Frac: 10}, 33, "it computes for arguments below 0.35 only"},
		{Polynomial{Alpha: alpha(8), Q: 10, ArgFrac: 16, Frac: 10}, 16, "powers: polynomial of degree 8: going from 8·16 + 10 fractional bits to 10 must drop from 0 to 127"},
		{Polynomial{Alpha: []int64{0, 0, 0, 0, 0, 0, 0, 0, 1023}, Q: 10, ArgFrac: 10, Frac: 10}, 16, "powers of degree 8: with an argument rounded to 10 fractional bits, P(1) takes 90 bits and may take 88; round it to fewer"},
		{Polynomial{Alpha: alpha(4), ArgFrac: 32, Frac: 61}, 32, "P(1) takes 129 bits and may take 88"},
	} {
		if err := tc.p.Validate(tc.frac); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: error %v, want one with %q", tc.p.Method, err, tc.want)
		}
	}
}

// The rate of gross errors is what the ranges say: counted where they are
// frequent, at arguments with many fractional bits.
func TestGrossErrorsAreAsFrequentAsTheirRangesSay(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 4))
	const n = 60000
	for _, tc := range []struct {
		method Method
		frac   uint
		alpha  []int64
		limit  float64
	}{
		{ESPN, 25, pillarDegree4, 4},
		{ESPN, 26, []int64{1, 2, 3}, 4},
		{Tree, 25, pillarDegree4, 4},
		{Tree, 25, []int64{10, 20, 30, 40}, 4},
	} {
		p := Polynomial{Alpha: tc.alpha, Q: 10, Method: tc.method, Frac: 12}
		x := fixed(r, n, tc.frac, tc.limit)
		got, _ := evaluate(t, p, x)
		gross, bound := 0, p.ErrorBound(tc.frac, tc.limit)
		for i, w := range x.words {
			if math.Abs(math.Ldexp(float64(int64(got[i])), -12)-exactly(p, w, tc.frac)) > bound {
				gross++
			}
		}
		predicted := p.GrossErrorRate(tc.frac, x.floats()...) * n
		t.Logf("%v, %d fractional bits: %d gross errors of %d, predicted %.0f", tc.method, tc.frac, gross, n, predicted)
		// Seven standard deviations, and a tenth for sums of rates that are not small.
		if d := math.Abs(float64(gross) - predicted); d > 7*math.Sqrt(predicted)+predicted/10 || gross == 0 {
			t.Errorf("%v, %d fractional bits: %d gross errors, predicted %.0f", tc.method, tc.frac, gross, predicted)
		}
	}
	exact := Polynomial{Alpha: pillarDegree4, Q: 10, ArgFrac: 10, Frac: 10}
	if rate := exact.GrossErrorRate(16, 5); rate != 0 {
		t.Errorf("powers of degree 4 fail at a rate of %v", rate)
	}
	// Where more than 64 bits are dropped: 2^82·|P| of 2^128.
	exact = Polynomial{Alpha: []int64{0, 0, 0, 0, 0, 0, 0, 0, 512}, Q: 10, ArgFrac: 9, Frac: 9}
	if rate := exact.GrossErrorRate(16, 1); rate != math.Ldexp(0.5, 82-128) {
		t.Errorf("powers of degree 8 fail at a rate of %v", rate)
	}
}

// Local truncation of a truncated value's share is no more dangerous than of
// others: Truncate spreads what it returns.
func TestTruncatedValuesHaveUniformShares(t *testing.T) {
	const n = 8192
	x := shared{[]int{n}, 20, make([]uint64, n)}
	var shares [2]tallies
	compute(t, []shared{x}, func(ctx context.Context, s *Session, v []*Value) (*Value, error) {
		cut := s.Truncate(v[0], 10)
		err := s.Run(ctx)
		shares[s.party].add(cut.share)
		return cut, err
	})
	shares[0].check(t, "share of party 0", 8)
	shares[1].check(t, "share of party 1", 8)
}

func TestMethodNames(t *testing.T) {
	for _, m := range Methods() {
		if got, err := ParseMethod(m.String()); got != m || err != nil {
			t.Errorf("%v is read as %v, %v", m, got, err)
		}
	}
	if _, err := ParseMethod("horner"); err == nil || !strings.Contains(err.Error(), "there are powers, espn and tree") {
		t.Errorf("error %v", err)
	}
}

// The claim of design section 4 that nothing is ever grossly wrong, on as many
// points as the reference implementation needs to fail once or so.
func TestLongNoGrossErrorOfPowersInHundredMillionPoints(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("set PASCALINE_LONG=1 to run: 10^8 points, a few minutes")
	}
	const frac, limit, batch, total = 17, 8, 1 << 18, 100_000_000
	p := Polynomial{Alpha: pillarDegree4, Q: 10, ArgFrac: 10, Frac: 10}
	bound := p.ErrorBound(frac, limit)
	r := rand.New(rand.NewPCG(32, 5))
	worst := 0.0
	for done := 0; done < total; done += batch {
		x := fixed(r, batch, frac, limit)
		got, _ := evaluate(t, p, x)
		for i, v := range x.floats() {
			want := 0.0
			for k := p.Degree(); k >= 0; k-- {
				want = want*v + float64(p.Alpha[k])/(1<<10)
			}
			d := math.Abs(float64(int64(got[i]))/(1<<10) - want)
			if worst = max(worst, d); d > bound {
				t.Fatalf("P(%v) = %v, want %v within %v", v, float64(int64(got[i]))/(1<<10), want, bound)
			}
		}
	}
	t.Logf("largest error %.5f, bound %.5f", worst, bound)
}

// Both parties, dealing not counted: 32,768 points by each method.
func BenchmarkPolynomial(b *testing.B) {
	const frac, n = 16, 32768
	x := fixed(rand.New(rand.NewPCG(32, 6)), n, frac, 5)
	for _, m := range Methods() {
		b.Run(m.String(), func(b *testing.B) {
			p := Polynomial{Alpha: pillarDegree4, Q: 10, Method: m, ArgFrac: 10, Frac: 10}
			for b.Loop() {
				b.StopTimer()
				sessions := dealtAhead(b, p.Spec(n, frac))
				b.StartTimer()
				err := runBoth(sessions, func(ctx context.Context, s *Session) error {
					s.Polynomial(s.Share(x.shape, frac, x.words), p)
					return s.Run(ctx)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
		})
	}
}

// dealtAhead returns sessions whose sources have one correlation each.
func dealtAhead(b *testing.B, spec correlation.Spec) [2]*Session {
	sessions := twoSessions()
	for _, s := range sessions {
		half, err := s.source.Take(context.Background(), spec)
		if err != nil {
			b.Fatal(err)
		}
		s.source = strangeSource{half}
	}
	return sessions
}

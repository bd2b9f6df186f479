package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"pascaline/correlation"
	"pascaline/link"
	"pascaline/online"
	"pascaline/ring"
)

// PolynomialOptions says what to measure.
type PolynomialOptions struct {
	Points  int             // of one evaluation
	Repeat  int             // evaluations; times are their medians
	Degrees []int           // from 2 to 6
	Methods []online.Method // in the order of the results
	Delays  []time.Duration // one way
}

// PolynomialResult is what one method costs at one degree and delay, and how
// exact it is.
type PolynomialResult struct {
	Method    string         `json:"method"`
	Degree    int            `json:"degree"`
	DelayMS   float64        `json:"delay_ms"` // one way
	Points    int            `json:"points"`
	Seconds   float64        `json:"seconds"` // of one evaluation, both parties on this machine
	Rounds    int            `json:"rounds"`
	Bytes     float64        `json:"bytes_per_element"` // sent by each party
	MeanError float64        `json:"mean_error"`        // absolute, gross errors left out
	MaxError  float64        `json:"max_error"`
	Gross     int            `json:"gross_errors"` // of Points·Repeat
	Expected  float64        `json:"expected_gross_errors"`
	Spent     map[string]int `json:"correlations_per_evaluation"`
}

// The polynomials approximate ReLU on [−5, 5] by least squares, over 2^12; the
// odd degrees, which for ReLU are none, have a small leading coefficient.
var polynomials = map[int][]int64{
	2: {1922, 2048, 384},
	3: {1922, 2048, 384, 4},
	4: {1201, 2048, 671, 0, -13},
	5: {1201, 2048, 671, 0, -13, 1},
	6: {876, 2048, 944, 0, -46, 0, 1},
}

const (
	coefficientBits = 12
	// limit is the range of the points, and frac their fractional bits: what the
	// paper uses.
	limit = 5.0
	frac  = 16
	// argFrac is what Powers rounds the points to: with mask bits and range it
	// must fit in 64.
	argFrac = 11
)

// Polynomials evaluates polynomials of shared points by every method and
// degree, over every delay.
func Polynomials(ctx context.Context, o PolynomialOptions) ([]PolynomialResult, error) {
	var results []PolynomialResult
	for _, delay := range o.Delays {
		for _, degree := range o.Degrees {
			if polynomials[degree] == nil {
				return nil, fmt.Errorf("measuring polynomials of degree %d: there are degrees 2 to 6", degree)
			}
			for _, method := range o.Methods {
				r, err := polynomial(ctx, o, method, degree, delay)
				if err != nil {
					return nil, fmt.Errorf("measuring %v at degree %d: %w", method, degree, err)
				}
				results = append(results, r)
			}
		}
	}
	return results, nil
}

// evaluation is what one party has of a measurement.
type evaluation struct {
	times  []time.Duration
	rounds int
	sent   int64
	spent  map[string]int
	shares [][]uint64 // of the results, by repetition
}

func polynomial(ctx context.Context, o PolynomialOptions, method online.Method, degree int, delay time.Duration) (PolynomialResult, error) {
	p := online.Polynomial{Alpha: polynomials[degree], Q: coefficientBits, Method: method, ArgFrac: argFrac, Frac: frac}
	spec := p.Spec(o.Points, frac)
	root := ring.NewSeed()
	points := make([][]float64, o.Repeat)
	shares := make([][2][]uint64, o.Repeat)
	stocks := [2]*stock{{}, {}}
	for i := range o.Repeat {
		points[i], shares[i] = drawPoints(o.Points, root.Derive("points", uint64(i)))
		h0, h1 := correlation.NewHalf(spec, 0), correlation.NewHalf(spec, 1)
		correlation.Complete(h0, h1)
		stocks[0].halves, stocks[1].halves = append(stocks[0].halves, h0), append(stocks[1].halves, h1)
	}
	var ends [2]evaluation
	begin := make(chan struct{})
	err := pair(ctx, link.Network{Delay: delay}, func(ctx context.Context, party int, s *link.Stream) error {
		return ends[party].run(ctx, party, s, p, stocks[party], shares, begin)
	})
	if err != nil {
		return PolynomialResult{}, err
	}
	e := ends[1]
	slices.Sort(e.times)
	r := PolynomialResult{
		Method: method.String(), Degree: degree, DelayMS: float64(delay) / 1e6, Points: o.Points,
		Seconds: e.times[len(e.times)/2].Seconds(), Rounds: e.rounds / o.Repeat,
		Bytes: float64(e.sent) / float64(o.Points*o.Repeat), Spent: map[string]int{},
	}
	for pool, n := range e.spent {
		r.Spent[pool] = n / o.Repeat
	}
	for i := range points {
		r.errors(p, points[i], ends[0].shares[i], ends[1].shares[i])
		r.Expected += p.GrossErrorRate(frac, points[i]...) * float64(o.Points)
	}
	r.MeanError /= float64(o.Points*o.Repeat - r.Gross)
	return r, nil
}

// run evaluates once for each repetition. The parties, being in one process,
// begin each at the same time: party 0 sends on begin what party 1 receives.
func (e *evaluation) run(ctx context.Context, party int, stream *link.Stream, p online.Polynomial, source online.Source, shares [][2][]uint64, begin chan struct{}) error {
	s := online.NewSession(party, source, exchange(stream))
	for i := range shares {
		x := s.Share([]int{len(shares[i][party])}, frac, shares[i][party])
		if err := together(ctx, party, begin); err != nil {
			return err
		}
		began := time.Now()
		y := s.Polynomial(x, p)
		if err := s.Run(ctx); err != nil {
			return err
		}
		e.times = append(e.times, time.Since(began))
		e.shares = append(e.shares, y.Share())
	}
	e.rounds, e.sent, e.spent = s.Rounds(), s.Sent(), s.Spent()
	return nil
}

// together returns when both parties have called it.
func together(ctx context.Context, party int, begin chan struct{}) error {
	out, in := begin, begin
	if party == 0 {
		in = nil
	} else {
		out = nil
	}
	select {
	case out <- struct{}{}:
	case <-in:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// errors adds what came of one evaluation. An error is gross where it is no
// rounding: more than ten times what rounding can do.
func (r *PolynomialResult) errors(p online.Polynomial, points []float64, share0, share1 []uint64) {
	gross := 10 * p.ErrorBound(frac, limit)
	for i, x := range points {
		got := float64(int64(share0[i]+share1[i])) / (1 << frac)
		want := 0.0
		for k := p.Degree(); k >= 0; k-- {
			want = want*x + float64(p.Alpha[k])/(1<<coefficientBits)
		}
		difference := math.Abs(got - want)
		if difference > gross {
			r.Gross++
			continue
		}
		r.MeanError += difference
		r.MaxError = max(r.MaxError, difference)
	}
}

// drawPoints draws points uniform in the range, and shares of them.
func drawPoints(n int, seed ring.Seed) (points []float64, shares [2][]uint64) {
	points = make([]float64, n)
	for p := range shares {
		shares[p] = make([]uint64, n)
		ring.NewStream(seed, "bench/share", uint64(p)).Fill(shares[p])
	}
	for i, word := range shares[1] { // its first value is the point
		x := int64(word%(2*limit*(1<<frac)+1)) - limit*(1<<frac)
		points[i] = float64(x) / (1 << frac)
		shares[1][i] = uint64(x) - shares[0][i]
	}
	return points, shares
}

// stock is a source of correlations that were dealt beforehand.
type stock struct{ halves []*correlation.Half }

// Take hands out the next half.
func (s *stock) Take(_ context.Context, spec correlation.Spec) (*correlation.Half, error) {
	if len(s.halves) == 0 || s.halves[0].Spec != spec {
		return nil, fmt.Errorf("no %s of %d elements were dealt", spec.Pool(), spec.N)
	}
	h := s.halves[0]
	s.halves = s.halves[1:]
	return h, nil
}

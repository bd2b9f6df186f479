package pillar

import (
	"errors"
	"fmt"
	"math"
)

// point is one term of the objective.
type point struct{ x, y, w float64 }

// points checks a problem and returns the terms of its objective.
func (p *Problem) points() ([]point, error) {
	switch {
	case p.Degree < 1 || p.Degree > MaxDegree:
		return nil, fmt.Errorf("the degree must be from 1 to %d", MaxDegree)
	case p.Q != AutoQ && (p.Q < 0 || p.Q > MaxQ):
		return nil, fmt.Errorf("q is %d; it must be from 0 to %d", p.Q, MaxQ)
	case len(p.Samples) == 0 && p.Function == nil:
		return nil, errors.New("there is neither a function nor samples of one")
	}
	samples := p.Samples
	if len(samples) == 0 {
		xs, err := grid(p.Lo, p.Hi, p.Step)
		if err != nil {
			return nil, err
		}
		for _, x := range xs {
			samples = append(samples, Sample{x, p.Function(x)})
		}
	}
	return p.weigh(samples)
}

// grid returns the points from lo to hi. Those of a symmetrical range are
// symmetrical to the last bit, and those of a decimal step the nearest numbers to
// the decimal ones.
func grid(lo, hi, step float64) ([]float64, error) {
	if err := checkRange(lo, hi); err != nil {
		return nil, err
	}
	if !(step > 0 && step <= hi-lo) {
		return nil, fmt.Errorf("the step is %v; on a range of width %.6g it must be above 0 and at most that", step, hi-lo)
	}
	intervals := math.Round((hi - lo) / step)
	if intervals > MaxPoints-1 {
		return nil, fmt.Errorf("a step of %v on a range of width %.6g makes %.3g points, and %d is the limit: take a wider step", step, hi-lo, intervals+1, MaxPoints)
	}
	xs := make([]float64, int(intervals)+1)
	for i := range xs {
		// The conversions keep processors from rounding the two products unlike.
		xs[i] = (float64(lo*(intervals-float64(i))) + float64(hi*float64(i))) / intervals
	}
	return xs, nil
}

func checkRange(lo, hi float64) error {
	switch {
	case math.IsNaN(lo) || math.IsNaN(hi) || lo >= hi:
		return fmt.Errorf("the range is from %v to %v; it must go from a number to a larger one", lo, hi)
	case lo < -MaxRange || hi > MaxRange:
		return fmt.Errorf("the range is from %v to %v; it must lie within ±%d", lo, hi, MaxRange)
	case hi-lo < MinWidth:
		return fmt.Errorf("the range is from %v to %v, %.3g wide; it must be %.3g at least", lo, hi, hi-lo, MinWidth)
	}
	return nil
}

// maxValue bounds the function: a polynomial with coefficients below 2^53 cannot
// be near it.
const maxValue = 1 << 60

// weigh checks samples and gives them their weights.
func (p *Problem) weigh(samples []Sample) ([]point, error) {
	if len(samples) > MaxPoints {
		return nil, fmt.Errorf("there are %d samples, and %d is the limit", len(samples), MaxPoints)
	}
	points := make([]point, len(samples))
	different := map[float64]bool{}
	least, most := math.Inf(1), math.Inf(-1)
	for i, s := range samples {
		if math.IsNaN(s.X) || math.Abs(s.X) > MaxRange {
			return nil, fmt.Errorf("a sample lies at %v; samples must lie within ±%d", s.X, MaxRange)
		}
		if math.IsNaN(s.Y) || math.Abs(s.Y) > maxValue {
			return nil, fmt.Errorf("the function is %v at %v; it must be a number, of at most 2^60", s.Y, s.X)
		}
		w := 1.0
		if p.Weight != nil {
			if w = p.Weight(s.X); !(w >= 0 && w <= maxValue) {
				return nil, fmt.Errorf("the weight is %v at %v; it must be from 0 to 2^60", w, s.X)
			}
		}
		points[i] = point{s.X, s.Y, w}
		if w > 0 {
			different[s.X] = true
			least, most = min(least, s.X), max(most, s.X)
		}
	}
	if len(different) < p.Degree+1 {
		return nil, fmt.Errorf("%d different points have a weight, and %d coefficients need as many: take a smaller step, or a wider weight", len(different), p.Degree+1)
	}
	return points, checkRange(least, most)
}

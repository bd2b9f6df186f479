package pillar

import (
	"math"
	"slices"
	"testing"
)

// relu is the problem of the paper: ReLU on [−5, 5], every hundredth.
func relu(degree, q int) Problem {
	return Problem{Function: known("relu"), Lo: -5, Hi: 5, Step: 0.01, Degree: degree, Q: q}
}

func known(name string) func(float64) float64 {
	f, err := Function(name)
	if err != nil {
		panic(err)
	}
	return f
}

// The coefficients at q = 8 and 10 are the paper's, which a mixed-integer solver
// found; those at q = 12 the same solver's.
func TestReLUHasThePapersCoefficients(t *testing.T) {
	for q, want := range map[int][]int64{
		8:  {70, 128, 45, 0, -1},
		10: {322, 512, 160, 0, -3},
		12: {1221, 2048, 663, 0, -13},
	} {
		f, err := Fit(relu(4, q))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Alpha, want) || f.Q != q {
			t.Errorf("q = %d: %d over 2^%d, want %d", q, f.Alpha, f.Q, want)
		}
	}
}

// Targets truncated to the coefficients' binary places, as some fit, are lower by
// half a unit on one side.
func TestReLUTruncatedHasALowerConstant(t *testing.T) {
	for q, want := range map[int][]int64{
		8:  {70, 128, 45, 0, -1},
		10: {322, 512, 160, 0, -3},
		12: {1220, 2048, 663, 0, -13},
	} {
		p := relu(4, q)
		p.Function = func(x float64) float64 { return math.Ldexp(math.Floor(math.Ldexp(max(0, x), q)), -q) }
		f, err := Fit(p)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Alpha, want) {
			t.Errorf("q = %d: %d, want %d", q, f.Alpha, want)
		}
	}
}

package pillar

import (
	"math"
	"slices"
	"strings"
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

// At degree 6 and q = 10, the best polynomial is that of degree 4: the coefficient
// of x^6 would have to be a quarter of a unit.
func TestAHighDegreeNeedsALargerQ(t *testing.T) {
	six, err := Fit(relu(6, 10))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{322, 512, 160, 0, -3, 0, 0}; !slices.Equal(six.Alpha, want) {
		t.Errorf("%d, want %d", six.Alpha, want)
	}
	if c := six.Coeffs(); len(c) != 5 || c[4] != -3.0/1024 {
		t.Errorf("coefficients %v; those that are zero at the end should be left out", c)
	}
	six, err = Fit(relu(6, 12))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{837, 2048, 966, 0, -48, 0, 1}; !slices.Equal(six.Alpha, want) {
		t.Errorf("%d, want %d", six.Alpha, want)
	}
}

func TestAutoQIsTheLeastThatCostsLittle(t *testing.T) {
	for degree, want := range map[int]int{2: 10, 4: 10, 5: 10, 6: 12, 8: 16} {
		f, err := Fit(relu(degree, AutoQ))
		if err != nil {
			t.Fatal(err)
		}
		if f.Q != want {
			t.Errorf("degree %d: q = %d, want %d", degree, f.Q, want)
		}
	}
	// A polynomial that has nothing to gain from a larger q keeps the least.
	p := relu(3, AutoQ)
	p.Function = func(x float64) float64 { return x * x / 2 }
	if f, err := Fit(p); err != nil || f.Q != autoLeast || !slices.Equal(f.Alpha, []int64{0, 0, 512, 0}) {
		t.Errorf("%+v, %v", f, err)
	}
	// On so wide a range none of those tried is enough.
	p = relu(8, AutoQ)
	p.Lo, p.Hi, p.Step = -1000, 1000, 2
	if f, err := Fit(p); err != nil || f.Q != autoMost {
		t.Errorf("%+v, %v", f, err)
	}
	// Here 13 would be better than 12, and make a coefficient of 2^53.
	p = Problem{Degree: 2, Q: AutoQ}
	for x := -1000.0; x <= 1000; x += 100 {
		p.Samples = append(p.Samples, Sample{x, 1<<40*x + x*x/3})
	}
	if f, err := Fit(p); err != nil || f.Q != 12 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestAPolynomialIsItsOwnFit(t *testing.T) {
	want := []int64{-1234567, 3, 0, 99, -1, 2, 0, 1 << 16, -7}
	for _, from := range []float64{-5, 0, 10, -20} {
		p := Problem{Degree: 8, Q: 20}
		for i := range 12 {
			x := from + float64(i)
			y, _ := value(want, 20, x).Float64()
			p.Samples = append(p.Samples, Sample{x, y})
		}
		f, err := Fit(p)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Alpha, want) {
			t.Errorf("from %v: %d, want %d", from, f.Alpha, want)
		}
	}
}

func TestEqualsAreChosenBetween(t *testing.T) {
	// Half-way between two integers, in each coefficient: those nearer to zero.
	for _, f := range []struct {
		function func(float64) float64
		want     []int64
	}{
		{func(x float64) float64 { return 0.5 }, []int64{0, 0}},
		{func(x float64) float64 { return -0.5 }, []int64{0, 0}},
		{func(x float64) float64 { return 7.5 + x }, []int64{7, 1}},
		{func(x float64) float64 { return -2.5*x + 1 }, []int64{1, -2}},
	} {
		got, err := Fit(Problem{Function: f.function, Lo: -2, Hi: 2, Step: 1, Degree: 1})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Alpha, f.want) {
			t.Errorf("%d, want %d", got.Alpha, f.want)
		}
	}
	if a, b := integersOf([]int64{9, 2}), integersOf([]int64{1, -2}); !preferred(a, b) || preferred(b, a) {
		t.Error("of 2 and −2, 2 is not preferred")
	}
}

func TestErrorsAreThoseOfThePolynomial(t *testing.T) {
	// 1 at 0, with the weight 3, and 0 elsewhere; the best constant-like fit of degree
	// 1 at q = 0 is the line 1 or 0.
	p := Problem{Samples: []Sample{{-1, 0}, {0, 1}, {1, 0}}, Degree: 1, Weight: func(x float64) float64 { return 3 - 2.5*math.Abs(x) }}
	f, err := Fit(p)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.Alpha, []int64{1, 0}) { // 0.5 + 0.5 against 3
		t.Fatalf("%d", f.Alpha)
	}
	if f.Objective != 1 || math.Abs(f.Errors.RMS-0.5) > 1e-15 || f.Errors.Max != 1 || f.Errors.MaxAt != -1 {
		t.Errorf("objective %v, %+v; want 1, RMS √(1/4), 1 at −1", f.Objective, f.Errors)
	}
	if math.Abs(f.Real[0]-0.75) > 1e-15 || f.Real[1] != 0 || f.Points != 3 {
		t.Errorf("real optimum %v of %d points, want 3/4 and 0 of 3", f.Real, f.Points)
	}
	other, err := p.Measure([]float64{0})
	if want := (Errors{math.Sqrt(3. / 4), 1, 0}); err != nil || math.Abs(other.RMS-want.RMS) > 1e-15 || other.Max != 1 || other.MaxAt != 0 {
		t.Errorf("errors of 0: %+v, %v, want %+v", other, err, want)
	}
}

func TestANormalWeightFavoursTheMiddle(t *testing.T) {
	p := Problem{Function: known("gelu"), Lo: -5, Hi: 5, Step: 0.05, Degree: 4, Q: 12}
	everywhere, err := Fit(p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Weight, err = Normal(1); err != nil {
		t.Fatal(err)
	}
	middle, err := Fit(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []float64{0, 0.5, -0.5} {
		if a, b := math.Abs(middle.Eval(x)-p.Function(x)), math.Abs(everywhere.Eval(x)-p.Function(x)); a > b {
			t.Errorf("at %v the error is %v with the weight, and %v without", x, a, b)
		}
	}
	if middle.Errors.RMS >= everywhere.Errors.RMS/2 {
		t.Errorf("weighted RMS %v, against %v of even weights", middle.Errors.RMS, everywhere.Errors.RMS)
	}
}

// ReLU less half of x is even, so its odd coefficients are zero; sigmoid less a half
// is odd. Rounding of points or values would show.
func TestSymmetryIsKept(t *testing.T) {
	for _, bound := range []float64{5, 0.3, 7.1} {
		p := Problem{Function: known("relu"), Lo: -bound, Hi: bound, Step: bound / 50, Degree: 7, Q: 16}
		f, err := Fit(p)
		if err != nil {
			t.Fatal(err)
		}
		if f.Alpha[1] != 1<<15 || f.Alpha[3] != 0 || f.Alpha[5] != 0 || f.Alpha[7] != 0 || f.Real[3] != 0 || f.Real[1] != 0.5 {
			t.Errorf("±%v: %d, %v", bound, f.Alpha, f.Real)
		}
	}
}

func TestPointsBeginAndEndWithTheRange(t *testing.T) {
	for _, of := range []struct {
		lo, hi, step float64
		points       int
	}{
		{-5, 5, 0.01, 1001}, {-3, 8, 0.3, 38}, {0, 1, 1, 2}, {-0.7, 0.7, 0.1, 15}, {1, 2, 0.3, 4},
	} {
		xs, err := grid(of.lo, of.hi, of.step)
		if err != nil {
			t.Fatal(err)
		}
		if len(xs) != of.points || xs[0] != of.lo || xs[len(xs)-1] != of.hi || !slices.IsSorted(xs) {
			t.Errorf("from %v to %v by %v: %d points, %v … %v", of.lo, of.hi, of.step, len(xs), xs[0], xs[len(xs)-1])
		}
		for i, x := range xs {
			if of.lo == -of.hi && xs[len(xs)-1-i] != -x {
				t.Errorf("from %v to %v: %v has no counterpart", of.lo, of.hi, x)
			}
		}
	}
	xs, _ := grid(-5, 5, 0.01)
	if xs[347] != -1.53 || xs[812] != 3.12 {
		t.Errorf("%v and %v, want −1.53 and 3.12", xs[347], xs[812])
	}
}

func TestProblemsThatHaveNoSolutionAreRefused(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	ok := Problem{Function: known("relu"), Lo: -5, Hi: 5, Step: 0.1, Degree: 4, Q: 10}
	if _, err := Fit(ok); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Problem)
		want   string
	}{
		"no function":      {func(p *Problem) { p.Function = nil }, "neither a function nor samples"},
		"degree 0":         {func(p *Problem) { p.Degree = 0 }, "degree must be from 1 to 8"},
		"degree 9":         {func(p *Problem) { p.Degree = 9 }, "degree must be from 1 to 8"},
		"q below 0":        {func(p *Problem) { p.Q = -2 }, "q is -2"},
		"q of 33":          {func(p *Problem) { p.Q = 33 }, "q is 33"},
		"empty range":      {func(p *Problem) { p.Hi = -5 }, "larger one"},
		"range backwards":  {func(p *Problem) { p.Hi = -6 }, "larger one"},
		"range from NaN":   {func(p *Problem) { p.Lo = nan }, "larger one"},
		"range to NaN":     {func(p *Problem) { p.Hi = nan }, "larger one"},
		"infinite range":   {func(p *Problem) { p.Hi = inf }, "within ±1048576"},
		"narrow range":     {func(p *Problem) { p.Lo, p.Hi, p.Step = 1, 1+1e-7, 1e-8 }, "wide"},
		"no step":          {func(p *Problem) { p.Step = 0 }, "step is 0"},
		"negative step":    {func(p *Problem) { p.Step = -1 }, "step is -1"},
		"NaN step":         {func(p *Problem) { p.Step = nan }, "step is NaN"},
		"infinite step":    {func(p *Problem) { p.Step = inf }, "step is +Inf"},
		"tiny step":        {func(p *Problem) { p.Step = 1e-9 }, "100000 is the limit"},
		"tiniest step":     {func(p *Problem) { p.Step = 5e-324 }, "100000 is the limit"},
		"too few points":   {func(p *Problem) { p.Step = 5 }, "3 different points have a weight, and 5 coefficients"},
		"NaN value":        {func(p *Problem) { p.Function = func(x float64) float64 { return math.Sqrt(x) } }, "the function is NaN at -5"},
		"infinite value":   {func(p *Problem) { p.Function = func(x float64) float64 { return 1 / x } }, "the function is +Inf at 0"},
		"NaN weight":       {func(p *Problem) { p.Weight = math.Sqrt }, "the weight is NaN at -5"},
		"negative weight":  {func(p *Problem) { p.Weight = func(x float64) float64 { return x } }, "the weight is -5 at -5"},
		"infinite weight":  {func(p *Problem) { p.Weight = func(x float64) float64 { return inf } }, "the weight is +Inf at -5"},
		"no weight":        {func(p *Problem) { p.Weight = func(x float64) float64 { return 0 } }, "0 different points"},
		"narrow weight":    {func(p *Problem) { p.Weight, _ = Normal(1e-3) }, "take a smaller step, or a wider weight"},
		"weight on few":    {func(p *Problem) { p.Weight = func(x float64) float64 { return math.Exp2(-1000 * math.Abs(x)) } }, "nearly all of the weight"},
		"sample at NaN":    {func(p *Problem) { p.Samples = []Sample{{0, 0}, {nan, 0}} }, "a sample lies at NaN"},
		"sample far out":   {func(p *Problem) { p.Samples = []Sample{{0, 0}, {1e9, 0}} }, "a sample lies at 1e+09"},
		"sample of NaN":    {func(p *Problem) { p.Samples = []Sample{{0, nan}} }, "the function is NaN at 0"},
		"one sample twice": {func(p *Problem) { p.Samples = slices.Repeat([]Sample{{1, 1}}, 9) }, "1 different points"},
		"close samples": {func(p *Problem) {
			p.Samples, p.Degree = []Sample{{1, 0}, {1 + 1e-9, 1}}, 1
		}, "wide"},
		"many samples":      {func(p *Problem) { p.Samples = make([]Sample, MaxPoints+1) }, "100001 samples"},
		"huge coefficients": {func(p *Problem) { p.Lo, p.Hi, p.Step, p.Degree, p.Q = 1, 1.0001, 1e-6, 8, 32; p.Function = math.Sin }, "2^53 is the limit"},
	} {
		p := ok
		c.change(&p)
		f, err := Fit(p)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "fitting a polynomial of degree") {
			t.Errorf("%s: %+v, %v, want an error with %q", name, f, err, c.want)
		}
	}
}

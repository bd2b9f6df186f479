package pillar

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSpecsAreParsedAndWrittenAlike(t *testing.T) {
	for text, want := range map[string]Spec{
		"poly:4:5":         {4, -5, 5, AutoQ},
		"poly:4:5:12":      {4, -5, 5, 12},
		"poly:1:0.5:0":     {1, -0.5, 0.5, 0},
		"poly:6:-3..8":     {6, -3, 8, AutoQ},
		"poly:8:2..2.5:32": {8, 2, 2.5, 32},
	} {
		got, err := ParseSpec(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v, written %s", text, got, err, got)
		}
	}
}

func TestWhatIsNoSpecIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":              "it takes poly:DEGREE:RANGE",
		"poly":          "it takes poly:DEGREE:RANGE",
		"poly:4":        "it takes poly:DEGREE:RANGE",
		"relu:4:5":      "it takes poly:DEGREE:RANGE",
		"poly:4:5:10:1": "it takes poly:DEGREE:RANGE",
		"poly:four:5":   `the degree is "four"`,
		"poly:0:5":      `the degree is "0"`,
		"poly:9:5":      `the degree is "9"`,
		"poly:4::10":    `the range is ""`,
		"poly:4:-5":     "must go from a number to a larger one",
		"poly:4:0":      "must go from a number to a larger one",
		"poly:4:8..-3":  "must go from a number to a larger one",
		"poly:4:nan":    "must go from a number to a larger one",
		"poly:4:inf":    "must lie within",
		"poly:4:5:":     `q is ""`,
		"poly:4:5:-1":   `q is "-1"`,
		"poly:4:5:33":   `q is "33"`,
	} {
		got, err := ParseSpec(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %+v, %v, want %q", text, got, err, want)
		}
	}
}

func TestASpecFitsWhatItSays(t *testing.T) {
	spec, err := ParseSpec("poly:4:5")
	if err != nil {
		t.Fatal(err)
	}
	f, err := spec.Fit("relu")
	if err != nil || !slices.Equal(f.Alpha, []int64{322, 512, 160, 0, -3}) {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := spec.Fit("swish"); err == nil || !strings.Contains(err.Error(), "relu, silu, gelu, tanh, sigmoid, relu6, ") {
		t.Error(err)
	}
}

// References: tables of the error function and the hyperbolic tangent, to ten digits.
func TestFunctionsAreTheUsualOnes(t *testing.T) {
	for name, values := range map[string]map[float64]float64{
		"relu":    {-3: 0, 0: 0, 2.5: 2.5},
		"sigmoid": {0: 0.5, 1: 0.7310585786, -2: 0.1192029220},
		"silu":    {0: 0, 1: 0.7310585786, -2: -0.2384058440},
		"tanh":    {0: 0, 1: 0.7615941560, -2: -0.9640275801},
		"gelu":    {0: 0, 1: 0.8413447461, -2: -0.0455002639}, // by tanh, 0.8411919906
		// Of PyTorch, in float64.
		"relu6":       {-2: 0, 2.5: 2.5, 7: 6},
		"leakyrelu":   {2.5: 2.5, -2: -0.02},
		"elu":         {1: 1, -2: -0.8646647168, -1: -0.6321205588},
		"selu":        {1: 1.0507009874, -2: -1.5201664686, -1: -1.1113307378},
		"mish":        {1: 0.8650983883, -2: -0.2525014826, 2.5: 2.4713923046},
		"softplus":    {0: 0.6931471806, 1: 1.3132616875, -2: 0.1269280110, 1000: 1000},
		"hardsigmoid": {-4: 0, 1: 0.6666666667, -2: 0.1666666667, 4: 1},
		"hardswish":   {-4: 0, 1: 0.6666666667, -2: -0.3333333333, 4: 4},
	} {
		for x, want := range values {
			if got := known(name)(x); math.Abs(got-want) > 1e-10 {
				t.Errorf("%s(%v) = %v, want %v", name, x, got, want)
			}
		}
	}
	if len(Names()) != 13 {
		t.Errorf("%v are more or fewer than are checked here", Names())
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add("poly:4:-3..8:12")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text)
		if err != nil {
			return
		}
		if again, err := ParseSpec(s.String()); err != nil || again != s {
			t.Fatalf("%q is %s, and that is %+v, %v", text, s, again, err)
		}
	})
}

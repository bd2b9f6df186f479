package pillar

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSamplesAreReadInTheUsualForms(t *testing.T) {
	want := []Sample{{-1.5, 2}, {0, -3e-4}, {7, 0}}
	for _, text := range []string{
		"-1.5,2\n0,-3e-4\n7,0\n",
		"-1.5, 2\r\n0, -3e-4\r\n7, 0",
		"\ufeffx,f(x)\n-1.5,2\n0,-3e-4\n7,0\n",
		"-1.5;2\n0;-3e-4\n7;0\n",
		"# x y\n\n  -1.5\t2 # left\n0 -0.0003\n\t7 +0\n",
		"\n# title\nin out\n-1.5 2\n0 -3e-4\n7 0",
	} {
		got, err := ReadSamples(strings.NewReader(text))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestWhatAreNoSamplesIsSaidByLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "there are no samples",
		"x,y\n":                             "there are no samples",
		"x,y\nx,y\n":                        `line 2: "x" and "y": neither`,
		"0,0\nx,y\n":                        `line 2: "x" and "y": neither`,
		"0,0\n1\n":                          "line 2: 1 values",
		"0,0\n\n1,2,3\n":                    "line 3: 3 values",
		"0,0\n1,two\n":                      `line 2: "two" is no number`,
		"zero,0\n":                          `line 1: "zero" is no number`,
		"0,1e999\n":                         `line 1: "1e999" is no number`,
		"0,0\n" + strings.Repeat("1", 5000): "line 2 has more than 4096 bytes",
	} {
		got, err := ReadSamples(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestSamplesAreBounded(t *testing.T) {
	var text strings.Builder
	for i := range MaxPoints + 1 {
		fmt.Fprintln(&text, i, 0)
	}
	if _, err := ReadSamples(strings.NewReader(text.String())); err == nil || !strings.Contains(err.Error(), "line 100001: there are more than 100000 samples") {
		t.Error(err)
	}
}

func FuzzReadSamples(f *testing.F) {
	f.Add("x,y\n0,1\n1;2\n# c\n3\t4")
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := ReadSamples(strings.NewReader(text))
		if (err == nil) != (len(samples) > 0) {
			t.Fatalf("%d samples, %v", len(samples), err)
		}
		if len(samples) > 100 {
			return
		}
		// Whatever was read is fitted or refused.
		fitted, err := Fit(Problem{Samples: samples, Degree: 2, Q: 8})
		if err == nil && (len(fitted.Alpha) != 3 || math.IsNaN(fitted.Errors.RMS)) {
			t.Fatalf("%+v", fitted)
		}
	})
}

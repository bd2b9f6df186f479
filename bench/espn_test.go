package bench

import (
	"testing"
	"time"

	"pascaline/online"
)

// What the methods cost is a property of the protocol, not of the machine: docs
// and the paper say so.
func TestEveryMethodCostsWhatItShould(t *testing.T) {
	const n = 1000
	results, err := Polynomials(t.Context(), PolynomialOptions{
		Points: n, Repeat: 2, Degrees: []int{2, 3, 4, 5, 6}, Methods: online.Methods(), Delays: []time.Duration{0},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[int]struct {
		rounds int
		bytes  float64
		spent  int
	}{
		"powers": {2: {1, 8, n}, 3: {1, 8, n}, 4: {1, 8, n}, 5: {1, 8, n}, 6: {1, 8, n}},
		"espn":   {2: {1, 8, n}, 3: {1, 24, 3 * n}, 4: {1, 48, 6 * n}, 5: {1, 80, 10 * n}, 6: {1, 120, 15 * n}},
		"tree":   {2: {1, 16, n}, 3: {2, 32, 2 * n}, 4: {2, 48, 3 * n}, 5: {3, 64, 4 * n}, 6: {3, 80, 5 * n}},
	}
	if len(results) != 15 {
		t.Fatalf("%d results, want 15", len(results))
	}
	for _, r := range results {
		w := want[r.Method][r.Degree]
		spent := 0
		for _, k := range r.Spent {
			spent += k
		}
		if r.Rounds != w.rounds || r.Bytes != w.bytes || spent != w.spent {
			t.Errorf("%s at degree %d: %d rounds, %v bytes, %d correlations; want %+v", r.Method, r.Degree, r.Rounds, r.Bytes, spent, w)
		}
		if r.Method == "powers" && (r.Gross != 0 || r.Expected != 0) {
			t.Errorf("powers at degree %d: %d gross errors, %v expected", r.Degree, r.Gross, r.Expected)
		}
		most := 0.01
		if r.Method == "espn" { // what is left of a share for x^6 has 5 fractional bits
			most = 0.3
		}
		if r.MaxError > most || r.MeanError > r.MaxError || r.Seconds <= 0 {
			t.Errorf("%s at degree %d: errors %v and %v, %v s", r.Method, r.Degree, r.MeanError, r.MaxError, r.Seconds)
		}
	}
}

func TestADelayIsPaidOnceForEachRound(t *testing.T) {
	const delay = 20 * time.Millisecond
	results, err := Polynomials(t.Context(), PolynomialOptions{
		Points: 10, Repeat: 1, Degrees: []int{4}, Methods: []online.Method{online.Powers, online.Tree}, Delays: []time.Duration{delay},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, least := range []time.Duration{delay, 2 * delay} {
		if got := time.Duration(results[i].Seconds * 1e9); got < least {
			t.Errorf("%s took %v over a delay of %v", results[i].Method, got, delay)
		}
	}
}

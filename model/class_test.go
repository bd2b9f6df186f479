package model

import (
	"math"
	"testing"
)

func TestTheClassIsTheFirstLargestLogit(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		logits []float64
		want   int
	}{{[]float64{-3}, 0}, {[]float64{1, 4, 2}, 1}, {[]float64{2, 5, 5}, 1}, {[]float64{nan, -9, nan}, 1}, {[]float64{0, math.Inf(1)}, 1}} {
		if got := Class(c.logits); got != c.want {
			t.Errorf("%v names %d, want %d", c.logits, got, c.want)
		}
	}
}

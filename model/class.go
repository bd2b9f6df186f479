package model

import "cmp"

// Class returns the class that logits name: the index of the largest, the first of
// equals. NaN is smaller than any number.
func Class(logits []float64) int {
	best := 0
	for i := range logits {
		if cmp.Compare(logits[i], logits[best]) > 0 {
			best = i
		}
	}
	return best
}

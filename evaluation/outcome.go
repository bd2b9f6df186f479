package evaluation

import (
	"math"

	"pascaline/model"
)

// An Outcome is how one way of computing the network did.
type Outcome struct {
	// How says what was computed.
	How      string  `json:"how"`
	Images   int     `json:"images"`
	Right    int     `json:"right"`
	Accuracy float64 `json:"accuracy"`
	// Low and High bound the accuracy on images of this kind at a confidence of
	// 95 %, as far as these are a random sample of them (Wilson's interval).
	Low  float64 `json:"accuracy_low"`
	High float64 `json:"accuracy_high"`
	// Confusion counts images by their true class and the class that was named.
	Confusion [][]int `json:"confusion"`
}

// outcome judges the first images by their logits.
func (e *Evaluation) outcome(how string, logits [][]float64) *Outcome {
	o := &Outcome{How: how, Images: len(logits), Confusion: make([][]int, len(e.Classes))}
	for k := range o.Confusion {
		o.Confusion[k] = make([]int, len(e.Classes))
	}
	for i, v := range logits {
		class := model.Class(v)
		o.Confusion[e.labels[i]][class]++
		if class == e.labels[i] {
			o.Right++
		}
	}
	o.Accuracy = share(o.Right, o.Images)
	o.Low, o.High = wilson(o.Right, o.Images)
	return o
}

// Of returns how many images of a class there are, and of how many it was named.
func (o *Outcome) Of(class int) (images, named int) {
	for k := range o.Confusion {
		images += o.Confusion[class][k]
		named += o.Confusion[k][class]
	}
	return images, named
}

// MistakenFor returns the class that images of class were most often taken for,
// and how many were; none where n is 0.
func (o *Outcome) MistakenFor(class int) (other, n int) {
	for k, m := range o.Confusion[class] {
		if k != class && m > n {
			other, n = k, m
		}
	}
	return other, n
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// wilson returns the interval of Wilson (1927) for right of n at 95 %.
func wilson(right, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964 // of the normal distribution, two-sided
	p, m := float64(right)/float64(n), float64(n)
	centre := p + z*z/(2*m)
	spread := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	scale := 1 + z*z/m
	return max(0, (centre-spread)/scale), min(1, (centre+spread)/scale)
}

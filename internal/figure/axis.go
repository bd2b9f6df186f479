package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// ticks returns four to ten round numbers from least to most.
func ticks(least, most float64) (t plot.ConstantTicks) {
	width := most - least
	step := math.Pow(10, math.Floor(math.Log10(width/4)))
	for _, factor := range []float64{5, 2} {
		if width/(factor*step) >= 4 {
			step *= factor
			break
		}
	}
	const half = 1e-9 // of a step: what rounding may add
	for i := math.Ceil(least/step - half); i <= most/step+half; i++ {
		t = append(t, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step+0, 'g', 4, 64)})
	}
	return t
}

// Logarithmic makes an axis logarithmic from least to most, both above 0, with labels
// at powers of ten.
func Logarithmic(axis *plot.Axis, least, most float64) {
	axis.Scale, axis.Min, axis.Max = plot.LogScale{}, least, most
	axis.Tick.Marker = logTicks(least, most)
}

// logTicks returns a label for each power of ten from least to most, and ticks
// between them; on short axes two and five have labels too.
func logTicks(least, most float64) (t plot.ConstantTicks) {
	const half = 1e-9 // what rounding may take from a limit
	for k := math.Floor(math.Log10(least)); k <= math.Log10(most)+half; k++ {
		for i := 1; i < 10; i++ {
			v := float64(i) * math.Pow(10, k)
			if v < least*(1-half) || v > most*(1+half) {
				continue
			}
			tick := plot.Tick{Value: v}
			if i == 1 || most < 100*least && (i == 2 || i == 5) {
				tick.Label = Number(v)
			}
			t = append(t, tick)
		}
	}
	return t
}

// Number writes a number shortly, with up to four digits: 0.1, 20 or 5e-5.
func Number(v float64) string {
	if v == 0 || math.Abs(v) >= 0.1 && math.Abs(v) < 1e5 {
		places := 3 - int(math.Floor(math.Log10(math.Max(math.Abs(v), 0.1))))
		return strconv.FormatFloat(round(v, places), 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', 3, 64), "e")
	n, _ := strconv.Atoi(exponent) // which FormatFloat wrote
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return fmt.Sprintf("%se%d", mantissa, n)
}

// round rounds to so many decimal places.
func round(v float64, places int) float64 {
	scale := math.Pow(10, float64(max(0, places)))
	return math.Round(v*scale) / scale
}

package training

import "math"

// Schedules returns the names of the schedules of the learning rate.
func Schedules() []string { return []string{"onecycle", "cosine"} }

// The shape of one cycle (Smith, 2018): the rate rises for a share of the steps from
// its first part, and falls to its last.
const (
	cycleRise  = 0.25
	cycleFirst = 1. / 10
	cycleLast  = 1. / 1000
)

// rate returns the learning rate of a step, counted from 0, of so many.
func (o *Options) rate(step, steps int) float64 {
	// Half a cosine from a to b.
	ease := func(a, b, x float64) float64 { return b + (a-b)*(1+math.Cos(math.Pi*x))/2 }
	at := (float64(step) + 0.5) / float64(steps)
	switch {
	case o.Schedule == "cosine":
		return ease(o.Rate, 0, at)
	case at < cycleRise:
		return ease(o.Rate*cycleFirst, o.Rate, at/cycleRise)
	default:
		return ease(o.Rate, o.Rate*cycleLast, (at-cycleRise)/(1-cycleRise))
	}
}

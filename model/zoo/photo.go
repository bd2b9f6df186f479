package zoo

import (
	"math"

	"pascaline/model"
	"pascaline/ring"
)

// draw draws a square image of up to three channels such as networks get photographs:
// normalised, most of it smooth, the larger the structure the stronger, channels
// much alike. It is a sum of waves of random direction, place and colour.
func draw(s *ring.Stream, shape model.Shape) []float32 {
	const waves = 24
	var random [waves * 8]uint64
	s.FillBits(random[:], 53)
	uniform := func(i int) float64 { return float64(random[i]) / (1 << 53) }
	side := shape.H
	image := make([]float32, shape.Len())
	for w := range waves {
		u := func(i int) float64 { return uniform(8*w + i) }
		// From one period over twice the image to ten over it.
		frequency := 0.5 * math.Pow(20, u(0))
		angle, phase := 2*math.Pi*u(1), 2*math.Pi*u(2)
		amplitude := 0.8 / math.Sqrt(1+frequency)
		fx, fy := frequency*math.Cos(angle)*2*math.Pi/float64(side), frequency*math.Sin(angle)*2*math.Pi/float64(side)
		var colour [3]float64
		for c := range colour {
			colour[c] = amplitude * (0.6 + 0.8*u(3+c))
		}
		for y := range side {
			for x := range side {
				v := math.Sin(fx*float64(x) + fy*float64(y) + phase)
				for c, a := range colour[:shape.C] {
					image[(y*side+x)*shape.C+c] += float32(a * v)
				}
			}
		}
	}
	for i, v := range image {
		image[i] = float32(1.7 * math.Tanh(1.2*float64(v)))
	}
	return image
}

package ring

import "time"

// MultiplierPeak measures how many products by a weight and sums one core can do
// in a second with the instructions of the kernel chosen, if it does nothing
// else: no loads, no stores, every operand in a register and no sum waiting for
// another. No convolution that multiplies directly is faster. It takes about 50
// ms; what other programs take of the core in the best millisecond is missing
// from the figure.
func MultiplierPeak() float64 {
	in := selected()
	n := 1 << 14
	best := 0.0
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
		start := time.Now()
		in.peak(n)
		took := time.Since(start)
		if took < time.Millisecond {
			n *= 2 // the clock must see it
			continue
		}
		best = max(best, float64(n)*float64(in.peakWidth)/took.Seconds())
	}
	return best
}

// portablePeak keeps four sums in registers, as portableDot2 keeps eight: an
// amd64 processor begins one scalar multiplication in a cycle and three cycles
// later has it.
func portablePeak(n int) uint64 {
	x, y := uint64(n)|1, uint64(n)|2
	var a0, a1, a2, a3 uint64
	for range n {
		a0 += x * y
		a1 += x * (y + 1)
		a2 += x * (y + 2)
		a3 += x * (y + 3)
		x = a0
	}
	return a0 + a1 + a2 + a3
}

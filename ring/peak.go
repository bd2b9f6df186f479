package ring

import "time"

// MultiplierPeak measures how many products by a weight and sums one core can do
// in a second with the instructions of the kernel chosen, if it does nothing
// else: no loads, no stores, every operand in a register and no sum waiting for
// another. No convolution that makes all its products is faster; one that gets
// away with fewer, as 3×3 kernels with AVX-512 do, can be. It takes about 50 ms;
// what other programs take of the core in the best millisecond is missing from
// the figure.
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

// portablePeak has few enough operands for the compiler to keep them all in
// registers.
func portablePeak(n int) uint64 {
	w0, w1, w2 := uint64(n)|1, uint64(n)|2, uint64(n)|4
	var a0, a1, a2 uint64
	for x := range uint64(n) {
		a0 += x * w0
		a1 += x * w1
		a2 += x * w2
	}
	return a0 + a1 + a2
}

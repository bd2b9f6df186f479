package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"pascaline/ring"
)

// KernelResult is how fast one kernel convolves one shape.
type KernelResult struct {
	Kernel  string  `json:"kernel"`
	Shape   string  `json:"shape"`
	Cores   int     `json:"cores"`
	MACs    int     `json:"macs"`
	Seconds float64 `json:"seconds"`   // of one convolution: median
	Rate    float64 `json:"mac_per_s"` // over all cores
	Peak    float64 `json:"peak_mac_per_s"`
}

// kernelShapes are those of the networks: 3×3 convolutions of ResNet-18, the stem
// and a bottleneck's 1×1 of ResNet-50, a thin ResNet's, and a dense layer.
var kernelShapes = []struct {
	name  string
	shape ring.ConvShape
}{
	{"3×3 64→64 at 32×32", square(32, 64, 64, 3, 1)},
	{"3×3 128→128 at 16×16", square(16, 128, 128, 3, 1)},
	{"3×3 256→256 at 8×8", square(8, 256, 256, 3, 1)},
	{"3×3 512→512 at 4×4", square(4, 512, 512, 3, 1)},
	{"3×3 16→16 at 32×32", square(32, 16, 16, 3, 1)},
	{"3×3/2 64→128 at 32×32", square(32, 64, 128, 3, 2)},
	{"7×7/2 3→64 at 224×224", square(224, 3, 64, 7, 2)},
	{"1×1 256→64 at 56×56", square(56, 256, 64, 1, 1)},
	{"dense 2048→1000", ring.LinearShape(2048, 1000)},
}

func square(side, c, k, kernel, stride int) ring.ConvShape {
	p := kernel / 2
	return ring.ConvShape{H: side, W: side, C: c, K: k, KH: kernel, KW: kernel, StrideH: stride, StrideW: stride,
		PadTop: p, PadLeft: p, PadBottom: p, PadRight: p}
}

// Kernels measures every kernel of this processor on every shape, on so many
// cores, each for about the given time.
func Kernels(ctx context.Context, cores int, each time.Duration) (results []KernelResult, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	defer func() { ring.SelectKernel("") }()
	for _, kernel := range ring.Kernels() {
		if err := ring.SelectKernel(kernel); err != nil {
			return nil, err
		}
		peak := ring.MultiplierPeak() * float64(cores)
		for _, s := range kernelShapes {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("measuring kernels: %w", err)
			}
			r := KernelResult{Kernel: kernel, Shape: s.name, Cores: cores, MACs: s.shape.MACs(), Peak: peak}
			r.Seconds = convolve(s.shape, each)
			r.Rate = float64(r.MACs) / r.Seconds
			results = append(results, r)
		}
	}
	return results, nil
}

// convolve returns the median of many times of one convolution.
func convolve(s ring.ConvShape, each time.Duration) float64 {
	stream := ring.NewStream(ring.NewSeed(), "bench/kernel")
	draw := make([]uint64, s.WeightLen())
	stream.FillBits(draw, 15)
	w := make([]int16, len(draw))
	for i, v := range draw {
		w[i] = int16(v) - 1<<14
	}
	k := ring.NewKernel(w, s)
	src, dst := make([]uint64, s.InLen()), make([]uint64, s.OutLen())
	stream.Fill(src)
	var times []float64
	for end := time.Now().Add(each); len(times) < 3 || time.Now().Before(end); {
		began := time.Now()
		k.AddRows([][]uint64{dst}, [][]uint64{src}, 0, s.OutH())
		times = append(times, time.Since(began).Seconds())
	}
	slices.Sort(times)
	return times[len(times)/2]
}

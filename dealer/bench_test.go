package dealer

import (
	"context"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/link"
	"pascaline/ring"
)

// benchmarkSpecs are batches of some 100 MB of halves.
func benchmarkSpecs() map[string]correlation.Spec {
	return map[string]correlation.Spec{
		"triples":     triples(1 << 22),
		"squares":     {Kind: correlation.Squares, N: 1 << 22},
		"products":    {Kind: correlation.Products, N: 1 << 22},
		"powers4":     {Kind: correlation.Powers, N: 1 << 20, Degree: 4, MaskBits: 56},
		"matrix128":   correlation.MatrixSpec(128, 128, 128, 64, false),
		"convolution": {Kind: correlation.Convolution, N: 16, Shape: ring.ConvShape{H: 32, W: 32, C: 64, K: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}, Fixed: true},
	}
}

// BenchmarkCorrections is what the dealer computes for one batch, without sending
// it.
func BenchmarkCorrections(b *testing.B) {
	for name, s := range benchmarkSpecs() {
		b.Run(name, func(b *testing.B) {
			keys := [2]link.PublicKey{{1}, {2}}
			m := match(&request{key: keys[0], specs: []correlation.Spec{s}}, &request{key: keys[1], party: 1, specs: []correlation.Spec{s}})
			atOnce, _ := m.batch.memory(2)
			began := cpu.Seconds()
			for b.Loop() {
				if err := m.batch.corrections(b.Context(), atOnce, func(context.Context, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			report(b, s.N, cpu.Seconds()-began)
		})
	}
}

// report says how many elements there are in a second, and in a second of one
// core's, which other processes do not change.
func report(b *testing.B, elements int, seconds float64) {
	n := float64(elements) * float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "elements/s")
	b.ReportMetric(n/seconds, "elements/cpu-s")
}

// BenchmarkDeal is a whole batch, the dealer and both parties in one process, all
// sharing its cores.
func BenchmarkDeal(b *testing.B) {
	for name, s := range benchmarkSpecs() {
		b.Run(name, func(b *testing.B) {
			c := newTable(b, 2).newCouple(b)
			began := cpu.Seconds()
			for b.Loop() {
				c.make(b, s)
			}
			report(b, s.N, cpu.Seconds()-began)
		})
	}
}

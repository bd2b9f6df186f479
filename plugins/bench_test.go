package plugins

import (
	"context"
	"fmt"
	"os"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/cpu"
)

// A quiet twin costs nothing: it takes everything, and has as much as is wanted.
type quiet struct{}

func (quiet) Send(context.Context, []byte) error                { return nil }
func (quiet) Recv(_ context.Context, limit int) ([]byte, error) { return make([]byte, limit), nil }

// reportCPU reports the processor time of host and plugin that each byte takes.
func reportCPU(b *testing.B, p *Plugin, bytes int, f func()) {
	used := func() float64 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", p.process.launch.cmd.Process.Pid))
		if err != nil {
			return cpu.Seconds()
		}
		var ns float64
		fmt.Sscan(string(stat), &ns)
		return cpu.Seconds() + ns/1e9
	}
	begin := used()
	f()
	b.ReportMetric((used()-begin)*1e9/float64(b.N)/float64(bytes), "cpu-ns/B")
}

// What crosses the boundary between host and plugin, in one direction: messages
// of 1 MiB, 64 of them for each iteration.
func BenchmarkTwin(b *testing.B) {
	for _, name := range []string{"bench-send", "bench-recv", "bench-both"} {
		b.Run(name, func(b *testing.B) {
			p := testPlugin(b, name, Options{})
			g, err := p.Open(b.Context(), correlation.Run{Twin: quiet{}})
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			b.SetBytes(64 << 20)
			b.ReportAllocs()
			reportCPU(b, p, 64<<20, func() {
				for b.Loop() {
					if _, err := g.Generate(b.Context(), ask(triples)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// Halves that are explicit.
func BenchmarkHalves(b *testing.B) {
	p := testPlugin(b, "good", Options{})
	g, err := p.Open(b.Context(), correlation.Run{})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	const n = 1 << 20
	b.SetBytes(24 * n)
	b.ReportAllocs()
	reportCPU(b, p, 24*n, func() {
		for b.Loop() {
			if _, err := g.Generate(b.Context(), ask(correlation.Spec{Kind: correlation.Triples, N: n})); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One message there and one back.
func BenchmarkRoundTrip(b *testing.B) {
	p := testPlugin(b, "bench-small", Options{})
	g, err := p.Open(b.Context(), correlation.Run{Twin: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	for b.Loop() {
		if _, err := g.Generate(b.Context(), ask(triples)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/exchange")
}

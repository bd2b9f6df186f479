package plugins

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/offline"
)

// A quiet twin costs nothing: it takes everything, and has as much as is wanted.
type quiet struct{}

func (quiet) Send(context.Context, []byte) error                { return nil }
func (quiet) Recv(_ context.Context, limit int) ([]byte, error) { return make([]byte, limit), nil }

// reportCPU reports the processor time of host and plugin that each byte takes.
func reportCPU(b *testing.B, p *Plugin, bytes int, f func()) {
	used := func() float64 { return cpu.Seconds() + p.seconds() }
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

// What the boundary adds to the backend that sends most: powers of both parties,
// each in a process of its own and both in this one.
func BenchmarkLattigoPowers(b *testing.B) {
	const n = 1 << 17
	spec := correlation.Spec{Kind: correlation.Powers, N: n, Degree: 4, MaskBits: 52}
	run := func(b *testing.B, of [2]correlation.Backend, used func() float64) {
		begin := used()
		for b.Loop() {
			both(b, func(ctx context.Context, party int, twin correlation.Twin) error {
				g, err := of[party].Open(ctx, correlation.Run{Party: party, Twin: twin})
				if err != nil {
					return err
				}
				defer g.Close()
				_, err = g.Generate(ctx, ask(spec))
				return err
			})
		}
		b.ReportMetric((used()-begin)*1e6/float64(b.N)/n, "cpu-µs/element")
		b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/n, "µs/element")
	}
	b.Run("inside", func(b *testing.B) {
		run(b, [2]correlation.Backend{offline.Lattigo{}, offline.Lattigo{}}, cpu.Seconds)
	})
	b.Run("plugins", func(b *testing.B) {
		p := [2]*Plugin{testPlugin(b, "lattigo", Options{}), testPlugin(b, "lattigo", Options{})}
		for _, p := range p {
			if _, err := p.Describe(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		run(b, [2]correlation.Backend{p[0], p[1]}, func() float64 { return cpu.Seconds() + p[0].seconds() + p[1].seconds() })
	})
}

// seconds is the processor time of a plugin's process, where the system tells it.
func (p *Plugin) seconds() float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.process.launch.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The fields after the name in brackets; the 12th and 13th are ticks.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

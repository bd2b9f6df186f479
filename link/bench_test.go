//go:build unix

package link

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pascaline/api"
)

// cpuTime returns the processor time of the process, both parties together; it
// is what a busy machine leaves comparable.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRoundTrip is one message each way, over loopback.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{8, 45_000, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := serve(b, echo, Options{})
			s := open(b, p.dial(b, Options{}))
			payload := make([]byte, size)
			ask(b, s, payload)
			b.SetBytes(2 * int64(size))
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				ask(b, s, payload)
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkBulk is messages one way, as fast as they go.
func BenchmarkBulk(b *testing.B) {
	const size = 4 << 20
	p := serve(b, func(ctx context.Context, s *Stream) error {
		buf := make([]byte, size)
		for {
			if _, err := s.RecvInto(ctx, api.Kind_HELLO, buf); err != nil {
				return nil
			}
		}
	}, Options{})
	s := open(b, p.dial(b, Options{}))
	payload := make([]byte, size)
	b.SetBytes(size)
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		if err := s.Send(b.Context(), api.Kind_HELLO, payload); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.End(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N*size), "cpu-ns/B")
}

// BenchmarkEmulatedRoundTrip is a small message each way over the networks that
// benchmarks speak of.
func BenchmarkEmulatedRoundTrip(b *testing.B) {
	for _, n := range []Network{LAN, WAN} {
		b.Run(n.String(), func(b *testing.B) {
			p := serve(b, echo, Options{})
			s := open(b, p.dial(b, Options{Network: n}))
			ask(b, s, make([]byte, 8))
			for b.Loop() {
				ask(b, s, make([]byte, 8))
			}
		})
	}
}

package store

import (
	"fmt"
	"testing"
)

// The group that the producer writes for a small network: 64 halves of 230 kB.
const (
	benchHalves = 64
	benchSize   = 230_000
)

func BenchmarkPut(b *testing.B) {
	for _, c := range []struct{ halves, size int }{{benchHalves, benchSize}, {8, 10_000}, {1, 4_500_000}} {
		b.Run(fmt.Sprintf("%dx%d", c.halves, c.size), func(b *testing.B) {
			s := mustOpen(b, b.TempDir())
			halves := newHalves(b, c.halves, c.size)
			b.SetBytes(int64(c.halves * c.size))
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				if n%16 == 15 {
					list, err := s.Halves(alice)
					must(b, err)
					for _, h := range list {
						must(b, s.Drop(alice, []ID{h.ID}))
					}
				}
				for i := range halves {
					halves[i].ID = ID{byte(n), byte(n >> 8), byte(n >> 16), byte(i)}
				}
				b.StartTimer()
				must(b, s.Put(alice, halves))
			}
		})
	}
}

func BenchmarkConfirm(b *testing.B) {
	s := mustOpen(b, b.TempDir())
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		halves := newHalves(b, benchHalves, 1000)
		must(b, s.Put(alice, halves))
		b.StartTimer()
		must(b, s.Confirm(alice, idsOf(halves)))
	}
}

func BenchmarkClaim(b *testing.B) {
	for _, c := range []struct{ halves, size int }{{8, benchSize}, {1, benchSize}, {1, 4_500_000}} {
		b.Run(fmt.Sprintf("%dx%d", c.halves, c.size), func(b *testing.B) {
			s := mustOpen(b, b.TempDir())
			b.SetBytes(int64(c.halves * c.size))
			var ready []ID
			for b.Loop() {
				b.StopTimer()
				if len(ready) < c.halves {
					halves := newHalves(b, max(c.halves, min(benchHalves, 16_000_000/c.size)), c.size)
					putReady(b, s, alice, halves)
					ready = idsOf(halves)
				}
				b.StartTimer()
				_, err := s.Claim(alice, ready[:c.halves])
				must(b, err)
				ready = ready[c.halves:]
			}
		})
	}
}

// BenchmarkOpen opens a store with 10,000 halves in it and as many claimed.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := mustOpen(b, dir)
	for range 100 {
		halves := newHalves(b, 200, 6000)
		putReady(b, s, alice, halves)
		_, err := s.Claim(alice, idsOf(halves[:100]))
		must(b, err)
	}
	must(b, s.Close())
	for b.Loop() {
		s := mustOpen(b, dir)
		must(b, s.Close())
	}
}

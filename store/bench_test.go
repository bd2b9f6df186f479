package store

import (
	"fmt"
	mathrand "math/rand/v2"
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

// A batch of a million triples, a seed in the head and a word for each, and what
// a session claims of it at a time.
var million = shape{1_000_000, 8, 64}

func BenchmarkPutBatch(b *testing.B) {
	s := mustOpen(b, b.TempDir())
	n := newBatch(b, million)
	b.SetBytes(int64(len(n.Rows)))
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		if i > 0 {
			must(b, s.Drop(alice, []ID{n.ID}))
		}
		b.StartTimer()
		must(b, s.PutBatch(alice, n))
	}
}

func BenchmarkClaimRanges(b *testing.B) {
	for _, size := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := mustOpen(b, b.TempDir())
			n := newBatch(b, million)
			b.SetBytes(int64(size * n.Width))
			at := n.N
			for i := 0; b.Loop(); i++ {
				if at+size > n.N {
					b.StopTimer()
					n.ID = ID{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}
					putBatchReady(b, s, alice, n)
					at = 0
					b.StartTimer()
				}
				_, err := s.ClaimRanges(alice, []RangeClaim{{n.ID, []Range{{at, at + size}}}})
				must(b, err)
				at += size
			}
		})
	}
}

// BenchmarkClaimScattered claims 1000 elements at random, as who checks a sample
// does.
func BenchmarkClaimScattered(b *testing.B) {
	s := mustOpen(b, b.TempDir())
	n := newBatch(b, million)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		n.ID = ID{byte(i), byte(i >> 8)}
		putBatchReady(b, s, alice, n)
		var sample []Range
		for _, e := range mathrand.Perm(n.N)[:1000] {
			sample = append(sample, Range{e, e + 1})
		}
		b.StartTimer()
		_, err := s.ClaimRanges(alice, []RangeClaim{{n.ID, sample}})
		must(b, err)
		b.StopTimer()
		must(b, s.Drop(alice, []ID{n.ID}))
		b.StartTimer()
	}
}

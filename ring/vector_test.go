package ring

import (
	"fmt"
	"testing"
)

// BenchmarkElementwise is in the first-level cache and in memory, where copy
// shows what can be had.
func BenchmarkElementwise(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 21} {
		r := testRand(40)
		x, y, z := randomWords(r, n), randomWords(r, n), make([]uint64, n)
		for _, bm := range []struct {
			name string
			f    func()
		}{
			{"copy", func() { copy(z, x) }},
			{"Add", func() { Add(z, x, y) }},
			{"Sub", func() { Sub(z, x, y) }},
			{"OpenMasked", func() { OpenMasked(z, x, y, 8, 20) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", bm.name, n), func(b *testing.B) {
				b.SetBytes(int64(8 * n))
				for b.Loop() {
					bm.f()
				}
			})
		}
	}
}

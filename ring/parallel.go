package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Parallel calls f for 0 to n−1, each once, on at most GOMAXPROCS goroutines, of
// which the caller's is one, and returns when all calls have. Who is done with
// one call takes the next, so calls may differ in length; put long ones first.
// With one core, or one call, it is a loop.
func Parallel(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var others sync.WaitGroup
	for range workers - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestParallelCallsEachIndexOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100, 1000} {
		calls := make([]atomic.Int32, n)
		Parallel(n, func(i int) { calls[i].Add(1) })
		for i := range calls {
			if got := calls[i].Load(); got != 1 {
				t.Errorf("of %d, index %d was called %d times", n, i, got)
			}
		}
	}
}

func TestParallelRespectsGOMAXPROCS(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var now, most atomic.Int32
	Parallel(200, func(int) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		runtime.Gosched()
		now.Add(-1)
	})
	if m := most.Load(); m > 3 {
		t.Errorf("%d calls ran at once with GOMAXPROCS 3", m)
	}
}

func TestParallelRunsAsManyCallsAtOnceAsThereAreCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	// Either call ends only when the other has begun.
	var both sync.WaitGroup
	both.Add(2)
	Parallel(2, func(int) {
		both.Done()
		both.Wait()
	})
}

func TestParallelOnOneCoreIsALoop(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	order := make([]int, 0, 10) // unguarded: the race detector would complain
	Parallel(10, func(i int) { order = append(order, i) })
	for i, v := range order {
		if v != i {
			t.Fatalf("called in the order %v", order)
		}
	}
}

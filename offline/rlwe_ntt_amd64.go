package offline

import (
	"math/bits"

	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

//go:noescape
func nttForward4(p, w, wq *uint64, m, t int, q uint64)

//go:noescape
func nttForward2(p, w, wq *uint64, m, t int, q uint64)

//go:noescape
func nttForwardLast(p, w, wq *uint64, m, n int, q uint64)

//go:noescape
func nttBackFirst(p, w, wq *uint64, m, n int, q uint64)

//go:noescape
func nttBack4(p, w, wq *uint64, m, t int, q uint64)

//go:noescape
func nttBack2(p, w, wq *uint64, m, t int, q uint64)

//go:noescape
func nttScale(p, w, wq *uint64, m, n int, q uint64)

// roots are in the order in which lattigo keeps them, out of Montgomery form,
// with their quotients ⌊w·2^64/q⌋.
type roots struct{ w, wq []uint64 }

func newRoots(s *lattigo.SubRing, montgomery []uint64) roots {
	r := roots{w: make([]uint64, len(montgomery)), wq: make([]uint64, len(montgomery))}
	for i, m := range montgomery {
		r.w[i] = lattigo.IMForm(m, s.Modulus, s.MRedConstant)
		r.wq[i], _ = bits.Div64(r.w[i], 0, s.Modulus)
	}
	return r
}

// avx512 is the transform of n elements modulo one prime with AVX-512F and DQ.
type avx512 struct {
	n               int
	q               uint64
	out, home, unit roots // forward, back, and 1/n alone
}

func newVectorTransform(s *lattigo.SubRing) vectorTransform {
	if !wide || s.N < 64 || bits.Len64(s.Modulus) > 61 {
		return nil
	}
	return &avx512{
		n: s.N, q: s.Modulus,
		out: newRoots(s, s.RootsForward), home: newRoots(s, s.RootsBackward), unit: newRoots(s, []uint64{s.NInv}),
	}
}

// forward runs the stages with groups of n elements down to groups of two: two
// at a time, after a single one where their number is odd, and the last three
// in registers.
func (a *avx512) forward(p []uint64) {
	x, w, wq := &p[:a.n][0], &a.out.w[0], &a.out.wq[0]
	m, half := 1, a.n/2
	if bits.Len(uint(a.n))%2 == 1 { // log2(n) − 3 is odd
		nttForward2(x, w, wq, m, half, a.q)
		m, half = 2*m, half/2
	}
	for ; half > 4; m, half = 4*m, half/4 {
		nttForward4(x, w, wq, m, half, a.q)
	}
	nttForwardLast(x, w, wq, m, a.n, a.q)
}

// back runs the stages of forward in the opposite order.
func (a *avx512) back(p []uint64) {
	x, w, wq := &p[:a.n][0], &a.home.w[0], &a.home.wq[0]
	nttBackFirst(x, w, wq, a.n/8, a.n, a.q)
	half := 8
	for ; 4*half <= a.n; half *= 4 {
		nttBack4(x, w, wq, a.n/(4*half), half, a.q)
	}
	if half < a.n {
		nttBack2(x, w, wq, 1, half, a.q)
	}
	nttScale(x, &a.unit.w[0], &a.unit.wq[0], 1, a.n, a.q)
}

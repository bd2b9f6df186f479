package offline

import (
	lattigo "github.com/tuneinsight/lattigo/v5/ring"
)

// transform is the number-theoretic transform modulo one prime: lattigo's, or
// vector instructions that compute the same values in the same order. Both
// parties read seeds as values, so neither may depend on the machine.
type transform struct {
	sub    *lattigo.SubRing
	vector vectorTransform // nil where the machine has none
}

// vectorTransform transforms in place and takes and returns what transform
// does.
type vectorTransform interface {
	forward(p []uint64)
	back(p []uint64)
}

func newTransform(s *lattigo.SubRing) transform {
	return transform{sub: s, vector: newVectorTransform(s)}
}

// ntt transforms p, below four times the prime, in place; the values come out
// below the prime.
func (t transform) ntt(p []uint64) {
	if t.vector != nil {
		t.vector.forward(p[:t.sub.N])
		return
	}
	t.sub.NTT(p, p)
}

// intt transforms p, below twice the prime, back in place; the coefficients
// come out below the prime.
func (t transform) intt(p []uint64) {
	if t.vector != nil {
		t.vector.back(p[:t.sub.N])
		return
	}
	t.sub.INTT(p, p)
}

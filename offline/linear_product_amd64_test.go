package offline

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"
)

// Where there is AVX-512 nothing else runs the kernel for processors that have AVX2
// alone.
func TestProductsWithAVX2EqualTheGenericOnes(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("this machine has no AVX2")
	}
	rng := rand.New(rand.NewPCG(17, 19))
	var got, want productSums
	for _, p := range extremeProducts(rng, maxSum) {
		mulAddAVX2(&got, p[0], p[1], p[2])
		mulAddGeneric(&want, p)
	}
	if got != want {
		t.Error("mulAddAVX2 differs from mulAddGeneric")
	}
}

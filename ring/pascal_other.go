//go:build !amd64

package ring

var pascalKernels = []string{"portable"}

type pascalCode struct{}

func (p *Pascal) useKernel(string) { p.code = pascalCode{} }

// runVector computes nothing: there are no vector kernels.
func (p *Pascal) runVector(pascalVectors, int, []uint64, []Vec128, uint, uint) int { return 0 }

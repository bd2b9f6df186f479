//go:build !amd64

package ring

const pascalAVX512 = false

// runVector computes nothing: there are no vector kernels.
func (p *Pascal) runVector(pascalVectors, int, []uint64, []Vec128, uint, uint) int { return 0 }

//go:build !amd64

package ring

const pascalAVX512 = false

// evalVector evaluates nothing: there are no vector kernels.
func (p *Pascal) evalVector([]uint64, int, []uint64, []uint64, []Vec128) int { return 0 }

package ring

import "golang.org/x/sys/cpu"

//go:generate go run ./internal/pascalasm -out pascal_kernels_amd64.s -stubs pascal_kernels_amd64.go -pkg ring

// pascalAVX512 says whether the processor has what the vector kernels need: more
// than the convolutions', Intel since Ice Lake and AMD since Zen 4.
var pascalAVX512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA && cpu.X86.HasAVX512VBMI2

// evalVector is Eval of as many elements, from the first, as a vector kernel
// takes, and returns their number.
func (p *Pascal) evalVector(dst []uint64, party int, c, rho []uint64, shares []Vec128) int {
	n := len(dst) &^ 7
	if n == 0 || !p.vector {
		return 0
	}
	var words [2 * (maxDegree - 1)]*uint64
	for i, v := range shares {
		words[2*i], words[2*i+1] = &v.Lo[0], &v.Hi[0]
	}
	program := &p.programs[party][0]
	// Calls by name: through a variable words would be allocated.
	switch p.degree {
	case 2:
		pascal2AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	case 3:
		pascal3AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	case 4:
		pascal4AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	case 5:
		pascal5AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	case 6:
		pascal6AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	case 7:
		pascal7AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	case 8:
		pascal8AVX512(&dst[0], &c[0], &rho[0], &words[0], program, n)
	}
	return n
}

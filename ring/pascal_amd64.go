package ring

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go run ./internal/pascalasm -out pascal_kernels_amd64.s -stubs pascal_kernels_amd64.go -pkg ring

// pascalAVX512 says whether the processor has what the vector kernels need: more
// than the convolutions', Intel since Ice Lake and AMD since Zen 4.
var pascalAVX512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512IFMA && cpu.X86.HasAVX512VBMI2

// vectorElements is the most elements of one call of a kernel, some 10 to 50 µs:
// the runtime cannot interrupt it.
const vectorElements = 1 << 12

// runVector computes as many elements, from the first, as the vector kernels
// take, and returns their number.
func (p *Pascal) runVector(v pascalVectors, party int, rho []uint64, shares []Vec128, fw, m uint) int {
	n := len(rho) &^ 7
	if !p.vector {
		return 0
	}
	// In the order of the generator.
	vectors := [5 + 2*(maxDegree-1)]*uint64{v.dst, v.masked, v.z1, v.blind, unsafe.SliceData(rho)}
	for i, s := range shares {
		vectors[5+2*i], vectors[6+2*i] = unsafe.SliceData(s.Lo), unsafe.SliceData(s.Hi)
	}
	program, open := &p.programs[party][0], [3]uint64{openingSlack, uint64(fw), openingBack(fw, m)}
	for from := 0; from < n; from += vectorElements {
		p.runKernel(&vectors[0], program, &open[0], min(n-from, vectorElements))
		for i, w := range vectors {
			if w != nil && from+vectorElements < n {
				vectors[i] = (*uint64)(unsafe.Add(unsafe.Pointer(w), 8*vectorElements))
			}
		}
	}
	return n
}

// runKernel calls the kernel of p's degree, by its name: through a variable what
// vectors points to would be allocated.
func (p *Pascal) runKernel(vectors **uint64, program, open *uint64, n int) {
	switch p.degree {
	case 2:
		pascal2AVX512(vectors, program, open, n)
	case 3:
		pascal3AVX512(vectors, program, open, n)
	case 4:
		pascal4AVX512(vectors, program, open, n)
	case 5:
		pascal5AVX512(vectors, program, open, n)
	case 6:
		pascal6AVX512(vectors, program, open, n)
	case 7:
		pascal7AVX512(vectors, program, open, n)
	case 8:
		pascal8AVX512(vectors, program, open, n)
	}
}

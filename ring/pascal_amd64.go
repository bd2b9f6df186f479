package ring

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go run ./internal/pascalasm -out pascal_kernels_amd64.s -stubs pascal_kernels_amd64.go -pkg ring

// pascalKernels are the kernels for Pascals of this processor, the fastest first.
// The first asks for more than convolutions do: Intel has it since Ice Lake, AMD
// since Zen 4.
var pascalKernels = func() []string {
	kernels := []string{"portable"}
	x := &cpu.X86
	if x.HasAVX2 {
		kernels = append(kernels, "avx2")
	}
	if x.HasAVX512F && x.HasAVX512IFMA && x.HasAVX512VBMI2 {
		kernels = append(kernels, "avx512")
	}
	slices.Reverse(kernels)
	return kernels
}()

// pascalCode is what runs a Pascal.
type pascalCode struct {
	kernel   string     // one of pascalKernels
	programs [2]program // by party; of the portable kernel none
}

// useKernel chooses the kernel of p, one of pascalKernels.
func (p *Pascal) useKernel(name string) {
	p.code.kernel = name
	for party := range p.code.programs {
		switch name {
		case "avx512":
			p.code.programs[party] = p.programAVX512(party)
		case "avx2":
			p.code.programs[party] = p.programAVX2(party)
		}
	}
}

// vectorElements is the most elements of one call of a kernel, some 10 to 100 µs:
// the runtime cannot interrupt it.
const vectorElements = 1 << 12

// runVector computes as many elements, from the first, as the kernel takes, and
// returns their number.
func (p *Pascal) runVector(v pascalVectors, party int, rho []uint64, shares []Vec128, fw, m uint) int {
	if p.code.kernel == "portable" {
		return 0
	}
	n := len(rho) &^ 7
	// In the order of the generator.
	vectors := [5 + 2*(maxDegree-1)]*uint64{v.dst, v.masked, v.z1, v.blind, unsafe.SliceData(rho)}
	for i, s := range shares {
		vectors[5+2*i], vectors[6+2*i] = unsafe.SliceData(s.Lo), unsafe.SliceData(s.Hi)
	}
	program, open := &p.code.programs[party][0], [3]uint64{openingSlack, uint64(fw), openingBack(fw, m)}
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

// runKernel calls the kernel for p's degree, by its name: through a variable what
// vectors points to would be allocated.
func (p *Pascal) runKernel(vectors **uint64, program, open *uint64, n int) {
	if p.code.kernel == "avx2" {
		pascalAVX2(vectors, program, open, n, p.degree)
		return
	}
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

package offline

import "golang.org/x/sys/cpu"

//go:generate go run ./internal/residueasm -out residue_kernels_amd64.s -stubs residue_kernels_amd64.go -pkg offline

// wide reports whether the processor has AVX-512F and DQ, which the kernels for
// residues and the transforms are written in.
var wide = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ

// vectorForm, vectorDot and vectorFraction do for as many elements, from the first,
// as a kernel takes what applyFrom, dotFrom and addFrom do for the rest, and return
// their number. Kernels take multiples of eight.

func vectorForm(r *residueForm, dst []uint64, planes [][]uint64) int {
	n := len(dst) &^ 7
	if !wide || n == 0 {
		return 0
	}
	for _, p := range planes[:len(r.c)] {
		_ = p[:n]
	}
	formAVX512(&dst[0], &planes[0], &r.c[0], len(r.c), n, r.q, r.inv, r.k)
	return n
}

func vectorDot(dst []uint64, x, y [][]uint64, q, inv uint64) int {
	n := len(dst) &^ 7
	if !wide || n == 0 || len(x) == 0 {
		return 0
	}
	for l := range x {
		_, _ = x[l][:n], y[l][:n]
	}
	dotAVX512(&dst[0], &x[0], &y[0], len(x), n, q, inv)
	return n
}

func vectorFraction(hi, lo, x []uint64, q, inv, inverse uint64, c *[3]uint64) int {
	n := len(hi) &^ 7
	if !wide || n == 0 {
		return 0
	}
	_, _ = lo[:n], x[:n]
	fractionAVX512(&hi[0], &lo[0], &x[0], n, q, inv, inverse, c)
	return n
}

// vectorHalves does for as many elements what toHalves does for the rest.
func vectorHalves(x []uint64) int {
	n := len(x) &^ 7
	if !wide || n == 0 {
		return 0
	}
	halvesAVX512(&x[0], n)
	return n
}

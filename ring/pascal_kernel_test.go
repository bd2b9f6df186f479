package ring

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"testing"
)

// limbEdges are words next to where a kernel splits, signs or carries.
var limbEdges = []uint64{
	0, 1, 2, ^uint64(0), ^uint64(0) - 1, 1 << 63, 1<<63 - 1, 1<<63 + 1,
	1 << 52, 1<<52 - 1, 1<<52 + 1, ^uint64(1<<52 - 1), 1<<40 - 1, 1 << 40, 0xfff << 52, 1<<12 - 1, 1 << 32, 1<<32 - 1,
}

// eachKernel switches p to each kernel of this processor and gives its name.
func (p *Pascal) eachKernel() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, name := range pascalKernels {
			p.useKernel(name)
			if !yield(name) {
				return
			}
		}
	}
}

// shareByDefinition is element e of Eval, from the formulas of design section 4,
// in math/big.
func shareByDefinition(alpha []int64, fa, shift uint, party int, c, rho []uint64, shares []Vec128, e int) uint64 {
	d := len(alpha) - 1
	power := []*big.Int{big.NewInt(int64(1 - party)), new(big.Int).SetUint64(rho[e])}
	for _, v := range shares {
		s := new(big.Int).SetUint64(v.Hi[e])
		power = append(power, s.Lsh(s, 64).Add(s, new(big.Int).SetUint64(v.Lo[e])))
	}
	sum := new(big.Int)
	for i := range d + 1 {
		for k := i; k <= d; k++ {
			term := new(big.Int).Exp(big.NewInt(int64(c[e])), big.NewInt(int64(k-i)), nil)
			term.Mul(term, new(big.Int).Binomial(int64(k), int64(i)))
			term.Mul(term, big.NewInt(alpha[k])).Lsh(term, fa*uint(d-k))
			term.Mul(term, power[i])
			if i%2 == 1 {
				term.Neg(term)
			}
			sum.Add(sum, term)
		}
	}
	if party == 1 {
		sum.Neg(sum)
	}
	v := mod64(sum.Mod(sum, two128).Rsh(sum, shift))
	if party == 1 {
		v = -v
	}
	return v
}

// evalInput is what Eval takes.
type evalInput struct {
	c, rho []uint64
	shares []Vec128
}

// newEvalInput makes n elements from words, called over and over.
func newEvalInput(degree, n int, words func() uint64) (in evalInput) {
	fill := func() []uint64 {
		v := make([]uint64, n)
		for i := range v {
			v[i] = words()
		}
		return v
	}
	in.c, in.rho = fill(), fill()
	for range degree - 1 {
		in.shares = append(in.shares, Vec128{fill(), fill()})
	}
	return in
}

// checkKernels compares every kernel and both parties' shares with the
// definition.
func checkKernels(t *testing.T, alpha []int64, q, fa, fracOut uint, in evalInput) {
	t.Helper()
	p := mustPascal(t, alpha, q, fa, fracOut)
	for party := range 2 {
		want := make([]uint64, len(in.c))
		for e := range want {
			want[e] = shareByDefinition(alpha, fa, p.Shift(), party, in.c, in.rho, in.shares, e)
		}
		for name := range p.eachKernel() {
			got := make([]uint64, len(in.c)+1)
			p.Eval(got[:len(in.c)], party, in.c, in.rho, in.shares)
			for e := range want {
				if got[e] != want[e] {
					t.Fatalf("%s kernel, α %d, fa %d, %d bits dropped, party %d, element %d of %d: %#x, want %#x",
						name, alpha, fa, p.Shift(), party, e, len(want), got[e], want[e])
				}
			}
			if got[len(want)] != 0 {
				t.Fatalf("%s kernel wrote beyond %d elements", name, len(want))
			}
		}
	}
}

func TestEveryKernelIsTheDefinitionAtEveryLength(t *testing.T) {
	r := testRand(15)
	for degree := minDegree; degree <= maxDegree; degree++ {
		for n := range 41 {
			fa := r.UintN(15)
			alpha := randomAlpha(r, degree)
			alpha[r.IntN(len(alpha))] = 0
			checkKernels(t, alpha, 10, fa, r.UintN(min(10+fa*uint(degree), 10)), newEvalInput(degree, n, r.Uint64))
		}
	}
}

// Coefficients of one, two and three limbs, of both signs and zero, with words
// at the edges of limbs; every part of a shift.
func TestEveryKernelIsTheDefinitionAtTheEdges(t *testing.T) {
	r := testRand(16)
	edge := func() uint64 { return limbEdges[r.IntN(len(limbEdges))] }
	for degree := minDegree; degree <= maxDegree; degree++ {
		for _, fa := range []uint{0, 1, 7, 15, 26} {
			if fa*uint(degree) > 126-11 {
				continue
			}
			for _, fracOut := range []uint{0, 1, 12, 40, 51, 52, 53, 63, 64, 65, 100} {
				const q = 12
				if fracOut > fa*uint(degree)+q {
					continue
				}
				alpha := make([]int64, degree+1)
				for k := range alpha {
					alpha[k] = []int64{0, 1, -1, 2047, -2048, 3, -3}[r.IntN(7)]
				}
				checkKernels(t, alpha, q, fa, fracOut, newEvalInput(degree, 16, edge))
			}
		}
		whole := make([]int64, degree+1) // coefficients of 64 bits
		for k := range whole {
			whole[k] = int64(edge())
		}
		checkKernels(t, whole, 0, 0, 0, newEvalInput(degree, 16, edge))
		checkKernels(t, whole, 60, 7, 50, newEvalInput(degree, 16, edge)) // up to 119 bits
		checkKernels(t, make([]int64, degree+1), 10, 3, 3, newEvalInput(degree, 16, edge))
	}
}

func TestEvalMayOverwriteItsArguments(t *testing.T) {
	r := testRand(17)
	p := mustPascal(t, pillarDegree4, 10, 9, 9)
	for name := range p.eachKernel() {
		for party := range 2 {
			in := newEvalInput(4, 37, r.Uint64)
			want, overC, overRho := make([]uint64, 37), slices.Clone(in.c), slices.Clone(in.rho)
			p.Eval(want, party, in.c, in.rho, in.shares)
			p.Eval(overC, party, overC, in.rho, in.shares)
			p.Eval(overRho, party, in.c, overRho, in.shares)
			if !slices.Equal(overC, want) || !slices.Equal(overRho, want) {
				t.Errorf("%s kernel, party %d: the result over c or ρ is another", name, party)
			}
		}
	}
}

func TestEvalAllocatesNothing(t *testing.T) {
	r := testRand(18)
	p := mustPascal(t, pillarDegree4, 10, 9, 9)
	in := newEvalInput(4, 300, r.Uint64)
	for name := range p.eachKernel() {
		if n := testing.AllocsPerRun(10, func() { p.Eval(in.c, 0, in.c, in.rho, in.shares) }); n != 0 {
			t.Errorf("%s kernel: %v allocations", name, n)
		}
	}
}

func TestAPascalWithoutItsAVX512TakesAVX2(t *testing.T) {
	defer func(all []string) { pascalKernels = all }(pascalKernels)
	for _, tc := range []struct {
		has        []string
		name, want string
	}{
		{[]string{"avx512", "avx2", "portable"}, "avx512", "avx512"},
		{[]string{"avx512", "avx2", "portable"}, "avx2", "avx2"},
		{[]string{"avx512", "avx2", "portable"}, "portable", "portable"},
		{[]string{"avx2", "portable"}, "avx512", "avx2"},
		{[]string{"portable"}, "portable", "portable"},
	} {
		if pascalKernels = tc.has; pascalKernel(tc.name) != tc.want {
			t.Errorf("%q of %q: %q, want %q", tc.name, tc.has, pascalKernel(tc.name), tc.want)
		}
	}
}

func FuzzPascalKernels(f *testing.F) {
	f.Add(uint8(4), uint8(9), uint8(9), []byte{0xfd, 0xff, 3}, []byte("any bytes at all"))
	f.Add(uint8(8), uint8(12), uint8(0), []byte{0, 0x80, 0xff, 0x7f}, []byte{0xff})
	f.Add(uint8(2), uint8(0), uint8(10), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, degree, fa, fracOut uint8, coefficients, words []byte) {
		// Bytes are taken over and over, each time from the next on.
		cycle := func(b []byte) func() uint64 {
			at := 0
			return func() uint64 {
				var w [8]byte
				for i := range w {
					if len(b) > 0 {
						w[i] = b[(at+i)%len(b)]
					}
				}
				at += 9
				return binary.LittleEndian.Uint64(w[:])
			}
		}
		d := minDegree + int(degree)%(maxDegree-minDegree+1)
		alpha, next := make([]int64, d+1), cycle(coefficients)
		for k := range alpha {
			alpha[k] = int64(int16(next()))
		}
		if _, err := NewPascal(alpha, 10, uint(fa), uint(fracOut)); err != nil {
			return
		}
		checkKernels(t, alpha, 10, uint(fa), uint(fracOut), newEvalInput(d, 11, cycle(words)))
	})
}

// Beside dense polynomials PILLAR's of degree 4, which has no cubic term.
func BenchmarkPascal(b *testing.B) {
	const n = 1 << 12
	r := testRand(14)
	polynomials := map[string][]int64{"degree4pillar": pillarDegree4}
	names := []string{"degree4pillar"}
	for _, degree := range []int{2, 3, 4, 5, 6, 8} {
		name := fmt.Sprintf("degree%d", degree)
		polynomials[name], names = randomAlpha(r, degree), append(names, name)
	}
	for _, name := range names {
		p := mustPascal(b, polynomials[name], 10, 9, 9)
		in, dst := newEvalInput(p.Degree(), n, r.Uint64), make([]uint64, n)
		for party := range 2 {
			for kernel := range p.eachKernel() {
				b.Run(fmt.Sprintf("%s/party%d/%s", name, party, kernel), func(b *testing.B) {
					for b.Loop() {
						p.Eval(dst, party, in.c, in.rho, in.shares)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
				})
			}
		}
	}
}

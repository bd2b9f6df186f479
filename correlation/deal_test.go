package correlation

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pascaline/ring"
)

func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func testSeed(r *rand.Rand) (s ring.Seed) {
	for i := range s {
		s[i] = byte(r.Uint32())
	}
	return s
}

// knownSeed is the bytes 0 to 31.
func knownSeed() (s ring.Seed) {
	for i := range s {
		s[i] = byte(i)
	}
	return s
}

func randomWords(r *rand.Rand, n int) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = r.Uint64()
	}
	return v
}

// testShape is a convolution with everything that a convolution may have.
func testShape() ring.ConvShape {
	return ring.ConvShape{H: 4, W: 5, C: 2, K: 3, KH: 3, KW: 2, StrideH: 2, StrideW: 1, PadTop: 1, PadRight: 1}
}

// testSpecs are small specifications of every kind.
func testSpecs() []Spec {
	return []Spec{
		{Kind: Triples, N: 7},
		{Kind: Squares, N: 6},
		{Kind: Products, N: 5},
		MatrixSpec(2, 3, 4, 3, false),
		MatrixSpec(3, 1, 2, 4, true),
		{Kind: Convolution, N: 3, Shape: testShape()},
		{Kind: Convolution, N: 2, Shape: testShape(), Fixed: true},
		{Kind: Powers, N: 5, Degree: 2, MaskBits: 1},
		{Kind: Powers, N: 4, Degree: 4, MaskBits: 54},
		{Kind: Powers, N: 2, Degree: 8, MaskBits: MaxMaskBits},
		{Kind: Linear, N: 3, Shape: testShape(), Layer: 2},
		{Kind: Linear, N: 2, Shape: ring.LinearShape(4, 3)},
	}
}

// eachHalf runs f for every kind and party, with a half that is a seed.
func eachHalf(t *testing.T, seed uint64, f func(t *testing.T, h *Half)) {
	r := testRand(seed)
	for _, spec := range testSpecs() {
		for party := range 2 {
			h := SeedHalf(spec, party, testSeed(r))
			t.Run(spec.String()+" party "+string(rune('0'+party)), func(t *testing.T) { f(t, h) })
		}
	}
}

// mixes calls f with h and every mix of its columns explicit and expanded, or
// where there are very many of them with some.
func mixes(h *Half, f func(mix *Half)) {
	n := len(h.Columns)
	step := max(1, 1<<n/211|1)
	for mask := 0; mask < 1<<n; mask += step {
		f(withExplicit(h, uint64(mask)))
	}
	f(withExplicit(h, 1<<n-1))
}

// withExplicit is h with a copy of each column in the mask, the others as they
// are.
func withExplicit(h *Half, mask uint64) *Half {
	mix := *h
	mix.Columns = slices.Clone(h.Columns)
	for i := range h.Columns {
		if mask>>i&1 == 1 {
			mix.Columns[i] = slices.Clone(h.Column(i))
		}
	}
	return &mix
}

// columnsOf expands all columns of h.
func columnsOf(h *Half) [][]uint64 {
	all := make([][]uint64, len(h.Columns))
	for i := range all {
		all[i] = slices.Clone(h.Column(i))
	}
	return all
}

// deal makes two halves that form a correlation by the definition of its kind,
// in math/big: seeds but for the product columns of the given party. It is not
// for linear ones.
func deal(r *rand.Rand, spec Spec, party int) (h0, h1 *Half) {
	h := [2]*Half{SeedHalf(spec, 0, testSeed(r)), SeedHalf(spec, 1, testSeed(r))}
	mine, other := h[party], h[1-party]
	products := definition(h[0], h[1])
	if spec.Kind != Powers {
		mine.Columns[len(mine.Columns)-1] = sharesLess(products[0], other.C())
		return h[0], h[1]
	}
	for k, v := range other.Powers() {
		lo, hi := make([]uint64, spec.N), make([]uint64, spec.N)
		for i := range spec.N {
			share := new(big.Int).Sub(products[k][i], wide(v.Lo[i], v.Hi[i]))
			lo[i], hi[i] = words(share)
		}
		mine.Columns[1+2*k], mine.Columns[2+2*k] = lo, hi
	}
	return h[0], h[1]
}

// definition returns the products that two halves are shares of, as integers: of
// powers those of ρ², ρ³, …, otherwise one vector.
func definition(h0, h1 *Half) [][]*big.Int {
	spec := h0.Spec
	switch spec.Kind {
	case Triples:
		return [][]*big.Int{bigTimes(bigSum(h0.A(), h1.A()), bigSum(h0.B(), h1.B()))}
	case Squares:
		a := bigSum(h0.A(), h1.A())
		return [][]*big.Int{bigTimes(a, a)}
	case Products:
		return [][]*big.Int{bigTimes(bigSum(h0.A(), make([]uint64, spec.N)), bigSum(h1.B(), make([]uint64, spec.N)))}
	case Matrix:
		return [][]*big.Int{bigMatrices(spec, bigSum(h0.A(), h1.A()), bigSum(h0.B(), h1.B()))}
	case Convolution:
		return [][]*big.Int{bigConvolutions(spec, bigSum(h0.A(), h1.A()), bigSum(h0.B(), h1.B()))}
	}
	rho := bigSum(h0.Rho(), h1.Rho())
	powers := [][]*big.Int{bigTimes(rho, rho)}
	for range spec.Degree - 2 {
		powers = append(powers, bigTimes(powers[len(powers)-1], rho))
	}
	return powers
}

// bigMatrices multiplies matrices by the definition of their product.
func bigMatrices(spec Spec, a, b []*big.Int) (c []*big.Int) {
	rows, inner, columns := spec.Shape.H, spec.Shape.C, spec.Shape.K
	for n := range spec.N {
		first := n * inner * columns
		if spec.Fixed {
			first = 0
		}
		for i := range rows {
			for j := range columns {
				sum := new(big.Int)
				for k := range inner {
					sum.Add(sum, new(big.Int).Mul(a[(n*rows+i)*inner+k], b[first+k*columns+j]))
				}
				c = append(c, sum)
			}
		}
	}
	return c
}

// bigConvolutions convolves by the definition: NHWC images, KH×KW×C×K weights,
// padding with zeros.
func bigConvolutions(spec Spec, a, b []*big.Int) (c []*big.Int) {
	s := spec.Shape
	for n := range spec.N {
		image, weights := a[n*s.InLen():], b
		if !spec.Fixed {
			weights = b[n*s.WeightLen():]
		}
		for y := range s.OutH() {
			for x := range s.OutW() {
				for k := range s.K {
					sum := new(big.Int)
					for ky := range s.KH {
						for kx := range s.KW {
							iy, ix := y*s.StrideH+ky-s.PadTop, x*s.StrideW+kx-s.PadLeft
							if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
								continue
							}
							for ch := range s.C {
								p := new(big.Int).Mul(image[(iy*s.W+ix)*s.C+ch], weights[((ky*s.KW+kx)*s.C+ch)*s.K+k])
								sum.Add(sum, p)
							}
						}
					}
					c = append(c, sum)
				}
			}
		}
	}
	return c
}

func bigSum(x, y []uint64) []*big.Int {
	z := make([]*big.Int, len(x))
	for i := range z {
		z[i] = new(big.Int).Add(new(big.Int).SetUint64(x[i]), new(big.Int).SetUint64(y[i]))
	}
	return z
}

func bigTimes(x, y []*big.Int) []*big.Int {
	z := make([]*big.Int, len(x))
	for i := range z {
		z[i] = new(big.Int).Mul(x[i], y[i])
	}
	return z
}

// sharesLess returns the products less the other party's shares of them, mod
// 2^64.
func sharesLess(products []*big.Int, other []uint64) []uint64 {
	v := make([]uint64, len(products))
	for i, p := range products {
		v[i], _ = words(new(big.Int).Sub(p, new(big.Int).SetUint64(other[i])))
	}
	return v
}

// wide is hi·2^64 + lo, and words the two words of an integer mod 2^128.
func wide(lo, hi uint64) *big.Int {
	v := new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64)
	return v.Add(v, new(big.Int).SetUint64(lo))
}

func words(v *big.Int) (lo, hi uint64) {
	one := big.NewInt(1)
	m := new(big.Int).Mod(v, new(big.Int).Lsh(one, 128))
	low := new(big.Int).And(m, new(big.Int).Sub(new(big.Int).Lsh(one, 64), one))
	return low.Uint64(), m.Rsh(m, 64).Uint64()
}

// dealLinear makes a linear correlation for random weights and masks, y by
// int64 arithmetic: the server's half is a seed.
func dealLinear(r *rand.Rand, spec Spec) (w []int16, masks []uint64, h0, h1 *Half) {
	s := spec.Shape
	w = make([]int16, s.WeightLen())
	for i := range w {
		w[i] = int16(r.Uint32())
	}
	masks = randomWords(r, spec.N*s.InLen())
	h0, h1 = SeedHalf(spec, 0, testSeed(r)), SeedHalf(spec, 1, testSeed(r))
	weights, as := make([]*big.Int, len(w)), bigSum(masks, make([]uint64, len(masks)))
	for i, x := range w {
		weights[i] = big.NewInt(int64(x))
	}
	fixed := spec
	fixed.Fixed = true // one image after the other with the same weights
	h1.Columns[0] = sharesLess(bigConvolutions(fixed, as, weights), h0.S())
	return w, masks, h0, h1
}

// testBundleSpec is a bundle of two activation layers and two linear layers.
func testBundleSpec() *BundleSpec {
	s := &BundleSpec{
		Input: 12,
		Activations: []ActivationSpec{
			{Powers: Spec{Kind: Powers, N: 5, Degree: 4, MaskBits: 54}, LowBits: 8},
			{Powers: Spec{Kind: Powers, N: 3, Degree: 2, MaskBits: 50}, LowBits: 0},
		},
		Linear: []Spec{
			{Kind: Linear, N: 1, Shape: ring.LinearShape(12, 5)},
			{Kind: Linear, N: 1, Shape: ring.LinearShape(5, 3), Layer: 1},
		},
		Output: 3,
	}
	for i := range s.Plan {
		s.Plan[i] = byte(i + 1)
	}
	return s
}

// testBundle is a half with everything that party holds; at party 1 the shares
// of the first activation layer are explicit.
func testBundle(r *rand.Rand, party int) *Bundle {
	s := testBundleSpec()
	b := &Bundle{Spec: s, Party: party, Seed: testSeed(r)}
	for l, a := range s.Activations {
		b.Opening = append(b.Opening, randomWords(r, a.Powers.N))
		h0, h1 := deal(r, a.Powers, 1)
		switch {
		case party == 0:
			b.Powers = append(b.Powers, h0)
		case l == 0:
			b.Powers = append(b.Powers, h1)
		default:
			b.Powers = append(b.Powers, SeedHalf(a.Powers, 1, testSeed(r)))
		}
	}
	if party == 1 {
		b.Output = randomWords(r, s.Output)
		return b
	}
	for l, spec := range s.Linear {
		h := SeedHalf(spec, 0, testSeed(r))
		b.Linear = append(b.Linear, withExplicit(h, uint64(l)))
	}
	return b
}

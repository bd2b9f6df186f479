package correlation

import (
	"math/big"
	"math/rand/v2"

	"pascaline/ring"
)

func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func testSeed(r *rand.Rand) (s ring.Seed) {
	for i := range s {
		s[i] = byte(r.Uint32())
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

// dealPowers makes a powers correlation by math/big: party 0's half is a seed,
// party 1's shares are explicit.
func dealPowers(r *rand.Rand, spec PowersSpec) (h0, h1 PowersHalf) {
	h0 = PowersHalf{Spec: spec, Seed: testSeed(r)}
	h1 = PowersHalf{Spec: spec, Seed: testSeed(r)}
	two128, low := new(big.Int).Lsh(big.NewInt(1), 128), new(big.Int).SetUint64(^uint64(0))
	rho0, rho1 := h0.Rho(), h1.Rho()
	for j, v := range h0.Expand() {
		w := ring.MakeVec128(spec.N)
		for i := range spec.N {
			rho := new(big.Int).Add(new(big.Int).SetUint64(rho0[i]), new(big.Int).SetUint64(rho1[i]))
			power := new(big.Int).Exp(rho, big.NewInt(int64(j+2)), nil)
			share := new(big.Int).Lsh(new(big.Int).SetUint64(v.Hi[i]), 64)
			share.Add(share, new(big.Int).SetUint64(v.Lo[i]))
			power.Sub(power, share).Mod(power, two128)
			w.Lo[i] = new(big.Int).And(power, low).Uint64()
			w.Hi[i] = power.Rsh(power, 64).Uint64()
		}
		h1.Shares = append(h1.Shares, w)
	}
	return h0, h1
}

// dealLinear makes a linear correlation for random weights: the server's half is
// a seed, the client's mask is one, and W·r − s is explicit.
func dealLinear(r *rand.Rand, spec LinearSpec) (w []int16, h0 LinearHalf0, h1 LinearHalf1) {
	w = make([]int16, spec.Shape.WeightLen())
	for i := range w {
		w[i] = int16(r.Uint32())
	}
	h0 = LinearHalf0{Spec: spec, Seed: testSeed(r)}
	h1 = LinearHalf1{Spec: spec, Seed: testSeed(r), Y: make([]uint64, spec.Shape.OutLen())}
	ring.Conv(h1.Y, h1.Mask(), w, spec.Shape)
	ring.Sub(h1.Y, h1.Y, h0.Mask())
	return w, h0, h1
}

// testSpec is a bundle of two activation layers and two linear layers.
func testSpec() *BundleSpec {
	s := &BundleSpec{
		Input: 12,
		Activations: []ActivationSpec{
			{Powers: PowersSpec{N: 5, Degree: 4, MaskBits: 54}, LowBits: 8},
			{Powers: PowersSpec{N: 3, Degree: 2, MaskBits: 50}, LowBits: 0},
		},
		Linear: []LinearSpec{{Shape: ring.LinearShape(12, 5)}, {Shape: ring.LinearShape(5, 3)}},
		Output: 3,
	}
	for i := range s.Plan {
		s.Plan[i] = byte(i + 1)
	}
	return s
}

// testBundle is a half with everything that party holds; the first activation
// layer's shares are explicit at party 1.
func testBundle(r *rand.Rand, party int) *Bundle {
	s := testSpec()
	b := &Bundle{Spec: s, Party: party, Seed: testSeed(r)}
	for _, a := range s.Activations {
		b.Opening = append(b.Opening, randomWords(r, a.Powers.N))
	}
	if party == 1 {
		b.Output = randomWords(r, s.Output)
		_, h := dealPowers(r, s.Activations[0].Powers)
		b.Shares = [][]ring.Vec128{h.Shares, nil}
	}
	return b
}

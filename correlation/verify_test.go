package correlation

import (
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

func TestVerifyPowersAcceptsADealtCorrelation(t *testing.T) {
	r := testRand(1)
	for degree := MinDegree; degree <= MaxDegree; degree++ {
		for _, maskBits := range []uint{1, 40, MaxMaskBits} {
			h0, h1 := dealPowers(r, PowersSpec{N: 20, Degree: degree, MaskBits: maskBits})
			if err := VerifyPowers(h0, h1); err != nil {
				t.Errorf("degree %d, %d bits: %v", degree, maskBits, err)
			}
			if err := VerifyPowers(h1, h0); err != nil {
				t.Errorf("degree %d, %d bits, halves exchanged: %v", degree, maskBits, err)
			}
		}
	}
}

func TestVerifyPowersCatchesEveryFlippedBit(t *testing.T) {
	r := testRand(2)
	spec := PowersSpec{N: 3, Degree: 4, MaskBits: 54}
	h0, h1 := dealPowers(r, spec)
	for k := range h1.Shares {
		for i := range spec.N {
			for _, word := range []*uint64{&h1.Shares[k].Lo[i], &h1.Shares[k].Hi[i]} {
				for bit := range 64 {
					*word ^= 1 << bit
					if err := VerifyPowers(h0, h1); err == nil {
						t.Fatalf("share of power %d, element %d: flipping bit %d passed", k+2, i, bit)
					}
					*word ^= 1 << bit
				}
			}
		}
	}
	if err := VerifyPowers(h0, h1); err != nil {
		t.Fatal(err)
	}
	h0.Seed[0] ^= 1
	if VerifyPowers(h0, h1) == nil {
		t.Error("another seed passed")
	}
}

func TestVerifyPowersRefusesHalvesThatDoNotMatch(t *testing.T) {
	spec := PowersSpec{N: 3, Degree: 3, MaskBits: 54}
	h0, h1 := dealPowers(testRand(3), spec)
	other := h1
	other.Spec.N++
	short := h1
	short.Shares = h1.Shares[:1]
	cut := h1
	cut.Shares = []ring.Vec128{h1.Shares[0], {Lo: h1.Shares[1].Lo, Hi: h1.Shares[1].Hi[:2]}}
	bad := PowersHalf{Spec: PowersSpec{N: 3, Degree: 9, MaskBits: 54}}
	for _, tc := range []struct {
		h0, h1 PowersHalf
		want   string
	}{
		{h0, other, "party 0 holds"},
		{h0, short, "shares of 1 powers"},
		{h0, cut, "3 and 2 words"},
		{bad, bad, "degree 9"},
	} {
		if err := VerifyPowers(tc.h0, tc.h1); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

func testLinearSpec() LinearSpec {
	return LinearSpec{Shape: ring.ConvShape{H: 4, W: 5, C: 2, K: 3, KH: 3, KW: 2, StrideH: 2, StrideW: 1, PadTop: 1, PadRight: 1}}
}

func TestVerifyLinearAcceptsACorrelationToWithinOneUnit(t *testing.T) {
	for _, spec := range []LinearSpec{testLinearSpec(), {Shape: ring.LinearShape(7, 4)}} {
		w, h0, h1 := dealLinear(testRand(4), spec)
		if err := VerifyLinearHalves(w, h0, h1); err != nil {
			t.Fatal(err)
		}
		explicit := LinearHalf0{Spec: spec, S: h0.Mask()}
		h1.Y[0]++
		h1.Y[1]--
		if err := VerifyLinearHalves(w, explicit, h1); err != nil {
			t.Errorf("one unit is within tolerance: %v", err)
		}
		h1.Y[0]++
		if VerifyLinearHalves(w, explicit, h1) == nil {
			t.Error("two units passed")
		}
	}
}

func TestVerifyLinearCatchesFlippedBits(t *testing.T) {
	w, h0, h1 := dealLinear(testRand(5), LinearSpec{Shape: ring.LinearShape(3, 2)})
	h0.S, h1.R = h0.Mask(), h1.Mask()
	for name, v := range map[string][]uint64{"s": h0.S, "r": h1.R, "W·r − s": h1.Y} {
		for i := range v {
			for bit := 2; bit < 40; bit++ { // below: within tolerance; above: W·2^bit may vanish mod 2^64
				v[i] ^= 1 << bit
				if VerifyLinearHalves(w, h0, h1) == nil {
					t.Errorf("%s, element %d: flipping bit %d passed", name, i, bit)
				}
				v[i] ^= 1 << bit
			}
		}
	}
	w[0]++
	if VerifyLinearHalves(w, h0, h1) == nil {
		t.Error("another weight passed")
	}
}

func TestVerifyLinearRefusesHalvesThatDoNotMatch(t *testing.T) {
	w, h0, h1 := dealLinear(testRand(6), testLinearSpec())
	other := h1
	other.Spec.Shape.K++
	short := h1
	short.Y = h1.Y[1:]
	bad := LinearSpec{Shape: ring.LinearShape(0, 1)}
	for _, tc := range []struct {
		w    []int16
		h0   LinearHalf0
		h1   LinearHalf1
		want string
	}{
		{w, h0, other, "party 0 holds"},
		{w, h0, short, "do not fit"},
		{w[1:], h0, h1, "do not fit"},
		{nil, LinearHalf0{Spec: bad}, LinearHalf1{Spec: bad}, "input channels is 0"},
	} {
		if err := VerifyLinearHalves(tc.w, tc.h0, tc.h1); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

func TestAHalfKeepsItsMasksInRangeAndApart(t *testing.T) {
	r := testRand(7)
	b := testBundle(r, 0)
	for l, a := range b.Spec.Activations {
		h := b.Powers(l)
		rho := h.Rho()
		for i, v := range b.OpeningMask(l, rho) {
			if rho[i]>>a.Powers.MaskBits != 0 {
				t.Errorf("layer %d: ρ = %#x has more than %d bits", l, rho[i], a.Powers.MaskBits)
			}
			if v>>a.LowBits != rho[i] {
				t.Errorf("layer %d: R = %#x is not ρ·2^%d and something below", l, v, a.LowBits)
			}
		}
	}
	all := map[uint64]string{}
	for name, v := range map[string][]uint64{
		"input": b.InputMask(), "activation 0": b.ActivationMask(0), "activation 1": b.ActivationMask(1),
		"linear 0": b.LinearMask(0), "linear 1": b.LinearMask(1),
		"share 0": b.Powers(0).Expand()[0].Lo, "share 1": b.Powers(1).Expand()[0].Lo,
	} {
		for _, x := range v {
			if before, ok := all[x]; ok {
				t.Errorf("%s and %s share an element", name, before)
			}
			all[x] = name
		}
	}
	if !slices.Equal(b.InputMask(), b.InputMask()) {
		t.Error("a mask differs when it is expanded again")
	}
}

package correlation

import (
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

func TestABundleKeepsItsMasksInRangeAndApart(t *testing.T) {
	b := testBundle(testRand(30), 0)
	for l, a := range b.Spec.Activations {
		rho := b.Powers[l].Rho()
		for i, v := range b.OpeningMask(l) {
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
		"dither": b.Dither(64), "linear 0": b.Linear[0].S(), "linear 1": b.Linear[1].S(),
		"share 0": b.Powers[0].Column(1), "share 1": b.Powers[1].Column(1),
	} {
		for _, x := range v {
			if before, ok := all[x]; ok {
				t.Errorf("%s and %s share an element", name, before)
			}
			all[x] = name
		}
	}
	if !slices.Equal(b.InputMask(), b.InputMask()) || !slices.Equal(b.OpeningMask(0), b.OpeningMask(0)) {
		t.Error("a mask differs when it is expanded again")
	}
}

func TestTheSeedOfABundleExpandsToTheKnownAnswers(t *testing.T) {
	b := &Bundle{Spec: testBundleSpec(), Seed: knownSeed()}
	// Computed as those of halves: the streams "bundle/input" and "bundle/dither".
	if got, want := b.InputMask()[:2], []uint64{0xf49f74abefecd2ca, 0x7b958186485cf2d6}; !slices.Equal(got, want) {
		t.Errorf("the mask of the input is %x, not %x", got, want)
	}
	if got, want := b.Dither(64)[0], uint64(0x47394f90499fb73e^1<<63); got != want {
		t.Errorf("the dither is %x, not %x", got, want)
	}
	if got, want := b.Dither(8)[1], uint64(0xb4)-128; got != want {
		t.Errorf("the dither of 8 bits is %x, not %x", got, want)
	}
}

func TestADitherIsBetweenItsBounds(t *testing.T) {
	b := &Bundle{Spec: testBundleSpec(), Seed: knownSeed()}
	b.Spec.Output = 1000
	if slices.ContainsFunc(b.Dither(0), func(u uint64) bool { return u != 0 }) {
		t.Error("a dither of no bits is not zero")
	}
	for _, bits := range []uint{1, 2, 5} {
		seen := map[int64]bool{}
		for _, u := range b.Dither(bits) {
			seen[int64(u)] = true
		}
		for u := int64(-1) << (bits - 1); u < 1<<(bits-1); u++ {
			if !seen[u] {
				t.Errorf("%d bits: %d never comes up", bits, u)
			}
			delete(seen, u)
		}
		if len(seen) > 0 {
			t.Errorf("%d bits: %v are out of bounds", bits, seen)
		}
	}
}

func TestOpeningMasksDoNotTouchExplicitColumns(t *testing.T) {
	b := testBundle(testRand(31), 1)
	b.Powers[0] = withExplicit(b.Powers[0], 1<<len(b.Powers[0].Columns)-1)
	before := slices.Clone(b.Powers[0].Rho())
	clear(b.OpeningMask(0))
	if !slices.Equal(b.Powers[0].Rho(), before) {
		t.Error("writing to an opening mask changes ρ")
	}
}

func TestBundleSpecificationsAreChecked(t *testing.T) {
	if err := testBundleSpec().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change func(*BundleSpec)
		want   string
	}{
		{func(s *BundleSpec) { s.Input = 0 }, "bundle of 0 inputs and 3 outputs"},
		{func(s *BundleSpec) { s.Input = MaxElements + 1 }, "268435457 inputs"},
		{func(s *BundleSpec) { s.Output = -1 }, "12 inputs and -1 outputs"},
		{func(s *BundleSpec) { s.Output = MaxElements + 1 }, "268435457 outputs"},
		{func(s *BundleSpec) { s.Activations[1].Powers.Degree = 9 }, "activation layer 1: powers to degree 9"},
		{func(s *BundleSpec) { s.Activations[0].Powers = Spec{Kind: Triples, N: 3} }, "activation layer 0: triples in the place of powers"},
		{func(s *BundleSpec) { s.Activations[0].Powers = Spec{} }, "activation layer 0: kind 0 in the place of powers"},
		{func(s *BundleSpec) { s.Activations[0].LowBits = 9 }, "activation layer 0: masks of 54 + 9 bits leave no room in 64"},
		{func(s *BundleSpec) { s.Activations[1].LowBits = ^uint(0) }, "activation layer 1: masks of 50 + 18446744073709551615 bits"},
		{func(s *BundleSpec) { s.Linear[0].Shape.KH = 2 }, "linear layer 0: linear: kernel"},
		{func(s *BundleSpec) { s.Linear[1] = s.Linear[0] }, "linear layer 1: specification of 1 inferences with layer 0"},
		{func(s *BundleSpec) { s.Linear[1].N = 2 }, "linear layer 1: specification of 2 inferences"},
		{func(s *BundleSpec) { s.Linear[1] = MatrixSpec(1, 5, 3, 1, false) }, "linear layer 1: matrix in the place of linear"},
	} {
		s := testBundleSpec()
		tc.change(s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
		if _, err := UnmarshalBundle(s, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("decoding: error %v, want one with %q", err, tc.want)
		}
	}
	s := testBundleSpec()
	s.Activations[0].LowBits = 8
	s.Activations[1] = ActivationSpec{Powers: Spec{Kind: Powers, N: 1, Degree: 2, MaskBits: 61}, LowBits: 1}
	if err := s.Validate(); err != nil {
		t.Errorf("masks of 62 bits: %v", err)
	}
}

func TestImpossibleBundlesHaveNoEncoding(t *testing.T) {
	r := testRand(25)
	for _, tc := range []struct {
		change func(*Bundle)
		party  int
		want   string
	}{
		{func(b *Bundle) { b.Spec = nil }, 0, "without a specification"},
		{func(b *Bundle) { b.Spec.Input = 0 }, 0, "0 inputs"},
		{func(b *Bundle) { b.Spec.Activations[1].LowBits = ^uint(0) }, 0, "leave no room"},
		{func(b *Bundle) { b.Party = 2 }, 0, "party 2"},
		{func(b *Bundle) { b.Party = -1 }, 0, "party -1"},
		{func(b *Bundle) { b.Party = 1 }, 0, "the half is of another correlation or party"},
		{func(b *Bundle) { b.Opening = b.Opening[:1] }, 0, "openings and powers of 1 and 2 activation layers, not of 2"},
		{func(b *Bundle) { b.Powers = b.Powers[:1] }, 0, "openings and powers of 2 and 1"},
		{func(b *Bundle) { b.Opening[1] = b.Opening[1][:2] }, 0, "activation layer 1: 2 openings, not 3"},
		{func(b *Bundle) { b.Powers[0] = nil }, 0, "activation layer 0: the half is of another"},
		{func(b *Bundle) { b.Powers[0] = b.Powers[1] }, 0, "activation layer 0: the half is of another"},
		{func(b *Bundle) { b.Powers[0].Columns[1] = make([]uint64, 4) }, 1, "activation layer 0: powers: column lo2 has 4 words, not 5"},
		{func(b *Bundle) { b.Powers[1].From = -1 }, 1, "activation layer 1: powers from element -1"},
		{func(b *Bundle) { b.Linear = nil }, 0, "halves of 0 linear layers, not of 2"},
		{func(b *Bundle) { b.Linear = make([]*Half, 2) }, 1, "party 1 holds halves of 2 linear layers, not of 0"},
		{func(b *Bundle) { b.Linear[1] = nil }, 0, "linear layer 1: the half is of another"},
		{func(b *Bundle) { b.Linear[0], b.Linear[1] = b.Linear[1], b.Linear[0] }, 0, "linear layer 0: the half is of another"},
		{func(b *Bundle) { b.Linear[1].Columns[0] = []uint64{1} }, 0, "linear layer 1: linear: column s has 1 words, not 3"},
		{func(b *Bundle) { b.Output = []uint64{1} }, 0, "1 elements of the output, not 0"},
		{func(b *Bundle) { b.Output = nil }, 1, "0 elements of the output, not 3"},
	} {
		b := testBundle(r, tc.party)
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
		tc.change(b)
		if _, err := b.MarshalBinary(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
	none := &Bundle{Spec: &BundleSpec{Input: 2, Output: 1, Linear: []Spec{{Kind: Linear, N: 1, Shape: ring.LinearShape(2, 1)}}}, Party: 1, Output: []uint64{7}}
	if err := none.Validate(); err != nil {
		t.Errorf("a bundle without activations: %v", err)
	}
}

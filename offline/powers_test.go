package offline

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

// powersPair returns both parties with a fresh key.
func powersPair(t testing.TB, degree int, maskBits uint) (*PowersEncryptor, *PowersEvaluator) {
	t.Helper()
	e, err := NewPowersEncryptor(degree, maskBits)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewPowersEvaluator(degree, maskBits, e.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return e, v
}

// exchange makes a batch of n elements and returns both halves.
func exchange(t testing.TB, e *PowersEncryptor, v *PowersEvaluator, n int) (h0, h1 correlation.PowersHalf) {
	t.Helper()
	spec := correlation.PowersSpec{N: n, Degree: e.degree, MaskBits: e.maskBits}
	h0 = correlation.PowersHalf{Spec: spec, Seed: ring.NewSeed()}
	h1 = correlation.PowersHalf{Spec: spec, Seed: ring.NewSeed()}
	query, err := e.Encrypt(h1.Rho())
	if err != nil {
		t.Fatal(err)
	}
	reply, err := v.Evaluate(h0.Rho(), h0.Expand(), query)
	if err != nil {
		t.Fatal(err)
	}
	if h1.Shares, err = e.Decrypt(h1.Rho(), reply); err != nil {
		t.Fatal(err)
	}
	return h0, h1
}

func TestPowersAddUpAtEveryDegreeAndWidth(t *testing.T) {
	widths := map[int][]uint{2: {1, 53, 61}, 3: {54, 17}, 4: {53, 56, 61}, 5: {54, 58}, 6: {53, 30}, 7: {56}, 8: {56, 61}}
	for degree := 2; degree <= 8; degree++ {
		for _, maskBits := range widths[degree] {
			t.Run(fmt.Sprintf("degree %d, %d bits", degree, maskBits), func(t *testing.T) {
				t.Parallel()
				e, v := powersPair(t, degree, maskBits)
				for _, n := range []int{PowersSlots, 1 + rand.IntN(PowersSlots)} {
					h0, h1 := exchange(t, e, v, n)
					if err := correlation.VerifyPowers(h0, h1); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

func BenchmarkPowers(b *testing.B) {
	for _, c := range []struct {
		degree   int
		maskBits uint
	}{{2, 53}, {3, 53}, {4, 53}, {4, 56}, {5, 53}, {6, 53}, {8, 53}} {
		e, v := powersPair(b, c.degree, c.maskBits)
		spec := correlation.PowersSpec{N: PowersSlots, Degree: c.degree, MaskBits: c.maskBits}
		h0 := correlation.PowersHalf{Spec: spec, Seed: ring.NewSeed()}
		h1 := correlation.PowersHalf{Spec: spec, Seed: ring.NewSeed()}
		rho0, rho1, shares := h0.Rho(), h1.Rho(), h0.Expand()
		query, err := e.Encrypt(rho1)
		if err != nil {
			b.Fatal(err)
		}
		reply, err := v.Evaluate(rho0, shares, query)
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, bytes int, f func() error) {
			b.Run(fmt.Sprintf("degree=%d/bits=%d/%s", c.degree, c.maskBits, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
				if bytes > 0 {
					b.ReportMetric(float64(bytes)/PowersSlots, "B/element")
				}
			})
		}
		run("encrypt", len(query), func() error { _, err := e.Encrypt(rho1); return err })
		run("evaluate", len(reply), func() error { _, err := v.Evaluate(rho0, shares, query); return err })
		run("decrypt", 0, func() error { _, err := e.Decrypt(rho1, reply); return err })
	}
}

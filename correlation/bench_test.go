package correlation

import (
	"testing"

	"pascaline/ring"
)

func BenchmarkHalf(b *testing.B) {
	for _, spec := range []Spec{
		{Kind: Triples, N: 1 << 18},
		{Kind: Powers, N: 1 << 16, Degree: 4, MaskBits: 52},
		MatrixSpec(64, 64, 64, 1<<6, false),
	} {
		r := testRand(70)
		h0, h1 := SeedHalf(spec, 0, testSeed(r)), SeedHalf(spec, 1, testSeed(r))
		whole := withExplicit(h0, 1<<len(h0.Columns)-1)
		data := encode(b, whole)
		run := func(name string, f func()) {
			b.Run(spec.Pool()+" "+name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(spec.N)*float64(b.N)/b.Elapsed().Seconds(), "elements/s")
			})
		}
		run("expand", func() {
			for i := range h0.Columns {
				h0.Column(i)
			}
		})
		run("encode", func() { encode(b, whole) })
		run("decode", func() {
			if _, err := UnmarshalHalf(spec, 0, data); err != nil {
				b.Fatal(err)
			}
		})
		run("complete", func() { Complete(h0, h1) })
		run("verify", func() {
			if err := Verify(h0, h1); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkBundle(b *testing.B) {
	const n = 1 << 16
	spec := testBundleSpec()
	spec.Activations = []ActivationSpec{{Powers: Spec{Kind: Powers, N: n, Degree: 4, MaskBits: 54}, LowBits: 8}}
	r := testRand(71)
	shares := withExplicit(SeedHalf(spec.Activations[0].Powers, 1, ring.NewSeed()), 0x7e)
	bundle := &Bundle{Spec: spec, Party: 1, Powers: []*Half{shares}, Opening: [][]uint64{randomWords(r, n)}, Output: randomWords(r, spec.Output)}
	data := encode(b, bundle)
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			encode(b, bundle)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := UnmarshalBundle(spec, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

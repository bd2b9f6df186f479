package ring

import (
	"fmt"
	"slices"
	"testing"
)

func TestAnActivationIsItsSteps(t *testing.T) {
	const fw, m = 8, 20
	r := testRand(51)
	p := mustPascal(t, pillarDegree4, 10, 9, 9)
	for name := range p.eachKernel() {
		for _, n := range []int{0, 1, 7, 40, activationBlock - 1, activationBlock, activationBlock + 1, 1<<12 + 8, 1<<13 + 13} {
			z0, z1, blind := randomWords(r, n), randomWords(r, n), randomWords(r, n)
			in := newEvalInput(4, n, r.Uint64)
			wantC, wantAnswer := make([]uint64, n), make([]uint64, n)
			OpenMasked(wantC, z0, z1, fw, m)
			p.Eval(wantAnswer, 1, wantC, in.rho, in.shares)
			Sub(wantAnswer, wantAnswer, blind)

			msg := AppendWords(nil, z0)
			for party := range 2 {
				want, got := make([]uint64, n), make([]uint64, n)
				p.Eval(want, party, wantC, in.rho, in.shares)
				p.Activate(got, party, z0, z1, in.rho, in.shares, fw, m)
				over0, over1 := slices.Clone(z0), slices.Clone(z1)
				p.Activate(over0, party, over0, z1, in.rho, in.shares, fw, m)
				p.Activate(over1, party, z0, over1, in.rho, in.shares, fw, m)
				if !slices.Equal(got, want) || !slices.Equal(over0, want) || !slices.Equal(over1, want) {
					t.Fatalf("%s kernel, %d elements: party %d gets another share", name, n, party)
				}
			}
			answer := make([]byte, 8*n)
			shifted := append([]byte{1}, msg...)[1:] // at any address
			p.Answer(answer, shifted, z1, in.rho, in.shares, blind, fw, m)
			p.Answer(msg, msg, z1, in.rho, in.shares, blind, fw, m)
			if want := AppendWords(nil, wantAnswer); !slices.Equal(answer, want) || !slices.Equal(msg, want) {
				t.Fatalf("%s kernel, %d elements: the client answers something else", name, n)
			}
		}
	}
}

func TestAddWordsIsAddFromAnyAddress(t *testing.T) {
	r := testRand(54)
	for _, n := range []int{0, 1, 7, 40, activationBlock, 2*activationBlock + 5} {
		v, want := randomWords(r, n), randomWords(r, n)
		got := slices.Clone(want)
		AddWords(got, AppendWords([]byte{1, 2, 3}, v)[3:])
		Add(want, want, v)
		if !slices.Equal(got, want) {
			t.Errorf("%d elements: AddWords is not Add", n)
		}
	}
}

func TestAnActivationAllocatesNothing(t *testing.T) {
	const n = 1000
	r := testRand(52)
	p := mustPascal(t, pillarDegree4, 10, 9, 9)
	y, mask, z1, msg := randomWords(r, n), randomWords(r, n), randomWords(r, n), make([]byte, 8*n)
	in := newEvalInput(4, n, r.Uint64)
	for name := range p.eachKernel() {
		if got := testing.AllocsPerRun(10, func() {
			p.Activate(y, 0, y, z1, in.rho, in.shares, 8, 20)
			var room [7]Vec128
			p.Eval(in.c[10:], 0, in.c[10:], in.rho[10:], Slice128(room[:0], in.shares, 10, n))
			p.Answer(msg, msg, z1, in.rho, in.shares, mask, 8, 20)
			AddWords(y, msg)
		}); got != 0 {
			t.Errorf("%s kernel: %v allocations", name, got)
		}
	}
}

func TestAnActivationRefusesVectorsOfDifferentLengths(t *testing.T) {
	p := mustPascal(t, pillarDegree4, 10, 9, 9)
	three, four := make([]uint64, 3), make([]uint64, 4)
	shares := []Vec128{MakeVec128(3), MakeVec128(3), MakeVec128(3)}
	for name, f := range map[string]func(){
		"PutWords":    func() { PutWords(make([]byte, 23), three) },
		"Words":       func() { Words(three, make([]byte, 25)) },
		"AddWords":    func() { AddWords(three, make([]byte, 32)) },
		"activation":  func() { p.Activate(three, 0, three, four, three, shares, 8, 20) },
		"rho":         func() { p.Activate(three, 0, three, three, four, shares, 8, 20) },
		"powers":      func() { p.Activate(three, 0, three, three, three, shares[1:], 8, 20) },
		"answer":      func() { p.Answer(make([]byte, 23), make([]byte, 24), three, three, shares, three, 8, 20) },
		"answer mask": func() { p.Answer(make([]byte, 24), make([]byte, 24), three, three, shares, four, 8, 20) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: went on with lengths that differ", name)
				}
			}()
			f()
		}()
	}
}

// BenchmarkActivation is one layer of 2^18 elements: Activate and AddWords at the
// server, Answer at the client.
func BenchmarkActivation(b *testing.B) {
	const n = 1 << 18
	r := testRand(53)
	p := mustPascal(b, pillarDegree4, 10, 9, 9)
	y, mask, z1, msg := randomWords(r, n), randomWords(r, n), randomWords(r, n), make([]byte, 8*n)
	in := newEvalInput(4, n, r.Uint64)
	for kernel := range p.eachKernel() {
		for _, bm := range []struct {
			name string
			f    func()
		}{
			{"Activate", func() { p.Activate(y, 0, in.c, z1, in.rho, in.shares, 8, 20) }},
			{"AddWords", func() { AddWords(y, msg) }},
			{"Answer", func() { p.Answer(msg, msg, z1, in.rho, in.shares, mask, 8, 20) }},
		} {
			b.Run(fmt.Sprintf("%s/%s", bm.name, kernel), func(b *testing.B) {
				for b.Loop() {
					bm.f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/element")
			})
		}
	}
}

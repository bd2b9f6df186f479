package ring

import (
	"math"
	"math/big"
	"testing"
)

// openedLayer runs one activation layer of the online protocol, design section
// 4, on the values y: fresh masks, opening, Pascal's triangle, truncation. It
// returns t = c − ρ and the sum of the parties' shares of P.
func openedLayer(t *testing.T, seed uint64, p *Pascal, y []uint64, fw, m uint) (arg []int64, sum []uint64) {
	t.Helper()
	r := testRand(seed)
	n := len(y)
	mask := dealMask(r, n, p.Degree(), min(61, 62-fw))
	// y = y_S + y_C, R = ρ·2^fw + λ, each party its own part
	z0, z1 := make([]uint64, n), make([]uint64, n)
	for i := range y {
		y0 := r.Uint64()
		z0[i] = y0 + mask.rho[0][i]<<fw + r.Uint64N(1<<fw) + OpeningOffset(fw, m)
		z1[i] = y[i] - y0 + mask.rho[1][i]<<fw + r.Uint64N(1<<fw)
	}
	c := make([]uint64, n)
	OpenMasked(c, z0, z1, fw, m)
	for i := range c {
		arg = append(arg, int64(c[i]-mask.rho[0][i]-mask.rho[1][i]))
	}
	return arg, mask.eval(p, c)
}

// pillarDegree4 is PILLAR's polynomial of degree 4 on [−5, 5], over 1024 (design
// section 11).
var pillarDegree4 = []int64{322, 512, 160, 0, -3}

func TestALayerIsWrongByHalfAUnitRMSAndNeverByThree(t *testing.T) {
	const fa, fw, m, q, n = 9, 8, 20, 10, 20000
	p := mustPascal(t, pillarDegree4, q, fa, fa)
	r := testRand(20)
	y := make([]uint64, n)
	const edge = 5 << (fa + fw)
	for i := range y {
		y[i] = uint64(r.Int64N(2*edge+1) - edge)
	}
	_, sum := openedLayer(t, 21, p, y, fw, m)
	var total, squares, worst float64
	for i := range y {
		x := float64(int64(y[i])) / (1 << (fa + fw))
		want := 0.0
		for k := len(pillarDegree4) - 1; k >= 0; k-- {
			want = want*x + float64(pillarDegree4[k])/(1<<q)
		}
		e := float64(int64(sum[i])) - want*(1<<fa)
		total, squares, worst = total+e, squares+e*e, max(worst, math.Abs(e))
	}
	mean, rms := total/n, math.Sqrt(squares/n)
	t.Logf("error in units of 2^−%d: mean %.4f, rms %.3f, at most %.2f", fa, mean, rms, worst)
	if math.Abs(mean) > 4*rms/math.Sqrt(n) {
		t.Errorf("biased by %.4f units", mean)
	}
	if rms > 0.6 || worst > 2.5 {
		t.Errorf("error %.3f units rms, %.2f at most; want 0.5 and 2.5", rms, worst)
	}
}

func TestAnOpeningIsRightAtTheEdgesAndFarOutside(t *testing.T) {
	const fa, q = 9, 10
	p := mustPascal(t, pillarDegree4, q, fa, fa)
	for _, bits := range []struct{ fw, m uint }{{8, 20}, {9, 22}, {0, 12}, {1, 1}, {10, 14}, {12, 12}} {
		var y []uint64
		for range 40 { // many masks for each value
			for _, v := range []int64{0, 1, 1<<bits.m - 1, 1 << bits.m, 1<<bits.m + 1, 1 << 30, 1 << 55, 1<<55 + 12345, 1 << 61} {
				y = append(y, uint64(v), uint64(-v))
			}
		}
		arg, sum := openedLayer(t, 22, p, y, bits.fw, bits.m)
		for i, v := range y {
			off := new(big.Int).Lsh(big.NewInt(arg[i]), bits.fw)
			off.Sub(off, big.NewInt(int64(v)))
			if limit := big.NewInt(3 << bits.fw >> 1); off.CmpAbs(limit) > 0 {
				t.Fatalf("fw %d, m %d: y = %d opened as %d·2^%d", bits.fw, bits.m, int64(v), arg[i], bits.fw)
			}
			if d := unitsApart(sum[i], exact(pillarDegree4, fa, big.NewInt(arg[i])), p.Shift()); d < 0 || d > 1 {
				t.Fatalf("fw %d, m %d: y = %d: activation %d units off", bits.fw, bits.m, int64(v), d)
			}
		}
	}
}

func TestAnOpeningWithoutDroppedBitsIsExact(t *testing.T) {
	p := mustPascal(t, pillarDegree4, 10, 9, 9)
	y := []uint64{0, 1, ^uint64(0), 4095, 1 << 40, ^uint64(1 << 40)}
	arg, _ := openedLayer(t, 23, p, y, 0, 12)
	for i := range y {
		if arg[i] != int64(y[i]) {
			t.Errorf("%d opened as %d", int64(y[i]), arg[i])
		}
	}
}

func TestOpeningOffset(t *testing.T) {
	for _, tc := range []struct {
		fw, m uint
		want  uint64
	}{{8, 20, 1<<20 - 128}, {1, 10, 1023}, {0, 10, 1024}} {
		if got := OpeningOffset(tc.fw, tc.m); got != tc.want {
			t.Errorf("OpeningOffset(%d, %d) = %d, want %d", tc.fw, tc.m, got, tc.want)
		}
	}
}

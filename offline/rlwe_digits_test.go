package offline

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// integersIn returns n integers below the product of the first count primes of r,
// extremes among them, and their residues.
func integersIn(r *rlwe, count, n int) ([]*big.Int, [][]uint64) {
	whole := productOf(r.q[:count])
	rng := rand.New(rand.NewPCG(7, 8))
	x := make([]*big.Int, n)
	residues := vectors(count, n)
	for j := range x {
		x[j] = new(big.Int)
		for range count + 1 {
			x[j].Lsh(x[j], 64).Or(x[j], new(big.Int).SetUint64(rng.Uint64()))
		}
		switch j {
		case 0:
			x[j].SetInt64(0)
		case 1:
			x[j].Sub(whole, big.NewInt(1))
		case 2:
			x[j].SetUint64(r.q[0])
		}
		x[j].Mod(x[j], whole)
		for i := range residues {
			residues[i][j] = new(big.Int).Mod(x[j], new(big.Int).SetUint64(r.q[i])).Uint64()
		}
	}
	return x, residues
}

func TestDigitsInMixedRadixMakeTheIntegersOfResidues(t *testing.T) {
	const n = 100
	r, err := newRLWE(64, primesBelow(57, 3, 64)...)
	if err != nil {
		t.Fatal(err)
	}
	for count := 1; count <= 3; count++ {
		x, digits := integersIn(r, count, n)
		m := r.mixedRadix(count)
		m.digits(digits)
		for width := 1; width <= 3; width++ {
			planes := vectors(width, n)
			planes[width-1][0] = 1 // what was there is overwritten
			m.integer(planes, digits)
			for j := range x {
				for l, w := range wordsOf(x[j], width) {
					if planes[l][j] != w {
						t.Fatalf("%d primes: word %d of %v is %d, not %d", count, l, x[j], planes[l][j], w)
					}
				}
			}
		}
		for j := range x {
			sum := new(big.Int)
			for i, w := range m.weight {
				if digits[i][j] >= r.q[i] {
					t.Fatalf("digit %d is not below its prime", i)
				}
				d := new(big.Int).SetUint64(digits[i][j])
				sum.Add(sum, d.Mul(d, w))
			}
			if sum.Cmp(x[j]) != 0 {
				t.Fatalf("%d primes: the digits of %v make %v", count, x[j], sum)
			}
		}
	}
}

func TestPrimesAreNextToWhatTheyAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		bits          uint
		count, degree int
	}{{57, 5, 16384}, {58, 2, 16384}, {20, 3, 8}, {61, 3, 8192}} {
		primes := primesBelow(c.bits, c.count, c.degree)
		if len(primes) != c.count {
			t.Fatalf("%+v: %d primes", c, len(primes))
		}
		at := 0
		for x := primes[0]; x < 1<<c.bits; x += 2 * uint64(c.degree) {
			if new(big.Int).SetUint64(x).ProbablyPrime(20) {
				if at == len(primes) || primes[at] != x {
					t.Fatalf("%+v: the primes are %v", c, primes)
				}
				at++
			}
		}
		if at != len(primes) || primes[0]%uint64(2*c.degree) != 1 {
			t.Errorf("%+v: the primes are %v", c, primes)
		}

		bound := power2(c.bits * uint(c.count))
		reaching := primesReaching(bound, c.count, c.degree)
		if productOf(reaching).Cmp(bound) < 0 {
			t.Errorf("%+v: the product of %v does not reach the bound", c, reaching)
		}
		at = 0
		for x := uint64(1)<<c.bits + 1; at < c.count; x += 2 * uint64(c.degree) {
			if new(big.Int).SetUint64(x).ProbablyPrime(20) {
				if reaching[at] != x {
					t.Fatalf("%+v: the primes from 2^%d on are %v", c, c.bits, reaching)
				}
				at++
			}
		}
	}
}

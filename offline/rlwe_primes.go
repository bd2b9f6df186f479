package offline

import "math/big"

// primesReaching returns the count smallest primes, 1 mod 2·degree, whose
// product is certain to reach bound because each one reaches its count-th root.
// They ascend.
func primesReaching(bound *big.Int, count, degree int) []uint64 {
	root := uint64(0)
	for b := 61; b >= 0; b-- { // the largest root with root^count < bound
		try := new(big.Int).SetUint64(root | 1<<b)
		if try.Exp(try, big.NewInt(int64(count)), nil).Cmp(bound) < 0 {
			root |= 1 << b
		}
	}
	step := 2 * uint64(degree)
	var primes []uint64
	for t := root/step*step + step + 1; len(primes) < count; t += step {
		if isPrime(t) {
			primes = append(primes, t)
		}
	}
	return primes
}

// primesBelow returns the count largest primes below 2^bits that are 1 mod
// 2·degree. They ascend.
func primesBelow(bits uint, count, degree int) []uint64 {
	primes := make([]uint64, count)
	for t := uint64(1)<<bits + 1; count > 0; {
		if t -= 2 * uint64(degree); isPrime(t) {
			count--
			primes[count] = t
		}
	}
	return primes
}

// isPrime is exact.
func isPrime(t uint64) bool { return new(big.Int).SetUint64(t).ProbablyPrime(0) }

// productOf returns the product of primes.
func productOf(primes []uint64) *big.Int {
	x := big.NewInt(1)
	for _, p := range primes {
		x.Mul(x, new(big.Int).SetUint64(p))
	}
	return x
}

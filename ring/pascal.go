package ring

import (
	"fmt"
	"math/big"
	"slices"
	"unsafe"
)

// Degrees that a [Pascal] takes.
const (
	minDegree = 2
	maxDegree = 8
)

// A Pascal evaluates one polynomial
//
//	P(t) = Σ_k α_k t^k / 2^q,  t carrying fa fractional bits,
//
// at t = c − ρ, where c is public and the powers of ρ are shared mod 2^128, and
// truncates to fracOut fractional bits: design section 4, steps 3 and 4. By the
// binomial theorem, with t the integer,
//
//	p = P(t)·2^(fa·d+q) = Σ_i κ_i(c)·ρ^i,
//	κ_i(c) = (−1)^i Σ_{k≥i} α_k 2^(fa(d−k)) binom(k,i) c^(k−i)  mod 2^128,
//
// which is linear in the ρ^i, so each party applies it to its own shares. A
// Pascal does not change and may be used by several goroutines.
type Pascal struct {
	degree int
	shift  uint // s = fa·d + q − fracOut
	// kappa[i][j] is the coefficient of c^j in κ_i(c), mod 2^128. kappa[0] is
	// the polynomial itself.
	kappa [maxDegree + 1]kappa
	code  pascalCode // for the vector kernels
	// scaled are the integers α_k 2^(fa(d−k)).
	scaled []*big.Int
}

// NewPascal prepares the polynomial of coefficients α_k/2^q, k = 0..d, for
// arguments of fa and results of fracOut fractional bits. The degree d =
// len(alpha)−1 must be from 2 to 8, the number of bits to drop, fa·d+q−fracOut,
// from 0 to 127, and every α_k·2^(fa(d−k)) below 2^127 in magnitude. It will be
// evaluated by the kernel that [SelectKernel] chose.
func NewPascal(alpha []int64, q, fa, fracOut uint) (*Pascal, error) {
	d := len(alpha) - 1
	if d < minDegree || d > maxDegree {
		return nil, fmt.Errorf("polynomial of degree %d; it must be from %d to %d", d, minDegree, maxDegree)
	}
	for _, bits := range []uint{q, fa, fracOut} {
		if bits > 127 {
			return nil, fmt.Errorf("polynomial with %d fractional bits in coefficients, argument or result; there can be 127", bits)
		}
	}
	full := fa*uint(d) + q
	if fracOut > full || full-fracOut > 127 {
		return nil, fmt.Errorf("polynomial of degree %d: going from %d·%d + %d fractional bits to %d must drop from 0 to 127; change those of the argument",
			d, d, fa, q, fracOut)
	}
	p := &Pascal{degree: d, shift: full - fracOut}
	for k, a := range alpha {
		v := new(big.Int).Lsh(big.NewInt(a), fa*uint(d-k))
		if v.BitLen() > 127 {
			return nil, fmt.Errorf("polynomial of degree %d: the coefficient of t^%d, %d·2^%d, does not fit in 127 bits; give the argument fewer fractional bits",
				d, k, a, fa*uint(d-k))
		}
		p.scaled = append(p.scaled, v)
	}
	for i := range d + 1 {
		for j := range d - i + 1 {
			v := new(big.Int).Binomial(int64(i+j), int64(i))
			v.Mul(v, p.scaled[i+j])
			if i%2 == 1 {
				v.Neg(v)
			}
			p.kappa[i][j] = reduce128(v)
		}
	}
	p.useKernel(pascalKernel(KernelName()))
	return p, nil
}

// pascalKernel is the kernel for Pascals where the one for convolutions is name.
// For AVX-512 a Pascal needs more of it, and without that takes AVX2.
func pascalKernel(name string) string {
	if name == "avx512" && !slices.Contains(pascalKernels, name) {
		name = "avx2"
	}
	return name
}

// Degree returns the degree of the polynomial.
func (p *Pascal) Degree() int { return p.degree }

// Shift returns s, the number of bits that the truncation drops.
func (p *Pascal) Shift() uint { return p.shift }

// Eval sets dst to party's share, mod 2^64, of P(c − ρ) with fracOut fractional
// bits. c is signed; rho holds the party's own part of ρ, an unsigned integer
// and its share of ρ; shares[k−2] holds its shares of ρ^k mod 2^128. dst may be
// c or rho.
//
// Party 0 rounds its share of p down, party 1 the negative of its own, so that
// the sum lies within one unit of (p + w·2^128)/2^s, where w is 0 or, if the
// shares wrap, ±1. With s ≤ 64 the second term is a multiple of 2^64 and
// vanishes: the truncation is never wrong by more than one unit. With s > 64 it
// is with probability |p|/2^128 (see [Pascal.Magnitude]). Over uniform shares
// the rounding has no bias.
func (p *Pascal) Eval(dst []uint64, party int, c, rho []uint64, shares []Vec128) {
	sameLength("Pascal.Eval", len(dst), len(c))
	p.sameLength("Pascal.Eval", len(dst), rho, shares)
	v := pascalVectors{dst: unsafe.SliceData(dst), masked: unsafe.SliceData(c)}
	if done := p.runVector(v, party, rho, shares, 0, 0); done < len(dst) {
		p.evalPortable(dst, party, c, rho, shares, done)
	}
}

// sameLength checks a party's powers of ρ.
func (p *Pascal) sameLength(op string, n int, rho []uint64, shares []Vec128) {
	sameLength(op, n, len(rho))
	sameLength(op, p.degree-1, len(shares))
	for _, v := range shares {
		sameLength(op, n, len(v.Lo), len(v.Hi))
	}
}

// pascalVectors are the arguments and results of a vector kernel other than the
// powers of ρ, at any address. Where z1 is nil, masked is c itself; where blind
// is nil, it is not subtracted.
type pascalVectors struct{ dst, masked, z1, blind *uint64 }

// EvalClear sets dst to P(c) with fracOut fractional bits, rounded down, mod
// 2^64: what the shares of [Pascal.Eval] at ρ = 0 add up to, to within one unit.
// Where more than 64 bits are dropped, P(c)·2^(fa·d+q) must stay below 2^127 in
// magnitude. dst may be c.
func (p *Pascal) EvalClear(dst, c []uint64) {
	sameLength("Pascal.EvalClear", len(dst), len(c))
	k := &p.kappa[0]
	for e, x := range c {
		a := k[p.degree]
		for j := p.degree - 1; j >= 0; j-- {
			a = a.step(x, &k[j])
		}
		dst[e] = a.shiftRightSigned(p.shift)
	}
}

// Magnitude returns a number of bits b such that |p| = |P(t)|·2^(fa·d+q) < 2^b
// for every |t| ≤ tmax: while b ≤ 127 nothing overflows, and where more than 64
// bits are dropped a truncation fails with probability below 2^(b−128).
func (p *Pascal) Magnitude(tmax uint64) int {
	sum, power, t := new(big.Int), big.NewInt(1), new(big.Int).SetUint64(tmax)
	for _, a := range p.scaled {
		term := new(big.Int).Abs(a)
		sum.Add(sum, term.Mul(term, power))
		power.Mul(power, t)
	}
	return sum.BitLen()
}

// kappa are the coefficients of one κ_i, that of c^j at j.
type kappa [maxDegree + 1]word128

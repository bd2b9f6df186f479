package online

import (
	"fmt"
	"math/bits"
	"slices"

	"pascaline/correlation"
)

// Method is how a session evaluates polynomials.
type Method int

const (
	// Powers opens the argument once, under a mask whose powers are shared mod
	// 2^128: docs/protocol.md section 3. One round, 8 bytes.
	Powers Method = iota
	// ESPN is the arithmetic of the paper: each party raises its own share to all
	// powers, and products give the mixed terms. One round, 8 bytes for each of
	// d(d−1)/2 products; local truncation mod 2^64.
	ESPN
	// Tree multiplies powers with each other, as CrypTen does: ⌈log2 d⌉ rounds, 16
	// bytes for each of d−1 products; local truncation mod 2^64.
	Tree
)

var methodNames = [...]string{Powers: "powers", ESPN: "espn", Tree: "tree"}

// Methods lists all methods.
func Methods() []Method { return []Method{Powers, ESPN, Tree} }

func (m Method) String() string {
	if m < Powers || m > Tree {
		return fmt.Sprintf("method %d", int(m))
	}
	return methodNames[m]
}

// ParseMethod is the inverse of [Method.String].
func ParseMethod(name string) (Method, error) {
	if i := slices.Index(methodNames[:], name); i >= 0 {
		return Method(i), nil
	}
	return 0, fmt.Errorf("unknown method %q of evaluating polynomials; there are powers, espn and tree", name)
}

// Polynomial is P(x) = Σ_k Alpha[k]·x^k / 2^Q and how to evaluate it: of degree 2
// to 8.
type Polynomial struct {
	Alpha  []int64
	Q      uint
	Method Method
	// ArgFrac is the fractional bits that the argument is rounded to by [Powers],
	// at no cost; the other methods take it as it is.
	ArgFrac uint
	// Frac is the fractional bits of the result.
	Frac uint
}

// Degree returns d.
func (p Polynomial) Degree() int { return len(p.Alpha) - 1 }

// Rounds returns how many rounds an evaluation takes.
func (p Polynomial) Rounds() int {
	if p.Method == Tree {
		return bits.Len(uint(p.Degree() - 1)) // ⌈log2 d⌉
	}
	return 1
}

// Bytes returns how many bytes each party sends for an element.
func (p Polynomial) Bytes() int {
	switch d := p.Degree(); p.Method {
	case ESPN:
		return 8 * espnProducts(d)
	case Tree:
		return 16 * (d - 1)
	}
	return 8
}

// Spec returns what evaluating n elements with frac fractional bits takes from
// the source.
func (p Polynomial) Spec(n int, frac uint) correlation.Spec {
	switch d := p.Degree(); p.Method {
	case ESPN:
		return correlation.Spec{Kind: correlation.Products, N: n * espnProducts(d)}
	case Tree:
		return correlation.Spec{Kind: correlation.Triples, N: n * (d - 1)}
	default:
		return correlation.Spec{Kind: correlation.Powers, N: n, Degree: d, MaskBits: p.maskBits(frac)}
	}
}

// Validate reports what makes p impossible for arguments of frac fractional
// bits.
func (p Polynomial) Validate(frac uint) error {
	d := p.Degree()
	switch {
	case p.Method < Powers || p.Method > Tree:
		return fmt.Errorf("polynomial by %v; there are powers, espn and tree", p.Method)
	case d < correlation.MinDegree || d > correlation.MaxDegree:
		return fmt.Errorf("polynomial of degree %d; it must be from %d to %d", d, correlation.MinDegree, correlation.MaxDegree)
	case frac > maxFrac || p.Frac > maxFrac || p.Q > maxFrac:
		return fmt.Errorf("polynomial with %d, %d and %d fractional bits in argument, coefficients and result; there can be %d", frac, p.Q, p.Frac, maxFrac)
	case p.Method == Powers:
		return p.validatePowers(frac)
	case p.Method == ESPN && 2*int(frac) < d:
		return fmt.Errorf("espn of degree %d: the share for x^%d is divided by 2^%d, which leaves nothing of %d fractional bits; give the argument %d",
			d, d, espnDivision(d, frac), frac, (d+1)/2)
	}
	if r := p.Range(frac); r < 1 {
		return fmt.Errorf("%v of degree %d with %d fractional bits: it computes for arguments below %.2g only, for 1 it overflows 64 bits; give the argument fewer fractional bits, or use powers",
			p.Method, d, frac, r)
	}
	return nil
}

// Polynomial returns P of each element of x. [Polynomial.ErrorBound] says how
// exact it is, [Polynomial.GrossErrorRate] how often it fails, and docs/session.md
// why.
func (s *Session) Polynomial(x *Value, p Polynomial) *Value {
	if !s.ready("polynomial", x) {
		return s.none()
	}
	name := fmt.Sprintf("polynomial of %v", x.shape)
	if err := p.Validate(x.frac); err != nil {
		return s.fail("%s: %w", name, err)
	}
	p.Alpha = slices.Clone(p.Alpha)
	v := s.result(name, x.shape, p.Frac, nil)
	o := operation{name: name, spec: p.Spec(len(x.share), x.frac)}
	switch p.Method {
	case ESPN:
		o.begin = func(half *correlation.Half) *opening { return s.espn(p, x, half, v) }
	case Tree:
		o.begin = func(half *correlation.Half) *opening { return s.tree(p, x, half, v) }
	default:
		o.begin = func(half *correlation.Half) *opening { return s.powers(p, x, half, v) }
	}
	return s.enqueue(o, v)
}

// combine returns a share of P from shares of x^k, powers[k−1], all of frac
// fractional bits: the sum of α_k·x^k has q more, and is truncated.
func (s *Session) combine(p Polynomial, powers [][]uint64, frac uint) []uint64 {
	sum := make([]uint64, len(powers[0]))
	if s.party == 0 {
		for i := range sum {
			sum[i] = uint64(p.Alpha[0]) << frac
		}
	}
	for k, x := range powers {
		a := uint64(p.Alpha[k+1])
		for i := range sum {
			sum[i] += a * x[i]
		}
	}
	return s.rescale(sum, frac+p.Q, p.Frac)
}

// rescale takes a share from a number of fractional bits to another.
func (s *Session) rescale(share []uint64, from, to uint) []uint64 {
	if from > to {
		return s.localTruncate(share, from-to)
	}
	for i := range share {
		share[i] <<= to - from
	}
	return share
}

package correlation

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what a correlation is. Its numbers are part of the format, never
// change.
type Kind uint8

// The kinds, and what parties 0 and 1 hold of each element; everything is mod
// 2^64 but the powers, which are mod 2^128 (design section 5).
const (
	Triples     Kind = 1 // shares of a, b and ab
	Squares     Kind = 2 // shares of a and a²
	Products    Kind = 3 // party 0: a and a share of ab; party 1: b and a share of ab
	Matrix      Kind = 4 // shares of A (m×k), B (k×n) and AB
	Convolution Kind = 5 // shares of an image A, weights B, and A convolved with B
	Powers      Kind = 6 // ρ_0 / ρ_1 and shares of ρ², ρ³, …, ρ = ρ_0 + ρ_1
	Linear      Kind = 7 // for the server's W: s / r and W·r − s
)

var kindNames = [...]string{
	Triples: "triples", Squares: "squares", Products: "products", Matrix: "matrix",
	Convolution: "convolution", Powers: "powers", Linear: "linear",
}

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Triples, Squares, Products, Matrix, Convolution, Powers, Linear}
}

func (k Kind) String() string {
	if k < Triples || k > Linear {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kindNames[k]
}

// ParseKind is the inverse of [Kind.String].
func ParseKind(name string) (Kind, error) {
	if i := slices.Index(kindNames[:], name); i > 0 {
		return Kind(i), nil
	}
	return 0, fmt.Errorf("unknown kind %.40q; there are %s", name, strings.Join(kindNames[1:], ", "))
}

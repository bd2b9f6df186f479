package correlation

import (
	"fmt"

	"pascaline/ring"
)

// Half is one party's half of a correlation.
type Half struct {
	Spec  Spec
	Party int
	// Seed expands to the columns that are not explicit; element 0 is element
	// From of their streams.
	Seed ring.Seed
	From int
	// Columns are those of [Spec.Columns], in order; nil where expanded from the
	// seed.
	Columns [][]uint64
}

// NewHalf returns a half that is a fresh seed.
func NewHalf(spec Spec, party int) *Half { return SeedHalf(spec, party, ring.NewSeed()) }

// SeedHalf returns the half that a seed stands for. No two halves may have the
// same.
func SeedHalf(spec Spec, party int, seed ring.Seed) *Half {
	return &Half{Spec: spec, Party: party, Seed: seed, Columns: make([][]uint64, len(spec.Columns(party)))}
}

// Column returns column i, expanding it where it is not explicit; the caller
// does not change it.
func (h *Half) Column(i int) []uint64 {
	if h.Columns[i] != nil {
		return h.Columns[i]
	}
	c := h.Spec.Columns(h.Party)[i]
	v := make([]uint64, c.words(h.Spec.N))
	s := ring.NewStream(h.Seed, "half/"+c.Name)
	if !c.Fixed {
		s.Seek(uint64(h.From) * uint64(c.Width))
	}
	s.FillBits(v, c.Bits)
	return v
}

// named returns the column of that name.
func (h *Half) named(name string) []uint64 {
	for i, c := range h.Spec.Columns(h.Party) {
		if c.Name == name {
			return h.Column(i)
		}
	}
	// A caller's mistake: kinds from outside are checked where they are decoded.
	panic(fmt.Sprintf("correlation: party %d has no column %s of %v", h.Party, name, h.Spec.Kind))
}

// A, B and C return the columns of those names (see [Spec.Columns]), mod 2^64.
func (h *Half) A() []uint64 { return h.named("a") }
func (h *Half) B() []uint64 { return h.named("b") }
func (h *Half) C() []uint64 { return h.named("c") }

// S returns the server's mask s of a linear correlation, mod 2^64, and Y the
// client's W·r − s: one inference after the other.
func (h *Half) S() []uint64 { return h.named("s") }
func (h *Half) Y() []uint64 { return h.named("y") }

// Rho returns this party's part of the masks of powers, integers below
// 2^MaskBits.
func (h *Half) Rho() []uint64 { return h.named("rho") }

// Powers returns this party's shares of ρ² to ρ^Degree, mod 2^128.
func (h *Half) Powers() []ring.Vec128 {
	shares := make([]ring.Vec128, h.Spec.Degree-1)
	for k := range shares {
		shares[k] = ring.Vec128{Lo: h.Column(1 + 2*k), Hi: h.Column(2 + 2*k)}
	}
	return shares
}

// SetPowers makes v the explicit shares of ρ² to ρ^Degree.
func (h *Half) SetPowers(v []ring.Vec128) {
	for k := range v {
		h.Columns[1+2*k], h.Columns[2+2*k] = v[k].Lo, v[k].Hi
	}
}

// Slice returns elements from to to (exclusive) of h, at least one, sharing its
// memory. Of a half and its slice, or of two slices that overlap, only one may be
// used.
func (h *Half) Slice(from, to int) *Half {
	if from < 0 || to > h.Spec.N || from >= to {
		// A caller's mistake: ranges from outside are checked where they are decoded.
		panic(fmt.Sprintf("correlation: elements %d to %d of %d", from, to, h.Spec.N))
	}
	part := &Half{Spec: h.Spec, Party: h.Party, Seed: h.Seed, From: h.From + from, Columns: make([][]uint64, len(h.Columns))}
	part.Spec.N = to - from
	for i, c := range h.Spec.Columns(h.Party) {
		part.Columns[i] = h.Columns[i]
		if h.Columns[i] != nil && !c.Fixed {
			part.Columns[i] = h.Columns[i][from*c.Width : to*c.Width : to*c.Width]
		}
	}
	return part
}

// Validate reports the first part of h that does not fit its specification.
func (h *Half) Validate() error {
	if err := h.Spec.Validate(); err != nil {
		return err
	}
	if h.Party != 0 && h.Party != 1 {
		return fmt.Errorf("%v of party %d; there are 0 and 1", h.Spec.Kind, h.Party)
	}
	if h.From < 0 || h.From > MaxElements-h.Spec.N {
		return fmt.Errorf("%v from element %d of their seed, %d of them; there are %d", h.Spec.Kind, h.From, h.Spec.N, MaxElements)
	}
	columns := h.Spec.Columns(h.Party)
	if len(h.Columns) != len(columns) {
		return fmt.Errorf("%v of %d columns, not %d", h.Spec.Kind, len(h.Columns), len(columns))
	}
	for i, c := range columns {
		v := h.Columns[i]
		if v == nil {
			continue
		}
		if len(v) != c.words(h.Spec.N) {
			return fmt.Errorf("%v: column %s has %d words, not %d", h.Spec.Kind, c.Name, len(v), c.words(h.Spec.N))
		}
		if c.Bits < 64 {
			var all uint64
			for _, x := range v {
				all |= x
			}
			if all>>c.Bits != 0 {
				return fmt.Errorf("%v: column %s is not below 2^%d", h.Spec.Kind, c.Name, c.Bits)
			}
		}
	}
	return nil
}

// Format keeps the half out of logs, errors and debug output, whatever the verb.
func (h Half) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%v(party %d, %d elements, redacted)", h.Spec.Kind, h.Party, h.Spec.N)
}

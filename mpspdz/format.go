package mpspdz

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"pascaline/correlation"
)

// The folders that MP-SPDZ asks for: of two parties' additive shares mod 2^64, in
// GF(2^128), and of bits in words of 64.
const (
	ringFolder  = "2-DR-64"
	fieldFolder = "2-D2-128"
	bitFolder   = "2-DB-64"
)

// header is what every file begins with, MP-SPDZ's file signature: the length of
// what follows (8), the name of the ring, and its bits (4), little-endian.
const header = "\x09\x00\x00\x00\x00\x00\x00\x00" + "Z2^64" + "\x40\x00\x00\x00"

// blockShares is how many shares MP-SPDZ reads of triples and squares at a time
// (BUFFER_SIZE of its Tools/Buffer.h). A block that is cut short by the end of the
// file fails the program, though it may need one share of it.
const blockShares = 101

// Kinds lists the kinds that can be exported.
func Kinds() []correlation.Kind {
	return []correlation.Kind{correlation.Triples, correlation.Squares, correlation.Matrix}
}

// Padded returns how many elements of a kind a file must hold for programs that
// use count of them in all to run.
//
// Of triples and squares that is 34 and 50 more: wherever a program or one of its
// threads begins to read, the last of its blocks ends at most 100 shares after the
// last one that it uses, and 100 shares are part of 34 triples or 50 squares.
// MP-SPDZ reads matrix triples one at a time, and of them it is count.
func Padded(kind correlation.Kind, count int) int {
	shares := 0
	switch kind {
	case correlation.Triples:
		shares = 3
	case correlation.Squares:
		shares = 2
	default:
		return count
	}
	return count + (blockShares-1+shares-1)/shares
}

// fileName returns the name of the file of a pool's elements for one party, or
// what is in the way of there being one.
func fileName(spec correlation.Spec, party int) (string, error) {
	if party != 0 && party != 1 {
		return "", fmt.Errorf("party %d; there are 0 and 1", party)
	}
	if !slices.Contains(Kinds(), spec.Kind) {
		var names []string
		for _, k := range Kinds() {
			names = append(names, k.String())
		}
		return "", fmt.Errorf("MP-SPDZ reads no %v from files; what can be exported is %s", spec.Kind, strings.Join(names, ", "))
	}
	if spec.N < 1 {
		return "", fmt.Errorf("a file of %d elements; there must be at least one", spec.N)
	}
	if spec.Fixed {
		return "", fmt.Errorf("%s: MP-SPDZ opens another operand against every triple, and two against the same one would give their difference away; "+
			"export matrices without a fixed operand", spec.Pool())
	}
	one := spec
	one.N = 1
	if err := one.Validate(); err != nil {
		return "", err
	}
	if spec.N > (math.MaxInt64-len(header))/(8*one.Words()) {
		return "", fmt.Errorf("%v are more than a file can hold", spec)
	}
	switch c := spec.Shape; spec.Kind {
	case correlation.Triples:
		return fmt.Sprintf("Triples-DR-P%d", party), nil
	case correlation.Squares:
		return fmt.Sprintf("Squares-DR-P%d", party), nil
	default:
		return fmt.Sprintf("Matrix-%dx%dx%d-P%d", c.H, c.C, c.K, party), nil
	}
}

// appendShares appends the shares of each element of h in the order of MP-SPDZ,
// which for these kinds is that of [correlation.Spec.Columns].
func appendShares(b []byte, h *correlation.Half) []byte {
	columns := h.Spec.Columns(h.Party)
	left := make([][]uint64, len(columns))
	for i := range columns {
		left[i] = h.Column(i)
	}
	for range h.Spec.N {
		for i, c := range columns {
			for _, x := range left[i][:c.Width] {
				b = binary.LittleEndian.AppendUint64(b, x)
			}
			left[i] = left[i][c.Width:]
		}
	}
	return b
}

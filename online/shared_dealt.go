package online

import (
	"fmt"
	"slices"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// Dealt is one party's share of words that a third party has shared between two:
// a model owner its weights, a client its input. One of the two is a seed.
type Dealt struct {
	Seed  ring.Seed
	Words []uint64 // nil where they are expanded from the seed
}

// Deal shares words mod 2^64 between two parties: the first part is a fresh seed,
// the second the words less its expansion. Each is uniform by itself.
func Deal(words []uint64) (part0, part1 Dealt) {
	part0.Seed = ring.NewSeed()
	part1.Words, _ = part0.share(len(words)) // a seed is of any length
	ring.Sub(part1.Words, words, part1.Words)
	return part0, part1
}

// DealWeights shares a model's weights and biases.
func DealWeights(w *model.Weights) (part0, part1 Dealt) {
	var words []uint64
	for _, l := range w.Layers {
		for _, x := range l.W {
			words = append(words, uint64(int64(x)))
		}
		words = append(words, l.Bias...)
	}
	return Deal(words)
}

// Share returns the share of a value of that shape for a session.
func (d Dealt) Share(s *Session, shape []int, frac uint) *Value {
	if err := checkShape(shape); err != nil {
		return s.fail("a dealt share: %w", err)
	}
	words, err := d.share(elements(shape))
	if err != nil {
		return s.fail("a dealt share of %v %w", shape, err)
	}
	return s.Share(shape, frac, words)
}

// share returns n words. An error completes a sentence.
func (d Dealt) share(n int) ([]uint64, error) {
	if d.Words == nil {
		words := make([]uint64, n)
		ring.NewStream(d.Seed, "session/dealt").Fill(words)
		return words, nil
	}
	if len(d.Words) != n {
		return nil, fmt.Errorf("has %d words, not %d", len(d.Words), n)
	}
	return slices.Clone(d.Words), nil
}

// MarshalBinary encodes d in 32 bytes if it is a seed, else in 8 for each word,
// little-endian, behind a byte that says which: 1 or 2. The encoding is as secret
// as the share.
func (d Dealt) MarshalBinary() ([]byte, error) {
	if d.Words == nil {
		return append([]byte{dealtSeed}, d.Seed[:]...), nil
	}
	return ring.AppendWords([]byte{dealtWords}, d.Words), nil
}

// Part of the format.
const (
	dealtSeed  = 1
	dealtWords = 2
)

// UnmarshalDealt decodes a part of n words.
func UnmarshalDealt(n int, data []byte) (Dealt, error) {
	var d Dealt
	switch {
	case n < 0 || n > correlation.MaxElements:
		return d, fmt.Errorf("decoding a dealt share of %d words; there can be %d", n, correlation.MaxElements)
	case len(data) == 1+ring.SeedSize && data[0] == dealtSeed:
		copy(d.Seed[:], data[1:])
	case len(data) == 1+8*n && data[0] == dealtWords:
		d.Words = make([]uint64, n)
		ring.Words(d.Words, data[1:])
	default:
		return d, fmt.Errorf("decoding a dealt share: %d bytes are neither a seed nor %d words", len(data), n)
	}
	return d, nil
}

// Format keeps the share out of logs, errors and debug output, whatever the verb.
func (d Dealt) Format(f fmt.State, _ rune) { fmt.Fprint(f, "dealt share(redacted)") }

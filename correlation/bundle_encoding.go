package correlation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"pascaline/ring"
)

// MarshalBinary encodes b:
//
//	+------------+----------------+-----------+
//	| header (8) | plan hash (32) | seed (32) |
//	| kind 'B'   |                |           |
//	+------------+----------------+-----------+-----------------------------+
//	| for each activation layer, and at the server for each linear layer:   |
//	| the length (8) of the encoding of its half, and that encoding         |
//	+-----------------------------------------------------------------------+
//	| for each activation layer: the opening z_C, 8·N                       |
//	+-----------------------------------------------------------------------+
//	| client only: its share of the output, 8 for each element              |
//	+-----------------------------------------------------------------------+
//
// No flags are defined. The encoding is as secret as the bundle.
func (b *Bundle) MarshalBinary() ([]byte, error) {
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	halves := slices.Concat(b.Powers, b.Linear)
	size := headerSize + len(b.Spec.Plan) + ring.SeedSize + 8*b.Spec.vectors(b.Party)
	for _, h := range halves {
		size += 8 + h.size()
	}
	data := appendHeader(make([]byte, 0, size), kindBundle, b.Party, 0)
	data = append(data, b.Spec.Plan[:]...)
	data = append(data, b.Seed[:]...)
	for _, h := range halves {
		data = binary.LittleEndian.AppendUint64(data, uint64(h.size()))
		data = h.appendTo(data)
	}
	for _, z := range b.Opening {
		data = appendWords(data, z)
	}
	return appendWords(data, b.Output), nil
}

// UnmarshalBundle decodes a bundle of the given specification. Whatever data
// holds, what it returns takes no more memory than data itself and a kilobyte for
// each half; an error wraps [ErrHalf] unless the specification is at fault.
func UnmarshalBundle(spec *BundleSpec, data []byte) (*Bundle, error) {
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("decoding a bundle: %w", err)
	}
	party, _, rest, err := readHeader(data, kindBundle, 0)
	if err != nil {
		return nil, fmt.Errorf("decoding a bundle: %w", err)
	}
	if fixed := len(spec.Plan) + ring.SeedSize; len(rest) < fixed {
		return nil, fmt.Errorf("decoding a bundle: %w", unusable("%d bytes follow its header; there are at least %d", len(rest), fixed))
	}
	s := sections{rest}
	if plan := s.bytes(len(spec.Plan)); !bytes.Equal(plan, spec.Plan[:]) {
		return nil, fmt.Errorf("decoding a bundle: %w", unusable("it was made for plan %x, not for plan %x; make new bundles for this model", plan, spec.Plan))
	}
	b := &Bundle{Spec: spec, Party: party, Seed: s.seed()}
	for l, a := range spec.Activations {
		h, err := s.half(a.Powers, party)
		if err != nil {
			return nil, fmt.Errorf("decoding a bundle: activation layer %d: %w", l, err)
		}
		b.Powers = append(b.Powers, h)
	}
	if party == 0 {
		for l, c := range spec.Linear {
			h, err := s.half(c, party)
			if err != nil {
				return nil, fmt.Errorf("decoding a bundle: linear layer %d: %w", l, err)
			}
			b.Linear = append(b.Linear, h)
		}
	}
	if want := spec.vectors(party); len(s.data) != 8*want {
		return nil, fmt.Errorf("decoding a bundle: %w", unusable("%d bytes of openings and output, not %d", len(s.data), 8*want))
	}
	for _, a := range spec.Activations {
		b.Opening = append(b.Opening, s.words(a.Powers.N))
	}
	if party == 1 {
		b.Output = s.words(spec.Output)
	}
	return b, nil
}

// half reads the length and the encoding of one half.
func (s *sections) half(spec Spec, party int) (*Half, error) {
	if len(s.data) < 8 {
		return nil, unusable("it ends where a half should begin")
	}
	n := s.word()
	if n > uint64(len(s.data)) {
		return nil, unusable("a half of %d bytes where %d are left", n, len(s.data))
	}
	return UnmarshalHalf(spec, party, s.bytes(int(n)))
}

// Size returns the length of the encoding of one party's bundle: with its shares of
// products given, or expanded from seeds.
func (s *BundleSpec) Size(party int, given bool) int {
	size := headerSize + len(s.Plan) + ring.SeedSize + 8*s.vectors(party)
	for _, a := range s.Activations {
		size += 8 + a.Powers.Size(party, given)
	}
	if party == 0 {
		for _, l := range s.Linear {
			size += 8 + l.Size(party, given)
		}
	}
	return size
}

// vectors is how many words follow the halves.
func (s *BundleSpec) vectors(party int) int {
	n := 0
	for _, a := range s.Activations {
		n += a.Powers.N
	}
	if party == 1 {
		n += s.Output
	}
	return n
}

// Validate reports the first part of b that does not fit its specification.
func (b *Bundle) Validate() error {
	if b.Spec == nil {
		return fmt.Errorf("bundle without a specification")
	}
	if err := b.Spec.Validate(); err != nil {
		return err
	}
	if b.Party != 0 && b.Party != 1 {
		return fmt.Errorf("bundle of party %d; there are 0 and 1", b.Party)
	}
	layers := len(b.Spec.Activations)
	if len(b.Opening) != layers || len(b.Powers) != layers {
		return fmt.Errorf("bundle holds openings and powers of %d and %d activation layers, not of %d", len(b.Opening), len(b.Powers), layers)
	}
	for l, a := range b.Spec.Activations {
		if len(b.Opening[l]) != a.Powers.N {
			return fmt.Errorf("bundle: activation layer %d: %d openings, not %d", l, len(b.Opening[l]), a.Powers.N)
		}
		if err := b.fits(b.Powers[l], a.Powers); err != nil {
			return fmt.Errorf("bundle: activation layer %d: %w", l, err)
		}
	}
	if linear := len(b.Spec.Linear) * (1 - b.Party); len(b.Linear) != linear {
		return fmt.Errorf("bundle of party %d holds halves of %d linear layers, not of %d", b.Party, len(b.Linear), linear)
	}
	for l, h := range b.Linear {
		if err := b.fits(h, b.Spec.Linear[l]); err != nil {
			return fmt.Errorf("bundle: linear layer %d: %w", l, err)
		}
	}
	want := 0
	if b.Party == 1 {
		want = b.Spec.Output
	}
	if len(b.Output) != want {
		return fmt.Errorf("bundle of party %d holds %d elements of the output, not %d", b.Party, len(b.Output), want)
	}
	return nil
}

// fits checks that h is a half of this bundle's party and of a specification.
func (b *Bundle) fits(h *Half, spec Spec) error {
	if h == nil || h.Spec != spec || h.Party != b.Party {
		return fmt.Errorf("the half is of another correlation or party than the bundle says")
	}
	return h.Validate()
}

// Format prints which bundle b is and keeps what it holds out of logs, errors
// and debug output, whatever the verb.
func (b Bundle) Format(f fmt.State, _ rune) {
	if b.Spec == nil {
		fmt.Fprintf(f, "bundle(party %d, redacted)", b.Party)
		return
	}
	fmt.Fprintf(f, "bundle(party %d, plan %x, redacted)", b.Party, b.Spec.Plan[:8])
}

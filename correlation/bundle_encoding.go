package correlation

import (
	"bytes"
	"fmt"

	"pascaline/ring"
)

// MarshalBinary encodes b:
//
//	+------------+----------------+-----------+-------------------------------+
//	| header (8) | plan hash (32) | seed (32) | explicit (1 for each          |
//	| kind 'B'   |                |           | activation layer): 0 or 1     |
//	+------------+----------------+-----------+-------------------------------+
//	| for each activation layer with explicit = 1: the shares of ρ² to ρ^d,   |
//	| 16·N each                                                               |
//	+-------------------------------------------------------------------------+
//	| for each activation layer: the opening z_C, 8·N                         |
//	+-------------------------------------------------------------------------+
//	| client only: its share of the output, 8 for each element                |
//	+-------------------------------------------------------------------------+
//
// No flags are defined. The encoding is as secret as the bundle.
func (b *Bundle) MarshalBinary() ([]byte, error) {
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	explicit := make([]byte, len(b.Spec.Activations))
	for l := range b.Shares {
		if b.Shares[l] != nil {
			explicit[l] = 1
		}
	}
	data := make([]byte, 0, headerSize+b.Spec.sectionsSize(b.Party, explicit))
	data = appendHeader(data, kindBundle, b.Party, 0)
	data = append(data, b.Spec.Plan[:]...)
	data = append(data, b.Seed[:]...)
	data = append(data, explicit...)
	for _, shares := range b.Shares {
		data = appendShares(data, shares)
	}
	for _, z := range b.Opening {
		data = appendWords(data, z)
	}
	return appendWords(data, b.Output), nil
}

// UnmarshalBundle decodes a bundle of the given specification. Whatever data
// holds, it takes no more memory than data itself; an error wraps [ErrHalf]
// unless the specification is at fault.
func UnmarshalBundle(spec *BundleSpec, data []byte) (*Bundle, error) {
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("decoding a bundle: %w", err)
	}
	party, _, rest, err := readHeader(data, kindBundle, 0)
	if err != nil {
		return nil, fmt.Errorf("decoding a bundle: %w", err)
	}
	layers := len(spec.Activations)
	if fixed := len(spec.Plan) + ring.SeedSize + layers; len(rest) < fixed {
		return nil, fmt.Errorf("decoding a bundle: %w", unusable("%d bytes follow its header; there are at least %d", len(rest), fixed))
	}
	explicit := rest[len(spec.Plan)+ring.SeedSize:][:layers]
	if plan := rest[:len(spec.Plan)]; !bytes.Equal(plan, spec.Plan[:]) {
		return nil, fmt.Errorf("decoding a bundle: %w", unusable("it was made for plan %x, not for plan %x; make new bundles for this model", plan, spec.Plan))
	}
	for l, e := range explicit {
		if e > 1 {
			return nil, fmt.Errorf("decoding a bundle: %w", unusable("activation layer %d is marked %d; the marks are 0 and 1", l, e))
		}
	}
	if err := sameSize(len(rest), spec.sectionsSize(party, explicit)); err != nil {
		return nil, fmt.Errorf("decoding a bundle: %w", err)
	}

	s := sections{rest[len(spec.Plan):]}
	b := &Bundle{Spec: spec, Party: party, Seed: s.seed()}
	s.bytes(layers)
	if bytes.IndexByte(explicit, 1) >= 0 {
		b.Shares = make([][]ring.Vec128, layers)
	}
	for l, e := range explicit {
		if e == 1 {
			b.Shares[l] = s.shares(spec.Activations[l].Powers)
		}
	}
	b.Opening = make([][]uint64, layers)
	for l := range b.Opening {
		b.Opening[l] = s.words(spec.Activations[l].Powers.N)
	}
	if party == 1 {
		b.Output = s.words(spec.Output)
	}
	return b, nil
}

// sectionsSize is the size of everything after the header.
func (s *BundleSpec) sectionsSize(party int, explicit []byte) uint64 {
	size := uint64(len(s.Plan) + ring.SeedSize + len(explicit))
	for l, a := range s.Activations {
		size += 8 * uint64(a.Powers.N)
		if explicit[l] == 1 {
			size += a.Powers.sharesSize()
		}
	}
	if party == 1 {
		size += 8 * uint64(s.Output)
	}
	return size
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
	if len(b.Opening) != layers {
		return fmt.Errorf("bundle holds openings of %d activation layers, not of %d", len(b.Opening), layers)
	}
	if b.Shares != nil && len(b.Shares) != layers {
		return fmt.Errorf("bundle holds shares of %d activation layers, not of %d", len(b.Shares), layers)
	}
	for l, a := range b.Spec.Activations {
		if len(b.Opening[l]) != a.Powers.N {
			return fmt.Errorf("bundle: activation layer %d: %d openings, not %d", l, len(b.Opening[l]), a.Powers.N)
		}
		if err := b.Powers(l).Validate(); err != nil {
			return fmt.Errorf("bundle: activation layer %d: %w", l, err)
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

// Format prints which bundle b is and keeps what it holds out of logs, errors
// and debug output, whatever the verb.
func (b Bundle) Format(f fmt.State, _ rune) {
	if b.Spec == nil {
		fmt.Fprintf(f, "bundle(party %d, redacted)", b.Party)
		return
	}
	fmt.Fprintf(f, "bundle(party %d, plan %x, redacted)", b.Party, b.Spec.Plan[:8])
}

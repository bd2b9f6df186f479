package correlation

import (
	"encoding/binary"
	"fmt"

	"pascaline/ring"
)

// Halves of a linear correlation are encoded as
//
//	+--------------+------------+-----------+--------------------+
//	| header (8)   | shape (48) | seed (32) | explicit vectors,  |
//	| kind 'L'     |            |           | 8 for each element |
//	+--------------+------------+-----------+--------------------+
//
// The shape is H, W, C, K, KH, KW, the vertical and horizontal stride and the
// top, left, bottom and right padding, four bytes each. Flag 1 says that s (party
// 0) or r (party 1) is explicit, flag 2 that W·r − s is (party 1).
const (
	flagMask    = 1
	flagShare   = 2
	linearFixed = 12*4 + ring.SeedSize
)

// MarshalBinary encodes h; the encoding is as secret as the half.
func (h LinearHalf0) MarshalBinary() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return marshalLinear(0, h.Spec, h.Seed, h.S, nil), nil
}

// MarshalBinary encodes h; the encoding is as secret as the half.
func (h LinearHalf1) MarshalBinary() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return marshalLinear(1, h.Spec, h.Seed, h.R, h.Y), nil
}

// UnmarshalLinearHalf0 decodes the server's half. Whatever data holds, it takes
// no more memory than data itself; an error wraps [ErrHalf].
func UnmarshalLinearHalf0(data []byte) (LinearHalf0, error) {
	spec, seed, s, _, err := unmarshalLinear(0, data)
	return LinearHalf0{Spec: spec, Seed: seed, S: s}, err
}

// UnmarshalLinearHalf1 decodes the client's half. Whatever data holds, it takes
// no more memory than data itself; an error wraps [ErrHalf].
func UnmarshalLinearHalf1(data []byte) (LinearHalf1, error) {
	spec, seed, r, y, err := unmarshalLinear(1, data)
	return LinearHalf1{Spec: spec, Seed: seed, R: r, Y: y}, err
}

// dims returns the dimensions of a shape in the order of the encoding.
func dims(c *ring.ConvShape) []*int {
	return []*int{
		&c.H, &c.W, &c.C, &c.K, &c.KH, &c.KW, &c.StrideH, &c.StrideW,
		&c.PadTop, &c.PadLeft, &c.PadBottom, &c.PadRight,
	}
}

func marshalLinear(party int, spec LinearSpec, seed ring.Seed, mask, share []uint64) []byte {
	var flags byte
	if mask != nil {
		flags |= flagMask
	}
	if share != nil {
		flags |= flagShare
	}
	b := make([]byte, 0, headerSize+linearFixed+8*(len(mask)+len(share)))
	b = appendHeader(b, kindLinear, party, flags)
	for _, d := range dims(&spec.Shape) {
		b = binary.LittleEndian.AppendUint32(b, uint32(*d))
	}
	b = append(b, seed[:]...)
	return appendWords(appendWords(b, mask), share)
}

func unmarshalLinear(party int, data []byte) (spec LinearSpec, seed ring.Seed, mask, share []uint64, err error) {
	fail := func(err error) (LinearSpec, ring.Seed, []uint64, []uint64, error) {
		return LinearSpec{}, ring.Seed{}, nil, nil, fmt.Errorf("decoding a linear correlation: %w", err)
	}
	known, maskLen := byte(flagMask), ring.ConvShape.OutLen
	if party == 1 {
		known, maskLen = flagMask|flagShare, ring.ConvShape.InLen
	}
	whose, flags, rest, err := readHeader(data, kindLinear, known)
	if err != nil {
		return fail(err)
	}
	if whose != party {
		return fail(unusable("it is the half of party %d, not of party %d", whose, party))
	}
	if len(rest) < linearFixed {
		return fail(unusable("%d bytes follow its header; there are at least %d", len(rest), linearFixed))
	}
	s := sections{rest}
	for _, d := range dims(&spec.Shape) {
		// Bounded to int32 for the sake of 32-bit machines; Validate bounds it
		// further.
		*d = int(int32(binary.LittleEndian.Uint32(s.bytes(4))))
	}
	if err := spec.Validate(); err != nil {
		return fail(unusable("%v", err))
	}
	seed = s.seed()
	var masks, shares int
	if flags&flagMask != 0 {
		masks = maskLen(spec.Shape)
	}
	if flags&flagShare != 0 {
		shares = spec.Shape.OutLen()
	}
	if err := sameSize(len(rest), linearFixed+8*(uint64(masks)+uint64(shares))); err != nil {
		return fail(err)
	}
	if masks > 0 {
		mask = s.words(masks)
	}
	if shares > 0 {
		share = s.words(shares)
	}
	return spec, seed, mask, share, nil
}

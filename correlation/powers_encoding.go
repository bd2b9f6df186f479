package correlation

import (
	"encoding/binary"
	"fmt"

	"pascaline/ring"
)

// MarshalBinary encodes h:
//
//	+-----------------+-------+------------+---------------+-----------+-----------+
//	| header (8)      | N (8) | degree (4) | mask bits (4) | seed (32) | shares of |
//	| kind 'P', flags |       |            |               |           | ρ² to ρ^d |
//	+-----------------+-------+------------+---------------+-----------+-----------+
//
// Flag 1 says that the shares, 16·N for each power, are there; else they are
// expanded from the seed. The party is always 0: a half does not know whose it
// is. The encoding is as secret as the half.
func (h PowersHalf) MarshalBinary() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("encoding powers: %w", err)
	}
	var flags byte
	if h.Shares != nil {
		flags = flagShares
	}
	b := make([]byte, 0, headerSize+h.Spec.sectionsSize(flags))
	b = appendHeader(b, kindPowers, 0, flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Spec.N))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Spec.Degree))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Spec.MaskBits))
	b = append(b, h.Seed[:]...)
	return appendShares(b, h.Shares), nil
}

// flagShares marks powers whose shares are explicit; powersFixed is the size of
// what comes between the header and the shares.
const (
	flagShares  = 1
	powersFixed = 8 + 4 + 4 + ring.SeedSize
)

// sectionsSize is the size of everything after the header.
func (s PowersSpec) sectionsSize(flags byte) uint64 {
	if flags&flagShares != 0 {
		return powersFixed + s.sharesSize()
	}
	return powersFixed
}

// UnmarshalPowersHalf decodes a half. Whatever data holds, it takes no more
// memory than data itself; an error wraps [ErrHalf].
func UnmarshalPowersHalf(data []byte) (PowersHalf, error) {
	party, flags, rest, err := readHeader(data, kindPowers, flagShares)
	if err == nil && party != 0 {
		err = unusable("party %d in the header of powers", party)
	}
	if err == nil && len(rest) < powersFixed {
		err = unusable("%d bytes follow its header; there are at least %d", len(rest), powersFixed)
	}
	if err != nil {
		return PowersHalf{}, fmt.Errorf("decoding powers: %w", err)
	}
	n := binary.LittleEndian.Uint64(rest)
	spec := PowersSpec{
		N:        int(min(n, maxElements+1)),
		Degree:   int(min(binary.LittleEndian.Uint32(rest[8:]), MaxDegree+1)),
		MaskBits: uint(binary.LittleEndian.Uint32(rest[12:])),
	}
	if err := spec.Validate(); err != nil {
		return PowersHalf{}, fmt.Errorf("decoding powers: %w", unusable("%v", err))
	}
	if err := sameSize(len(rest), spec.sectionsSize(flags)); err != nil {
		return PowersHalf{}, fmt.Errorf("decoding powers: %w", err)
	}
	s := sections{rest[16:]}
	h := PowersHalf{Spec: spec, Seed: s.seed()}
	if flags&flagShares != 0 {
		h.Shares = s.shares(spec)
	}
	return h, nil
}

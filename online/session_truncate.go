package online

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/ring"
)

// Truncate returns v / 2^bits, rounded, with as many fractional bits less: one
// round, 8 bytes per element and party, no correlation. The result lies within
// one and a half units of its last place, 0.5 rms and without bias, for every |v|
// ≤ 2^61 (integers): nothing wraps. What is opened hides v up to a statistical
// distance of |v| / 2^62: 2^−40 for |v| < 2^22.
//
// Each party draws its own R = ρ·2^bits + λ, uniform below 2^62; the parties
// open C = v + R_0 + R_1 + off as an integer, and ⌊C / 2^bits⌋ − ρ_0 − ρ_1 is the
// result: [ring.OpenMasked], docs/protocol.md section 3.
func (s *Session) Truncate(v *Value, bits uint) *Value {
	if !s.ready("truncate", v) {
		return s.none()
	}
	name := fmt.Sprintf("truncate of %v by %d bits", v.shape, bits)
	if bits < 1 || bits > v.frac {
		return s.fail("%s: it has %d fractional bits; drop from 1 to all of them", name, v.frac)
	}
	t := s.result(name, v.shape, v.frac-bits, nil)
	return s.enqueue(operation{name: name, begin: func(*correlation.Half) *opening {
		mask := make([]uint64, len(v.share))
		ring.NewStream(ring.NewSeed(), "session/truncate").FillBits(mask, 62)
		return s.openMasked(v.share, mask, bits, func(c []uint64) *opening {
			// The parties' ρ are known to each alone: c − ρ_0 − ρ_1 is shared.
			for i, r := range mask {
				if s.party == 1 {
					c[i] = 0
				}
				c[i] -= r >> bits
			}
			s.spread(c)
			t.share = c
			return nil
		})
	}}, t)
}

// openMasked opens v under the parties' masks R, each below 2^62, and hands on
// c with c − ρ ≈ v / 2^fw. Nothing depends on the range of v, so the m of
// [ring.OpenMasked] is as small as it can be.
func (s *Session) openMasked(share, mask []uint64, fw uint, then func(c []uint64) *opening) *opening {
	send := make([]uint64, len(share))
	ring.Add(send, share, mask)
	if s.party == 0 {
		off := ring.OpeningOffset(fw, fw)
		for i := range send {
			send[i] += off
		}
	}
	return &opening{send: send, expect: len(send), then: func(theirs []uint64) *opening {
		c := make([]uint64, len(send))
		ring.OpenMasked(c, send, theirs, fw, fw)
		return then(c)
	}}
}

// localTruncate returns a party's share of v / 2^bits, each party shifting its
// own: party 0 rounds its share down, party 1 the negative of its own, so that
// the result lies within one unit. It is wrong, by 2^(64−bits), where party 0's
// share is below v ≥ 0 or above v < 0: if shares are uniform, with probability
// |v| / 2^64.
func (s *Session) localTruncate(share []uint64, bits uint) []uint64 {
	dst := make([]uint64, len(share))
	for i, x := range share {
		if s.party == 0 {
			dst[i] = x >> bits
		} else {
			dst[i] = -(-x >> bits)
		}
	}
	return dst
}

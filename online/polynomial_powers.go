package online

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/ring"
)

// maskBits returns B, the bits of each party's part of ρ: with the bits that the
// opening drops, the masks use all the room there is.
func (p Polynomial) maskBits(frac uint) uint {
	return min(correlation.MaxMaskBits, 62-(frac-p.ArgFrac))
}

// The bits that P(1) may take where shares of it are truncated mod 2^128: so many
// that it fits, and if more than 64 bits are dropped so few that one result in
// 2^40 at most is wrong.
const (
	powersBits      = 127
	powersShortBits = 88
)

func (p Polynomial) validatePowers(frac uint) error {
	if p.ArgFrac > frac {
		return fmt.Errorf("powers: the argument has %d fractional bits and cannot be rounded to %d", frac, p.ArgFrac)
	}
	pascal, err := ring.NewPascal(p.Alpha, p.Q, p.ArgFrac, p.Frac)
	if err != nil {
		return fmt.Errorf("powers: %w", err)
	}
	limit := powersBits
	if pascal.Shift() > 64 {
		limit = powersShortBits
	}
	if b := pascal.Magnitude(1 << p.ArgFrac); b > limit {
		return fmt.Errorf("powers of degree %d: with an argument rounded to %d fractional bits, P(1) takes %d bits and may take %d; round it to fewer",
			p.Degree(), p.ArgFrac, b, limit)
	}
	return nil
}

// powers is steps 1 to 4 of docs/protocol.md, section 3, with both parties
// sending: R = ρ·2^fw + λ, c from the opening, and Pascal's triangle.
func (s *Session) powers(p Polynomial, x *Value, half *correlation.Half, v *Value) *opening {
	pascal, err := ring.NewPascal(p.Alpha, p.Q, p.ArgFrac, p.Frac)
	if err != nil {
		// Unreachable: Validate has made the same.
		panic("online: " + err.Error())
	}
	fw := x.frac - p.ArgFrac
	rho, shares := half.Rho(), half.Powers()
	mask := make([]uint64, len(rho))
	ring.NewStream(ring.NewSeed(), "session/lambda").FillBits(mask, fw)
	for i, r := range rho {
		mask[i] += r << fw
	}
	return s.openMasked(x.share, mask, fw, func(c []uint64) *opening {
		share := make([]uint64, len(c))
		blocks := (len(c) + powersBlock - 1) / powersBlock
		ring.Parallel(blocks, func(b int) {
			from, to := b*powersBlock, min((b+1)*powersBlock, len(c))
			var room [maxPowers]ring.Vec128
			pascal.Eval(share[from:to], s.party, c[from:to], rho[from:to], ring.Slice128(room[:0], shares, from, to))
		})
		v.share = share
		return nil
	})
}

// powersBlock is the number of elements that a goroutine evaluates at a time:
// some tens of microseconds of work.
const powersBlock = 1 << 13

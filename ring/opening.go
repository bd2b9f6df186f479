package ring

// An opening shows both parties C = y + R + off, where y is a pre-activation, R
// = ρ·2^fw + λ a mask (each party's part below 2^62, its part of ρ below 2^61)
// and off = OpeningOffset(fw, m), and from it c with c − ρ ≈ y/2^fw: design
// section 4, steps 1 and 2. All of it is public arithmetic on masked values.

// openingSlack is how far y + off may be below zero: mod 2^64 the integer C is
// known to lie from −2^62 to 3·2^62, and is read as the number in that range.
const openingSlack = 1 << 62

// OpeningOffset returns off = 2^m − 2^(fw−1), or 2^m for fw = 0, where |y| < 2^m
// in the calibrated range and fw ≤ m ≤ 61: the 2^m makes y + off non-negative
// there, the 2^(fw−1) balances the mean of the two λ, so that dropping fw bits
// rounds without bias.
func OpeningOffset(fw, m uint) uint64 {
	return 1<<m - 1<<fw>>1
}

// OpenMasked sets c = ⌊C/2^fw⌋ − 2^(m−fw), in two's complement, where C = z0 +
// z1 as an integer; fw ≤ m ≤ 61. Then t = c − ρ lies within one and a half units
// of y/2^fw (rms one half, no bias), for every |y| ≤ 2^61: nothing wraps,
// calibrated or not. c may be z0 or z1.
func OpenMasked(c, z0, z1 []uint64, fw, m uint) {
	sameLength("OpenMasked", len(c), len(z0), len(z1))
	z0, z1 = z0[:len(c)], z1[:len(c)]
	back := openingBack(fw, m)
	for i := range c {
		c[i] = (z0[i]+z1[i]+openingSlack)>>(fw&63) - back // &63: one instruction
	}
}

// openingBack is what (C + openingSlack)>>fw is above c.
func openingBack(fw, m uint) uint64 { return uint64(openingSlack+1<<m) >> fw }

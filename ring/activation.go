package ring

import "unsafe"

// An activation layer, design section 4 steps 2 to 4, in one pass over memory:
// what passes over vectors more than once does so in blocks, within the
// first-level cache.

// activationBlock is the number of elements of a block: with the shares of a
// polynomial of degree 4 a first-level cache holds them.
const activationBlock = 256

// Activate sets dst to party's share of P, see [Pascal.Eval], at what z0 + z1
// open, see [OpenMasked]. dst may be z0 or z1.
func (p *Pascal) Activate(dst []uint64, party int, z0, z1, rho []uint64, shares []Vec128, fw, m uint) {
	sameLength("Pascal.Activate", len(dst), len(z0), len(z1))
	p.sameLength("Pascal.Activate", len(dst), rho, shares)
	v := pascalVectors{dst: unsafe.SliceData(dst), masked: unsafe.SliceData(z0), z1: unsafe.SliceData(z1)}
	from := p.runVector(v, party, rho, shares, fw, m)
	var part [maxDegree - 1]Vec128
	for ; from < len(dst); from += activationBlock {
		to := min(from+activationBlock, len(dst))
		c := dst[from:to]
		OpenMasked(c, z0[from:to], z1[from:to], fw, m)
		p.evalPortable(c, party, c, rho[from:to], Slice128(part[:0], shares, from, to), 0)
	}
}

// Answer is the client's side of an activation. It reads the server's z0 from
// msg, evaluates p_C as [Pascal.Activate] does and writes p_C − mask to dst; in
// both an element is eight bytes, little-endian. dst may be msg.
func (p *Pascal) Answer(dst, msg []byte, z1, rho []uint64, shares []Vec128, mask []uint64, fw, m uint) {
	sameLength("Pascal.Answer", len(z1), len(mask))
	sameLength("Pascal.Answer messages", 8*len(z1), len(msg), len(dst))
	p.sameLength("Pascal.Answer", len(z1), rho, shares)
	v := pascalVectors{dst: firstWord(dst), masked: firstWord(msg), z1: unsafe.SliceData(z1), blind: unsafe.SliceData(mask)}
	from := p.runVector(v, 1, rho, shares, fw, m)
	var room [activationBlock]uint64
	var part [maxDegree - 1]Vec128
	for ; from < len(z1); from += activationBlock {
		to := min(from+activationBlock, len(z1))
		c := room[:to-from]
		Words(c, msg[8*from:8*to])
		OpenMasked(c, c, z1[from:to], fw, m)
		p.evalPortable(c, 1, c, rho[from:to], Slice128(part[:0], shares, from, to), 0)
		Sub(c, c, mask[from:to])
		PutWords(dst[8*from:8*to], c)
	}
}

// firstWord is for vector kernels, which run on little-endian processors.
func firstWord(b []byte) *uint64 { return (*uint64)(unsafe.Pointer(unsafe.SliceData(b))) }

// AddWords adds to dst the elements of b, eight bytes little-endian each, mod
// 2^64: with the client's p_C − r, p_S becomes d = p − r.
func AddWords(dst []uint64, b []byte) {
	sameLength("AddWords", len(b), 8*len(dst))
	var room [activationBlock]uint64
	for from := 0; from < len(dst); from += activationBlock {
		part := dst[from:min(from+activationBlock, len(dst))]
		v := room[:len(part)]
		Words(v, b[8*from:][:8*len(v)])
		Add(part, part, v)
	}
}

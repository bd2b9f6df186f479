package offline

import (
	"fmt"
	"math/bits"

	"pascaline/ring"
)

// residuesSize returns the bytes of n residues modulo each prime, packed in as
// many bits as it has.
func residuesSize(n int, primes []uint64) int {
	size := 0
	for _, q := range primes {
		size += packedSize(n, uint(bits.Len64(q)))
	}
	return size
}

// unpackResidues reads what [packBits] wrote of residues modulo prime l, and
// returns the rest of src.
func (r *rlwe) unpackResidues(dst []uint64, src []byte, l int) ([]byte, error) {
	q := r.q[l]
	src = unpackBits(dst, src, uint(bits.Len64(q)))
	over := uint64(0)
	for _, x := range dst {
		over |= q - 1 - x
	}
	if over>>63 != 0 {
		return nil, fmt.Errorf("a value is not below its prime")
	}
	return src, nil
}

// publicKeySize returns the bytes of a public key: the seed of a, the values of
// b.
func (r *rlwe) publicKeySize() int { return ring.SeedSize + residuesSize(r.n, r.q) }

// keyPair draws a key pair, in streams whose domains begin with the given one.
// It writes the public key to the first publicKeySize bytes of dst and returns
// the values of −s.
func (r *rlwe) keyPair(dst []byte, domain string) (minusS [][]uint64) {
	secret, seed := ring.NewSeed(), ring.NewSeed()
	key := r.secretKey(ring.NewStream(secret, domain+"/secret"))
	b := r.publicKey(key, seed, ring.NewStream(secret, domain+"/public error"))
	dst = dst[copy(dst, seed[:]):]
	for l, s := range r.sub {
		dst = packBits(dst, b[l], uint(bits.Len64(s.Modulus)))
		s.Neg(key[l], key[l])
	}
	return key
}

// readPublicKey returns the values of b and a, in Montgomery form, from the
// publicKeySize bytes that keyPair wrote.
func (r *rlwe) readPublicKey(src []byte) (public [2][][]uint64, err error) {
	var seed ring.Seed
	src = src[copy(seed[:], src):]
	b, a := r.poly(), r.publicUniform(seed)
	for l, s := range r.sub {
		if src, err = r.unpackResidues(b[l], src, l); err != nil {
			return public, err
		}
		s.MForm(b[l], b[l])
		s.MForm(a[l], a[l])
	}
	return [2][][]uint64{b, a}, nil
}

package ring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// SeedSize is the length of a [Seed] in bytes.
const SeedSize = 32

// A Seed stands for as much uniform randomness as one wants: every use of it
// goes through a [Stream] or a derived seed with a domain of its own.
type Seed [SeedSize]byte

// NewSeed draws a seed from crypto/rand.
func NewSeed() Seed {
	var s Seed
	rand.Read(s[:]) // never fails: crypto/rand ends the program instead
	return s
}

// Derive returns the seed of a sub-domain: independent of s and of every seed
// derived from s with another domain or index, to anyone who does not know s.
func (s Seed) Derive(domain string, index ...uint64) Seed {
	return Seed(s.expand("seed", domain, index))
}

// expand is a PRF: HMAC-SHA256 under s of an injective encoding of its
// arguments.
func (s Seed) expand(use, domain string, index []uint64) [sha256.Size]byte {
	h := hmac.New(sha256.New, s[:])
	for _, part := range []string{"pascaline/v1", use, domain} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		io.WriteString(h, part)
	}
	for _, i := range index {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], i)
		h.Write(n[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Format keeps the seed out of logs, errors and debug output, whatever the
// verb.
func (s Seed) Format(f fmt.State, _ rune) { io.WriteString(f, "seed(redacted)") }

// A Stream is the AES-128-CTR keystream of a seed in one domain. It is not safe
// for concurrent use.
type Stream struct {
	block cipher.Block
	start [aes.BlockSize]byte // the first counter block
	ctr   cipher.Stream
}

// NewStream opens the stream of seed in the given domain: the AES key and the
// initial counter block are the two halves of HMAC-SHA256(seed, domain, index),
// so two domains never share a key.
func NewStream(seed Seed, domain string, index ...uint64) *Stream {
	k := seed.expand("stream", domain, index)
	block, err := aes.NewCipher(k[:16])
	if err != nil {
		// Unreachable: sixteen bytes are always an AES-128 key.
		panic("ring: opening a stream: " + err.Error())
	}
	s := &Stream{block: block, start: [aes.BlockSize]byte(k[16:])}
	s.ctr = cipher.NewCTR(block, s.start[:])
	return s
}

// Seek goes to word n of the keystream, counted from its beginning, eight bytes
// each: what Fill gives next are elements n, n+1, …
func (s *Stream) Seek(n uint64) {
	const words = aes.BlockSize / 8
	counter := s.start
	low, carry := bits.Add64(binary.BigEndian.Uint64(counter[8:]), n/words, 0)
	binary.BigEndian.PutUint64(counter[8:], low)
	binary.BigEndian.PutUint64(counter[:], binary.BigEndian.Uint64(counter[:])+carry)
	s.ctr = cipher.NewCTR(s.block, counter[:])
	var skipped [aes.BlockSize]byte
	s.Read(skipped[:n%words*8])
}

// zeros are what the keystream is added to: reading them from the first-level
// cache costs less than clearing the destination before.
var zeros [4096]byte

// Read fills p with keystream; it never fails.
func (s *Stream) Read(p []byte) (int, error) {
	for at := 0; at < len(p); at += len(zeros) {
		n := min(len(p)-at, len(zeros))
		s.ctr.XORKeyStream(p[at:][:n], zeros[:n])
	}
	return len(p), nil
}

// Fill fills dst with uniform elements of Z_{2^64}. It consumes exactly eight
// bytes of keystream per element, so a stream may be filled in any pieces.
func (s *Stream) Fill(dst []uint64) {
	s.Read(memory(dst))
	fromLittleEndian(dst)
}

// FillBits fills dst with uniform integers below 2^bits, 0 ≤ bits ≤ 64. It
// consumes as much keystream as [Stream.Fill].
func (s *Stream) FillBits(dst []uint64, bits uint) {
	s.Fill(dst)
	mask := ^uint64(0)
	if bits < 64 {
		mask = 1<<bits - 1
	}
	for i := range dst {
		dst[i] &= mask
	}
}

// Fill128 fills dst with uniform elements of Z_{2^128}.
func (s *Stream) Fill128(dst Vec128) {
	s.Fill(dst.Lo)
	s.Fill(dst.Hi)
}

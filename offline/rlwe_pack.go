package offline

import (
	"encoding/binary"

	"pascaline/ring"
)

// packedSize returns the bytes that n values of the given bits take: they are
// written back to back, low bits first, and the last byte is padded with zeros.
func packedSize(n int, bits uint) int { return (n*int(bits) + 7) / 8 }

// packBits writes the values of src, each below 2^bits, 1 ≤ bits ≤ 64, to the
// first packedSize bytes of dst, and returns the rest of dst.
func packBits(dst []byte, src []uint64, bits uint) []byte {
	size := packedSize(len(src), bits)
	dst, rest := dst[:size], dst[size:]
	if bits == 64 {
		ring.PutWords(dst, src)
		return rest
	}
	var acc uint64
	var held uint // bits of acc in use, below 64
	at := 0
	for _, v := range src {
		acc |= v << held
		if held += bits; held >= 64 {
			binary.LittleEndian.PutUint64(dst[at:], acc)
			at += 8
			held -= 64
			acc = v >> (bits - held) // 0 where nothing is left: held = 0 makes it v >> bits
		}
	}
	for ; at < size; at++ {
		dst[at] = byte(acc)
		acc >>= 8
	}
	return rest
}

// unpackBits reads len(dst) values of 1 to 64 bits from the first packedSize
// bytes of src, and returns the rest of src.
func unpackBits(dst []uint64, src []byte, bits uint) []byte {
	size := packedSize(len(dst), bits)
	src, rest := src[:size], src[size:]
	if bits == 64 {
		ring.Words(dst, src)
		return rest
	}
	mask := ^uint64(0) >> (64 - bits)
	var acc uint64
	var held uint // bits of acc not yet used, below 64
	for i := range dst {
		if held >= bits {
			dst[i] = acc & mask
			acc >>= bits
			held -= bits
			continue
		}
		var w uint64
		if len(src) >= 8 {
			w = binary.LittleEndian.Uint64(src)
			src = src[8:]
		} else {
			for j, b := range src {
				w |= uint64(b) << (8 * j)
			}
			src = nil
		}
		dst[i] = (acc | w<<held) & mask
		used := bits - held
		acc = w >> used
		held = 64 - used
	}
	return rest
}

// packWide writes values of more than 64 bits: plane l holds bits 64·l and up
// of every value, the last plane what is left of bits. It returns the rest of
// dst.
func packWide(dst []byte, planes [][]uint64, bits uint) []byte {
	for _, p := range planes {
		dst = packBits(dst, p, min(bits, 64))
		bits -= min(bits, 64)
	}
	return dst
}

// unpackWide reads what packWide wrote and returns the rest of src.
func unpackWide(planes [][]uint64, src []byte, bits uint) []byte {
	for _, p := range planes {
		src = unpackBits(p, src, min(bits, 64))
		bits -= min(bits, 64)
	}
	return src
}

// wideSize returns the bytes that packWide writes for n values, and
// widePlanes the number of planes it takes.
func wideSize(n int, bits uint) int {
	size := 0
	for ; bits > 64; bits -= 64 {
		size += packedSize(n, 64)
	}
	return size + packedSize(n, bits)
}

func widePlanes(bits uint) int { return int(bits+63) / 64 }

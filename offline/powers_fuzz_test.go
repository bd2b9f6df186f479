package offline

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pascaline/ring"
)

// The messages are large, so a fuzzer is given edits to a good one: the length
// to cut it to, and bytes to write at an offset.

func edited(good []byte, length uint32, offset uint32, data []byte) []byte {
	b := bytes.Clone(good)
	if int(offset) < len(b) {
		copy(b[offset:], data)
	}
	if int(length) < 2*len(b) {
		b = append(b, make([]byte, len(b))...)[:length]
	}
	return b
}

// addEdits gives a fuzzer edits of every part of a message.
func addEdits(f *testing.F, size int) {
	whole := ^uint32(0)
	for _, offset := range []int{0, 1, 2, 3, 4, powersHeader, powersHeader + ring.SeedSize, size - 1} {
		f.Add(whole, uint32(offset), []byte{0xff})
	}
	f.Add(whole, uint32(0), []byte{})
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(powersHeader), uint32(0), []byte{})
	f.Add(uint32(size+1), uint32(0), []byte{})
	f.Add(whole, uint32(powersHeader+ring.SeedSize), bytes.Repeat([]byte{0xff}, 200))
}

func FuzzPowersQuery(f *testing.F) {
	e, v := powersPair(f, 2, 20)
	h0, h1 := powersHalves(e, 3)
	rho0, shares := h0.Rho(), h0.Powers()
	good, err := e.Encrypt(h1.Rho())
	if err != nil {
		f.Fatal(err)
	}
	addEdits(f, len(good))
	f.Fuzz(func(t *testing.T, length, offset uint32, data []byte) {
		query := edited(good, length, offset, data)
		reply, err := v.Evaluate(rho0, shares, query)
		if err != nil {
			return
		}
		if len(query) != len(good) || !bytes.Equal(query[:powersHeader], good[:powersHeader]) {
			t.Errorf("a query of %d bytes with header %x was answered", len(query), query[:powersHeader])
		}
		if len(reply) != PowersReplySize(2, 20, 3) {
			t.Errorf("the answer has %d bytes", len(reply))
		}
	})
}

func FuzzPowersReply(f *testing.F) {
	e, v := powersPair(f, 2, 20)
	h0, h1 := powersHalves(e, 3)
	rho1 := h1.Rho()
	_, good, _ := makePowers(f, e, v, h0.Rho(), rho1, h0.Powers())
	addEdits(f, len(good))
	f.Fuzz(func(t *testing.T, length, offset uint32, data []byte) {
		reply := edited(good, length, offset, data)
		shares, err := e.Decrypt(rho1, reply)
		if err != nil {
			return
		}
		if len(reply) != len(good) || !bytes.Equal(reply[:powersHeader], good[:powersHeader]) {
			t.Errorf("a reply of %d bytes with header %x was decrypted", len(reply), reply[:powersHeader])
		}
		if len(shares) != 1 || shares[0].Len() != 3 {
			t.Errorf("it holds shares %v", shares)
		}
	})
}

func FuzzPowersKey(f *testing.F) {
	e, _ := powersPair(f, 2, 20)
	good := e.PublicKey()
	addEdits(f, len(good))
	f.Fuzz(func(t *testing.T, length, offset uint32, data []byte) {
		key := edited(good, length, offset, data)
		v, err := NewPowersEvaluator(2, 20, key)
		if (err == nil) != (v != nil) {
			t.Fatal("an evaluator and an error")
		}
		if err == nil && !bytes.Equal(key[:powersHeader], good[:powersHeader]) {
			t.Errorf("a key with header %x was accepted", key[:powersHeader])
		}
	})
}

func FuzzUnpackBits(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(3), uint8(5))
	f.Add([]byte{}, uint8(0), uint8(64))
	f.Add(binary.LittleEndian.AppendUint64(nil, ^uint64(0)), uint8(1), uint8(61))
	f.Fuzz(func(t *testing.T, src []byte, count, width uint8) {
		bits, n := uint(width%64)+1, int(count)
		if len(src) < packedSize(n, bits) {
			return
		}
		src = src[:packedSize(n, bits)]
		v := make([]uint64, n)
		if rest := unpackBits(v, src, bits); len(rest) != 0 {
			t.Fatalf("%d bytes are left", len(rest))
		}
		again := make([]byte, len(src))
		packBits(again, v, bits)
		if spare := uint(len(src)*8) - uint(n)*bits; spare > 0 && len(src) > 0 {
			src[len(src)-1] &= 0xff >> spare // padding is not read
		}
		if !bytes.Equal(again, src) {
			t.Errorf("%x was packed again as %x", src, again)
		}
	})
}

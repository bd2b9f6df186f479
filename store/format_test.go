package store

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestTheFormatDoesNotChange holds what is written against bytes written before.
// It may only ever fail together with a new formatVersion.
func TestTheFormatDoesNotChange(t *testing.T) {
	var p Pair
	var id ID
	var digest [32]byte
	for i := range 32 {
		p.Peer[i], p.Plan[i], digest[i] = byte(i), byte(0x40+i), byte(0x80+i)
	}
	copy(id[:], "sixteen bytes id")
	copy(p.Twin[:], "the other store.")
	k := halfKey{p, 0x0102030405060708}
	r := halfRecord{Half{id, digest, Ready, 0x1122}, 0x0a0b, 0x0c0d, 0x1126}
	peer, plan := hex.EncodeToString(p.Peer[:]), hex.EncodeToString(p.Plan[:])
	twin := hex.EncodeToString(p.Twin[:])
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"half key", k.encode(), "68" + peer + plan + twin + "0102030405060708"},
		{"half", r.encode(), "0200" + hex.EncodeToString(id[:]) + hex.EncodeToString(digest[:]) +
			"0000000000001122" + "0000000000000a0b" + "0000000000000c0d" + "0000000000001126"},
		{"id key", idKey(id), "69" + hex.EncodeToString(id[:])},
		{"live id", encodeLive(k), "01" + peer + plan + twin + "0102030405060708"},
		{"value key", valueKey(id), "76" + hex.EncodeToString(id[:])},
		{"count key", countKey(p), "63" + peer + plan + twin},
		{"sealed value", seal(nil, id, []byte("value")), hex.EncodeToString([]byte("value")) + "e148be0e"},
		{"segment", []byte(segmentHeader + segmentName(0x1f)), hex.EncodeToString([]byte("pascaline segm 1\n000000000000001f.seg"))},
		{"version", []byte(formatVersion), hex.EncodeToString([]byte("pascaline store 1\n"))},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s is\n%s, not\n%s", c.name, got, c.want)
		}
	}
}

func FuzzRecordsAreDecodedOrRefused(f *testing.F) {
	k := halfKey{alice, 7}
	f.Add(k.encode())
	f.Add(halfRecord{Half{ID{1}, [32]byte{2}, Pending, 10}, 1, 17, 14}.encode())
	f.Add(halfRecord{Half{ID{1}, [32]byte{2}, Ready, 0}, 0, 0, 4}.encode())
	f.Add(encodeLive(k))
	f.Add([]byte{idClaimed})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := decodeHalfKey(b); err == nil && !bytes.Equal(k.encode(), b) {
			t.Fatalf("key %+v is not %x", k, b)
		}
		if r, err := decodeHalf(b); err == nil {
			if !bytes.Equal(r.encode(), b) {
				t.Fatalf("half %+v is not %x", r, b)
			}
			if r.Size < 0 || r.Size > MaxSize || int64(r.offset) < 0 {
				t.Fatalf("half %+v has impossible sizes", r)
			}
		}
		if kind, k, err := decodeID(b); err == nil && kind == idLive && !bytes.Equal(encodeLive(k), b) {
			t.Fatalf("live id %+v is not %x", k, b)
		}
		_, _ = decodeCount(b)
	})
}

func FuzzOnlyWhatWasSealedIsOpened(f *testing.F) {
	f.Add([]byte("some value"), uint(3))
	f.Add([]byte{}, uint(0))
	f.Fuzz(func(t *testing.T, b []byte, flip uint) {
		id := ID{1, 2, 3}
		sealed := seal(nil, id, b)
		if v, err := open(id, sealed); err != nil || !bytes.Equal(v, b) {
			t.Fatalf("opened %x as %x, %v", b, v, err)
		}
		if _, err := open(ID{1, 2, 4}, sealed); err == nil {
			t.Fatal("opened under another id")
		}
		sealed[flip/8%uint(len(sealed))] ^= 1 << (flip % 8)
		if _, err := open(id, sealed); err == nil {
			t.Fatal("opened with a bit flipped")
		}
		_, _ = open(id, b)
	})
}

func FuzzSegmentNames(f *testing.F) {
	f.Add("0000000000000001.seg")
	f.Add("0000000000000000.seg")
	f.Add("+000000000000001.seg")
	f.Add("00000000000000FF.seg")
	f.Fuzz(func(t *testing.T, name string) {
		if n, ok := segmentNumber(name); ok && (n == 0 || segmentName(n) != name) {
			t.Fatalf("%q is taken for segment %d", name, n)
		}
	})
}

package store

import (
	"bytes"
	"encoding/hex"
	"slices"
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
	k := place{p, 0x0102030405060708}
	r := halfRecord{Half{id, digest, Ready, 0x1122}, 0x0a0b, 0x0c0d, 0x1126}
	batch := batchRecord{Batch: Batch{ID: id, Digest: digest, Kind: "powers/4/52", State: Pending, N: 0x10203, Width: 0x1001,
		Spent: []Range{{0, 0x102}, {0x103, 0x10203}}}, head: 0x405, segment: 0x0a0b}
	peer, plan := hex.EncodeToString(p.Peer[:]), hex.EncodeToString(p.Plan[:])
	twin := hex.EncodeToString(p.Twin[:])
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"half key", k.key(keyHalf), "68" + peer + plan + twin + "0102030405060708"},
		{"half", r.encode(), "0200" + hex.EncodeToString(id[:]) + hex.EncodeToString(digest[:]) +
			"0000000000001122" + "0000000000000a0b" + "0000000000000c0d" + "0000000000001126"},
		{"batch key", k.key(keyBatch), "62" + peer + plan + twin + "0102030405060708"},
		{"batch", batch.encode(), "0100" + hex.EncodeToString(id[:]) + hex.EncodeToString(digest[:]) +
			"00010203" + "00001001" + "00000405" + "0000000000000a0b" + "0b" + hex.EncodeToString([]byte("powers/4/52")) +
			"0000000000000102" + "0000010300010203"},
		{"part key", partKey(id, 0x1f), "70" + hex.EncodeToString(id[:]) + "0000001f"},
		{"sealed part", sealPart(nil, id, 1, []byte("value")), hex.EncodeToString([]byte("value")) + "dcb4e612"},
		{"spent key", spentKey(p, "triples"), "73" + peer + plan + twin + hex.EncodeToString([]byte("triples"))},
		{"live id of a batch", encodeLive(idBatch, k), "04" + peer + plan + twin + "0102030405060708"},
		{"version with batches", []byte(batchVersion), hex.EncodeToString([]byte("pascaline store 2\n"))},
		{"id key", idKey(id), "69" + hex.EncodeToString(id[:])},
		{"live id", encodeLive(idHalf, k), "01" + peer + plan + twin + "0102030405060708"},
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
	k := place{alice, 7}
	f.Add(k.key(keyHalf))
	f.Add(k.key(keyBatch))
	f.Add(spentKey(alice, "triples"))
	batch := batchRecord{Batch: Batch{ID: ID{1}, Kind: "triples", State: Ready, N: 100, Width: 8}, head: 40, segment: 3}
	f.Add(batch.encode())
	batch.Spent = []Range{{0, 10}, {11, 100}}
	f.Add(batch.encode())
	f.Add(halfRecord{Half{ID{1}, [32]byte{2}, Pending, 10}, 1, 17, 14}.encode())
	f.Add(halfRecord{Half{ID{1}, [32]byte{2}, Ready, 0}, 0, 0, 4}.encode())
	f.Add(encodeLive(idHalf, k))
	f.Add([]byte{idClaimed})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, sort := range []byte{keyHalf, keyBatch} {
			if k, err := decodePlace(sort, b); err == nil && !bytes.Equal(k.key(sort), b) {
				t.Fatalf("key %+v is not %x", k, b)
			}
		}
		if r, err := decodeBatch(b); err == nil {
			if !bytes.Equal(r.encode(), b) {
				t.Fatalf("batch %+v is not %x", r, b)
			}
			n := NewBatch{Kind: r.Kind, N: r.N, Width: r.Width}
			if r.head > MaxHead || r.N*r.Width > MaxSize || n.N < 1 || n.N > MaxElements || !isKind(n.Kind) {
				t.Fatalf("batch %+v has impossible sizes", r)
			}
			if !slices.Equal(union(r.Spent...), r.Spent) || len(r.Spent) > MaxRanges || r.Left() <= 0 || r.Size < int64(r.head) {
				t.Fatalf("batch %+v has spent the impossible", r)
			}
			if len(r.Spent) > 0 && checkRanges(r.Spent, r.N) != nil {
				t.Fatalf("batch %+v has spent what it has not", r)
			}
		}
		if p, kind, err := decodeSpentKey(b); err == nil && !bytes.Equal(spentKey(p, kind), b) {
			t.Fatalf("key of %q is not %x", kind, b)
		}
		if r, err := decodeHalf(b); err == nil {
			if !bytes.Equal(r.encode(), b) {
				t.Fatalf("half %+v is not %x", r, b)
			}
			if r.Size < 0 || r.Size > MaxSize || int64(r.offset) < 0 {
				t.Fatalf("half %+v has impossible sizes", r)
			}
		}
		if sort, k, err := decodeID(b); err == nil && len(b) > 1 && !bytes.Equal(encodeLive(sort, k), b) {
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
		if _, err := openPart(id, 0, sealed); err == nil {
			t.Fatal("opened as a part of a batch")
		}
		part := sealPart(nil, id, 7, b)
		if v, err := openPart(id, 7, part); err != nil || !bytes.Equal(v, b) {
			t.Fatalf("opened part %x as %x, %v", b, v, err)
		}
		if _, err := openPart(id, 8, part); err == nil {
			t.Fatal("opened as another part")
		}
		if _, err := openPart(ID{1, 2, 4}, 7, part); err == nil {
			t.Fatal("opened as another batch's part")
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

package offline

import (
	"bytes"
	"testing"

	"pascaline/correlation"
)

// Fuzzers are given edits to a good message, as for powers.

func FuzzProductsQuery(f *testing.F) {
	e, v := productsPair(f, correlation.Products)
	b := drawProducts(correlation.Products, 3)
	good, _, _ := b.exchange(f, e, v)
	addEdits(f, len(good))
	f.Fuzz(func(t *testing.T, length, offset uint32, data []byte) {
		query := edited(good, length, offset, data)
		reply, err := v.Evaluate(b.a0, b.b0, b.c0, query)
		if err != nil {
			return
		}
		if len(query) != len(good) || !bytes.Equal(query[:headerSize], good[:headerSize]) {
			t.Errorf("a query of %d bytes with header %x was answered", len(query), query[:headerSize])
		}
		if len(reply) != ProductsReplySize(correlation.Products, 3) {
			t.Errorf("the answer has %d bytes", len(reply))
		}
	})
}

func FuzzProductsReply(f *testing.F) {
	e, v := productsPair(f, correlation.Triples)
	b := drawProducts(correlation.Triples, 3)
	_, good, _ := b.exchange(f, e, v)
	addEdits(f, len(good))
	f.Fuzz(func(t *testing.T, length, offset uint32, data []byte) {
		reply := edited(good, length, offset, data)
		shares, err := e.Decrypt(b.a1, b.b1, reply)
		if err != nil {
			return
		}
		if len(reply) != len(good) || !bytes.Equal(reply[:headerSize], good[:headerSize]) {
			t.Errorf("a reply of %d bytes with header %x was decrypted", len(reply), reply[:headerSize])
		}
		if len(shares) != 3 {
			t.Errorf("it holds %d shares", len(shares))
		}
	})
}

func FuzzProductsKey(f *testing.F) {
	e, _ := productsPair(f, correlation.Squares)
	good := e.PublicKey()
	addEdits(f, len(good))
	f.Fuzz(func(t *testing.T, length, offset uint32, data []byte) {
		key := edited(good, length, offset, data)
		v, err := NewProductsEvaluator(correlation.Squares, key)
		if (err == nil) != (v != nil) {
			t.Fatal("an evaluator and an error")
		}
		if err == nil && !bytes.Equal(key[:headerSize], good[:headerSize]) {
			t.Errorf("a key with header %x was accepted", key[:headerSize])
		}
	})
}

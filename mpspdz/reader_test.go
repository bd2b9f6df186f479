package mpspdz

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"pascaline/correlation"
)

// A reader reads a file as MP-SPDZ does: shares of triples and squares from a
// block of 101, filled from wherever reading began, of which none may be short.
type reader struct {
	shares []uint64
	block  []uint64
	at     int // where the next block begins
}

var errShort = errors.New("not enough preprocessing")

// open checks the signature and takes the rest as shares.
func open(t *testing.T, path string) *reader {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) < 17 || len(data)%8 != 17%8 {
		t.Fatalf("%s has %d bytes", path, len(data))
	}
	if n, name, bits := binary.LittleEndian.Uint64(data), string(data[8:13]), binary.LittleEndian.Uint32(data[13:]); n != 9 || name != "Z2^64" || bits != 64 {
		t.Fatalf("%s begins with %d, %q, %d", path, n, name, bits)
	}
	r := &reader{}
	for data = data[17:]; len(data) > 0; data = data[8:] {
		r.shares = append(r.shares, binary.LittleEndian.Uint64(data))
	}
	return r
}

// seek begins to read at a share.
func (r *reader) seek(share int) { r.block, r.at = nil, share }

// buffered returns the next n shares by way of blocks.
func (r *reader) buffered(n int) ([]uint64, error) {
	var v []uint64
	for len(v) < n {
		if len(r.block) == 0 {
			if r.at+101 > len(r.shares) {
				return v, errShort
			}
			r.block = r.shares[r.at:][:101]
			r.at += 101
		}
		m := min(n-len(v), len(r.block))
		v, r.block = append(v, r.block[:m]...), r.block[m:]
	}
	return v, nil
}

// direct returns the next n shares as matrices are read.
func (r *reader) direct(n int) ([]uint64, error) {
	if r.at+n > len(r.shares) {
		return nil, errShort
	}
	v := r.shares[r.at:][:n]
	r.at += n
	return v, nil
}

// export writes both parties' files of a correlation, in pieces cut at the given
// elements, and returns their paths.
func export(t *testing.T, dir string, h0, h1 *correlation.Half, cuts ...int) (paths [2]string) {
	t.Helper()
	for party, h := range []*correlation.Half{h0, h1} {
		w, err := NewWriter(dir, party, h.Spec)
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		for _, to := range append(append([]int(nil), cuts...), h.Spec.N) {
			if err := w.Write(h.Slice(from, to)); err != nil {
				t.Fatal(err)
			}
			from = to
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		paths[party] = w.Path()
	}
	return paths
}

// deal makes a correlation of which either party's half is a seed but for one
// column.
func deal(spec correlation.Spec) (h0, h1 *correlation.Half) {
	h0, h1 = correlation.NewHalf(spec, 0), correlation.NewHalf(spec, 1)
	h1.Columns[0] = h1.Column(0)
	correlation.Complete(h0, h1)
	return h0, h1
}

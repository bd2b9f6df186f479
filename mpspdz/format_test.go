package mpspdz

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

const signature = "0900000000000000" + "5a325e3634" + "40000000"

// word is v as the format has it.
func word(v ...uint64) (s string) {
	for _, x := range v {
		for range 8 {
			s += fmt.Sprintf("%02x", byte(x))
			x >>= 8
		}
	}
	return s
}

// The bytes of small files, written out.
func TestTheFormatIsThatOfMPSPDZ(t *testing.T) {
	triples := correlation.Spec{Kind: correlation.Triples, N: 2}
	squares := correlation.Spec{Kind: correlation.Squares, N: 2}
	for _, tc := range []struct {
		half correlation.Half
		name string
		want string
	}{
		{correlation.Half{Spec: triples, Columns: [][]uint64{{1, 2}, {3, 4}, {0x0102030405060708, ^uint64(0)}}},
			"2-DR-64/Triples-DR-P0", word(1, 3) + "0807060504030201" + word(2, 4) + "ffffffffffffffff"},
		{correlation.Half{Spec: triples, Party: 1, Columns: [][]uint64{{7, 8}, {9, 10}, {11, 12}}},
			"2-DR-64/Triples-DR-P1", word(7, 9, 11, 8, 10, 12)},
		{correlation.Half{Spec: squares, Party: 1, Columns: [][]uint64{{1, 2}, {3, 4}}},
			"2-DR-64/Squares-DR-P1", word(1, 3, 2, 4)},
		{correlation.Half{Spec: correlation.MatrixSpec(2, 3, 1, 2, false), Columns: [][]uint64{
			{1, 2, 3, 4, 5, 6, 21, 22, 23, 24, 25, 26}, {7, 8, 9, 27, 28, 29}, {10, 11, 30, 31}}},
			"2-DR-64/Matrix-2x3x1-P0", word(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31)},
	} {
		dir := t.TempDir()
		w, err := NewWriter(dir, tc.half.Party, tc.half.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(&tc.half); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, tc.name))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(data); got != signature+tc.want {
			t.Errorf("%s\ngot  %s\nwant %s", tc.name, got, signature+tc.want)
		}
		if w.Path() != filepath.Join(dir, tc.name) {
			t.Errorf("it is called %s", w.Path())
		}
	}
}

func TestBothFilesTogetherAreTriples(t *testing.T) {
	const count = 1000
	h0, h1 := deal(correlation.Spec{Kind: correlation.Triples, N: Padded(correlation.Triples, count)})
	p := export(t, t.TempDir(), h0, h1, 1, 2, 500)
	r0, r1 := open(t, p[0]), open(t, p[1])
	for i := range count {
		x, err0 := r0.buffered(3)
		y, err1 := r1.buffered(3)
		if err0 != nil || err1 != nil {
			t.Fatalf("triple %d of %d: %v, %v", i, count, err0, err1)
		}
		if (x[0]+y[0])*(x[1]+y[1]) != x[2]+y[2] {
			t.Fatalf("triple %d is none", i)
		}
		if x[0] != h0.A()[i] || y[1] != h1.B()[i] {
			t.Fatalf("triple %d is not element %d", i, i)
		}
	}
}

func TestBothFilesTogetherAreSquares(t *testing.T) {
	const count = 777
	h0, h1 := deal(correlation.Spec{Kind: correlation.Squares, N: Padded(correlation.Squares, count)})
	p := export(t, t.TempDir(), h0, h1, 400)
	r0, r1 := open(t, p[0]), open(t, p[1])
	for i := range count {
		x, err0 := r0.buffered(2)
		y, err1 := r1.buffered(2)
		if err0 != nil || err1 != nil {
			t.Fatalf("square %d of %d: %v, %v", i, count, err0, err1)
		}
		if a := x[0] + y[0]; a*a != x[1]+y[1] {
			t.Fatalf("square %d is none", i)
		}
	}
}

func TestBothFilesTogetherAreMatrixTriples(t *testing.T) {
	const m, k, n, count = 3, 4, 5, 7
	h0, h1 := deal(correlation.MatrixSpec(m, k, n, Padded(correlation.Matrix, count), false))
	p := export(t, t.TempDir(), h0, h1, 3)
	r0, r1 := open(t, p[0]), open(t, p[1])
	next := func(size int) []uint64 {
		x, err0 := r0.direct(size)
		y, err1 := r1.direct(size)
		if err0 != nil || err1 != nil {
			t.Fatal(err0, err1)
		}
		sum := make([]uint64, size)
		ring.Add(sum, x, y)
		return sum
	}
	for triple := range count {
		a, b, c := next(m*k), next(k*n), next(m*n)
		for i := range m {
			for j := range n {
				var want uint64
				for l := range k {
					want += a[i*k+l] * b[l*n+j]
				}
				if c[i*n+j] != want {
					t.Fatalf("triple %d: element (%d,%d) of the product is wrong", triple, i, j)
				}
			}
		}
	}
	if _, err := r0.direct(1); err == nil {
		t.Error("something follows the last triple")
	}
}

// TestFilesOfManyChunksAreWhole writes more than is brought into the layout at a
// time.
func TestFilesOfManyChunksAreWhole(t *testing.T) {
	h0, h1 := deal(correlation.Spec{Kind: correlation.Triples, N: 2*chunkWords/3 + 5})
	p := export(t, t.TempDir(), h0, h1, chunkWords/3-1)
	for party, h := range []*correlation.Half{h0, h1} {
		r := open(t, p[party])
		if len(r.shares) != 3*h.Spec.N {
			t.Fatalf("party %d: %d shares of %d triples", party, len(r.shares), h.Spec.N)
		}
		for i, v := range [][]uint64{h.A(), h.B(), h.C()} {
			for j, x := range v {
				if r.shares[3*j+i] != x {
					t.Fatalf("party %d: share %d of triple %d is another", party, i, j)
				}
			}
		}
	}
	big := correlation.MatrixSpec(300, 300, 300, 2, false) // one of which is more than a chunk
	h0, h1 = deal(big)
	p = export(t, t.TempDir(), h0, h1)
	r := open(t, p[0])
	if want := slices.Concat(h0.A()[:90000], h0.B()[:90000], h0.C()[:90000], h0.A()[90000:], h0.B()[90000:], h0.C()[90000:]); !slices.Equal(r.shares, want) {
		t.Error("matrices of more than a chunk differ")
	}
}

// TestPaddingIsEnoughHoweverAProgramReads uses count elements by one program after
// the other, of one thread after the other, each of which reads blocks from where
// it begins; between programs what has been used is cut off.
func TestPaddingIsEnoughHoweverAProgramReads(t *testing.T) {
	for kind, shares := range map[correlation.Kind]int{correlation.Triples: 3, correlation.Squares: 2} {
		run := func(total, count int, parts []int) error {
			r := &reader{shares: make([]uint64, shares*total)}
			for i := range r.shares {
				r.shares[i] = uint64(i)
			}
			at := 0
			for i, n := range append(parts, count) {
				n = min(n, count-at)
				r.seek(shares * at)
				got, err := r.buffered(shares * n)
				if err != nil {
					return err
				}
				if n > 0 && got[0] != r.shares[shares*at] {
					t.Fatalf("read from another element")
				}
				at += n
				if i%2 == 1 { // a program ends
					r.shares = r.shares[shares*at:]
					count, at = count-at, 0
				}
			}
			return nil
		}
		for count := 1; count <= 420; count++ {
			total := Padded(kind, count)
			for _, parts := range [][]int{nil, {count / 2}, {1, 1}, {34, 34, 34}, {count - 34}, {count - 51}, {101}, {100, 1, 7}, {count - 1}, {0, count - 17}} {
				for i := range parts {
					parts[i] = max(parts[i], 0)
				}
				if err := run(total, count, parts); err != nil {
					t.Fatalf("%v: %d for %d, read in %v: %v", kind, total, count, parts, err)
				}
			}
		}
		// Not one less would do: the last 34 triples or 51 squares, read by a thread
		// of its own, end one share into a block.
		last := map[correlation.Kind]int{correlation.Triples: 34, correlation.Squares: 51}[kind]
		if run(Padded(kind, 200)-1, 200, []int{200 - last}) == nil {
			t.Errorf("%v: there is more padding than programs need", kind)
		}
	}
	for kind, want := range map[correlation.Kind]int{correlation.Triples: 1034, correlation.Squares: 1050, correlation.Matrix: 1000} {
		if got := Padded(kind, 1000); got != want {
			t.Errorf("1000 %v are padded to %d, not %d", kind, got, want)
		}
	}
}

func TestWhatCannotBeExportedIsRefused(t *testing.T) {
	triples := correlation.Spec{Kind: correlation.Triples, N: 10}
	linear := correlation.Spec{Kind: correlation.Linear, N: 1, Shape: ring.LinearShape(2, 3)}
	convolution := correlation.Spec{Kind: correlation.Convolution, N: 1, Shape: ring.LinearShape(2, 3)}
	for _, tc := range []struct {
		spec  correlation.Spec
		party int
		want  string
	}{
		{correlation.Spec{Kind: correlation.Products, N: 1}, 0, "MP-SPDZ reads no products from files; what can be exported is triples, squares, matrix"},
		{correlation.Spec{Kind: correlation.Powers, N: 1, Degree: 4, MaskBits: 50}, 0, "MP-SPDZ reads no powers"},
		{convolution, 1, "MP-SPDZ reads no convolution"},
		{linear, 1, "MP-SPDZ reads no linear"},
		{correlation.Spec{}, 0, "MP-SPDZ reads no kind 0"},
		{correlation.MatrixSpec(2, 3, 4, 5, true), 0, "matrix/2x3x4/fixed: MP-SPDZ opens another operand against every triple"},
		{correlation.MatrixSpec(0, 3, 4, 5, false), 0, "input height is 0"},
		{correlation.Spec{Kind: correlation.Triples, N: 1, Degree: 3}, 0, "triples with a degree"},
		{triples, 2, "party 2; there are 0 and 1"},
		{triples, -1, "party -1"},
		{correlation.Spec{Kind: correlation.Triples}, 0, "a file of 0 elements"},
		{correlation.Spec{Kind: correlation.Triples, N: -1}, 0, "a file of -1 elements"},
		{correlation.Spec{Kind: correlation.Triples, N: 1 << 60}, 0, "more than a file can hold"},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if _, err := NewWriter(dir, tc.party, tc.spec); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%v: a refusal makes folders", tc.spec)
		}
	}
}

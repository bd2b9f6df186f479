package correlation

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pascaline/ring"
)

func TestEveryKindHasSpecifications(t *testing.T) {
	seen := map[Kind]bool{}
	for _, s := range testSpecs() {
		if err := s.Validate(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		seen[s.Kind] = true
	}
	if len(seen) != len(Kinds()) {
		t.Errorf("only %d kinds are tested", len(seen))
	}
}

func TestSpecificationsAreChecked(t *testing.T) {
	powers := Spec{Kind: Powers, N: 1, Degree: 4, MaskBits: 54}
	matrix := MatrixSpec(2, 3, 4, 1, false)
	linear := Spec{Kind: Linear, N: 1, Shape: testShape()}
	for _, tc := range []struct {
		base   Spec
		change func(*Spec)
		want   string
	}{
		{Spec{}, func(s *Spec) {}, "unknown kind 0"},
		{Spec{N: 1}, func(s *Spec) { s.Kind = 8 }, "unknown kind 8"},
		{Spec{Kind: Triples}, func(s *Spec) { s.N = 0 }, "triples of 0 elements"},
		{Spec{Kind: Triples}, func(s *Spec) { s.N = -1 }, "triples of -1 elements"},
		{Spec{Kind: Triples}, func(s *Spec) { s.N = 1 << 40 }, "triples of 1099511627776 elements"},
		{Spec{Kind: Squares}, func(s *Spec) { s.N = MaxElements + 1 }, "there must be from 1 to 268435456"},
		{Spec{Kind: Squares}, func(s *Spec) { s.N = -1 << 63 }, "squares of -9223372036854775808 elements"},
		{Spec{Kind: Triples}, func(s *Spec) { s.N = MaxWords/3 + 1 }, "make at most 1024 MiB"},
		{Spec{Kind: Triples}, func(s *Spec) { s.N = MaxElements }, "take 6144 MiB"},
		{powers, func(s *Spec) { s.Degree = 1 }, "powers to degree 1; it must be from 2 to 8"},
		{powers, func(s *Spec) { s.Degree = 9 }, "powers to degree 9"},
		{powers, func(s *Spec) { s.Degree = -1 << 63 }, "powers to degree -"},
		{powers, func(s *Spec) { s.MaskBits = 0 }, "masks of 0 bits"},
		{powers, func(s *Spec) { s.MaskBits = 62 }, "masks of 62 bits; it must be from 1 to 61"},
		{powers, func(s *Spec) { s.MaskBits = ^uint(0) }, "masks of 18446744073709551615 bits"},
		{powers, func(s *Spec) { s.N = MaxElements }, "make at most"},
		{powers, func(s *Spec) { s.Shape = testShape() }, "powers with a shape"},
		{powers, func(s *Spec) { s.Fixed = true }, "powers with a fixed operand"},
		{powers, func(s *Spec) { s.Layer = 1 }, "powers with a layer"},
		{matrix, func(s *Spec) { s.Degree = 2 }, "matrix with a degree"},
		{matrix, func(s *Spec) { s.MaskBits = 1 }, "matrix with a number of mask bits"},
		{matrix, func(s *Spec) { s.Layer = -1 }, "matrix with a layer"},
		{matrix, func(s *Spec) { s.Shape = testShape() }, "matrix of the shape of a convolution, 4x5x2/3x2x3/s2x1/p1x0x0x1"},
		{matrix, func(s *Spec) { s.Shape.W, s.Shape.H = s.Shape.H, 1 }, "matrix of the shape of a convolution"},
		{matrix, func(s *Spec) { s.Shape = ring.ConvShape{} }, "matrix: input height is 0"},
		{matrix, func(s *Spec) { s.Shape.C = 1 << 21 }, "matrix: input channels is 2097152"},
		{matrix, func(s *Spec) { s.Shape.C, s.Shape.K = 1<<15, 1<<15 }, "matrix: weights has more than"},
		{linear, func(s *Spec) { s.Layer = -1 }, "linear: layer -1"},
		{linear, func(s *Spec) { s.Layer = MaxElements + 1 }, "linear: layer 268435457"},
		{linear, func(s *Spec) { s.Fixed = true }, "linear with a fixed operand"},
		{linear, func(s *Spec) { s.Shape.KH = 9 }, "linear: kernel 9×2 is larger"},
		{Spec{Kind: Triples, N: 1}, func(s *Spec) { s.Degree = 4 }, "triples with a degree, which is for other kinds"},
		{Spec{Kind: Squares, N: 1}, func(s *Spec) { s.MaskBits = 4 }, "squares with a number of mask bits"},
		{Spec{Kind: Products, N: 1}, func(s *Spec) { s.Shape.PadLeft = 1 }, "products with a shape"},
		{Spec{Kind: Convolution, N: 1, Shape: testShape()}, func(s *Spec) { s.Layer = 1 }, "convolution with a layer"},
	} {
		s := tc.base
		tc.change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: error %v, want one with %q", s, err, tc.want)
		}
		if _, err := s.MarshalBinary(); err == nil {
			t.Errorf("%v: it has an encoding", s)
		}
	}
}

func TestTheLargestSpecificationsAreValid(t *testing.T) {
	for _, s := range []Spec{
		{Kind: Triples, N: MaxWords / 3},
		{Kind: Squares, N: MaxWords / 2},
		{Kind: Products, N: MaxWords / 2},
		{Kind: Powers, N: MaxWords / 15, Degree: 8, MaskBits: 61},
		{Kind: Powers, N: MaxWords / 3, Degree: 2, MaskBits: 1},
		MatrixSpec(1, 1<<13, 1<<13, 1, false),
		MatrixSpec(1, 1, 1, MaxWords/3, false),
		{Kind: Linear, N: MaxWords, Shape: ring.LinearShape(1<<20, 1), Layer: MaxElements},
	} {
		if err := s.Validate(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		s.N++
		if s.N == 2 {
			continue
		}
		if err := s.Validate(); err == nil {
			t.Errorf("%v is valid", s)
		}
	}
}

// TestNoCountOverflows holds the sizes of the largest shapes and counts against
// math/big: an overflow would let a specification through that takes all memory.
func TestNoCountOverflows(t *testing.T) {
	dims := []int{1, 2, 3, 1 << 8, 1<<14 - 1, 1 << 14, 1 << 19, 1 << 20}
	counts := []int{1, 3, 1 << 16, 1 << 27, MaxElements - 1, MaxElements}
	shapes := 0
	check := func(c ring.ConvShape) {
		if c.Validate() != nil {
			return
		}
		shapes++
		for _, n := range counts {
			for _, s := range []Spec{
				{Kind: Convolution, N: n, Shape: c}, {Kind: Convolution, N: n, Shape: c, Fixed: true},
				{Kind: Linear, N: n, Shape: c},
			} {
				images, weights := big.NewInt(int64(n)), big.NewInt(int64(n))
				if s.Fixed {
					weights = big.NewInt(1)
				}
				want := new(big.Int).Mul(images, big.NewInt(int64(c.OutLen())))
				if s.Kind != Linear {
					want.Add(want, images.Mul(images, big.NewInt(int64(c.InLen()))))
					want.Add(want, weights.Mul(weights, big.NewInt(int64(c.WeightLen()))))
				}
				if got := s.Words(); big.NewInt(int64(got)).Cmp(want) != 0 {
					t.Errorf("%v takes %v words, not %d", s, want, got)
				}
				if valid := s.Validate() == nil; valid != (want.Cmp(big.NewInt(MaxWords)) <= 0) {
					t.Errorf("%v of %v words: valid %v", s, want, valid)
				}
				for party := range 2 {
					fixed, row := s.sizes(party, 1<<len(s.Columns(party))-1)
					size := new(big.Int).Mul(big.NewInt(int64(n)), big.NewInt(int64(row)))
					size.Add(size, big.NewInt(int64(fixed)))
					if want := new(big.Int).Lsh(want, 3); size.Cmp(want) != 0 {
						t.Errorf("%v takes %v bytes, not %v", s, want, size)
					}
				}
			}
		}
	}
	for _, a := range dims {
		for _, b := range dims {
			for _, k := range dims {
				check(MatrixShape(a, b, k))
				check(ring.ConvShape{H: a, W: b, C: 1, K: k, KH: 1, KW: 1, StrideH: 1, StrideW: 1})
				check(ring.ConvShape{H: 1, W: 1, C: a, K: b, KH: k, KW: 1, StrideH: 1, StrideW: 1, PadTop: k - 1})
			}
		}
	}
	if shapes < 300 {
		t.Errorf("only %d shapes were valid", shapes)
	}
	for _, n := range counts {
		for degree := MinDegree; degree <= MaxDegree; degree++ {
			if got, want := (Spec{Kind: Powers, N: n, Degree: degree, MaskBits: 61}).Words(), n*(2*degree-1); got != want {
				t.Errorf("%d powers of degree %d take %d words, not %d", n, degree, want, got)
			}
		}
	}
}

func TestAPoolIsParsedFromItsName(t *testing.T) {
	for _, tc := range []struct {
		spec Spec
		pool string
	}{
		{Spec{Kind: Triples, N: 9}, "triples"},
		{Spec{Kind: Squares, N: 9}, "squares"},
		{Spec{Kind: Products, N: 9}, "products"},
		{Spec{Kind: Powers, N: 9, Degree: 4, MaskBits: 52}, "powers/4/52"},
		{MatrixSpec(64, 128, 10, 9, false), "matrix/64x128x10"},
		{MatrixSpec(1, 2, 3, 9, true), "matrix/1x2x3/fixed"},
		{Spec{Kind: Convolution, N: 9, Shape: testShape()}, "convolution/4x5x2/3x2x3/s2x1/p1x0x0x1"},
		{Spec{Kind: Convolution, N: 9, Shape: testShape(), Fixed: true}, "convolution/4x5x2/3x2x3/s2x1/p1x0x0x1/fixed"},
	} {
		if got := tc.spec.Pool(); got != tc.pool {
			t.Errorf("%#v is pool %q, not %q", tc.spec, got, tc.pool)
		}
		if got, err := ParsePool(tc.pool, 9); err != nil || got != tc.spec {
			t.Errorf("%q parses to %#v, %v", tc.pool, got, err)
		}
	}
	for _, example := range []string{"powers/4/52", "matrix/64x128x10", "convolution/28x28x1/5x5x16/s1x1/p2x2x2x2"} {
		if _, err := ParsePool(example, 1); err != nil {
			t.Errorf("the example in an error is none: %v", err)
		}
	}
	if got, want := (Spec{Kind: Linear, N: 3, Shape: testShape(), Layer: 2}).String(), "3 of linear layer 2, 4x5x2/3x2x3/s2x1/p1x0x0x1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAPoolHasOneName(t *testing.T) {
	for pool, want := range map[string]string{
		"":                                       "unknown kind",
		"/":                                      "unknown kind",
		"triple":                                 "unknown kind",
		"Triples":                                "unknown kind",
		"kind 1":                                 "unknown kind",
		"triples/":                               "is no pool of triples; write triples",
		"triples/3":                              "is no pool of triples; write triples",
		"triples//":                              "is no pool of triples",
		"triples/fixed":                          "triples with a fixed operand",
		"triples/fixed/fixed":                    "is no pool of triples",
		"linear":                                 "made with a model's bundles only",
		"linear/fixed":                           "made with a model's bundles only",
		"powers":                                 "write powers/DEGREE/MASKBITS, like",
		"powers/4":                               "is no pool of powers",
		"powers/4/52/1":                          "is no pool of powers",
		"powers/4x52":                            "is no pool of powers",
		"powers/04/52":                           "is no pool of powers",
		"powers/+4/52":                           "is no pool of powers",
		"powers/-4/52":                           "is no pool of powers",
		"powers/s4/p52":                          "is no pool of powers",
		"powers/4/52/":                           "is no pool of powers",
		"powers//4/52":                           "is no pool of powers",
		"powers/4/ 52":                           "is no pool of powers",
		"powers/4/5_2":                           "is no pool of powers",
		"powers/4/0x34":                          "is no pool of powers",
		"powers/٤/52":                            "is no pool of powers",
		"powers/4/99999999999":                   "is no pool of powers",
		"powers/4/52/fixed":                      "powers with a fixed operand",
		"powers/1/52":                            "powers to degree 1",
		"powers/9/52":                            "powers to degree 9",
		"powers/4/62":                            "masks of 62 bits",
		"matrix":                                 "write matrix/MxKxN, like",
		"matrix/2x3":                             "is no pool of matrix",
		"matrix/2x3x4x5":                         "is no pool of matrix",
		"matrix/2/3/4":                           "is no pool of matrix",
		"matrix/2x3x4/":                          "is no pool of matrix",
		"matrix/2xx3x4":                          "is no pool of matrix",
		"matrix/2X3X4":                           "is no pool of matrix",
		"matrix/0x3x4":                           "matrix: input height is 0",
		"matrix/2x3x4/Fixed":                     "is no pool of matrix",
		"matrix/fixed/2x3x4":                     "is no pool of matrix",
		"matrix/1048577x1x1":                     "input height is 1048577",
		"convolution/4x5x2":                      "write convolution/HxWxC/KHxKWxK/sHxW/pTxLxBxR, like",
		"convolution/4x5x2/3x2x3/2x1/1x0x0x1":    "is no pool of convolution",
		"convolution/4x5x2/3x2x3/s2x1/p1x0x0x1/": "is no pool of convolution",
		"convolution/4x5x2/3x2x3/p2x1/s1x0x0x1":  "is no pool of convolution",
		"convolution/4x5x2/9x2x3/s2x1/p1x0x0x1":  "kernel 9×2 is larger",
		"convolution/" + strings.Repeat("1x", 100000) + "1": "is no pool of convolution",
	} {
		got, err := ParsePool(pool, 5)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, error %v, want one with %q", pool, got, err, want)
		}
		if got != (Spec{}) {
			t.Errorf("%.60q: %v beside an error", pool, got)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%.60q: an error of %d bytes", pool, len(err.Error()))
		}
	}
	for n, want := range map[int]string{0: "triples of 0 elements", -1: "triples of -1 elements", 1 << 40: "of 1099511627776 elements"} {
		if _, err := ParsePool("triples", n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d triples: error %v", n, err)
		}
	}
}

func FuzzParsePool(f *testing.F) {
	for _, s := range testSpecs() {
		f.Add(s.Pool(), s.N)
	}
	f.Add("matrix/2x3x4/fixed/fixed", 1)
	f.Fuzz(func(t *testing.T, pool string, n int) {
		s, err := ParsePool(pool, n)
		if err != nil {
			return
		}
		if s.Pool() != pool || s.N != n || s.Validate() != nil {
			t.Errorf("%q of %d parses to %#v", pool, n, s)
		}
		data, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := UnmarshalSpec(data); err != nil || again != s {
			t.Errorf("%#v becomes %#v, %v", s, again, err)
		}
	})
}

func TestASpecificationHasOneEncoding(t *testing.T) {
	seen := map[string]Spec{}
	for _, s := range testSpecs() {
		data := encode(t, s)
		if got, err := UnmarshalSpec(data); err != nil || got != s {
			t.Errorf("%v becomes %v, %v", s, got, err)
		}
		if other, ok := seen[string(data)]; ok {
			t.Errorf("%v and %v have the same encoding", s, other)
		}
		seen[string(data)] = s
		for n := range len(data) {
			if _, err := UnmarshalSpec(data[:n]); !errors.Is(err, ErrHalf) {
				t.Errorf("%v cut to %d bytes: error %v", s, n, err)
			}
		}
		if _, err := UnmarshalSpec(append(bytes.Clone(data), 0)); !errors.Is(err, ErrHalf) {
			t.Errorf("%v with a trailing byte: error %v", s, err)
		}
		for i := range data {
			for bit := range 8 {
				changed := bytes.Clone(data)
				changed[i] ^= 1 << bit
				got, err := UnmarshalSpec(changed)
				if err == nil && got == s || err != nil && !errors.Is(err, ErrHalf) {
					t.Errorf("%v with bit %d of byte %d flipped: %v, error %v", s, bit, i, got, err)
				}
			}
		}
	}
}

func TestTheEncodingOfASpecificationIsFixed(t *testing.T) {
	dims := func(v ...byte) (s string) {
		for _, b := range v {
			s += fmt.Sprintf("%02x000000", b)
		}
		return s
	}
	none := dims(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	shape := ring.ConvShape{H: 2, W: 3, C: 9, K: 8, KH: 3, KW: 4, StrideH: 5, StrideW: 6, PadTop: 1, PadLeft: 2, PadBottom: 0, PadRight: 7}
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{Spec{Kind: Triples, N: 0x123456}, "01000000" + "00000000" + "5634120000000000" + none},
		{Spec{Kind: Powers, N: 2, Degree: 4, MaskBits: 54}, "06000436" + "00000000" + "0200000000000000" + none},
		{MatrixSpec(2, 3, 4, 7, true), "04010000" + "00000000" + "0700000000000000" + dims(2, 1, 3, 4, 1, 1, 1, 1, 0, 0, 0, 0)},
		{Spec{Kind: Linear, N: 1, Shape: shape, Layer: 0x1234567}, "07000000" + "67452301" + "0100000000000000" + dims(2, 3, 9, 8, 3, 4, 5, 6, 1, 2, 0, 7)},
	} {
		if got := hex.EncodeToString(encode(t, tc.spec)); got != tc.want {
			t.Errorf("%v\ngot  %s\nwant %s", tc.spec, got, tc.want)
		}
	}
}

func TestHugeNumbersInASpecificationAreRefused(t *testing.T) {
	for _, s := range testSpecs() {
		data := encode(t, s)
		for _, n := range []uint64{0, MaxElements + 1, 1 << 32, 1 << 40, 1 << 63, ^uint64(0)} {
			changed := bytes.Clone(data)
			binary.LittleEndian.PutUint64(changed[8:], n)
			if _, err := UnmarshalSpec(changed); !errors.Is(err, ErrHalf) {
				t.Errorf("%v of %d elements: error %v", s.Kind, n, err)
			}
		}
		for field := 4; field < specSize; field += 4 {
			if field == 8 || field == 12 {
				continue // N
			}
			for _, v := range []uint32{MaxElements + 1, 1 << 31, ^uint32(0)} {
				changed := bytes.Clone(data)
				binary.LittleEndian.PutUint32(changed[field:], v)
				if got, err := UnmarshalSpec(changed); !errors.Is(err, ErrHalf) {
					t.Errorf("%v with %d at byte %d: %v, error %v", s, v, field, got, err)
				}
			}
		}
	}
}

func FuzzUnmarshalSpec(f *testing.F) {
	for _, s := range testSpecs() {
		f.Add(encode(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := UnmarshalSpec(data)
		if err != nil {
			if !errors.Is(err, ErrHalf) || s != (Spec{}) {
				t.Errorf("%v, error %v", s, err)
			}
			return
		}
		if again := encode(t, s); !bytes.Equal(again, data) {
			t.Errorf("decoded %x, encoded %x", data, again)
		}
		if s.Kind != Linear {
			if parsed, err := ParsePool(s.Pool(), s.N); err != nil || parsed != s {
				t.Errorf("%#v: its pool parses to %#v, %v", s, parsed, err)
			}
		}
	})
}

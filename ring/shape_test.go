package ring

import (
	"strings"
	"testing"
)

func TestShapesAreChecked(t *testing.T) {
	good := ConvShape{H: 4, W: 5, C: 2, K: 3, KH: 3, KW: 2, StrideH: 2, StrideW: 1, PadTop: 1, PadRight: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change func(*ConvShape)
		want   string
	}{
		{func(s *ConvShape) { s.H = 0 }, "input height is 0"},
		{func(s *ConvShape) { s.C = -1 }, "input channels is -1"},
		{func(s *ConvShape) { s.K = 1 << 21 }, "output channels is 2097152"},
		{func(s *ConvShape) { s.StrideW = 0 }, "horizontal stride is 0"},
		{func(s *ConvShape) { s.PadBottom = -1 }, "bottom padding is -1"},
		{func(s *ConvShape) { s.KH = 6 }, "kernel 6×2 is larger than the padded input 5×6"},
		{func(s *ConvShape) { s.KW = 7 }, "kernel 3×7 is larger"},
		{func(s *ConvShape) { s.H, s.W = 1<<15, 1<<14 }, "input has more than"},
		{func(s *ConvShape) { s.H, s.W, s.K = 1<<12, 1<<12, 1<<12 }, "output has more than"},
		{func(s *ConvShape) { s.K, s.C = 1<<18, 1<<9; s.H, s.W = 3, 2 }, "weights has more than"},
		{func(s *ConvShape) { s.PadTop, s.PadLeft = 1<<20, 1<<20 }, "output has more than"},
	} {
		s := good
		tc.change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: error %v, want one with %q", s, err, tc.want)
		}
	}
}

func TestShapesCountTheirElements(t *testing.T) {
	s := ConvShape{H: 8, W: 6, C: 2, K: 3, KH: 3, KW: 2, StrideH: 2, StrideW: 3, PadTop: 1, PadLeft: 2, PadBottom: 0, PadRight: 1}
	if s.OutH() != 4 || s.OutW() != 3 || s.InLen() != 96 || s.OutLen() != 36 || s.WeightLen() != 36 || s.MACs() != 36*12 {
		t.Errorf("%+v: %d×%d, %d, %d, %d, %d", s, s.OutH(), s.OutW(), s.InLen(), s.OutLen(), s.WeightLen(), s.MACs())
	}
	if l := LinearShape(5, 7); l.Validate() != nil || l.InLen() != 5 || l.OutLen() != 7 || l.WeightLen() != 35 || l.MACs() != 35 {
		t.Errorf("%+v is not a product of 5 elements by a 5×7 matrix", l)
	}
}

func TestVectorsAddAndSubtractModulo64Bits(t *testing.T) {
	a, b := []uint64{1, ^uint64(0), 1 << 63}, []uint64{2, 1, 1 << 63}
	d := make([]uint64, 3)
	Add(d, a, b)
	if d[0] != 3 || d[1] != 0 || d[2] != 0 {
		t.Errorf("sum %#x", d)
	}
	Sub(d, d, b)
	for i := range d {
		if d[i] != a[i] {
			t.Errorf("difference %#x, want %#x", d, a)
		}
	}
	v := MakeVec128(10)
	s := v.Slice(2, 5)
	s.Lo[0], s.Hi[2] = 7, 8
	if s.Len() != 3 || v.Lo[2] != 7 || v.Hi[4] != 8 {
		t.Error("Slice does not share the memory of its vector")
	}
}

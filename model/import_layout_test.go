package model

import (
	"math/rand"
	"slices"
	"testing"

	"pascaline/internal/onnxpb"
)

// elements returns where the elements of a layout are, in ONNX's order.
func (l layout) elements() array {
	a := newArray(l.dims()...)
	a.each(func(i int, index []int) {
		for k, j := range index {
			a.data[i] += float64(offset(l[k], j))
		}
	})
	return a
}

// TestLayoutsAreViewsOfTheSameElements reshapes and transposes at random, and
// compares with the same done to a tensor that holds its own order.
func TestLayoutsAreViewsOfTheSameElements(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	shapes := 0
	for range 500 {
		s := Shape{1 + r.Intn(4), 1 + r.Intn(4), 1 + r.Intn(6)}
		l := imageLayout(s)
		a := l.elements()
		for range 6 {
			if r.Intn(2) == 0 {
				perm := r.Perm(len(a.dims))
				l, a = l.transposed(perm), runTranspose(a, perm)
			} else {
				dims := randomDims(r, len(a.data))
				m, ok := l.reshaped(dims)
				if !ok {
					continue // the order would not be one of digits
				}
				shapes++
				l, a.dims = m, dims
			}
			if got := l.elements(); !slices.Equal(got.dims, a.dims) || !slices.Equal(got.data, a.data) {
				t.Fatalf("of %v: %v is %v of shape %v, not %v of shape %v", s, l, got.data, got.dims, a.data, a.dims)
			}
			for _, axis := range l {
				for i := range size(axis) {
					if coordinate(axis, offset(axis, i)) != i {
						t.Fatalf("element %d of %v comes back as another", i, axis)
					}
				}
			}
		}
		if back, ok := l.reshaped(a.dims); !ok || !back.equal(l) {
			t.Errorf("%v is not itself when reshaped to its own shape", l)
		}
	}
	if shapes < 500 {
		t.Errorf("%d reshapes were tried", shapes)
	}
}

// randomDims factors n at random, with ones among the factors.
func randomDims(r *rand.Rand, n int) []int {
	var dims []int
	for n > 1 {
		d := 1 + r.Intn(n)
		for n%d != 0 {
			d--
		}
		dims, n = append(dims, d), n/d
		if r.Intn(3) == 0 {
			dims = append(dims, 1)
		}
	}
	return append(dims, 1)
}

func TestAReshapeAcrossTheOrderIsNone(t *testing.T) {
	l := imageLayout(Shape{4, 6, 3})
	for _, dims := range [][]int{{8, 9}, {1, 2, 36}, {144}, {71}} {
		if m, ok := l.reshaped(dims); ok {
			t.Errorf("%v became %v", dims, m)
		}
	}
}

// regrouped views an image of h×1 pixels in c channels as one of other pixels.
func (b *onnxBuilder) regrouped(x string, h, c int64) string {
	x = b.node("Transpose", x, intsAttr("perm", 0, 2, 3, 1))
	return b.node("Transpose", b.node("Reshape", x, b.ints(1, h, 1, c)), intsAttr("perm", 0, 3, 1, 2))
}

// Factors of channels may meet layers for which the same elements are other channels.
func TestFactorsOfChannelsStayWithTheirElements(t *testing.T) {
	factors := func(b *onnxBuilder, x string, v ...float32) string {
		return b.node("Mul", x, b.initializer(&onnxpb.TensorProto{DataType: onnxpb.TensorProto_FLOAT, Dims: []int64{int64(len(v)), 1, 1}, FloatData: v}))
	}
	t.Run("fewer channels", func(t *testing.T) {
		b := newONNX(1, 6, 2, 1)
		y := b.regrouped(factors(b, "x", 1, 1, 1, 2, 1, 1), 3, 4)
		importsAs(t, b, b.conv(y, 4, 2, 1, 1, 0))
	})
	t.Run("more channels", func(t *testing.T) {
		b := newONNX(1, 4, 3, 1)
		y := b.regrouped(factors(b, "x", 1, 2, 3, 4), 2, 6)
		importsAs(t, b, b.conv(y, 6, 2, 1, 1, 0))
	})
	t.Run("in common", func(t *testing.T) {
		b := newONNX(1, 4, 3, 1)
		y := b.regrouped(factors(b, "x", 1, 2, 1, 2), 2, 6)
		g := importsAs(t, b, b.conv(y, 6, 2, 1, 1, 0))
		if got := ops(g); got != "reshape linear" {
			t.Errorf("became %s", got)
		}
	})
	t.Run("joined", func(t *testing.T) {
		b := newONNX(1, 4, 3, 1)
		joined := b.node("Concat", b.conv("x", 4, 2, 1, 1, 0), b.conv("x", 4, 2, 1, 1, 0), intAttr("axis", 1))
		y := b.node("Add", b.conv(b.regrouped("x", 2, 6), 6, 6, 1, 1, 0), b.regrouped(joined, 2, 6))
		importsAs(t, b, factors(b, y, 1, 2, 3, 4, 5, 6))
	})
}

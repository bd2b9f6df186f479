package model

import (
	"math/rand"
	"slices"
	"testing"
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

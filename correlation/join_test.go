package correlation

import (
	"reflect"
	"slices"
	"testing"

	"pascaline/ring"
)

// TestJoinUndoesSlice cuts halves in three in every way, some pieces explicit and
// some not.
func TestJoinUndoesSlice(t *testing.T) {
	eachHalf(t, 80, func(t *testing.T, h *Half) {
		h.From = 4
		n, all := h.Spec.N, uint64(1)<<len(h.Columns)-1
		for i := 1; i < n; i++ {
			for j := i; j <= n; j++ {
				pieces := []*Half{withExplicit(h.Slice(0, i), all&1), h.Slice(i, n)}
				if j > i && j < n {
					pieces = []*Half{h.Slice(0, i), withExplicit(h.Slice(i, j), all), withExplicit(h.Slice(j, n), all&2)}
				}
				joined := Join(pieces)
				if err := joined.Validate(); err != nil {
					t.Fatalf("cut at %d and %d: %v", i, j, err)
				}
				checkSlice(t, joined, columnsOf(h), 0, n)
				if joined.Party != h.Party || joined.explicit() != all {
					t.Fatalf("cut at %d and %d: party %d, explicit columns %#x", i, j, joined.Party, joined.explicit())
				}
			}
		}
		if Join([]*Half{h}) != h {
			t.Error("a single half is not returned as it is")
		}
	})
}

func TestJoinedHalvesFormACorrelation(t *testing.T) {
	eachDeal(t, 81, func(t *testing.T, _ int, h0, h1 *Half) {
		n := h0.Spec.N
		j0 := Join([]*Half{h0.Slice(0, 1), h0.Slice(1, n)})
		j1 := Join([]*Half{h1.Slice(0, n-1), h1.Slice(n-1, n)})
		if err := Verify(j0, j1); err != nil {
			t.Error(err)
		}
	})
}

func TestAnExplicitHalfHoldsTheSameWithoutItsSeed(t *testing.T) {
	eachHalf(t, 82, func(t *testing.T, h *Half) {
		h.From = 4
		mixes(h, func(h *Half) {
			part := h.Slice(h.Spec.N-1, h.Spec.N)
			e := part.Explicit()
			if e.Seed != (ring.Seed{}) || e.From != 0 || e.explicit() != 1<<len(h.Columns)-1 {
				t.Fatalf("seed %v, element %d, explicit columns %#x", e.Seed == ring.Seed{}, e.From, e.explicit())
			}
			checkSlice(t, e, columnsOf(h), h.Spec.N-1, h.Spec.N)
			got, err := UnmarshalHalf(e.Spec, e.Party, encode(t, e))
			if err != nil || !reflect.DeepEqual(got, e) {
				t.Fatalf("differs after encoding and decoding: %v", err)
			}
			if !slices.EqualFunc(columnsOf(part), e.Columns, slices.Equal) {
				t.Fatal("its columns differ")
			}
		})
	})
}

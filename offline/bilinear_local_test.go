package offline

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"pascaline/ring"
)

func TestLocalProductsAreTheSameInBlocksOfEverySize(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	jobs := []operands{
		{matrixShape(5, 7, 3), 4, false},
		{matrixShape(5, 7, 3), 4, true},
		{conv(7, 7, 4, 4, 1, 1, 0), 2, true},
		{conv(7, 7, 4, 4, 1, 1, 1), 1, true},
		{conv(2, 2, 3, 2, 1, 3, 2), 3, false}, // rows that see only padding
		{ring.ConvShape{H: 1, W: 1, C: 2, K: 2, KH: 1, KW: 1, StrideH: 3, StrideW: 3, PadTop: 1}, 2, false},
		{conv(9, 8, 3, 4, 5, 2, 2), 3, false},
	}
	for range 100 {
		jobs = append(jobs, operands{randomShape(rng, 12), 1 + rng.IntN(5), rng.IntN(2) == 0})
	}
	for _, o := range jobs {
		s := o.shape
		a, b := uniformVectors(1, o.firstLen())[0], uniformVectors(1, o.secondLen())[0]
		want := make([]uint64, o.productLen())
		for n := range o.count {
			w := b
			if !o.fixed {
				w = b[n*s.WeightLen():][:s.WeightLen()]
			}
			ring.ConvWide(want[n*s.OutLen():][:s.OutLen()], a[n*s.InLen():][:s.InLen()], w, s)
		}
		for _, work := range []int{1, 1 + rng.IntN(2*s.MACs()), 3 * s.MACs(), localWork} {
			got := uniformVectors(1, len(want))[0]
			if err := o.multiply(t.Context(), got, a, b, work); err != nil || !slices.Equal(got, want) {
				t.Errorf("%+v in blocks of %d: the products differ (%v)", o, work, err)
			}
		}
	}
}

// ending is a context that ends when it has been looked at a number of times.
type ending struct {
	context.Context
	looks atomic.Int64
	last  int64
}

func (e *ending) Err() error {
	if e.looks.Add(1) > e.last {
		return context.Canceled
	}
	return nil
}

// However large products are, no block is begun after the context has ended.
func TestLocalProductsEndWithTheirContext(t *testing.T) {
	for _, o := range []operands{
		{matrixShape(1000, 3, 2), 1, false},
		{matrixShape(10, 3, 2), 100, true},
		{matrixShape(1, 3, 2), 1000, false},
		{conv(1000, 2, 3, 2, 3, 1, 1), 1, false},
	} {
		const last = 20
		ctx := &ending{Context: t.Context(), last: last}
		a, b := uniformVectors(1, o.firstLen())[0], uniformVectors(1, o.secondLen())[0]
		c := make([]uint64, o.productLen())
		if err := o.multiply(ctx, c, a, b, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: the error is %v", o, err)
		}
		made := 0
		for _, v := range c {
			if v != 0 {
				made++
			}
		}
		if row := o.shape.OutW() * o.shape.K; made > last*row {
			t.Errorf("%+v: %d elements are made after %d looks at the context, want at most %d", o, made, last, last*row)
		}
	}
}

package offline

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"pascaline/ring"
)

// localWork is how many multiplications local products take between looks at the
// context: some hundredths of a second.
const localWork = 1 << 24

// multiply sets c to the products of a and b, mod 2^64, on all cores. It goes by
// blocks of about that much work, of several products or of some rows of one, and
// ends with ctx between two of them; then c is worthless.
func (o operands) multiply(ctx context.Context, c, a, b []uint64, work int) error {
	if o.matrices() { // rows of pixels; with a fixed operand those of all products
		rows := o.shape.H * o.shape.W
		if o.fixed {
			rows, o.count = rows*o.count, 1
		}
		o.shape = ring.LinearShape(o.shape.C, o.shape.K)
		o.shape.H = rows
	}
	s := o.shape
	row := s.OutW() * s.K * s.KH * s.KW * s.C // multiplications
	rows := min(s.OutH(), max(1, work/row))
	products := max(1, work/(row*s.OutH()))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for first := 0; first < o.count && ctx.Err() == nil; first += products {
		for y := 0; y < s.OutH() && ctx.Err() == nil; y += rows {
			group.Go(func() error {
				for n := first; n < min(first+products, o.count) && ctx.Err() == nil; n++ {
					o.multiplyRows(c, a, b, n, y, min(y+rows, s.OutH()))
				}
				return ctx.Err()
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err() // blocks may not have been begun
}

// multiplyRows sets rows y0 to y1 (exclusive) of product n.
func (o operands) multiplyRows(c, a, b []uint64, n, y0, y1 int) {
	s := o.shape
	a = a[n*s.InLen():][:s.InLen()]
	c = c[n*s.OutLen():][y0*s.OutW()*s.K : y1*s.OutW()*s.K]
	if !o.fixed {
		b = b[n*s.WeightLen():][:s.WeightLen()]
	}
	// The rows of the input that they see, and of the padding.
	from, to := y0*s.StrideH-s.PadTop, (y1-1)*s.StrideH-s.PadTop+s.KH
	part := s
	part.PadTop, part.PadBottom = max(0, -from), max(0, to-s.H)
	from, to = max(0, from), min(to, s.H)
	if from >= to {
		clear(c)
		return
	}
	part.H = to - from
	ring.ConvWide(c, a[from*s.W*s.C:to*s.W*s.C], b, part)
}

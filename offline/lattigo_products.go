package offline

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
)

// elementwise is triples, squares or products of several requests as one long
// batch, cut into full ciphertexts.
type elementwise struct {
	halves   []*correlation.Half
	elements int
	a, b, c  []uint64 // b is empty but for triples; c, at party 0, is given
}

// newElementwise lays the halves of a kind one after the other: triples have
// columns a, b, c, the others an operand and c.
func newElementwise(kind correlation.Kind, party int, halves []*correlation.Half) *elementwise {
	w := &elementwise{halves: halves}
	for _, h := range halves {
		w.elements += h.Spec.N
	}
	w.a = joined(halves, w.elements, 0)
	last := 1
	if kind == correlation.Triples {
		w.b = joined(halves, w.elements, 1)
		last = 2
	}
	if party == 0 {
		w.c = joined(halves, w.elements, last)
	} else {
		w.c = make([]uint64, w.elements)
	}
	return w
}

func (w *elementwise) batches() int { return ceilDiv(w.elements, ProductsSlots) }

// batch returns the operands and the shares of the i-th batch.
func (w *elementwise) batch(i int) (a, b, c []uint64) {
	from, to := batch(w.elements, ProductsSlots, i)
	if len(w.b) > 0 {
		b = w.b[from:to]
	}
	return w.a[from:to], b, w.c[from:to]
}

// products makes triples, squares or products.
func (g *lattigoRun) products(ctx context.Context, kind correlation.Kind, halves []*correlation.Half) error {
	if err := g.meetForProducts(ctx, kind); err != nil {
		return fmt.Errorf("%v: %w", kind, err)
	}
	w := newElementwise(kind, g.Party, halves)
	var err error
	if g.Party == 0 {
		err = g.answerProducts(ctx, g.productsEvaluators[kind], kind, w)
	} else {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return g.askProducts(ctx, g.productsEncryptors[kind], w) })
		group.Go(func() error { return g.takeProducts(ctx, g.productsEncryptors[kind], kind, w) })
		err = group.Wait()
	}
	if err != nil {
		return fmt.Errorf("%v: %w", kind, err)
	}
	if g.Party == 1 {
		at := 0
		for _, h := range halves {
			h.Columns[len(h.Columns)-1] = w.c[at:][:h.Spec.N:h.Spec.N]
			at += h.Spec.N
		}
	}
	return nil
}

// meetForProducts exchanges the key for a kind, unless the run has it.
func (g *lattigoRun) meetForProducts(ctx context.Context, kind correlation.Kind) error {
	if g.Party == 1 {
		if g.productsEncryptors[kind] != nil {
			return nil
		}
		e, err := NewProductsEncryptor(kind)
		if err != nil {
			return err
		}
		if g.productsEncryptors == nil {
			g.productsEncryptors = make(map[correlation.Kind]*ProductsEncryptor)
		}
		g.productsEncryptors[kind] = e
		return g.sendKey(ctx, e.PublicKey())
	}
	if g.productsEvaluators[kind] != nil {
		return nil
	}
	key, err := g.takeKey(ctx)
	if err != nil {
		return err
	}
	v, err := NewProductsEvaluator(kind, key)
	if err != nil {
		return err
	}
	if g.productsEvaluators == nil {
		g.productsEvaluators = make(map[correlation.Kind]*ProductsEvaluator)
	}
	g.productsEvaluators[kind] = v
	return nil
}

func (g *lattigoRun) askProducts(ctx context.Context, e *ProductsEncryptor, w *elementwise) error {
	return ordered(ctx, w.batches(),
		func(_ context.Context, i int) (int, error) { return i, nil },
		func(_, i int) ([]byte, error) {
			a, b, _ := w.batch(i)
			return e.Encrypt(a, b)
		},
		func(ctx context.Context, _ int, query []byte) error { return g.Twin.Send(ctx, query) })
}

func (g *lattigoRun) takeProducts(ctx context.Context, e *ProductsEncryptor, kind correlation.Kind, w *elementwise) error {
	return ordered(ctx, w.batches(),
		func(ctx context.Context, i int) ([]byte, error) {
			a, _, _ := w.batch(i)
			return g.recvExactly(ctx, ProductsReplySize(kind, len(a)))
		},
		func(i int, reply []byte) ([]uint64, error) {
			a, b, _ := w.batch(i)
			return e.Decrypt(a, b, reply)
		},
		func(_ context.Context, i int, shares []uint64) error {
			_, _, c := w.batch(i)
			copy(c, shares)
			g.Progress(float64(i+1) / float64(w.batches()))
			return nil
		})
}

func (g *lattigoRun) answerProducts(ctx context.Context, v *ProductsEvaluator, kind correlation.Kind, w *elementwise) error {
	return ordered(ctx, w.batches(),
		func(ctx context.Context, i int) ([]byte, error) {
			a, _, _ := w.batch(i)
			return g.recvExactly(ctx, ProductsQuerySize(kind, len(a)))
		},
		func(i int, query []byte) ([]byte, error) {
			a, b, c := w.batch(i)
			return v.Evaluate(a, b, c, query)
		},
		func(ctx context.Context, _ int, reply []byte) error { return g.Twin.Send(ctx, reply) })
}

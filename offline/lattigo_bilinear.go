package offline

import (
	"context"
	"fmt"

	"pascaline/correlation"
)

// bilinear makes matrix and convolution correlations, request after request. Both
// parties encrypt and both evaluate (bilinear.go), under keys that they exchange
// with the first.
func (g *lattigoRun) bilinear(ctx context.Context, halves []*correlation.Half) error {
	if err := g.meetForBilinear(ctx); err != nil {
		return err
	}
	for i, h := range halves {
		spec := h.Spec
		plan, err := NewBilinearPlan(spec.Shape, spec.N, spec.Fixed)
		if err != nil {
			return fmt.Errorf("%v: %w", spec, err)
		}
		c := h.C()
		if g.Party == 1 {
			c = make([]uint64, len(c))
		}
		progress := func(fraction float64) { g.Progress((float64(i) + fraction) / float64(len(halves))) }
		if err := g.bilinearParty.Multiply(ctx, plan, h.A(), h.B(), c, g.Twin, progress); err != nil {
			return fmt.Errorf("%v: %w", spec, err)
		}
		if g.Party == 1 {
			h.Columns[len(h.Columns)-1] = c
		}
	}
	return nil
}

// meetForBilinear exchanges both parties' keys, unless the run has them.
func (g *lattigoRun) meetForBilinear(ctx context.Context) error {
	if g.bilinearParty != nil {
		return nil
	}
	key, err := NewBilinearKey()
	if err != nil {
		return err
	}
	// One after the other: both may not send before either receives.
	var theirs []byte
	if g.Party == 1 {
		err = g.sendKey(ctx, key.PublicKey())
	}
	if err == nil {
		theirs, err = g.takeKey(ctx)
	}
	if err == nil && g.Party == 0 {
		err = g.sendKey(ctx, key.PublicKey())
	}
	if err != nil {
		return err
	}
	g.bilinearParty, err = NewBilinearParty(g.Party, key, theirs)
	return err
}

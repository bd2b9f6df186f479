package offline

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
)

// linearGroup is neighbouring requests for one layer, which share their
// ciphertexts.
type linearGroup struct {
	layer   int
	packing *LinearPacking
	halves  []*correlation.Half
	inputs  [][]uint64 // by inference; party 1 only
}

// linearGroups gathers neighbouring requests for one layer.
func (g *lattigoRun) linearGroups(requests []correlation.Request, halves []*correlation.Half) ([]*linearGroup, error) {
	var groups []*linearGroup
	for i := 0; i < len(requests); {
		group, n := &linearGroup{layer: requests[i].Spec.Layer}, 0
		for ; i < len(requests) && requests[i].Spec.Layer == group.layer && n+requests[i].Spec.N <= max(maxLinearGroup, requests[i].Spec.N); i++ {
			n += requests[i].Spec.N
			group.halves = append(group.halves, halves[i])
			if g.Party == 1 {
				group.inputs = append(group.inputs, split(requests[i].Input, requests[i].Spec.N)...)
			}
		}
		var err error
		if group.packing, err = NewLinearPacking(g.Layers[group.layer].Shape, n); err != nil {
			return nil, fmt.Errorf("linear layer %d: %w", group.layer, err)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// split cuts v into n vectors of equal length.
func split(v []uint64, n int) [][]uint64 {
	parts, size := make([][]uint64, n), len(v)/n
	for i := range parts {
		parts[i] = v[i*size:][:size:size]
	}
	return parts
}

// linear makes linear correlations, layer after layer.
func (g *lattigoRun) linear(ctx context.Context, requests []correlation.Request, halves []*correlation.Half) error {
	groups, err := g.linearGroups(requests, halves)
	if err != nil {
		return err
	}
	if err := g.meetForLinear(ctx); err != nil {
		return err
	}
	if g.Party == 0 {
		for _, l := range groups {
			if err := g.answerLinear(ctx, l); err != nil {
				return fmt.Errorf("linear layer %d: %w", l.layer, err)
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for _, l := range groups {
			err := g.linearEncryptor.Encrypt(l.packing, l.inputs, func(query []byte) error { return g.Twin.Send(ctx, query) })
			if err != nil {
				return fmt.Errorf("linear layer %d: %w", l.layer, err)
			}
		}
		return nil
	})
	group.Go(func() error {
		for i, l := range groups {
			if err := g.takeLinear(ctx, l); err != nil {
				return fmt.Errorf("linear layer %d: %w", l.layer, err)
			}
			g.Progress(float64(i+1) / float64(len(groups)))
		}
		return nil
	})
	return group.Wait()
}

func (g *lattigoRun) meetForLinear(ctx context.Context) (err error) {
	if g.Party == 1 {
		if g.linearEncryptor != nil {
			return nil
		}
		if g.linearEncryptor, err = NewLinearEncryptor(); err != nil {
			return err
		}
		return g.sendKey(ctx, g.linearEncryptor.PublicKey())
	}
	if g.linearEvaluator != nil {
		return nil
	}
	key, err := g.takeKey(ctx)
	if err != nil {
		return err
	}
	g.linearEvaluator, err = NewLinearEvaluator(key)
	return err
}

func (g *lattigoRun) takeLinear(ctx context.Context, l *linearGroup) error {
	y, err := g.linearEncryptor.Decrypt(l.packing, func() ([]byte, error) { return g.Twin.Recv(ctx, l.packing.MessageLimit()) })
	if err != nil {
		return err
	}
	for _, h := range l.halves {
		h.Columns[0] = make([]uint64, 0, h.Spec.N*h.Spec.Shape.OutLen())
		for range h.Spec.N {
			h.Columns[0] = append(h.Columns[0], y[0]...)
			y = y[1:]
		}
	}
	return nil
}

func (g *lattigoRun) answerLinear(ctx context.Context, l *linearGroup) error {
	var masks [][]uint64
	for _, h := range l.halves {
		masks = append(masks, split(h.S(), h.Spec.N)...)
	}
	return g.linearEvaluator.Evaluate(l.packing, g.Layers[l.layer].Weights, masks,
		func() ([]byte, error) { return g.Twin.Recv(ctx, l.packing.MessageLimit()) },
		func(reply []byte) error { return g.Twin.Send(ctx, reply) })
}

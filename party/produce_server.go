package party

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pascaline/model"
	"pascaline/offline"
)

func (v *visit) produce(ctx context.Context) error {
	leave, err := v.producing.pass(ctx, v.stream.Peer())
	if err != nil {
		return err
	}
	defer leave()
	if err := v.welcome(ctx); err != nil {
		return err
	}
	var weights *model.Weights
	if v.plan != nil {
		weights = v.Model.Weights
	}
	err = offline.Serve(ctx, deferential{v.stream, v.inferences}, v.plan, weights, v.backend, v)
	var failed *offline.BackendError
	if errors.As(err, &failed) && ctx.Err() == nil {
		v.log.Error("a backend failed", "backend", failed.Backend, "reason", failed.Err)
		return fmt.Errorf("backend %s failed at the server, whose log says why", failed.Backend)
	}
	return err
}

// backend returns the backend of that name, if the server allows it.
func (v *visit) backend(_ context.Context, name string) (offline.Backend, error) {
	var names []string
	for _, b := range v.Backends {
		if b.Name == name {
			return b.With("peer", v.stream.Peer().String()), nil
		}
		names = append(names, b.Name)
	}
	return offline.Backend{}, fmt.Errorf("the server does not use backend %q; it uses %s (serve --backend)", name, strings.Join(names, ", "))
}

// Put writes the server's halves of a group; visit is the [offline.Sink] of its
// own production run.
func (v *visit) Put(ctx context.Context, g *offline.Group) error {
	if err := v.inferences.giveWay(ctx); err != nil {
		return err
	}
	if err := put(v.Store, v.pair, g); err != nil {
		return v.storeFailed("writing what was made", err)
	}
	return nil
}

// Confirm makes a group ready.
func (v *visit) Confirm(_ context.Context, g *offline.Group) error {
	if err := confirm(v.Store, v.pair, g); err != nil {
		return v.storeFailed("confirming what was made", err)
	}
	if g.Batch != nil {
		v.log.Info("produced", "pool", g.Batch.Spec.Pool(), "elements", g.Batch.Spec.N)
	} else {
		v.log.Info("produced", "bundles", len(g.IDs))
	}
	return nil
}

package party

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/link"
	"pascaline/offline"
)

// Production is what a production run made and what it cost.
type Production struct {
	Made      int           // bundles or elements, by this run
	Ready     int           // in the store now
	Took      time.Duration // wall clock
	ClientCPU float64       // processor seconds of the client's processes meanwhile
	ServerCPU float64       // and of the server's
	Traffic   link.Traffic  // of the client's connection meanwhile
}

// Produce makes bundles until the store holds target ready ones, group by
// group, and tells progress, if not nil, how many there are, fractions of a
// group included. A run that is cut short loses the group it was at and nothing
// else; calling Produce again goes on from there.
func (c *Client) Produce(ctx context.Context, target int, backend offline.Backend, progress func(ready float64)) (Production, error) {
	if c.plan == nil {
		return Production{}, errors.New("producing bundles needs the plan of the served model")
	}
	size := offline.GroupSize(c.plan)
	if most := maxHalves - size; target > most {
		return Production{}, fmt.Errorf("producing: %d bundles are more than two stores can compare when they meet; at most %d can be ready", target, most)
	}
	return c.fill(ctx, target, backend, progress, stock{
		ready: c.Ready,
		size:  size,
		group: func(run *offline.Client, n int) (*offline.Group, error) { return run.Group(ctx, n) },
	})
}

// ProducePool makes correlations of a pool until the store holds spec.N ready
// ones, batch by batch, as Produce does. One of a fixed operand is made as a
// batch of spec.N elements, whatever is there: such a batch is spent whole.
func (c *Client) ProducePool(ctx context.Context, spec correlation.Spec, backend offline.Backend, progress func(ready float64)) (Production, error) {
	batch := spec // the bounds of one half are a batch's, not the pool's
	batch.N = min(spec.N, 1)
	err := batch.Validate()
	if err == nil {
		batch.N = min(spec.N, offline.BatchSize(spec))
		err = batch.Validate()
	}
	if err != nil {
		return Production{}, fmt.Errorf("producing: %w", err)
	}
	if !backend.Makes(spec.Kind) {
		return Production{}, fmt.Errorf("producing: backend %s does not make %v", backend.Name, spec.Kind)
	}
	s := stock{
		ready: func() (int, error) { return c.PoolReady(spec) },
		size:  offline.BatchSize(spec),
		group: func(run *offline.Client, n int) (*offline.Group, error) {
			batch := spec
			batch.N = n
			return run.Batch(ctx, batch)
		},
	}
	target := spec.N
	if spec.Fixed {
		if s.size < spec.N {
			return Production{}, fmt.Errorf("producing: a batch of %s has at most %d elements", spec.Pool(), s.size)
		}
		there, err := s.ready()
		if err != nil {
			return Production{}, fmt.Errorf("producing: %w", err)
		}
		target, s.size = there+spec.N, spec.N
	}
	if batches := (target + s.size - 1) / s.size; batches > maxBatches/2 {
		return Production{}, fmt.Errorf("producing: %d of %s are %d batches, more than two stores can compare when they meet; produce fewer", target, spec.Pool(), batches)
	}
	return c.fill(ctx, target, backend, progress, s)
}

// stock is what a production run fills.
type stock struct {
	ready func() (int, error)
	size  int // of a group
	group func(run *offline.Client, n int) (*offline.Group, error)
}

// fill makes groups until the stock is target.
func (c *Client) fill(ctx context.Context, target int, backend offline.Backend, progress func(ready float64), s stock) (p Production, err error) {
	if p.Ready, err = s.ready(); err != nil || p.Ready >= target {
		return p, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("producing: %w", err)
		}
	}()
	began, client, before := time.Now(), cpu.Seconds(), c.conn.Traffic()
	stream, err := c.open(ctx, &api.Hello{Purpose: api.Purpose_PURPOSE_PRODUCE})
	if err != nil {
		return p, err
	}
	defer stream.Close()
	run, err := offline.NewClient(ctx, deferential{stream, c.inferences}, c.plan, backend.With("peer", link.PublicKey(c.pair.Peer).String()))
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	for p.Ready < target {
		n := min(s.size, target-p.Ready)
		if progress != nil {
			done := float64(p.Ready)
			run.Progress = func(fraction float64) { progress(done + fraction*float64(n)) }
		}
		if err := c.group(ctx, run, n, s); err != nil {
			return p, err
		}
		p.Made += n
		// Others may have spent some meanwhile.
		if p.Ready, err = s.ready(); err != nil {
			return p, err
		}
	}
	if p.ServerCPU, err = run.Finish(ctx); err != nil {
		return p, err
	}
	p.Took = time.Since(began)
	p.ClientCPU = cpu.Seconds() - client + run.CPU()
	p.Traffic = c.conn.Traffic().Sub(before)
	return p, nil
}

// group makes one group and sees it ready on both sides.
func (c *Client) group(ctx context.Context, run *offline.Client, n int, s stock) error {
	g, err := s.group(run, n)
	if err != nil {
		return err
	}
	if err := c.inferences.giveWay(ctx); err != nil {
		return err
	}
	if err := put(c.store, c.pair, g); err != nil {
		return err
	}
	if err := run.Commit(ctx, g); err != nil {
		return err
	}
	return confirm(c.store, c.pair, g)
}

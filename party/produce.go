package party

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pascaline/api"
	"pascaline/internal/cpu"
	"pascaline/link"
	"pascaline/offline"
)

// Production is what a production run made and what it cost.
type Production struct {
	Bundles   int           // made by this run
	Ready     int           // in the store now
	Took      time.Duration // wall clock
	ClientCPU float64       // processor seconds of the client's process meanwhile
	ServerCPU float64       // and of the server's
	Traffic   link.Traffic  // of the client's connection meanwhile
}

// Produce makes bundles until the store holds target ready ones, group by
// group, and tells progress, if not nil, how many there are, fractions of a
// group included. A run that is cut short loses the group it was at and nothing
// else; calling Produce again goes on from there.
func (c *Client) Produce(ctx context.Context, target int, backend offline.Backend, progress func(ready float64)) (p Production, err error) {
	if most := maxHalves - offline.GroupSize(c.plan); target > most {
		return p, fmt.Errorf("producing: %d bundles are more than two stores can compare when they meet; at most %d can be ready", target, most)
	}
	if p.Ready, err = c.Ready(); err != nil || p.Ready >= target {
		return p, err
	}
	began, client, before := time.Now(), cpu.Seconds(), c.conn.Traffic()
	s, err := c.open(ctx, api.Purpose_PURPOSE_PRODUCE, 0)
	if err != nil {
		return p, fmt.Errorf("producing: %w", err)
	}
	defer s.Close()
	run, err := offline.NewClient(ctx, s, c.plan, backend)
	if err != nil {
		return p, fmt.Errorf("producing: %w", err)
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	for p.Ready < target {
		n := min(offline.GroupSize(c.plan), target-p.Ready)
		if progress != nil {
			done := float64(p.Ready)
			run.Progress = func(fraction float64) { progress(done + fraction*float64(n)) }
		}
		if err := c.group(ctx, run, n); err != nil {
			return p, fmt.Errorf("producing: %w", err)
		}
		p.Bundles += n
		// Inferences may have spent some meanwhile.
		if most := maxHalves - offline.GroupSize(c.plan); target > most {
			return p, fmt.Errorf("producing: %d bundles are more than two stores can compare when they meet; at most %d can be ready", target, most)
		}
		if p.Ready, err = c.Ready(); err != nil {
			return p, fmt.Errorf("producing: %w", err)
		}
	}
	if p.ServerCPU, err = run.Finish(ctx); err != nil {
		return p, fmt.Errorf("producing: %w", err)
	}
	p.Took = time.Since(began)
	p.ClientCPU = cpu.Seconds() - client
	p.Traffic = c.conn.Traffic().Sub(before)
	return p, nil
}

// group makes one group and sees it ready on both sides.
func (c *Client) group(ctx context.Context, run *offline.Client, n int) error {
	g, err := run.Group(ctx, n)
	if err != nil {
		return err
	}
	halves, err := newHalves(g)
	if err != nil {
		return err
	}
	if err := c.store.Put(c.pair, halves); err != nil {
		return err
	}
	if err := run.Commit(ctx, g); err != nil {
		return err
	}
	return c.store.Confirm(c.pair, groupIDs(g))
}

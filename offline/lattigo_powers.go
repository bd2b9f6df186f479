package offline

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
	"pascaline/ring"
)

// powers makes powers: of each degree as one vector, the widest masks sizing the
// parameters. Queries leave in one order and replies come in the same, so at
// party 1 one goroutine sends and another receives, and party 0 never waits for
// either.
func (g *lattigoRun) powers(ctx context.Context, halves []*correlation.Half) error {
	cs := classes(halves)
	for _, c := range cs {
		if err := g.meetForPowers(ctx, c.powersKey); err != nil {
			return fmt.Errorf("powers of degree %d: %w", c.degree, err)
		}
	}
	if g.Party == 0 {
		for _, c := range cs {
			if err := g.answerPowers(ctx, c); err != nil {
				return fmt.Errorf("powers of degree %d: %w", c.degree, err)
			}
		}
		return nil
	}
	all := 0
	for _, c := range cs {
		all += c.batches()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for _, c := range cs {
			if err := g.askPowers(ctx, c); err != nil {
				return fmt.Errorf("powers of degree %d: %w", c.degree, err)
			}
		}
		return nil
	})
	group.Go(func() error {
		done := 0
		for _, c := range cs {
			if err := g.takePowers(ctx, c, func() { done++; g.Progress(float64(done) / float64(all)) }); err != nil {
				return fmt.Errorf("powers of degree %d: %w", c.degree, err)
			}
		}
		return nil
	})
	return group.Wait()
}

// meetForPowers exchanges the key for one degree and width of masks, unless the
// run has it.
func (g *lattigoRun) meetForPowers(ctx context.Context, k powersKey) error {
	if g.Party == 1 {
		if g.powersEncryptors[k] != nil {
			return nil
		}
		e, err := NewPowersEncryptor(k.degree, k.maskBits)
		if err != nil {
			return err
		}
		if g.powersEncryptors == nil {
			g.powersEncryptors = make(map[powersKey]*PowersEncryptor)
		}
		g.powersEncryptors[k] = e
		return g.sendKey(ctx, e.PublicKey())
	}
	if g.powersEvaluators[k] != nil {
		return nil
	}
	key, err := g.takeKey(ctx)
	if err != nil {
		return err
	}
	v, err := NewPowersEvaluator(k.degree, k.maskBits, key)
	if err != nil {
		return err
	}
	if g.powersEvaluators == nil {
		g.powersEvaluators = make(map[powersKey]*PowersEvaluator)
	}
	g.powersEvaluators[k] = v
	return nil
}

func (g *lattigoRun) askPowers(ctx context.Context, c *class) error {
	e, rho := g.powersEncryptors[c.powersKey], c.column(0)
	return ordered(ctx, c.batches(),
		func(_ context.Context, b int) ([]uint64, error) {
			from, to := c.batch(b)
			return rho[from:to], nil
		},
		func(_ int, part []uint64) ([]byte, error) { return e.Encrypt(part) },
		func(ctx context.Context, _ int, query []byte) error { return g.Twin.Send(ctx, query) })
}

func (g *lattigoRun) takePowers(ctx context.Context, c *class, done func()) error {
	e, rho := g.powersEncryptors[c.powersKey], c.column(0)
	all := make([]ring.Vec128, c.degree-1)
	for k := range all {
		all[k] = ring.MakeVec128(c.elements)
	}
	err := ordered(ctx, c.batches(),
		func(ctx context.Context, b int) ([]byte, error) {
			from, to := c.batch(b)
			return g.recvExactly(ctx, PowersReplySize(c.degree, c.maskBits, to-from))
		},
		func(b int, reply []byte) ([]ring.Vec128, error) {
			from, to := c.batch(b)
			return e.Decrypt(rho[from:to], reply)
		},
		func(_ context.Context, b int, part []ring.Vec128) error {
			from, _ := c.batch(b)
			for k, v := range part {
				copy(all[k].Lo[from:], v.Lo)
				copy(all[k].Hi[from:], v.Hi)
			}
			done()
			return nil
		})
	c.spread(all)
	return err
}

func (g *lattigoRun) answerPowers(ctx context.Context, c *class) error {
	v, rho, shares := g.powersEvaluators[c.powersKey], c.column(0), c.shares()
	return ordered(ctx, c.batches(),
		func(ctx context.Context, b int) ([]byte, error) {
			from, to := c.batch(b)
			return g.recvExactly(ctx, PowersQuerySize(c.degree, c.maskBits, to-from))
		},
		func(b int, query []byte) ([]byte, error) {
			from, to := c.batch(b)
			return v.Evaluate(rho[from:to], ring.Slice128(nil, shares, from, to), query)
		},
		func(ctx context.Context, _ int, reply []byte) error { return g.Twin.Send(ctx, reply) })
}

package party

import (
	"context"
	"fmt"
	"sync"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
)

// Program computes with values shared between the two parties: the same code
// runs at both. Its error ends the stream.
type Program func(ctx context.Context, j *Joint) error

// Joint is a stream on which the two parties compute together: it hands out
// correlations that both have claimed, and carries rounds. It is an
// [online.Source] and its Exchange an [online.Exchange].
type Joint struct {
	party  int
	stream *link.Stream
	// claim claims what needs asks for in both stores.
	claim func(ctx context.Context, needs []correlation.Spec) ([]*correlation.Half, []Extent, error)

	mu      sync.Mutex
	stock   map[string][]*correlation.Half // by pool, front first
	claimed []Extent
}

// roundLimit bounds the message of one round.
const roundLimit = 1 << 30

// Party returns which party this is: 0 is the server.
func (j *Joint) Party() int { return j.party }

// Stream is the stream below, for what a program sends besides rounds.
func (j *Joint) Stream() *link.Stream { return j.stream }

// Reserve claims correlations, in both stores and durably, for Take to hand out.
// Both parties reserve the same. From here on they are spent, whether they are
// taken or not. Of a fixed operand a whole batch is claimed, of spec.N elements
// or more.
func (j *Joint) Reserve(ctx context.Context, specs ...correlation.Spec) error {
	needs, err := merge(specs)
	if err != nil || len(needs) == 0 {
		return err
	}
	halves, claimed, err := j.claim(ctx, needs)
	if err != nil {
		return fmt.Errorf("reserving correlations: %w", err)
	}
	if err := meets(needs, halves); err != nil {
		return fmt.Errorf("reserving correlations: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stock == nil {
		j.stock = make(map[string][]*correlation.Half)
	}
	for _, h := range halves {
		pool := h.Spec.Pool()
		j.stock[pool] = append(j.stock[pool], h)
	}
	j.claimed = append(j.claimed, claimed...)
	return nil
}

// merge adds up what is of one pool, but for fixed operands, which are batches of
// their own.
func merge(specs []correlation.Spec) (needs []correlation.Spec, err error) {
	at := make(map[string]int)
	for _, s := range specs {
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("reserving correlations: %w", err)
		}
		if i, ok := at[s.Pool()]; ok && !s.Fixed {
			needs[i].N += s.N
			continue
		}
		at[s.Pool()] = len(needs)
		needs = append(needs, s)
	}
	return needs, nil
}

// meets holds what was claimed against what was needed: the other party chose.
func meets(needs []correlation.Spec, halves []*correlation.Half) error {
	for _, need := range needs {
		n := 0
		for i, h := range halves {
			if h == nil || h.Spec.Pool() != need.Pool() {
				continue
			}
			n += h.Spec.N
			if need.Fixed {
				halves = append(append(halves[:i:i], nil), halves[i+1:]...)
				break
			}
		}
		if n < need.N || !need.Fixed && n > need.N {
			return fmt.Errorf("%d of %s were claimed where %d are needed: do both parties run the same program?", n, need.Pool(), need.N)
		}
	}
	return nil
}

// Claimed lists what has been claimed.
func (j *Joint) Claimed() []Extent {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Extent{}, j.claimed...)
}

// Take hands out spec.N elements that were reserved, each once; those of a fixed
// operand come from one batch.
func (j *Joint) Take(_ context.Context, spec correlation.Spec) (*correlation.Half, error) {
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("taking correlations: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	pool, there := spec.Pool(), 0
	var parts []*correlation.Half
	stock := j.stock[pool]
	for missing := spec.N; missing > 0; {
		if len(stock) == 0 || spec.Fixed && stock[0].Spec.N < missing {
			return nil, fmt.Errorf("taking correlations: %w: %s: %d of the %d needed were reserved", ErrExhausted, pool, there, spec.N)
		}
		front := stock[0]
		n := min(missing, front.Spec.N)
		parts = append(parts, front.Slice(0, n))
		stock = stock[1:]
		if n < front.Spec.N && !spec.Fixed {
			stock = append([]*correlation.Half{front.Slice(n, front.Spec.N)}, stock...)
		}
		there, missing = there+n, missing-n
	}
	j.stock[pool] = stock
	return correlation.Join(parts), nil
}

// Exchange sends msg and returns the other party's message of the same round, of
// at most limit bytes.
func (j *Joint) Exchange(ctx context.Context, msg []byte, limit int) ([]byte, error) {
	if len(msg) > roundLimit || limit > roundLimit {
		return nil, fmt.Errorf("a round of %d bytes out and %d in; at most %d go at a time", len(msg), limit, roundLimit)
	}
	return api.Exchange(ctx, j.stream, api.Kind_ROUND, msg, limit)
}

// Run runs a program with the server: this party's side of it is program, the
// server's the one that it knows by that name.
func (c *Client) Run(ctx context.Context, name string, program Program) error {
	s, err := c.open(ctx, &api.Hello{Purpose: api.Purpose_PURPOSE_SESSION, Program: name})
	if err != nil {
		return fmt.Errorf("running %q: %w", name, err)
	}
	defer s.Close()
	j := &Joint{party: 1, stream: s}
	j.claim = func(ctx context.Context, needs []correlation.Spec) ([]*correlation.Half, []Extent, error) {
		return c.claimPools(ctx, s, picker(needs))
	}
	if err := program(ctx, j); err != nil {
		return fmt.Errorf("running %q: %w", name, err)
	}
	if err := s.End(ctx); err != nil {
		return fmt.Errorf("running %q: %w", name, err)
	}
	return nil
}

// session runs one of the server's programs.
func (v *visit) session(ctx context.Context, name string) error {
	program, ok := v.Programs[name]
	if !ok {
		return fmt.Errorf("the server has no program %q", name)
	}
	if err := v.welcome(ctx); err != nil {
		return err
	}
	j := &Joint{party: 0, stream: v.stream}
	var held []func()
	defer func() {
		for _, giveBack := range held {
			giveBack()
		}
	}()
	j.claim = func(ctx context.Context, _ []correlation.Spec) ([]*correlation.Half, []Extent, error) {
		halves, claimed, giveBack, err := v.claimPools(ctx)
		if giveBack != nil {
			held = append(held, giveBack)
		}
		return halves, claimed, err
	}
	v.log.Info("running", "program", name)
	if err := program(ctx, j); err != nil {
		return err
	}
	v.log.Info("ran", "program", name)
	return nil
}

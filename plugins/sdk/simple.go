package sdk

import (
	"context"
	"errors"
	"fmt"
)

// Simple is a backend that makes its correlations one after the other and keeps
// nothing between them.
type Simple struct {
	Description Description
	// Deal makes this party's half of one correlation, of a kind that the
	// description lists; at the other party it makes the other half at the same
	// time.
	Deal func(ctx context.Context, run Run, request Request) (*Half, error)
}

// Describe returns the description.
func (s Simple) Describe(context.Context) (Description, error) { return s.Description, nil }

// Open begins a run.
func (s Simple) Open(_ context.Context, run Run) (Generator, error) {
	if s.Deal == nil {
		return nil, errors.New("opening a run of a backend that has no Deal")
	}
	return &simpleRun{Simple: s, run: run}, nil
}

// simpleRun is one party's side of a run.
type simpleRun struct {
	Simple
	run  Run
	over error
}

// Generate deals one half after the other.
func (g *simpleRun) Generate(ctx context.Context, requests []Request) ([]*Half, error) {
	if g.over != nil {
		return nil, g.over
	}
	halves := make([]*Half, len(requests))
	for i, r := range requests {
		err := g.check(r)
		if err == nil {
			halves[i], err = g.Deal(ctx, g.run, r)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			g.over = errors.New("this run has failed; open another")
			return nil, err
		}
		if g.run.Progress != nil {
			g.run.Progress(float64(i+1) / float64(len(requests)))
		}
	}
	return halves, nil
}

func (g *simpleRun) check(r Request) error {
	if err := r.Validate(g.run); err != nil {
		return err
	}
	if !g.Simple.Description.Makes(r.Spec.Kind) {
		return fmt.Errorf("%s does not make %v", g.Simple.Description.Name, r.Spec.Kind)
	}
	return nil
}

// Close ends the run.
func (g *simpleRun) Close() error {
	g.over = errors.New("this run is closed; open another")
	return nil
}

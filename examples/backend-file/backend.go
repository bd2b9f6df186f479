package main

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"

	"pascaline/plugins/sdk"
)

// backend is a trusted dealer that lives in both parties: it knows what it deals
// from a seed that they share. Party 1's half is a seed, as of any dealer, and
// party 0's is completed.
type backend struct{}

// version changes with whatever both parties compute alike.
const version = "1"

// Describe says what the backend is and can.
func (backend) Describe(context.Context) (sdk.Description, error) {
	return sdk.Description{
		Name:    "file",
		Version: version,
		Trust: "everybody who can read the seed file, the other party first: it can compute this party's halves, " +
			"and so its weights or inputs; for tests and for one's own two machines",
		Kinds: sdk.Kinds(),
		Settings: map[string]string{
			"seed": "file of the seed that both parties share; by default beside the executable, made if it is not there",
		},
	}, nil
}

// Open begins a run: both parties draw a nonce, so that no two runs deal the same,
// and make sure that they have the same seed.
func (backend) Open(ctx context.Context, run sdk.Run) (sdk.Generator, error) {
	for name := range run.Settings {
		if name != "seed" {
			return nil, fmt.Errorf("there is no setting %q; there is seed, the file of the seed", name)
		}
	}
	path, err := seedPath(run.Settings["seed"])
	if err != nil {
		return nil, err
	}
	shared, err := readSeed(path)
	if err != nil {
		return nil, err
	}
	nonce := sdk.NewSeed()
	theirs, err := exchange(ctx, run.Twin, nonce[:])
	if err != nil {
		return nil, fmt.Errorf("exchanging nonces: %w", err)
	}
	nonces := [2]sdk.Seed{nonce, sdk.Seed(theirs)}
	if run.Party == 1 {
		nonces[0], nonces[1] = nonces[1], nonces[0]
	}
	g := &generator{run: run, seed: shared.Derive("backend-file run", append(words(nonces[0]), words(nonces[1])...)...), layers: make(map[int][]uint64)}
	// The seeds are not compared themselves: what is sent tells nothing of them.
	mine := g.seed.Derive("confirm", uint64(run.Party))
	theirs, err = exchange(ctx, run.Twin, mine[:])
	if err != nil {
		return nil, fmt.Errorf("comparing seeds: %w", err)
	}
	if due := g.seed.Derive("confirm", uint64(1-run.Party)); !hmac.Equal(theirs, due[:]) {
		return nil, fmt.Errorf("the other party has another seed than %s; copy this file to it, or its file here", path)
	}
	return g, nil
}

// words returns the four words of a nonce.
func words(nonce sdk.Seed) []uint64 {
	v := make([]uint64, 4)
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(nonce[8*i:])
	}
	return v
}

// exchange sends a message of the size of a seed and receives the other party's.
func exchange(ctx context.Context, twin sdk.Twin, msg []byte) ([]byte, error) {
	if err := twin.Send(ctx, msg); err != nil {
		return nil, err
	}
	theirs, err := twin.Recv(ctx, sdk.SeedSize)
	if err == nil && len(theirs) != sdk.SeedSize {
		err = fmt.Errorf("a message of %d bytes where %d are due", len(theirs), sdk.SeedSize)
	}
	return theirs, err
}

// generator is one party's side of a run.
type generator struct {
	run    sdk.Run
	seed   sdk.Seed // of this run
	dealt  uint64   // how many correlations, at both parties alike
	layers map[int][]uint64
	over   error
}

// Generate deals one correlation after the other.
func (g *generator) Generate(ctx context.Context, requests []sdk.Request) ([]*sdk.Half, error) {
	if g.over != nil {
		return nil, g.over
	}
	halves := make([]*sdk.Half, len(requests))
	for i, r := range requests {
		var err error
		if halves[i], err = g.deal(ctx, r); err != nil {
			g.over = errors.New("this run has failed; open another")
			return nil, fmt.Errorf("%v %d of %d: %w", r.Spec.Kind, i, len(requests), err)
		}
		g.run.Progress(float64(i+1) / float64(len(requests)))
	}
	return halves, nil
}

func (g *generator) deal(ctx context.Context, r sdk.Request) (*sdk.Half, error) {
	if err := r.Validate(g.run); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Whatever is drawn for this correlation comes from here.
	seed := g.seed.Derive("correlation", g.dealt)
	g.dealt++
	h0 := sdk.SeedHalf(r.Spec, 0, seed.Derive("half", 0))
	h1 := sdk.SeedHalf(r.Spec, 1, seed.Derive("half", 1))
	switch {
	case r.Spec.Kind == sdk.Linear:
		return g.linear(ctx, r, seed, h0)
	case g.run.Party == 0:
		sdk.Complete(h0, h1)
		return h0, nil
	}
	return h1, nil
}

// Close ends the run.
func (g *generator) Close() error {
	g.over = errors.New("this run is closed; open another")
	return nil
}

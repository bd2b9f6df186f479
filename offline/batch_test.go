package offline

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

// makeBatches runs both sides for batches of the given specifications, with a
// backend for each party.
func makeBatches(t *testing.T, backends [2]Backend, sink *ledger, specs ...correlation.Spec) (groups []*Group, clientErr, serverErr error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client, server := newPipes()
	done := make(chan error, 1)
	go func() {
		err := Serve(ctx, server, nil, nil, func(context.Context, string) (Backend, error) { return backends[0], nil }, sink)
		if err != nil {
			cancel() // as a broken link would tell the other side
		}
		done <- err
	}()
	run := func() error {
		c, err := NewClient(ctx, client, nil, backends[1])
		if err != nil {
			return err
		}
		defer c.Close()
		for _, spec := range specs {
			g, err := c.Batch(ctx, spec)
			if err != nil {
				return err
			}
			if err := c.Commit(ctx, g); err != nil {
				return err
			}
			groups = append(groups, g)
		}
		_, err = c.Finish(ctx)
		return err
	}
	if clientErr = run(); clientErr != nil {
		cancel()
	}
	return groups, clientErr, <-done
}

func testBackend(t *testing.T, b correlation.Backend) Backend {
	t.Helper()
	backend, err := NewBackend(t.Context(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return backend
}

// smallSpecs has one specification of every kind that pools are made of.
func smallSpecs() []correlation.Spec {
	return []correlation.Spec{
		{Kind: correlation.Triples, N: 300},
		{Kind: correlation.Squares, N: 17000}, // more than one ciphertext
		{Kind: correlation.Products, N: 1},
		correlation.MatrixSpec(3, 4, 2, 5, false),
		correlation.MatrixSpec(3, 4, 2, 5, true),
		{Kind: correlation.Convolution, N: 2, Shape: ring.ConvShape{H: 5, W: 4, C: 2, K: 3, KH: 3, KW: 3, StrideH: 2, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}},
		{Kind: correlation.Powers, N: 100, Degree: 3, MaskBits: 50},
	}
}

func TestARunMakesBatchesOfEveryKind(t *testing.T) {
	sink := &ledger{}
	b := testBackend(t, Lattigo{})
	groups, clientErr, serverErr := makeBatches(t, [2]Backend{b, b}, sink, smallSpecs()...)
	if clientErr != nil || serverErr != nil {
		t.Fatal(clientErr, serverErr)
	}
	seen := map[[16]byte]bool{}
	for i, g := range groups {
		s := sink.confirmed[i]
		if g.Digest != s.Digest || g.IDs[0] != s.IDs[0] || seen[g.IDs[0]] {
			t.Errorf("%v: the parties disagree, or its id has been before", g.Batch.Spec)
		}
		seen[g.IDs[0]] = true
		if err := correlation.Verify(s.Batch, g.Batch); err != nil {
			t.Error(err)
		}
		if _, size := len(s.Batch.Columns), s.Batch.RowSize(); size != 0 {
			t.Errorf("%v: the server's half takes %d bytes an element beside its seed", s.Batch.Spec, size)
		}
	}
}

// spoilt is a backend of whose answers one is changed before the run sees it.
type spoilt struct {
	correlation.Backend
	spoil func([]*correlation.Half) []*correlation.Half
}

func (s spoilt) Open(ctx context.Context, run correlation.Run) (correlation.Generator, error) {
	g, err := s.Backend.Open(ctx, run)
	return spoiltRun{g, s.spoil}, err
}

type spoiltRun struct {
	correlation.Generator
	spoil func([]*correlation.Half) []*correlation.Half
}

func (s spoiltRun) Generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	halves, err := s.Generator.Generate(ctx, requests)
	return s.spoil(halves), err
}

func TestWhatABackendReturnsIsHeldAgainstWhatWasAsked(t *testing.T) {
	good := testBackend(t, Lattigo{})
	for name, c := range map[string]struct {
		spoil func([]*correlation.Half) []*correlation.Half
		want  string
	}{
		"nothing":       {func([]*correlation.Half) []*correlation.Half { return nil }, "0 correlations of 1"},
		"nil":           {func([]*correlation.Half) []*correlation.Half { return []*correlation.Half{nil} }, "something else"},
		"short":         {func(h []*correlation.Half) []*correlation.Half { return []*correlation.Half{h[0].Slice(0, 9)} }, "something else"},
		"other kind":    {func(h []*correlation.Half) []*correlation.Half { h[0].Spec.Kind = correlation.Products; return h }, "something else"},
		"other party":   {func(h []*correlation.Half) []*correlation.Half { h[0].Party = 0; return h }, "something else"},
		"short column":  {func(h []*correlation.Half) []*correlation.Half { h[0].Columns[1] = h[0].Columns[1][:3]; return h }, "not valid"},
		"fewer columns": {func(h []*correlation.Half) []*correlation.Half { h[0].Columns = h[0].Columns[:1]; return h }, "not valid"},
	} {
		sink := &ledger{}
		bad := testBackend(t, spoilt{Lattigo{}, c.spoil})
		_, clientErr, serverErr := makeBatches(t, [2]Backend{good, bad}, sink, correlation.Spec{Kind: correlation.Squares, N: 10})
		var failed *BackendError
		if !errors.As(clientErr, &failed) || !strings.Contains(clientErr.Error(), c.want) || failed.Backend != "lattigo" {
			t.Errorf("%s: error %v, want one of the backend with %q", name, clientErr, c.want)
		}
		if serverErr == nil || len(sink.confirmed) > 0 {
			t.Errorf("%s: the server ended with %v and %d batches confirmed", name, serverErr, len(sink.confirmed))
		}
	}
}

func TestBatchesThatNoRunMakes(t *testing.T) {
	few := testBackend(t, Lattigo{})
	few.Kinds = []correlation.Kind{correlation.Squares}
	for _, c := range []struct {
		spec correlation.Spec
		want string
	}{
		{correlation.Spec{Kind: correlation.Triples, N: 10}, "does not make triples"},
		{correlation.Spec{Kind: correlation.Squares, N: batchElements + 1}, "at most 1048576"},
		{correlation.Spec{Kind: correlation.Linear, N: 1, Shape: ring.LinearShape(2, 2)}, "model's bundles"},
		{correlation.Spec{Kind: correlation.Squares}, "0 elements"},
		{correlation.MatrixSpec(2048, 1, 2048, 1, false), "one element takes 32 MiB"},
		{correlation.MatrixSpec(1, 3000, 3000, 1, true), "the fixed operand 68"},
	} {
		backend := few
		if c.spec.Kind == correlation.Matrix {
			backend = testBackend(t, Lattigo{})
		}
		_, clientErr, _ := makeBatches(t, [2]Backend{backend, backend}, &ledger{}, c.spec)
		if clientErr == nil || !strings.Contains(clientErr.Error(), c.want) {
			t.Errorf("%v: error %v, want one with %q", c.spec, clientErr, c.want)
		}
		// A client that does not check is refused by the server.
		all := testBackend(t, Lattigo{})
		if c.spec.Kind == correlation.Triples {
			_, clientErr, serverErr := makeBatches(t, [2]Backend{few, all}, &ledger{}, c.spec)
			if clientErr == nil || serverErr == nil || !strings.Contains(serverErr.Error(), c.want) {
				t.Errorf("%v: the server's error is %v, want one with %q", c.spec, serverErr, c.want)
			}
		}
	}
}

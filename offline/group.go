package offline

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// Group is one party's halves of what was made together: bundles, or one batch
// of a pool. Element i of the two parties' groups have the same id; the digests
// are equal if both saw the same messages.
type Group struct {
	IDs     [][16]byte
	Digest  [32]byte
	Bundles []*correlation.Bundle
	Batch   *correlation.Half
}

const (
	// maxGroup bounds a group: from 64 bundles on, packing gains little more.
	maxGroup = 64
	// groupMemory bounds what the tensors of a group may take at one party. A process
	// that makes such a group, a party's or its backend's, peaks at no more than that,
	// garbage included, if its collector is told to be frugal, and else at up to 1.3
	// times as much: below a gigabyte. ResNet-18 of degree 4 has 8 bundles in a group.
	groupMemory = 640 << 20
	// batchWords bounds a batch: 256 MiB, and twice that while it is made.
	batchWords = 1 << 25
	// maxRowWords and maxFixedWords bound what a store takes of one element, and of
	// a fixed operand: 16 and 63 MiB.
	maxRowWords   = 1 << 21
	maxFixedWords = 63 << 17
	// batchElements is how many elements a batch has at most.
	batchElements = 1 << 20

	nonceSize = 16
)

// GroupSize returns how many bundles of a plan are made together at most.
func GroupSize(plan *model.Plan) int {
	return max(1, min(maxGroup, groupMemory/plan.BundleMemory()))
}

// BatchSize returns how many elements of a pool are made together at most.
func BatchSize(spec correlation.Spec) int {
	spec.N = 1
	return max(1, min(batchElements, batchWords/max(1, spec.Words())))
}

// side is what the two parties' sides of a production run have in common.
type side struct {
	party     int
	conn      *transcript // hashed afresh for every group
	plan      *model.Plan // nil where the run makes batches only
	spec      *correlation.BundleSpec
	generator correlation.Generator
	name      string // of the backend
}

// open starts the backend's run. Weights are the server's; progress may be nil.
func (s *side) open(ctx context.Context, backend Backend, weights *model.Weights, progress func(float64)) error {
	run := correlation.Run{Party: s.party, Twin: twin{s}, Settings: backend.Settings, Progress: progress}
	if s.plan != nil {
		s.spec = s.plan.Bundle()
		for l, spec := range s.spec.Linear {
			layer := correlation.Layer{Shape: spec.Shape}
			if weights != nil {
				layer.Weights = weights.Layers[l].W
			}
			run.Layers = append(run.Layers, layer)
		}
	}
	var err error
	if s.generator, err = backend.Open(ctx, run); err != nil {
		return &BackendError{backend.Name, err}
	}
	s.name = backend.Name
	return nil
}

// cpu returns the processor seconds that the backend has used in another process.
func (s *side) cpu() float64 {
	if m, ok := s.generator.(correlation.Metered); ok {
		return m.CPU()
	}
	return 0
}

// BackendError says that a backend failed, rather than the run around it.
type BackendError struct {
	Backend string
	Err     error
}

// Error names the backend once: those behind a plugin name themselves.
func (e *BackendError) Error() string {
	name, text := "backend "+e.Backend, e.Err.Error()
	if strings.HasPrefix(text, name) {
		return text
	}
	return name + ": " + text
}

func (e *BackendError) Unwrap() error { return e.Err }

// Backend is a backend as a production run uses it.
type Backend struct {
	correlation.Backend
	correlation.Description
	Settings map[string]string
}

// With returns the backend with one more setting, if it has one of that name.
func (b Backend) With(name, value string) Backend {
	if _, ok := b.Description.Settings[name]; !ok {
		return b
	}
	all := map[string]string{name: value}
	maps.Copy(all, b.Settings)
	b.Settings = all
	return b
}

// NewBackend asks a backend to describe itself.
func NewBackend(ctx context.Context, b correlation.Backend, settings map[string]string) (Backend, error) {
	d, err := b.Describe(ctx)
	if err != nil {
		return Backend{}, fmt.Errorf("asking a backend to describe itself: %w", err)
	}
	return Backend{Backend: b, Description: d, Settings: settings}, nil
}

// generate asks the backend, and holds what it returns against what was asked:
// a plugin may be anybody's.
func (s *side) generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	halves, err := s.generator.Generate(ctx, requests)
	if err == nil {
		err = s.check(requests, halves)
	}
	if err != nil {
		return nil, &BackendError{s.name, err}
	}
	return halves, nil
}

func (s *side) check(requests []correlation.Request, halves []*correlation.Half) error {
	if len(halves) != len(requests) {
		return fmt.Errorf("it made %d correlations of %d", len(halves), len(requests))
	}
	for i, h := range halves {
		if h == nil || h.Spec != requests[i].Spec || h.Party != s.party {
			return fmt.Errorf("it made something else than %v of %d elements", requests[i].Spec.Kind, requests[i].Spec.N)
		}
		if err := h.Validate(); err != nil {
			return fmt.Errorf("it made a half that is not valid: %w", err)
		}
	}
	return nil
}

// draw makes the halves of n bundles as far as this party draws them alone.
func (s *side) draw(g *Group, n int, clientNonce, serverNonce []byte) {
	for i := range n {
		g.IDs = append(g.IDs, groupID(s.spec.Plan, clientNonce, serverNonce, i))
		g.Bundles = append(g.Bundles, &correlation.Bundle{Spec: s.spec, Party: s.party, Seed: ring.NewSeed()})
	}
}

// powers makes the powers of all activation layers of a group's bundles.
func (s *side) powers(ctx context.Context, bundles []*correlation.Bundle) error {
	if len(s.spec.Activations) == 0 {
		return nil
	}
	var requests []correlation.Request
	for range bundles {
		for _, a := range s.spec.Activations {
			requests = append(requests, correlation.Request{Spec: a.Powers})
		}
	}
	halves, err := s.generate(ctx, requests)
	if err != nil {
		return fmt.Errorf("powers: %w", err)
	}
	layers := len(s.spec.Activations)
	for i, b := range bundles {
		b.Powers = halves[i*layers:][:layers:layers]
	}
	return nil
}

// batch makes the half of a batch.
func (s *side) batch(ctx context.Context, g *Group, spec correlation.Spec, clientNonce, serverNonce []byte) error {
	halves, err := s.generate(ctx, []correlation.Request{{Spec: spec}})
	if err != nil {
		return err
	}
	g.IDs = [][16]byte{groupID([32]byte{}, clientNonce, serverNonce, 0)}
	g.Batch = halves[0]
	return nil
}

// checkBatch reports a specification that no batch has.
func (s *side) checkBatch(spec correlation.Spec, backend Backend) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	if spec.Kind == correlation.Linear {
		return fmt.Errorf("linear correlations are made with a model's bundles only")
	}
	if !backend.Makes(spec.Kind) {
		return fmt.Errorf("backend %s does not make %v", backend.Name, spec.Kind)
	}
	if row, fixed := elementWords(spec); row > maxRowWords || fixed > maxFixedWords {
		return fmt.Errorf("%s: one element takes %d MiB and the fixed operand %d; at most %d and %d can be stored: cut the product into smaller ones",
			spec.Pool(), row>>17, fixed>>17, maxRowWords>>17, maxFixedWords>>17)
	}
	if most := BatchSize(spec); spec.N > most {
		return fmt.Errorf("a batch of %d elements of %s; at most %d are made at a time", spec.N, spec.Pool(), most)
	}
	return nil
}

// elementWords returns the most that one element of a batch takes at either party,
// and a fixed operand.
func elementWords(spec correlation.Spec) (row, fixed int) {
	for party := range 2 {
		r, f := 0, 0
		for _, c := range spec.Columns(party) {
			if c.Fixed {
				f += c.Width
			} else {
				r += c.Width
			}
		}
		row, fixed = max(row, r), max(fixed, f)
	}
	return row, fixed
}

// linearLevels lists the plan's linear nodes in the order in which they can be
// made: those of a level need the client's shares of outputs of earlier levels
// at most.
func linearLevels(plan *model.Plan) [][]int {
	var levels [][]int
	level := make([]int, len(plan.Nodes))
	for i, n := range plan.Nodes {
		if n.Op != model.OpPolynomial { // its output is a mask, whatever goes in
			for _, j := range n.Inputs {
				level[i] = max(level[i], level[j])
			}
		}
		if n.Op == model.OpLinear {
			if level[i] == len(levels) {
				levels = append(levels, nil)
			}
			levels[level[i]] = append(levels[level[i]], i)
			level[i]++
		}
	}
	return levels
}

func newNonce() []byte {
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	return nonce[:]
}

// twin is the way from one party's backend to the other's: messages of their own
// kind on the connection of the run.
type twin struct{ side *side }

func (t twin) Send(ctx context.Context, msg []byte) error {
	return t.side.conn.Send(ctx, api.Kind_TWIN, msg)
}

func (t twin) Recv(ctx context.Context, limit int) ([]byte, error) {
	return t.side.conn.Recv(ctx, api.Kind_TWIN, limit)
}

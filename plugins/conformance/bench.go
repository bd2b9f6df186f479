package conformance

import (
	"context"
	"fmt"
	"time"

	"pascaline/correlation"
	"pascaline/internal/cpu"
)

// BenchOptions says what to measure.
type BenchOptions struct {
	// Kinds are those to measure; nil stands for all that the backend declares.
	Kinds []correlation.Kind
	// Elements is how many of each kind to make; 0 stands for a number that takes
	// the built-in backends a second or so.
	Elements int
	// InProcess says that the backends run in this process, so that its processor
	// time is theirs.
	InProcess bool
	// Timeout is how long one call may take; zero stands for ten minutes.
	Timeout time.Duration
	// Settings are those of the two parties' runs.
	Settings [2]map[string]string
	// Done, where not nil, is told each row as it is there.
	Done func(Row)
}

// Bench measures what a backend's correlations cost, one kind after the other:
// one call, after a small one that has made the keys. What it makes is verified.
// Where it fails, the rows made so far come with the error.
func Bench(ctx context.Context, server, client correlation.Backend, o BenchOptions) ([]Row, error) {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	k := newKit(server, client, Options{Timeout: o.Timeout, Settings: o.Settings})
	d, err := k.describe(ctx)
	if err != nil {
		return nil, err
	}
	kinds := o.Kinds
	if kinds == nil {
		kinds = d.Kinds
	}
	var rows []Row
	for _, kind := range kinds {
		if !d.Makes(kind) {
			return rows, fmt.Errorf("measuring %v: the backend %s does not make them", kind, d.Name)
		}
		row, err := k.bench(ctx, kind, o)
		if err != nil {
			return rows, fmt.Errorf("measuring %v: %w", kind, err)
		}
		rows = append(rows, row)
		if o.Done != nil {
			o.Done(row)
		}
	}
	return rows, nil
}

// benchElements are what takes a second or so.
var benchElements = map[correlation.Kind]int{
	correlation.Triples: 1 << 18, correlation.Squares: 1 << 18, correlation.Products: 1 << 18,
	correlation.Matrix: 8, correlation.Convolution: 8, correlation.Powers: 1 << 17, correlation.Linear: 32,
}

// benchSpec is what is measured of a kind: of those with shapes, what a small
// network needs.
func benchSpec(kind correlation.Kind, n int) correlation.Spec {
	s := correlation.Spec{Kind: kind, N: n}
	switch kind {
	case correlation.Powers:
		s.Degree, s.MaskBits = 4, 52
	case correlation.Matrix:
		s.Shape = correlation.MatrixShape(128, 128, 128)
	case correlation.Convolution, correlation.Linear:
		s.Shape = padded(16, 32, 32)
	}
	return s
}

// bench measures one kind.
func (k *kit) bench(ctx context.Context, kind correlation.Kind, o BenchOptions) (Row, error) {
	n := o.Elements
	if n == 0 {
		n = benchElements[kind]
	}
	spec := benchSpec(kind, n)
	if err := spec.Validate(); err != nil {
		return Row{}, err
	}
	e := exam{kind: kind}
	if kind == correlation.Linear {
		e.shapes = append(e.shapes, spec.Shape)
	}
	s, err := k.open(ctx, e.layers())
	if err != nil {
		return Row{}, err
	}
	row, err := s.measure(ctx, spec, o.InProcess)
	if err != nil {
		s.abandon(ctx)
		return Row{}, err
	}
	return row, s.close(ctx)
}

// measure makes one element, and then all, and times that.
func (s *session) measure(ctx context.Context, spec correlation.Spec, inProcess bool) (Row, error) {
	first := spec
	first.N = 1
	if _, err := s.generate(ctx, requests([]question{{spec: first}})); err != nil {
		return Row{}, fmt.Errorf("making the first: %w", err)
	}
	questions := []question{{spec: spec}}
	asked := requests(questions)
	before, used, begin := s.pipe.traffic(), cpu.Seconds(), time.Now()
	halves, err := s.generate(ctx, asked)
	took, used := time.Since(begin), cpu.Seconds()-used
	if err != nil {
		return Row{}, err
	}
	a := collect(questions, asked, halves, s.layers)[0]
	row := newRow(a, took, before, s.pipe.traffic())
	if inProcess {
		row.CPUSeconds = used
	}
	return row, a.verify()
}

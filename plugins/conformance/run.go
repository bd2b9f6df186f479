package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"pascaline/correlation"
)

// errLate and errHang are what a party's call returns in the eyes of this package
// when it does not: errLate where it ended with its context.
var (
	errLate = errors.New("hangs: no answer")
	errHang = errors.New("hangs: no answer, and cancelling its context does not end it")
)

// crash is a panic of a backend in this process.
type crash struct{ value any }

func (c crash) Error() string { return fmt.Sprintf("crashes: %v", c.value) }

// calls is how one call at both parties ended.
type calls struct {
	errs  [2]error
	first int // which party failed first; −1 for none
}

// err names the fault of a call that should have worked. Where a party hangs,
// the other may just have waited for it; but what failed before comes first.
func (c calls) err() error {
	if c.first >= 0 {
		return describeFailure(c.first, c.errs[c.first])
	}
	return c.hung()
}

// hung names a party that did not end by itself.
func (c calls) hung() error {
	for _, verdict := range []error{errHang, errLate} {
		for party, err := range c.errs {
			if errors.Is(err, verdict) {
				return fmt.Errorf("party %d %w", party, err)
			}
		}
	}
	return nil
}

// stuck reports whether a party's call has not ended.
func (c calls) stuck(party int) bool { return errors.Is(c.errs[party], errHang) }

// describeFailure puts a party's error in a sentence.
func describeFailure(party int, err error) error {
	if errors.As(err, new(crash)) {
		return fmt.Errorf("party %d %w", party, err)
	}
	return fmt.Errorf("party %d failed: %w", party, err)
}

// patience is how long calls may take to end once all is interrupted.
const patience = 5 * time.Second

// both calls at both parties at once. When one fails the pipe is cut, as the
// end of one party's run ends the link's stream; the other then has as long
// again to notice. A call that does not end is left behind.
func both[T any](ctx context.Context, p *pipe, timeout time.Duration, call func(ctx context.Context, party int) (T, error)) ([2]T, calls) {
	type result struct {
		party int
		value T
		err   error
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan result, 2)
	for party := range 2 {
		go func() {
			r := result{party: party}
			defer func() {
				if v := recover(); v != nil {
					r.err = crash{v}
				}
				done <- r
			}()
			r.value, r.err = call(inner, party)
		}()
	}
	var values [2]T
	out := calls{first: -1}
	waiting := [2]bool{true, true}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	interrupted, cancelled := ctx.Done(), false
	late := false
	for waiting[0] || waiting[1] {
		select {
		case r := <-done:
			waiting[r.party] = false
			values[r.party], out.errs[r.party] = r.value, r.err
			if late {
				out.errs[r.party] = fmt.Errorf("%w in %v", errLate, timeout)
				continue
			}
			if r.err != nil && out.first < 0 {
				out.first = r.party
				p.cut()
				if !cancelled {
					timer.Reset(timeout)
				}
			}
		case <-interrupted:
			interrupted, cancelled = nil, true
			timer.Reset(min(timeout, patience))
		case <-timer.C:
			if !cancelled {
				late, cancelled = true, true
				cancel()
				timer.Reset(timeout)
				continue
			}
			for party := range waiting {
				if waiting[party] {
					out.errs[party] = fmt.Errorf("%w in %v", errHang, timeout)
				}
			}
			p.cut()
			return values, out
		}
	}
	return values, out
}

// session is an open run at both parties.
type session struct {
	*kit
	// end cancels the context of Open, which a backend may hold on to as long as
	// the run lasts.
	end        context.CancelFunc
	pipe       *pipe
	layers     []correlation.Layer
	generators [2]correlation.Generator
	// outside is the bits of a fraction that Progress was told and that is none.
	outside *atomic.Uint64
}

// run is what a party's Open is given. Party 1 does not know the weights.
func (k *kit) run(p *pipe, party int, layers []correlation.Layer, outside *atomic.Uint64) correlation.Run {
	r := correlation.Run{Party: party, Twin: twin{p, party}, Settings: k.Settings[party]}
	for _, l := range layers {
		if party == 1 {
			l.Weights = nil
		}
		r.Layers = append(r.Layers, l)
	}
	r.Progress = func(f float64) {
		if !(f >= 0 && f <= 1) && outside != nil {
			outside.Store(math.Float64bits(f))
		}
	}
	return r
}

// openParty opens a run at one party.
func (k *kit) openParty(ctx context.Context, run correlation.Run) (correlation.Generator, error) {
	g, err := k.backends[run.Party].Open(ctx, run)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errors.New("opening a run returned neither a generator nor an error")
	}
	return g, nil
}

// open opens a run at both parties.
func (k *kit) open(ctx context.Context, layers []correlation.Layer) (*session, error) {
	lasting, end := context.WithCancel(ctx)
	s := &session{kit: k, end: end, pipe: newPipe(nil), layers: layers, outside: new(atomic.Uint64)}
	var c calls
	s.generators, c = both(ctx, s.pipe, k.Timeout, func(ctx context.Context, party int) (correlation.Generator, error) {
		defer context.AfterFunc(ctx, end)()
		return k.openParty(lasting, k.run(s.pipe, party, layers, s.outside))
	})
	if err := c.err(); err != nil {
		s.abandon(ctx)
		return nil, fmt.Errorf("opening a run: %w", err)
	}
	return s, nil
}

// generate asks both parties, and holds what they return against what was
// asked.
func (s *session) generate(ctx context.Context, requests [2][]correlation.Request) ([2][]*correlation.Half, error) {
	generators := s.generators // the call's own: it may be left behind
	halves, c := both(ctx, s.pipe, s.Timeout, func(ctx context.Context, party int) ([]*correlation.Half, error) {
		return generators[party].Generate(ctx, requests[party])
	})
	if err := c.err(); err != nil {
		for party := range 2 {
			if c.stuck(party) {
				s.generators[party] = nil // left behind with its call
			}
		}
		return halves, err
	}
	for party := range 2 {
		if err := isWhatWasAsked(halves[party], requests[party], party); err != nil {
			return halves, fmt.Errorf("party %d %w", party, err)
		}
	}
	if f := math.Float64frombits(s.outside.Load()); f != 0 {
		return halves, fmt.Errorf("a run's Progress was told %v, which is no fraction from 0 to 1", f)
	}
	return halves, nil
}

// close ends the run at both parties.
func (s *session) close(ctx context.Context) error {
	defer s.end()
	err := s.closeAll(ctx, s.pipe, s.generators)
	s.pipe.cut()
	return err
}

// abandon closes what is open of a run that has failed: nothing more is asked of
// it than to end.
func (s *session) abandon(ctx context.Context) {
	defer s.end()
	s.pipe.cut()
	_ = s.closeAll(ctx, s.pipe, s.generators)
}

// closeAll closes the generators that there are.
func (k *kit) closeAll(ctx context.Context, p *pipe, generators [2]correlation.Generator) error {
	_, c := both(ctx, p, k.Timeout, func(_ context.Context, party int) (struct{}, error) {
		if generators[party] == nil {
			return struct{}{}, nil
		}
		return struct{}{}, generators[party].Close()
	})
	if err := c.err(); err != nil {
		return fmt.Errorf("closing a run: %w", err)
	}
	return nil
}

// isWhatWasAsked holds the halves that a party returned against its requests.
func isWhatWasAsked(halves []*correlation.Half, requests []correlation.Request, party int) error {
	if len(halves) != len(requests) {
		return fmt.Errorf("returned %d halves for %d requests", len(halves), len(requests))
	}
	for i, h := range halves {
		want := requests[i].Spec
		if h == nil {
			return fmt.Errorf("returned no half for request %d, %s", i, label(want))
		}
		switch got := h.Spec; {
		case got.Kind != want.Kind:
			return fmt.Errorf("returned the wrong kind: %v for %s", got.Kind, label(want))
		case got.N != want.N:
			return fmt.Errorf("returned a batch of the wrong size: %d elements for %s", got.N, label(want))
		case got != want:
			return fmt.Errorf("returned %s for %s", label(got), label(want))
		case h.Party != party:
			return fmt.Errorf("returned the half of party %d of %s", h.Party, label(want))
		}
		if err := h.Validate(); err != nil {
			return fmt.Errorf("returned a half that does not fit its specification: %w", err)
		}
	}
	return nil
}

// label names a specification in a sentence.
func label(s correlation.Spec) string { return fmt.Sprintf("%d of %s", s.N, pool(s)) }

// pool is [correlation.Spec.Pool], with the shape of linear correlations.
func pool(s correlation.Spec) string {
	if s.Kind != correlation.Linear {
		return s.Pool()
	}
	as := correlation.Spec{Kind: correlation.Convolution, Shape: s.Shape}.Pool()
	return s.Kind.String() + as[len(correlation.Convolution.String()):]
}

package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"pascaline/correlation"
	"pascaline/ring"
)

// dealing is a backend that is right, and that trusts party 0: it draws both
// halves and sends party 1 its own. The functions, where not nil, break it.
type dealing struct {
	describe func(d *correlation.Description)
	open     func(run *dealingRun) error
	// generate comes before all else of a call, and replaces it if it is done.
	generate func(ctx context.Context, run *dealingRun, requests []correlation.Request) (halves []*correlation.Half, done bool, err error)
	// seeds are those of the two halves of request i.
	seeds func(run *dealingRun, i int) [2]ring.Seed
	// deal changes what party 0 deals; r is the input of a linear correlation.
	deal func(run *dealingRun, h0, h1 *correlation.Half, r []uint64)
	// answer changes what a party's call returns.
	answer func(run *dealingRun, halves []*correlation.Half) []*correlation.Half
	// lost says what a call returns that lost its twin.
	lost func(ctx context.Context, run *dealingRun, requests []correlation.Request, err error) ([]*correlation.Half, error)
}

func (d *dealing) Describe(context.Context) (correlation.Description, error) {
	description := correlation.Description{
		Name: "dealing", Version: "1", Kinds: correlation.Kinds(),
		Trust: "party 1 trusts party 0 with everything",
	}
	if d.describe != nil {
		d.describe(&description)
	}
	return description, nil
}

func (d *dealing) Open(_ context.Context, run correlation.Run) (correlation.Generator, error) {
	r := &dealingRun{Run: run, dealing: d}
	if d.open != nil {
		return r, d.open(r)
	}
	return r, nil
}

// dealingRun is a run at one party.
type dealingRun struct {
	correlation.Run
	*dealing
	calls int
	over  bool
	kept  []*correlation.Half // what the calls so far returned
}

func (r *dealingRun) Close() error { return nil }

func (r *dealingRun) Generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	if r.over {
		return nil, errors.New("the run is over")
	}
	if r.generate != nil {
		if halves, done, err := r.generate(ctx, r, requests); done || err != nil {
			r.over = err != nil
			return halves, err
		}
	}
	var halves []*correlation.Half
	for i, q := range requests {
		h, err := r.one(ctx, i, q)
		if err != nil {
			r.over = true
			if r.lost != nil && errors.Is(err, errTwinGone) {
				return r.lost(ctx, r, requests, err)
			}
			return nil, err
		}
		halves = append(halves, h)
		r.Progress(float64(i+1) / float64(len(requests)))
	}
	r.calls++
	r.kept = append(r.kept, halves...)
	if r.answer != nil {
		halves = r.answer(r, halves)
	}
	return halves, nil
}

func (r *dealingRun) one(ctx context.Context, i int, q correlation.Request) (*correlation.Half, error) {
	if err := q.Validate(r.Run); err != nil {
		return nil, err
	}
	if r.Party == 1 {
		return r.take(ctx, q)
	}
	seeds := [2]ring.Seed{ring.NewSeed(), ring.NewSeed()}
	if r.seeds != nil {
		seeds = r.seeds(r, i)
	}
	h0, h1 := correlation.SeedHalf(q.Spec, 0, seeds[0]), correlation.SeedHalf(q.Spec, 1, seeds[1])
	var input []uint64
	if q.Spec.Kind == correlation.Linear {
		msg, err := r.Twin.Recv(ctx, 8*q.Spec.N*q.Spec.Shape.InLen())
		if err != nil {
			return nil, err
		}
		for ; len(msg) >= 8; msg = msg[8:] {
			input = append(input, binary.LittleEndian.Uint64(msg))
		}
		correlation.CompleteLinear(r.Layers[q.Spec.Layer].Weights, input, h0, h1)
	} else {
		correlation.Complete(h0, h1)
	}
	if r.deal != nil {
		r.deal(r, h0, h1, input)
	}
	msg, err := h1.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return h0, r.Twin.Send(ctx, msg)
}

// take is party 1's.
func (r *dealingRun) take(ctx context.Context, q correlation.Request) (*correlation.Half, error) {
	if q.Spec.Kind == correlation.Linear {
		var msg []byte
		for _, v := range q.Input {
			msg = binary.LittleEndian.AppendUint64(msg, v)
		}
		if err := r.Twin.Send(ctx, msg); err != nil {
			return nil, err
		}
	}
	msg, err := r.Twin.Recv(ctx, 1<<30)
	if err != nil {
		return nil, fmt.Errorf("receiving a half: %w", err)
	}
	return correlation.UnmarshalHalf(q.Spec, 1, msg)
}

// explicit makes all columns of a half explicit, and copies of their own.
func explicit(h *correlation.Half) {
	for i := range h.Columns {
		h.Columns[i] = append([]uint64{}, h.Column(i)...)
	}
}

// operand changes columns other than the products, and has party 0's share of
// the products follow.
func operand(change func(h0, h1 *correlation.Half)) func(*dealingRun, *correlation.Half, *correlation.Half, []uint64) {
	return func(_ *dealingRun, h0, h1 *correlation.Half, _ []uint64) {
		explicit(h0)
		explicit(h1)
		change(h0, h1)
		correlation.Complete(h0, h1)
	}
}

// share moves what is left of party 0's shares of products, after change, to
// party 1's, so that they add up to what they did.
func share(change func(h0, h1 *correlation.Half)) func(*dealingRun, *correlation.Half, *correlation.Half, []uint64) {
	return func(_ *dealingRun, h0, h1 *correlation.Half, _ []uint64) {
		explicit(h0)
		explicit(h1)
		change(h0, h1)
		correlation.Complete(h1, h0)
	}
}

package party

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/store"
)

const (
	// sampleRuns is how many runs of neighbouring elements a sample has at most:
	// each leaves a hole in what is left of a batch.
	sampleRuns = 16
	// sampleWords bounds a sample, so that its messages are below 64 MiB.
	sampleWords = 1 << 23
	sampleLimit = 65 << 20
)

// Verification is what came of verifying a pool.
type Verification struct {
	Checked int      // elements, which are burnt
	Claimed []Extent // where they were
}

// Verify claims n elements at random places of a pool (of a fixed operand, a
// random batch), opens them to both parties, and checks at both that they are
// correlated. They are burnt. An error that wraps [ErrFaulty] says that they are
// not.
func (c *Client) Verify(ctx context.Context, spec correlation.Spec) (v Verification, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("verifying %s: %w", spec.Pool(), err)
		}
	}()
	if err := spec.Validate(); err != nil {
		return v, err
	}
	if spec.Words() > sampleWords {
		return v, fmt.Errorf("a sample of %d elements takes %d MiB; at most %d MiB are opened at a time", spec.N, spec.Words()>>17, sampleWords>>17)
	}
	s, err := c.open(ctx, &api.Hello{Purpose: api.Purpose_PURPOSE_VERIFY})
	if err != nil {
		return v, err
	}
	defer s.Close()
	halves, claimed, err := c.claimPools(ctx, s, func(batches []store.Batch) ([]store.RangeClaim, error) { return sample(batches, spec) })
	if err != nil {
		return v, err
	}
	v.Claimed = claimed
	for _, h := range halves {
		if err := openSample(ctx, s, h); err != nil {
			return v, errors.Join(err, c.condemn(err, claimed))
		}
		v.Checked += h.Spec.N
	}
	return v, s.End(ctx)
}

// condemn drops the batches that a faulty sample came from: what is left of them is
// no better. The server drops its halves as well, or at the next meeting.
func (c *Client) condemn(err error, claimed []Extent) error {
	if !errors.Is(err, ErrFaulty) {
		return nil
	}
	var ids []store.ID
	for _, e := range claimed {
		ids = append(ids, e.Batch)
	}
	return drop(c.store, pools(c.pair), ids)
}

// drop drops batches, of which some may be gone.
func drop(st *store.Store, pair store.Pair, ids []store.ID) error {
	batches, err := st.Batches(pair)
	if err != nil {
		return err
	}
	var there []store.ID
	for _, b := range batches {
		if slices.Contains(ids, b.ID) {
			there = append(there, b.ID)
		}
	}
	return st.Drop(pair, there)
}

// ErrFaulty is wrapped by the error of a verification that found elements that
// are not correlated.
var ErrFaulty = errors.New("faulty correlations: the batches of the sample are dropped; have pascaline backend check look at the backend that made them, and verify what else it made")

func (v *visit) verify(ctx context.Context) error {
	if err := v.welcome(ctx); err != nil {
		return err
	}
	halves, claimed, giveBack, err := v.claimPools(ctx)
	if err != nil {
		return err
	}
	defer giveBack()
	for _, h := range halves {
		if h.Spec.Words() > sampleWords {
			return fmt.Errorf("a sample of %d elements of %s is too large to be opened", h.Spec.N, h.Spec.Pool())
		}
		if err := openSample(ctx, v.stream, h); err != nil {
			if errors.Is(err, ErrFaulty) {
				v.log.Error("faulty correlations", "pool", h.Spec.Pool(), "reason", err)
				for _, e := range claimed {
					if err := drop(v.Store, pools(v.pair), []store.ID{e.Batch}); err != nil {
						return v.storeFailed("dropping faulty batches", err)
					}
				}
			}
			return err
		}
	}
	v.log.Info("verified", "ranges", len(halves))
	return nil
}

// openSample sends a half, all of it explicit: a seed would open what is not of
// the sample as well. It receives the other party's and checks the two.
func openSample(ctx context.Context, s *link.Stream, h *correlation.Half) error {
	mine := h.Explicit()
	data, err := mine.MarshalBinary()
	if err != nil {
		return err
	}
	if data, err = api.Exchange(ctx, s, api.Kind_SAMPLE, data, sampleLimit); err != nil {
		return err
	}
	theirs, err := correlation.UnmarshalHalf(h.Spec, 1-h.Party, data)
	if err != nil {
		return err
	}
	halves := [2]*correlation.Half{mine, theirs}
	if h.Party == 1 {
		halves[0], halves[1] = theirs, mine
	}
	if err := correlation.Verify(halves[0], halves[1]); err != nil {
		return fmt.Errorf("%w: %w", ErrFaulty, err)
	}
	return nil
}

// sample picks spec.N elements of a pool: at most sampleRuns runs at random
// places, or a random whole batch of a fixed operand.
func sample(batches []store.Batch, spec correlation.Spec) ([]store.RangeClaim, error) {
	var pool []store.Batch
	left := 0
	for _, b := range batches {
		if b.State == store.Ready && b.Kind == spec.Pool() && (!spec.Fixed || len(b.Spent) == 0) {
			pool = append(pool, b)
			left += b.Left()
		}
	}
	if left < spec.N {
		return nil, exhausted(spec, left)
	}
	if spec.Fixed {
		b := pool[below(len(pool))]
		return []store.RangeClaim{{ID: b.ID, Ranges: []store.Range{{From: 0, To: b.N}}}}, nil
	}
	// Place n runs among what is left: cut it into as many parts as there are
	// runs, and take a run from a random place of each.
	runs := min(sampleRuns, spec.N)
	var claims []store.RangeClaim
	for i := range runs {
		from, to := left*i/runs, left*(i+1)/runs
		size := spec.N*(i+1)/runs - spec.N*i/runs
		from += below(to - from - size + 1)
		claims = take(claims, pool, from, from+size)
	}
	return claims, nil
}

// take appends to claims elements from to to of what is left of a pool, counted
// over its batches.
func take(claims []store.RangeClaim, pool []store.Batch, from, to int) []store.RangeClaim {
	at := 0
	for _, b := range pool {
		for _, r := range b.Unspent() {
			lo, hi := max(from, at), min(to, at+r.To-r.From)
			if lo < hi {
				part := store.Range{From: r.From + lo - at, To: r.From + hi - at}
				if n := len(claims); n > 0 && claims[n-1].ID == b.ID {
					claims[n-1].Ranges = append(claims[n-1].Ranges, part)
				} else {
					claims = append(claims, store.RangeClaim{ID: b.ID, Ranges: []store.Range{part}})
				}
			}
			at += r.To - r.From
		}
	}
	return claims
}

// below returns a random number below n. The sample need not be secret, but it
// must not be foreseen; a bias of n/2^64 does not matter.
func below(n int) int {
	var b [8]byte
	rand.Read(b[:])
	return int(binary.LittleEndian.Uint64(b[:]) % uint64(n))
}

package party

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/store"
)

// ErrExhausted is wrapped by the error of a claim for which a pool holds too
// little.
var ErrExhausted = errors.New("too few correlations are ready")

func exhausted(need correlation.Spec, ready int) error {
	err := fmt.Errorf("%w: %s: %d of the %d needed; run pascaline produce --kind %s --count %d",
		ErrExhausted, need.Pool(), ready, need.N, need.Pool(), need.N)
	if need.Fixed {
		err = fmt.Errorf("%w (a fixed operand needs them in one batch of which nothing is spent)", err)
	}
	return err
}

// PoolReady returns how many elements of a specification's pool are ready.
func (c *Client) PoolReady(spec correlation.Spec) (int, error) {
	batches, err := c.store.Batches(pools(c.pair))
	return ready(batches, spec), err
}

// ready counts the elements of a specification's pool that are ready.
func ready(batches []store.Batch, spec correlation.Spec) (n int) {
	for _, b := range batches {
		if b.State == store.Ready && b.Kind == spec.Pool() {
			n += b.Left()
		}
	}
	return n
}

// Extent is what of a batch is claimed together.
type Extent struct {
	Batch  store.ID
	Pool   string
	Ranges []store.Range
}

// choose picks what to claim for needs: the first elements that are left of the
// oldest batches, and for a fixed operand a whole batch of which nothing is
// spent, the smallest that will do. Two models' weights opened against one fixed
// operand would give their difference away; a batch that is claimed whole is
// opened against by one session only. But for those, no two needs are of one
// pool.
func choose(batches []store.Batch, needs []correlation.Spec) (claims []store.RangeClaim, err error) {
	taken := make(map[store.ID]bool) // of fixed operands
	for _, need := range needs {
		if need.Fixed {
			b := smallest(batches, need, taken)
			if b == nil {
				return nil, exhausted(need, 0)
			}
			taken[b.ID] = true
			claims = append(claims, store.RangeClaim{ID: b.ID, Ranges: []store.Range{{From: 0, To: b.N}}})
			continue
		}
		missing := need.N
		for i := range batches {
			b := &batches[i]
			if b.State != store.Ready || b.Kind != need.Pool() || missing == 0 {
				continue
			}
			next := b.Next(missing)
			if len(next) == 0 {
				continue
			}
			for _, r := range next {
				missing -= r.To - r.From
			}
			claims = append(claims, store.RangeClaim{ID: b.ID, Ranges: next})
		}
		if missing > 0 {
			return nil, exhausted(need, need.N-missing)
		}
	}
	return claims, nil
}

// picker picks for needs, each of a pool of its own but for fixed operands.
func picker(needs []correlation.Spec) func([]store.Batch) ([]store.RangeClaim, error) {
	return func(batches []store.Batch) ([]store.RangeClaim, error) { return choose(batches, needs) }
}

// smallest returns the smallest batch of which nothing is spent that is enough
// for a need.
func smallest(batches []store.Batch, need correlation.Spec, taken map[store.ID]bool) (best *store.Batch) {
	for i := range batches {
		b := &batches[i]
		if taken[b.ID] || b.State != store.Ready || b.Kind != need.Pool() || len(b.Spent) > 0 || b.N < need.N {
			continue
		}
		if best == nil || b.N < best.N {
			best = b
		}
	}
	return best
}

// decode turns what a store returned for claims into halves, one for each range.
func decode(claims []store.RangeClaim, values []store.Claimed) ([]*correlation.Half, error) {
	var halves []*correlation.Half
	for i, c := range claims {
		rows, elements := values[i].Rows, 0
		for _, r := range c.Ranges {
			elements += r.To - r.From
		}
		width := len(rows) / max(1, elements)
		for _, r := range c.Ranges {
			size := width * (r.To - r.From)
			h, err := correlation.UnmarshalRange(values[i].Head, r.From, r.To, rows[:size])
			if err != nil {
				return nil, fmt.Errorf("reading batch %v: %w", c.ID, err)
			}
			halves, rows = append(halves, h), rows[size:]
		}
	}
	return halves, nil
}

func extents(claims []store.RangeClaim, halves []*correlation.Half) []Extent {
	list := make([]Extent, len(claims))
	for i, c := range claims {
		list[i] = Extent{Batch: c.ID, Pool: halves[0].Spec.Pool(), Ranges: c.Ranges}
		halves = halves[len(c.Ranges):]
	}
	return list
}

// claimAttempts bounds how often a claim is made again because the server had
// spent more: each time the client learns what, so that once is enough unless
// others spend at the same time.
const claimAttempts = 4

// claimPools claims ranges for needs in both stores, the client's first, and
// returns the client's halves.
func (c *Client) claimPools(ctx context.Context, s *link.Stream, pick func([]store.Batch) ([]store.RangeClaim, error)) ([]*correlation.Half, []Extent, error) {
	pair := pools(c.pair)
	for range claimAttempts {
		claims, values, err := c.claimHere(pair, pick)
		if err != nil {
			return nil, nil, err
		}
		ask := &api.PoolClaim{}
		for _, claim := range claims {
			for _, r := range claim.Ranges {
				ask.Ranges = append(ask.Ranges, &api.PoolRange{Id: claim.ID[:], From: uint32(r.From), To: uint32(r.To)})
			}
		}
		if err := api.Send(ctx, s, api.Kind_POOL_CLAIM, ask); err != nil {
			return nil, nil, err
		}
		var reply api.PoolClaimReply
		if err := api.Receive(ctx, s, api.Kind_POOL_CLAIM_REPLY, claimLimit, &reply); err != nil {
			return nil, nil, err
		}
		behind, err := decodeBatches(reply.Behind)
		if err != nil {
			return nil, nil, err
		}
		if len(behind) == 0 {
			halves, err := decode(claims, values)
			if err != nil {
				return nil, nil, err
			}
			return halves, extents(claims, halves), nil
		}
		if err := c.catchUp(pair, behind); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("the server had spent other elements %d times in a row; connect again, so that the stores are compared", claimAttempts)
}

// claimHere picks and claims in the client's store. A batch that turns out to be
// damaged is burnt by the store, and others take its place.
func (c *Client) claimHere(pair store.Pair, pick func([]store.Batch) ([]store.RangeClaim, error)) ([]store.RangeClaim, []store.Claimed, error) {
	c.claims.Lock()
	defer c.claims.Unlock()
	for {
		batches, err := c.store.Batches(pair)
		if err != nil {
			return nil, nil, err
		}
		claims, err := pick(batches)
		if err != nil {
			return nil, nil, err
		}
		if len(claims) > maxClaims {
			return nil, nil, fmt.Errorf("a claim from %d batches; at most %d at a time", len(claims), maxClaims)
		}
		values, err := c.store.ClaimRanges(pair, claims)
		if !errors.Is(err, store.ErrCorrupt) {
			return claims, values, err
		}
	}
}

// catchUp burns what the server has spent. A batch of which it holds nothing has
// no use here.
func (c *Client) catchUp(pair store.Pair, behind map[store.ID]held) error {
	batches, err := c.store.Batches(pair)
	if err != nil {
		return err
	}
	for _, b := range batches {
		if h, ok := behind[b.ID]; ok {
			if err := c.store.Burn(pair, b.ID, within(h.spent, b.N)); err != nil {
				return err
			}
		}
	}
	return nil
}

// claimPools answers the client's claim until one can be met, and returns the
// server's halves. They are counted against what the client may keep in memory
// here until giveBack is called. A claim beyond that is lost at the client.
func (v *visit) claimPools(ctx context.Context) (halves []*correlation.Half, claimed []Extent, giveBack func(), err error) {
	pair := pools(v.pair)
	for range claimAttempts {
		claims, err := v.awaitPoolClaim(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		batches, err := v.Store.Batches(pair)
		if err != nil {
			return nil, nil, nil, v.storeFailed("listing batches", err)
		}
		known, err := checkFixed(batches, claims)
		if err != nil {
			return nil, nil, nil, err
		}
		giveBack, err := v.warm.take(v.stream.Peer(), memory(batches, claims))
		if err != nil {
			return nil, nil, nil, err
		}
		values, err := []store.Claimed(nil), store.ErrUnknown // of which nothing was checked is not claimed
		if known {
			values, err = v.Store.ClaimRanges(pair, claims)
		}
		if err != nil {
			giveBack()
		}
		if errors.Is(err, store.ErrClaimed) || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrCorrupt) {
			behind, err := v.burn(pair, batches, claims)
			if err != nil {
				return nil, nil, nil, v.storeFailed("burning what only the client had", err)
			}
			if err := api.Send(ctx, v.stream, api.Kind_POOL_CLAIM_REPLY, &api.PoolClaimReply{Behind: encodeBatches(behind)}); err != nil {
				return nil, nil, nil, err
			}
			continue
		}
		if err != nil {
			return nil, nil, nil, v.storeFailed("claiming from pools", err)
		}
		if halves, err = decode(claims, values); err != nil {
			giveBack()
			return nil, nil, nil, err
		}
		claimed = extents(claims, halves)
		for _, e := range claimed {
			v.log.LogAttrs(ctx, slog.LevelInfo, "claimed", slog.String("pool", e.Pool), slog.Any("batch", e.Batch), slog.Any("ranges", e.Ranges))
		}
		if err := api.Send(ctx, v.stream, api.Kind_POOL_CLAIM_REPLY, &api.PoolClaimReply{}); err != nil {
			giveBack()
			return nil, nil, nil, err
		}
		return halves, claimed, giveBack, nil
	}
	return nil, nil, nil, errors.New("the client claimed elements that are spent here too often")
}

// memory returns how many bytes the halves of claims take, expanded.
func memory(batches []store.Batch, claims []store.RangeClaim) (bytes int64) {
	for _, c := range claims {
		for _, b := range batches {
			if b.ID != c.ID {
				continue
			}
			for _, r := range c.Ranges {
				if spec, err := correlation.ParsePool(b.Kind, max(1, min(b.N, r.To)-r.From)); err == nil {
					bytes += 8 * int64(spec.Words())
				}
			}
		}
	}
	return bytes
}

// awaitPoolClaim receives and checks a claim.
func (v *visit) awaitPoolClaim(ctx context.Context) ([]store.RangeClaim, error) {
	var ask api.PoolClaim
	if err := api.Receive(ctx, v.stream, api.Kind_POOL_CLAIM, claimLimit, &ask); err != nil {
		return nil, err
	}
	if len(ask.Ranges) == 0 {
		return nil, errors.New("a claim of nothing")
	}
	var claims []store.RangeClaim
	at := make(map[store.ID]int)
	for _, r := range ask.Ranges {
		if len(r.Id) != idSize {
			return nil, fmt.Errorf("a batch with an id of %d bytes", len(r.Id))
		}
		id := store.ID(r.Id)
		if _, ok := at[id]; !ok {
			at[id] = len(claims)
			claims = append(claims, store.RangeClaim{ID: id})
		}
		c := &claims[at[id]]
		c.Ranges = append(c.Ranges, store.Range{From: int(r.From), To: int(r.To)})
	}
	if len(claims) > maxClaims {
		return nil, fmt.Errorf("a claim from %d batches; at most %d at a time", len(claims), maxClaims)
	}
	return claims, nil
}

// checkFixed refuses to spend a batch of a fixed operand in parts (see choose), and
// reports whether all that is claimed is of batches it knows.
func checkFixed(batches []store.Batch, claims []store.RangeClaim) (known bool, err error) {
	for _, c := range claims {
		i := slices.IndexFunc(batches, func(b store.Batch) bool { return b.ID == c.ID })
		if i < 0 {
			return false, nil
		}
		b := batches[i]
		spec, err := correlation.ParsePool(b.Kind, b.N)
		if err != nil {
			return false, err
		}
		if whole := len(c.Ranges) == 1 && c.Ranges[0] == (store.Range{From: 0, To: b.N}); spec.Fixed && !whole {
			return false, fmt.Errorf("batch %v of %s can be claimed only whole", b.ID, b.Kind)
		}
	}
	return true, nil
}

// burn spends what the client has claimed, which the server cannot use, and
// returns what is spent of the batches it named.
func (v *visit) burn(pair store.Pair, batches []store.Batch, claims []store.RangeClaim) (behind []store.Batch, err error) {
	for _, c := range claims {
		here := store.Batch{ID: c.ID, Spent: []store.Range{{From: 0, To: store.MaxElements}}} // all of it
		for _, b := range batches {
			if b.ID == c.ID {
				if err := v.Store.Burn(pair, c.ID, within(c.Ranges, b.N)); err != nil {
					return nil, err
				}
				here = b
			}
		}
		behind = append(behind, here)
	}
	return behind, nil
}

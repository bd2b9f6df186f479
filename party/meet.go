package party

import (
	"context"
	"fmt"
	"log/slog"
	"math"

	"pascaline/api"
	"pascaline/store"
)

// pools is the pair of stores without a plan: what pools are kept under.
func pools(pair store.Pair) store.Pair {
	pair.Plan = [32]byte{}
	return pair
}

// meet compares the client's halves with the server's: those that both hold
// are ready from now on, all others of this pair of stores are dropped. Of
// batches of pools, what either has spent is spent at both.
func (v *visit) meet(ctx context.Context) error {
	leave, err := v.meeting.pass(ctx, v.stream.Peer())
	if err != nil {
		return err
	}
	defer leave()
	if err := v.welcome(ctx); err != nil {
		return err
	}
	var meeting api.Meeting
	if err := api.Receive(ctx, v.stream, api.Kind_MEETING, meetingLimit, &meeting); err != nil {
		return err
	}
	reply := &api.MeetingReply{}
	dropped, err := v.meetBundles(&meeting, reply)
	if err != nil {
		return err
	}
	batches, droppedBatches, err := v.meetBatches(&meeting, reply)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if dropped+droppedBatches > 0 {
		level = slog.LevelWarn
	}
	v.log.Log(ctx, level, "met", "ready", len(reply.Twins)/idSize, "dropped", dropped, "elsewhere", reply.Elsewhere,
		"batches", batches, "dropped_batches", droppedBatches)
	return api.Send(ctx, v.stream, api.Kind_MEETING_REPLY, reply)
}

func (v *visit) meetBundles(meeting *api.Meeting, reply *api.MeetingReply) (dropped int, err error) {
	theirs, err := decodeHalves(meeting.Halves)
	if err != nil {
		return 0, err
	}
	ours, err := v.Store.Halves(v.pair)
	if err != nil {
		return 0, v.storeFailed("listing bundles", err)
	}
	var twins, orphans []store.ID
	for _, h := range ours {
		if digest, ok := theirs[h.ID]; ok && digest == h.Digest {
			twins = append(twins, h.ID)
		} else {
			orphans = append(orphans, h.ID)
		}
	}
	if err := v.Store.Drop(v.pair, orphans); err != nil {
		return 0, v.storeFailed("dropping bundles without a twin", err)
	}
	if err := v.Store.Confirm(v.pair, twins); err != nil {
		return 0, v.storeFailed("confirming bundles", err)
	}
	others, err := elsewhere(v.Store, v.pair)
	if err != nil {
		return 0, v.storeFailed("listing bundles", err)
	}
	reply.Twins, reply.Elsewhere = encodeIDs(twins), uint64(others)
	return len(orphans), nil
}

func (v *visit) meetBatches(meeting *api.Meeting, reply *api.MeetingReply) (ready, dropped int, err error) {
	theirs, err := decodeBatches(meeting.Batches)
	if err != nil {
		return 0, 0, err
	}
	pair := pools(v.pair)
	ours, err := v.Store.Batches(pair)
	if err != nil {
		return 0, 0, v.storeFailed("listing batches", err)
	}
	var twins []store.Batch
	var orphans []store.ID
	for _, b := range ours {
		if t, ok := theirs[b.ID]; ok && t.digest == b.Digest {
			twins = append(twins, b)
			// The client learns what had been spent here before this.
			if err := agree(v.Store, pair, b, t.spent); err != nil {
				return 0, 0, v.storeFailed("agreeing on batches", err)
			}
		} else {
			orphans = append(orphans, b.ID)
		}
	}
	if err := v.Store.Drop(pair, orphans); err != nil {
		return 0, 0, v.storeFailed("dropping batches without a twin", err)
	}
	reply.Batches = encodeBatches(twins)
	return len(twins), len(orphans), nil
}

// agree makes a batch that both parties hold ready, and burns what the other has
// spent of it.
func agree(st *store.Store, pair store.Pair, b store.Batch, theirs []store.Range) error {
	if b.State == store.Pending {
		if err := st.Confirm(pair, []store.ID{b.ID}); err != nil {
			return err
		}
	}
	return st.Burn(pair, b.ID, within(theirs, b.N))
}

// within cuts ranges to a batch of n elements.
func within(ranges []store.Range, n int) []store.Range {
	var cut []store.Range
	for _, r := range ranges {
		if r.To = min(r.To, n); r.From < r.To {
			cut = append(cut, r)
		}
	}
	return cut
}

// meet compares the stores.
func (c *Client) meet(ctx context.Context) (m Meeting, err error) {
	s, err := c.open(ctx, &api.Hello{Purpose: api.Purpose_PURPOSE_MEET})
	if err != nil {
		return m, err
	}
	defer s.Close()
	halves, err := c.store.Halves(c.pair)
	if err != nil {
		return m, err
	}
	if len(halves) > maxHalves {
		return m, fmt.Errorf("the store holds %d bundles for this server; at most %d can be compared: spend some, or use another store", len(halves), maxHalves)
	}
	batches, err := c.store.Batches(pools(c.pair))
	if err != nil {
		return m, err
	}
	if len(batches) > maxBatches {
		return m, fmt.Errorf("the store holds %d batches for this server; at most %d can be compared: spend some, or use another store", len(batches), maxBatches)
	}
	if err := api.Send(ctx, s, api.Kind_MEETING, &api.Meeting{Halves: encodeHalves(halves), Batches: encodeBatches(batches)}); err != nil {
		return m, err
	}
	var reply api.MeetingReply
	if err := api.Receive(ctx, s, api.Kind_MEETING_REPLY, meetingLimit, &reply); err != nil {
		return m, err
	}
	if m.Ready, m.Dropped, err = c.meetBundles(halves, &reply); err != nil {
		return m, err
	}
	if m.Batches, m.DroppedBatches, err = c.meetBatches(batches, &reply); err != nil {
		return m, err
	}
	m.AtServer = int(min(reply.Elsewhere, math.MaxInt32))
	m.Elsewhere, err = elsewhere(c.store, c.pair)
	return m, err
}

func (c *Client) meetBundles(halves []store.Half, reply *api.MeetingReply) (ready, dropped int, err error) {
	twins, err := decodeIDs(reply.Twins)
	if err != nil {
		return 0, 0, err
	}
	isTwin := make(map[store.ID]bool, len(twins))
	for _, id := range twins {
		isTwin[id] = true
	}
	var held, orphans []store.ID
	for _, h := range halves {
		if isTwin[h.ID] {
			held = append(held, h.ID)
		} else {
			orphans = append(orphans, h.ID)
		}
	}
	if len(held) != len(twins) {
		return 0, 0, fmt.Errorf("the server names %d twins that this store does not hold", len(twins)-len(held))
	}
	if err := c.store.Drop(c.pair, orphans); err != nil {
		return 0, 0, err
	}
	return len(held), len(orphans), c.store.Confirm(c.pair, held)
}

func (c *Client) meetBatches(batches []store.Batch, reply *api.MeetingReply) (ready, dropped int, err error) {
	twins, err := decodeBatches(reply.Batches)
	if err != nil {
		return 0, 0, err
	}
	pair := pools(c.pair)
	var orphans []store.ID
	for _, b := range batches {
		t, ok := twins[b.ID]
		if !ok || t.digest != b.Digest {
			orphans = append(orphans, b.ID)
			continue
		}
		if err := agree(c.store, pair, b, t.spent); err != nil {
			return 0, 0, err
		}
	}
	return len(batches) - len(orphans), len(orphans), c.store.Drop(pair, orphans)
}

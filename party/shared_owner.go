package party

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"pascaline/api"
	"pascaline/link"
	"pascaline/model"
	"pascaline/online"
)

// SharedPreparation is what it cost the two servers to prepare a model, by party.
type SharedPreparation struct {
	Took time.Duration // making the correlations
	CPU  [2]float64    // processor seconds of the servers' processes meanwhile
	Sent [2]int64      // bytes on the wire, by each server to the other
}

// checkServers refuses servers that are one: it would see both shares.
func checkServers(conns [2]*link.Conn) error {
	if conns[0].Peer() == conns[1].Peer() {
		return errors.New("the two servers have the same key: one that gets both shares knows what is shared")
	}
	return nil
}

// DealShared shares a model's weights between the servers at the other ends of
// conns and returns when they are prepared to evaluate so many inferences. Neither
// server learns a weight. Progress, if not nil, is told the fraction that is done.
func DealShared(ctx context.Context, conns [2]*link.Conn, m *model.Model, inferences int, progress func(fraction float64)) (p SharedPreparation, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("dealing a model: %w", err)
		}
	}()
	if m.Weights == nil {
		return p, model.ErrNoWeights
	}
	if err := checkServers(conns); err != nil {
		return p, err
	}
	if inferences < 1 || inferences > math.MaxInt32 {
		return p, fmt.Errorf("%d inferences; ask for at least 1", inferences)
	}
	plan, err := m.PlanOnly().Encode()
	if err != nil {
		return p, err
	}
	var id sharedID
	rand.Read(id[:])
	ask := &api.SharedDeal{Deal: id[:], Plan: plan, Inferences: uint32(inferences)}
	var parts [2]online.Dealt
	parts[0], parts[1] = online.DealWeights(m.Weights)
	var replies [2]*api.SharedDealReply
	group, ctx := errgroup.WithContext(ctx)
	for i, conn := range conns {
		group.Go(func() (err error) {
			replies[i], err = dealPart(ctx, conn, ask, parts[i], progress)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return p, err
	}
	if replies[0].Party+replies[1].Party != 1 {
		return p, errors.New("the two servers are not the two parties of one session; name both of a pair")
	}
	cost := replies[0]
	if cost.Party == 0 {
		cost = replies[1]
	}
	p.Took = time.Duration(cost.Seconds * float64(time.Second))
	p.CPU = [2]float64{cost.CpuSeconds_0, cost.CpuSeconds_1}
	p.Sent = [2]int64{int64(cost.ReceivedBytes), int64(cost.SentBytes)}
	return p, nil
}

// dealPart deals one server its part and waits until it is prepared.
func dealPart(ctx context.Context, conn *link.Conn, ask *api.SharedDeal, part online.Dealt, progress func(float64)) (*api.SharedDealReply, error) {
	stream, err := openShared(ctx, conn, &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_DEAL})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := api.Send(ctx, stream, api.Kind_SHARES, ask); err != nil {
		return nil, err
	}
	share, err := part.MarshalBinary()
	if err != nil {
		return nil, err
	}
	if err := stream.Send(ctx, api.Kind_SHARES, share); err != nil {
		return nil, err
	}
	for {
		reply := new(api.SharedDealReply)
		if err := api.Receive(ctx, stream, api.Kind_SHARES_REPLY, sharedLimit, reply); err != nil {
			return nil, err
		}
		if reply.Ready {
			return reply, stream.End(ctx)
		}
		if reply.Party == 1 && progress != nil {
			progress(reply.Progress)
		}
	}
}

// openShared opens a stream with one of the servers.
func openShared(ctx context.Context, conn *link.Conn, hello *api.Hello) (*link.Stream, error) {
	stream, err := conn.Open(ctx)
	if err != nil {
		return nil, err
	}
	hello.Version = protocolVersion
	err = api.Send(ctx, stream, api.Kind_HELLO, hello)
	if err == nil {
		err = api.Receive(ctx, stream, api.Kind_WELCOME, helloLimit, new(api.Welcome))
	}
	if err != nil {
		stream.Close()
		return nil, err
	}
	return stream, nil
}

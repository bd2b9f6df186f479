package party_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pascaline/api"
	"pascaline/link"
	"pascaline/model"
	"pascaline/online"
)

// open opens a stream with one of the servers as an owner or a client does.
func open(t *testing.T, conn *link.Conn, hello *api.Hello) *link.Stream {
	t.Helper()
	stream, err := conn.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	hello.Version = 3
	if err := api.Send(t.Context(), stream, api.Kind_HELLO, hello); err != nil {
		t.Fatal(err)
	}
	if err := api.Receive(t.Context(), stream, api.Kind_WELCOME, 4096, new(api.Welcome)); err != nil {
		t.Fatal(err)
	}
	return stream
}

// part is what an owner sends one server.
type part struct {
	id         byte
	model      *model.Model
	inferences uint32
	weights    []byte
}

// deal deals a part to one server and returns what it says in the end.
func (p part) deal(ctx context.Context, stream *link.Stream) error {
	plan, err := p.model.PlanOnly().Encode()
	if err != nil {
		return err
	}
	ask := &api.SharedDeal{Deal: slices.Repeat([]byte{p.id}, 16), Plan: plan, Inferences: p.inferences}
	if err := api.Send(ctx, stream, api.Kind_SHARES, ask); err != nil {
		return err
	}
	if p.weights == nil {
		share, _ := online.DealWeights(p.model.Weights)
		if p.weights, err = share.MarshalBinary(); err != nil {
			return err
		}
	}
	if err := stream.Send(ctx, api.Kind_SHARES, p.weights); err != nil {
		return err
	}
	for {
		var reply api.SharedDealReply
		if err := api.Receive(ctx, stream, api.Kind_SHARES_REPLY, 4096, &reply); err != nil || reply.Ready {
			return err
		}
	}
}

func TestPartsOfDifferentDealsAreAnErrorAtBoth(t *testing.T) {
	t.Parallel() // it waits
	d := newDuoWith(t, 1500*time.Millisecond)
	plan := *d.model.Plan
	plan.Name = "other"
	other := &model.Model{Plan: &plan, Weights: d.model.Weights}
	deal := func(server int, p part) chan error {
		failed := make(chan error, 1)
		stream := open(t, d.dial(d.owner)[server], &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_DEAL})
		go func() { failed <- p.deal(t.Context(), stream) }()
		return failed
	}
	same := part{id: 1, model: d.model, inferences: 2}
	for say, second := range map[string]part{
		"parts of different models":       {id: 1, model: other, inferences: 2},
		"different numbers of inferences": {id: 1, model: d.model, inferences: 3},
	} {
		failed := [2]chan error{deal(0, same), deal(1, second)}
		mustSay(t, <-failed[0], say)
		mustSay(t, <-failed[1], say)
	}
	// Parts of two deals, or a part at one server alone.
	failed := [2]chan error{deal(0, same), deal(1, part{id: 2, model: d.model, inferences: 2})}
	mustSay(t, <-failed[0], "the other server did not name this deal")
	mustSay(t, <-failed[1], "this server got no part of the deal")
}

func TestAPartThatIsNoneIsRefused(t *testing.T) {
	d := newDuo(t)
	for name, c := range map[string]struct {
		part
		say string
	}{
		"short weights":  {part{1, d.model, 2, make([]byte, 20)}, "neither a seed nor"},
		"no inferences":  {part{1, d.model, 0, nil}, "0 inferences"},
		"too many":       {part{1, d.model, 1 << 31, nil}, "they must be from 1 to"},
		"another's seed": {part{1, d.model, 2, make([]byte, 33)}, "neither a seed nor"},
	} {
		for _, conn := range d.dial(d.owner) {
			err := c.deal(t.Context(), open(t, conn, &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_DEAL}))
			if err == nil {
				t.Errorf("%s: taken", name)
			}
			mustSay(t, err, c.say)
		}
	}
}

// ask is what a client sends one server.
func ask(ctx context.Context, stream *link.Stream, id byte, inferences uint32, share online.Dealt) error {
	data, err := share.MarshalBinary()
	if err != nil {
		return err
	}
	m := &api.SharedInput{Request: slices.Repeat([]byte{id}, 16), Inferences: inferences, Share: data}
	if err := api.Send(ctx, stream, api.Kind_SHARES, m); err != nil {
		return err
	}
	return api.Receive(ctx, stream, api.Kind_SHARES_REPLY, 1<<20, new(api.SharedOutput))
}

func TestOneShareAloneIsNotEvaluated(t *testing.T) {
	t.Parallel() // it waits
	d := newDuoWith(t, 1500*time.Millisecond)
	d.deal(3)
	hash := d.model.Plan.Hash()
	send := func(client, server int, id byte, inferences uint32) chan error {
		failed := make(chan error, 1)
		stream := open(t, d.dial(d.clients[client])[server], &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: 2})
		go func() { failed <- ask(t.Context(), stream, id, inferences, online.Dealt{}) }()
		return failed
	}
	// Two clients' inputs by one name are two inputs.
	alone := [2]chan error{send(0, 0, 1, 1), send(1, 1, 1, 1)}
	for _, failed := range []chan error{send(0, 0, 2, 1), send(0, 1, 2, 2)} {
		mustSay(t, <-failed, "the two servers got parts of")
	}
	mustSay(t, <-alone[0], "the other server did not name this input")
	mustSay(t, <-alone[1], "the other server did not get its part of this input")
	// None of all that has cost an inference.
	x := d.inputs(1, 3)
	y, _, err := d.client(0, 3).Infer(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	d.check(x, y)
}

func TestInputsThatAreNoneAreRefused(t *testing.T) {
	d := newDuo(t)
	d.deal(1)
	hash := d.model.Plan.Hash()
	hello := &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: 2}
	for _, conn := range d.dial(d.clients[0]) {
		var seed online.Dealt
		mustSay(t, ask(t.Context(), open(t, conn, hello), 1, 0, seed), "an input of 0 inferences")
		mustSay(t, ask(t.Context(), open(t, conn, hello), 1, 3, seed), "this stream was opened for 1 to 2")
		mustSay(t, ask(t.Context(), open(t, conn, hello), 1, 1, online.Dealt{Words: make([]uint64, 71)}), "neither a seed nor 72 words")
		mustSay(t, ask(t.Context(), open(t, conn, hello), 1, 2, seed), "prepared for 1 inferences; 1 of them are left")
		for _, wrong := range []*api.Hello{
			{Version: 3, Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: 1 << 20},
			{Version: 3, Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: 0},
			{Version: 3, Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[1:], Bundles: 1},
			{Version: 1, Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: 1},
		} {
			stream, err := conn.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := api.Send(t.Context(), stream, api.Kind_HELLO, wrong); err != nil {
				t.Fatal(err)
			}
			if err := api.Receive(t.Context(), stream, api.Kind_WELCOME, 4096, new(api.Welcome)); err == nil {
				t.Errorf("%v was welcomed", wrong)
			}
			stream.Close()
		}
	}
}

// A client that stays, but does nothing, and one that leaves in the middle, do not
// keep others from theirs.
func TestAClientThatLeavesStopsNobody(t *testing.T) {
	d := newDuo(t)
	d.deal(4)
	d.client(1, 4) // idle
	hash := d.model.Plan.Hash()
	stream := open(t, d.dial(d.clients[1])[1], &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_INFER, Plan: hash[:], Bundles: 1})
	data, err := online.Dealt{}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Send(t.Context(), stream, api.Kind_SHARES, &api.SharedInput{Request: make([]byte, 16), Inferences: 1, Share: data}); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	x := d.inputs(1, 4)
	y, _, err := d.client(0, 4).Infer(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	d.check(x, y)
}

func TestAnOwnerThatLeavesLeavesNoModel(t *testing.T) {
	d := newDuo(t)
	conns := d.dial(d.owner)
	stream := open(t, conns[1], &api.Hello{Purpose: api.Purpose_PURPOSE_SHARED_DEAL})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- part{id: 1, model: d.model, inferences: 2}.deal(ctx, stream) }()
	cancel()
	<-left
	d.deal(1)
	x := d.inputs(1, 1)
	y, _, err := d.client(0, 1).Infer(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	d.check(x, y)
}

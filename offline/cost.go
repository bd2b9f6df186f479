package offline

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// Calls lists what a group of so many bundles asks the backend for: the
// specifications of each call of Generate, in their order.
func Calls(plan *model.Plan, bundles int) [][]correlation.Spec {
	spec := plan.Bundle()
	var calls [][]correlation.Spec
	if len(spec.Activations) > 0 {
		var powers []correlation.Spec
		for range bundles {
			for _, a := range spec.Activations {
				powers = append(powers, a.Powers)
			}
		}
		calls = append(calls, powers)
	}
	layer := layers(plan)
	for _, level := range linearLevels(plan) {
		var linear []correlation.Spec
		for _, node := range level {
			for range bundles {
				linear = append(linear, spec.Linear[layer[node]])
			}
		}
		calls = append(calls, linear)
	}
	return calls
}

// HostTraffic returns what a production run sends beside what the backends say to
// each other: for the run, and for each group of so many bundles.
func HostTraffic(plan *model.Plan, bundles int, backend correlation.Description) (run, group correlation.Traffic) {
	// Neither kind of message has anything in it that does not marshal.
	run.Up.Send(proto.Size(&api.Produce{Backend: backend.Name, Version: backend.Version}))
	run.Down.Send(proto.Size(&api.ProduceReply{}))
	run.Up.Send(proto.Size(&api.Group{}))
	run.Down.Send(proto.Size(&api.Stats{CpuSeconds: 1}))

	nonce, digest := make([]byte, nonceSize), make([]byte, 32)
	group.Up.Send(proto.Size(&api.Group{Bundles: uint32(bundles), Nonce: nonce}))
	group.Down.Send(proto.Size(&api.GroupReply{Nonce: nonce}))
	for range bundles {
		group.Up.Send(openingSize(plan.Bundle()))
	}
	group.Up.Send(proto.Size(&api.Commit{Digest: digest}))
	group.Down.Send(proto.Size(&api.CommitReply{Digest: digest}))
	return run, group
}

// LattigoCost is what the backend Lattigo does and sends to answer some calls.
type LattigoCost struct {
	Keys   correlation.Traffic // once in a run
	Powers []PowersCost
	Linear []LinearCost
}

// PowersCost is that of the powers of one degree in one call.
type PowersCost struct {
	Degree   int
	MaskBits uint
	Elements int
	Batches  int // of [PowersSlots] elements, the last one perhaps less full
	Traffic  correlation.Traffic
}

// LinearCost is that of the linear correlations of one layer, of inferences that
// share their ciphertexts.
type LinearCost struct {
	Layer      int
	Inferences int
	// Queries and Replies count ciphertexts, Products those of a query and a
	// polynomial of weights, and Weights those polynomials.
	Queries, Replies, Products, Weights int
	Traffic                             correlation.Traffic
}

// NewLattigoCost adds up what the given calls of one run take.
func NewLattigoCost(calls [][]correlation.Spec) (*LattigoCost, error) {
	cost := &LattigoCost{}
	met := map[powersKey]bool{}
	metLinear := false
	packings := map[correlation.Spec]*LinearCost{} // N is the group's, and the layer none
	for _, call := range calls {
		switch {
		case len(call) == 0:
		case call[0].Kind == correlation.Powers:
			if err := cost.powers(call, met); err != nil {
				return nil, err
			}
		case call[0].Kind == correlation.Linear:
			if !metLinear {
				cost.Keys.Up.Send(linearKeySize)
				metLinear = true
			}
			if err := cost.linear(call, packings); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("adding up what lattigo takes: %v belong to no bundle", call[0].Kind)
		}
	}
	return cost, nil
}

func (c *LattigoCost) powers(call []correlation.Spec, met map[powersKey]bool) error {
	halves := make([]*correlation.Half, len(call))
	for i, s := range call {
		halves[i] = &correlation.Half{Spec: s}
	}
	for _, class := range classes(halves) {
		plan, err := planPowers(class.degree, class.maskBits)
		if err != nil {
			return err
		}
		if !met[class.powersKey] {
			met[class.powersKey] = true
			// A public key has no more of the plan than its ring.
			c.Keys.Up.Send(powersHeader + ring.SeedSize + residuesSize(PowersSlots, powersPrimes[:]))
		}
		p := PowersCost{Degree: class.degree, MaskBits: class.maskBits, Elements: class.elements, Batches: class.batches()}
		for range p.Batches {
			p.Traffic.Up.Send(plan.querySize())
			p.Traffic.Down.Send(plan.replySize())
		}
		c.Powers = append(c.Powers, p)
	}
	return nil
}

func (c *LattigoCost) linear(call []correlation.Spec, packings map[correlation.Spec]*LinearCost) error {
	for i := 0; i < len(call); {
		group := call[i]
		for i++; i < len(call) && call[i].Layer == group.Layer && group.N+call[i].N <= maxLinearGroup; i++ {
			group.N += call[i].N
		}
		layer := group.Layer
		group.Layer = 0 // of one shape, all cost the same
		l := packings[group]
		if l == nil {
			p, err := NewLinearPacking(group.Shape, group.N)
			if err != nil {
				return fmt.Errorf("linear layer %d: %w", layer, err)
			}
			l = p.cost()
			packings[group] = l
		}
		c.Linear = append(c.Linear, *l)
		c.Linear[len(c.Linear)-1].Layer = layer
	}
	return nil
}

// cost counts what a group of inferences takes.
func (p *LinearPacking) cost() *LinearCost {
	c := &LinearCost{
		Inferences: p.group,
		Queries:    p.queries(), Replies: p.replies(),
		Products: len(p.segments) * p.queryGroups * p.replyGroups, Weights: p.queryGroups * p.replyGroups,
	}
	c.Traffic.Up.Messages, c.Traffic.Up.Bytes = ceilDiv(p.queries(), queriesPerMessage), int64(p.QueryBytes())
	for i := 0; i < p.replies(); {
		n, size := p.replyMessage(i)
		c.Traffic.Down.Send(size)
		i += n
	}
	return c
}

// Traffic returns what the calls send, beside Keys.
func (c *LattigoCost) Traffic() (t correlation.Traffic) {
	for i := range c.Powers {
		t.Add(c.Powers[i].Traffic, 1)
	}
	for i := range c.Linear {
		t.Add(c.Linear[i].Traffic, 1)
	}
	return t
}

// PowersError bounds the probability that any of n elements, of one inference and
// made together with others or not, gets shares that are not those of the powers of
// its mask. All that is left to chance is that a reply decrypts: powersTail.
func PowersError(degree int, maskBits uint, n int) (float64, error) {
	plan, err := planPowers(degree, maskBits)
	if err != nil {
		return 0, err
	}
	// n neighbouring elements lie in so many batches at most.
	batches := float64(ceilDiv(n, PowersSlots) + 1)
	coefficient := 2 * math.Exp(-6*powersTail*powersTail/float64(powersWeight))
	return math.Exp2(powersWeightBits) + batches*float64(plan.replies())*PowersSlots*coefficient, nil
}

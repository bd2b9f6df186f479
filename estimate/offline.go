package estimate

import (
	"context"
	"fmt"

	"pascaline/correlation"
	"pascaline/dealer"
	"pascaline/model"
	"pascaline/offline"
)

// Backend is what a backend takes to make the bundle of one inference, its share of
// a run that makes so many.
type Backend struct {
	Name    string `json:"name"`
	Bundles int    `json:"bundles"`
	Cost
	// Distance bounds the statistical distance of [model.Plan.Distance] with these
	// bundles.
	Distance float64 `json:"distance"`
	// GrossError bounds the probability that anything in an inference with such a
	// bundle is off by more than rounding, while values are in the calibrated range:
	// that an activation is truncated wrongly, or its powers are wrong.
	GrossError float64 `json:"gross_error"`
}

// Cost is what making something takes. Bytes are those of messages; framing and TLS
// add less than a hundredth. CPU is seconds of processors' time.
type Cost struct {
	UpBytes   float64 `json:"up_bytes"` // from client to server
	DownBytes float64 `json:"down_bytes"`
	// DealtBytes are what a dealer sends, nearly all of it to the server.
	DealtBytes float64 `json:"dealt_bytes,omitempty"`
	ClientCPU  float64 `json:"client_cpu_s"`
	ServerCPU  float64 `json:"server_cpu_s"`
	DealerCPU  float64 `json:"dealer_cpu_s,omitempty"`
	// ClientStore and ServerStore are the bytes of what is kept, as store ls counts
	// them.
	ClientStore int `json:"client_store_bytes"`
	ServerStore int `json:"server_store_bytes"`
}

// CPU returns the processor time of all parties.
func (c *Cost) CPU() float64 { return c.ClientCPU + c.ServerCPU + c.DealerCPU }

// SentBytes returns the bytes that all parties send.
func (c *Cost) SentBytes() float64 { return c.UpBytes + c.DownBytes + c.DealtBytes }

// Add adds another's costs.
func (c *Cost) Add(d Cost) {
	c.UpBytes += d.UpBytes
	c.DownBytes += d.DownBytes
	c.DealtBytes += d.DealtBytes
	c.ClientCPU += d.ClientCPU
	c.ServerCPU += d.ServerCPU
	c.DealerCPU += d.DealerCPU
	c.ClientStore += d.ClientStore
	c.ServerStore += d.ServerStore
}

// carry counts messages between the parties, times a factor.
func (c *Cost) carry(t correlation.Traffic, times float64) {
	c.UpBytes += times * float64(t.Up.Bytes)
	c.DownBytes += times * float64(t.Down.Bytes)
}

// compute adds the processor time of others.
func (c *Cost) compute(others []Cost) {
	for i := range others {
		c.ClientCPU += others[i].ClientCPU
		c.ServerCPU += others[i].ServerCPU
		c.DealerCPU += others[i].DealerCPU
	}
}

// offlineCosts adds up what backends take: for all of a bundle, and by node what
// that node's correlations take of it.
type offlineCosts struct {
	plan    *model.Plan
	spec    *correlation.BundleSpec
	bundles int
	rates   *Rates
	groups  []group // of the run
	// acts and linear are the nodes of the activations and the linear layers, in
	// their order.
	acts, linear []int
}

// group is a size of groups, and how many of it there are for each bundle.
type group struct {
	size int
	each float64
}

func newOfflineCosts(p *model.Plan, bundles int, rates *Rates) *offlineCosts {
	o := &offlineCosts{plan: p, spec: p.Bundle(), bundles: bundles, rates: rates}
	size := offline.GroupSize(p)
	if n := bundles / size; n > 0 {
		o.groups = append(o.groups, group{size, float64(n) / float64(bundles)})
	}
	if rest := bundles % size; rest > 0 {
		o.groups = append(o.groups, group{rest, 1 / float64(bundles)})
	}
	for i := range p.Nodes {
		switch p.Nodes[i].Op {
		case model.OpPolynomial:
			o.acts = append(o.acts, i)
		case model.OpLinear:
			o.linear = append(o.linear, i)
		}
	}
	return o
}

// begin returns costs that have what is alike for all backends: what the hosts send
// and the stores keep. giver is the party whose shares of products are given, rather
// than expanded from seeds.
func (o *offlineCosts) begin(backend correlation.Backend, giver int) (*Backend, []Cost) {
	d, err := backend.Describe(context.Background())
	if err != nil { // these two only return what they know
		panic(fmt.Sprintf("estimate: a built-in backend does not describe itself: %v", err))
	}
	b, nodes := &Backend{Name: d.Name, Bundles: o.bundles}, make([]Cost, len(o.plan.Nodes))
	for i, g := range o.groups {
		run, group := offline.HostTraffic(o.plan, g.size, d)
		b.carry(group, g.each)
		if i == 0 {
			b.carry(run, 1/float64(o.bundles))
		}
	}
	for l, a := range o.spec.Activations {
		n, opening := &nodes[o.acts[l]], 8*a.Powers.N
		n.UpBytes = float64(opening)
		n.ServerStore = a.Powers.Size(0, giver == 0) + opening
		n.ClientStore = a.Powers.Size(1, giver == 1) + opening
	}
	for l, s := range o.spec.Linear {
		nodes[o.linear[l]].ServerStore = s.Size(0, giver == 0)
	}
	b.ServerStore, b.ClientStore = o.spec.Size(0, giver == 0), o.spec.Size(1, giver == 1)
	return b, nodes
}

// lattigo returns the cost of bundles that are made by homomorphic encryption.
func (o *offlineCosts) lattigo() (*Backend, []Cost, error) {
	const client = 1
	b, nodes := o.begin(offline.Lattigo{}, client)
	r := &o.rates.Lattigo
	for i, g := range o.groups {
		cost, err := offline.NewLattigoCost(offline.Calls(o.plan, g.size))
		if err != nil {
			return nil, nil, err
		}
		b.carry(cost.Traffic(), g.each)
		if i == 0 {
			b.carry(cost.Keys, 1/float64(o.bundles))
		}
		for _, p := range cost.Powers {
			for l, a := range o.spec.Activations {
				if a.Powers.Degree == p.Degree {
					n, share := &nodes[o.acts[l]], g.each*float64(a.Powers.N*g.size)/float64(p.Elements)
					n.carry(p.Traffic, share)
					n.ClientCPU += share * float64(p.Batches) * r.PowersClient[p.Degree]
					n.ServerCPU += share * float64(p.Batches) * r.PowersServer[p.Degree]
				}
			}
		}
		for _, l := range cost.Linear {
			n := &nodes[o.linear[l.Layer]]
			n.carry(l.Traffic, g.each)
			n.ServerCPU += g.each * (float64(l.Products)*r.Product + float64(l.Weights)*r.Weights)
		}
	}
	b.compute(nodes)
	b.ServerCPU += r.ServerRun / float64(o.bundles)
	passing := func(c *Cost) {
		c.ClientCPU += (c.UpBytes + c.DownBytes) * r.ClientByte
		c.ServerCPU += (c.UpBytes + c.DownBytes) * r.ServerByte
	}
	passing(&b.Cost)
	for i := range nodes {
		passing(&nodes[i])
	}
	b.Distance = o.plan.Distance()
	powers, err := o.powersError(o.spec.Activations...)
	b.GrossError = min(1, powers+o.plan.TruncationError())
	return b, nodes, err
}

// powersError bounds the probability that the powers of some activations of one
// inference are wrong: degree by degree, each with the widest masks of the bundle's,
// with which they are made together.
func (o *offlineCosts) powersError(activations ...correlation.ActivationSpec) (float64, error) {
	elements, maskBits := map[int]int{}, map[int]uint{}
	for _, a := range activations {
		elements[a.Powers.Degree] += a.Powers.N
	}
	for _, a := range o.spec.Activations {
		maskBits[a.Powers.Degree] = max(maskBits[a.Powers.Degree], a.Powers.MaskBits)
	}
	all := 0.0
	for degree, n := range elements {
		e, err := offline.PowersError(degree, maskBits[degree], n)
		if err != nil {
			return 0, err
		}
		all += e
	}
	return all, nil
}

// dealer returns the cost of bundles that are dealt. Nothing can be wrong with those,
// and nothing but the openings hides with a distance.
func (o *offlineCosts) dealer() (*Backend, []Cost) {
	const server = 0
	b, nodes := o.begin(dealer.Backend{}, server)
	r := &o.rates.Dealer
	for i, g := range o.groups {
		cost := dealer.NewCost(offline.Calls(o.plan, g.size))
		b.carry(cost.Parties, g.each)
		if i == 0 {
			b.carry(cost.Once, 1/float64(o.bundles))
		}
		for _, f := range cost.Dealt {
			b.DealtBytes += g.each * float64(f.Bytes)
		}
	}
	own := func(n *Cost, spec correlation.Spec, elements int) {
		cost := dealer.NewCost([][]correlation.Spec{{spec}})
		n.carry(cost.Parties, 1)
		n.DealtBytes = float64(8 * cost.Corrections)
		n.ClientCPU = float64(elements)*r.ClientElement + float64(cost.Products)*r.ClientProduct
		n.DealerCPU = float64(cost.Products) * r.DealerProduct
	}
	for l, a := range o.spec.Activations {
		own(&nodes[o.acts[l]], a.Powers, a.Powers.N)
	}
	for l, s := range o.spec.Linear {
		own(&nodes[o.linear[l]], s, 0)
	}
	b.compute(nodes)
	b.ClientCPU += r.ClientRun / float64(o.bundles)
	b.ServerCPU += r.ServerRun / float64(o.bundles)
	b.DealerCPU += r.DealerRun / float64(o.bundles)
	passing := func(c *Cost) {
		c.ClientCPU += (c.UpBytes + c.DownBytes) * r.ClientByte
		c.ServerCPU += (c.UpBytes + c.DownBytes + c.DealtBytes) * r.ServerByte
		c.DealerCPU += c.DealtBytes * r.DealerByte
	}
	passing(&b.Cost)
	for i := range nodes {
		passing(&nodes[i])
	}
	b.Distance, b.GrossError = o.plan.OpeningDistance(), o.plan.TruncationError()
	return b, nodes
}

package estimate

import (
	"errors"
	"fmt"

	"pascaline/link"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/online"
	"pascaline/party"
)

// Options are the choices of an estimate; what is zero is chosen.
type Options struct {
	// Batch is how many inferences share their rounds, 1 if zero.
	Batch int
	// Bundles is how many bundles a production run makes, which share what is the
	// run's: a full group (offline.GroupSize) if zero.
	Bundles int
	// Networks are those that latency is estimated for.
	Networks []link.Network
	Rates    Rates
}

// MostBundles bounds Options.Bundles.
const MostBundles = 1 << 20

// Estimate is what a model takes. All of it is for one inference, but for Latency.
type Estimate struct {
	*model.Summary
	// Calibration is of the compilation, where the model's file has it.
	Calibration *Calibration `json:"calibration,omitempty"`
	// Correlations are what a bundle is made of, by kind.
	Correlations []Correlations `json:"correlations"`
	Backends     []*Backend     `json:"backends"`
	// Layers are the layers that need correlations, in the order of their nodes.
	Layers  []Layer   `json:"layers"`
	Online  Online    `json:"online"`
	Latency []Latency `json:"latency"`
	Rates   Rates     `json:"rates"`
}

// Calibration is how a compilation came to its ranges.
type Calibration struct {
	Samples int     `json:"samples"`
	Margin  float64 `json:"margin"`
}

// Correlations counts those of one kind.
type Correlations struct {
	Pool     string `json:"pool"` // see correlation.Spec.Pool; linear: "linear"
	Elements int    `json:"elements"`
}

// Layer is an activation or a linear layer.
type Layer struct {
	model.NodeSummary
	Node int `json:"node"` // its index in the plan
	// Costs are what its correlations take, by backend, beside what belongs to the
	// run.
	Costs map[string]Cost `json:"costs"`
	// GrossError is [Backend.GrossError] of this layer alone, made by homomorphic
	// encryption.
	GrossError float64 `json:"gross_error"`
}

// Elements returns how many elements its output has.
func (l *Layer) Elements() int { return l.Shape[0] * l.Shape[1] * l.Shape[2] }

// Online is how a batch goes. What each inference of it sends is the summary's, the
// content of messages; framing and TLS add less than a hundredth to messages of some
// size.
type Online struct {
	Batch        int `json:"batch"` // inferences in it
	UpMessages   int `json:"up_messages"`
	DownMessages int `json:"down_messages"`
	// How long each party computes, on all its cores.
	ClientWork float64 `json:"client_work_s"`
	ServerWork float64 `json:"server_work_s"`
}

// Latency is how long a batch takes over one network, from inputs to outputs.
type Latency struct {
	Network string  `json:"network"` // see [link.ParseNetwork]
	Seconds float64 `json:"seconds"`
	// RoundTrips and Transfer are what the delay and the bandwidth account for by
	// themselves: rounds, and the bytes of the larger direction. Work is what both
	// parties compute. Parts of them go on at the same time.
	RoundTrips float64 `json:"round_trips_s"`
	Transfer   float64 `json:"transfer_s"`
	Work       float64 `json:"work_s"`
}

// New estimates what a valid model takes, with or without its weights.
func New(m *model.Model, o Options) (*Estimate, error) {
	e, err := estimate(m, o)
	if err != nil {
		return nil, fmt.Errorf("estimating what plan %q takes: %w", m.Plan.Name, err)
	}
	return e, nil
}

func estimate(m *model.Model, o Options) (*Estimate, error) {
	if err := o.setDefaults(m.Plan); err != nil {
		return nil, err
	}
	e := &Estimate{Summary: m.Summary(), Rates: o.Rates}
	if c := m.Calibration; c != nil {
		e.Calibration = &Calibration{c.Samples, c.Margin}
	}
	if err := e.addOffline(m.Plan, &o); err != nil {
		return nil, err
	}
	return e, e.addOnline(m.Plan, &o)
}

func (o *Options) setDefaults(p *model.Plan) error {
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Bundles == 0 {
		o.Bundles = offline.GroupSize(p)
	}
	if most := party.LargestBatch(p); o.Batch < 1 || o.Batch > most {
		return fmt.Errorf("a batch of %d inferences; of this model a server takes from 1 to %d", o.Batch, most)
	}
	if o.Bundles < 1 || o.Bundles > MostBundles {
		return fmt.Errorf("a run of %d bundles; it makes from 1 to %d", o.Bundles, MostBundles)
	}
	if o.Rates.Machine == "" {
		return errors.New("of no machine")
	}
	return nil
}

// addOffline adds what bundles take.
func (e *Estimate) addOffline(p *model.Plan, o *Options) error {
	spec := p.Bundle()
	count := map[string]int{}
	add := func(pool string, n int) {
		if _, known := count[pool]; !known {
			e.Correlations = append(e.Correlations, Correlations{Pool: pool})
		}
		count[pool] += n
	}
	for _, a := range spec.Activations {
		add(a.Powers.Pool(), a.Powers.N)
	}
	for _, l := range spec.Linear {
		add(l.Pool(), l.N)
	}
	for i := range e.Correlations {
		e.Correlations[i].Elements = count[e.Correlations[i].Pool]
	}
	costs := newOfflineCosts(p, o.Bundles, &o.Rates)
	lattigo, byLattigo, err := costs.lattigo()
	if err != nil {
		return err
	}
	dealer, byDealer := costs.dealer()
	e.Backends = []*Backend{lattigo, dealer}
	activations := spec.Activations
	for i := range p.Nodes {
		l := Layer{NodeSummary: e.Nodes[i], Node: i, Costs: map[string]Cost{lattigo.Name: byLattigo[i], dealer.Name: byDealer[i]}}
		switch p.Nodes[i].Op {
		case model.OpLinear:
		case model.OpPolynomial:
			powers, err := costs.powersError(activations[0])
			if err != nil {
				return err
			}
			l.GrossError = min(1, powers+l.Activation.TruncationError)
			activations = activations[1:]
		default:
			continue
		}
		e.Layers = append(e.Layers, l)
	}
	return nil
}

// addOnline adds what inferences take.
func (e *Estimate) addOnline(p *model.Plan, o *Options) error {
	c, err := online.NewCircuit(p, nil)
	if err != nil {
		return err
	}
	r := c.Rehearse(o.Batch, o.Rates.Online.pace(link.Network{}))
	e.Online = Online{Batch: o.Batch, UpMessages: r.UpMessages, DownMessages: r.DownMessages, ClientWork: r.Client, ServerWork: r.Server}
	for _, n := range o.Networks {
		pace := o.Rates.Online.pace(n)
		e.Latency = append(e.Latency, Latency{
			Network: n.String(), Seconds: c.Rehearse(o.Batch, pace).Seconds,
			RoundTrips: float64(e.Rounds) * 2 * pace.Delay, Transfer: pace.Byte * float64(max(r.Up, r.Down)), Work: r.Client + r.Server,
		})
	}
	return nil
}

package estimate

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pascaline/internal/mnist"
	"pascaline/link"
	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/offline"
	"pascaline/ring"
)

// builtIn is the model that pascaline ships.
func builtIn(t *testing.T) *model.Model {
	t.Helper()
	m, err := mnist.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// network compiles a network of the zoo.
func network(t *testing.T, name string) *model.Model {
	t.Helper()
	n, err := zoo.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shaped is a plan of a network of the zoo whose scales are all alike, so that it
// takes no compiling: shapes and degrees are what costs depend on.
func shaped(t *testing.T, name string) *model.Model {
	t.Helper()
	n, err := zoo.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	p := &model.Plan{Name: name, Sigma: model.DefaultSigma}
	alpha := make([]int64, n.Degree()+1)
	alpha[n.Degree()] = 1
	for _, g := range n.Topology().Nodes {
		node := model.Node{Name: g.Name, Op: g.Op, Inputs: g.Inputs, Shape: g.Shape, Linear: g.Linear, Pool: g.Pool, Frac: 10}
		if g.Op == model.OpPolynomial {
			node.Act = &model.Activation{Alpha: alpha, Q: 10, Fa: 12, Fw: 6, M: 22, MaskBits: 56}
		}
		p.Nodes = append(p.Nodes, node)
	}
	return &model.Model{Plan: p}
}

func estimated(t *testing.T, m *model.Model, o Options) *Estimate {
	t.Helper()
	o.Rates = EPYC()
	e, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTheTotalsAreWhatLayersAndTheRunTake(t *testing.T) {
	for _, bundles := range []int{1, 100} {
		m := builtIn(t)
		e := estimated(t, m, Options{Bundles: bundles})
		if spec := m.Plan.Bundle(); len(e.Layers) != len(spec.Activations)+len(spec.Linear) {
			t.Fatalf("%d layers", len(e.Layers))
		}
		for _, b := range e.Backends {
			var layers Cost
			for _, l := range e.Layers {
				layers.Add(l.Costs[b.Name])
			}
			// What is the run's own: keys or blinded weights, its start, and some hundred
			// bytes of each group.
			for _, c := range [][2]float64{
				{b.UpBytes, layers.UpBytes}, {b.DownBytes, layers.DownBytes}, {b.DealtBytes, layers.DealtBytes},
				{b.ClientCPU, layers.ClientCPU}, {b.ServerCPU, layers.ServerCPU}, {b.DealerCPU, layers.DealerCPU},
				{float64(b.ClientStore), float64(layers.ClientStore)}, {float64(b.ServerStore), float64(layers.ServerStore)},
			} {
				own := (c[0] - c[1]) * float64(bundles)
				if own < -1e-6*c[0]*float64(bundles) || bundles == 100 && b.Name == "lattigo" && own > 0.2*c[0]*float64(bundles) {
					t.Errorf("%s, %d bundles: layers take %v of %v", b.Name, bundles, c[1], c[0])
				}
			}
		}
	}
}

func TestErrorsAddUpToNoLessThanAnyLayers(t *testing.T) {
	m := shaped(t, "minionn")
	// A layer whose truncation shows its wraps: 4·20 + 10 − 10 bits are dropped.
	for i := range m.Plan.Nodes {
		if a := m.Plan.Nodes[i].Act; a != nil && m.Plan.Nodes[i].Shape.Len() == 1024 {
			a.Fa, a.M, a.Alpha = 20, 20, slices.Clone(a.Alpha)
			a.Alpha[a.Degree()] = 1 << 17
		}
	}
	e := estimated(t, m, Options{})
	if e.TruncationError == 0 {
		t.Fatal("no layer's truncation can be wrong")
	}
	he, dealt := e.Backends[0], e.Backends[1]
	sum, truncation := 0.0, 0.0
	for _, l := range e.Layers {
		sum += l.GrossError
		if l.Activation == nil {
			if l.GrossError != 0 {
				t.Errorf("linear layer %q is wrong with %g", l.Name, l.GrossError)
			}
			continue
		}
		truncation += l.Activation.TruncationError
		if l.GrossError > he.GrossError || l.GrossError <= l.Activation.TruncationError {
			t.Errorf("layer %q is wrong with %g, and all with %g", l.Name, l.GrossError, he.GrossError)
		}
	}
	a := m.Plan.Bundle().Activations[0].Powers
	powers, err := offline.PowersError(a.Degree, a.MaskBits, e.Activations)
	if err != nil {
		t.Fatal(err)
	}
	if want := powers + truncation; math.Abs(he.GrossError/want-1) > 1e-9 || powers > truncation {
		t.Errorf("all are wrong with %g, not %g of powers and %g of truncation", he.GrossError, powers, truncation)
	}
	if he.GrossError > sum || dealt.GrossError != truncation || dealt.GrossError != e.TruncationError {
		t.Errorf("layers add up to %g and %g, and all are wrong with %g and %g", sum, truncation, he.GrossError, dealt.GrossError)
	}
	if he.Distance <= dealt.Distance || dealt.Distance != m.Plan.OpeningDistance() {
		t.Errorf("distances of %g and %g", he.Distance, dealt.Distance)
	}
}

func TestANetworkMayHaveNoActivation(t *testing.T) {
	p := &model.Plan{Name: "plain", Sigma: 40, Nodes: []model.Node{
		{Name: "input", Op: model.OpInput, Shape: model.Shape{H: 1, W: 1, C: 8}, Frac: 8},
		{Name: "fc", Op: model.OpLinear, Inputs: []int{0}, Shape: model.Shape{H: 1, W: 1, C: 2}, Frac: 16, Linear: ring.LinearShape(8, 2)},
	}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	e := estimated(t, &model.Model{Plan: p}, Options{Networks: []link.Network{link.WAN}})
	for _, b := range e.Backends {
		if b.Distance != 0 || b.GrossError != 0 || b.ServerStore <= 0 || b.UpBytes <= 0 {
			t.Errorf("%s: %+v", b.Name, b)
		}
	}
	if e.Rounds != 1 || e.Latency[0].Seconds < 0.1 {
		t.Errorf("%d rounds take %v s", e.Rounds, e.Latency[0].Seconds)
	}
}

func TestMoreBundlesInARunCostLessEach(t *testing.T) {
	m := builtIn(t)
	few, many := estimated(t, m, Options{Bundles: 4}), estimated(t, m, Options{Bundles: 64})
	for i := range few.Backends {
		f, n := few.Backends[i], many.Backends[i]
		if n.CPU() >= f.CPU() || n.UpBytes+n.DownBytes >= f.UpBytes+f.DownBytes || n.ClientStore != f.ClientStore {
			t.Errorf("%s: %+v at 64 bundles, and at 4 %+v", f.Name, n, f)
		}
	}
	if c, group := estimated(t, m, Options{}).Backends[0], offline.GroupSize(m.Plan); c.Bundles != group {
		t.Errorf("%d bundles, where a group has %d", c.Bundles, group)
	}
}

func TestLatencyIsMoreThanAnyPartOfItAndLessThanAll(t *testing.T) {
	e := estimated(t, builtIn(t), Options{Networks: []link.Network{{}, link.LAN, link.WAN}})
	for _, l := range e.Latency {
		most := max(l.RoundTrips, l.Transfer)
		if l.Seconds < most || l.Seconds > 1.01*(l.RoundTrips+2*l.Transfer+l.Work) {
			t.Errorf("over %s: %+v", l.Network, l)
		}
	}
	if l := e.Latency[2]; l.RoundTrips != 0.1*float64(e.Rounds) {
		t.Errorf("%d rounds over 50 ms take %v s", e.Rounds, l.RoundTrips)
	}
	// A batch shares its rounds.
	batch := estimated(t, builtIn(t), Options{Batch: 10, Networks: []link.Network{link.WAN}})
	if one, ten := e.Latency[2].Seconds, batch.Latency[0].Seconds; ten < one || ten > 1.2*one {
		t.Errorf("ten inferences take %v s, and one %v", ten, one)
	}
}

func TestAnEstimateSurvivesJSON(t *testing.T) {
	e := estimated(t, builtIn(t), Options{Networks: []link.Network{link.LAN}})
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back Estimate
	if err := json.Unmarshal(b, &back); err != nil || back.Rounds != e.Rounds || back.Backends[1].DealtBytes != e.Backends[1].DealtBytes || back.Layers[1].Costs["lattigo"] != e.Layers[1].Costs["lattigo"] {
		t.Errorf("%v: %s", err, b)
	}
}

func TestWhatNobodyCanMakeIsNotEstimated(t *testing.T) {
	m := builtIn(t)
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"a batch beyond a server's": {Options{Batch: 5000, Rates: EPYC()}, "1024"},
		"a negative batch":          {Options{Batch: -1, Rates: EPYC()}, "batch"},
		"a run without end":         {Options{Bundles: MostBundles + 1, Rates: EPYC()}, "bundles"},
		"no machine":                {Options{}, "machine"},
	} {
		if _, err := New(m, c.o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "mnist") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFasterMachineTakesLess(t *testing.T) {
	half := epycSpeeds
	for _, s := range []*float64{&half.powersClient, &half.powersServer, &half.linear, &half.carry, &half.product, &half.power} {
		*s /= 2
	}
	m := builtIn(t)
	e := estimated(t, m, Options{})
	fast, err := New(m, Options{Rates: EPYC().scaled(half, epycCores)})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range fast.Backends {
		for _, c := range [][2]float64{{b.ClientCPU, e.Backends[i].ClientCPU}, {b.ServerCPU, e.Backends[i].ServerCPU}, {b.DealerCPU, e.Backends[i].DealerCPU}} {
			if math.Abs(2*c[0]-c[1]) > 1e-9*c[1] {
				t.Errorf("%s: %v s at twice the speed, and %v", b.Name, c[0], c[1])
			}
		}
	}
	if f, s := fast.Online, e.Online; math.Abs(2*f.ClientWork-s.ClientWork) > 1e-9*s.ClientWork || math.Abs(2*f.ServerWork-s.ServerWork) > 1e-9*s.ServerWork {
		t.Errorf("online %+v at twice the speed, and %+v", f, s)
	}
	if same := EPYC().scaled(epycSpeeds, epycCores); same != EPYC() {
		t.Errorf("the same machine has other rates: %+v", same)
	}
}

// What is measured is work, by whatever it comes to on the machine of the tests.
func TestThisMachineIsMeasured(t *testing.T) {
	r, err := Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Measured || !strings.Contains(r.Machine, "cores of this ") {
		t.Errorf("measured %q: %v", r.Machine, r.Measured)
	}
	epyc := EPYC()
	for _, c := range [][2]float64{
		{r.Lattigo.PowersClient[4], epyc.Lattigo.PowersClient[4]}, {r.Lattigo.PowersServer[4], epyc.Lattigo.PowersServer[4]},
		{r.Lattigo.Product, epyc.Lattigo.Product}, {r.Lattigo.ClientByte, epyc.Lattigo.ClientByte},
		{r.Dealer.DealerProduct, epyc.Dealer.DealerProduct}, {r.Online.Power, epyc.Online.Power},
	} {
		if ratio := c[0] / c[1]; !(ratio > 0.01 && ratio < 1000) {
			t.Errorf("%v s, %v times those of docs/benchmarks.md", c[0], ratio)
		}
	}
}

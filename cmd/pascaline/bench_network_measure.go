package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"

	"pascaline/bench"
	"pascaline/link"
	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/party"
	"pascaline/ring"
	"pascaline/store"
)

// networkBench measures one network after the other: a server and a client as
// processes of their own, TLS between them, and a dealer.
type networkBench struct {
	*benchNetworkFlags
	machine  bench.Machine
	progress func(format string, args ...any)
}

// subject is a network while it is measured.
type subject struct {
	*networkBench
	*stage
	name   string
	model  *model.Model
	inputs [][][]uint64  // batches, which take turns
	clear  [][][]float64 // what they evaluate to
	result *bench.Network
}

// variety is how many batches of different inputs take turns.
const variety = 4

// measure measures one network.
func (b *networkBench) measure(ctx context.Context, name string) (n *bench.Network, err error) {
	b.progress("%s: compiling", name)
	m, err := readWeights(name)
	if err != nil {
		return nil, err
	}
	if most := party.LargestBatch(m.Plan); b.batch > most {
		return nil, largeBatch(b.batch, most, m.Plan)
	}
	st, err := newStage("bench")
	if err != nil {
		return nil, err
	}
	st.quiet = true
	defer st.clear()
	defer func() { err = cmp.Or(err, st.stop()) }()
	s := &subject{networkBench: b, stage: st, name: name, model: m, result: bench.NewNetwork(m.Plan.Name, m.Plan)}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	for _, backend := range b.backends {
		if err := s.measureOffline(ctx, backend); err != nil {
			return nil, fmt.Errorf("measuring how %s makes bundles of %s: %w", backend, name, err)
		}
	}
	for _, setting := range b.settings {
		if err := s.measureOnline(ctx, setting); err != nil {
			return nil, fmt.Errorf("measuring %s over %v: %w", name, setting, err)
		}
	}
	return s.result, nil
}

// prepare writes what the processes need, and evaluates in the clear.
func (s *subject) prepare() error {
	if err := s.keys("server", "client"); err != nil {
		return err
	}
	if err := s.put(s.model); err != nil {
		return err
	}
	clear, err := model.NewFixedEvaluator(s.model)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(images(s.name, s.model.Plan, s.batch*min(variety, s.repeat+1)), s.batch) {
		var inputs [][]uint64
		var outputs [][]float64
		for _, image := range batch {
			x, err := s.model.Plan.EncodeInput(image)
			if err != nil {
				return err
			}
			y, err := clear.Eval(x)
			if err != nil {
				return err
			}
			inputs, outputs = append(inputs, x), append(outputs, s.model.Plan.DecodeOutput(y))
		}
		s.inputs, s.clear = append(s.inputs, inputs), append(s.clear, outputs)
	}
	return writeInputs(s.path("inputs"), s.inputs)
}

// images returns inputs for a network: of the zoo its own, for others random ones
// from 0 to 1, such as pictures have.
func images(name string, p *model.Plan, count int) [][]float32 {
	if n, err := zoo.Parse(name); err == nil {
		return n.Images(1000, count)
	}
	all := make([][]float32, count)
	draw := make([]uint64, p.Nodes[0].Shape.Len())
	for i := range all {
		ring.NewStream(ring.Seed{}, "bench/image", uint64(i)).FillBits(draw, 24)
		all[i] = make([]float32, len(draw))
		for e, v := range draw {
			all[i][e] = float32(v) / (1 << 24)
		}
	}
	return all
}

// with starts a server, and a dealer if one is due, runs f and stops them.
func (s *subject) with(ctx context.Context, backend string, f func() error) (err error) {
	if s.backend, err = s.chooseBackend(ctx, &backendFlags{names: []string{backend}, directory: s.plugins}, "server", "client"); err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, s.stop()) }()
	if err := s.serve(ctx); err != nil {
		return err
	}
	return f()
}

// produce has client and server make so many bundles, over loopback.
func (s *subject) produce(ctx context.Context, bundles int) (r productionReport, err error) {
	s.network = link.Network{}.String()
	err = s.client(ctx, &r, "produce", append(s.backend, "--bundles", strconv.Itoa(bundles))...)
	return r, err
}

// largeBundle is from which size of a bundle in memory on one is made at a time.
const largeBundle = 1 << 29

func (s *subject) measureOffline(ctx context.Context, backend string) error {
	n := s.bundles
	if n == 0 {
		if n = defaultBundles; s.model.Plan.BundleMemory() > largeBundle {
			n = 1
		}
	}
	s.progress("%s: %s by %s", s.name, count(n, "bundle"), backend)
	var made productionReport
	var before, after spent
	err := s.with(ctx, backend, func() (err error) {
		if backend == dealerName {
			if err := s.dealer.ask(&before); err != nil {
				return err
			}
		}
		if made, err = s.produce(ctx, n); err != nil || backend != dealerName {
			return err
		}
		return s.dealer.ask(&after)
	})
	if err != nil {
		return err
	}
	o := bench.Offline{
		Backend: backend, Bundles: made.Made, Seconds: made.WallSeconds, ClientCPU: made.ClientCPU / 1e3, ServerCPU: made.ServerCPU / 1e3,
		DealerCPU: (after.CPU - before.CPU) / float64(n), SentMB: made.SentMB, ReceivedMB: made.ReceivedMB,
		ClientMemory: s.usage["produce"].memory, ServerMemory: s.usage["serve"].memory,
	}
	if o.ClientStoreMB, err = s.emptyStore("client-store"); err != nil {
		return err
	}
	if o.ServerStoreMB, err = s.emptyStore("server-store"); err != nil {
		return err
	}
	s.result.Offline = append(s.result.Offline, o)
	return nil
}

// emptyStore removes a store, and returns how many megabytes one bundle took in
// it.
func (s *subject) emptyStore(name string) (float64, error) {
	st, err := store.Open(s.path(name))
	if err != nil {
		return 0, err
	}
	entries, err := st.Inventory()
	if err = errors.Join(err, st.Close()); err != nil {
		return 0, err
	}
	bytes, ready := int64(0), 0
	for _, e := range entries {
		bytes, ready = bytes+e.Bytes, ready+e.Ready
	}
	return float64(bytes) / 1e6 / float64(max(1, ready)), os.RemoveAll(s.path(name))
}

// stockMemory bounds what the bundles of several batches take, and so what lies
// on the disk meanwhile; stockBundles bounds their number, which stores compare.
const (
	stockMemory  = 8 << 30
	stockBundles = 1 << 17
)

func (s *subject) measureOnline(ctx context.Context, setting link.Network) error {
	size := s.batch
	atOnce := max(2, min(stockMemory/(size*s.model.Plan.BundleMemory()), stockBundles/size)) - 1
	o := bench.Online{Setting: setting.String(), Batch: size, Repeat: s.repeat}
	var latencies []float64
	for len(latencies) < s.repeat {
		n := min(atOnce, s.repeat-len(latencies))
		s.progress("%s: bundles for %s over %v", s.name, count(n*size, "inference"), setting)
		if err := s.with(ctx, dealerName, func() error {
			_, err := s.produce(ctx, (n+1)*size)
			return err
		}); err != nil {
			return err
		}
		s.progress("%s over %v: %d of %d", s.name, setting, len(latencies), s.repeat)
		// Fresh processes, whose memory is that of inference alone.
		err := s.with(ctx, dealerName, func() error {
			runs, err := s.infer(ctx, setting, n, &o)
			latencies = append(latencies, runs...)
			return err
		})
		if err != nil {
			return err
		}
		o.ClientMemory = max(o.ClientMemory, s.usage["client"].memory)
		o.ServerMemory = max(o.ServerMemory, s.usage["serve"].memory)
	}
	slices.Sort(latencies)
	o.Latency, o.P95 = quantile(latencies, 0.5), quantile(latencies, 0.95)
	o.Floor = bench.Floor(setting, o.Rounds, float64(size)*math.Max(o.SentBytes, o.ReceivedBytes), float64(size*s.result.MACs), s.machine)
	s.result.Online = append(s.result.Online, o)
	return nil
}

// infer runs n batches in a client's process, after one that warms the processes
// up, and returns their latencies. It adds to o what they cost, shared out over the
// repetitions.
func (s *subject) infer(ctx context.Context, setting link.Network, n int, o *bench.Online) (latencies []float64, err error) {
	s.network = setting.String()
	client, err := s.spawn(ctx, "client", append([]string{"bench", "network-client", "--inputs", s.path("inputs")}, s.clientFlags()...)...)
	if err != nil {
		return nil, err
	}
	for i := range n + 1 {
		var warm, before, after spent
		var run measuredRun
		for _, step := range []struct {
			who    *child
			answer any
		}{{client, &warm}, {s.server, &before}, {client, &run}, {s.server, &after}} {
			if err := step.who.ask(step.answer); err != nil {
				return latencies, fmt.Errorf("%s: %w", step.who.name, err)
			}
		}
		for k, y := range run.Outputs {
			o.Check.Add(s.model.Plan.DecodeOutput(y), s.clear[i%len(s.clear)][k])
		}
		if i == 0 {
			continue
		}
		share := 1 / float64(o.Repeat*o.Batch)
		o.Rounds = run.Rounds
		o.SentBytes += share * float64(run.Sent)
		o.ReceivedBytes += share * float64(run.Received)
		o.ClientCPU += share * run.CPU
		o.ServerCPU += share * (after.CPU - before.CPU)
		latencies = append(latencies, run.Seconds)
	}
	return latencies, s.end(client)
}

package offline

import (
	"context"
	"flag"
	"testing"

	"pascaline/api"
	"pascaline/internal/cpu"
	"pascaline/model/zoo"
)

// meter is a pipe that counts what is sent, and copies nothing.
type meter struct {
	*pipe
	bytes int
}

func (m *meter) Send(ctx context.Context, kind api.Kind, payload []byte) error {
	m.bytes += len(payload)
	select {
	case m.out <- message{kind, payload}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forgetful is a Sink that keeps nothing.
type forgetful struct{}

func (forgetful) Put(context.Context, *Group) error     { return nil }
func (forgetful) Confirm(context.Context, *Group) error { return nil }

var benchmarkedNetwork = flag.String("network", "resnet18", "with -bench Network, what bundles are for: a network of the zoo, or one of a degree, as in resnet18/2")

// BenchmarkNetwork makes a group of bundles, both parties in this process.
func BenchmarkNetwork(b *testing.B) {
	network, err := zoo.Parse(*benchmarkedNetwork)
	if err != nil {
		b.Fatal(err)
	}
	m, err := network.Compile()
	if err != nil {
		b.Fatal(err)
	}
	plan, weights := m.Plan, m.Weights
	there, back := newPipes()
	up, down := &meter{pipe: there}, &meter{pipe: back}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, down, plan, weights, lattigoBackend, forgetful{})
		cancel()
	}()
	backend, err := lattigoBackend(ctx, "lattigo")
	if err != nil {
		b.Fatal(err)
	}
	client, err := NewClient(ctx, up, plan, backend)
	if err != nil {
		b.Fatal(err)
	}
	size := GroupSize(plan)
	began := cpu.Seconds()
	for b.Loop() {
		g, err := client.Group(ctx, size)
		if err == nil {
			err = client.Commit(ctx, g)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	made := float64(b.N * size)
	b.ReportMetric((cpu.Seconds()-began)/made, "cpu-s/bundle")
	b.ReportMetric(float64(up.bytes)/1e6/made, "up-MB/bundle")
	b.ReportMetric(float64(down.bytes)/1e6/made, "down-MB/bundle")
	if _, err := client.Finish(ctx); err != nil {
		b.Fatal(err)
	}
	if err := <-served; err != nil {
		b.Fatal(err)
	}
}

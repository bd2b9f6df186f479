package offline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"pascaline/internal/cpu"
	"pascaline/ring"
)

// bilinearParties are the two sides of products.
func newBilinearParties(t testing.TB) (parties [2]*BilinearParty) {
	t.Helper()
	var keys [2]*BilinearKey
	for i := range keys {
		var err error
		if keys[i], err = NewBilinearKey(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range parties {
		var err error
		if parties[i], err = NewBilinearParty(i, keys[i], keys[1-i].PublicKey()); err != nil {
			t.Fatal(err)
		}
	}
	return parties
}

// wire is one end of a connection in memory that holds no message by itself: a
// send ends when the other end receives.
type wire struct {
	out, in chan []byte
	sent    [][]byte
}

func newWires() (a, b *wire) {
	x, y := make(chan []byte), make(chan []byte)
	return &wire{out: x, in: y}, &wire{out: y, in: x}
}

func (w *wire) Send(ctx context.Context, message []byte) error {
	w.sent = append(w.sent, message)
	select {
	case w.out <- message:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *wire) Recv(ctx context.Context, limit int) ([]byte, error) {
	select {
	case m := <-w.in:
		if len(m) > limit {
			return nil, fmt.Errorf("a message of %d bytes, at most %d are taken", len(m), limit)
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bilinearRun is a call of Multiply at both parties.
type bilinearRun struct {
	plan    *BilinearPlan
	a, b, c [2][]uint64
	wires   [2]*wire
}

func newBilinearRun(t testing.TB, shape ring.ConvShape, count int, fixed bool) *bilinearRun {
	t.Helper()
	plan, err := NewBilinearPlan(shape, count, fixed)
	if err != nil {
		t.Fatal(err)
	}
	r := &bilinearRun{plan: plan}
	for i := range 2 {
		r.a[i] = uniformVectors(1, count*shape.InLen())[0]
		r.b[i] = uniformVectors(1, plan.secondLen())[0]
		r.c[i] = uniformVectors(1, count*shape.OutLen())[0]
	}
	return r
}

func (r *bilinearRun) run(ctx context.Context, parties [2]*BilinearParty) error {
	r.wires[0], r.wires[1] = newWires()
	done := make(chan error, 2)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, p := range parties {
		go func() {
			err := p.Multiply(ctx, r.plan, r.a[i], r.b[i], r.c[i], r.wires[i], nil)
			if err != nil {
				cancel()
			}
			done <- err
		}()
	}
	first := <-done
	if second := <-done; first == nil {
		first = second
	}
	return first
}

func (r *bilinearRun) verify(t testing.TB) {
	t.Helper()
	s := r.plan.shape
	sum := func(v [2][]uint64) []uint64 {
		z := make([]uint64, len(v[0]))
		ring.Add(z, v[0], v[1])
		return z
	}
	a, b, c := sum(r.a), sum(r.b), sum(r.c)
	want := make([]uint64, s.OutLen())
	for n := range r.plan.count {
		w := b
		if !r.plan.fixed {
			w = b[n*s.WeightLen():][:s.WeightLen()]
		}
		ring.ConvWide(want, a[n*s.InLen():][:s.InLen()], w, s)
		for i, v := range want {
			if got := c[n*s.OutLen()+i]; got != v {
				t.Fatalf("%+v, %d products, fixed %v: output %d of product %d is off by %d", s, r.plan.count, r.plan.fixed, i, n, int64(got-v))
			}
		}
	}
	for i, w := range r.wires {
		if n := size(w.sent); n != r.plan.Bytes() {
			t.Errorf("%+v: party %d sent %d bytes, the plan says %d", s, i, n, r.plan.Bytes())
		}
		for _, m := range w.sent {
			if len(m) > r.plan.MessageLimit() {
				t.Errorf("%+v: a message of %d bytes, above the limit of %d", s, len(m), r.plan.MessageLimit())
			}
		}
	}
}

func matrixShape(m, k, n int) ring.ConvShape {
	s := ring.LinearShape(k, n)
	s.H = m
	return s
}

func TestProductsHoldForEveryGeometry(t *testing.T) {
	parties := newBilinearParties(t)
	rng := rand.New(rand.NewPCG(21, 22))
	type job struct {
		shape ring.ConvShape
		count int
		fixed bool
	}
	jobs := []job{
		{matrixShape(1, 1, 1), 1, false},
		{matrixShape(1, 1, 1), 300, false},
		{matrixShape(5, 7, 3), 1, false},
		{matrixShape(5, 7, 3), 40, false},
		{matrixShape(5, 7, 3), 40, true},
		{matrixShape(1, 784, 12), 3, false},
		{conv(8, 8, 3, 4, 3, 1, 1), 3, false},
		{conv(8, 8, 3, 4, 3, 2, 1), 3, true},
	}
	for range 20 {
		jobs = append(jobs, job{randomShape(rng, 12), 1 + rng.IntN(5), rng.IntN(2) == 0})
	}
	for _, j := range jobs {
		r := newBilinearRun(t, j.shape, j.count, j.fixed)
		if err := r.run(t.Context(), parties); err != nil {
			t.Fatal(err)
		}
		r.verify(t)
	}
}

func BenchmarkBilinear(b *testing.B) {
	parties := newBilinearParties(b)
	for _, c := range []struct {
		name  string
		shape ring.ConvShape
		count int
		fixed bool
	}{
		{"convolution/28x28x1/5x5x16", conv(28, 28, 1, 16, 5, 1, 2), 1, false},
		{"convolution/32x32x64/3x3x64", conv(32, 32, 64, 64, 3, 1, 1), 1, false},
		{"convolution/16x16x128/3x3x128", conv(16, 16, 128, 128, 3, 1, 1), 1, false},
		{"matrix/64x64x64", matrixShape(64, 64, 64), 1, false},
		{"matrix/16x16x16_100", matrixShape(16, 16, 16), 100, false},
		{"matrix/1x784x128_64_fixed", matrixShape(1, 784, 128), 64, true},
		{"matrix/1x784x128_1024_fixed", matrixShape(1, 784, 128), 1024, true},
		{"matrix/1x128x10_64_fixed", matrixShape(1, 128, 10), 64, true},
		{"matrix/512x512x512", matrixShape(512, 512, 512), 1, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newBilinearRun(b, c.shape, c.count, c.fixed)
			began := cpu.Seconds()
			for b.Loop() {
				if err := r.run(b.Context(), parties); err != nil {
					b.Fatal(err)
				}
			}
			used := cpu.Seconds() - began
			r.verify(b)
			b.ReportMetric(float64(r.plan.Bytes()), "B/party")
			b.ReportMetric(1e3*used/float64(b.N), "cpu-ms")
		})
	}
}

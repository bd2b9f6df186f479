package offline

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
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

// must runs and verifies.
func (r *bilinearRun) must(t testing.TB, parties [2]*BilinearParty) {
	t.Helper()
	if err := r.run(t.Context(), parties); err != nil {
		t.Fatalf("%+v: %v", r.plan.operands, err)
	}
	r.verify(t)
}

func TestBilinearProductsHoldForEveryGeometry(t *testing.T) {
	parties := newBilinearParties(t)
	rng := rand.New(rand.NewPCG(21, 22))
	jobs := []operands{
		{matrixShape(1, 1, 1), 1, false},
		{matrixShape(1, 1, 1), 300, false}, // 128 to a ciphertext, and unequal parts
		{matrixShape(5, 7, 3), 1, false},
		{matrixShape(5, 7, 3), 40, false},
		{matrixShape(5, 7, 3), 40, true},
		{matrixShape(300, 30, 2), 2, false}, // made as transposes
		{matrixShape(40, 30, 2), 20, true},
		{matrixShape(3, 2, 2), 5000, true},        // several segments
		{conv(128, 128, 1, 3, 2, 1, 0), 1, false}, // and several replies for each
		{matrixShape(1, 784, 12), 3, false},
		{ring.LinearShape(5000, 3), 1, false}, // several queries for one output
		{ring.LinearShape(2, 5000), 1, false},
		{conv(8, 8, 3, 4, 3, 1, 1), 3, false},
		{conv(8, 8, 3, 4, 3, 2, 1), 3, true},
		{conv(28, 28, 1, 5, 5, 1, 2), 1, false},
		{conv(100, 90, 2, 2, 3, 1, 1), 1, false}, // several segments of one image
		{conv(4, 5000, 1, 1, 3, 1, 1), 1, false}, // several strips
		{conv(7, 7, 4, 4, 1, 1, 0), 2, true},     // matrices in the guise of images
		{conv(7, 7, 4, 4, 1, 1, 1), 1, true},     // no matrices
		{conv(7, 7, 4, 4, 1, 2, 0), 4, false},    // phases that meet no tap
		{conv(2, 2, 3, 2, 1, 3, 2), 3, false},    // outputs that see only padding
		{ring.ConvShape{H: 1, W: 1, C: 2, K: 2, KH: 1, KW: 1, StrideH: 3, StrideW: 3, PadTop: 1}, 2, false}, // no output sees data
	}
	random := 40
	if testing.Short() {
		random, jobs = 10, jobs[:len(jobs)/2]
	}
	for range random {
		jobs = append(jobs, operands{randomShape(rng, 12), 1 + rng.IntN(5), rng.IntN(2) == 0})
	}
	for _, o := range jobs {
		newBilinearRun(t, o.shape, o.count, o.fixed).must(t, parties)
	}
}

func TestBilinearProductsOfManyUnitsHold(t *testing.T) {
	if testing.Short() {
		t.Skip("seven units take half a second")
	}
	r := newBilinearRun(t, conv(100, 250, 3, 2, 3, 1, 1), 2, true)
	var made []bilinearUnit // one segment each
	for _, u := range r.plan.units {
		for seg := u.from; seg < u.to; seg++ {
			made = append(made, bilinearUnit{u.packing, u.first, seg, seg + 1})
		}
	}
	if r.plan.units = made; len(made) < 5 {
		t.Fatalf("only %d units", len(made))
	}
	r.must(t, newBilinearParties(t))
}

// TestBilinearProductsHoldForExtremeValues multiplies what makes noise largest: |w| =
// 2^63 in every weight.
func TestBilinearProductsHoldForExtremeValues(t *testing.T) {
	parties := newBilinearParties(t)
	extremes := []uint64{0, 1, 1 << 63, 1<<64 - 1}
	for _, o := range []operands{
		{conv(6, 6, 3, 4, 3, 1, 1), 2, false},
		{matrixShape(2, 50, 3), 3, true},
		{matrixShape(40, 50, 2), 1, false},
	} {
		for i := range len(extremes) * len(extremes) {
			// Every value meets every other at the same and at the other party.
			x, y := extremes[i%4], extremes[i/4]
			r := newBilinearRun(t, o.shape, o.count, o.fixed)
			r.a = [2][]uint64{constant(r.a[0], x), constant(r.a[1], y)}
			r.b = [2][]uint64{constant(r.b[0], y), constant(r.b[1], extremes[(i+i/4)%4])}
			r.c[0] = constant(r.c[0], x)
			r.must(t, parties)
		}
	}
	terms := matrixShape(1, maxBilinearTerms/4, 2)
	if testing.Short() {
		terms.C /= 16
	}
	r := newBilinearRun(t, terms, 1, false)
	for i := range 2 {
		r.b[i] = constant(r.b[i], 1<<63)
	}
	r.must(t, parties)
}

func constant(like []uint64, x uint64) []uint64 { return constantVectors(1, len(like), x)[0] }

// TestBilinearProductsAreThoseOfIntegersModulo2To64 holds one product against math/big.
func TestBilinearProductsAreThoseOfIntegersModulo2To64(t *testing.T) {
	const m, k, n = 7, 11, 5
	r := newBilinearRun(t, matrixShape(m, k, n), 1, false)
	r.must(t, newBilinearParties(t))
	shared := func(v [2][]uint64, i int) *big.Int {
		x := new(big.Int).SetUint64(v[0][i])
		return x.Add(x, new(big.Int).SetUint64(v[1][i]))
	}
	for y := range m {
		for x := range n {
			sum := shared(r.c, y*n+x)
			sum.Neg(sum)
			for j := range k {
				a := shared(r.a, y*k+j)
				sum.Add(sum, a.Mul(a, shared(r.b, j*n+x)))
			}
			if new(big.Int).Mod(sum, power2(64)).Sign() != 0 {
				t.Fatalf("element %d, %d is off by %v mod 2^64", y, x, sum)
			}
		}
	}
}

func TestWrongBilinearOperandsAreErrors(t *testing.T) {
	parties := newBilinearParties(t)
	r := newBilinearRun(t, matrixShape(3, 4, 5), 2, true)
	for name, v := range map[string]*[]uint64{"first": &r.a[1], "second": &r.b[1], "products": &r.c[1]} {
		whole := *v
		for _, n := range []int{0, len(whole) - 1, len(whole) + 1} {
			*v = make([]uint64, n)
			wire, _ := newWires() // nobody listens
			err := parties[1].Multiply(t.Context(), r.plan, r.a[1], r.b[1], r.c[1], wire, nil)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s of %d elements instead of %d: %v", name, n, len(whole), err)
			}
		}
		*v = whole
	}
	for _, c := range []struct {
		shape ring.ConvShape
		count int
		want  string
	}{
		{ring.ConvShape{}, 1, "input height"},
		{matrixShape(3, 4, 5), 0, "at least"},
		{matrixShape(1, maxBilinearTerms+1, 1), 1, "flood"},
		{conv(120, 120, 1, 1, 120, 1, 119), 1, "does not fit"},
		{conv(1<<13, 1<<13, 2, 1, 64, 1, 0), 1, "ciphertexts"},
		{matrixShape(1, 1, 1), 1 << 28, "too many"},
	} {
		if _, err := NewBilinearPlan(c.shape, c.count, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v, %d of them: %v, want an error about %q", c.shape, c.count, err, c.want)
		}
	}
	key, err := NewBilinearKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewBilinearParty(2, key, key.PublicKey()); err == nil {
		t.Error("there is a party 2")
	}
}

// TestBilinearPlansShareCiphertexts holds plans to what they promise: bytes that each
// party sends for each product.
func TestBilinearPlansShareCiphertexts(t *testing.T) {
	for _, c := range []struct {
		operands
		limit int
	}{
		{operands{conv(28, 28, 1, 5, 5, 1, 2), 1, false}, 400_000},
		{operands{conv(32, 32, 64, 64, 3, 1, 1), 1, false}, 7_200_000},
		{operands{conv(16, 16, 128, 128, 3, 1, 1), 1, false}, 6_400_000},
		{operands{matrixShape(64, 64, 64), 1, false}, 1_400_000},
		{operands{matrixShape(1, 784, 128), 64, true}, 110_000},
		{operands{matrixShape(1, 784, 128), 1024, true}, 29_000},
		{operands{matrixShape(1, 128, 10), 64, true}, 12_000},
		{operands{matrixShape(1024, 576, 10), 1, false}, 6_600_000}, // half as much as without transposes
		{operands{matrixShape(4, 4, 4), 1000, false}, 22_000},
	} {
		p, err := NewBilinearPlan(c.shape, c.count, c.fixed)
		if err != nil {
			t.Fatal(err)
		}
		if n := p.Bytes() / c.count; n > c.limit {
			t.Errorf("%+v: %d bytes for each product, not %d", c.operands, n, c.limit)
		}
	}
}

// TestBilinearUnitsFitMemory plans what a hostile or a careless specification would name.
func TestBilinearUnitsFitMemory(t *testing.T) {
	for _, o := range []operands{
		{matrixShape(1, 1, 1), 1 << 24, false},
		{matrixShape(1, 1, 1), 1 << 28, true},
		{matrixShape(4096, 4096, 4096), 1, false},
		{matrixShape(1, 1<<18, 1<<10), 1, true},
		{matrixShape(1<<14, 1, 1<<14), 1, false},
		{conv(224, 224, 512, 512, 3, 1, 1), 4, true},
		{conv(1000, 1000, 250, 3, 3, 1, 1), 1, false},
		{conv(224, 224, 3, 64, 7, 2, 3), 64, true},
		{conv(4, 4, 512, 512, 3, 1, 1), 128, false},
		{ring.ConvShape{H: 1 << 10, W: 1 << 10, C: 1, K: 1, KH: 1 << 9, KW: 1 << 9, StrideH: 1 << 9, StrideW: 1 << 9}, 3, false},
	} {
		p, err := NewBilinearPlan(o.shape, o.count, o.fixed)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		next, covered := 0, 0
		for _, u := range p.units {
			if u.queries() > bilinearParameters.maxQueryGroups {
				t.Errorf("%+v: a unit has %d queries", o, u.queries())
			}
			if u.from == 0 {
				if u.first != covered {
					t.Fatalf("%+v: a unit begins at product %d, not at %d", o, u.first, covered)
				}
				covered += u.group * u.images
			} else if u.from != next {
				t.Fatalf("%+v: a unit begins at segment %d, not at %d", o, u.from, next)
			}
			next = u.to
			if terms := u.terms * u.outputs; terms > maxBilinearTerms {
				t.Errorf("%+v: a coefficient sums %d terms", o, terms)
			}
		}
		if covered != p.made.count {
			t.Errorf("%+v: units make %d products of %d", o, covered, p.made.count)
		}
	}
}

// TestNoBilinearSecretIsPrinted prints with every verb that somebody may use.
func TestNoBilinearSecretIsPrinted(t *testing.T) {
	parties := newBilinearParties(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{parties[0], *parties[0], parties[0].key, *parties[0].key} {
			if s := fmt.Sprintf(verb, v); !strings.Contains(s, "redacted") || len(s) > 64 {
				t.Errorf("%s prints %.80s", verb, s)
			}
		}
	}
}

// breaking is a wire that fails at its n-th message in either direction, counted
// from 0.
type breaking struct {
	*wire
	mu    sync.Mutex
	until int
}

var errWireCut = errors.New("connection reset")

func (b *breaking) broken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until--
	return b.until < 0
}

func (b *breaking) Send(ctx context.Context, m []byte) error {
	if b.broken() {
		return errWireCut
	}
	return b.wire.Send(ctx, m)
}

func (b *breaking) Recv(ctx context.Context, limit int) ([]byte, error) {
	if b.broken() {
		return nil, errWireCut
	}
	return b.wire.Recv(ctx, limit)
}

func TestAFailingConnectionEndsBilinearProducts(t *testing.T) {
	parties := newBilinearParties(t)
	r := newBilinearRun(t, matrixShape(4, 4, 4), 20, false)
	messages := 0
	for _, u := range r.plan.units {
		messages += 2 * (u.queries() + u.replies())
	}
	if len(r.plan.units) < 2 {
		t.Fatal("the units do not overlap")
	}
	for failing := range 2 {
		for n := range messages + 1 {
			x, y := newWires()
			ends := [2]*breaking{{wire: x, until: messages}, {wire: y, until: messages}}
			ends[failing].until = n
			ctx, cancel := context.WithCancel(t.Context())
			var errs [2]error
			var wg sync.WaitGroup
			for i, p := range parties {
				wg.Go(func() {
					if errs[i] = p.Multiply(ctx, r.plan, r.a[i], r.b[i], r.c[i], ends[i], nil); errs[i] != nil {
						cancel() // the connection is gone for the other, too
					}
				})
			}
			wg.Wait()
			cancel()
			if failed := errors.Is(errs[failing], errWireCut); failed != (n < messages) {
				t.Errorf("party %d fails at message %d of %d: %v", failing, n, messages, errs[failing])
			}
		}
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

package offline

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/ring"
)

// linearParties are the two sides of linear correlations.
type linearParties struct {
	client *LinearEncryptor
	server *LinearEvaluator
}

func newLinearParties(t testing.TB) linearParties {
	t.Helper()
	client, err := NewLinearEncryptor()
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewLinearEvaluator(client.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return linearParties{client, server}
}

// linearRun is one exchange and what went over the wire.
type linearRun struct {
	p                *LinearPacking
	w                []int16
	r, s, y          [][]uint64
	queries, replies [][]byte
}

func (l linearParties) run(t testing.TB, shape ring.ConvShape, group int, w []int16, r, s [][]uint64) *linearRun {
	t.Helper()
	p, err := NewLinearPacking(shape, group)
	if err != nil {
		t.Fatal(err)
	}
	run := &linearRun{p: p, w: w, r: r, s: s}
	if err := l.client.Encrypt(p, r, into(&run.queries)); err != nil {
		t.Fatal(err)
	}
	if err := l.server.Evaluate(p, w, s, from(run.queries), into(&run.replies)); err != nil {
		t.Fatal(err)
	}
	if run.y, err = l.client.Decrypt(p, from(run.replies)); err != nil {
		t.Fatal(err)
	}
	return run
}

// verifyLinear verifies one inference's s and y = W·r − s.
func verifyLinear(p *LinearPacking, w []int16, r, s, y []uint64) error {
	spec := correlation.Spec{Kind: correlation.Linear, N: 1, Shape: p.shape}
	return correlation.VerifyLinear(w, r,
		&correlation.Half{Spec: spec, Party: 0, Columns: [][]uint64{s}},
		&correlation.Half{Spec: spec, Party: 1, Columns: [][]uint64{y}})
}

func (run *linearRun) verify(t testing.TB) {
	t.Helper()
	for g := range run.r {
		if err := verifyLinear(run.p, run.w, run.r[g], run.s[g], run.y[g]); err != nil {
			t.Fatalf("%+v, inference %d of %d: %v", run.p.shape, g, len(run.r), err)
		}
	}
	if n := size(run.queries); n != run.p.QueryBytes() {
		t.Errorf("%+v: %d bytes of queries, QueryBytes says %d", run.p.shape, n, run.p.QueryBytes())
	}
	if n := size(run.replies); n != run.p.ReplyBytes() {
		t.Errorf("%+v: %d bytes of replies, ReplyBytes says %d", run.p.shape, n, run.p.ReplyBytes())
	}
	for _, m := range append(run.queries[:len(run.queries):len(run.queries)], run.replies...) {
		if len(m) > run.p.MessageLimit() {
			t.Errorf("%+v: a message of %d bytes, above the limit of %d", run.p.shape, len(m), run.p.MessageLimit())
		}
	}
}

func into(messages *[][]byte) func([]byte) error {
	return func(m []byte) error {
		*messages = append(*messages, m)
		return nil
	}
}

var errNoMore = errors.New("no more messages")

func from(messages [][]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(messages) == 0 {
			return nil, errNoMore
		}
		m := messages[0]
		messages = messages[1:]
		return m, nil
	}
}

func size(messages [][]byte) (n int) {
	for _, m := range messages {
		n += len(m)
	}
	return n
}

func randomWeights(rng *rand.Rand, n int) []int16 {
	w := make([]int16, n)
	for i := range w {
		switch rng.IntN(4) {
		case 0:
			w[i] = 1<<15 - 1
		case 1:
			w[i] = -1<<15 + 1
		default:
			w[i] = int16(rng.Uint32())
		}
	}
	return w
}

func uniformVectors(group, n int) [][]uint64 {
	v := make([][]uint64, group)
	for g := range v {
		v[g] = make([]uint64, n)
		ring.NewStream(ring.NewSeed(), "test").Fill(v[g])
	}
	return v
}

func constantVectors(group, n int, x uint64) [][]uint64 {
	v := make([][]uint64, group)
	for g := range v {
		v[g] = make([]uint64, n)
		for i := range v[g] {
			v[g][i] = x
		}
	}
	return v
}

func conv(h, w, c, k, kernel, stride, pad int) ring.ConvShape {
	return ring.ConvShape{H: h, W: w, C: c, K: k, KH: kernel, KW: kernel, StrideH: stride, StrideW: stride,
		PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad}
}

func TestLinearCorrelationsHoldForEveryGeometry(t *testing.T) {
	l := newLinearParties(t)
	rng := rand.New(rand.NewPCG(1, 2))
	type layer struct {
		shape ring.ConvShape
		group int
	}
	layers := []layer{
		{ring.LinearShape(1, 1), 1},
		{ring.LinearShape(100, 10), 64},
		{ring.LinearShape(1568, 100), 3},
		{ring.LinearShape(5000, 3), 1}, // several queries for one output
		{ring.LinearShape(2, 5000), 3}, // several replies
		{conv(28, 28, 1, 16, 5, 2, 2), 8},
		{conv(14, 14, 16, 8, 5, 2, 2), 64},
		{conv(8, 8, 3, 4, 3, 1, 1), 8},
		{conv(100, 90, 2, 2, 3, 1, 1), 1}, // several segments of one image
		{conv(4, 5000, 1, 1, 3, 1, 1), 1}, // several strips
		{conv(150, 150, 1, 1, 7, 2, 3), 1},
		{conv(1, 1, 8, 8, 5, 1, 2), 3}, // a kernel larger than the image
		{conv(7, 7, 4, 4, 1, 2, 0), 8}, // phases that meet no tap
		{conv(2, 2, 3, 2, 1, 3, 2), 3}, // outputs that see only padding
		{ring.ConvShape{H: 1, W: 1, C: 2, K: 2, KH: 1, KW: 1, StrideH: 3, StrideW: 3, PadTop: 1}, 2}, // no output sees data
		{ring.ConvShape{H: 9, W: 6, C: 3, K: 5, KH: 4, KW: 2, StrideH: 3, StrideW: 1, PadTop: 3, PadBottom: 1, PadRight: 1}, 3},
		{ring.ConvShape{H: 3, W: 70, C: 2, K: 2, KH: 60, KW: 60, StrideH: 1, StrideW: 1, PadTop: 60, PadBottom: 60}, 1},
	}
	random := 40
	if testing.Short() {
		random = 10
	}
	for range random {
		s := ring.ConvShape{
			H: 1 + rng.IntN(12), W: 1 + rng.IntN(12), C: 1 + rng.IntN(6), K: 1 + rng.IntN(6),
			KH: 1 + rng.IntN(5), KW: 1 + rng.IntN(5), StrideH: 1 + rng.IntN(3), StrideW: 1 + rng.IntN(3),
			PadTop: rng.IntN(4), PadLeft: rng.IntN(4), PadBottom: rng.IntN(4), PadRight: rng.IntN(4),
		}
		if s.Validate() == nil {
			layers = append(layers, layer{s, []int{1, 3, 8}[rng.IntN(3)]})
		}
	}
	for _, c := range layers {
		n := c.shape.InLen()
		l.run(t, c.shape, c.group, randomWeights(rng, c.shape.WeightLen()),
			uniformVectors(c.group, n), uniformVectors(c.group, c.shape.OutLen())).verify(t)
	}
}

func TestLinearCorrelationsHoldForExtremeValues(t *testing.T) {
	l := newLinearParties(t)
	for _, shape := range []ring.ConvShape{ring.LinearShape(300, 7), conv(6, 6, 3, 4, 3, 1, 1)} {
		for _, r := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
			for _, weight := range []int16{-1 << 15, 0, 1, 1<<15 - 1} {
				w := make([]int16, shape.WeightLen())
				for i := range w {
					w[i] = weight
				}
				l.run(t, shape, 2, w, constantVectors(2, shape.InLen(), r), constantVectors(2, shape.OutLen(), 1<<64-1)).verify(t)
			}
		}
	}
}

func TestEveryRunIsFresh(t *testing.T) {
	l := newLinearParties(t)
	shape := conv(4, 4, 2, 2, 3, 1, 1)
	w := make([]int16, shape.WeightLen())
	r, s := constantVectors(1, shape.InLen(), 0), constantVectors(1, shape.OutLen(), 0)
	a, b := l.run(t, shape, 1, w, r, s), l.run(t, shape, 1, w, r, s)
	for _, pair := range [][2][][]byte{{a.queries, b.queries}, {a.replies, b.replies}} {
		x, y := bytes.Join(pair[0], nil), bytes.Join(pair[1], nil)
		same := 0
		for i := range x {
			if x[i] == y[i] {
				same++
			}
		}
		if limit := len(x)/256 + 6*int(math.Sqrt(float64(len(x))/256)); same > limit {
			t.Errorf("%d of %d bytes are the same in two runs", same, len(x))
		}
	}
}

func TestAFailingConnectionEndsTheCall(t *testing.T) {
	l := newLinearParties(t)
	shape := ring.LinearShape(5000, 3)
	p, err := NewLinearPacking(shape, 2)
	if err != nil {
		t.Fatal(err)
	}
	run := l.run(t, shape, 2, make([]int16, shape.WeightLen()), uniformVectors(2, 5000), uniformVectors(2, 3))
	broken := errors.New("connection reset")
	fail := func([]byte) error { return broken }
	if err := l.client.Encrypt(p, run.r, fail); !errors.Is(err, broken) {
		t.Errorf("Encrypt: %v", err)
	}
	if err := l.server.Evaluate(p, run.w, run.s, from(run.queries), fail); !errors.Is(err, broken) {
		t.Errorf("Evaluate, sending: %v", err)
	}
	if err := l.server.Evaluate(p, run.w, run.s, from(run.queries[:len(run.queries)-1]), into(new([][]byte))); !errors.Is(err, errNoMore) {
		t.Errorf("Evaluate, receiving: %v", err)
	}
	if _, err := l.client.Decrypt(p, from(run.replies[:len(run.replies)-1])); !errors.Is(err, errNoMore) {
		t.Errorf("Decrypt: %v", err)
	}
}

func TestBadLinearMessagesAreErrors(t *testing.T) {
	l := newLinearParties(t)
	shape := ring.LinearShape(5, 3)
	run := l.run(t, shape, 1, make([]int16, shape.WeightLen()), uniformVectors(1, 5), uniformVectors(1, 3))
	change := func(m []byte, at int, v byte) []byte {
		m = bytes.Clone(m)
		m[at] = v
		return m
	}
	high := bytes.Clone(run.queries[0])
	for i := queryHeader; i < len(high); i++ {
		high[i] = 0xff
	}
	for name, m := range map[string][]byte{
		"empty": {}, "short": run.queries[0][:100], "long": append(bytes.Clone(run.queries[0]), 0),
		"version": change(run.queries[0], 0, 0x77), "coefficients": high,
	} {
		err := l.server.Evaluate(run.p, run.w, run.s, from([][]byte{m}), into(new([][]byte)))
		if err == nil || errors.Is(err, errNoMore) {
			t.Errorf("query, %s: %v", name, err)
		}
	}
	for name, m := range map[string][]byte{
		"empty": {}, "short": run.replies[0][:100], "long": append(bytes.Clone(run.replies[0]), 0),
		"version": change(run.replies[0], 0, 0x77),
	} {
		if _, err := l.client.Decrypt(run.p, from([][]byte{m})); err == nil || errors.Is(err, errNoMore) {
			t.Errorf("reply, %s: %v", name, err)
		}
	}
	key := l.client.PublicKey()
	high = bytes.Clone(key)
	for i := 1 + ring.SeedSize; i < len(high); i++ {
		high[i] = 0xff
	}
	for name, m := range map[string][]byte{
		"empty": {}, "short": key[:100], "long": append(bytes.Clone(key), 0), "version": change(key, 0, 0x77), "residues": high,
	} {
		if _, err := NewLinearEvaluator(m); err == nil {
			t.Errorf("public key, %s: no error", name)
		}
	}
}

func TestWrongArgumentsAreErrors(t *testing.T) {
	l := newLinearParties(t)
	p, err := NewLinearPacking(ring.LinearShape(5, 3), 2)
	if err != nil {
		t.Fatal(err)
	}
	send, recv := into(new([][]byte)), from(nil)
	for _, r := range [][][]uint64{nil, uniformVectors(1, 5), uniformVectors(2, 4)} {
		if err := l.client.Encrypt(p, r, send); err == nil {
			t.Error("Encrypt took vectors that do not fit the layout")
		}
		if err := l.server.Evaluate(p, make([]int16, 15), r, recv, send); err == nil || errors.Is(err, errNoMore) {
			t.Errorf("Evaluate took masks that do not fit the layout: %v", err)
		}
	}
	if err := l.server.Evaluate(p, make([]int16, 14), uniformVectors(2, 3), recv, send); err == nil || errors.Is(err, errNoMore) {
		t.Errorf("Evaluate took weights that do not fit the layout: %v", err)
	}
	for _, c := range []struct {
		shape ring.ConvShape
		group int
		want  string
	}{
		{ring.ConvShape{}, 1, "input height"},
		{ring.LinearShape(5, 3), 0, "group"},
		{ring.LinearShape(5, 3), maxLinearGroup + 1, "group"},
		{conv(33, 33, 1024, 1, 33, 1, 0), 1, "last place"},
		{conv(80, 80, 1, 1, 80, 1, 79), 1, "does not fit"},
	} {
		if _, err := NewLinearPacking(c.shape, c.group); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v for %d: %v, want an error about %q", c.shape, c.group, err, c.want)
		}
	}
}

func FuzzLinearQuery(f *testing.F) {
	l := newLinearParties(f)
	shape := ring.LinearShape(5, 3)
	run := l.run(f, shape, 1, make([]int16, shape.WeightLen()), uniformVectors(1, 5), uniformVectors(1, 3))
	f.Add([]byte{}, 0, byte(0))
	f.Add(run.queries[0], 0, byte(0))
	f.Add(run.queries[0], len(run.queries[0])-1, byte(0xff))
	f.Fuzz(func(t *testing.T, m []byte, at int, v byte) {
		m = bytes.Clone(m)
		if at >= 0 && at < len(m) {
			m[at] = v
		}
		_ = l.server.Evaluate(run.p, run.w, run.s, from([][]byte{m}), into(new([][]byte)))
	})
}

func FuzzLinearReply(f *testing.F) {
	l := newLinearParties(f)
	shape := ring.LinearShape(5, 3)
	run := l.run(f, shape, 1, make([]int16, shape.WeightLen()), uniformVectors(1, 5), uniformVectors(1, 3))
	f.Add([]byte{})
	f.Add(run.replies[0])
	f.Fuzz(func(t *testing.T, m []byte) {
		if y, err := l.client.Decrypt(run.p, from([][]byte{m})); err == nil && (len(y) != 1 || len(y[0]) != 3) {
			t.Errorf("%d outputs", len(y))
		}
	})
}

func FuzzLinearKey(f *testing.F) {
	l := newLinearParties(f)
	f.Add([]byte{})
	f.Add(l.client.PublicKey())
	f.Fuzz(func(t *testing.T, m []byte) {
		_, _ = NewLinearEvaluator(m)
	})
}

func BenchmarkLinear(b *testing.B) {
	l := newLinearParties(b)
	for _, c := range []struct {
		name  string
		shape ring.ConvShape
		group int
	}{
		{"mnist/conv1", conv(28, 28, 1, 16, 5, 2, 2), 64},
		{"mnist/conv2", conv(14, 14, 16, 32, 5, 2, 2), 64},
		{"mnist/fc1", ring.LinearShape(1568, 100), 64},
		{"mnist/fc2", ring.LinearShape(100, 10), 64},
		{"resnet18/64to64at32", conv(32, 32, 64, 64, 3, 1, 1), 8},
		{"resnet18/512to512at4", conv(4, 4, 512, 512, 3, 1, 1), 8},
	} {
		p, err := NewLinearPacking(c.shape, c.group)
		if err != nil {
			b.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(3, 4))
		w := randomWeights(rng, c.shape.WeightLen())
		r, s := uniformVectors(c.group, c.shape.InLen()), uniformVectors(c.group, c.shape.OutLen())
		var queries, replies [][]byte
		stages := []struct {
			name string
			do   func() error
		}{
			{"encrypt", func() error { queries = nil; return l.client.Encrypt(p, r, into(&queries)) }},
			{"evaluate", func() error { replies = nil; return l.server.Evaluate(p, w, s, from(queries), into(&replies)) }},
			{"decrypt", func() error { _, err := l.client.Decrypt(p, from(replies)); return err }},
		}
		for _, stage := range stages { // each stage needs the messages of the one before
			if err := stage.do(); err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/%s", c.name, stage.name), func(b *testing.B) {
				began := cpu.Seconds()
				for b.Loop() {
					if err := stage.do(); err != nil {
						b.Fatal(err)
					}
				}
				used := cpu.Seconds() - began
				b.ReportMetric(float64(p.QueryBytes())/float64(c.group), "up-B/inference")
				b.ReportMetric(float64(p.ReplyBytes())/float64(c.group), "down-B/inference")
				b.ReportMetric(1e6*used/float64(b.N)/float64(c.group), "cpu-µs/inference")
			})
		}
	}
}

package offline

import (
	"encoding/binary"
	"math"
	"math/bits"
	"testing"

	"pascaline/ring"
)

// uniformBytes reports whether b looks like uniform bytes: a chi-square test over
// the 256 values of a byte. With 255 degrees of freedom it wrongly says no with a
// probability below 10^−8.
func uniformBytes(b []byte) bool {
	var counts [256]float64
	for _, v := range b {
		counts[v]++
	}
	expected := float64(len(b)) / 256
	chi := 0.0
	for _, c := range counts {
		chi += (c - expected) * (c - expected) / expected
	}
	return math.Abs(chi-255) < 6.5*math.Sqrt(2*255)
}

// uniformPlaces applies uniformBytes to each of the places of a byte in items of
// n bytes.
func uniformPlaces(b []byte, n int) bool {
	for place := range n {
		var at []byte
		for i := place; i < len(b); i += n {
			at = append(at, b[i])
		}
		if !uniformBytes(at) {
			return false
		}
	}
	return true
}

func words(v []uint64) []byte {
	var b []byte
	for _, w := range v {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// replyParts returns c1', as its low words and its top bytes, and c0' of a reply.
func replyParts(reply []byte) (low []uint64, top []byte, outputs []byte) {
	planes := vectors(2, linearN)
	outputs = unpackWide(planes, reply, replyBits)
	for _, v := range planes[1] {
		top = append(top, byte(v))
	}
	return planes[0], top, outputs
}

func TestQueriesLookUniform(t *testing.T) {
	l := newLinearParties(t)
	for _, m := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
		var low, high []byte
		for i := range 4 {
			c := l.client.encrypt(constantVectors(1, linearN, m)[0], ring.NewSeed(), ring.NewSeed(), uint64(i))
			low, high = append(low, c[:8*linearN]...), append(high, c[8*linearN:]...)
		}
		if !uniformPlaces(low, 8) || !uniformPlaces(high, 5) {
			t.Errorf("c0 of encryptions of %d is not uniform", m)
		}
	}
}

// TestQueriesOfALayerAreIndependent looks at queries for zeros, of which 19 share
// a message and its seeds.
func TestQueriesOfALayerAreIndependent(t *testing.T) {
	l := newLinearParties(t)
	p, err := NewLinearPacking(conv(64, 64, queriesPerMessage+1, 1, 1, 1, 0), 1)
	if err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	if err := l.client.Encrypt(p, constantVectors(1, p.shape.InLen(), 0), into(&messages)); err != nil {
		t.Fatal(err)
	}
	if len(messages) != 2 {
		t.Fatalf("%d messages, not 2", len(messages))
	}
	queries, err := p.receiveQueries(from(messages))
	if err != nil {
		t.Fatal(err)
	}
	low, noise := make([][]uint64, len(queries)), make([][]int64, len(queries))
	var all []int64
	for i, q := range queries {
		low[i], noise[i] = l.client.queryNoise(q)
		all = append(all, noise[i]...)
		fromPublic := make([]int64, linearN)
		smallErrors(fromPublic, ring.NewStream(q.seed, "linear/error", q.index))
		if !independent(noise[i], fromPublic) {
			t.Errorf("the error of query %d follows from what is public", i)
		}
		for j := range i {
			if j > 0 && j < i-1 { // all with the first and with their neighbour
				continue
			}
			d := make([]uint64, linearN)
			ring.Sub(d, low[i], low[j])
			if !uniformPlaces(words(d), 8) {
				t.Errorf("the difference of c0 of queries %d and %d is not uniform", i, j)
			}
			if !independent(noise[i], noise[j]) {
				t.Errorf("the errors of queries %d and %d are correlated", i, j)
			}
		}
	}
	// Rounding to multiples of 2^dropBits is uniform over so many values.
	if want := errorVariance + float64(1<<(2*dropBits)-1)/12; !haveVariance(all, want) {
		t.Errorf("fresh queries have noise of variance %v, not %v", variance(all), want)
	}
}

// queryNoise returns the low words of c0 of a query for zeros, and what c0 +
// c1·sk leaves of it.
func (e *LinearEncryptor) queryNoise(q packedQuery) (low []uint64, noise []int64) {
	planes := vectors(2, linearN)
	unpackWide(planes, q.cipher, queryBits)
	minus := e.ring.mask(e.key, q.seed, q.index)[0] // −c1·sk mod q0
	c := make([]uint64, linearN)
	for i, lo := range planes[0] {
		c[i] = bits.Rem64(planes[1][i]<<dropBits|lo>>(64-dropBits), lo<<dropBits, linearQ0) + linearQ0 - minus[i]
	}
	return planes[0], centred(c, linearQ0)
}

// TestRepliesOfALayerAreIndependent looks at c1' for weights of zero, which is an
// encryption of zero alone.
func TestRepliesOfALayerAreIndependent(t *testing.T) {
	l := newLinearParties(t)
	shape := conv(64, 64, 1, 4, 1, 1, 0)
	run := l.run(t, shape, 2, make([]int16, shape.WeightLen()), uniformVectors(2, shape.InLen()), uniformVectors(2, shape.OutLen()))
	var low [][]uint64
	for _, m := range run.replies {
		for rest := m[replyHeader:]; len(rest) > 0; rest = rest[run.p.replySize(run.p.reply(len(low)-1)):] {
			c1, _, _ := replyParts(rest)
			low = append(low, c1)
		}
	}
	if len(low) != 8 {
		t.Fatalf("%d replies, not 8", len(low))
	}
	for i := range low {
		for j := range i {
			d := make([]uint64, linearN)
			ring.Sub(d, low[i], low[j])
			if !uniformPlaces(words(d), 8) {
				t.Errorf("the difference of c1' of replies %d and %d is not uniform", i, j)
			}
		}
	}
}

func TestEncryptionsOfZeroCarryFreshErrors(t *testing.T) {
	l := newLinearParties(t)
	r, seed := l.server.ring, ring.NewSeed()
	c := cipher{r.poly(), r.poly()}
	l.server.addZero(c, seed)
	u := r.secretKey(ring.NewStream(seed, "linear/zero"))
	var errors [2][]int64
	for part := range c {
		product := r.poly()
		for i, s := range r.sub {
			s.MulCoeffsMontgomery(u[i], l.server.public[part][i], product[i])
		}
		r.intt(product)
		for i, s := range r.sub {
			s.Reduce(c[part][i], c[part][i])
			s.Sub(c[part][i], product[i], product[i])
			if errors[part] = centred(product[i], s.Modulus); !haveVariance(errors[part], errorVariance) {
				t.Errorf("errors of c%d of an encryption of zero have variance %v mod %d, not %v",
					part, variance(errors[part]), s.Modulus, errorVariance)
			}
		}
	}
	if !independent(errors[0], errors[1]) {
		t.Error("the two errors of an encryption of zero are correlated")
	}
}

// replySetup is a layer with fixed inputs and weights and one reply of 4096
// outputs for each channel.
func replySetup(t *testing.T) (l linearParties, p *LinearPacking, w []int16, queries [][]byte) {
	t.Helper()
	l = newLinearParties(t)
	p, err := NewLinearPacking(conv(64, 64, 1, 1, 1, 1, 0), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.client.Encrypt(p, constantVectors(1, linearN, 3), into(&queries)); err != nil {
		t.Fatal(err)
	}
	return l, p, []int16{5}, queries
}

// product is the sum of queries times weights before anything hides it.
func product(t *testing.T, l linearParties, p *LinearPacking, w []int16, queries [][]byte) cipher {
	t.Helper()
	packed, err := p.receiveQueries(from(queries))
	if err != nil {
		t.Fatal(err)
	}
	r := l.server.ring
	q, err := r.expand(packed[0])
	if err != nil {
		t.Fatal(err)
	}
	return r.products(p, r.newWeightValues(p), w, 0, 1, []cipher{q})[0]
}

func TestRepliesLookUniformAndFreshToTheClient(t *testing.T) {
	l, p, w, queries := replySetup(t)
	const runs = 6
	var low [][]uint64
	var tops, outputs, plain []byte
	for range runs {
		s := uniformVectors(1, linearN)
		var replies [][]byte
		if err := l.server.Evaluate(p, w, s, from(queries), into(&replies)); err != nil {
			t.Fatal(err)
		}
		c1, top, c0 := replyParts(replies[0][replyHeader:])
		low, tops, outputs = append(low, c1), append(tops, top...), append(outputs, c0...)
		y, err := l.client.Decrypt(p, from(replies))
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, words(y[0])...)
	}
	var all, differences []byte
	for i := range low {
		all = append(all, words(low[i])...)
		if i > 0 {
			d := make([]uint64, linearN)
			ring.Sub(d, low[i], low[i-1])
			differences = append(differences, words(d)...)
		}
	}
	for name, ok := range map[string]bool{
		"c1'":                          uniformPlaces(all, 8) && uniformBytes(tops),
		"the difference of c1' of two": uniformPlaces(differences, 8),
		"c0'":                          uniformPlaces(outputs, 8),
		"what the client decrypts":     uniformPlaces(plain, 8),
	} {
		if !ok {
			t.Errorf("%s of replies to one query is not uniform", name)
		}
	}
}

// TestAForgottenStepWouldShow runs the tests above on replies that lack one of
// the two steps that hide the weights.
func TestAForgottenStepWouldShow(t *testing.T) {
	l, p, w, queries := replySetup(t)
	coefficients := func(c cipher) cipher {
		for _, part := range c {
			l.server.ring.intt(part)
		}
		return c
	}

	// No encryption of zero: c1' is a function of the query and the weights.
	var low [2][]uint64
	for i := range low {
		low[i], _, _ = replyParts(l.server.reply(p, uniformVectors(1, linearN), 0, 0, coefficients(product(t, l, p, w, queries))))
	}
	ring.Sub(low[0], low[0], low[1])
	if uniformPlaces(words(low[0]), 8) {
		t.Error("replies without an encryption of zero pass the test")
	}

	// No mask: the client decrypts W·r.
	masked := product(t, l, p, w, queries)
	l.server.addZero(masked, ring.NewSeed())
	reply := l.server.reply(p, constantVectors(1, linearN, 0), 0, 0, masked)
	y := make([][]uint64, 1)
	y[0] = make([]uint64, linearN)
	l.client.decrypt(p, y, 0, 0, reply)
	if uniformPlaces(words(y[0]), 8) {
		t.Error("replies without a mask pass the test")
	}
	if err := verifyLinear(p, w, constantVectors(1, linearN, 3)[0], make([]uint64, linearN), y[0]); err != nil {
		t.Errorf("the reply without a mask is not what the test takes it for: %v", err)
	}
}

func TestOneOutputInTwentyIsOffByAUnit(t *testing.T) {
	l := newLinearParties(t)
	shape := conv(32, 32, 3, 4, 3, 1, 1)
	w := make([]int16, shape.WeightLen())
	for i := range w {
		w[i] = int16(37*i%255 - 127)
	}
	run := l.run(t, shape, 4, w, uniformVectors(4, shape.InLen()), uniformVectors(4, shape.OutLen()))
	off, all := 0, 0
	for g := range run.r {
		want := make([]uint64, shape.OutLen())
		ring.Conv(want, run.r[g], w, shape)
		for i, v := range want {
			if run.y[g][i]+run.s[g][i] != v {
				off++
			}
			all++
		}
	}
	if share := float64(off) / float64(all); share < 0.03 || share > 0.07 {
		t.Errorf("%.3f of the outputs are off", share)
	}
}

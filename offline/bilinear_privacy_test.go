package offline

import (
	"context"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"testing"

	"pascaline/ring"
)

// residueBytes returns the low 56 bits of residues: their top five bits are not
// quite uniform, because primes are not powers of two.
func residueBytes(residues []uint64) []byte {
	b := make([]byte, 0, 7*len(residues))
	for _, v := range residues {
		for i := range 7 {
			b = append(b, byte(v>>(8*i)))
		}
	}
	return b
}

// queryValues returns the values of c0 and c1 of a query.
func queryValues(t *testing.T, r *bilinearRing, message []byte) cipher {
	t.Helper()
	c, err := r.readQuery(message)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// phase returns the coefficients of c0 + c1·sk modulo each prime, for a ciphertext
// in values.
func (k *BilinearKey) phase(c cipher) [][]uint64 {
	sum := k.ring.poly()
	for i, s := range k.ring.sub {
		s.Reduce(c[0][i], sum[i])
		s.MulCoeffsMontgomeryThenAdd(c[1][i], k.key[i], sum[i])
	}
	k.ring.intt(sum)
	return sum
}

// pointPacking is the packing of one polynomial's worth of products of numbers by
// one weight.
func pointPacking(t *testing.T) *packing {
	t.Helper()
	p, _, err := operands{conv(128, 64, 1, 1, 1, 1, 0), 1, false}.pack(1)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.segments) != 1 || p.counts[0] != bilinearN {
		t.Fatalf("%d segments, the first of %d outputs", len(p.segments), p.counts[0])
	}
	return p
}

func TestBilinearQueriesLookUniform(t *testing.T) {
	key, p := newBilinearParties(t)[0].key, pointPacking(t)
	for _, m := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
		var all []byte
		for range 3 {
			c := queryValues(t, key.ring, key.query(p, constantVectors(1, bilinearN, m), 0, 0))
			for _, residues := range c[0] {
				all = append(all, residueBytes(residues)...)
			}
		}
		if !uniformPlaces(all, 7) {
			t.Errorf("c0 of encryptions of %d is not uniform", m)
		}
	}
}

func TestBilinearQueriesAreIndependent(t *testing.T) {
	key, p := newBilinearParties(t)[0].key, pointPacking(t)
	var values []cipher
	var noise [][]int64
	var all []int64
	for range 4 {
		message := key.query(p, constantVectors(1, bilinearN, 0), 0, 0)
		c := queryValues(t, key.ring, message)
		phase := key.phase(c)
		values, noise = append(values, c), append(noise, centred(phase[0], bilinearModulus[0]))
		for i, q := range bilinearModulus {
			if !slices.Equal(centred(phase[i], q), noise[len(noise)-1]) {
				t.Errorf("the errors of a query differ between primes 0 and %d", i)
			}
		}
		all = append(all, noise[len(noise)-1]...)
		fromPublic := make([]int64, bilinearN)
		smallErrors(fromPublic, ring.NewStream(ring.Seed(message[1:]), "bilinear/error"))
		if !independent(noise[len(noise)-1], fromPublic) {
			t.Error("the error of a query follows from what is public")
		}
	}
	if !haveVariance(all, errorVariance) {
		t.Errorf("fresh queries have noise of variance %v, not %v", variance(all), errorVariance)
	}
	for i := range values {
		for j := range i {
			if !independent(noise[i], noise[j]) {
				t.Errorf("the errors of queries %d and %d are correlated", i, j)
			}
			for part, name := range []string{"c0", "c1"} {
				var differences []byte
				for l, s := range key.ring.sub {
					d := make([]uint64, bilinearN)
					s.Sub(values[i][part][l], values[j][part][l], d)
					differences = append(differences, residueBytes(d)...)
				}
				if !uniformPlaces(differences, 7) {
					t.Errorf("the difference of %s of queries %d and %d is not uniform", name, i, j)
				}
			}
		}
	}
}

func TestBilinearEncryptionsOfZeroCarryFreshErrors(t *testing.T) {
	parties := newBilinearParties(t)
	r, public := parties[0].ring, parties[0].public
	seed := ring.NewSeed()
	c := cipher{r.poly(), r.poly()}
	r.addZero(c, public, seed)
	u := r.secretKey(ring.NewStream(seed, "bilinear/zero"))
	for part := range c {
		product := r.poly()
		for i, s := range r.sub {
			s.MulCoeffsMontgomery(u[i], public[part][i], product[i])
		}
		r.intt(product)
		for i, s := range r.sub {
			s.Reduce(c[part][i], c[part][i])
			s.Sub(c[part][i], product[i], product[i])
			errors := centred(product[i], s.Modulus)
			if part == 0 && slices.Max(errors)-slices.Min(errors) != 0 {
				t.Errorf("c0 of an encryption of zero has an error of its own mod %d", s.Modulus)
			}
			if part == 1 && !haveVariance(errors, errorVariance) {
				t.Errorf("errors of c1 of an encryption of zero have variance %v mod %d, not %v", variance(errors), s.Modulus, errorVariance)
			}
		}
	}
	coefficients := r.poly()
	for i := range u {
		copy(coefficients[i], u[i])
	}
	r.intt(coefficients)
	if small := centred(coefficients[0], bilinearModulus[0]); slices.Max(small) != 1 || slices.Min(small) != -1 || !haveVariance(small, 2./3) {
		t.Errorf("u of an encryption of zero is not ternary: variance %v", variance(small))
	}
	other := cipher{r.poly(), r.poly()}
	r.addZero(other, public, ring.NewSeed())
	for part := range c {
		var differences []byte
		for i, s := range r.sub {
			s.Reduce(other[part][i], other[part][i])
			s.Sub(other[part][i], c[part][i], other[part][i])
			differences = append(differences, residueBytes(other[part][i])...)
		}
		if !uniformPlaces(differences, 7) {
			t.Errorf("the difference of c%d of two encryptions of zero is not uniform", part)
		}
	}
}

// product is the sum of a query's products with weights before anything hides it,
// in values.
func (p *BilinearParty) product(t *testing.T, u *packing, w uint64, query []byte) cipher {
	t.Helper()
	return p.ring.products(u, []uint64{w}, 0, 1, []cipher{queryValues(t, p.ring, query)})[0]
}

// hide adds an encryption of zero to the values of c; the result is coefficients.
func (p *BilinearParty) hide(c cipher) cipher {
	p.ring.addZero(c, p.public, ring.NewSeed())
	return c
}

// replies evaluates the queries of a single unit, all of u; replies are still to be
// masked.
func (p *BilinearParty) replies(t *testing.T, u *packing, b []uint64, queries [][]byte) (replies [][]byte) {
	t.Helper()
	m := &multiplication{BilinearParty: p, plan: &BilinearPlan{made: operands{u.shape, 1, false}}, b: b}
	err := m.evaluate(t.Context(), &bilinearUnit{u, 0, 0, len(u.segments)}, slices.Clone(queries),
		func(_ context.Context, i int, reply []byte) error {
			if i != len(replies) {
				t.Errorf("reply %d comes after %d others", i, len(replies))
			}
			replies = append(replies, reply)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return replies
}

// replyOf1 returns c1' of a reply, as its low words and its top bits.
func replyOf1(reply []byte) (low, top []uint64) {
	planes := vectors(2, bilinearN)
	unpackWide(planes, reply[1:], 64+bilinearBits1)
	return planes[0], planes[1]
}

// below returns how far decryption of a reply of whole polynomials is from
// integers, in units, from −1/2 to 1/2.
func (k *BilinearKey) below(reply []byte) []float64 {
	low, top := replyOf1(reply)
	c := cipher{k.ring.poly(), k.ring.poly()}
	for i := range c[1] {
		prime := &k.ring.prime[i]
		for j := range low {
			c[1][i][j] = prime.mul(low[j], prime.r1) + prime.mul(top[j], prime.r2)
		}
	}
	k.ring.ntt(c[1])
	product := k.phase(c)
	bits0 := make([]uint64, bilinearN)
	unpackBits(bits0, reply[bilinearMaskSize+8*bilinearN:], bilinearBits0)
	offsets := make([]float64, bilinearN)
	for j := range offsets {
		x := k.ring.prime[0].reduce(product[0][j] + k.ring.prime[0].offset)
		y := k.ring.prime[1].reduce(product[1][j] + k.ring.prime[1].offset)
		_, lo := k.ring.compose(x, y)
		units := math.Mod(float64(lo%(1<<bilinearBits1))/(1<<bilinearBits1)+float64(bits0[j])/(1<<bilinearBits0), 1)
		if units > 0.5 {
			units--
		}
		offsets[j] = units
	}
	return offsets
}

// TestBilinearRepliesHideWhatWasMultiplied looks at replies to one query as the
// party that can decrypt sees them.
func TestBilinearRepliesHideWhatWasMultiplied(t *testing.T) {
	parties, u := newBilinearParties(t), pointPacking(t)
	key, server := parties[0].key, parties[1]
	query := key.query(u, constantVectors(1, bilinearN, 3), 0, 0)
	var lows [][]uint64
	var all, tops, outputs, plain []byte
	var offsets []float64
	for range 6 {
		reply := server.replies(t, u, []uint64{5}, [][]byte{query})[0]
		masks := uniformVectors(1, bilinearN)[0]
		maskReply(u, 0, 0, reply, func(_, i int) uint64 { return masks[i] })
		low, top := replyOf1(reply)
		lows = append(lows, low)
		all = append(all, words(low)...)
		for _, v := range top {
			tops = append(tops, byte(v))
		}
		outputs = append(outputs, reply[bilinearMaskSize:][:8*bilinearN]...)
		d := make([]uint64, bilinearN)
		if err := key.decrypt(u, 0, 0, reply, func(_, i int, v uint64) { d[i] = v }); err != nil {
			t.Fatal(err)
		}
		for i, v := range d {
			if v+masks[i] != 15 {
				t.Fatalf("output %d is %d, not 15", i, v+masks[i])
			}
		}
		plain = append(plain, words(d)...)
		offsets = append(offsets, key.below(reply)...)
	}
	var differences []byte
	for i := 1; i < len(lows); i++ {
		d := make([]uint64, bilinearN)
		ring.Sub(d, lows[i], lows[i-1])
		differences = append(differences, words(d)...)
	}
	for name, ok := range map[string]bool{
		"c1'":                          uniformPlaces(all, 8) && uniformBytes(tops),
		"the difference of c1' of two": uniformPlaces(differences, 8),
		"c0'":                          uniformPlaces(outputs, 8),
		"what is decrypted":            uniformPlaces(plain, 8),
		"what is below the unit":       flooded(offsets),
	} {
		if !ok {
			t.Errorf("%s of replies to one query is not as it should be", name)
		}
	}
}

// TestBilinearRepliesAreIndependent looks at c1' for weights of zero, which is
// an encryption of zero alone.
func TestBilinearRepliesAreIndependent(t *testing.T) {
	parties := newBilinearParties(t)
	o := operands{conv(128, 128, 1, 3, 1, 1, 0), 1, false} // two segments, replies of one channel each
	u, _, err := o.pack(1)
	if err != nil {
		t.Fatal(err)
	}
	var queries [][]byte
	for seg := range u.segments {
		queries = append(queries, parties[0].key.query(u, uniformVectors(1, o.firstLen()), seg, 0))
	}
	replies := parties[1].replies(t, u, make([]uint64, o.secondLen()), queries)
	if len(replies) != 6 {
		t.Fatalf("%d replies, not 6", len(replies))
	}
	for i, reply := range replies {
		x, _ := replyOf1(reply)
		for j := range i {
			y, _ := replyOf1(replies[j])
			d := make([]uint64, bilinearN)
			ring.Sub(d, x, y)
			if !uniformPlaces(words(d), 8) {
				t.Errorf("the difference of c1' of replies %d and %d is not uniform", i, j)
			}
		}
	}
}

// flooded reports whether offsets from integers have the variance of the flood,
// uniform over half a unit, and of the rounding of c0' and c1'. The fourth moment
// of the sum is below that of a normal distribution.
func flooded(offsets []float64) bool {
	sum, most := 0.0, 0.0
	for _, x := range offsets {
		sum += x * x
		most = max(most, math.Abs(x))
	}
	n := float64(len(offsets))
	want := math.Pow(2, -2)/12 + math.Pow(2, -2*bilinearBits0)/12 + bilinearN*2./3/12*math.Pow(2, -2*bilinearBits1)
	return math.Abs(sum/n/want-1) < 6*math.Sqrt(2/n) && most < 0.25+0.0625+0.08
}

// TestAForgottenBilinearStepWouldShow runs the tests above on replies that lack
// one of the steps that hide the weights.
func TestAForgottenBilinearStepWouldShow(t *testing.T) {
	parties, u := newBilinearParties(t), pointPacking(t)
	key, server := parties[0].key, parties[1]
	query := key.query(u, constantVectors(1, bilinearN, 3), 0, 0)
	r := server.ring

	// No encryption of zero: c1' is a function of the query and the weights.
	var low [2][]uint64
	for i := range low {
		c := server.product(t, u, 5, query)
		r.intt(c[0])
		r.intt(c[1])
		low[i], _ = replyOf1(r.reply(u, 0, 0, c, flood(bilinearN, ring.NewSeed())))
	}
	ring.Sub(low[0], low[0], low[1])
	if uniformPlaces(words(low[0]), 8) {
		t.Error("replies without an encryption of zero pass the test")
	}

	// No flood: noise shows wherever it carries over a rounding.
	calm := slices.Repeat([]uint64{1 << (bilinearFlood - 1)}, bilinearN)
	reply := r.reply(u, 0, 0, server.hide(server.product(t, u, 5, query)), calm)
	if flooded(key.below(reply)) {
		t.Error("replies without a flood pass the test")
	}

	// No mask: W·r is decrypted.
	reply = r.reply(u, 0, 0, server.hide(server.product(t, u, 5, query)), flood(bilinearN, ring.NewSeed()))
	d := make([]uint64, bilinearN)
	if err := key.decrypt(u, 0, 0, reply, func(_, i int, v uint64) { d[i] = v }); err != nil {
		t.Fatal(err)
	}
	if slices.Min(d) != 15 || slices.Max(d) != 15 {
		t.Errorf("replies without a mask hold %d to %d, not 15", slices.Min(d), slices.Max(d))
	}
	if uniformPlaces(words(d), 8) {
		t.Error("replies without a mask pass the test")
	}
}

// TestBilinearExchangesAreFreshAndUniform looks at two runs of the same operands: what
// each party decrypts, and the messages.
func TestBilinearExchangesAreFreshAndUniform(t *testing.T) {
	parties := newBilinearParties(t)
	var decrypted [2][2][]uint64 // by run and party
	var messages [2][2][][]byte
	r := newBilinearRun(t, conv(128, 64, 1, 1, 1, 1, 0), 1, false)
	for i := range 2 {
		r.a[i], r.b[i] = constant(r.a[i], 3), constant(r.b[i], 5)
	}
	c1 := make([][]uint64, 2)
	for run := range 2 {
		r.c[0] = uniformVectors(1, len(r.c[0]))[0]
		r.must(t, parties)
		c1[run] = slices.Clone(r.c[1])
		for party := range 2 {
			messages[run][party] = r.wires[party].sent
		}
		for party := range 2 {
			u := &r.plan.units[0]
			if len(r.plan.units) != 1 || u.queries() != 1 || u.replies() != 1 {
				t.Fatal("more messages than this test knows")
			}
			key, reply := parties[party].key, r.wires[1-party].sent[1]
			d := make([]uint64, len(r.c[0]))
			if err := key.decrypt(u.packing, 0, 0, reply, func(_, i int, v uint64) { d[i] = v }); err != nil {
				t.Fatal(err)
			}
			decrypted[run][party] = d
			if !flooded(key.below(reply)) {
				t.Errorf("what party %d sees below the unit is not as it should be", party)
			}
		}
	}
	for party := range 2 {
		for run := range 2 {
			if !uniformPlaces(words(decrypted[run][party]), 8) {
				t.Errorf("what party %d decrypts is not uniform", party)
			}
		}
		ring.Sub(decrypted[0][party], decrypted[0][party], decrypted[1][party])
		if !uniformPlaces(words(decrypted[0][party]), 8) {
			t.Errorf("what party %d decrypts in two runs is not independent", party)
		}
		for i, m := range messages[0][party] {
			same, n := 0, messages[1][party][i]
			for j := range m {
				if m[j] == n[j] {
					same++
				}
			}
			if limit := len(m)/256 + 6*int(math.Sqrt(float64(len(m))/256)); same > limit {
				t.Errorf("%d of %d bytes of message %d of party %d are the same in two runs", same, len(m), i, party)
			}
		}
	}
	if !uniformPlaces(words(c1[0]), 8) {
		t.Error("party 1's shares of the products are not uniform")
	}
	ring.Sub(c1[0], c1[0], c1[1])
	if !uniformPlaces(words(c1[0]), 8) {
		t.Error("party 1's shares of the products of two runs are not independent")
	}
}

// TestBilinearNoiseIsWhatTheProofAllows measures what the flood must hide, for
// weights of −2^63, the largest there are, and of −1.
func TestBilinearNoiseIsWhatTheProofAllows(t *testing.T) {
	parties := newBilinearParties(t)
	key, server := parties[0].key, parties[1]
	const inner = 40
	o := operands{matrixShape(1024, inner, 2), 1, false}
	p, _, err := o.pack(1)
	if err != nil {
		t.Fatal(err)
	}
	a := uniformVectors(1, o.firstLen())
	queries := make([]cipher, p.queryGroups)
	for j := range queries {
		queries[j] = queryValues(t, key.ring, key.query(p, a, 0, j))
	}
	q := key.ring.modulus()
	scaled := new(big.Int).Lsh(q, 64)
	for _, weight := range []int64{-1 << 63, -1} {
		b := constantVectors(1, o.secondLen(), uint64(weight))[0]
		want := make([]uint64, o.productLen())
		ring.ConvWide(want, a[0], b, o.shape)
		for _, hidden := range []bool{false, true} {
			sum2, n := 0.0, 0.0
			for i, sum := range server.ring.products(p, b, 0, p.replyGroups, slices.Clone(queries)) {
				if hidden {
					server.hide(sum)
					server.ring.ntt(sum[0])
					server.ring.ntt(sum[1])
				}
				phase := key.phase(sum)
				p.eachReplyRun(0, i, func(_, pixel, channel, run, at int) {
					for j := range run {
						// 2^64·phase − m·Q modulo 2^64·Q, centred
						var residues []*big.Int
						for l := range phase {
							residues = append(residues, new(big.Int).SetUint64(phase[l][at+j]))
						}
						d := crt(residues, bilinearModulus[:])
						d.Lsh(d, 64).Sub(d, new(big.Int).Mul(q, new(big.Int).SetUint64(want[(pixel+j)*o.shape.K+channel])))
						if d.Mod(d, scaled).Cmp(new(big.Int).Rsh(scaled, 1)) > 0 {
							d.Sub(d, scaled)
						}
						v, _ := new(big.Float).SetInt(d).Float64()
						v = math.Ldexp(v, -64)
						if math.Abs(v) > -inner*float64(weight)*(errorBits+0.5)+1<<19 {
							t.Fatalf("weights %d: noise of 2^%.1f", weight, math.Log2(math.Abs(v)))
						}
						sum2, n = sum2+v*v, n+1
					}
				})
			}
			// Encoding rounds by up to 1/2, uniformly. The encryption of zero adds e·u
			// and e2·sk.
			predicted := inner * float64(weight) * float64(weight) * (errorVariance + 1./12)
			if hidden {
				predicted += 2 * bilinearN * 2. / 3 * errorVariance
			}
			if n != float64(o.productLen()) || math.Abs(sum2/n/predicted-1) > 0.4 {
				t.Errorf("weights %d: %v outputs with noise of 2^%.2f rms, not 2^%.2f", weight, n, math.Log2(sum2/n)/2, math.Log2(predicted)/2)
			}
		}
	}
	// The distance in the comment of bilinear.go, at the most terms.
	delta := math.Ldexp(1, 119)
	noise := math.Sqrt(maxBilinearTerms*(math.Ldexp(1, 126)/3)*(errorVariance+0.25)) + 1<<19
	if d := math.Log2((noise + math.Ldexp(delta, -62)) / (delta / 2)); d > -45.06 {
		t.Errorf("an output leaks 2^%.2f", d)
	}
	if q.Cmp(new(big.Int).Sub(power2(183), power2(143))) < 0 || q.BitLen() > 183 {
		t.Error("Q is not just below 2^183")
	}
}

// TestBilinearRepliesAreScaledToTheNearest holds replies to what is proved of
// them, against math/big.
func TestBilinearRepliesAreScaledToTheNearest(t *testing.T) {
	r, u := newBilinearParties(t)[0].ring, pointPacking(t)
	c := cipher{r.poly(), r.poly()}
	for part := range c {
		r.uniform(c[part], ring.NewSeed(), "test")
	}
	f := flood(bilinearN, ring.NewSeed())
	reply := r.reply(u, 0, 0, c, slices.Clone(f))
	low, top := replyOf1(reply)
	bits0 := make([]uint64, bilinearN)
	unpackBits(bits0, reply[bilinearMaskSize+8*bilinearN:], bilinearBits0)
	q := r.modulus()
	// nearest returns round(x·2^n/Q + y/2^64·2^(n−64)) mod 2^n for residues of x.
	nearest := func(part [][]uint64, j int, n uint, y int64) *big.Int {
		var residues []*big.Int
		for i := range part {
			residues = append(residues, new(big.Int).SetUint64(part[i][j]))
		}
		x := crt(residues, bilinearModulus[:])
		x.Lsh(x, 128).Div(x, q)
		x.Add(x, big.NewInt(y))
		x.Rsh(x, 127-n).Add(x, big.NewInt(1)).Rsh(x, 1)
		return x.Mod(x, power2(n))
	}
	for j := 0; j < bilinearN; j += 8 {
		got := bigOf(top[j], low[j])
		if want := nearest(c[1], j, 64+bilinearBits1, 0); got.Cmp(want) != 0 {
			t.Fatalf("c1' is %v, not %v", got, want)
		}
		got.SetUint64(binary.LittleEndian.Uint64(reply[bilinearMaskSize+8*j:]))
		got.Lsh(got, bilinearBits0).Add(got, new(big.Int).SetUint64(bits0[j]))
		if want := nearest(c[0], j, 64+bilinearBits0, int64(f[j])-1<<(bilinearFlood-1)); got.Cmp(want) != 0 {
			t.Fatalf("c0' is %v, not %v", got, want)
		}
	}
}

package offline

import (
	"math"
	"math/big"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

// zeroProducts is the least random batch there is.
func zeroProducts(kind correlation.Kind) *productsBatch {
	zero := make([]uint64, ProductsSlots)
	b := &productsBatch{kind: kind, a0: zero, c0: zero, a1: zero}
	if kind == correlation.Triples {
		b.b0, b.b1 = zero, zero
	}
	return b
}

func TestProductsMessagesAreFreshAndUniform(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	b := zeroProducts(correlation.Triples)
	q1, r1, _ := b.exchange(t, e, v)
	q2, _, _ := b.exchange(t, e, v)
	r2, err := v.Evaluate(b.a0, b.b0, b.c0, q1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what         string
		first, again []byte
	}{{"queries", q1, q2}, {"replies to one query", r1, r2}} {
		first, again := c.first[headerSize:], c.again[headerSize:]
		equal := 0
		for i := range first {
			if first[i] == again[i] {
				equal++
			}
		}
		n := float64(len(first))
		if math.Abs(float64(equal)-n/256) > 6*math.Sqrt(n/256) {
			t.Errorf("two %s share %d of %.0f bytes", c.what, equal, n)
		}
		if x := chiSquare(first); x > chiLimit {
			t.Errorf("bytes of %s: chi-square %.0f", c.what, x)
		}
	}
	if x := chiSquare(e.PublicKey()[headerSize:]); x > chiLimit {
		t.Errorf("bytes of the public key: chi-square %.0f", x)
	}
}

// masked decrypts a reply and returns x of every slot, in planes.
func (e *ProductsEncryptor) masked(reply []byte) [][]uint64 {
	s := e.newScratch()
	e.decrypt(s, reply[headerSize:])
	x := vectors(3, ProductsSlots)
	e.tRadix.integer(x, s.plain[0])
	return x
}

// TestMaskedProductsSayNothingOfTheEvaluator looks at what party 1 decrypts: for
// operands of party 0 that are as large as they can be, or zero, and with shares
// that do not vary, all bits of every x above the share are uniform, those of
// slots without an element too.
func TestMaskedProductsSayNothingOfTheEvaluator(t *testing.T) {
	const elements = ProductsSlots / 2
	for _, kind := range productKinds {
		if testing.Short() && kind != correlation.Triples {
			continue
		}
		e, v := productsPair(t, kind)
		for _, own := range []uint64{0, 1 << 63, 1<<63 - 1} {
			b := zeroProducts(kind)
			fill := func(v []uint64, x uint64) []uint64 {
				if v == nil {
					return nil
				}
				v = make([]uint64, elements)
				for i := range v {
					v[i] = x
				}
				return v
			}
			b.a0, b.b0, b.c0 = fill(b.a0, own), fill(b.b0, own), fill(b.c0, 0)
			b.a1, b.b1 = fill(b.a1, 1<<63), fill(b.b1, 1<<63)
			_, reply, c1 := b.exchange(t, e, v)
			if err := b.check(c1); err != nil {
				t.Fatal(err)
			}
			x := e.masked(reply)
			for shift := e.mask - 8; shift >= 64; shift -= 8 {
				places := make([]byte, ProductsSlots)
				for i := range places {
					places[i] = byte(x[1][i]>>(shift-64) | x[2][i]<<(128-shift) | x[2][i]>>(shift-128))
				}
				if c := max(chiSquare(places[:elements]), chiSquare(places[elements:])); c > chiLimit {
					t.Errorf("%v, operands %d: chi-square of the bits of x from %d on: %.0f", kind, own, shift, c)
				}
			}
			if !uniformPlaces(words(x[0][elements:]), 8) {
				t.Errorf("%v, operands %d: slots without an element have masks that are not uniform", kind, own)
			}
			for i, high := range x[2] { // 2^(offset+1) more is not met in practice
				if high>>(e.mask-128) != 0 {
					t.Fatalf("%v, operands %d: x of element %d has more bits than its mask", kind, own, i)
				}
			}
		}
	}
}

// remainders reads what is left of multiples of Q/T in the coefficients of a
// reply, in units of Q/T/2^32.
func (e *ProductsEncryptor) remainders(reply []byte) []int64 {
	s := e.newScratch()
	e.phase(s, reply[headerSize:])
	whole := e.t.modulus()
	left := make([]int64, ProductsSlots)
	for x := range left {
		f := new(big.Int)
		for l := 2; l >= 0; l-- {
			f.Lsh(f, 64).Or(f, new(big.Int).SetUint64(s.planes[l][x]))
		}
		left[x] = int64(wordsOf(f.Mul(f, whole), 3)[2]) >> 32
	}
	return left
}

// TestRepliesToOneQueryAreIndependent looks at two replies of an evaluator whose
// operands are zero: nothing is multiplied, so c1 is an encryption of zero alone.
func TestRepliesToOneQueryAreIndependent(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	b := zeroProducts(correlation.Triples)
	query, first, _ := b.exchange(t, e, v)
	again, err := v.Evaluate(b.a0, b.b0, b.c0, query)
	if err != nil {
		t.Fatal(err)
	}
	difference := make([]uint64, ProductsSlots)
	low := vectors(2, ProductsSlots)
	for i, reply := range [][]byte{first, again} {
		unpackBits(low[i], reply[headerSize:], 64)
	}
	ring.Sub(difference, low[0], low[1])
	if !uniformPlaces(words(difference), 8) {
		t.Error("the difference of c1 of two replies is not uniform")
	}
	if !independent(e.remainders(first), e.remainders(again)) {
		t.Error("the floods of two replies are correlated")
	}
	x, y := e.masked(first), e.masked(again)
	high := make([]int64, ProductsSlots) // the bits of the mask that a flood's high word has
	for i, w := range x[2] {
		high[i] = int64(w<<(128-e.flood)) >> (128 - e.flood)
	}
	if !independent(e.remainders(first), high) {
		t.Error("the flood of a reply follows from its mask")
	}
	ring.Sub(difference, x[1], y[1])
	if !uniformPlaces(words(difference), 8) {
		t.Error("the masks of two replies are correlated")
	}
}

// TestErrorsOfAProductsQueryAreFresh looks at queries for zeros: c0 + c1·s is
// then the error plus one.
func TestErrorsOfAProductsQueryAreFresh(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	b := zeroProducts(correlation.Triples)
	var errors [][]int64
	for range 2 {
		query, err := e.Encrypt(b.a1, b.b1)
		if err != nil {
			t.Fatal(err)
		}
		phases := e.queryPhases(t, query)
		for j, phase := range phases {
			noise := centred(phase[0], e.q.q[0])
			for l, q := range e.q.q {
				for x, r := range centred(phase[l], q) {
					if r != noise[x] {
						t.Fatalf("operand %d: the error is %d modulo one prime and %d modulo another", j, noise[x], r)
					}
				}
			}
			for x := range noise {
				noise[x]--
			}
			if !haveVariance(noise, errorVariance) {
				t.Errorf("operand %d: errors of variance %v, not %v", j, variance(noise), errorVariance)
			}
			fromPublic := make([]int64, ProductsSlots)
			smallErrors(fromPublic, ring.NewStream(ring.Seed(query[headerSize:]), "products/query error", uint64(j)))
			if !independent(noise, fromPublic) {
				t.Errorf("operand %d: the error follows from what is public", j)
			}
			for before, other := range errors {
				if !independent(noise, other) {
					t.Errorf("the errors of ciphertexts %d and %d are correlated", before, len(errors))
				}
			}
			errors = append(errors, noise)
		}
	}
	// Nor do two ciphertexts share their c1.
	query, err := e.Encrypt(b.a1, b.b1)
	if err != nil {
		t.Fatal(err)
	}
	first, second := v.queryC1(query, 0, 0), v.queryC1(query, 1, 0)
	other := v.queryC1(query, 0, 1)
	equal := 0
	for x := range first {
		if first[x] == second[x] || first[x] == other[x] {
			equal++
		}
	}
	if equal > 1 {
		t.Errorf("ciphertexts of a query share %d values of c1", equal)
	}
}

// queryC1 expands c1 of a query modulo prime l.
func (r *productsRings) queryC1(query []byte, operand, l int) []uint64 {
	c1 := make([]uint64, ProductsSlots)
	uniformMod(c1, ring.NewStream(ring.Seed(query[headerSize:]), "products/query", uint64(operand), uint64(l)), r.q.q[l])
	return c1
}

// queryPhases returns the coefficients of c0 + c1·s of each ciphertext of a
// query, modulo each prime.
func (e *ProductsEncryptor) queryPhases(t *testing.T, query []byte) [][][]uint64 {
	t.Helper()
	phases := make([][][]uint64, e.operands)
	for j := range phases {
		phases[j] = e.q.poly()
	}
	rest := query[headerSize+ring.SeedSize:]
	for l, sub := range e.q.sub {
		for j := range phases {
			var err error
			if rest, err = e.q.unpackResidues(phases[j][l], rest, l); err != nil {
				t.Fatal(err)
			}
			c1 := e.queryC1(query, j, l)
			sub.MulCoeffsMontgomery(c1, e.minusS[l], c1)
			sub.Sub(phases[j][l], c1, phases[j][l])
			sub.INTT(phases[j][l], phases[j][l])
		}
	}
	return phases
}

// TestEncryptionsOfZeroInRepliesCarryFreshErrors looks at c1 of replies before
// rounding, where nothing is multiplied: a·u + e1.
func TestEncryptionsOfZeroInRepliesCarryFreshErrors(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	b := zeroProducts(correlation.Triples)
	query, err := e.Encrypt(b.a1, b.b1)
	if err != nil {
		t.Fatal(err)
	}
	var errors, secrets [][]int64
	for range 2 {
		s := v.newScratch()
		v.prepareFactors(s, [][]uint64{b.a0, b.b0})
		if err := v.multiply(s, ring.NewSeed(), query[headerSize:]); err != nil {
			t.Fatal(err)
		}
		if !haveVariance(s.u, 2.0/3) {
			t.Errorf("u has variance %v, not 2/3", variance(s.u))
		}
		u := v.q.poly()
		v.q.lift(u, s.u)
		v.q.ntt(u)
		sub, product := v.q.sub[0], make([]uint64, ProductsSlots)
		for half, p := range v.public {
			sub.MulCoeffsMontgomery(p[0], u[0], product)
			sub.INTT(product, product)
			sub.Reduce(s.sum[half][0], s.sum[half][0])
			sub.Sub(s.sum[half][0], product, product)
			noise := centred(product, sub.Modulus)
			if half == 0 { // step 3 drowns it
				if variance(noise) != 0 {
					t.Error("c0 is not b·u")
				}
				continue
			}
			if !haveVariance(noise, errorVariance) {
				t.Errorf("errors of variance %v, not %v", variance(noise), errorVariance)
			}
			errors, secrets = append(errors, noise), append(secrets, s.u)
		}
	}
	if !independent(errors[0], errors[1]) || !independent(secrets[0], secrets[1]) {
		t.Error("the encryptions of zero in two replies are correlated")
	}
	if !independent(errors[0], secrets[0]) {
		t.Error("an encryption of zero has an error that follows from its secret")
	}
}

// TestProductsNoiseIsWhatThePlanAllows measures the three noises that the plan
// bounds: of a fresh ciphertext, of the products under the flood, and of the
// reply.
func TestProductsNoiseIsWhatThePlanAllows(t *testing.T) {
	for _, kind := range productKinds {
		if testing.Short() && kind != correlation.Triples {
			continue
		}
		e, v := productsPair(t, kind)
		b := drawProducts(kind, ProductsSlots)
		query, reply, _ := b.exchange(t, e, v)

		// The error, and what rounding in three parts takes away: between −1 and 2.
		for j, phase := range e.queryPhases(t, query) {
			rms, _ := e.noise(phase)
			if want := math.Sqrt(errorVariance + 1.0/4 + 1.0/4); math.Abs(rms/want-1) > 0.15 {
				t.Errorf("%v: ciphertext %d of a query has noise of %.2f, not %.2f", kind, j, rms, want)
			}
		}

		s, seed := v.newScratch(), ring.NewSeed()
		operands, err := v.checkOperands(b.a0, b.b0)
		if err != nil {
			t.Fatal(err)
		}
		v.prepareFactors(s, operands)
		if err := v.multiply(s, seed, query[headerSize:]); err != nil {
			t.Fatal(err)
		}
		for l, sub := range v.q.sub {
			c0, c1 := s.sum[0][l], s.sum[1][l]
			sub.Reduce(c0, c0)
			sub.Reduce(c1, c1)
			sub.NTT(c1, c1)
			sub.MulCoeffsMontgomery(c1, e.minusS[l], c1)
			sub.INTT(c1, c1)
			sub.Sub(c0, c1, c0)
		}
		_, mean := e.noise(s.sum[0])
		width, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(e.q.modulus()), int(e.flood)-256).Float64()
		if mean/width > math.Exp2(-productsFloodSigma) {
			t.Errorf("%v: noise shifts the flood by 2^%.1f of its width in the mean", kind, math.Log2(mean/width))
		}
		t.Logf("%v: noise is 2^%.1f of the flood's width in the mean", kind, math.Log2(mean/width))

		// What is left around the reply's plaintexts, in units of Q/T.
		whole, _ := new(big.Float).SetInt(e.t.modulus()).Float64()
		flood := math.Exp2(float64(e.flood)-256) * whole
		rounding0 := math.Exp2(-float64(e.bits0)) * whole
		rounding1 := productsTail / 10 * math.Exp2(-float64(e.bits1)) * whole
		if margin := 0.5 - flood/2 - rounding0/2 - 10*rounding1; margin < 0 {
			t.Errorf("%v: the noise budget is exceeded by %v", kind, -margin)
		}
		var squares, most float64
		for _, left := range e.remainders(reply) {
			d := float64(left) / (1 << 32)
			squares += d * d
			most = max(most, math.Abs(d))
		}
		rms := math.Sqrt(squares / ProductsSlots)
		want := math.Sqrt((flood*flood+rounding0*rounding0)/12 + rounding1*rounding1)
		if rms > 1.05*want || rms < 0.95*want {
			t.Errorf("%v: a reply has noise of %.3f, not %.3f", kind, rms, want)
		}
		if limit := flood/2 + rounding0/2 + 6*rounding1; most > limit {
			t.Errorf("%v: a reply has noise of %.3f, above %.3f", kind, most, limit)
		}
	}
}

// noise returns the root mean square and the mean magnitude of a polynomial
// modulo Q around multiples of Q/T, of every eighth coefficient.
func (r *productsRings) noise(p [][]uint64) (rms, mean float64) {
	const sample = 8
	q, whole := r.q.modulus(), r.t.modulus()
	half := new(big.Int).Rsh(q, 1)
	tf, _ := new(big.Float).SetInt(whole).Float64()
	for x := 0; x < ProductsSlots; x += sample {
		residues := make([]*big.Int, len(p))
		for l := range p {
			residues[l] = new(big.Int).SetUint64(p[l][x])
		}
		c := crt(residues, r.q.q)
		c.Mul(c, whole).Mod(c, q)
		if c.Cmp(half) > 0 {
			c.Sub(c, q)
		}
		f, _ := new(big.Float).SetInt(c).Float64()
		rms += f / tf * f / tf
		mean += math.Abs(f / tf)
	}
	return math.Sqrt(rms / ProductsSlots * sample), mean / ProductsSlots * sample
}

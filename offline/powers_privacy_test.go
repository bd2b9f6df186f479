package offline

import (
	"math"
	"math/big"
	"testing"

	"pascaline/ring"
)

// chiSquare returns the statistic of byte counts against the uniform
// distribution: 255 ± 22.6 where it holds.
func chiSquare(samples []byte) float64 {
	var count [256]float64
	for _, b := range samples {
		count[b]++
	}
	want, sum := float64(len(samples))/256, 0.0
	for _, c := range count {
		sum += (c - want) * (c - want) / want
	}
	return sum
}

// chiLimit is six standard deviations above the mean of chiSquare.
const chiLimit = 255 + 6*22.6

func TestPowersMessagesAreFreshAndUniform(t *testing.T) {
	e, v := powersPair(t, 3, 53)
	// The least random input there is: nothing but zeros, twice.
	rho := make([]uint64, PowersSlots)
	shares := []ring.Vec128{ring.MakeVec128(PowersSlots), ring.MakeVec128(PowersSlots)}
	q1, r1, _ := makePowers(t, e, v, rho, rho, shares)
	q2, _, _ := makePowers(t, e, v, rho, rho, shares)
	r2, err := v.Evaluate(rho, shares, q1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what         string
		first, again []byte
	}{{"queries", q1, q2}, {"replies to one query", r1, r2}} {
		first, again := c.first[powersHeader:], c.again[powersHeader:]
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
	if x := chiSquare(e.PublicKey()[powersHeader:]); x > chiLimit {
		t.Errorf("bytes of the public key: chi-square %.0f", x)
	}
}

// TestMaskedPowersSayNothingOfTheEvaluator looks at what the client decrypts:
// for the evaluator's smallest and largest masks, and with shares that do not
// vary, the high bits of every x are uniform.
func TestMaskedPowersSayNothingOfTheEvaluator(t *testing.T) {
	const degree, maskBits = 4, 53
	e, v := powersPair(t, degree, maskBits)
	rho1 := make([]uint64, PowersSlots)
	for i := range rho1 {
		rho1[i] = 1<<maskBits - 1
	}
	shares := make([]ring.Vec128, degree-1)
	for k := range shares {
		shares[k] = ring.MakeVec128(PowersSlots)
	}
	for _, own := range []uint64{0, 1<<maskBits - 1} {
		rho0 := make([]uint64, PowersSlots)
		for i := range rho0 {
			rho0[i] = own
		}
		query, err := e.Encrypt(rho1)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := v.Evaluate(rho0, shares, query)
		if err != nil {
			t.Fatal(err)
		}
		s := e.newScratch()
		rest := reply[powersHeader:]
		for i := range e.t.q {
			for k := range e.count {
				if i < e.count[k] {
					rest = e.decrypt(s, s.masked[k][i], i, rest)
				}
			}
		}
		for k := range e.count {
			top, next := make([]byte, PowersSlots), make([]byte, PowersSlots)
			for i := range top {
				x := e.maskedInteger(s, k, i)
				x.Rsh(x, e.mask[k]-16)
				if x.Cmp(power2(16)) >= 0 {
					t.Fatalf("power %d: x has more bits than its mask", k+2)
				}
				top[i], next[i] = byte(x.Uint64()>>8), byte(x.Uint64())
			}
			if x := chiSquare(top); x > chiLimit {
				t.Errorf("ρ_0 = %d, power %d: chi-square of the first byte %.0f", own, k+2, x)
			}
			if x := chiSquare(next); x > chiLimit && e.mask[k] >= 128+16 {
				t.Errorf("ρ_0 = %d, power %d: chi-square of the second byte %.0f", own, k+2, x)
			}
		}
	}
}

// TestAnswersOfAReplyAreIndependent looks at answers to an evaluator whose centred
// masks are zero: nothing is multiplied, so c1 is an encryption of zero alone.
func TestAnswersOfAReplyAreIndependent(t *testing.T) {
	const degree, maskBits = 4, 53
	e, v := powersPair(t, degree, maskBits)
	rho := make([]uint64, PowersSlots)
	for i := range rho {
		rho[i] = 1 << (maskBits - 1)
	}
	shares := make([]ring.Vec128, degree-1)
	for k := range shares {
		shares[k] = ring.MakeVec128(PowersSlots)
	}
	query, err := e.Encrypt(rho)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := v.Evaluate(rho, shares, query)
	if err != nil {
		t.Fatal(err)
	}
	s := e.newScratch()
	whole := min(int(e.bits1)/8, 8) // bytes of a word that c1 fills
	var low [][]uint64
	var floods [][]int64
	rest := reply[powersHeader:]
	for i, p := range e.t.q {
		for k := range e.count {
			if i >= e.count[k] {
				continue
			}
			planes := vectors(widePlanes(e.bits1), PowersSlots)
			unpackWide(planes, rest, e.bits1)
			rest = e.phase(s, rest)
			flood := make([]int64, PowersSlots)
			for x, hi := range s.c[0] {
				flood[x] = int64(hi*p) >> 32 // what is left of a multiple of Q/T, rounded down
			}
			low, floods = append(low, planes[0]), append(floods, flood)
		}
	}
	for i := range low {
		for j := range i {
			d := make([]uint64, PowersSlots)
			ring.Sub(d, low[i], low[j])
			var filled []byte
			for w := words(d); len(w) > 0; w = w[8:] {
				filled = append(filled, w[:whole]...)
			}
			if !uniformPlaces(filled, whole) {
				t.Errorf("the difference of c1 of answers %d and %d is not uniform", i, j)
			}
			if !independent(floods[i], floods[j]) {
				t.Errorf("the floods of answers %d and %d are correlated", i, j)
			}
		}
	}

	// What the masks M add to the shares, from bit 128 on.
	own := v.newScratch()
	v.prepareOwn(own, rho, shares, ring.NewSeed())
	for k := range own.own {
		for j := range k {
			if len(own.own[j]) > 2 && v.mask[j] >= 128+64 {
				d := make([]uint64, PowersSlots)
				ring.Sub(d, own.own[k][2], own.own[j][2])
				if !uniformPlaces(words(d), 8) {
					t.Errorf("the masks of powers %d and %d are correlated", j+2, k+2)
				}
			}
		}
	}
}

// TestErrorsOfAQueryAreFresh looks at queries that lose no bits, for masks that
// are zero when centred: c0 + c1·s is then the error and nothing else.
func TestErrorsOfAQueryAreFresh(t *testing.T) {
	const degree, maskBits = 3, 53
	rings, err := ringsForPowers(degree, maskBits)
	if err != nil {
		t.Fatal(err)
	}
	plan := *rings.powersPlan
	plan.queryBits, plan.drop = plan.queryBits+plan.drop, 0
	whole := *rings
	whole.powersPlan = &plan
	e := newPowersEncryptor(&whole)
	v, err := newPowersEvaluator(&whole, e.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	rho := make([]uint64, PowersSlots)
	for i := range rho {
		rho[i] = 1 << (maskBits - 1)
	}
	s := v.newScratch()
	var errors [][]int64
	for range 2 {
		query, err := e.Encrypt(rho)
		if err != nil {
			t.Fatal(err)
		}
		public, rest := ring.Seed(query[powersHeader:]), query[powersHeader+ring.SeedSize:]
		for i := range e.t.q {
			for j := range degree - 1 {
				index := []uint64{uint64(i), uint64(j)}
				v.q.uniform(s.c1[j], public, "powers/query", index...)
				if rest, err = v.unpack(s, s.c0[j], rest); err != nil {
					t.Fatal(err)
				}
				// Both parts are in Montgomery form; modulo one prime says it all.
				sub, phase := e.q.sub[0], make([]uint64, PowersSlots)
				sub.MulCoeffsMontgomery(s.c1[j][0], e.minusS[0], phase)
				sub.IMForm(s.c0[j][0], s.c0[j][0])
				sub.Sub(s.c0[j][0], phase, phase)
				sub.INTT(phase, phase)
				noise := centred(phase, sub.Modulus)
				if !haveVariance(noise, errorVariance) {
					t.Errorf("prime %d, power %d: errors of variance %v, not %v", i, j+1, variance(noise), errorVariance)
				}
				fromPublic := make([]int64, PowersSlots)
				smallErrors(fromPublic, ring.NewStream(public, "powers/query error", index...))
				if !independent(noise, fromPublic) {
					t.Errorf("prime %d, power %d: the error follows from what is public", i, j+1)
				}
				for before, other := range errors {
					if !independent(noise, other) {
						t.Errorf("the errors of ciphertexts %d and %d are correlated", before, len(errors))
					}
				}
				errors = append(errors, noise)
			}
		}
	}
}

// TestEncryptionsOfZeroInAnswersCarryFreshErrors looks at c1 of answers before
// rounding, where nothing is multiplied: a·u + e1.
func TestEncryptionsOfZeroInAnswersCarryFreshErrors(t *testing.T) {
	_, v := powersPair(t, 3, 53)
	s, seed := v.newScratch(), ring.NewSeed()
	var errors [][]int64
	for i := range v.t.q {
		for k := range v.count {
			v.hiddenC1(s, k, seed, []uint64{uint64(i), uint64(k)})
			sub, product := v.q.sub[0], make([]uint64, PowersSlots)
			sub.MulCoeffsMontgomery(v.public[1][0], s.zero[0], product)
			sub.INTT(product, product)
			sub.Reduce(s.sum[0], s.sum[0])
			sub.Sub(s.sum[0], product, product)
			noise := centred(product, sub.Modulus)
			if !haveVariance(noise, errorVariance) {
				t.Errorf("prime %d, power %d: errors of variance %v, not %v", i, k+2, variance(noise), errorVariance)
			}
			for before, other := range errors {
				if !independent(noise, other) {
					t.Errorf("the errors of answers %d and %d are correlated", before, len(errors))
				}
			}
			errors = append(errors, noise)
		}
	}
}

// maskedInteger reconstructs x of one element by the Chinese remainder theorem
// in math/big.
func (e *PowersEncryptor) maskedInteger(s *encryptorScratch, k, element int) *big.Int {
	residues := make([]*big.Int, e.count[k])
	for i := range residues {
		residues[i] = new(big.Int).SetUint64(s.masked[k][i][element])
		residues[i].Mul(residues[i], e.factorial[k+2])
	}
	return crt(residues, e.t.q[:e.count[k]])
}

func crt(residues []*big.Int, primes []uint64) *big.Int {
	product := big.NewInt(1)
	for _, p := range primes {
		product.Mul(product, new(big.Int).SetUint64(p))
	}
	x := new(big.Int)
	for i, p := range primes {
		m := new(big.Int).SetUint64(p)
		rest := new(big.Int).Quo(product, m)
		term := new(big.Int).ModInverse(rest, m)
		term.Mul(term, residues[i]).Mod(term, m)
		x.Add(x, term.Mul(term, rest))
	}
	return x.Mod(x, product)
}

// TestPowersNoiseIsWhatThePlanAllows measures the three noises that the plan
// bounds: of a fresh ciphertext, of the products under the flood, and of the
// reply.
func TestPowersNoiseIsWhatThePlanAllows(t *testing.T) {
	const degree, maskBits = 4, 53
	e, v := powersPair(t, degree, maskBits)
	h0, h1 := powersHalves(e, PowersSlots)
	rho0, rho1, shares := h0.Rho(), h1.Rho(), h0.Powers()
	query, err := e.Encrypt(rho1)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := v.Evaluate(rho0, shares, query)
	if err != nil {
		t.Fatal(err)
	}

	s, seed := v.newScratch(), ring.NewSeed()
	v.prepareOwn(s, rho0, shares, seed)
	rest := query[powersHeader+ring.SeedSize:]
	public := ring.Seed(query[powersHeader:])
	for j := range degree - 1 {
		v.factorValues(s, 0, j)
		v.q.uniform(s.c1[j], public, "powers/query", 0, uint64(j))
		if rest, err = v.unpack(s, s.c0[j], rest); err != nil {
			t.Fatal(err)
		}
	}

	// c0 and c1 are in Montgomery form.
	phase := v.q.poly()
	one := v.q.poly()
	for l, sub := range v.q.sub {
		for x := range one[l] {
			one[l][x] = 1
		}
		c1s := make([]uint64, PowersSlots)
		sub.MulCoeffsMontgomery(s.c0[0][l], one[l], phase[l])
		sub.MulCoeffsMontgomery(s.c1[0][l], e.minusS[l], c1s)
		sub.Sub(phase[l], c1s, phase[l])
	}
	v.q.intt(phase)
	want := math.Exp2(float64(e.drop)) / math.Sqrt(12)
	if rms, _ := e.noise(phase, 0); math.Abs(rms/want-1) > 0.05 {
		t.Errorf("a query has noise of 2^%.2f, not 2^%.2f", math.Log2(rms), math.Log2(want))
	}

	// The products of the highest power, with the encryption of zero.
	small := make([]int64, PowersSlots)
	ternary(small, ring.NewStream(seed, "test"))
	v.q.lift(s.zero, small)
	v.q.ntt(s.zero)
	k := degree - 2
	v.products(s, s.c1, v.public[1], k)
	for l, sub := range v.q.sub {
		sub.Reduce(s.sum[l], phase[l])
		sub.NTT(phase[l], phase[l])
		sub.MulCoeffsBarrett(phase[l], e.minusS[l], phase[l])
		sub.INTT(phase[l], phase[l])
	}
	v.products(s, s.c0, v.public[0], k)
	for l, sub := range v.q.sub {
		sub.Reduce(s.sum[l], s.sum[l])
		sub.Sub(s.sum[l], phase[l], phase[l])
	}
	_, mean := e.noise(phase, 0)
	width, _ := new(big.Float).SetInt(e.q.modulus()).Float64()
	width *= math.Exp2(float64(e.flood) - 128)
	if mean/width > math.Exp2(-powersFloodSigma) {
		t.Errorf("noise shifts the flood by 2^%.1f of its width in the mean", math.Log2(mean/width))
	}
	t.Logf("noise is 2^%.1f of the flood's width in the mean", math.Log2(mean/width))

	// What is left around the reply's plaintexts, in units of Q/T.
	scratch := e.newScratch()
	rest = reply[powersHeader:]
	for i, p := range e.t.q {
		flood := math.Exp2(float64(e.flood)-128) * float64(p)
		rounding0 := math.Exp2(-float64(e.bits0)) * float64(p)
		rounding1 := powersTail / 10 * math.Exp2(-float64(e.bits1)) * float64(p)
		if margin := 0.5 - flood/2 - rounding0/2 - 10*rounding1; margin < 0 {
			t.Errorf("the noise budget of prime %d is exceeded by %v", i, -margin)
		}
		for k := range e.count {
			if i >= e.count[k] {
				continue
			}
			rest = e.phase(scratch, rest)
			var squares, most float64
			for x, hi := range scratch.c[0] {
				// The fraction of Q/T, centred.
				f := new(big.Int).SetUint64(hi)
				f.Lsh(f, 64).Or(f, new(big.Int).SetUint64(scratch.c[1][x]))
				f.Mul(f, new(big.Int).SetUint64(p)).Rsh(f, 64)
				d := float64(int64(f.Uint64())) / (1 << 63) / 2
				squares += d * d
				most = max(most, math.Abs(d))
			}
			rms := math.Sqrt(squares / PowersSlots)
			want := math.Sqrt((flood*flood+rounding0*rounding0)/12 + rounding1*rounding1)
			if rms > 1.05*want || rms < 0.9*want {
				t.Errorf("reply %d, %d: noise of %.3f, not %.3f", i, k, rms, want)
			}
			if limit := flood/2 + rounding0/2 + 6*rounding1; most > limit {
				t.Errorf("reply %d, %d: noise of %.3f, above %.3f", i, k, most, limit)
			}
		}
	}
}

// noise returns the root mean square and the mean magnitude of a polynomial
// modulo Q around multiples of Q/T_i.
func (e *PowersEncryptor) noise(p [][]uint64, i int) (rms, mean float64) {
	q, t := e.q.modulus(), new(big.Int).SetUint64(e.t.q[i])
	half := new(big.Int).Rsh(q, 1)
	tf, _ := new(big.Float).SetInt(t).Float64()
	for x := range PowersSlots {
		residues := make([]*big.Int, len(p))
		for l := range p {
			residues[l] = new(big.Int).SetUint64(p[l][x])
		}
		c := crt(residues, e.q.q)
		c.Mul(c, t).Mod(c, q)
		if c.Cmp(half) > 0 {
			c.Sub(c, q)
		}
		f, _ := new(big.Float).SetInt(c).Float64()
		rms += f / tf * f / tf
		mean += math.Abs(f / tf)
	}
	return math.Sqrt(rms / PowersSlots), mean / PowersSlots
}

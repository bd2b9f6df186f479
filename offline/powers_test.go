package offline

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/ring"
)

// powersPair returns both parties with a fresh key.
func powersPair(t testing.TB, degree int, maskBits uint) (*PowersEncryptor, *PowersEvaluator) {
	t.Helper()
	e, err := NewPowersEncryptor(degree, maskBits)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewPowersEvaluator(degree, maskBits, e.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return e, v
}

// powersHalves draws the specs and seeds of both halves of n elements.
func powersHalves(e *PowersEncryptor, n int) (h0, h1 *correlation.Half) {
	spec := correlation.Spec{Kind: correlation.Powers, N: n, Degree: e.degree, MaskBits: e.maskBits}
	return correlation.NewHalf(spec, 0), correlation.NewHalf(spec, 1)
}

// makePowers runs one exchange and returns its messages and the client's
// shares.
func makePowers(t testing.TB, e *PowersEncryptor, v *PowersEvaluator, rho0, rho1 []uint64, shares []ring.Vec128) (query, reply []byte, own []ring.Vec128) {
	t.Helper()
	query, err := e.Encrypt(rho1)
	if err != nil {
		t.Fatal(err)
	}
	if reply, err = v.Evaluate(rho0, shares, query); err != nil {
		t.Fatal(err)
	}
	if own, err = e.Decrypt(rho1, reply); err != nil {
		t.Fatal(err)
	}
	return query, reply, own
}

func TestPowersAddUpAtEveryDegreeAndWidth(t *testing.T) {
	widths := map[int][]uint{2: {1, 61}, 3: {54}, 4: {53, 56, 61}, 5: {58}, 6: {30}, 7: {56}, 8: {2, 61}}
	for degree := 2; degree <= 8; degree++ {
		if testing.Short() {
			if degree > 4 {
				break
			}
			widths[degree] = widths[degree][:1]
		}
		for _, maskBits := range widths[degree] {
			t.Run(fmt.Sprintf("degree %d, %d bits", degree, maskBits), func(t *testing.T) {
				e, v := powersPair(t, degree, maskBits)
				for _, n := range []int{PowersSlots, 1 + rand.IntN(100)} {
					h0, h1 := powersHalves(e, n)
					_, _, shares := makePowers(t, e, v, h0.Rho(), h1.Rho(), h0.Powers())
					h1.SetPowers(shares)
					if err := correlation.Verify(h0, h1); err != nil {
						t.Errorf("%d elements: %v", n, err)
					}
				}
			})
		}
	}
}

// TestPowersOfExtremeMasksAddUp puts every pair of extreme parts side by side,
// with shares at their extremes too, and compares with math/big.
func TestPowersOfExtremeMasksAddUp(t *testing.T) {
	for _, c := range []struct {
		degree   int
		maskBits uint
	}{{2, 1}, {4, 56}, {5, 61}, {8, 61}} {
		if testing.Short() && c.degree > 5 {
			break
		}
		e, v := powersPair(t, c.degree, c.maskBits)
		top := uint64(1)<<c.maskBits - 1
		extremes := []uint64{0, 1 & top, top, top >> 1, top>>1 + 1, top - 1}
		var rho0, rho1 []uint64
		for _, x := range extremes {
			for _, y := range extremes {
				for range 3 {
					rho0, rho1 = append(rho0, x), append(rho1, y)
				}
			}
		}
		shares := make([]ring.Vec128, c.degree-1)
		for k := range shares {
			shares[k] = ring.MakeVec128(len(rho0))
			for i := range rho0 {
				switch i % 3 {
				case 1:
					shares[k].Lo[i], shares[k].Hi[i] = ^uint64(0), ^uint64(0)
				case 2:
					shares[k].Lo[i], shares[k].Hi[i] = rand.Uint64(), rand.Uint64()
				}
			}
		}
		_, _, own := makePowers(t, e, v, rho0, rho1, shares)
		for k := range shares {
			for i := range rho0 {
				want := new(big.Int).SetUint64(rho0[i])
				want.Add(want, new(big.Int).SetUint64(rho1[i])).Exp(want, big.NewInt(int64(k+2)), power2(128))
				got := new(big.Int).Add(big128(shares[k], i), big128(own[k], i))
				if got.Mod(got, power2(128)).Cmp(want) != 0 {
					t.Fatalf("degree %d: shares of (%d + %d)^%d add up to %v, not %v", c.degree, rho0[i], rho1[i], k+2, got, want)
				}
			}
		}
	}
}

func big128(v ring.Vec128, i int) *big.Int {
	x := new(big.Int).SetUint64(v.Hi[i])
	return x.Lsh(x, 64).Or(x, new(big.Int).SetUint64(v.Lo[i]))
}

func TestPowersBatchesMayBeMadeAtTheSameTime(t *testing.T) {
	e, v := powersPair(t, 3, 53)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			h0, h1 := powersHalves(e, PowersSlots)
			query, err := e.Encrypt(h1.Rho())
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := v.Evaluate(h0.Rho(), h0.Powers(), query)
			if err != nil {
				t.Error(err)
				return
			}
			shares, err := e.Decrypt(h1.Rho(), reply)
			if err != nil {
				t.Error(err)
				return
			}
			h1.SetPowers(shares)
			if err := correlation.Verify(h0, h1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestPowersAddUpBetweenUnlikeMachines pairs each party with one that has no
// vector instructions.
func TestPowersAddUpBetweenUnlikeMachines(t *testing.T) {
	r, err := ringsForPowers(2, 53)
	if err != nil {
		t.Fatal(err)
	}
	plain := *r
	plain.q, plain.t = withoutVectors(r.q), withoutVectors(r.t)
	for _, c := range []struct{ encrypt, evaluate *powersRings }{{r, &plain}, {&plain, r}} {
		e := newPowersEncryptor(c.encrypt)
		v, err := newPowersEvaluator(c.evaluate, e.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		h0, h1 := powersHalves(e, PowersSlots)
		_, _, shares := makePowers(t, e, v, h0.Rho(), h1.Rho(), h0.Powers())
		h1.SetPowers(shares)
		if err := correlation.Verify(h0, h1); err != nil {
			t.Error(err)
		}
	}
}

func withoutVectors(r *rlwe) *rlwe {
	c := *r
	c.transform = nil
	for _, s := range c.sub {
		c.transform = append(c.transform, transform{sub: s})
	}
	return &c
}

func TestPowersMessagesHaveTheirAnnouncedSizes(t *testing.T) {
	e, v := powersPair(t, 2, 40)
	h0, h1 := powersHalves(e, 10)
	query, reply, _ := makePowers(t, e, v, h0.Rho(), h1.Rho(), h0.Powers())
	if len(query) != PowersQuerySize(2, 40, 10) || len(reply) != PowersReplySize(2, 40, 10) {
		t.Errorf("query of %d and reply of %d bytes were announced as %d and %d",
			len(query), len(reply), PowersQuerySize(2, 40, 10), PowersReplySize(2, 40, 10))
	}
	if got := PowersQuerySize(2, 40, 2*PowersSlots+1); got != 3*len(query) {
		t.Errorf("queries for two batches and an element take %d bytes, not %d", got, 3*len(query))
	}
	for _, c := range []struct {
		degree   int
		maskBits uint
		n        int
	}{{1, 40, 1}, {9, 40, 1}, {4, 0, 1}, {4, 62, 1}, {4, 40, -1}} {
		if q, r := PowersQuerySize(c.degree, c.maskBits, c.n), PowersReplySize(c.degree, c.maskBits, c.n); q != 0 || r != 0 {
			t.Errorf("%+v: sizes %d and %d of what cannot be", c, q, r)
		}
	}
}

// TestPowersTrafficStaysBelowTheBar holds the two sizes of degree 4 that the
// design was measured with, in bytes per element.
func TestPowersTrafficStaysBelowTheBar(t *testing.T) {
	up := float64(PowersQuerySize(4, 56, PowersSlots)) / PowersSlots
	down := float64(PowersReplySize(4, 56, PowersSlots)) / PowersSlots
	if up > 343 || down > 194 {
		t.Errorf("%.1f bytes up and %.1f down for each element", up, down)
	}
}

func TestPowersRefuseWhatDoesNotFit(t *testing.T) {
	e, v := powersPair(t, 2, 20)
	h0, h1 := powersHalves(e, 5)
	rho0, rho1, shares := h0.Rho(), h1.Rho(), h0.Powers()
	query, reply, _ := makePowers(t, e, v, rho0, rho1, shares)
	_, otherBits := powersPair(t, 2, 21)
	other, otherDegree := powersPair(t, 3, 20)
	otherQuery, err := other.Encrypt(rho1)
	if err != nil {
		t.Fatal(err)
	}
	with := func(b []byte, at int, x byte) []byte {
		b = bytes.Clone(b)
		b[at] = x
		return b
	}
	ones := bytes.Clone(query) // coefficients above Q
	for i := powersHeader + ring.SeedSize; i < len(ones); i++ {
		ones[i] = 0xff
	}
	key := e.PublicKey()
	onesKey := bytes.Clone(key)
	for i := powersHeader + ring.SeedSize; i < len(key); i++ {
		onesKey[i] = 0xff
	}
	tooLarge := []uint64{0, 1 << 20, 0, 0, 0}
	evaluate := func(v *PowersEvaluator, rho []uint64, shares []ring.Vec128, query []byte) error {
		_, err := v.Evaluate(rho, shares, query)
		return err
	}
	decrypt := func(rho []uint64, reply []byte) error { _, err := e.Decrypt(rho, reply); return err }
	encrypt := func(rho []uint64) error { _, err := e.Encrypt(rho); return err }
	read := func(degree int, maskBits uint, key []byte) error {
		_, err := NewPowersEvaluator(degree, maskBits, key)
		return err
	}
	for _, c := range []struct {
		what, says string
		err        error
	}{
		{"nothing to encrypt", "0 elements", encrypt(nil)},
		{"too many to encrypt", "8193 elements", encrypt(make([]uint64, PowersSlots+1))},
		{"a wide part", "below 2^20", encrypt(tooLarge)},
		{"nothing to evaluate", "0 elements", evaluate(v, nil, shares, query)},
		{"a wide part of the evaluator", "below 2^20", evaluate(v, tooLarge, shares, query)},
		{"no shares", "0 powers", evaluate(v, rho0, nil, query)},
		{"short shares", "4 shares", evaluate(v, rho0, []ring.Vec128{shares[0].Slice(0, 4)}, query)},
		{"half a share", "shares of power 2", evaluate(v, rho0, []ring.Vec128{{Lo: shares[0].Lo, Hi: shares[0].Hi[:4]}}, query)},
		{"no query", "0 bytes", evaluate(v, rho0, shares, nil)},
		{"a short query", "bytes", evaluate(v, rho0, shares, query[:len(query)-1])},
		{"a long query", "bytes", evaluate(v, rho0, shares, append(bytes.Clone(query), 0))},
		{"a query of another degree", "bytes", evaluate(v, rho0, shares, otherQuery)},
		{"a query for another degree", "degree 3", evaluate(v, rho0, shares, with(query, 2, 3))},
		{"a query for another width", "20 bits", evaluate(otherBits, rho0, shares, query)},
		{"a query of another version", "version 9", evaluate(v, rho0, shares, with(query, 0, 9))},
		{"another message", "type 3", evaluate(v, rho0, shares, with(query, 1, 3))},
		{"another number of elements", "6 elements", evaluate(v, rho0, shares, with(query, 4, 6))},
		{"coefficients above the modulus", "not below", evaluate(v, rho0, shares, ones)},
		{"no reply", "0 bytes", decrypt(rho1, nil)},
		{"a short reply", "bytes", decrypt(rho1, reply[1:])},
		{"a query for a reply", "bytes", decrypt(rho1, query)},
		{"a reply for other elements", "5 elements", decrypt(rho1[:4], reply)},
		{"a reply to nothing", "0 elements", decrypt(nil, reply)},
		{"no key", "0 bytes", read(2, 20, nil)},
		{"a short key", "bytes", read(2, 20, key[:100])},
		{"a key of another degree", "degree 2", read(3, 20, key)},
		{"values above their primes", "not below", read(2, 20, onesKey)},
		{"a degree there is not", "degree 9", read(9, 20, key)},
		{"a width there is not", "62 bits", read(2, 62, key)},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", c.what, c.err, c.says)
		}
	}
	if otherDegree == nil || evaluate(v, rho0, shares, query) != nil {
		t.Error("what fits is refused after what does not")
	}
}

func TestFlippedBitOfReplyDoesNotVerify(t *testing.T) {
	e, v := powersPair(t, 2, 53)
	h0, h1 := powersHalves(e, PowersSlots)
	_, reply, own := makePowers(t, e, v, h0.Rho(), h1.Rho(), h0.Powers())
	h1.SetPowers(own)
	if err := correlation.Verify(h0, h1); err != nil {
		t.Fatal(err)
	}
	// The last byte holds the high bits of the last coefficient of a c0.
	reply[len(reply)-1] ^= 0x80
	var err error
	shares, err := e.Decrypt(h1.Rho(), reply)
	if err != nil {
		t.Fatal(err)
	}
	h1.SetPowers(shares)
	if correlation.Verify(h0, h1) == nil {
		t.Error("the halves verify after a bit of the reply was flipped")
	}
}

func TestEveryPlanOfPowersHolds(t *testing.T) {
	for degree := correlation.MinDegree; degree <= correlation.MaxDegree; degree++ {
		step := uint(1)
		if testing.Short() {
			step = 4
		}
		for maskBits := uint(1); maskBits <= correlation.MaxMaskBits; maskBits += step {
			p, err := planPowers(degree, maskBits)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkPlan(p); err != nil {
				t.Fatalf("degree %d, %d bits: %v", degree, maskBits, err)
			}
		}
	}
}

// checkPlan restates what a plan promises, with its bounds computed anew.
func checkPlan(p *powersPlan) error {
	for _, t := range p.t {
		if t%(2*PowersSlots) != 1 || t>>58 != 0 || !new(big.Int).SetUint64(t).ProbablyPrime(20) {
			return fmt.Errorf("%d is no plaintext prime", t)
		}
	}
	for k := 2; k <= p.degree; k++ {
		o, m := p.offset[k-2], p.mask[k-2]
		// |v| for the largest |a| and |b|, one power at a time.
		most := new(big.Int)
		for j := range k {
			term := big.NewInt(1)
			for _, e := range []int{j, k - j} {
				f := power2((p.maskBits - 1) * uint(e))
				if f.Cmp(power2(127)) > 0 {
					f = power2(127)
				}
				term.Mul(term, f)
			}
			most.Add(most, term.Mul(term, new(big.Int).Binomial(int64(k), int64(j))))
		}
		product := big.NewInt(1)
		for _, t := range p.t[:p.count[k-2]] {
			product.Mul(product, new(big.Int).SetUint64(t))
		}
		room := new(big.Int).Add(power2(m), power2(o+1))
		switch {
		case most.Cmp(power2(o)) > 0:
			return fmt.Errorf("values of power %d exceed 2^%d", k, o)
		case m < o+45 || m < 128:
			return fmt.Errorf("masks of power %d have %d bits over values of %d", k, m, o)
		case product.Cmp(room) < 0:
			return fmt.Errorf("the primes of power %d do not hold its values", k)
		case widePlanes(m+1) > 5:
			return fmt.Errorf("masks of power %d have %d bits", k, m)
		}
	}
	if p.replies() > 39 {
		return fmt.Errorf("a reply has %d ciphertexts", p.replies())
	}
	if p.flood <= 64 || p.flood > 128 || p.drop > 63 || widePlanes(p.queryBits) != 3 || p.bits0 > 64 || p.bits1 > 86 || p.bits1 < p.bits0 {
		return fmt.Errorf("widths are out of the code's range: %+v", *p)
	}
	return nil
}

func BenchmarkPowers(b *testing.B) {
	for _, c := range []struct {
		degree   int
		maskBits uint
	}{{2, 53}, {3, 53}, {4, 53}, {4, 56}, {5, 53}, {6, 53}, {8, 53}} {
		e, v := powersPair(b, c.degree, c.maskBits)
		h0, h1 := powersHalves(e, PowersSlots)
		rho0, rho1, shares := h0.Rho(), h1.Rho(), h0.Powers()
		query, reply, _ := makePowers(b, e, v, rho0, rho1, shares)
		run := func(name string, bytes int, f func() error) {
			b.Run(fmt.Sprintf("degree=%d/bits=%d/%s", c.degree, c.maskBits, name), func(b *testing.B) {
				b.ReportAllocs()
				start := cpu.Seconds()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(1000*(cpu.Seconds()-start)/float64(b.N), "cpu-ms/op")
				if bytes > 0 {
					b.ReportMetric(float64(bytes)/PowersSlots, "B/element")
				}
			})
		}
		run("encrypt", len(query), func() error { _, err := e.Encrypt(rho1); return err })
		run("evaluate", len(reply), func() error { _, err := v.Evaluate(rho0, shares, query); return err })
		run("decrypt", 0, func() error { _, err := e.Decrypt(rho1, reply); return err })
	}
}

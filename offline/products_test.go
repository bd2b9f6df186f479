package offline

import (
	"bytes"
	"fmt"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/cpu"
	"pascaline/ring"
)

// productKinds are the kinds that these exchanges make.
var productKinds = []correlation.Kind{correlation.Triples, correlation.Squares, correlation.Products}

// productsPair returns both parties with a fresh key.
func productsPair(t testing.TB, kind correlation.Kind) (*ProductsEncryptor, *ProductsEvaluator) {
	t.Helper()
	e, err := NewProductsEncryptor(kind)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewProductsEvaluator(kind, e.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return e, v
}

// productsBatch is what both parties bring to an exchange.
type productsBatch struct {
	kind               correlation.Kind
	a0, b0, c0, a1, b1 []uint64
}

// drawProducts draws a batch of n elements.
func drawProducts(kind correlation.Kind, n int) *productsBatch {
	draw := func() []uint64 {
		v := make([]uint64, n)
		ring.NewStream(ring.NewSeed(), "test").Fill(v)
		return v
	}
	b := &productsBatch{kind: kind, a0: draw(), c0: draw(), a1: draw()}
	if kind == correlation.Triples {
		b.b0, b.b1 = draw(), draw()
	}
	return b
}

// exchange runs one exchange and returns its messages and party 1's shares.
func (b *productsBatch) exchange(t testing.TB, e *ProductsEncryptor, v *ProductsEvaluator) (query, reply []byte, c1 []uint64) {
	t.Helper()
	query, err := e.Encrypt(b.a1, b.b1)
	if err != nil {
		t.Fatal(err)
	}
	if reply, err = v.Evaluate(b.a0, b.b0, b.c0, query); err != nil {
		t.Fatal(err)
	}
	if c1, err = e.Decrypt(b.a1, b.b1, reply); err != nil {
		t.Fatal(err)
	}
	return query, reply, c1
}

// check compares the products that are shared with those of integers.
func (b *productsBatch) check(c1 []uint64) error {
	if len(c1) != len(b.a0) {
		return fmt.Errorf("%d shares of %d elements", len(c1), len(b.a0))
	}
	whole := func(x ...uint64) *big.Int {
		sum := new(big.Int)
		for _, v := range x {
			sum.Add(sum, new(big.Int).SetUint64(v))
		}
		return sum
	}
	for i := range c1 {
		var left, right *big.Int
		switch b.kind {
		case correlation.Triples:
			left, right = whole(b.a0[i], b.a1[i]), whole(b.b0[i], b.b1[i])
		case correlation.Squares:
			left = whole(b.a0[i], b.a1[i])
			right = left
		case correlation.Products:
			left, right = whole(b.a0[i]), whole(b.a1[i])
		}
		want := new(big.Int).Mul(left, right)
		if want.Mod(want, power2(64)).Uint64() != b.c0[i]+c1[i] {
			return fmt.Errorf("element %d: the shares %d and %d do not make %v·%v", i, b.c0[i], c1[i], left, right)
		}
	}
	return nil
}

func TestProductsOfFullAndShortBatchesAddUp(t *testing.T) {
	for _, kind := range productKinds {
		e, v := productsPair(t, kind)
		for _, n := range []int{ProductsSlots, 1, 2 + rand.IntN(ProductsSlots-2)} {
			b := drawProducts(kind, n)
			_, _, c1 := b.exchange(t, e, v)
			if err := b.check(c1); err != nil {
				t.Errorf("%v, %d elements: %v", kind, n, err)
			}
		}
	}
}

// TestProductsOfExtremesAddUp puts every combination of operands at the edges of
// their range side by side, with shares at theirs.
func TestProductsOfExtremesAddUp(t *testing.T) {
	extremes := []uint64{0, 1, ^uint64(0), 1 << 63, 1<<63 - 1, 1<<63 + 1}
	for _, kind := range productKinds {
		b := &productsBatch{kind: kind}
		for _, a0 := range extremes {
			for _, a1 := range extremes {
				for _, b0 := range extremes {
					for _, b1 := range extremes {
						for _, c0 := range []uint64{0, ^uint64(0), 1 << 63} {
							b.a0, b.a1, b.c0 = append(b.a0, a0), append(b.a1, a1), append(b.c0, c0)
							b.b0, b.b1 = append(b.b0, b0), append(b.b1, b1)
						}
					}
				}
			}
		}
		if kind != correlation.Triples {
			b.b0, b.b1 = nil, nil
		}
		e, v := productsPair(t, kind)
		_, _, c1 := b.exchange(t, e, v)
		if err := b.check(c1); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// TestMaskedProductsAreExactWhateverTheMask puts the smallest and the largest
// mask over the smallest and the largest v: x must neither fall below zero nor
// reach T.
func TestMaskedProductsAreExactWhateverTheMask(t *testing.T) {
	for _, kind := range productKinds {
		e, v := productsPair(t, kind)
		b := &productsBatch{kind: kind, a0: []uint64{1 << 63, 1 << 63}, a1: []uint64{1 << 63, 1<<63 - 1}, c0: []uint64{0, 0}}
		if kind == correlation.Triples {
			b.b0, b.b1 = b.a0, b.a1
		}
		if kind == correlation.Squares {
			b.a0 = []uint64{1 << 62, 1 << 62} // doubled: −2^63
		}
		query, err := e.Encrypt(b.a1, b.b1)
		if err != nil {
			t.Fatal(err)
		}
		operands, err := v.checkOperands(b.a0, b.b0)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []uint64{0, ^uint64(0)} {
			s, seed := v.newScratch(), ring.NewSeed()
			v.prepareFactors(s, operands)
			if err := v.multiply(s, seed, query[headerSize:]); err != nil {
				t.Fatal(err)
			}
			for _, p := range s.mask {
				for i := range p {
					p[i] = word
				}
			}
			mask := new(big.Int)
			if word != 0 {
				mask.Sub(power2(v.mask), big.NewInt(1))
				for i := range s.mask[2] {
					s.mask[2][i] >>= 192 - v.mask
				}
			}
			reply := make([]byte, v.replySize())
			v.answer(s, seed, reply[headerSize:])
			x := e.masked(reply)
			most := power2(v.offset) // v of element 0: −2^63 times itself, as often as there are operands
			second := new(big.Int).Neg(new(big.Int).Sub(most, power2(v.offset-63)))
			for i, value := range []*big.Int{most, second} {
				want := new(big.Int).Add(mask, power2(v.offset))
				if got := wideInteger(x, i); got.Cmp(want.Sub(want, value)) != 0 {
					t.Errorf("%v: x is %v, not %v", kind, got, want)
				}
			}
		}
	}
}

// TestProductsOfFullBatchesOfTheLargestValuesAddUp fills all slots with the
// operands whose products are largest, where sums of products of coefficients
// may be too.
func TestProductsOfFullBatchesOfTheLargestValuesAddUp(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	for _, x := range []uint64{1 << 63, 1<<63 - 1} {
		full := make([]uint64, ProductsSlots)
		for i := range full {
			full[i] = x
		}
		b := &productsBatch{correlation.Triples, full, full, full, full, full}
		_, _, c1 := b.exchange(t, e, v)
		if err := b.check(c1); err != nil {
			t.Error(err)
		}
	}
}

func TestProductsMayBeMadeAtTheSameTime(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := drawProducts(correlation.Triples, ProductsSlots)
			query, err := e.Encrypt(b.a1, b.b1)
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := v.Evaluate(b.a0, b.b0, b.c0, query)
			if err != nil {
				t.Error(err)
				return
			}
			c1, err := e.Decrypt(b.a1, b.b1, reply)
			if err != nil {
				t.Error(err)
				return
			}
			if err := b.check(c1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestProductsAddUpBetweenUnlikeMachines pairs each party with one that has no
// vector instructions.
func TestProductsAddUpBetweenUnlikeMachines(t *testing.T) {
	r, err := ringsForProducts(correlation.Triples)
	if err != nil {
		t.Fatal(err)
	}
	plain := *r
	plain.q, plain.t = withoutVectors(r.q), withoutVectors(r.t)
	for _, c := range []struct{ encrypt, evaluate *productsRings }{{r, &plain}, {&plain, r}} {
		e := newProductsEncryptor(c.encrypt)
		v, err := newProductsEvaluator(c.evaluate, e.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		b := drawProducts(correlation.Triples, ProductsSlots)
		_, _, c1 := b.exchange(t, e, v)
		if err := b.check(c1); err != nil {
			t.Error(err)
		}
	}
}

func TestProductsMessagesHaveTheirAnnouncedSizes(t *testing.T) {
	for _, kind := range productKinds {
		e, v := productsPair(t, kind)
		query, reply, _ := drawProducts(kind, 10).exchange(t, e, v)
		if len(query) != ProductsQuerySize(kind, 10) || len(reply) != ProductsReplySize(kind, 10) {
			t.Errorf("%v: query of %d and reply of %d bytes were announced as %d and %d", kind,
				len(query), len(reply), ProductsQuerySize(kind, 10), ProductsReplySize(kind, 10))
		}
		if got := ProductsReplySize(kind, 2*ProductsSlots+1); got != 3*len(reply) {
			t.Errorf("%v: replies for two batches and an element take %d bytes, not %d", kind, got, 3*len(reply))
		}
	}
	for _, c := range []struct {
		kind correlation.Kind
		n    int
	}{{0, 1}, {correlation.Matrix, 1}, {200, 1}, {correlation.Triples, -1}} {
		if q, r := ProductsQuerySize(c.kind, c.n), ProductsReplySize(c.kind, c.n); q != 0 || r != 0 {
			t.Errorf("%+v: sizes %d and %d of what cannot be", c, q, r)
		}
	}
}

// TestProductsTrafficStaysBelowTheBar holds what an element of a full batch
// sends, both ways, in bytes.
func TestProductsTrafficStaysBelowTheBar(t *testing.T) {
	bars := map[correlation.Kind]float64{correlation.Triples: 146, correlation.Squares: 95, correlation.Products: 95}
	for kind, bar := range bars {
		bytes := ProductsQuerySize(kind, ProductsSlots) + ProductsReplySize(kind, ProductsSlots)
		if got := float64(bytes) / ProductsSlots; got > bar {
			t.Errorf("%v: %.1f bytes for each element, above %.0f", kind, got, bar)
		}
	}
}

func TestProductsRefuseWhatDoesNotFit(t *testing.T) {
	e, v := productsPair(t, correlation.Triples)
	squares, squaresOf := productsPair(t, correlation.Squares)
	_, productsOf := productsPair(t, correlation.Products)
	b := drawProducts(correlation.Triples, 5)
	query, reply, _ := b.exchange(t, e, v)
	squaresQuery, err := squares.Encrypt(b.a1, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := e.PublicKey()
	with := func(b []byte, at int, x byte) []byte {
		b = bytes.Clone(b)
		b[at] = x
		return b
	}
	ones := func(b []byte) []byte { // residues above their primes
		b = bytes.Clone(b)
		for i := headerSize + ring.SeedSize; i < len(b); i++ {
			b[i] = 0xff
		}
		return b
	}
	encrypt := func(a, b []uint64) error { _, err := e.Encrypt(a, b); return err }
	evaluate := func(v *ProductsEvaluator, a, b, c []uint64, query []byte) error {
		_, err := v.Evaluate(a, b, c, query)
		return err
	}
	evaluateQuery := func(query []byte) error { return evaluate(v, b.a0, b.b0, b.c0, query) }
	decrypt := func(a, b []uint64, reply []byte) error { _, err := e.Decrypt(a, b, reply); return err }
	read := func(kind correlation.Kind, key []byte) error {
		_, err := NewProductsEvaluator(kind, key)
		return err
	}
	encryptSquares := func(a, b []uint64) error { _, err := squares.Encrypt(a, b); return err }
	newEncryptor := func(kind correlation.Kind) error { _, err := NewProductsEncryptor(kind); return err }
	many := make([]uint64, ProductsSlots+1)
	for _, c := range []struct {
		what, says string
		err        error
	}{
		{"nothing to encrypt", "0 elements", encrypt(nil, nil)},
		{"too many to encrypt", "16385 elements", encrypt(many, many)},
		{"triples with one operand", "0 second operands for 5", encrypt(b.a1, nil)},
		{"operands of unlike lengths", "4 second operands for 5", encrypt(b.a1, b.b1[:4])},
		{"squares with two operands", "5 second operands", encryptSquares(b.a1, b.b1)},
		{"nothing to evaluate", "0 elements", evaluate(v, nil, nil, nil, query)},
		{"an operand missing at the evaluator", "second operands", evaluate(v, b.a0, nil, b.c0, query)},
		{"an operand too many", "5 second operands", evaluate(squaresOf, b.a0, b.b0, b.c0, squaresQuery)},
		{"no shares", "0 shares", evaluate(v, b.a0, b.b0, nil, query)},
		{"short shares", "4 shares", evaluate(v, b.a0, b.b0, b.c0[:4], query)},
		{"no query", "0 bytes", evaluateQuery(nil)},
		{"a short query", "bytes", evaluateQuery(query[:len(query)-1])},
		{"a long query", "bytes", evaluateQuery(append(bytes.Clone(query), 0))},
		{"a query for squares", "bytes", evaluateQuery(squaresQuery)},
		{"a query for squares, not products", "for squares", evaluate(productsOf, b.a0, nil, b.c0, squaresQuery)},
		{"a query for what there is not", "kind 9", evaluateQuery(with(query, 2, 9))},
		{"a query with a second parameter", "not for triples", evaluateQuery(with(query, 3, 1))},
		{"a query of another version", "version 9", evaluateQuery(with(query, 0, 9))},
		{"another message", "type 3", evaluateQuery(with(query, 1, 3))},
		{"another number of elements", "6 elements", evaluateQuery(with(query, 4, 6))},
		{"coefficients above the modulus", "not below", evaluateQuery(ones(query))},
		{"no reply", "0 bytes", decrypt(b.a1, b.b1, nil)},
		{"a short reply", "bytes", decrypt(b.a1, b.b1, reply[1:])},
		{"a query for a reply", "bytes", decrypt(b.a1, b.b1, query)},
		{"a reply for other elements", "5 elements", decrypt(b.a1[:4], b.b1[:4], reply)},
		{"a reply for another kind", "for products", decrypt(b.a1, b.b1, with(reply, 2, byte(correlation.Products)))},
		{"a reply to nothing", "0 elements", decrypt(nil, nil, reply)},
		{"a reply without the operands", "second operands", decrypt(b.a1, nil, reply)},
		{"no key", "0 bytes", read(correlation.Triples, nil)},
		{"a short key", "bytes", read(correlation.Triples, key[:100])},
		{"a key for squares", "bytes", read(correlation.Triples, squares.PublicKey())},
		{"a key for squares, not products", "for squares", read(correlation.Products, squares.PublicKey())},
		{"values above their primes", "not below", read(correlation.Triples, ones(key))},
		{"a key of a kind that is not made so", "powers are none", read(correlation.Powers, key)},
		{"a kind that is not made so", "matrix are none", newEncryptor(correlation.Matrix)},
		{"no kind", "kind 0 are none", newEncryptor(0)},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%s: %v does not say %q", c.what, c.err, c.says)
		}
	}
	if evaluateQuery(query) != nil || decrypt(b.a1, b.b1, reply) != nil {
		t.Error("what fits is refused after what does not")
	}
}

func TestFlippedBitOfReplyMakesAnotherProduct(t *testing.T) {
	e, v := productsPair(t, correlation.Products)
	b := drawProducts(correlation.Products, ProductsSlots)
	_, reply, _ := b.exchange(t, e, v)
	// The last byte holds the high bits of the last coefficient of c0.
	reply[len(reply)-1] ^= 0x80
	c1, err := e.Decrypt(b.a1, b.b1, reply)
	if err != nil {
		t.Fatal(err)
	}
	if b.check(c1) == nil {
		t.Error("the products are right after a bit of the reply was flipped")
	}
}

func TestProductsEncryptorKeepsItsKeyOutOfLogs(t *testing.T) {
	e, err := NewProductsEncryptor(correlation.Squares)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
		if got := fmt.Sprintf(verb, e); got != "encryptor of squares(redacted)" {
			t.Errorf("%s prints %.100s", verb, got)
		}
	}
}

func TestEveryPlanOfProductsHolds(t *testing.T) {
	for _, kind := range productKinds {
		p, err := planProducts(kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkProductsPlan(p); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// checkProductsPlan restates what a plan promises, with its bounds computed
// anew.
func checkProductsPlan(p *productsPlan) error {
	for _, primes := range [][]uint64{p.t, p.q} {
		for i, x := range primes {
			switch {
			case x%(2*ProductsSlots) != 1 || bits.Len64(x) > 60 || !new(big.Int).SetUint64(x).ProbablyPrime(20):
				return fmt.Errorf("%d is no prime for the ring", x)
			case i > 0 && x <= primes[i-1]:
				return fmt.Errorf("the primes do not ascend")
			}
		}
	}
	terms := 1
	if p.kind == correlation.Triples {
		terms = 2
	}
	t, q := productOf(p.t), productOf(p.q)
	most := new(big.Int).Mul(big.NewInt(int64(terms)), power2(126)) // −2^63 times itself
	room := new(big.Int).Add(power2(p.mask), power2(p.offset+1))
	switch {
	case p.operands != terms:
		return fmt.Errorf("%d operands", p.operands)
	case most.Cmp(power2(p.offset)) > 0:
		return fmt.Errorf("values exceed 2^%d", p.offset)
	case p.offset < 64:
		return fmt.Errorf("2^%d is not 0 in shares", p.offset)
	case p.mask < p.offset+45:
		return fmt.Errorf("masks have %d bits over values of %d", p.mask, p.offset)
	case t.Cmp(room) < 0:
		return fmt.Errorf("T does not hold every x")
	case len(p.t) != 3 || widePlanes(p.mask) != 3:
		return fmt.Errorf("masks of %d bits, %d plaintext primes", p.mask, len(p.t))
	case q.BitLen() > 438:
		return fmt.Errorf("Q has %d bits", q.BitLen())
	case p.flood <= 64 || p.flood > 128 || p.bits0 <= 128 || p.bits0 >= 192 || p.bits1 <= 128 || p.bits1 >= 192:
		return fmt.Errorf("widths are out of the code's range: %+v", *p)
	}
	// −c1·s fits the primes it is computed with.
	if n := p.phasePrimes(); n > len(p.q) || productOf(p.q[:n]).Cmp(power2(p.bits1+15)) <= 0 {
		return fmt.Errorf("c1·s does not fit %d primes", n)
	}

	// The noise budget, in units of Q/T.
	unit := func(exponent int) *big.Float { // T·2^−exponent
		return new(big.Float).SetMantExp(new(big.Float).SetInt(t), -exponent)
	}
	flood := unit(int(256 - p.flood))
	noise := new(big.Float).SetInt(new(big.Int).Mul(t, t)) // T/2·√(…)·T/Q
	noise.Quo(noise, new(big.Float).SetInt(q))
	noise.Mul(noise, new(big.Float).Sqrt(big.NewFloat(float64(ProductsSlots*terms)*(errorVariance+4)/4)))
	if got, _ := new(big.Float).Quo(noise, flood).Float64(); got > 1/float64(uint64(1)<<47) {
		return fmt.Errorf("noise shifts the flood by %g of its width", got)
	}
	sum := new(big.Float).Quo(flood, big.NewFloat(2))
	sum.Add(sum, new(big.Float).Mul(noise, big.NewFloat(4096)))
	sum.Add(sum, unit(int(p.bits0+1)))
	sum.Add(sum, new(big.Float).Mul(unit(int(p.bits1)), big.NewFloat(productsTail)))
	if s, _ := sum.Float64(); s >= 0.5 {
		return fmt.Errorf("a coefficient of a reply is off by %v", s)
	}
	return nil
}

// BenchmarkProducts measures each step and the whole exchange, both parties on
// all cores.
func BenchmarkProducts(b *testing.B) {
	for _, kind := range productKinds {
		e, v := productsPair(b, kind)
		batch := drawProducts(kind, ProductsSlots)
		query, reply, _ := batch.exchange(b, e, v)
		run := func(name string, bytes int, f func() error) {
			b.Run(fmt.Sprintf("%v/%s", kind, name), func(b *testing.B) {
				b.ReportAllocs()
				start := cpu.Seconds()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := f(); err != nil {
							b.Error(err)
						}
					}
				})
				elements := float64(b.N) * ProductsSlots
				b.ReportMetric(1e9*(cpu.Seconds()-start)/elements, "cpu-ns/element")
				b.ReportMetric(elements/b.Elapsed().Seconds(), "elements/s")
				if bytes > 0 {
					b.ReportMetric(float64(bytes)/ProductsSlots, "B/element")
				}
			})
		}
		encrypt := func() error { _, err := e.Encrypt(batch.a1, batch.b1); return err }
		evaluate := func() error { _, err := v.Evaluate(batch.a0, batch.b0, batch.c0, query); return err }
		decrypt := func() error { _, err := e.Decrypt(batch.a1, batch.b1, reply); return err }
		run("encrypt", len(query), encrypt)
		run("evaluate", len(reply), evaluate)
		run("decrypt", 0, decrypt)
		run("all", len(query)+len(reply), func() error {
			for _, step := range []func() error{encrypt, evaluate, decrypt} {
				if err := step(); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

package online

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pascaline/correlation"
	"pascaline/internal/dealtest"
	"pascaline/ring"
)

// twoSessions returns the sessions of both parties, joined in memory, with a
// dealer between them.
func twoSessions() [2]*Session {
	var dealer dealtest.Dealer
	link := dealtest.Link()
	return [2]*Session{
		NewSession(0, dealer.Source(0), link[0]),
		NewSession(1, dealer.Source(1), link[1]),
	}
}

// runBoth runs a program on both sessions at the same time; an error of one ends
// the other.
func runBoth(sessions [2]*Session, program func(ctx context.Context, s *Session) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var errs [2]error
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() {
			if errs[i] = program(ctx, s); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	if errors.Is(errs[0], context.Canceled) && errs[1] != nil {
		return errs[1]
	}
	return errors.Join(errs[0], errs[1])
}

// program computes on operands and returns what is to be opened; it may run the
// session in between.
type program func(ctx context.Context, s *Session, operands []*Value) (*Value, error)

// shared is an operand of a test.
type shared struct {
	shape []int
	frac  uint
	words []uint64
}

// compute shares the operands uniformly, runs the program at both parties, and
// returns what it opens, with both sessions. Only the program's rounds and bytes
// count.
func compute(t testing.TB, operands []shared, run program) ([]uint64, [2]*Session) {
	t.Helper()
	sessions := twoSessions()
	parts := [2][][]uint64{}
	for _, o := range operands {
		x0 := make([]uint64, len(o.words))
		ring.NewStream(ring.NewSeed(), "test/share").Fill(x0)
		x1 := make([]uint64, len(x0))
		ring.Sub(x1, o.words, x0)
		parts[0], parts[1] = append(parts[0], x0), append(parts[1], x1)
	}
	var opened [2][]uint64
	var cost [2]struct {
		rounds int
		sent   int64
	}
	err := runBoth(sessions, func(ctx context.Context, s *Session) error {
		var values []*Value
		for i, o := range operands {
			values = append(values, s.Share(o.shape, o.frac, parts[s.party][i]))
		}
		v, err := run(ctx, s, values)
		if err != nil {
			return err
		}
		cost[s.party].rounds, cost[s.party].sent = s.rounds, s.sent
		o := s.Open(v)
		if err := s.Run(ctx); err != nil {
			return err
		}
		opened[s.party] = o.Words()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(opened[0], opened[1]) {
		t.Fatal("the parties open different values")
	}
	for i, s := range sessions {
		s.rounds, s.sent = cost[i].rounds, cost[i].sent
	}
	return opened[0], sessions
}

// once is a program of one operation that needs a round.
func once(f func(s *Session, v []*Value) *Value) program {
	return func(ctx context.Context, s *Session, v []*Value) (*Value, error) {
		result := f(s, v)
		return result, s.Run(ctx)
	}
}

// atOnce is a program of operations that need none.
func atOnce(f func(s *Session, v []*Value) *Value) program {
	return func(ctx context.Context, s *Session, v []*Value) (*Value, error) {
		return f(s, v), s.Err()
	}
}

func randomWords(r *rand.Rand, n int) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = r.Uint64()
	}
	return v
}

func randomOperand(r *rand.Rand, frac uint, shape ...int) shared {
	return shared{shape, frac, randomWords(r, elements(shape))}
}

func checkWords(t *testing.T, what string, got, want []uint64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: element %d is %#x, want %#x", what, i, got[i], want[i])
		}
	}
}

func checkCost(t *testing.T, what string, sessions [2]*Session, rounds, bytes int) {
	t.Helper()
	for party, s := range sessions {
		if s.Rounds() != rounds || s.Sent() != int64(bytes) {
			t.Errorf("%s: party %d took %d rounds and sent %d bytes, want %d and %d", what, party, s.Rounds(), s.Sent(), rounds, bytes)
		}
	}
}

func TestLocalOperationsAreExactAndCostNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 1))
	for range 20 {
		outer, inner := 1+r.IntN(4), 1+r.IntN(5)
		a, b, row := randomOperand(r, 7, outer, inner), randomOperand(r, 7, outer, inner), randomOperand(r, 7, inner)
		c := r.Int64()
		each := func(f func(i int) uint64) []uint64 {
			v := make([]uint64, outer*inner)
			for i := range v {
				v[i] = f(i)
			}
			return v
		}
		for _, tc := range []struct {
			name string
			f    func(s *Session, v []*Value) *Value
			want []uint64
		}{
			{"add", func(s *Session, v []*Value) *Value { return s.Add(v[0], v[1]) }, each(func(i int) uint64 { return a.words[i] + b.words[i] })},
			{"sub", func(s *Session, v []*Value) *Value { return s.Sub(v[0], v[1]) }, each(func(i int) uint64 { return a.words[i] - b.words[i] })},
			{"add of rows", func(s *Session, v []*Value) *Value { return s.Add(v[0], v[2]) }, each(func(i int) uint64 { return a.words[i] + row.words[i%inner] })},
			{"sub of rows", func(s *Session, v []*Value) *Value { return s.Sub(v[0], v[2]) }, each(func(i int) uint64 { return a.words[i] - row.words[i%inner] })},
			{"add of a public scalar", func(s *Session, v []*Value) *Value { return s.Add(v[0], s.Public(nil, 7, []float64{-1.5})) }, each(func(i int) uint64 { return a.words[i] - 192 })},
			{"neg", func(s *Session, v []*Value) *Value { return s.Neg(v[0]) }, each(func(i int) uint64 { return -a.words[i] })},
			{"scale", func(s *Session, v []*Value) *Value { return s.Scale(v[0], c) }, each(func(i int) uint64 { return a.words[i] * uint64(c) })},
			{"scale by a fraction", func(s *Session, v []*Value) *Value { return s.ScaleFixed(v[0], -0.75, 4) }, each(func(i int) uint64 { return a.words[i] * ^uint64(11) })},
			{"reshape", func(s *Session, v []*Value) *Value { return s.Reshape(v[0], inner, outer) }, a.words},
		} {
			got, sessions := compute(t, []shared{a, b, row}, atOnce(tc.f))
			checkWords(t, tc.name, got, tc.want)
			checkCost(t, tc.name, sessions, 0, 0)
		}
	}
}

func TestSumsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 2))
	for range 10 {
		d := []int{1 + r.IntN(4), 1 + r.IntN(4), 1 + r.IntN(4)}
		a := randomOperand(r, 0, d...)
		for axis := range d {
			want := map[[2]int]uint64{}
			for i := range d[0] {
				for j := range d[1] {
					for k := range d[2] {
						at := [][2]int{{j, k}, {i, k}, {i, j}}[axis]
						want[at] += a.words[(i*d[1]+j)*d[2]+k]
					}
				}
			}
			rest := slices.Delete(slices.Clone(d), axis, axis+1)
			got, _ := compute(t, []shared{a}, atOnce(func(s *Session, v []*Value) *Value { return s.Sum(v[0], axis) }))
			for i := range rest[0] {
				for j := range rest[1] {
					if got[i*rest[1]+j] != want[[2]int{i, j}] {
						t.Fatalf("sum of %v over %d is wrong at %d, %d", d, axis, i, j)
					}
				}
			}
		}
	}
	// Windows are summed as ring.SumPool does, which has tests of its own.
	images := randomOperand(r, 3, 2, 5, 6, 3)
	window := Window{StrideH: 2, StrideW: 3, PadTop: 1, PadRight: 1}
	shape := ring.ConvShape{H: 5, W: 6, C: 3, K: 3, KH: 2, KW: 3, StrideH: 2, StrideW: 3, PadTop: 1, PadRight: 1}
	want := make([]uint64, 2*shape.OutLen())
	for i := range 2 {
		ring.SumPool(want[i*shape.OutLen():][:shape.OutLen()], images.words[i*90:][:90], shape)
	}
	got, _ := compute(t, []shared{images}, atOnce(func(s *Session, v []*Value) *Value { return s.SumPool(v[0], 2, 3, window) }))
	checkWords(t, "pool", got, want)
}

func TestProductsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 3))
	for range 10 {
		n := 1 + r.IntN(50)
		a, b := randomOperand(r, 3, n), randomOperand(r, 4, n)
		want, squares := make([]uint64, n), make([]uint64, n)
		for i := range want {
			want[i], squares[i] = a.words[i]*b.words[i], a.words[i]*a.words[i]
		}
		got, sessions := compute(t, []shared{a, b}, once(func(s *Session, v []*Value) *Value { return s.Mul(v[0], v[1]) }))
		checkWords(t, "mul", got, want)
		checkCost(t, "mul", sessions, 1, 16*n)
		if spent := sessions[0].Spent(); spent["triples"] != n || len(spent) != 1 {
			t.Errorf("mul of %d spends %v", n, spent)
		}
		got, sessions = compute(t, []shared{a}, once(func(s *Session, v []*Value) *Value { return s.Mul(v[0], v[0]) }))
		checkWords(t, "mul by itself", got, squares)
		checkCost(t, "mul by itself", sessions, 1, 8*n)
		if spent := sessions[1].Spent(); spent["squares"] != n || len(spent) != 1 {
			t.Errorf("a square of %d spends %v", n, spent)
		}
	}
}

// matmul is the definition.
func matmul(a, b []uint64, m, k, n int) []uint64 {
	c := make([]uint64, m*n)
	for i := range m {
		for j := range n {
			for l := range k {
				c[i*n+j] += a[i*k+l] * b[l*n+j]
			}
		}
	}
	return c
}

func TestMatrixProductsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 4))
	for range 10 {
		m, k, n := 1+r.IntN(6), 1+r.IntN(9), 1+r.IntN(9)
		a, b := randomOperand(r, 5, m, k), randomOperand(r, 6, k, n)
		got, sessions := compute(t, []shared{a, b}, once(func(s *Session, v []*Value) *Value { return s.MatMul(v[0], v[1]) }))
		checkWords(t, "matmul", got, matmul(a.words, b.words, m, k, n))
		checkCost(t, "matmul", sessions, 1, 8*(m*k+k*n))
		if spent := sessions[0].Spent(); spent[fmt.Sprintf("matrix/%dx%dx%d", m, k, n)] != 1 {
			t.Errorf("matmul spends %v", spent)
		}
	}
}

// convolution is the definition, of images one after the other.
func convolution(x, w []uint64, n int, c ring.ConvShape) []uint64 {
	y := make([]uint64, 0, n*c.OutLen())
	for i := range n {
		x := x[i*c.InLen():]
		for oy := range c.OutH() {
			for ox := range c.OutW() {
				for k := range c.K {
					sum := uint64(0)
					for ky := range c.KH {
						for kx := range c.KW {
							iy, ix := oy*c.StrideH+ky-c.PadTop, ox*c.StrideW+kx-c.PadLeft
							if iy < 0 || ix < 0 || iy >= c.H || ix >= c.W {
								continue
							}
							for ch := range c.C {
								sum += x[(iy*c.W+ix)*c.C+ch] * w[((ky*c.KW+kx)*c.C+ch)*c.K+k]
							}
						}
					}
					y = append(y, sum)
				}
			}
		}
	}
	return y
}

func randomConvolution(r *rand.Rand) (Window, ring.ConvShape) {
	w := Window{StrideH: 1 + r.IntN(2), StrideW: 1 + r.IntN(3), PadTop: r.IntN(2), PadLeft: r.IntN(3), PadBottom: r.IntN(2), PadRight: r.IntN(2)}
	c := w.shape([]int{0, 3 + r.IntN(4), 3 + r.IntN(4), 1 + r.IntN(3)}, 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(4))
	return w, c
}

func TestConvolutionsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 5))
	for range 15 {
		n := 1 + r.IntN(3)
		w, c := randomConvolution(r)
		x, y := randomOperand(r, 5, n, c.H, c.W, c.C), randomOperand(r, 6, c.KH, c.KW, c.C, c.K)
		got, sessions := compute(t, []shared{x, y}, once(func(s *Session, v []*Value) *Value { return s.Conv2D(v[0], v[1], w) }))
		checkWords(t, fmt.Sprintf("conv2d %+v", c), got, convolution(x.words, y.words, n, c))
		checkCost(t, "conv2d", sessions, 1, 8*(n*c.InLen()+c.WeightLen()))
	}
}

// A fixed operand is opened once; each use opens the other operand alone.
func TestFixedOperandsAreOpenedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 6))
	const m, k, n, uses = 3, 4, 5, 4
	y := randomOperand(r, 6, k, n)
	operands := []shared{y}
	var want []uint64
	for range uses {
		x := randomOperand(r, 5, m, k)
		operands = append(operands, x)
		want = append(want, matmul(x.words, y.words, m, k, n)...)
	}
	got, sessions := compute(t, operands, func(ctx context.Context, s *Session, v []*Value) (*Value, error) {
		f := s.FixMatrix(v[0], m, uses)
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		if s.Sent() != 8*k*n || f.Left() != uses {
			return nil, fmt.Errorf("fixing sent %d bytes and leaves %d uses", s.Sent(), f.Left())
		}
		var products []*Value
		for i := range uses {
			products = append(products, f.Mul(v[1+i]))
			if i%2 == 1 {
				if err := s.Run(ctx); err != nil {
					return nil, err
				}
			}
		}
		if f.Left() != 0 {
			return nil, fmt.Errorf("%d uses are left", f.Left())
		}
		var all []uint64
		for _, p := range products {
			all = append(all, p.Share()...)
		}
		return s.Share([]int{uses, m, n}, 11, all), s.Err()
	})
	checkWords(t, "products by a fixed matrix", got, want)
	checkCost(t, "products by a fixed matrix", sessions, 3, 8*(k*n+uses*m*k))
	if spent := sessions[0].Spent(); spent["matrix/3x4x5/fixed"] != uses || len(spent) != 1 {
		t.Errorf("they spend %v", spent)
	}

	w, c := randomConvolution(r)
	kernel, images := randomOperand(r, 6, c.KH, c.KW, c.C, c.K), randomOperand(r, 5, uses, c.H, c.W, c.C)
	got, sessions = compute(t, []shared{kernel, images}, func(ctx context.Context, s *Session, v []*Value) (*Value, error) {
		f := s.FixKernel(v[0], c.H, c.W, w, uses)
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		// One image by itself, then the rest.
		share := v[1].Share()
		first := f.Mul(s.Share([]int{1, c.H, c.W, c.C}, 5, share[:c.InLen()]))
		rest := f.Mul(s.Share([]int{uses - 1, c.H, c.W, c.C}, 5, share[c.InLen():]))
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		return s.Share([]int{uses, c.OutH(), c.OutW(), c.K}, 11, append(first.Share(), rest.Share()...)), s.Err()
	})
	checkWords(t, "products by a fixed kernel", got, convolution(images.words, kernel.words, uses, c))
	checkCost(t, "products by a fixed kernel", sessions, 2, 8*(c.WeightLen()+uses*c.InLen()))
}

func TestTruncationIsWithinAUnitAndAHalfOverTheWholeRange(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 7))
	edges := []int64{0, 1, -1, 1<<22 - 1, -(1 << 22), 1 << 40, -(1 << 55), 1 << 61, -(1 << 61)}
	for _, bits := range []uint{1, 2, 9, 16, 40, 61} {
		x := shared{frac: 61}
		for range 300 {
			for _, v := range edges {
				x.words = append(x.words, uint64(v))
			}
			x.words = append(x.words, uint64(r.Int64N(1<<20)-1<<19))
		}
		x.shape = []int{len(x.words)}
		got, sessions := compute(t, []shared{x}, once(func(s *Session, v []*Value) *Value { return s.Truncate(v[0], bits) }))
		checkCost(t, "truncate", sessions, 1, 8*len(x.words))
		if spent := sessions[0].Spent(); len(spent) != 0 {
			t.Errorf("truncate spends %v", spent)
		}
		var sum, squares float64
		for i, v := range x.words {
			// got·2^bits − v is below 2^63 in magnitude if the claim holds.
			e := math.Ldexp(float64(int64(got[i]<<bits-v)), -int(bits))
			if math.Abs(e) >= 1.5 {
				t.Fatalf("%d truncated by %d bits is %d", int64(v), bits, int64(got[i]))
			}
			sum, squares = sum+e, squares+e*e
		}
		n := float64(len(x.words))
		// The bias is 2^−(bits+1).
		if mean := sum/n + math.Ldexp(1, -int(bits)-1); math.Abs(mean) > 5*0.5/math.Sqrt(n) {
			t.Errorf("truncation by %d bits is biased by %.3f units", bits, mean)
		}
		if rms := math.Sqrt(squares / n); rms > 0.55 {
			t.Errorf("truncation by %d bits is off by %.3f units rms", bits, rms)
		}
	}
}

func TestInputsAreSharedAndOpened(t *testing.T) {
	sessions := twoSessions()
	x := []float64{1.5, -2.25, 0, 1 << 40, -3}
	var opened [2][]float64
	var toOne [2][]float64
	err := runBoth(sessions, func(ctx context.Context, s *Session) error {
		var mine []float64
		var words []uint64
		if s.Party() == 1 {
			mine = x
		} else {
			words = []uint64{7, ^uint64(0), 0, 1 << 63, 5}
		}
		a := s.Input(1, []int{5}, 10, mine)
		b := s.InputWords(0, []int{5}, 10, words)
		if err := s.Run(ctx); err != nil {
			return err
		}
		if s.Sent() != 32 || s.Rounds() != 1 {
			return fmt.Errorf("an input of each took %d rounds and %d bytes", s.Rounds(), s.Sent())
		}
		both, one := s.Open(a), s.OpenTo(0, b)
		if both.Floats() != nil || both.Words() != nil {
			return errors.New("a value is open before Run")
		}
		if err := s.Run(ctx); err != nil {
			return err
		}
		opened[s.Party()], toOne[s.Party()] = both.Floats(), one.Floats()
		if want := int64(32 + 40*(1+s.Party())); s.Sent() != want {
			return fmt.Errorf("opening: %d bytes sent, want %d", s.Sent(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for party, got := range opened {
		if !slices.Equal(got, x) {
			t.Errorf("party %d opens %v", party, got)
		}
	}
	if toOne[1] != nil || len(toOne[0]) != 5 || toOne[0][0] != 7.0/1024 || toOne[0][3] != -math.Ldexp(1, 53) {
		t.Errorf("opened to party 0: %v at it, %v at the other", toOne[0], toOne[1])
	}
}

// Operations queued together share their messages, and the longest decides how
// many rounds there are.
func TestOperationsShareRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 8))
	a, b := shared{[]int{4}, 10, []uint64{1 << 10, 2 << 10, 3 << 10, 4 << 10}}, randomOperand(r, 0, 4)
	square := Polynomial{Alpha: []int64{0, 0, 0, 0, 1}, Frac: 10, Method: Tree}
	_, sessions := compute(t, []shared{a, b}, func(ctx context.Context, s *Session, v []*Value) (*Value, error) {
		product, power, cut := s.Mul(v[1], v[1]), s.Polynomial(v[0], square), s.Truncate(v[0], 3)
		opened := s.Open(v[1])
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		if !slices.Equal(opened.Words(), b.words) || product.Share() == nil || cut.Share() == nil {
			return nil, errors.New("not all that was queued has run")
		}
		return power, s.Run(ctx)
	})
	checkCost(t, "four operations", sessions, 2, 4*(8+48+8+8))
}

func TestWhatCannotBeIsSaidInWords(t *testing.T) {
	other := NewSession(0, nil, nil)
	ok := Polynomial{Alpha: []int64{0, 0, 1}, Frac: 10, ArgFrac: 10}
	for _, tc := range []struct {
		f    func(s *Session, x, y *Value)
		want string
	}{
		{func(s *Session, x, y *Value) { s.Add(x, y) }, "add of [2 3] and [3 2]: the second must have the shape of the first"},
		{func(s *Session, x, y *Value) { s.Sub(x, s.Public([]int{3}, 4, []float64{1, 2, 3})) }, "they have 10 and 4 fractional bits"},
		{func(s *Session, x, y *Value) { s.Mul(x, y) }, "mul of [2 3] and [3 2]: they must have the same shape"},
		{func(s *Session, x, y *Value) { s.MatMul(x, x) }, "matmul of [2 3] and [2 3]: it takes m×k and k×n"},
		{func(s *Session, x, y *Value) { s.Conv2D(x, y, Window{}) }, "conv2d of [2 3] and [3 2]: it takes images"},
		{func(s *Session, x, y *Value) {
			s.Conv2D(s.Reshape(x, 1, 2, 3, 1), s.Reshape(y, 3, 2, 1, 1), Window{})
		}, "kernel 3×2 is larger than the padded input 2×3"},
		{func(s *Session, x, y *Value) {
			s.Conv2D(s.Reshape(x, 1, 2, 3, 1), s.Reshape(y, 3, 2, 1, 1), Window{StrideH: -1})
		}, "vertical stride is -1"},
		{func(s *Session, x, y *Value) { s.SumPool(x, 2, 2, Window{}) }, "pool of [2 3] by 2×2: images have"},
		{func(s *Session, x, y *Value) { s.SumPool(s.Reshape(x, 1, 2, 3, 1), 4, 2, Window{}) }, "kernel 4×2 is larger"},
		{func(s *Session, x, y *Value) { s.Reshape(x, 4, 2) }, "reshape of [2 3] to [4 2]: 6 elements are not 8"},
		{func(s *Session, x, y *Value) { s.Reshape(x, -2, -3) }, "a dimension of -2"},
		{func(s *Session, x, y *Value) { s.Sum(x, 2) }, "sum of [2 3] over dimension 2: it has dimensions 0 to 1"},
		{func(s *Session, x, y *Value) { s.Truncate(x, 11) }, "truncate of [2 3] by 11 bits: it has 10 fractional bits"},
		{func(s *Session, x, y *Value) { s.Truncate(x, 0) }, "truncate of [2 3] by 0 bits"},
		{func(s *Session, x, y *Value) { s.ScaleFixed(x, 1, 60) }, "would have 70 fractional bits; there can be 61"},
		{func(s *Session, x, y *Value) { s.ScaleFixed(x, 1, ^uint(0)) }, "fractional bits"},
		{func(s *Session, x, y *Value) { s.ScaleFixed(x, math.NaN(), 3) }, "is no number below"},
		{func(s *Session, x, y *Value) { s.Public([]int{1}, 10, []float64{math.Ldexp(1, 51)}) }, "element 0 is no number below 2.25"},
		{func(s *Session, x, y *Value) { s.Public([]int{1}, 99, []float64{0}) }, "99 fractional bits"},
		{func(s *Session, x, y *Value) { s.Public([]int{2}, 10, []float64{0}) }, "share of [2]: 1 words for 2 elements"},
		{func(s *Session, x, y *Value) { s.Share([]int{1 << 20, 1 << 20}, 0, nil) }, "more than 268435456 elements"},
		{func(s *Session, x, y *Value) { s.Input(2, []int{1}, 0, nil) }, "input of [1] by party 2"},
		{func(s *Session, x, y *Value) { s.Input(1, []int{1}, 0, []float64{3}) }, "party 0 passes values that are party 1's"},
		{func(s *Session, x, y *Value) { s.InputWords(1, []int{1}, 0, []uint64{3}) }, "party 0 passes values that are party 1's"},
		{func(s *Session, x, y *Value) { s.Input(0, []int{2}, 0, []float64{3}) }, "input of [2]: 1 values for 2 elements"},
		{func(s *Session, x, y *Value) { s.Input(0, []int{1}, 30, []float64{math.Inf(1)}) }, "element 0 is no number"},
		{func(s *Session, x, y *Value) { s.OpenTo(2, x) }, "open to party 2"},
		{func(s *Session, x, y *Value) { s.Open(nil) }, "operand 1 is nil"},
		{func(s *Session, x, y *Value) { s.Add(x, other.Public(nil, 10, []float64{1})) }, "operand 2 belongs to another session"},
		{func(s *Session, x, y *Value) { s.Add(s.Mul(x, x), x) }, "add: operand 1 is pending, the result of mul of [2 3] and [2 3]; call Run first"},
		{func(s *Session, x, y *Value) { s.FixMatrix(y, 3, 2).Mul(x) }, "the fixed operand is pending; call Run first"},
		{func(s *Session, x, y *Value) { s.FixMatrix(y, 0, 2) }, "input height is 0"},
		{func(s *Session, x, y *Value) { s.FixMatrix(y, 2, 0) }, "matrix of 0 elements"},
		{func(s *Session, x, y *Value) { s.FixMatrix(s.Reshape(x, 6), 2, 1) }, "it takes k×n"},
		{func(s *Session, x, y *Value) { s.FixKernel(x, 2, 2, Window{}, 1) }, "it takes KH×KW×C×K"},
		{func(s *Session, x, y *Value) { s.Polynomial(x, Polynomial{Alpha: []int64{1, 2}}) }, "polynomial of [2 3]: polynomial of degree 1; it must be from 2 to 8"},
		{func(s *Session, x, y *Value) { s.Polynomial(x, Polynomial{Alpha: make([]int64, 10)}) }, "polynomial of degree 9"},
		{func(s *Session, x, y *Value) { p := ok; p.ArgFrac = 11; s.Polynomial(x, p) }, "cannot be rounded to 11"},
		{func(s *Session, x, y *Value) { p := ok; p.Method = 7; s.Polynomial(x, p) }, "polynomial by method 7"},
		{func(s *Session, x, y *Value) { p := ok; p.Frac = 62; s.Polynomial(x, p) }, "fractional bits"},
	} {
		s := NewSession(0, nil, nil)
		x := s.Share([]int{2, 3}, 10, make([]uint64, 6))
		y := s.Share([]int{3, 2}, 10, make([]uint64, 6))
		tc.f(s, x, y)
		err := s.Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
		// The session is over, and nothing of it panics.
		z := s.Mul(s.Add(x, y), s.Truncate(s.Polynomial(x, ok), 3))
		s.Open(z)
		if again := s.Run(context.Background()); again != err || s.Err() != err {
			t.Errorf("after %q the session reports %q", err, again)
		}
	}
	if err := NewSession(3, nil, nil).Run(context.Background()); err == nil {
		t.Error("there is a session of party 3")
	}
}

func TestUsesOfAFixedOperandRunOut(t *testing.T) {
	sessions := twoSessions()
	err := runBoth(sessions, func(ctx context.Context, s *Session) error {
		x, y := s.Share([]int{1, 1}, 0, []uint64{1}), s.Share([]int{1, 1}, 0, []uint64{1})
		f := s.FixMatrix(y, 1, 1)
		if err := s.Run(ctx); err != nil {
			return err
		}
		f.Mul(x)
		f.Mul(x)
		return s.Run(ctx)
	})
	if err == nil || !strings.Contains(err.Error(), "it takes 1 uses of the 0 that are left of 1; fix it for more") {
		t.Errorf("error %v", err)
	}
}

// emptySource has nothing.
type emptySource struct{}

func (emptySource) Take(context.Context, correlation.Spec) (*correlation.Half, error) {
	return nil, errors.New("exhausted")
}

// strangeSource gives what it was told to.
type strangeSource struct{ half *correlation.Half }

func (s strangeSource) Take(context.Context, correlation.Spec) (*correlation.Half, error) {
	return s.half, nil
}

func TestErrorsOfTheSourceNamePoolAndCount(t *testing.T) {
	triples := correlation.Spec{Kind: correlation.Triples, N: 6}
	broken := correlation.NewHalf(triples, 0)
	broken.Columns[1] = make([]uint64, 5)
	for _, tc := range []struct {
		source Source
		want   string
	}{
		{emptySource{}, "mul of [6] and [6]: taking 6 of triples: exhausted"},
		{strangeSource{correlation.NewHalf(triples, 1)}, "the source gave 6 of triples for party 1"},
		{strangeSource{correlation.NewHalf(correlation.Spec{Kind: correlation.Squares, N: 6}, 0)}, "the source gave 6 of squares"},
		{strangeSource{broken}, "column b has 5 words, not 6"},
	} {
		s := NewSession(0, tc.source, func(context.Context, []byte, int) ([]byte, error) {
			t.Error("a message leaves without correlations")
			return nil, nil
		})
		x, y := s.Share([]int{6}, 0, make([]uint64, 6)), s.Share([]int{6}, 0, make([]uint64, 6))
		s.Mul(x, y)
		if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
	}
}

// hostile runs every kind of operation against answers of any length and content.
func hostile(answer func(limit int) []byte) error {
	var dealer dealtest.Dealer
	s := NewSession(0, dealer.Source(0), func(_ context.Context, _ []byte, limit int) ([]byte, error) {
		return answer(limit), nil
	})
	x := s.Share([]int{2, 2}, 10, []uint64{1, 2, 3, 4})
	s.Input(1, []int{3}, 10, nil)
	s.Open(x)
	s.Mul(x, x)
	s.MatMul(x, x)
	s.Conv2D(s.Reshape(x, 1, 2, 2, 1), s.Reshape(x, 2, 2, 1, 1), Window{})
	s.Truncate(x, 5)
	f := s.FixMatrix(x, 2, 2)
	for _, m := range Methods() {
		s.Polynomial(x, Polynomial{Alpha: []int64{1, 2, 3, 4, 5}, Q: 10, Method: m, ArgFrac: 10, Frac: 10})
	}
	if err := s.Run(context.Background()); err != nil {
		return err
	}
	f.Mul(x)
	return s.Run(context.Background())
}

func TestMessagesOfAnotherLengthAreErrors(t *testing.T) {
	for _, delta := range []int{-8, -1, 1, 8, -1 << 20} {
		err := hostile(func(limit int) []byte { return make([]byte, max(0, limit+delta)) })
		if err == nil || !strings.Contains(err.Error(), "round 1 of the session: the other party sent") {
			t.Errorf("a message %d bytes longer: %v", delta, err)
		}
	}
}

func FuzzHostileMessages(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0xff}, 0)
	f.Add([]byte{0x80, 0, 0, 0, 0, 0, 0, 0}, 1)
	f.Fuzz(func(t *testing.T, pattern []byte, extra int) {
		hostile(func(limit int) []byte {
			b := make([]byte, max(0, limit+extra%9))
			for i := range b {
				if len(pattern) > 0 {
					b[i] = pattern[i%len(pattern)]
				}
			}
			return b
		})
	})
}

func TestACancelledRunEndsTheSession(t *testing.T) {
	sessions := twoSessions()
	ctx, cancel := context.WithCancel(context.Background())
	s := sessions[0]
	x := s.Share([]int{1}, 0, []uint64{1})
	s.Open(x)
	cancel() // the other party never comes
	if err := s.Run(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "round 1 of the session") {
		t.Errorf("error %v", err)
	}
	s.Mul(x, x)
	if err := s.Run(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("the session goes on: %v", err)
	}
}

func TestARunOfNothingIsNoRound(t *testing.T) {
	s := NewSession(0, nil, nil)
	if err := s.Run(context.Background()); err != nil || s.Rounds() != 0 {
		t.Errorf("%d rounds, %v", s.Rounds(), err)
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	s := NewSession(0, nil, nil)
	v := s.Share([]int{2}, 3, []uint64{123456789, 987654321})
	f := s.FixMatrix(s.Reshape(v, 1, 2), 1, 1)
	o := &Opened{words: []uint64{123456789}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, x := range []any{v, *v, f, *f, o, *o} {
			if text := fmt.Sprintf(verb, x); !strings.Contains(text, "redacted") || strings.Contains(text, "123456789") || strings.Contains(text, "75bcd15") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}

// The parties' messages in an operation on the same values over and over: all
// that varies are masks, and they make the messages uniform.
func TestEverythingASessionSendsIsMasked(t *testing.T) {
	const n = 4096
	same := make([]uint64, n)
	for i := range same {
		same[i] = 3 << 9
	}
	quartic := Polynomial{Alpha: []int64{322, 512, 160, 0, -3}, Q: 10, ArgFrac: 10, Frac: 10}
	by := func(m Method) func(s *Session, x *Value) {
		return func(s *Session, x *Value) { p := quartic; p.Method = m; s.Polynomial(x, p) }
	}
	for _, tc := range []struct {
		name  string
		f     func(s *Session, x *Value)
		bytes int // of each word that must be uniform
	}{
		{"mul", func(s *Session, x *Value) { s.Mul(x, s.Scale(x, 1)) }, 8},
		{"square", func(s *Session, x *Value) { s.Mul(x, x) }, 8},
		{"matmul", func(s *Session, x *Value) { y := s.Reshape(x, 64, 64); s.MatMul(y, y) }, 8},
		{"conv2d", func(s *Session, x *Value) {
			s.Conv2D(s.Reshape(x, 1, 32, 32, 4), s.Reshape(x, 8, 8, 4, 16), Window{})
		}, 8},
		{"fix", func(s *Session, x *Value) { s.FixMatrix(s.Reshape(x, 64, 64), 1, 1) }, 8},
		{"espn", by(ESPN), 8},
		{"tree", by(Tree), 8},
		// A party's masks are below 2^62, on top of a share that the other party
		// may know: its highest bits are not hidden, and say nothing of the value.
		{"truncate", func(s *Session, x *Value) { s.Truncate(x, 5) }, 7},
		{"powers", by(Powers), 7},
	} {
		var sent [2]tallies
		sessions := twoSessions()
		for party, s := range sessions {
			carry := s.exchange
			s.exchange = func(ctx context.Context, msg []byte, limit int) ([]byte, error) {
				sent[party].addMessage(msg)
				return carry(ctx, msg, limit)
			}
		}
		err := runBoth(sessions, func(ctx context.Context, s *Session) error {
			share := slices.Clone(same) // party 1 holds 0: no share masks anything
			if s.party == 1 {
				clear(share)
			}
			for range 8 {
				tc.f(s, s.Share([]int{n}, 10, share))
			}
			return s.Run(ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		for party := range sent {
			sent[party].check(t, fmt.Sprintf("%s, party %d", tc.name, party), tc.bytes)
		}
	}
}

// The same image multiplied over and over by one fixed operand, that is with one
// b: each use has an a of its own.
func TestEveryUseOfAFixedOperandIsMasked(t *testing.T) {
	const uses = 64
	image := make([]uint64, 16*16*8)
	var sent [2]tallies
	err := runBoth(twoSessions(), func(ctx context.Context, s *Session) error {
		f := s.FixKernel(s.Share([]int{1, 1, 8, 1}, 0, make([]uint64, 8)), 16, 16, Window{}, uses)
		if err := s.Run(ctx); err != nil {
			return err
		}
		carry := s.exchange
		s.exchange = func(ctx context.Context, msg []byte, limit int) ([]byte, error) {
			sent[s.party].addMessage(msg)
			return carry(ctx, msg, limit)
		}
		for range uses {
			f.Mul(s.Share([]int{1, 16, 16, 8}, 0, image))
		}
		return s.Run(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	for party := range sent {
		sent[party].check(t, fmt.Sprintf("fixed operand, party %d", party), 8)
	}
}

// An input is a seed and the value less its expansion: the shares of the same
// value over and over are uniform at both parties.
func TestSharesOfInputsAndPublicValuesAreUniform(t *testing.T) {
	const n = 8192
	var shares, public [2]tallies
	err := runBoth(twoSessions(), func(ctx context.Context, s *Session) error {
		var mine []float64
		if s.party == 0 {
			mine = make([]float64, n)
		}
		for range 4 {
			v := s.Input(0, []int{n}, 10, mine)
			if err := s.Run(ctx); err != nil {
				return err
			}
			shares[s.party].add(v.share)
			public[s.party].add(s.Public([]int{n}, 10, make([]float64, n)).share)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for party := range 2 {
		shares[party].check(t, fmt.Sprintf("input at party %d", party), 8)
		public[party].check(t, fmt.Sprintf("public value at party %d", party), 8)
	}
}

// A correlation serves one operation: the same value multiplied twice sends two
// different messages, and takes twice.
func TestNoCorrelationServesTwice(t *testing.T) {
	seen := map[ring.Seed]bool{}
	sessions := twoSessions()
	var dealer dealtest.Dealer
	var twice error
	for party, s := range sessions {
		s.source = watched{dealer.Source(party), func(h *correlation.Half) {
			if party == 0 && seen[h.Seed] {
				twice = errors.New("a half was handed out twice")
			}
			if party == 0 {
				seen[h.Seed] = true
			}
		}}
	}
	err := runBoth(sessions, func(ctx context.Context, s *Session) error {
		x := s.Share([]int{10}, 10, make([]uint64, 10))
		for range 3 {
			s.Mul(x, x)
			s.Mul(x, x)
			if err := s.Run(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, twice); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 6 || sessions[0].Spent()["squares"] != 60 {
		t.Errorf("%d halves and %v for six squares of ten", len(seen), sessions[0].Spent())
	}
}

// watched is a source that shows what it hands out.
type watched struct {
	Source
	show func(*correlation.Half)
}

func (w watched) Take(ctx context.Context, spec correlation.Spec) (*correlation.Half, error) {
	h, err := w.Source.Take(ctx, spec)
	if err == nil {
		w.show(h)
	}
	return h, err
}

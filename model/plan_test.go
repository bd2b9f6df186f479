package model

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pascaline/ring"
)

// sampleModel is a residual network with every operation, and random weights:
// 4×4×2 input, conv to 4×4×3, polynomial, conv, added to the polynomial, pool to
// 2×2×3, polynomial, reshape, linear to 5.
func sampleModel(t testing.TB) *Model {
	t.Helper()
	conv := ring.ConvShape{H: 4, W: 4, C: 2, K: 3, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
	conv2 := conv
	conv2.C = 3
	pool := ring.ConvShape{H: 4, W: 4, C: 3, K: 3, KH: 2, KW: 2, StrideH: 2, StrideW: 2}
	act := func() *Activation {
		return &Activation{Alpha: []int64{322, 512, 160, 0, -3}, Q: 10, Fa: 12, Fw: 6, M: 22, MaskBits: 56}
	}
	p := &Plan{Name: "sample", Sigma: 40, Labels: []string{"a", "b", "c", "d", "ö"}, Nodes: []Node{
		{Name: "input", Op: OpInput, Shape: Shape{4, 4, 2}, Frac: 9},
		{Name: "conv1", Op: OpLinear, Inputs: []int{0}, Shape: Shape{4, 4, 3}, Frac: 18, Linear: conv},
		{Name: "act1", Op: OpPolynomial, Inputs: []int{1}, Shape: Shape{4, 4, 3}, Frac: 8, Act: act()},
		{Name: "conv2", Op: OpLinear, Inputs: []int{2}, Shape: Shape{4, 4, 3}, Frac: 16, Linear: conv2},
		{Name: "add", Op: OpAdd, Inputs: []int{3, 2}, Shape: Shape{4, 4, 3}, Frac: 16, Shifts: []uint{0, 8}},
		{Name: "pool", Op: OpPool, Inputs: []int{4}, Shape: Shape{2, 2, 3}, Frac: 18, Pool: pool},
		{Name: "act2", Op: OpPolynomial, Inputs: []int{5}, Shape: Shape{2, 2, 3}, Frac: 12, Act: act()},
		{Name: "flatten", Op: OpReshape, Inputs: []int{6}, Shape: Shape{1, 1, 12}, Frac: 12},
		{Name: "fc", Op: OpLinear, Inputs: []int{7}, Shape: Shape{1, 1, 5}, Frac: 24, Linear: ring.LinearShape(12, 5)},
	}}
	m, err := NewModel(p, randomWeights(p, rand.New(rand.NewPCG(1, 2))))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// joinedModel has a concatenation of channels of three scales and of zeros, and
// biases of each pixel: 4×4×2 input, conv to 4×4×3, polynomial, conv, both and the
// input joined to 4×4×6, conv to 2×2×2, polynomial.
func joinedModel(t testing.TB) *Model {
	t.Helper()
	p := sampleModel(t).Plan
	p.Name, p.Labels, p.Nodes[1].PixelBias = "joined", nil, true
	last := ring.ConvShape{H: 4, W: 4, C: 6, K: 2, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1}
	p.Nodes = append(p.Nodes[:4:4],
		Node{Name: "join", Op: OpConcat, Inputs: []int{3, 0, 2}, Shape: Shape{4, 4, 6}, Frac: 16, Shifts: []uint{0, 7, 8},
			Parts: []Part{{0, 1, 2}, {1, 0, 1}, {-1, 0, 1}, {2, 2, 1}, {0, 0, 1}}},
		Node{Name: "conv3", Op: OpLinear, Inputs: []int{4}, Shape: Shape{2, 2, 2}, Frac: 20, Linear: last, PixelBias: true},
		Node{Name: "act2", Op: OpPolynomial, Inputs: []int{5}, Shape: Shape{2, 2, 2}, Frac: 12,
			Act: &Activation{Alpha: []int64{322, 512, 160, 0, -3}, Q: 10, Fa: 12, Fw: 8, M: 22, MaskBits: 54}})
	m, err := NewModel(p, randomWeights(p, rand.New(rand.NewPCG(3, 4))))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func randomWeights(p *Plan, r *rand.Rand) *Weights {
	w := new(Weights)
	for _, n := range p.Nodes {
		if n.Op != OpLinear {
			continue
		}
		l := LayerWeights{W: make([]int16, n.Linear.WeightLen()), Bias: make([]uint64, n.BiasLen())}
		for i := range l.W {
			l.W[i] = int16(r.IntN(201) - 100)
		}
		for i := range l.Bias {
			l.Bias[i] = uint64(r.Int64N(2001) - 1000)
		}
		w.Layers = append(w.Layers, l)
	}
	return w
}

func TestAPlansHashNeverChanges(t *testing.T) {
	for want, p := range map[string]*Plan{
		"02e54b41d7bc5cfb7cf956b18090c317e94348ff25b4e3007a9c45d255c4361a": sampleModel(t).Plan,
		"49c599f9ae7f7a5268afad9b073a5bea6e37f7ec33e748dab5986bc12dded35d": joinedModel(t).Plan,
	} {
		p.Weights = [32]byte{1, 2, 3}
		if h := p.Hash(); hex.EncodeToString(h[:]) != want {
			t.Errorf("%s: hash %x, want %s: the encoding of plans has changed, and every compiled model with it", p.Name, h, want)
		}
	}
}

func TestAPlanReadBackHasTheSameHash(t *testing.T) {
	for _, p := range []*Plan{sampleModel(t).Plan, joinedModel(t).Plan} {
		q, err := decodePlan(p.encode())
		if err != nil {
			t.Fatal(err)
		}
		if p.Hash() != q.Hash() {
			t.Errorf("%s: the hash changed", p.Name)
		}
		if p.Bundle().Validate() != nil || q.Bundle().Plan != p.Hash() {
			t.Errorf("%s: the bundle's spec is not that of the plan", p.Name)
		}
	}
}

func TestPartsOfRowsAreThoseOfTheWhole(t *testing.T) {
	p := joinedModel(t).Plan
	n := &p.Nodes[4]
	r := rand.New(rand.NewPCG(5, 6))
	var in [][]uint64
	for _, j := range n.Inputs {
		v := make([]uint64, p.Nodes[j].Shape.Len())
		for e := range v {
			v[e] = r.Uint64()
		}
		in = append(in, v)
	}
	whole, parts := make([]uint64, n.Shape.Len()), make([]uint64, n.Shape.Len())
	p.Public(4, whole, in...)
	for e := range parts {
		parts[e] = 77 // left by what was there before
	}
	p.PublicRows(4, 0, 1, parts, in...)
	p.PublicRows(4, 1, 4, parts, in...)
	if !slices.Equal(whole, parts) {
		t.Error("rows computed apart differ")
	}
	for pixel := range 16 {
		if whole[pixel*6+3] != 0 || whole[pixel*6+2] != in[1][pixel*2]<<7 || whole[pixel*6+5] != in[0][pixel*3] {
			t.Fatalf("pixel %d is %x", pixel, whole[pixel*6:][:6])
		}
	}
}

func TestEveryChangeOfAPlanChangesItsHash(t *testing.T) {
	seen := map[[32]byte]string{sampleModel(t).Plan.Hash(): "nothing"}
	for name, change := range map[string]func(*Plan){
		"name":    func(p *Plan) { p.Name = "other" },
		"sigma":   func(p *Plan) { p.Sigma = 39 },
		"label":   func(p *Plan) { p.Labels[0] = "z" },
		"weights": func(p *Plan) { p.Weights[31]++ },
		"frac":    func(p *Plan) { p.Nodes[8].Frac++ },
		"alpha":   func(p *Plan) { p.Nodes[2].Act.Alpha[3] = 1 },
		"node":    func(p *Plan) { p.Nodes[2].Name = "act" },
		"inputs":  func(p *Plan) { p.Nodes[4].Inputs = []int{2, 3} },
		"m":       func(p *Plan) { p.Nodes[2].Act.M = 21 },
		"biases":  func(p *Plan) { p.Nodes[1].PixelBias = true },
		"padding": func(p *Plan) { p.Nodes[1].Linear.PadTop, p.Nodes[1].Linear.PadBottom = 2, 0 },
	} {
		m := sampleModel(t)
		copy(m.Plan.Weights[:], make([]byte, 32))
		change(m.Plan)
		h := m.Plan.Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("changing the %s gives the hash of changing the %s", name, other)
		}
		seen[h] = name
	}
}

// hostile are changes that make the sample plan none, and a word of the error.
var hostile = map[string]struct {
	change func(*Plan)
	want   string
}{
	"no nodes":                {func(p *Plan) { p.Nodes = nil }, "nodes"},
	"sigma of nothing":        {func(p *Plan) { p.Sigma = 0 }, "σ"},
	"sigma of everything":     {func(p *Plan) { p.Sigma = 64 }, "σ"},
	"control characters":      {func(p *Plan) { p.Nodes[1].Name = "\x1b[2J" }, "unprintable"},
	"a name without end":      {func(p *Plan) { p.Name = strings.Repeat("x", 1<<16) }, "bytes long"},
	"a label that is no text": {func(p *Plan) { p.Labels[1] = "\xff" }, "UTF-8"},
	"labels missing":          {func(p *Plan) { p.Labels = p.Labels[:3] }, "labels"},
	"unknown operation":       {func(p *Plan) { p.Nodes[3].Op = 77 }, "operation"},
	"two inputs":              {func(p *Plan) { p.Nodes[1] = p.Nodes[0] }, "input"},
	"no input":                {func(p *Plan) { p.Nodes[0].Op = OpReshape }, "input"},
	"a cycle":                 {func(p *Plan) { p.Nodes[3].Inputs = []int{4} }, "before"},
	"itself":                  {func(p *Plan) { p.Nodes[3].Inputs = []int{3} }, "before"},
	"negative node":           {func(p *Plan) { p.Nodes[3].Inputs = []int{-1} }, "before"},
	"no inputs":               {func(p *Plan) { p.Nodes[3].Inputs = nil }, "inputs"},
	"a dead node":             {func(p *Plan) { p.Nodes[4].Inputs = []int{2, 2}; p.Nodes[4].Shifts = []uint{8, 8} }, "nothing uses"},
	"negative shape":          {func(p *Plan) { p.Nodes[0].Shape.H = -4 }, "dimension"},
	"huge shape":              {func(p *Plan) { p.Nodes[0].Shape = Shape{1 << 20, 1 << 20, 1 << 20} }, "elements"},
	"another input shape":     {func(p *Plan) { p.Nodes[0].Shape = Shape{4, 2, 4} }, "takes"},
	"another output shape":    {func(p *Plan) { p.Nodes[1].Shape = Shape{4, 3, 4} }, "yields"},
	"stride zero":             {func(p *Plan) { p.Nodes[1].Linear.StrideW = 0 }, "stride"},
	"pool across channels":    {func(p *Plan) { p.Nodes[5].Pool.K = 2 }, "channels"},
	"a stray window":          {func(p *Plan) { p.Nodes[4].Pool = p.Nodes[5].Pool }, "parameters"},
	"a stray activation":      {func(p *Plan) { p.Nodes[4].Act = p.Nodes[2].Act }, "parameters"},
	"no activation":           {func(p *Plan) { p.Nodes[2].Act = nil }, "parameters"},
	"fraction beyond all":     {func(p *Plan) { p.Nodes[8].Frac = 61 }, "fractional"},
	"linear loses bits":       {func(p *Plan) { p.Nodes[1].Frac = 8 }, "fewer"},
	"reshape of other size":   {func(p *Plan) { p.Nodes[7].Shape.C = 11 }, "reshapes"},
	"reshape of other scale":  {func(p *Plan) { p.Nodes[7].Frac = 13 }, "reshapes"},
	"shift missing":           {func(p *Plan) { p.Nodes[4].Shifts = []uint{0} }, "shifts"},
	"wrong shift":             {func(p *Plan) { p.Nodes[4].Shifts = []uint{0, 7} }, "shifts"},
	"shift that wraps":        {func(p *Plan) { p.Nodes[4].Frac, p.Nodes[4].Shifts = 8, []uint{math.MaxUint - 7, 0} }, "shifts"},
	"degree one":              {func(p *Plan) { p.Nodes[2].Act.Alpha = []int64{1, 1} }, "degree"},
	"no coefficients":         {func(p *Plan) { p.Nodes[2].Act.Alpha = nil }, "degree"},
	"degree nine":             {func(p *Plan) { p.Nodes[2].Act.Alpha = make([]int64, 10) }, "degree"},
	"leading zero":            {func(p *Plan) { p.Nodes[2].Act.Alpha[4] = 0 }, "leading"},
	"too few hiding bits":     {func(p *Plan) { p.Nodes[2].Act.M = 23 }, "σ"},
	"hiding bits below zero":  {func(p *Plan) { p.Nodes[2].Act.M = 1 << 40 }, "σ"},
	"nothing dropped":         {func(p *Plan) { p.Nodes[2].Act.Fw, p.Nodes[2].Act.Fa, p.Nodes[2].Act.MaskBits = 0, 18, 62 }, "drops"},
	"more dropped than there": {func(p *Plan) { p.Nodes[2].Act.M = 5 }, "drops"},
	"other masks":             {func(p *Plan) { p.Nodes[2].Act.MaskBits = 10 }, "masks"},
	"other argument":          {func(p *Plan) { p.Nodes[2].Act.Fa = 11 }, "fractional"},
	"coefficients beyond all": {func(p *Plan) { p.Nodes[2].Act.Q = 200 }, "coefficients"},
	"nothing to truncate":     {func(p *Plan) { p.Nodes[6].Frac, p.Nodes[7].Frac = 58, 58 }, "truncated"},
	"values beyond 128 bits": {func(p *Plan) {
		p.Nodes[2].Act.Alpha = []int64{1, 0, 0, 0, 0, 0, 0, 0, math.MinInt64}
	}, "bits"},
}

// hostileJoins are changes that make the joined plan none.
var hostileJoins = map[string]struct {
	change func(*Plan)
	want   string
}{
	"no parts":                    {func(p *Plan) { p.Nodes[4].Parts = nil }, "make up"},
	"a part too few":              {func(p *Plan) { p.Nodes[4].Parts = p.Nodes[4].Parts[:4] }, "make up"},
	"a part too many":             {func(p *Plan) { p.Nodes[4].Parts = append(p.Nodes[4].Parts, Part{0, 0, 1}) }, "make up"},
	"a part of nothing":           {func(p *Plan) { p.Nodes[4].Parts[0].Channels = 0 }, "0 channels"},
	"a part beyond its input":     {func(p *Plan) { p.Nodes[4].Parts[0].From = 2 }, "from 2 on"},
	"a part before its input":     {func(p *Plan) { p.Nodes[4].Parts[0].From = -1 }, "from -1 on"},
	"a part that wraps":           {func(p *Plan) { p.Nodes[4].Parts[0].From = math.MaxInt }, "on; its input"},
	"a part of another input":     {func(p *Plan) { p.Nodes[4].Parts[0].Input = 3 }, "of input 3"},
	"a part of a negative input":  {func(p *Plan) { p.Nodes[4].Parts[0].Input = -2 }, "of input -2"},
	"zeros from somewhere":        {func(p *Plan) { p.Nodes[4].Parts[2].From = 1 }, "of input -1"},
	"an input of no use":          {func(p *Plan) { p.Nodes[4].Parts[1] = Part{2, 0, 1} }, "nothing from input 1"},
	"images of other sizes":       {func(p *Plan) { p.Nodes[4].Shape = Shape{2, 8, 6} }, "only channels"},
	"shifts missing":              {func(p *Plan) { p.Nodes[4].Shifts = p.Nodes[4].Shifts[:2] }, "shifts"},
	"a shift to another scale":    {func(p *Plan) { p.Nodes[4].Shifts[1] = 8 }, "shifts"},
	"parts of a sum":              {func(p *Plan) { p.Nodes[3].Parts = p.Nodes[4].Parts }, "parameters"},
	"biases of an activation":     {func(p *Plan) { p.Nodes[2].PixelBias = true }, "parameters"},
	"a concatenation of no input": {func(p *Plan) { p.Nodes[4].Inputs = nil }, "inputs"},
}

func TestNoHostilePlanPasses(t *testing.T) {
	check := func(name string, p *Plan, change func(*Plan), want string) {
		change(p)
		err := p.Validate()
		if err == nil {
			t.Errorf("%s: passed", name)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want a word of %q", name, err, want)
		}
		if q, err := decodePlan(p.encode()); err == nil && q.Validate() != nil {
			t.Errorf("%s: decoded to an invalid plan", name)
		}
	}
	for name, c := range hostile {
		check(name, sampleModel(t).Plan, c.change, c.want)
	}
	for name, c := range hostileJoins {
		check(name, joinedModel(t).Plan, c.change, c.want)
	}
}

func TestAPlanHasOneEncoding(t *testing.T) {
	b := sampleModel(t).Plan.encode()
	// An unknown field, and a field written twice.
	for name, tail := range map[string][]byte{"unknown field": {0x78, 1}, "sigma again": {0x10, 40}} {
		if _, err := decodePlan(append(append([]byte(nil), b...), tail...)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestHidingAddsUpOverOpenedValues(t *testing.T) {
	p := sampleModel(t).Plan
	// 48 + 12 values of degree 4 with 62 − 22 bits each
	if got, want := p.Distance(), 60*(math.Ldexp(1, -40)+4*math.Ldexp(1, -45))+20*math.Ldexp(1, -38); math.Abs(got/want-1) > 1e-12 {
		t.Errorf("distance %g, want %g", got, want)
	}
	if got, want := p.OpeningDistance(), 60*math.Ldexp(1, -40); got != want {
		t.Errorf("distance of the openings %g, want %g", got, want)
	}
	if p.TruncationError() != 0 { // 4·12 + 10 − 8 = 50 ≤ 64 bits dropped
		t.Error("truncation of at most 64 bits can go wrong")
	}
	p.Nodes[2].Act.Fa, p.Nodes[2].Act.Fw, p.Nodes[2].Act.MaskBits, p.Nodes[1].Frac = 17, 1, 61, 18
	// Σ |α_k|·16^k·2^68 < 2^86, and 4·17 + 10 − 8 = 70 bits are dropped.
	if got, want := p.TruncationError(), 48*math.Ldexp(1, 86-128); got != want {
		t.Errorf("truncation error %g, want %g", got, want)
	}
	// The server's shares all leave the same remainder mod 2^34, so of |t| ≤ 2 not
	// 2^38 of 2^128 values wrap but perhaps 2^34 more.
	p.Nodes[2].Act.Alpha, p.Nodes[2].Act.M = []int64{0, 0, 0, 0, -1 << 34}, 1
	if got, want := p.TruncationError(), 48*(math.Ldexp(1, 39-128)+math.Ldexp(1, 34-128)); got != want {
		t.Errorf("truncation error %g, want %g", got, want)
	}
}

// An opened value hides with 62 − m bits because the other party's mask of 2^(62−fw)
// values is moved by |t| of them, which is below 2^(m−fw) in the mean over the dithers
// (docs/protocol.md, section 4), whatever y is.
func TestWhatIsOpenedMovesItsMaskByItsRangeInTheMean(t *testing.T) {
	for fw := range uint(5) {
		for m := fw; m < fw+4; m++ {
			for y := 1 - int64(1)<<m; y < 1<<m; y++ {
				sum := 0.0
				for dithers := range int64(1) << (2 * fw) {
					lambda := dithers>>fw + dithers&(1<<fw-1)
					v := y + lambda - 1<<fw>>1
					sum += math.Abs(float64(v >> fw))
				}
				a := Activation{Fw: fw, M: m, MaskBits: maskBits(fw)}
				if d := math.Ldexp(sum, -int(2*fw+a.MaskBits)); d > math.Ldexp(1, -int(a.HidingBits())) {
					t.Errorf("fw = %d, m = %d: %d hides with 2^%.2f, not with %d bits", fw, m, y, math.Log2(d), a.HidingBits())
				}
			}
		}
	}
}

// One layer may be wrong once in 2^40, and so may all of them together.
func TestTruncationErrorsOfAllLayersAreBounded(t *testing.T) {
	const elements = 127
	shape := Shape{1, 1, elements}
	// 4·17 + 10 − 8 = 70 bits are dropped, of values of 81: each is wrong with 2^−47.
	p := &Plan{Name: "rough", Sigma: 40, Nodes: []Node{{Name: "input", Op: OpInput, Shape: shape, Frac: 18}}}
	act := &Activation{Alpha: []int64{322, 512, 160, 0, -3}, Q: 10, Fa: 17, Fw: 1, M: 20, MaskBits: 61}
	for n, refused := range map[int]bool{elements: false, elements + 1: true} {
		if err := act.truncates(8, n); (err != nil) != refused {
			t.Errorf("%d elements: %v", n, err)
		}
	}
	for layers := 1; layers <= 2; layers++ {
		p.Nodes = append(p.Nodes, Node{Name: "act", Op: OpPolynomial, Inputs: []int{len(p.Nodes) - 1}, Shape: shape, Frac: 8, Act: act})
		if got, want := p.TruncationError(), float64(layers*elements)*math.Ldexp(1, -47); got != want {
			t.Errorf("%d layers: truncation error %g, want %g", layers, got, want)
		}
		if err := p.Validate(); (err != nil) != (layers == 2) || err != nil && !strings.Contains(err.Error(), "2^-39.0") {
			t.Errorf("%d layers: %v", layers, err)
		}
		last := len(p.Nodes) - 1
		p.Nodes = append(p.Nodes, Node{Name: "add", Op: OpAdd, Inputs: []int{last, last}, Shape: shape, Frac: 18, Shifts: []uint{10, 10}})
	}
}

// FuzzDecodePlan checks that whatever decodes as a plan is valid, has one
// encoding, and can be asked everything.
func FuzzDecodePlan(f *testing.F) {
	p := sampleModel(f).Plan
	f.Add(p.encode())
	for _, c := range hostile {
		p := sampleModel(f).Plan
		c.change(p)
		f.Add(p.encode())
	}
	f.Add(joinedModel(f).Plan.encode())
	for _, c := range hostileJoins {
		p := joinedModel(f).Plan
		c.change(p)
		f.Add(p.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePlan(b)
		if err != nil {
			return
		}
		if string(p.encode()) != string(b) {
			t.Fatal("encodes to other bytes")
		}
		if err := p.Bundle().Validate(); err != nil {
			t.Fatalf("its bundle is not valid: %v", err)
		}
		p.Summary()
		p.BundleMemory()
		m := &Model{Plan: p}
		for _, v := range []Variant{{}, {Sigma: 50}, {ActivationBits: 8, WeightBits: 6}, {Polynomial: func(float64) ([]float64, error) { return []float64{0, 0.5, 0.25}, nil }}} {
			if q, err := m.Variant(v); err == nil {
				if err := q.Validate(); err != nil {
					t.Fatalf("a variant is none: %v", err)
				}
			}
		}
		followSmall(t, p)
	})
}

// followSmall computes what a plan says where it is little, row by row as well as at
// once: no index is out of range, and all rows are there.
func followSmall(t *testing.T, p *Plan) {
	work, w := 0, new(Weights)
	for i := range p.Nodes {
		n := &p.Nodes[i]
		work += n.Shape.Len() * max(1, len(n.Inputs))
		switch n.Op {
		case OpLinear:
			work += n.Linear.MACs() + n.Linear.WeightLen()
			w.Layers = append(w.Layers, LayerWeights{})
		case OpPool:
			work += n.Pool.MACs()
		}
		if work > 1<<16 {
			return
		}
	}
	w.Layers = w.Layers[:0]
	for i := range p.Nodes {
		if n := &p.Nodes[i]; n.Op == OpLinear {
			w.Layers = append(w.Layers, LayerWeights{W: make([]int16, n.Linear.WeightLen()), Bias: make([]uint64, n.BiasLen())})
		}
	}
	m, err := NewModel(p, w)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	input := make([]uint64, p.Nodes[0].Shape.Len())
	for k := range input {
		input[k] = uint64(k+1) << 40
	}
	if _, err := e.Eval(input); err != nil {
		t.Fatal(err)
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		switch n.Op {
		case OpPool, OpAdd, OpReshape, OpConcat:
		default:
			continue
		}
		in := make([][]uint64, len(n.Inputs))
		rows := make([]uint64, n.Shape.Len())
		for y := range n.Shape.H {
			for k, j := range n.Inputs {
				// Rows that nothing depends on are not there yet.
				in[k] = make([]uint64, p.Nodes[j].Shape.Len())
				s := p.Nodes[j].Shape
				copy(in[k], e.values[j][:p.InputRows(i, j, y+1)*s.W*s.C])
			}
			p.PublicRows(i, y, y+1, rows, in...)
		}
		if !slices.Equal(rows, e.values[i]) {
			t.Fatalf("node %d %q: rows computed apart differ", i, n.Name)
		}
	}
}

package conformance

import (
	"slices"

	"pascaline/correlation"
	"pascaline/ring"
)

// A question is a request before it has an input.
type question struct {
	spec  correlation.Spec
	input inputs
}

// inputs says what party 1's inputs to a linear correlation are.
type inputs int

const (
	uniform  inputs = iota // fresh for each inference
	zeros                  // 0 everywhere: the client's half is then −s
	repeated               // one uniform input for all inferences
)

// draw returns n inputs of size words.
func (in inputs) draw(n, size int) []uint64 {
	r := make([]uint64, n*size)
	switch in {
	case uniform:
		ring.NewStream(ring.NewSeed(), "conformance/input").Fill(r)
	case repeated:
		ring.NewStream(ring.NewSeed(), "conformance/input").Fill(r[:size])
		for at := size; at < len(r); at += size {
			copy(r[at:], r[:size])
		}
	}
	return r
}

// exam is what a backend is asked for of one kind.
type exam struct {
	kind   correlation.Kind
	shapes []ring.ConvShape // of the layers of its runs
	// runs are the calls of each run, and what each asks for. All runs begin
	// with the same call, so that runs which are the same are found. The last call
	// of the last run is a single question, and timed: the keys are there by then.
	runs  [][][]question
	small question // where what matters is not what comes out
}

// sizes are how many elements an exam asks for: main in calls of several
// specifications, last in the call that is timed, side of the others.
type sizes struct{ main, last, side int }

var (
	// A batch of the homomorphic backend has 8192 elements: more than one, and
	// more than two. The side ones suffice for the linear relations of powers of
	// degree 8, whose views have 936 bits.
	quick    = sizes{main: 8193, last: 20000, side: 600}
	thorough = sizes{main: 40961, last: 100_000, side: 8193}
)

// newExam returns the exam of a kind.
func newExam(k correlation.Kind, n sizes) exam {
	e := exam{kind: k}
	ask := func(specs ...correlation.Spec) (call []question) {
		for _, s := range specs {
			call = append(call, question{spec: s})
		}
		return call
	}
	switch k {
	case correlation.Triples, correlation.Squares, correlation.Products:
		of := func(n int) correlation.Spec { return correlation.Spec{Kind: k, N: n} }
		call := ask(of(n.main), of(1), of(7))
		e.small = question{spec: of(5)}
		e.runs = [][][]question{{{e.small}, call, call}, {{e.small}, ask(of(n.last))}}
	case correlation.Powers:
		of := func(n, degree int, bits uint) correlation.Spec {
			return correlation.Spec{Kind: k, N: n, Degree: degree, MaskBits: bits}
		}
		call := ask(of(n.main, 4, 52), of(n.side, 8, 20), of(n.side, 2, correlation.MaxMaskBits), of(3, 4, 52), of(n.side, 3, 1))
		if n == thorough {
			for degree := correlation.MinDegree; degree <= correlation.MaxDegree; degree++ {
				call = append(call, ask(of(70, degree, 8), of(70, degree, 45), of(70, degree, correlation.MaxMaskBits))...)
			}
		}
		e.small = question{spec: of(5, 4, 52)}
		e.runs = [][][]question{{{e.small}, call, call}, {{e.small}, ask(of(n.last, 4, 52))}}
	case correlation.Matrix:
		of := correlation.MatrixSpec
		call := ask(of(32, 64, 32, n.images(1024), false), of(16, 48, 24, 2, true), of(1, 1, 1, 5, false), of(3, 5, 2, 3, true))
		e.small = question{spec: of(3, 5, 2, 2, false)}
		e.runs = [][][]question{{{e.small}, call, call}, {{e.small}, ask(of(32, 64, 32, n.images(1024), false))}}
	case correlation.Convolution:
		of := func(c ring.ConvShape, count int, fixed bool) correlation.Spec {
			return correlation.Spec{Kind: k, N: count, Shape: c, Fixed: fixed}
		}
		call := ask(of(padded(8, 8, 16), n.images(512), false), of(padded(8, 4, 8), 3, true), of(strided, 3, false), of(strided, 1, true))
		e.small = question{spec: of(strided, 2, false)}
		e.runs = [][][]question{{{e.small}, call, call}, {{e.small}, ask(of(padded(8, 8, 16), n.images(512), false))}}
	case correlation.Linear:
		e.shapes = []ring.ConvShape{padded(8, 16, 16), ring.LinearShape(64, 48), strided, ring.LinearShape(1, 1)}
		of := func(layer, count int, in inputs) question {
			return question{correlation.Spec{Kind: k, N: count, Shape: e.shapes[layer], Layer: layer}, in}
		}
		e.small = of(1, 2, uniform)
		e.runs = [][][]question{
			{
				{e.small},
				{of(0, n.images(1024), uniform), of(1, 11, uniform), of(1, 1, zeros), of(2, 3, uniform), of(3, 1, uniform)},
				{of(0, n.images(1024), uniform), of(0, 2, zeros), of(1, 5, repeated), of(1, 11, uniform), of(2, 1, zeros)},
			},
			{{e.small}, {of(0, n.images(1024), uniform)}},
		}
	}
	return e
}

// images returns how many elements of so many words each make some main words.
func (n sizes) images(words int) int { return max(2, n.main/(2*words)) }

// padded is a convolution of an s×s image of c channels by k kernels of 3×3 that
// keeps its size.
func padded(s, c, k int) ring.ConvShape {
	return ring.ConvShape{H: s, W: s, C: c, K: k, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1}
}

// strided is a convolution in which no two dimensions are alike.
var strided = ring.ConvShape{H: 7, W: 6, C: 2, K: 5, KH: 3, KW: 4, StrideH: 2, StrideW: 1, PadTop: 1, PadLeft: 0, PadBottom: 2, PadRight: 3}

// layers draws weights for a run: of the first layer and the third uniform, of
// the others the largest and smallest there are. No weight is zero, so that no
// output is independent of the input.
func (e exam) layers() []correlation.Layer {
	var layers []correlation.Layer
	for i, shape := range e.shapes {
		draw := make([]uint64, shape.WeightLen())
		ring.NewStream(ring.NewSeed(), "conformance/weights").Fill(draw)
		w := make([]int16, len(draw))
		for j, v := range draw {
			switch w[j] = int16(v); {
			case i%2 == 1 && v&1 == 0:
				w[j] = -1 << 15
			case i%2 == 1:
				w[j] = 1<<15 - 1
			case w[j] == 0:
				w[j] = 1
			}
		}
		layers = append(layers, correlation.Layer{Shape: shape, Weights: w})
	}
	return layers
}

// requests returns what the two parties ask for.
func requests(questions []question) (r [2][]correlation.Request) {
	for _, q := range questions {
		of := correlation.Request{Spec: q.spec}
		r[0] = append(r[0], of)
		if q.spec.Kind == correlation.Linear {
			of.Input = q.input.draw(q.spec.N, q.spec.Shape.InLen())
		}
		r[1] = append(r[1], of)
	}
	return r
}

// An answer is what the two parties hold after one request.
type answer struct {
	question
	run, call int
	layer     correlation.Layer // of a linear
	r         []uint64          // its input
	halves    [2]*correlation.Half
}

// verify checks the algebra of an answer.
func (a *answer) verify() error {
	if a.spec.Kind == correlation.Linear {
		return correlation.VerifyLinear(a.layer.Weights, a.r, a.halves[0], a.halves[1])
	}
	return correlation.Verify(a.halves[0], a.halves[1])
}

// collect lays halves beside what was asked for.
func collect(questions []question, asked [2][]correlation.Request, halves [2][]*correlation.Half, layers []correlation.Layer) []*answer {
	var answers []*answer
	for i, q := range questions {
		a := &answer{question: q, halves: [2]*correlation.Half{halves[0][i], halves[1][i]}}
		if q.spec.Kind == correlation.Linear {
			a.layer, a.r = layers[q.spec.Layer], asked[1][i].Input
		}
		answers = append(answers, a)
	}
	return answers
}

// badRequests lists requests that must be refused, for a run of the exam's
// layers. Those that a careless backend would take memory for come last.
func (e exam) badRequests() []badRequest {
	var bad []badRequest
	add := func(what string, spec correlation.Spec) {
		bad = append(bad, badRequest{what: what, asked: [2]correlation.Request{{Spec: spec}, {Spec: spec}}})
	}
	with := func(change func(s *correlation.Spec)) correlation.Spec {
		s := e.small.spec
		change(&s)
		return s
	}
	add("no elements", with(func(s *correlation.Spec) { s.N = 0 }))
	add("fewer elements than none", with(func(s *correlation.Spec) { s.N = -1 }))
	switch e.kind {
	case correlation.Powers:
		add("degree 1", with(func(s *correlation.Spec) { s.Degree = 1 }))
		add("degree 9", with(func(s *correlation.Spec) { s.Degree = correlation.MaxDegree + 1 }))
		add("masks of no bits", with(func(s *correlation.Spec) { s.MaskBits = 0 }))
		add("masks of 62 bits", with(func(s *correlation.Spec) { s.MaskBits = correlation.MaxMaskBits + 1 }))
	case correlation.Matrix, correlation.Convolution:
		add("a shape without columns", with(func(s *correlation.Spec) { s.Shape.K = 0 }))
		add("a kernel larger than the image", with(func(s *correlation.Spec) { s.Shape.KH = 100 }))
		add("a degree, which it has not", with(func(s *correlation.Spec) { s.Degree = 4 }))
	case correlation.Linear:
		bad = append(bad, e.badLinear()...)
	default:
		add("a shape, which it has not", with(func(s *correlation.Spec) { s.Shape = ring.LinearShape(2, 2) }))
	}
	if e.kind != correlation.Linear {
		asked := requests([]question{e.small})
		asked[1][0].Input = []uint64{1}
		bad = append(bad, badRequest{what: "an input, which it has not, at party 1", asked: [2]correlation.Request{asked[0][0], asked[1][0]}})
	}
	add("2^40 elements", with(func(s *correlation.Spec) { s.N = 1 << 40 }))
	return bad
}

// badLinear lists what must be refused of linear correlations alone.
func (e exam) badLinear() []badRequest {
	ask := func(what string, change func(r *[2]correlation.Request)) badRequest {
		asked := requests([]question{e.small})
		b := badRequest{what: what, asked: [2]correlation.Request{asked[0][0], asked[1][0]}}
		change(&b.asked)
		return b
	}
	both := func(what string, change func(s *correlation.Spec)) badRequest {
		return ask(what, func(r *[2]correlation.Request) { change(&r[0].Spec); change(&r[1].Spec) })
	}
	return []badRequest{
		both("a layer that the run has not", func(s *correlation.Spec) { s.Layer = len(e.shapes) }),
		both("layer −1", func(s *correlation.Spec) { s.Layer = -1 }),
		both("another layer's shape", func(s *correlation.Spec) { s.Layer = 0 }),
		ask("an input that lacks a word at party 1", func(r *[2]correlation.Request) { r[1].Input = slices.Clone(r[1].Input[1:]) }),
		ask("no input at party 1", func(r *[2]correlation.Request) { r[1].Input = nil }),
		ask("an input at party 0, which has none", func(r *[2]correlation.Request) { r[0].Input = r[1].Input }),
	}
}

// A badRequest must be refused: by each party whose request is not valid.
type badRequest struct {
	what  string
	asked [2]correlation.Request
	// stranger is set where it is of a kind that the backend does not declare,
	// and may be valid.
	stranger bool
}

package evaluation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pascaline/dataset"
	"pascaline/internal/digits"
	"pascaline/model"
	"pascaline/ring"
)

// brightest compiles a network whose logits are the first values of an image, so
// that anybody can tell its answers.
func brightest(t testing.TB, in model.Shape, classes int, labels ...string) *model.Model {
	t.Helper()
	s := ring.LinearShape(in.Len(), classes)
	g := &model.Graph{Name: "brightest", Nodes: []model.GraphNode{
		{Name: "input", Op: model.OpInput, Shape: in},
		{Name: "flat", Op: model.OpReshape, Inputs: []int{0}, Shape: model.Shape{H: 1, W: 1, C: in.Len()}},
		{Name: "linear", Op: model.OpLinear, Inputs: []int{1}, Shape: model.Shape{H: 1, W: 1, C: classes}, Linear: s,
			W: make([]float32, s.WeightLen()), Bias: make([]float32, classes)},
	}}
	for k := range classes {
		g.Nodes[2].W[k*classes+k] = 1
	}
	x := make([]float32, in.Len())
	for i := range x {
		x[i] = 1
	}
	m, _, err := model.Compile(g, [][]float32{x}, model.Options{Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// images makes a set of 2×2 images, each the four values that are given for it.
func images(classes []string, labels []int32, values ...[4]uint8) *dataset.Set {
	s := &dataset.Set{Name: "made", Format: "pictures", Split: dataset.Test, H: 2, W: 2, C: 1, Classes: classes, Labels: labels, Total: len(labels) + 7}
	for _, v := range values {
		s.Pixels = append(s.Pixels, v[:]...)
	}
	return s
}

// evaluated evaluates in the clear.
func evaluated(t testing.TB, m *model.Model, set *dataset.Set) *Evaluation {
	t.Helper()
	e, err := New(m, set)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Clear(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	return e
}

// five images of three classes, of which the network takes the third for class 0
// and the last for class 1.
func five(t testing.TB) *Evaluation {
	t.Helper()
	return evaluated(t, brightest(t, model.Shape{H: 2, W: 2, C: 1}, 3), images([]string{"a", "b", "c"}, []int32{0, 1, 1, 2, 2},
		[4]uint8{200, 10, 20, 0}, [4]uint8{10, 200, 20, 0}, [4]uint8{90, 80, 0, 0}, [4]uint8{0, 1, 2, 255}, [4]uint8{0, 255, 2, 255}))
}

func TestOutcomesAreWhatOneCountsByHand(t *testing.T) {
	e := five(t)
	want := [][]int{{1, 0, 0}, {1, 1, 0}, {0, 1, 1}}
	for _, o := range []*Outcome{e.Float, e.Fixed} {
		if o.Images != 5 || o.Right != 3 || o.Accuracy != 0.6 || !slices.EqualFunc(o.Confusion, want, slices.Equal) {
			t.Errorf("%d of %d are right (%v), confusion %v; want 3 of 5, %v", o.Right, o.Images, o.Accuracy, o.Confusion, want)
		}
	}
	if images, named := e.Fixed.Of(1); images != 2 || named != 2 {
		t.Errorf("there are %d images of b, and %d were named so", images, named)
	}
	if other, n := e.Fixed.MistakenFor(2); other != 1 || n != 1 {
		t.Errorf("c was most often taken for class %d, %d times", other, n)
	}
	if e.Data.Images != 5 || e.Data.Of != 12 || e.Data.LeftOut() != 7 {
		t.Errorf("data %+v", e.Data)
	}
	// The worst mistake is the one that is farthest off.
	if len(e.Mistakes) != 2 || e.Mistakes[0].Image != 4 || e.Mistakes[1].Image != 2 || len(e.Disagreements) != 0 {
		t.Fatalf("mistakes %+v, disagreements %+v", e.Mistakes, e.Disagreements)
	}
	if margin := e.Mistakes[0].Fixed.Margin(2); math.Abs(margin-253./255) > 0.01 {
		t.Errorf("the worst is %v ahead, want %v", margin, 253./255)
	}
	if s := e.Mistakes[1].Float.Scores; len(s) != 3 || s[0].Class != 0 || math.Abs(s[0].Logit-90./255) > 1e-3 || s[2].Logit != 0 {
		t.Errorf("scores %+v", s)
	}
}

// The interval of Wilson; the values are those of R's prop.test(…, correct = FALSE).
func TestTheIntervalOfAnAccuracyIsWilsons(t *testing.T) {
	for _, c := range []struct {
		right, n  int
		low, high float64
	}{{0, 10, 0, 0.2775}, {50, 100, 0.4038, 0.5962}, {10, 10, 0.7225, 1}, {0, 0, 0, 1}} {
		low, high := wilson(c.right, c.n)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.right, c.n, low, high, c.low, c.high)
		}
	}
}

func TestPrivateResultsAreHeldAgainstFixedPoint(t *testing.T) {
	e := five(t)
	private := [][]float64{
		slices.Clone(e.fixed[0]), slices.Clone(e.fixed[1]), slices.Clone(e.fixed[2]), slices.Clone(e.fixed[3]),
	}
	private[0][1] += 0.01 // the same class still
	private[1] = []float64{5, 0, 0}
	private[3][1] = private[3][2] + 0.003 // another class, which was behind by 1/255
	if err := e.SetPrivate(private, "by hand"); err != nil {
		t.Fatal(err)
	}
	if c := e.PrivateFixed; c.Of != 4 || c.Agree != 2 || c.Ties != 1 || math.Abs(c.Difference-5) > 0.1 || c.Sound() {
		t.Errorf("private against fixed point: %+v", c)
	}
	// Of image 2 all say the same, and it is wrong.
	if o := e.Private; o.Images != 4 || o.Right != 1 || o.Confusion[1][0] != 2 || o.Confusion[2][1] != 1 {
		t.Errorf("private: %+v", o)
	}
	if len(e.Disagreements) != 2 || e.Disagreements[0].Image != 1 || e.Disagreements[0].Tie || e.Disagreements[1].Image != 3 || !e.Disagreements[1].Tie {
		t.Fatalf("disagreements %+v", e.Disagreements)
	}
	if v := e.Disagreements[0].Private; v.Class != 0 || v.Margin(1) != 5 {
		t.Errorf("private verdict %+v", v)
	}
	// The last image was not classified privately.
	if e.Mistakes[0].Private != nil || e.Mistakes[1].Private == nil {
		t.Errorf("mistakes %+v", e.Mistakes)
	}
	if err := e.SetPrivate(append(private, private...), ""); err == nil || !strings.Contains(err.Error(), "8 outputs for the 5") {
		t.Errorf("too many outputs: %v", err)
	}
	if err := e.SetPrivate([][]float64{{1}}, ""); err == nil || !strings.Contains(err.Error(), "1 logits") {
		t.Errorf("too few logits: %v", err)
	}
}

func TestClassesMeetTheOutputsOfTheSameName(t *testing.T) {
	in := model.Shape{H: 2, W: 2, C: 1}
	for _, c := range []struct {
		name            string
		outputs         int
		labels, classes []string
		names           []string // nil: an error that says want
		to              []int
		want            string
	}{
		{"by number", 3, nil, []string{"0", "1"}, []string{"0", "1", "2"}, []int{0, 1}, ""},
		{"the set's names", 2, nil, []string{"cat", "dog"}, []string{"cat", "dog"}, []int{0, 1}, ""},
		{"the model's names", 3, []string{"cat", "dog", "owl"}, []string{"0", "1", "2"}, []string{"cat", "dog", "owl"}, []int{0, 1, 2}, ""},
		{"another order", 3, []string{"dog", "Owl", "cat"}, []string{"cat", "dog", "owl"}, []string{"dog", "Owl", "cat"}, []int{2, 0, 1}, ""},
		{"fewer", 3, []string{"dog", "owl", "cat"}, []string{"cat"}, []string{"dog", "owl", "cat"}, []int{2}, ""},
		{"an unknown name", 2, []string{"cat", "dog"}, []string{"cat", "owl"}, nil, nil, "class owl of the data set is none of the model's (cat, dog)"},
		{"two outputs of a name", 3, []string{"crane", "owl", "crane"}, []string{"crane", "owl"}, nil, nil, "class crane of the data set may be output 0 of the model or 2"},
		{"two outputs of another name", 3, []string{"crane", "owl", "crane"}, []string{"owl"}, []string{"crane", "owl", "crane"}, []int{1}, ""},
		{"names that differ in case", 2, []string{"crane", "Crane"}, []string{"Crane", "crane"}, []string{"crane", "Crane"}, []int{1, 0}, ""},
		{"neither case", 2, []string{"crane", "Crane"}, []string{"CRANE"}, nil, nil, "output 0 of the model or 1"},
		{"too many", 2, nil, []string{"0", "1", "2"}, nil, nil, "3 classes (0, 1, 2), and the model has 2 outputs"},
		{"too few", 3, nil, []string{"cat", "dog"}, nil, nil, "--labels"},
	} {
		m := brightest(t, in, c.outputs, c.labels...)
		names, to, err := match(m.Plan, images(c.classes, nil))
		if c.names == nil {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the error is %v, want one that says %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil || !slices.Equal(names, c.names) || !slices.Equal(to, c.to) {
			t.Errorf("%s: %q to %v, %v", c.name, names, to, err)
		}
	}
}

func TestWhatCannotBeEvaluatedIsAnErrorThatSaysWhy(t *testing.T) {
	in := model.Shape{H: 2, W: 2, C: 1}
	m, set := brightest(t, in, 2), images([]string{"0", "1"}, []int32{1}, [4]uint8{1, 2, 3, 4})
	if _, err := New(m.PlanOnly(), set); !errors.Is(err, model.ErrNoWeights) {
		t.Errorf("a plan alone: %v", err)
	}
	if _, err := New(brightest(t, model.Shape{H: 2, W: 3, C: 1}, 2), set); err == nil || !strings.Contains(err.Error(), "takes 2×3×1") {
		t.Errorf("another size: %v", err)
	}
	if _, err := New(brightest(t, in, 1), set); err == nil || !strings.Contains(err.Error(), "1 output") {
		t.Errorf("one output: %v", err)
	}
	if _, err := New(m, images([]string{"0"}, nil)); err == nil || !strings.Contains(err.Error(), "no images") {
		t.Errorf("no images: %v", err)
	}
	e, err := New(m, set)
	if err != nil {
		t.Fatal(err)
	}
	other, err := brightest(t, in, 3).Graph()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Clear(t.Context(), other, nil); err == nil || !strings.Contains(err.Error(), "has 3 outputs") {
		t.Errorf("another graph: %v", err)
	}
	escaping, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	escaping.Nodes[2].W[0] = 3e38
	escaping.Nodes = append(escaping.Nodes, model.GraphNode{Name: "power", Op: model.OpPolynomial, Inputs: []int{2},
		Shape: escaping.Nodes[2].Shape, Coeffs: []float64{0, 0, 0, 0, 0, 0, 0, 0, 1e300}})
	if err := e.Clear(t.Context(), escaping, nil); err == nil || !strings.Contains(err.Error(), "image 0: output 0 is +Inf") {
		t.Errorf("numbers beyond all bounds: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Clear(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// digitSet is the sample digits as a set.
func digitSet(t testing.TB) *dataset.Set {
	t.Helper()
	all, err := digits.Images()
	if err != nil {
		t.Fatal(err)
	}
	s := &dataset.Set{Name: "digits", Format: "pictures", Split: dataset.Test, H: digits.Size, W: digits.Size, C: 1, Classes: strings.Split("0123456789", "")}
	for _, im := range all {
		for _, v := range im.Pixels {
			s.Pixels = append(s.Pixels, uint8(v*255+0.5))
		}
		s.Labels, s.Names = append(s.Labels, int32(im.Label)), append(s.Names, im.Name)
	}
	s.Total = s.Len()
	return s
}

func TestFixedPointAgreesWithTheNetworkThatItWasCompiledFrom(t *testing.T) {
	original, _, err := model.ImportONNXFile(filepath.Join("..", "model", "testdata", "mnist-cnn.onnx"), model.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	set := digitSet(t)
	var calibration [][]float32
	for i := range set.Len() {
		calibration = append(calibration, set.Image(i).Pixels)
	}
	m, _, err := model.Compile(original, calibration, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(m, set)
	if err != nil {
		t.Fatal(err)
	}
	var differences []float64
	for _, g := range []*model.Graph{original, nil} {
		steps := 0
		if err := e.Clear(t.Context(), g, func(done int) {
			if steps++; done != steps {
				t.Errorf("%d images are done after %d", done, steps)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if steps != 30 || e.Fixed.Right != 30 || e.Float.Right != 30 || !e.FixedFloat.Sound() {
			t.Errorf("%d steps, %d right, %d in float; %+v", steps, e.Fixed.Right, e.Float.Right, e.FixedFloat)
		}
		differences = append(differences, e.FixedFloat.Difference)
	}
	// The network's own weights are rounded in one of the two and not in the other.
	if differences[0] == differences[1] || differences[0] == 0 || differences[1] == 0 {
		t.Errorf("largest differences %v", differences)
	}
}

func TestTheTextHasTheMatrixAndTheDisagreements(t *testing.T) {
	e := five(t)
	if err := e.SetPrivate([][]float64{{0, 1, 0}}, "by hand"); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := e.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"the first 5 of 12 images (pictures), 7 left out", "60.00 %", "3 of 5", "by hand",
		"private against fixed point: the same class on 0 of 1, another on 1",
		"1 b  1  1  ·   50.00 %   2", "image 0, which is 0 a: float 0 a (0.78", "private 1 b (1.000, then a with 0.000)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if err := e.WriteText(failingWriter{}); err == nil {
		t.Error("a full disk is no error")
	}
}

func TestOneIsNotMany(t *testing.T) {
	for want, got := range map[string]string{
		"1 image": count(1, "image"), "0 images": count(0, "image"), "10,000 images": count(10_000, "image"), "1 class": count(1, "class"), "2 classes": count(2, "class"),
		"all 1 image (IDX)": (&Data{Images: 1, Of: 1, Format: "IDX"}).describe(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// Names of files and folders come from anywhere; a terminal would obey some.
func TestNamesInTheTextDoNothingToATerminal(t *testing.T) {
	evil := "\x1b]0;owned\a\x1b[2J\u202e"
	set := images([]string{evil, "ß"}, []int32{0, 1}, [4]uint8{1, 200}, [4]uint8{200, 1})
	set.Name = evil
	var b strings.Builder
	if err := evaluated(t, brightest(t, model.Shape{H: 2, W: 2, C: 1}, 2), set).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("the text has %q", b.String()[i:i+1])
	}
	if !strings.Contains(b.String(), "]0;owned") || !strings.Contains(b.String(), "1 ß") {
		t.Errorf("the names are not there:\n%s", b.String())
	}
}

func TestManyClassesArePrintedByWhatStandsOut(t *testing.T) {
	var b strings.Builder
	if err := many(t).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CLASSES OF LOWEST ACCURACY", "40 thing 40", "0.00 %", "MOST FREQUENT MISTAKES", "named 41 thing 41"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestTheReportInJSONHasAllFigures(t *testing.T) {
	e := five(t)
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Data  Data
		Fixed struct {
			Accuracy  float64
			Confusion [][]int
		}
		Private       *Outcome
		Disagreements *[]Case
		Mistakes      []Case
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Data.Of != 12 || got.Fixed.Accuracy != 0.6 || got.Fixed.Confusion[1][0] != 1 || got.Private != nil ||
		got.Disagreements == nil || len(got.Mistakes) != 2 || got.Mistakes[0].Fixed.Scores[0].Class != 1 {
		t.Errorf("%s", bytes.TrimSpace(b))
	}
}

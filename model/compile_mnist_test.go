package model

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pascaline/dataset"
	"pascaline/ring"
)

// mnistImages reads the first n images of MNIST's train or t10k set, or skips
// the test.
func mnistImages(t testing.TB, set string, n int) []dataset.Image {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "data", "mnist")
	images, err := dataset.ReadIDX(filepath.Join(dir, set+"-images-idx3-ubyte.gz"), filepath.Join(dir, set+"-labels-idx1-ubyte.gz"), n)
	if err != nil {
		t.Skipf("MNIST is not beside the checkout: %v", err)
	}
	return images
}

// compileMNIST returns the MNIST network, and what it compiles to, calibrated on
// 500 training images (fewer where the race detector slows everything down). The
// work is done once; nobody may change the result.
func compileMNIST(t testing.TB) (*Graph, *Model, *Report) {
	t.Helper()
	n := 500
	if raceDetector {
		n = 100
	}
	images := mnistImages(t, "train", n)
	mnistModel.once.Do(func() {
		g, _, err := ImportONNXFile(filepath.Join("testdata", "mnist-cnn.onnx"), ImportOptions{})
		if err != nil {
			mnistModel.err = err
			return
		}
		var calibration [][]float32
		for _, im := range images {
			calibration = append(calibration, im.Pixels)
		}
		mnistModel.g = g
		mnistModel.m, mnistModel.r, mnistModel.err = Compile(g, calibration, Options{})
	})
	if mnistModel.err != nil {
		t.Fatal(mnistModel.err)
	}
	return mnistModel.g, mnistModel.m, mnistModel.r
}

var mnistModel struct {
	once sync.Once
	g    *Graph
	m    *Model
	r    *Report
	err  error
}

// TestMNISTKeepsItsAccuracyInFixedPoint runs 1000 test images, or all 10,000
// with PASCALINE_LONG=1: the network has 99.15 % of them right in floats.
func TestMNISTKeepsItsAccuracyInFixedPoint(t *testing.T) {
	images, allowed := 1000, 12 // floats have 12 of the first 1000 wrong
	if os.Getenv("PASCALINE_LONG") != "" {
		images, allowed = 10000, 90
	} else if testing.Short() || raceDetector {
		images, allowed = 100, 2
	}
	test := mnistImages(t, "t10k", images)
	_, m, r := compileMNIST(t)
	if r.Agreement < 0.998 {
		t.Errorf("agrees with floats on %.1f %% of the calibration images", 100*r.Agreement)
	}
	e, err := NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, im := range test {
		in, err := m.Plan.EncodeInput(im.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.Eval(in)
		if err != nil {
			t.Fatal(err)
		}
		if largest(m.Plan.DecodeOutput(v)) != im.Label {
			wrong++
		}
	}
	t.Logf("%.2f %% of %d images right", 100-100*float64(wrong)/float64(len(test)), len(test))
	if wrong > allowed {
		t.Errorf("%d of %d images wrong; %d are allowed", wrong, len(test), allowed)
	}
}

// privateRounding evaluates e's model as two parties do, with every rounding of
// private inference (design section 4) drawn at random: the linear correlation
// is off by up to one unit, the opening drops fw bits under λ of both parties,
// and the shares of the result are truncated one by one.
func privateRounding(t testing.TB, e *FixedEvaluator, r *rand.Rand, input []uint64) []uint64 {
	const guard = 16 // bits that the truncation's chances are drawn with
	copy(e.values[0], input)
	for i := 1; i < len(e.values); i++ {
		n := &e.plan.Nodes[i]
		dst := e.values[i]
		if n.Op != OpPolynomial {
			e.step(i)
			if n.Op == OpLinear {
				for k := range dst {
					dst[k] += uint64(r.IntN(3) - 1)
				}
			}
			continue
		}
		fw := n.Act.Fw
		c := e.c[:len(dst)]
		for k, y := range e.values[n.Inputs[0]] {
			lambda := r.Uint64N(1<<fw) + r.Uint64N(1<<fw)
			c[k] = uint64(int64(y+lambda-1<<(fw-1)) >> fw)
		}
		p, err := ring.NewPascal(n.Act.Alpha, n.Act.Q, n.Act.Fa, n.Frac+guard)
		if err != nil {
			t.Fatal(err)
		}
		p.EvalClear(dst, c)
		for k := range dst {
			dst[k] = uint64(int64(dst[k]+r.Uint64N(1<<guard)) >> guard)
		}
	}
	return e.values[len(e.values)-1]
}

// TestPrivateRoundingMovesNoLogitOfMNISTByATwentieth is what makes private
// inference agree with fixed point: logits reach 23.
func TestPrivateRoundingMovesNoLogitOfMNISTByATwentieth(t *testing.T) {
	const limit = 0.05
	images := 1000
	if os.Getenv("PASCALINE_LONG") != "" {
		images = 10000
	} else if testing.Short() || raceDetector {
		images = 25
	}
	test := mnistImages(t, "t10k", images)
	g, m, _ := compileMNIST(t)
	e, err := NewFixedEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFloatEvaluator(g)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	worst, worstFloat, sum, n := 0.0, 0.0, 0.0, 0
	for k, im := range test {
		fixed, float := evalBoth(t, m, e, f, im.Pixels)
		in, err := m.Plan.EncodeInput(im.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range m.Plan.DecodeOutput(privateRounding(t, e, r, in)) {
			d := math.Abs(x - fixed[i])
			if d > limit {
				t.Errorf("image %d: logit %d is %v in private, %v in fixed point", k, i, x, fixed[i])
			}
			worst = math.Max(worst, d)
			worstFloat = math.Max(worstFloat, math.Abs(fixed[i]-float[i]))
			sum += d * d
			n++
		}
	}
	t.Logf("private and fixed point differ by %.4f at most, %.4f rms; fixed point and floats by %.4f at most",
		worst, math.Sqrt(sum/float64(n)), worstFloat)
}

// BenchmarkFixedMNIST times one image in fixed point.
func BenchmarkFixedMNIST(b *testing.B) {
	im := mnistImages(b, "t10k", 1)[0]
	_, m, _ := compileMNIST(b)
	e, err := NewFixedEvaluator(m)
	if err != nil {
		b.Fatal(err)
	}
	in, err := m.Plan.EncodeInput(im.Pixels)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := e.Eval(in); err != nil {
			b.Fatal(err)
		}
	}
}

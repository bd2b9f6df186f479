package zoo

import (
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pascaline/model"
)

// census counts what a network has, without weights.
func census(g *model.Graph) (activations, layers, macs, parameters int) {
	for _, n := range g.Nodes {
		switch n.Op {
		case model.OpPolynomial:
			activations += n.Shape.Len()
			layers++
		case model.OpLinear:
			macs += n.Linear.MACs()
			parameters += n.Linear.WeightLen() + n.Linear.K
		}
	}
	return activations, layers, macs, parameters
}

// Activations and multiplications are the paper's, as its code counts them.
// Parameters are published ones. There, batch norm has two for each channel that
// has one bias here; shortcuts of thin ResNets have none, where here projections
// have 16·32 + 32·64 weights and 96 biases.
func TestNetworksAreThoseOfThePaper(t *testing.T) {
	const projections = 16*32 + 32*64 + 32 + 64
	for name, want := range map[string]struct{ activations, layers, parameters, mmacs int }{
		// 2·64² + …: seven convolutions and 1024×10.
		"minionn": {173056, 7, 9*64*(3+4*64) + 64*64 + 64*16 + 6*64 + 16 + 1024*10 + 10, 61},
		// Keras has 14,714,688 in the convolutions of VGG-16.
		"vgg16": {183808, 15, 14714688 + 2*(512*512+512) + 512*10 + 10, 314},
		// 11,173,962 in the common ResNet-18 for CIFAR-10, 4,800 channels.
		"resnet18": {557056, 17, 11173962 - 4800, 555},
		// He et al., table 6: 0.46 and 1.7 million; 464,154 and 1,727,962 to the
		// last one. ResNet-32 has a hundred classes here.
		"resnet32":  {303104, 31, 464154 - 1136 + projections + 90*65, 69},
		"resnet110": {1048576, 109, 1727962 - 4048 + projections, 253},
		// 25,557,032 in torchvision's ResNet-50, 26,560 channels.
		"resnet50": {9608704, 49, 25557032 - 26560, 4089},
	} {
		n, err := New(name, DefaultDegree)
		if err != nil {
			t.Fatal(err)
		}
		activations, layers, macs, parameters := census(n.Topology())
		if activations != want.activations || layers != want.layers {
			t.Errorf("%s: %d activations in %d layers, want %d in %d", name, activations, layers, want.activations, want.layers)
		}
		if parameters != want.parameters {
			t.Errorf("%s: %d parameters, want %d", name, parameters, want.parameters)
		}
		if m := float64(macs) / 1e6; math.Abs(m-float64(want.mmacs)) > 0.01*float64(want.mmacs) {
			t.Errorf("%s: %.1f million multiplications, want %d", name, m, want.mmacs)
		}
	}
	if len(Trainable()) != len(networks) || len(Names()) != 6 {
		t.Errorf("%d names for %d networks, %d of them the paper's six", len(Trainable()), len(networks), len(Names()))
	}
}

// checkRange compiles a network and holds what calibration saw against what the
// polynomials fit.
func checkRange(t *testing.T, name string, degree int) {
	t.Helper()
	n, err := New(name, degree)
	if err != nil {
		t.Fatal(err)
	}
	m, r, err := model.Compile(n.Graph(), n.Images(n.images, n.images), model.Options{})
	if err != nil {
		t.Fatalf("%v: %v", n, err)
	}
	largest := 0.0
	for _, l := range r.Layers {
		if l.Op == model.OpPolynomial {
			largest = max(largest, l.Max)
		}
	}
	t.Logf("%v: pre-activations reach %.2f, outputs %.2f, of which fixed point misses %.2f", n, largest, r.OutputMax, r.OutputError)
	if largest > 6 {
		t.Errorf("%v: a pre-activation reaches %.2f; polynomials are fitted up to 5", n, largest)
	}
	if r.OutputMax < 3 || r.OutputMax > 50 || r.OutputError > 0.3*r.OutputMax {
		t.Errorf("%v: outputs reach %.2f, and fixed point misses them by %.2f", n, r.OutputMax, r.OutputError)
	}
	if s := m.Plan.Summary(); s.Sigma != model.DefaultSigma || s.Name != n.String() {
		t.Errorf("%v: compiled as %s with σ = %d", n, s.Name, s.Sigma)
	}
}

func TestPreActivationsStayWhereThePolynomialsFit(t *testing.T) {
	for _, degree := range Degrees() {
		checkRange(t, "minionn", degree)
	}
	checkRange(t, "lenet", DefaultDegree)
	checkRange(t, "resnet8", DefaultDegree)
	if !testing.Short() {
		checkRange(t, "resnet32", DefaultDegree)
	}
}

func TestLongPreActivationsStayWhereThePolynomialsFit(t *testing.T) {
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("takes minutes; set PASCALINE_LONG=1")
	}
	for _, name := range Trainable() {
		for _, degree := range Degrees() {
			checkRange(t, name, degree)
		}
	}
}

// What is said of a small network before it is trained holds for one that is trained
// on images of MNIST's shape.
func TestSmallNetworksAreThoseThatAreTrainedOnDigits(t *testing.T) {
	for _, name := range []string{"lenet", "resnet8"} {
		n, err := New(name, DefaultDegree)
		if err != nil {
			t.Fatal(err)
		}
		trained, err := Topology(name, model.Shape{H: 28, W: 28, C: 1}, 10, n.coeffs)
		if err != nil {
			t.Fatal(err)
		}
		if g := n.Topology(); !reflect.DeepEqual(g, trained) {
			t.Errorf("%s is %+v, and is trained as %+v", name, g, trained)
		}
	}
}

func TestANetworkIsTheSameOnEveryRun(t *testing.T) {
	n, err := New("minionn", 2)
	if err != nil {
		t.Fatal(err)
	}
	a, err := n.Compile()
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b, err := n.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if a.Plan.Hash() != b.Plan.Hash() {
		t.Error("two compilations of one network have plans of different hashes")
	}
}

func TestImagesAreLikePhotographsAndUnlikeEachOther(t *testing.T) {
	n, err := Parse("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	images := n.Images(3, 20)
	if again := n.Images(4, 1)[0]; again[7] != images[1][7] || again[3071] != images[1][3071] {
		t.Error("image 4 is not the same when asked for alone")
	}
	for i, im := range images {
		sum, squares, steps := 0.0, 0.0, 0.0
		for e, v := range im {
			sum += float64(v)
			squares += float64(v) * float64(v)
			if e >= 3 {
				steps += math.Abs(float64(v - im[e-3]))
			}
			if math.Abs(float64(v)) > 2 {
				t.Fatalf("image %d: a pixel is %v", i, v)
			}
		}
		count := float64(len(im))
		mean, deviation := sum/count, math.Sqrt(squares/count)
		if math.Abs(mean) > 1 || deviation < 0.4 || deviation > 1.5 || steps/count > deviation {
			t.Errorf("image %d: mean %.2f, deviation %.2f, %.2f from pixel to pixel", i, mean, deviation, steps/count)
		}
		if i > 0 && im[0] == images[i-1][0] {
			t.Errorf("images %d and %d begin alike", i-1, i)
		}
	}
}

func TestNetworksAreNamedWithTheirDegree(t *testing.T) {
	for _, s := range []string{"resnet18", "resnet18/2", "vgg16/6"} {
		n, err := Parse(s)
		if err != nil || n.String() != s || !Has(s) {
			t.Errorf("%q is %v: %v", s, n, err)
		}
	}
	if n, err := Parse("resnet18/4"); err != nil || n.String() != "resnet18" || n.Degree() != 4 {
		t.Errorf("resnet18/4 is %v: %v", n, err)
	}
	for s, want := range map[string]bool{"resnet18/x": true, "resnet18/3": true, "resnet18/model.pasc": false, "resnet18/a/b": false, "./resnet18": false} {
		if Has(s) != want {
			t.Errorf("%q passes for a network: %v", s, !want)
		}
	}
	for s, want := range map[string]string{
		"resnet19": "lenet, resnet8, minionn, resnet32", "resnet18/3": "degrees 2, 4 and 6", "resnet18/x": `"x"`, "": "there are", "resnet18/": `""`,
	} {
		if _, err := Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, which lacks %q", s, err, want)
		}
	}
}

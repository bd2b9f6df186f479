package model

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestPolynomialsAreRecognisedInEverySpelling(t *testing.T) {
	pillar := []float64{322. / 1024, 0.5, 160. / 1024, 0, -3. / 1024}
	for _, c := range []struct {
		name   string
		spell  func(b *onnxBuilder, x string) string
		coeffs []float64
	}{
		{"a square by Mul", func(b *onnxBuilder, x string) string { return b.node("Mul", x, x) }, []float64{0, 0, 1}},
		{"a square by Pow", func(b *onnxBuilder, x string) string { return b.node("Pow", x, b.number(2)) }, []float64{0, 0, 1}},
		{"a square by Pow of an integer", func(b *onnxBuilder, x string) string { return b.node("Pow", x, b.ints(2)) }, []float64{0, 0, 1}},
		{"powers and factors", func(b *onnxBuilder, x string) string {
			s := b.node("Add", b.number(322), b.node("Mul", b.number(512), x))
			s = b.node("Add", s, b.node("Mul", b.node("Pow", x, b.number(2)), b.number(160)))
			s = b.node("Sub", s, b.node("Mul", b.node("Pow", x, b.number(4)), b.number(3)))
			return b.node("Div", s, b.number(1024))
		}, pillar},
		{"Horner's rule", func(b *onnxBuilder, x string) string {
			s := b.node("Mul", x, b.number(-3./1024))
			for _, c := range []float64{0, 160. / 1024, 0.5} {
				s = b.node("Mul", b.node("Add", s, b.number(c)), x)
			}
			return b.node("Add", s, b.number(322./1024))
		}, pillar},
		{"squares of squares, and a difference from a constant", func(b *onnxBuilder, x string) string {
			x2 := b.node("Mul", x, x)
			x4 := b.node("Mul", x2, x2)
			s := b.node("Sub", b.number(322), b.node("Mul", x4, b.number(3)))
			s = b.node("Add", s, b.node("Mul", x2, b.number(160)))
			return b.node("Add", b.node("Mul", s, b.number(1./1024)), b.node("Div", x, b.number(2)))
		}, pillar},
		{"negations and a scaled argument", func(b *onnxBuilder, x string) string {
			y := b.node("Sub", b.node("Mul", x, b.number(2)), b.number(1))
			return b.node("Neg", b.node("Mul", y, b.node("Neg", y)))
		}, []float64{1, -4, 4}},
		{"terms that cancel", func(b *onnxBuilder, x string) string {
			x3 := b.node("Pow", x, b.number(3))
			return b.node("Sub", b.node("Add", x3, b.node("Mul", x, x)), x3)
		}, []float64{0, 0, 1}},
		{"a polynomial of a polynomial", func(b *onnxBuilder, x string) string { return b.node("Pow", b.square(x), b.number(4)) },
			[]float64{0, 0, 0, 0, 1. / 16, 1. / 2, 3. / 2, 2, 1}},
		{"one number for all channels, written out", func(b *onnxBuilder, x string) string {
			return b.node("Mul", b.node("Mul", x, x), b.node("Div", b.node("Constant", b.ones(4)), b.number(4)))
		}, []float64{0, 0, 0.25}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, dims := range [][]int64{{1, 4, 3, 3}, {1, 4}} {
				b := newONNX(dims...)
				g := importsAs(t, b, c.spell(b, "x"))
				if len(g.Nodes) != 2 || !slices.EqualFunc(g.Nodes[1].Coeffs, c.coeffs, func(a, b float64) bool {
					return math.Abs(a-b) < 1e-9
				}) {
					t.Fatalf("became %s with %v, not a polynomial with %v", ops(g), g.Nodes[1].Coeffs, c.coeffs)
				}
				if last := b.last().Name; g.Nodes[1].Name != last {
					t.Errorf("it is called %q, not %q after the last node", g.Nodes[1].Name, last)
				}
			}
		})
	}
}

func TestAPolynomialIsComputedWhereEachOfItsReadersNeedsIt(t *testing.T) {
	b := newONNX(1, 2, 4, 4)
	y := b.conv("x", 2, 2, 3, 1, 1)
	half := b.node("Mul", y, b.number(0.5)) // also read by a convolution, so y itself must stay
	z := b.conv(b.node("Mul", half, half), 2, 2, 3, 1, 1)
	g := importsAs(t, b, b.node("Add", z, b.conv(half, 2, 2, 3, 1, 1)))
	if got, want := ops(g), "linear polynomial linear linear add"; got != want {
		t.Errorf("became %s, not %s", got, want)
	}
}

// A plan shows clients the coefficients of its polynomials. Batch norms are weights,
// also where they are of one channel and could be taken for numbers of the activation.
func TestNoPolynomialTakesABatchNorm(t *testing.T) {
	for name, build := range map[string]func(b *onnxBuilder) string{
		"before":         func(b *onnxBuilder) string { return b.square(b.batchNorm("x", 1)) },
		"behind":         func(b *onnxBuilder) string { return b.conv(b.batchNorm(b.square("x"), 1), 1, 2, 3, 1, 1) },
		"between":        func(b *onnxBuilder) string { return b.square(b.batchNorm(b.square("x"), 1)) },
		"after a number": func(b *onnxBuilder) string { return b.square(b.batchNorm(b.node("Mul", "x", b.number(2)), 1)) },
		"beside a shortcut": func(b *onnxBuilder) string {
			y := b.square("x")
			return b.square(b.node("Add", b.batchNorm(y, 1), b.conv(y, 1, 1, 3, 1, 1)))
		},
	} {
		b := newONNX(1, 1, 4, 4)
		for _, n := range importsAs(t, b, build(b)).Nodes {
			if n.Op == OpPolynomial && !slices.Equal(n.Coeffs, []float64{0, 0.5, 1}) {
				t.Errorf("%s: the polynomial %q has the coefficients %v", name, n.Name, n.Coeffs)
			}
		}
	}
}

// TestRandomNetworksComputeWhatONNXDefines chains layers at random.
func TestRandomNetworksComputeWhatONNXDefines(t *testing.T) {
	for seed := range int64(40) {
		b := newONNX(1, 2, 8, 8)
		b.rand.Seed(seed)
		x, c, size := "x", int64(2), int64(8)
		for range 2 + b.rand.Intn(4) {
			k := 1 + b.rand.Int63n(4)
			y := b.conv(x, c, k, 3, 1, 1)
			if b.rand.Intn(2) == 0 {
				y = b.batchNorm(y, k)
			}
			if b.rand.Intn(3) == 0 {
				y = b.node("Add", y, b.random(0, k, 1, 1))
			}
			if b.rand.Intn(3) == 0 {
				y = b.node("Add", b.node("Mul", y, b.number(0.5)), b.batchNorm(b.conv(x, c, k, 1, 1, 0), k))
			}
			if b.rand.Intn(2) == 0 {
				y = b.node("Mul", b.square(y), b.number(0.25))
			}
			if b.rand.Intn(3) == 0 && size > 3 {
				y = b.node("AveragePool", y, intsAttr("kernel_shape", 2, 2), intsAttr("strides", 2, 2))
				size /= 2
				if b.rand.Intn(2) == 0 {
					y = b.node("Add", b.conv(y, k, k, 1, 1, 0), y)
				}
			}
			x, c = y, k
		}
		x = b.node("Reshape", x, b.ints(1, -1))
		x = b.batchNorm(b.linear(x, c*size*size, 5), 5)
		importsAs(t, b, b.linear(b.square(x), 5, 3))
	}
}

// TestRandomFactorsAndOffsetsComputeWhatONNXDefines puts constants of channels and of
// pixels, in several views, between layers that can take them over and layers that
// cannot.
func TestRandomFactorsAndOffsetsComputeWhatONNXDefines(t *testing.T) {
	layers, refused := map[string]int{}, 0
	for seed := range int64(300) {
		b := newONNX(1, 6, 4, 4)
		b.rand.Seed(seed)
		c := int64(6) // channels of 4×4 pixels
		constant := func(mean float64) string {
			switch b.rand.Intn(3) {
			case 0:
				return b.random(mean, 1)
			case 1:
				return b.random(mean, c, 1, 1)
			}
			return b.random(mean, 1, c, 1, 1)
		}
		var grow func(x string, depth int) string
		grow = func(x string, depth int) string {
			for range 1 + b.rand.Intn(3) {
				switch b.rand.Intn(9) {
				case 0, 1:
					x = b.node("Mul", x, constant(1))
				case 2:
					x = b.node("Sub", constant(0.5), x)
				case 3:
					x = b.node("Add", x, b.random(0, c, 4, 4))
				case 4: // another view of the same elements, of another number of channels
					n := []int64{2, 3, 4}[b.rand.Intn(3)]
					x = b.node("Reshape", b.node("Transpose", x, intsAttr("perm", 0, 2, 3, 1)), b.ints(1, -1, n))
					x = b.node("Add", b.node("Mul", x, b.random(1, n)), b.random(0, 1, n))
					x = b.node("Transpose", b.node("Reshape", x, b.ints(1, 4, 4, c)), intsAttr("perm", 0, 3, 1, 2))
				case 5:
					x = b.batchNorm(x, c)
				case 6:
					x = b.node("AveragePool", x, intsAttr("kernel_shape", 3, 3), intsAttr("pads", 1, 1, 1, 1), intAttr("count_include_pad", 1))
				case 7:
					if depth < 2 {
						x = b.node("Add", grow(x, depth+1), grow(x, depth+1))
					}
				case 8:
					if depth < 2 {
						y := b.node("Concat", grow(x, depth+1), grow(x, depth+1), intAttr("axis", 1))
						x = b.node("Slice", y, b.ints(3), b.ints(3+c), b.ints(1))
					}
				}
			}
			switch b.rand.Intn(3) {
			case 0:
				x = b.conv(x, c, c, 3, 1, 1)
			case 1:
				x = b.node("Add", b.node("Mul", b.node("Mul", x, x), b.number(0.125)), x)
			}
			return x
		}
		x := grow(grow("x", 0), 0)
		out := b.linear(b.node("Flatten", x), 16*c, 3)
		if _, _, err := ImportONNX(b.bytes(t, out), ImportOptions{}); err != nil && strings.Contains(err.Error(), "pixel to pixel") {
			refused++
			continue
		}
		g := importsAs(t, b, out)
		for _, n := range g.Nodes {
			layers[n.Op.String()]++
		}
	}
	if t.Log(layers, refused); refused > 100 || layers["linear"] < 300 || layers["concat"] < 100 {
		t.Errorf("%d networks were refused, the others have %v", refused, layers)
	}
}

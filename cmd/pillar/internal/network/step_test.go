package network

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/model"
	"pascaline/model/zoo"
	"pascaline/pillar"
	"pascaline/ring"
)

func BenchmarkStep(b *testing.B) {
	const batch, shards = 128, 2
	for _, name := range []string{"lenet", "resnet8"} {
		b.Run(name, func(b *testing.B) {
			g, err := zoo.Topology(name, model.Shape{H: 28, W: 28, C: 1}, 10, relu4)
			if err != nil {
				b.Fatal(err)
			}
			n, err := New(g, Activation{Coeffs: relu4, Range: 5, Clip: true})
			if err != nil {
				b.Fatal(err)
			}
			step, err := n.NewStep(goBackend(b), Config{Penalty: Penalty{10, 4.5}, Shards: shards})
			if err != nil {
				b.Fatal(err)
			}
			state := n.Start(SGD, ring.Seed{1})
			var images, labels []*tensors.Tensor
			for range shards {
				x := make([]float32, 28*28*batch/shards)
				s := ring.NewStream(ring.Seed{2}, "images")
				for i := range x {
					x[i] = float32(normal(s))
				}
				y := make([]float32, 10*batch/shards)
				for i := range batch / shards {
					y[i] = 1
				}
				images = append(images, tensors.FromFlatDataAndDimensions(x, 1, batch/shards, 28, 28))
				labels = append(labels, tensors.FromFlatDataAndDimensions(y, 10, batch/shards))
			}
			for b.Loop() {
				next, _, err := step.Run(state, images, labels, Scalars{Rate: 0.01, Labels: 1, Beta: 1e-5, Step: 1})
				if err != nil {
					b.Fatal(err)
				}
				state = next
			}
			b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// The penalty in the graph is the one that package pillar defines.
func TestThePenaltyIsPillars(t *testing.T) {
	x := tensors.FromFlatDataAndDimensions([]float64{-6, -4.5, -1, 0, 0.5, 3, 5, 9}, 2, 1, 2, 2)
	for _, gamma := range []int{2, 4, 6, 8, 10} {
		reference := pillar.Penalty{Beta: 0.25, Gamma: float64(gamma), Range: 4.5}
		layers := [][]float64{tensors.MustCopyFlatData[float64](x)}
		q := Penalty{Gamma: gamma, Range: reference.Range}
		out, err := CallOnceN(goBackend(t).Backend, func(x *Node) []*Node {
			return []*Node{q.value(kernels{}, x), q.slope(x)}
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-12*(1+math.Abs(want)) }
		if got, want := reference.Beta*tensors.ToScalar[float64](out[0]), reference.Value(layers); !near(got, want) {
			t.Errorf("γ = %d: the penalty is %v, want %v", gamma, got, want)
		}
		for i, want := range reference.Gradient(layers)[0] {
			if got := reference.Beta * tensors.MustCopyFlatData[float64](out[1])[i]; !near(got, want) {
				t.Errorf("γ = %d, element %d: the slope is %v, want %v", gamma, i, got, want)
			}
		}
	}
}

// A step of SGD and one of Adam are those of their papers, on a weight whose gradient
// is given.
func TestOptimizersMakeTheStepsOfTheirPapers(t *testing.T) {
	w, g := []float64{1, -2}, []float64{0.5, 3}
	for o, want := range map[Optimizer]func(i int) float64{
		// v = 0.9·0.1 + g; w − 0.01·v.
		SGD: func(i int) float64 { return w[i] - 0.01*(0.09+g[i]) },
		// Kingma and Ba, algorithm 1, at the first step but with averages of 0.1 and 0.2.
		Adam: func(i int) float64 {
			m, v := 0.9*0.1+0.1*g[i], 0.999*0.2+0.001*g[i]*g[i]
			return w[i] - 0.01*(m/(1-0.9))/math.Sqrt(v/(1-0.999))
		},
	} {
		rate := 0.01
		if o == Adam {
			rate *= adamCorrection(1)
		}
		out, err := CallOnceN(goBackend(t).Backend, func(w, g *Node) []*Node {
			var slots []*Node
			for i := range o.slots() {
				slots = append(slots, AddScalar(ZerosLike(w), 0.1*float64(i+1)))
			}
			next, _ := o.apply(w, g, slots, Const(w.Graph(), rate))
			return []*Node{next}
		}, w, g)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range tensors.MustCopyFlatData[float64](out[0]) {
			if math.Abs(got-want(i)) > 1e-6 {
				t.Errorf("optimizer %d: weight %d becomes %v, want %v", o, i, got, want(i))
			}
		}
	}
}

package zoo

import (
	"math"

	"pascaline/model"
	"pascaline/ring"
)

// logits is the standard deviation of a network's outputs.
const logits = 3

// operating says where pre-activations lie, about which the polynomial of a degree
// is nearly straight: deep networks would otherwise amplify what is large already,
// layer after layer.
type operating struct {
	centre float64 // the mean of every channel
	spread float64 // the standard deviation
}

// operate returns where the slope of a polynomial is just below 1, so that a
// residual network's shortcuts fade slowly. At degrees 4 and 6 the slope falls
// beyond, which holds large values back. At degree 2 nothing does, and values must
// be small.
func operate(coeffs []float64) (o operating) {
	slope := 0.97
	if o.spread = 0.3; len(coeffs)-1 == 2 {
		slope, o.spread = 0.8, 0.1
	}
	for slopeAt(coeffs, o.centre) < slope {
		o.centre += 1. / 64
	}
	return o
}

func slopeAt(coeffs []float64, t float64) float64 {
	v := 0.0
	for k := len(coeffs) - 1; k > 0; k-- {
		v = v*t + float64(k)*coeffs[k]
	}
	return v
}

// normaliser gives a topology weights, layer by layer, as batch norm would scale
// them on the images: each channel of a pre-activation gets its mean and standard
// deviation.
type normaliser struct {
	g      *model.Graph
	values [][][]float64 // by node and image, while something needs them
	users  [][]int
	operating
}

func (t *topology) normalise(seed ring.Seed, images [][]float32) {
	n := normaliser{g: t.g, values: make([][][]float64, len(t.g.Nodes)), users: make([][]int, len(t.g.Nodes)), operating: operate(t.coeffs)}
	for i, node := range t.g.Nodes {
		for _, j := range node.Inputs {
			n.users[j] = append(n.users[j], i)
		}
	}
	for _, image := range images {
		x := make([]float64, len(image))
		for i, v := range image {
			x[i] = float64(v)
		}
		n.values[0] = append(n.values[0], x)
	}
	for i := 1; i < len(t.g.Nodes); i++ {
		n.step(i, ring.NewStream(seed, "zoo/weights", uint64(i)))
	}
}

// step computes node i on all images; of a linear node, after drawing weights.
func (n *normaliser) step(i int, s *ring.Stream) {
	node := &n.g.Nodes[i]
	if node.Op == model.OpLinear {
		node.W, node.Bias = gaussian(s, node.Linear.WeightLen()), make([]float32, node.Linear.K)
		if node.Inputs[0] > 0 {
			balance(node.W, node.Linear)
		}
	}
	if node.Op == model.OpAdd { // its first input is the branch
		n.complete(node.Inputs[0], node.Inputs[1])
	}
	for image := range n.values[0] {
		dst, inputs := make([]float64, node.Shape.Len()), make([][]float64, len(node.Inputs))
		for k, j := range node.Inputs {
			inputs[k] = n.values[j][image]
		}
		node.Eval(dst, inputs...)
		n.values[i] = append(n.values[i], dst)
	}
	if node.Op == model.OpLinear {
		n.scale(i)
	}
	for _, j := range node.Inputs { // the image stays: it says how many there are
		if users := n.users[j]; users[len(users)-1] == i && j > 0 {
			n.values[j] = nil
		}
	}
}

// scale gives linear node i what its place in the network asks for. A branch of a
// sum gets it when the sum is complete.
func (n *normaliser) scale(i int) {
	mean, deviation := n.centre, n.spread
	switch users := n.users[i]; {
	case len(users) == 0:
		mean, deviation = 0, logits
	case n.g.Nodes[users[0]].Op == model.OpAdd: // a projection
		mean, deviation = 0, 0.6*n.spread
	case n.g.Nodes[users[0]].Op == model.OpPool: // a mean of many spreads less
		deviation *= math.Sqrt(n.g.Nodes[users[0]].Divisor)
	}
	means := make([]float64, n.g.Nodes[i].Linear.K)
	for k := range means {
		means[k] = mean
	}
	n.rescale(i, means, deviation)
}

// complete scales a branch so that it and the shortcut make up a pre-activation
// together.
func (n *normaliser) complete(branch, shortcut int) {
	means, deviations := moments(n.values[shortcut], n.g.Nodes[shortcut].Shape.C)
	variance := 0.0
	for k, d := range deviations {
		variance += d * d / float64(len(deviations))
		means[k] = n.centre - means[k]
	}
	least := 0.2 * n.spread
	n.rescale(branch, means, math.Sqrt(max(n.spread*n.spread-variance, least*least)))
}

// rescale gives the channels of linear node i, whose values are known, their means
// and a standard deviation.
func (n *normaliser) rescale(i int, means []float64, deviation float64) {
	node := &n.g.Nodes[i]
	have, was := moments(n.values[i], node.Linear.K)
	scale, offset := make([]float64, node.Linear.K), make([]float64, node.Linear.K)
	for k := range scale {
		if scale[k] = 1; was[k] > 0 {
			scale[k] = deviation / was[k]
		}
		offset[k] = means[k] - scale[k]*have[k]
	}
	for e := range node.W {
		node.W[e] *= float32(scale[e%len(scale)])
	}
	for k, b := range node.Bias {
		node.Bias[k] = float32(scale[k]*float64(b) + offset[k])
	}
	for _, v := range n.values[i] {
		for e := range v {
			k := e % len(scale)
			v[e] = scale[k]*v[e] + offset[k]
		}
	}
}

// enough is how many values of a channel tell its standard deviation; of fewer,
// that of the whole layer is taken.
const enough = 256

// moments returns the mean and the standard deviation of every channel.
func moments(images [][]float64, channels int) (mean, deviation []float64) {
	mean, deviation = make([]float64, channels), make([]float64, channels)
	count := float64(len(images)*len(images[0])) / float64(channels)
	for _, v := range images {
		for e, x := range v {
			mean[e%channels] += x / count
		}
	}
	all := 0.0
	for _, v := range images {
		for e, x := range v {
			d := x - mean[e%channels]
			deviation[e%channels] += d * d / count
			all += d * d / count
		}
	}
	for k := range deviation {
		if count < enough {
			deviation[k] = all / float64(channels)
		}
		deviation[k] = math.Sqrt(deviation[k])
	}
	return mean, deviation
}

// balance makes the weights of every place of a kernel add up to zero. All
// channels of an activation have about the same mean, well above zero; where a
// kernel reaches into the padding and misses it, there would be a frame around
// every image, in deep networks larger than what is in the image.
func balance(w []float32, s ring.ConvShape) {
	mean := make([]float32, s.K)
	for ; len(w) > 0; w = w[s.C*s.K:] {
		clear(mean)
		for i := range s.C * s.K {
			mean[i%s.K] += w[i] / float32(s.C)
		}
		for i := range s.C * s.K {
			w[i] -= mean[i%s.K]
		}
	}
}

// gaussian draws n weights of standard deviation 1, nearly normal: sums of four
// uniform ones.
func gaussian(s *ring.Stream, n int) []float32 {
	const parts, width = 4, 1 << 16
	deviation := math.Sqrt(parts * (width*width - 1) / 12.0)
	w, draw := make([]float32, n), make([]uint64, n)
	s.Fill(draw)
	for i, v := range draw {
		sum := int(v&0xffff) + int(v>>16&0xffff) + int(v>>32&0xffff) + int(v>>48)
		w[i] = float32((float64(sum) - parts*(width-1)/2.0) / deviation)
	}
	return w
}

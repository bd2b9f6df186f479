// Package network computes a network, its gradient and the steps of its training
// as graphs of GoMLX: everything between a batch of images and the next weights.
//
// Gradients are written out layer by layer instead of being derived. In GoMLX
// v0.28 the derivative of batch norm leaves out the batch's statistics, Pad and
// Rsqrt have none, and the convolution of the pure-Go backend is a scalar loop.
// What is written here is held against finite differences by the tests.
//
// Tensors are C×B×H×W, the channels outermost: a convolution is then one matrix
// product with the columns of its input, and what batch norm needs are matrix
// products too, which are what the pure-Go backend does fast.
package network

import (
	"fmt"
	"math"

	"pascaline/model"
	"pascaline/ring"
)

// Activation is what stands behind every batch norm.
type Activation struct {
	// Coeffs are those of P(t) = Σ Coeffs[k] t^k; none stands for ReLU.
	Coeffs []float64
	// Range is how far polynomials fit, to [−Range, Range]; values beyond it are counted
	// as escaped.
	Range float64
	// Clip says whether training clips what enters a polynomial to the range.
	// Inference never does.
	Clip bool
}

// Role says what a parameter is, and so how it starts and whether it decays.
type Role uint8

// The roles of parameters.
const (
	Weight Role = iota // of a linear layer, (KH·KW·C)×K
	Bias               // of a linear layer without batch norm, K
	Gain               // of a batch norm, K
	Offset             // of a batch norm, K
)

// Param is a tensor that training changes.
type Param struct {
	Name string
	Role Role
	Dims []int
}

// Len returns the number of elements.
func (p *Param) Len() int {
	n := 1
	for _, d := range p.Dims {
		n *= d
	}
	return n
}

// Network is a topology that can be trained.
type Network struct {
	Topology   *model.Graph // without weights
	Activation Activation
	Params     []Param
	layers     []layer // one for each node of the topology
	norms      []int   // the nodes that have a batch norm, in order
	activated  []int   // the nodes that are activations, in order
}

// layer says which parameters a node has.
type layer struct {
	weight, bias, gain int // index into Params, or −1; a gain's offset follows it
	norm               int // index into the batch norms, or −1
}

// New returns the network of a topology. Every linear layer but the last gets a
// batch norm behind it.
func New(topology *model.Graph, a Activation) (*Network, error) {
	n := &Network{Topology: topology, Activation: a, layers: make([]layer, len(topology.Nodes))}
	for i := range topology.Nodes {
		node := &topology.Nodes[i]
		l := layer{-1, -1, -1, -1}
		switch node.Op {
		case model.OpLinear:
			s := node.Linear
			l.weight = n.add(node.Name, Weight, s.KH*s.KW*s.C, s.K)
			if i == len(topology.Nodes)-1 {
				l.bias = n.add(node.Name, Bias, s.K)
				break
			}
			l.gain = n.add(node.Name, Gain, s.K)
			n.add(node.Name, Offset, s.K)
			l.norm = len(n.norms)
			n.norms = append(n.norms, i)
		case model.OpPolynomial:
			n.activated = append(n.activated, i)
		case model.OpInput, model.OpAdd, model.OpPool, model.OpReshape:
		default:
			return nil, fmt.Errorf("training %q: node %q is of kind %v, which cannot be trained", topology.Name, node.Name, node.Op)
		}
		n.layers[i] = l
	}
	return n, nil
}

var roles = [...]string{Weight: "weight", Bias: "bias", Gain: "gain", Offset: "offset"}

func (n *Network) add(node string, r Role, dims ...int) int {
	n.Params = append(n.Params, Param{node + "." + roles[r], r, dims})
	return len(n.Params) - 1
}

// Activations returns the names of the activation layers, in order.
func (n *Network) Activations() []string {
	names := make([]string, len(n.activated))
	for k, i := range n.activated {
		names[k] = n.Topology.Nodes[i].Name
	}
	return names
}

// Classes returns the number of outputs.
func (n *Network) Classes() int { return n.Topology.Nodes[len(n.Topology.Nodes)-1].Shape.Len() }

// Input returns the shape of an image.
func (n *Network) Input() model.Shape { return n.Topology.Nodes[0].Shape }

// Initial returns the parameters that training begins with: weights normal with
// the variance 2/fan-in (He et al., 2015), gains 1, biases and offsets 0.
func (n *Network) Initial(seed ring.Seed) [][]float32 {
	values := make([][]float32, len(n.Params))
	for i := range n.Params {
		p := &n.Params[i]
		values[i] = make([]float32, p.Len())
		switch p.Role {
		case Weight:
			s := ring.NewStream(seed, "pillar/weights", uint64(i))
			scale := math.Sqrt(2 / float64(p.Dims[0]))
			for j := range values[i] {
				values[i][j] = float32(scale * normal(s))
			}
		case Gain:
			for j := range values[i] {
				values[i][j] = 1
			}
		}
	}
	return values
}

// normal draws from the standard normal distribution (Box and Muller).
func normal(s *ring.Stream) float64 {
	var w [2]uint64
	s.Fill(w[:])
	u, v := (float64(w[0]>>11)+1)/(1<<53), float64(w[1]>>11)/(1<<53)
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
}

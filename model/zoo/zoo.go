// Package zoo has the networks that the paper measures, and two small ones that a
// processor trains in minutes, with polynomial activations and weights drawn from a
// seed: what they compute means nothing, and what it costs is what a trained network
// of the same shape costs. Fast and Private Inference of Deep Neural Networks by
// Co-designing Activation Functions (Diaa et al., 2024), section 7, names the paper's.
//
// Weights are normalised as batch norm would have trained them to be, so that
// pre-activations stay where the polynomials approximate ReLU. Networks, weights
// and images are the same on every run, and so are plans: who names a network of
// the zoo at either party means the same one. (On processors of one architecture:
// others may fuse a multiplication and an addition and round once. Between such, hand
// over the plan file.)
package zoo

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pascaline/model"
	"pascaline/pillar"
	"pascaline/ring"
)

// DefaultDegree is the degree of the activations where none is named.
const DefaultDegree = 4

// Network is one network of the zoo at one degree of its activations.
type Network struct {
	name   string
	degree int
	coeffs []float64 // of the activations: PILLAR's at degree 4
	known
}

// known is what tells the networks apart.
type known struct {
	build   func(*topology)
	classes int
	image   model.Shape
	// images is how many images normalise a network, and calibrate it: their
	// pixels must be many, and one image of the large ones has enough.
	images int
}

var (
	digit = model.Shape{H: 28, W: 28, C: 1}
	photo = model.Shape{H: 32, W: 32, C: 3}
	large = model.Shape{H: 224, W: 224, C: 3}
)

var networks = map[string]known{
	"lenet":     {leNet, 10, digit, 8},
	"resnet8":   {func(t *topology) { thinResNet(t, 1, 2) }, 10, digit, 8},
	"minionn":   {miniONN, 10, photo, 8},
	"vgg16":     {vgg16, 10, photo, 8},
	"resnet18":  {resNet18, 10, photo, 4},
	"resnet32":  {func(t *topology) { thinResNet(t, 5, 1) }, 100, photo, 8},
	"resnet110": {func(t *topology) { thinResNet(t, 18, 1) }, 10, photo, 8},
	"resnet50":  {resNet50, 1000, large, 2},
}

// Names returns the names of the paper's networks, the cheapest first.
func Names() []string {
	return []string{"minionn", "resnet32", "resnet110", "vgg16", "resnet18", "resnet50"}
}

// Trainable returns the names of all networks: the small ones, which a processor
// trains in minutes, then those of the paper.
func Trainable() []string { return append([]string{"lenet", "resnet8"}, Names()...) }

// Degrees returns the degrees that activations can have.
func Degrees() []int { return []int{2, 4, 6} }

// Has reports whether a name is that of a network, with a degree or without,
// though the degree be wrong. The path of a file in a folder called like a network
// is none.
func Has(name string) bool {
	name, degree, _ := strings.Cut(name, "/")
	return networks[name].build != nil && !strings.ContainsAny(degree, "./")
}

// Parse returns the network of a name, alone or with the degree of the
// activations after a slash: resnet18, resnet18/2.
func Parse(s string) (Network, error) {
	name, degree, given := strings.Cut(s, "/")
	if !Has(name) {
		return Network{}, fmt.Errorf("no network %q; there are %s", name, strings.Join(Trainable(), ", "))
	}
	if !given {
		return New(name, DefaultDegree)
	}
	d, err := strconv.Atoi(degree)
	if err != nil {
		return Network{}, fmt.Errorf("network %q: the degree %q is no number", name, degree)
	}
	return New(name, d)
}

// New returns the network of a name.
func New(name string, degree int) (Network, error) {
	if !Has(name) {
		return Network{}, fmt.Errorf("no network %q; there are %s", name, strings.Join(Trainable(), ", "))
	}
	if !slices.Contains(Degrees(), degree) {
		return Network{}, fmt.Errorf("network %q with activations of degree %d; there are degrees 2, 4 and 6", name, degree)
	}
	relu, err := pillar.Spec{Degree: degree, Lo: -5, Hi: 5, Q: pillar.AutoQ}.Fit("relu")
	if err != nil {
		return Network{}, fmt.Errorf("network %q: %w", name, err)
	}
	return Network{name, degree, relu.Coeffs(), networks[name]}, nil
}

// String returns the name, with the degree unless it is the default.
func (n Network) String() string {
	if n.degree == DefaultDegree {
		return n.name
	}
	return fmt.Sprintf("%s/%d", n.name, n.degree)
}

// Degree returns the degree of the activations.
func (n Network) Degree() int { return n.degree }

// Graph returns the network in real numbers.
func (n Network) Graph() *model.Graph {
	t := n.topology()
	t.normalise(n.seed("weights"), n.Images(0, n.images))
	return t.g
}

// Topology returns the network without weights: it has all shapes, and cannot be
// evaluated.
func (n Network) Topology() *model.Graph { return n.topology().g }

func (n Network) topology() *topology {
	t := newTopology(n.String(), n.image, n.classes, n.coeffs)
	n.build(t)
	return t
}

// Compile returns the network compiled. Its salt follows from the weights: they
// are no secret.
func (n Network) Compile() (*model.Model, error) {
	m, _, err := model.Compile(n.Graph(), n.Images(n.images, n.images), model.Options{Salt: n.seed("salt")})
	return m, err
}

// Images returns count images, from the given number on: as many as one likes,
// all unlike.
func (n Network) Images(first, count int) [][]float32 {
	images := make([][]float32, count)
	for i := range images {
		images[i] = draw(ring.NewStream(n.seed("images"), "zoo/image", uint64(first+i)), n.image)
	}
	return images
}

// seed returns what one use of randomness begins with, which anyone may know.
func (n Network) seed(use string) ring.Seed {
	return ring.Seed(sha256.Sum256([]byte("pascaline zoo " + n.name + " " + use)))
}

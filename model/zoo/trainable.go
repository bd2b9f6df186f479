package zoo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pascaline/model"
	"pascaline/ring"
)

// small are the networks that are not the paper's: what a processor trains in
// minutes.
var small = map[string]func(*topology){
	"lenet":   leNet,
	"resnet8": func(t *topology) { thinResNet(t, 1, 2) },
}

// Trainable returns the names of the networks that Topology knows: the small ones,
// then those of the paper.
func Trainable() []string {
	return append(slices.Sorted(maps.Keys(small)), Names()...)
}

// Topology returns a network without weights for images and classes of one's own;
// coeffs are those of its activations. Its shapes must fit: five pools of 2×2 leave
// nothing of a small image.
func Topology(name string, image model.Shape, classes int, coeffs []float64) (*model.Graph, error) {
	build := small[name]
	if build == nil {
		build = networks[name].build
	}
	if build == nil {
		return nil, fmt.Errorf("no network %q; there are %s", name, strings.Join(Trainable(), ", "))
	}
	t := newTopology(name, image, classes, coeffs)
	build(t)
	for i := range t.g.Nodes {
		n := &t.g.Nodes[i]
		for op, s := range map[model.Op]ring.ConvShape{model.OpLinear: n.Linear, model.OpPool: n.Pool} {
			if n.Op == op && s.Validate() != nil {
				return nil, fmt.Errorf("network %q: images of %d×%d are too small; nothing is left of them at %s", name, image.H, image.W, n.Name)
			}
		}
	}
	return t.g, nil
}

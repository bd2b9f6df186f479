package zoo

import (
	"fmt"
	"strings"

	"pascaline/model"
	"pascaline/ring"
)

// Topology returns a network without weights for images and classes of one's own;
// coeffs are those of its activations. Its shapes must fit: five pools of 2×2 leave
// nothing of a small image.
func Topology(name string, image model.Shape, classes int, coeffs []float64) (*model.Graph, error) {
	build := networks[name].build
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

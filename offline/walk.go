package offline

import (
	"context"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// walk computes the client's shares of every tensor of a group: its masks r for
// the input and the activations, W·r − s for the linear layers, and public
// operations on those in between.
type walk struct {
	plan    *model.Plan
	bundles []*correlation.Bundle
	layer   []int        // index among the activations or the linear layers
	shares  [][][]uint64 // by node and bundle, nil until computed
}

func newWalk(plan *model.Plan, bundles []*correlation.Bundle) *walk {
	return &walk{plan: plan, bundles: bundles, layer: layers(plan), shares: make([][][]uint64, len(plan.Nodes))}
}

// layers returns the index among the activations or the linear layers of each
// such node.
func layers(plan *model.Plan) []int {
	layer := make([]int, len(plan.Nodes))
	acts, linear := 0, 0
	for i, n := range plan.Nodes {
		switch n.Op {
		case model.OpPolynomial:
			layer[i] = acts
			acts++
		case model.OpLinear:
			layer[i] = linear
			linear++
		}
	}
	return layer
}

// resolve returns the client's shares of node i, computing what they need. The
// linear layers among that have been made.
func (w *walk) resolve(i int) [][]uint64 {
	n := &w.plan.Nodes[i]
	if w.shares[i] != nil {
		return w.shares[i]
	}
	inputs := make([][][]uint64, len(n.Inputs))
	if n.Op != model.OpPolynomial { // its output is a mask, whatever goes in
		for j, k := range n.Inputs {
			inputs[j] = w.resolve(k)
		}
	}
	out := make([][]uint64, len(w.bundles))
	for g, b := range w.bundles {
		switch n.Op {
		case model.OpInput:
			out[g] = b.InputMask()
		case model.OpPolynomial:
			out[g] = b.ActivationMask(w.layer[i])
		default:
			in := make([][]uint64, len(inputs))
			for j := range inputs {
				in[j] = inputs[j][g]
			}
			out[g] = make([]uint64, n.Shape.Len())
			w.plan.Public(i, out[g], in...)
		}
	}
	w.shares[i] = out
	return out
}

// bind ties the correlations to their layers: it sends z_C = y_C + R_C of every
// activation, one message for each bundle, and keeps y_C of the output.
func (w *walk) bind(ctx context.Context, conn api.Conn) error {
	for _, b := range w.bundles {
		b.Opening = make([][]uint64, len(b.Spec.Activations))
	}
	for i, n := range w.plan.Nodes {
		if n.Op != model.OpPolynomial {
			continue
		}
		y, l := w.resolve(n.Inputs[0]), w.layer[i]
		for g, b := range w.bundles {
			z := b.OpeningMask(l)
			ring.Add(z, z, y[g])
			b.Opening[l] = z
		}
	}
	y := w.resolve(len(w.plan.Nodes) - 1)
	for g, b := range w.bundles {
		b.Output = y[g]
		if err := conn.Send(ctx, api.Kind_OPENING, encodeOpening(b.Opening)); err != nil {
			return err
		}
	}
	return nil
}

// encodeOpening lays the openings of one bundle one after the other, eight
// bytes little-endian for each element.
func encodeOpening(opening [][]uint64) []byte {
	size := 0
	for _, z := range opening {
		size += 8 * len(z)
	}
	b := make([]byte, 0, size)
	for _, z := range opening {
		b = ring.AppendWords(b, z)
	}
	return b
}

// decodeOpening is the inverse of encodeOpening for a message of openingSize.
func decodeOpening(spec *correlation.BundleSpec, b []byte) [][]uint64 {
	opening := make([][]uint64, len(spec.Activations))
	for l, a := range spec.Activations {
		opening[l] = make([]uint64, a.Powers.N)
		ring.Words(opening[l], b[:8*a.Powers.N])
		b = b[8*a.Powers.N:]
	}
	return opening
}

// openingSize is the length of an encoded opening in bytes.
func openingSize(spec *correlation.BundleSpec) int {
	n := 0
	for _, a := range spec.Activations {
		n += 8 * a.Powers.N
	}
	return n
}

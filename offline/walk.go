package offline

import (
	"context"
	"encoding/binary"

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
	done    []chan struct{}
}

func newWalk(plan *model.Plan, bundles []*correlation.Bundle) *walk {
	w := &walk{
		plan:    plan,
		bundles: bundles,
		layer:   make([]int, len(plan.Nodes)),
		shares:  make([][][]uint64, len(plan.Nodes)),
		done:    make([]chan struct{}, len(plan.Nodes)),
	}
	acts, linear := 0, 0
	for i, n := range plan.Nodes {
		switch n.Op {
		case model.OpPolynomial:
			w.layer[i] = acts
			acts++
		case model.OpLinear:
			w.layer[i] = linear
			linear++
			w.done[i] = make(chan struct{})
		}
	}
	return w
}

// resolve returns the client's shares of node i, computing what they need. For
// a linear layer it waits until the reply has been decrypted. One goroutine at a
// time may call it.
func (w *walk) resolve(ctx context.Context, i int) ([][]uint64, error) {
	n := &w.plan.Nodes[i]
	if n.Op == model.OpLinear {
		select {
		case <-w.done[i]:
			return w.shares[i], nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if w.shares[i] != nil {
		return w.shares[i], nil
	}
	inputs := make([][][]uint64, len(n.Inputs))
	if n.Op != model.OpPolynomial { // its output is a mask, whatever goes in
		for j, k := range n.Inputs {
			in, err := w.resolve(ctx, k)
			if err != nil {
				return nil, err
			}
			inputs[j] = in
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
	return out, nil
}

// askLinear sends the encrypted masks of every linear layer.
func (w *walk) askLinear(ctx context.Context, t *transcript, e *LinearEncryptor) error {
	for _, n := range w.plan.Nodes {
		if n.Op != model.OpLinear {
			continue
		}
		r, err := w.resolve(ctx, n.Inputs[0])
		if err != nil {
			return err
		}
		p, err := NewLinearPacking(n.Linear, len(w.bundles))
		if err != nil {
			return err
		}
		if err := e.Encrypt(p, r, func(query []byte) error {
			return t.Send(ctx, api.Kind_LINEAR_QUERY, query)
		}); err != nil {
			return err
		}
	}
	return nil
}

// takeLinear receives W·r − s of every linear layer.
func (w *walk) takeLinear(ctx context.Context, t *transcript, e *LinearEncryptor) error {
	for i, n := range w.plan.Nodes {
		if n.Op != model.OpLinear {
			continue
		}
		p, err := NewLinearPacking(n.Linear, len(w.bundles))
		if err != nil {
			return err
		}
		y, err := e.Decrypt(p, func() ([]byte, error) {
			return t.Recv(ctx, api.Kind_LINEAR_REPLY, p.MessageLimit())
		})
		if err != nil {
			return err
		}
		w.shares[i] = y
		close(w.done[i])
	}
	return nil
}

// bind ties the correlations to their layers: it sends z_C = y_C + R_C of every
// activation, one message for each bundle, and keeps y_C of the output.
func (w *walk) bind(ctx context.Context, t *transcript) error {
	for i, n := range w.plan.Nodes {
		if n.Op != model.OpPolynomial {
			continue
		}
		y, err := w.resolve(ctx, n.Inputs[0])
		if err != nil {
			return err
		}
		l := w.layer[i]
		for g, b := range w.bundles {
			z := b.OpeningMask(l, b.Powers(l).Rho())
			ring.Add(z, z, y[g])
			b.Opening[l] = z
		}
	}
	last := len(w.plan.Nodes) - 1
	y, err := w.resolve(ctx, last)
	if err != nil {
		return err
	}
	for g, b := range w.bundles {
		b.Output = y[g]
		if err := t.Send(ctx, api.Kind_OPENING, encodeOpening(b.Opening)); err != nil {
			return err
		}
	}
	return nil
}

// encodeOpening lays the openings of one bundle one after the other, eight
// bytes little-endian for each element.
func encodeOpening(opening [][]uint64) []byte {
	var b []byte
	for _, z := range opening {
		for _, e := range z {
			b = binary.LittleEndian.AppendUint64(b, e)
		}
	}
	return b
}

// decodeOpening is the inverse of encodeOpening for a message of openingSize.
func decodeOpening(spec *correlation.BundleSpec, b []byte) [][]uint64 {
	opening := make([][]uint64, len(spec.Activations))
	for l, a := range spec.Activations {
		opening[l] = make([]uint64, a.Powers.N)
		for e := range opening[l] {
			opening[l][e] = binary.LittleEndian.Uint64(b)
			b = b[8:]
		}
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

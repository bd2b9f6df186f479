package online

import (
	"context"
	"fmt"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// SharedModel evaluates a compiled model of which neither party knows the
// weights, on inputs that neither knows: both are shared between them
// (docs/session.md, section 6). Linear layers are products with fixed operands,
// activations are polynomials by [Powers] with the plan's own numbers, and all
// else is local.
type SharedModel struct {
	session *Session
	plan    *model.Plan
	stages  [][]int
	weights []*Fixed // by node
	biases  []*Value
	left    int
}

// NewSharedModel opens this party's part of the weights ([DealWeights]) against
// the correlations for that many inferences: one round, 8 bytes for each weight
// and party.
func NewSharedModel(ctx context.Context, s *Session, plan *model.Plan, weights Dealt, inferences int) (*SharedModel, error) {
	if err := plan.Validate(); err != nil {
		return nil, fmt.Errorf("preparing a shared model: %w", err)
	}
	words, err := weights.share(weightWords(plan))
	if err != nil {
		return nil, fmt.Errorf("preparing a shared model: the share of the weights %w", err)
	}
	m := &SharedModel{
		session: s, plan: plan, stages: stagesOf(plan), left: inferences,
		weights: make([]*Fixed, len(plan.Nodes)), biases: make([]*Value, len(plan.Nodes)),
	}
	for i, n := range plan.Nodes {
		if n.Op != model.OpLinear {
			continue
		}
		w, b := words[:n.Linear.WeightLen()], words[n.Linear.WeightLen():][:n.BiasLen()]
		words = words[len(w)+len(b):]
		shape := []int{n.Linear.K}
		if n.PixelBias {
			shape = []int{n.Shape.H, n.Shape.W, n.Shape.C}
		}
		m.biases[i] = s.Share(shape, n.Frac, b)
		y := s.Share([]int{len(w)}, n.Frac-plan.Nodes[n.Inputs[0]].Frac, w)
		if s.Err() == nil {
			m.weights[i] = s.fix(fmt.Sprintf("weights of layer %q", n.Name), y, linearSpec(n.Linear, inferences))
		}
	}
	if err := s.Run(ctx); err != nil {
		return nil, fmt.Errorf("preparing a shared model: %w", err)
	}
	return m, nil
}

// Left returns for how many more inferences the weights are fixed.
func (m *SharedModel) Left() int { return m.left }

// Evaluate returns the outputs of a batch of inferences, N×H×W×C, of an input
// N×H×W×C with the fractional bits of the plan ([model.Plan.EncodeInput]). It
// takes a round for each linear layer and each activation that follow each other,
// and sends 8 bytes for each element of their inputs, per inference and party.
func (m *SharedModel) Evaluate(ctx context.Context, input *Value) (*Value, error) {
	s, in := m.session, &m.plan.Nodes[0]
	if !s.ready("evaluating a shared model", input) {
		return nil, s.Err()
	}
	d := input.shape
	if len(d) != 4 || d[1] != in.Shape.H || d[2] != in.Shape.W || d[3] != in.Shape.C || input.frac != in.Frac {
		return nil, fmt.Errorf("evaluating a shared model: the input has the shape %v and %d fractional bits; it takes N×%d×%d×%d and %d",
			d, input.frac, in.Shape.H, in.Shape.W, in.Shape.C, in.Frac)
	}
	if d[0] > m.left {
		return nil, fmt.Errorf("evaluating a shared model: %d inferences of the %d that its weights are fixed for; prepare it for more", d[0], m.left)
	}
	m.left -= d[0]
	values := make([]*Value, len(m.plan.Nodes))
	values[0] = input
	for _, stage := range m.stages {
		for _, i := range stage {
			if values[i] = m.step(i, values, d[0]); s.Err() != nil {
				return nil, fmt.Errorf("evaluating a shared model: node %q: %w", m.plan.Nodes[i].Name, s.Err())
			}
		}
		if err := s.Run(ctx); err != nil {
			return nil, fmt.Errorf("evaluating a shared model: %w", err)
		}
		// Biases are added once the products are there.
		for _, i := range stage {
			if m.biases[i] != nil {
				values[i] = s.Add(m.shaped(i, values[i], d[0]), m.biases[i])
			}
		}
	}
	return values[len(values)-1], s.Err()
}

// step computes or queues node i for a batch.
func (m *SharedModel) step(i int, values []*Value, batch int) *Value {
	s, n := m.session, &m.plan.Nodes[i]
	x := values[n.Inputs[0]]
	switch n.Op {
	case model.OpLinear:
		if c := n.Linear; isMatrix(c) {
			x = s.Reshape(x, batch*c.H, c.C)
		}
		return m.weights[i].Mul(x)
	case model.OpPolynomial:
		return s.Polynomial(x, Polynomial{Alpha: n.Act.Alpha, Q: n.Act.Q, Method: Powers, ArgFrac: n.Act.Fa, Frac: n.Frac})
	}
	size := n.Shape.Len()
	share := make([]uint64, batch*size)
	in := make([][]uint64, len(n.Inputs))
	for g := range batch {
		for j, k := range n.Inputs {
			l := m.plan.Nodes[k].Shape.Len()
			in[j] = values[k].share[g*l:][:l]
		}
		m.plan.Public(i, share[g*size:][:size], in...)
	}
	return m.shaped(i, s.result(n.Name, []int{len(share)}, n.Frac, share), batch)
}

// shaped gives a value the shape of node i for a batch.
func (m *SharedModel) shaped(i int, v *Value, batch int) *Value {
	shape := m.plan.Nodes[i].Shape
	return m.session.Reshape(v, batch, shape.H, shape.W, shape.C)
}

// stagesOf groups the nodes by the messages before them: in each stage the nodes
// are computed in order, and those that need a message share one.
func stagesOf(p *model.Plan) [][]int {
	var stages [][]int
	depth := make([]int, len(p.Nodes)) // messages up to the node's output
	for i, n := range p.Nodes {
		for _, j := range n.Inputs {
			depth[i] = max(depth[i], depth[j])
		}
		if n.Op == model.OpInput {
			continue
		}
		for len(stages) <= depth[i] {
			stages = append(stages, nil)
		}
		stages[depth[i]] = append(stages[depth[i]], i)
		if n.Op == model.OpLinear || n.Op == model.OpPolynomial {
			depth[i]++
		}
	}
	return stages
}

// SharedSpecs lists what [NewSharedModel] and the evaluation of that many
// inferences, in batches of batch (at least 1) and perhaps a smaller last one,
// take from the source, in order.
func SharedSpecs(plan *model.Plan, inferences, batch int) []correlation.Spec {
	var specs []correlation.Spec
	for _, n := range plan.Nodes {
		if n.Op == model.OpLinear {
			specs = append(specs, linearSpec(n.Linear, inferences))
		}
	}
	batch = max(1, batch)
	for left := inferences; left > 0; left -= batch {
		for _, stage := range stagesOf(plan) {
			for _, i := range stage {
				if n := &plan.Nodes[i]; n.Op == model.OpPolynomial {
					p := Polynomial{Alpha: n.Act.Alpha, Method: Powers, ArgFrac: n.Act.Fa}
					specs = append(specs, p.Spec(min(left, batch)*n.Shape.Len(), plan.Nodes[n.Inputs[0]].Frac))
				}
			}
		}
	}
	return specs
}

// isMatrix reports whether a layer is a product of matrices.
func isMatrix(c ring.ConvShape) bool { return c == correlation.MatrixShape(c.H, c.C, c.K) }

// linearSpec is what a linear layer takes for that many inferences.
func linearSpec(c ring.ConvShape, inferences int) correlation.Spec {
	kind := correlation.Convolution
	if isMatrix(c) {
		kind = correlation.Matrix
	}
	return correlation.Spec{Kind: kind, N: inferences, Shape: c, Fixed: true}
}

// weightWords counts the weights and biases of a plan.
func weightWords(p *model.Plan) int {
	n := 0
	for _, node := range p.Nodes {
		if node.Op == model.OpLinear {
			n += node.Linear.WeightLen() + node.BiasLen()
		}
	}
	return n
}

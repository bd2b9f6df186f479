package party

import (
	"context"
	"fmt"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/offline"
	"pascaline/online"
)

// blocks cuts inferences into such as one batch of each fixed operand is enough
// for. The weights are opened once for each. Both servers compute the same.
func blocks(plan *model.Plan, inferences int) (sizes []int, err error) {
	// What is claimed waits in memory until it is spent: so many words for each
	// block and each inference.
	const memory = warmEach / 8
	size, fixed, each := max(1, inferences), 0, 0
	for _, spec := range online.SharedSpecs(plan, 1, 1) {
		if err := spec.Validate(); err != nil {
			return nil, err
		}
		if spec.Fixed {
			size = min(size, offline.BatchSize(spec))
		}
		two := spec
		two.N *= 2
		each += two.Words() - spec.Words()
		fixed += 2*spec.Words() - two.Words()
	}
	if fixed > memory {
		return nil, fmt.Errorf("plan %q has too many weights for a shared model: their correlations alone take more than %d MiB", plan.Name, memory>>17)
	}
	most := max(1, (memory-fixed)/(each+fixed/size+1))
	if inferences < 1 || inferences > most {
		return nil, fmt.Errorf("%d inferences of plan %q; they must be from 1 to %d, which take %d MiB of memory at each server: deal again when they are spent",
			inferences, plan.Name, most, memory>>17)
	}
	for left := inferences; left > 0; left -= size {
		sizes = append(sizes, min(left, size))
	}
	return sizes, nil
}

// prepared is a model with its weights opened against the correlations of every
// block, at one server.
type prepared struct {
	plan    *model.Plan
	session *online.Session
	blocks  []*online.SharedModel
	left    int
}

// prepare claims the correlations of a deal and opens its weights against them.
func prepare(ctx context.Context, j *Joint, d *deal) (*prepared, error) {
	sizes, err := blocks(d.plan, d.inferences)
	if err != nil {
		return nil, err
	}
	p := &prepared{plan: d.plan, session: online.NewSession(j.Party(), j, j.Exchange), left: d.inferences}
	for _, n := range sizes {
		if err := j.Reserve(ctx, online.SharedSpecs(d.plan, n, n)...); err != nil {
			return nil, err
		}
		m, err := online.NewSharedModel(ctx, p.session, d.plan, d.weights, n)
		if err != nil {
			return nil, err
		}
		p.blocks = append(p.blocks, m)
	}
	return p, nil
}

// needs is what preparing takes from the stores: of a pool all together, but for
// fixed operands, which are batches of their own.
func needs(plan *model.Plan, inferences int) ([]correlation.Spec, error) {
	sizes, err := blocks(plan, inferences)
	if err != nil {
		return nil, err
	}
	var specs []correlation.Spec
	for _, n := range sizes {
		specs = append(specs, online.SharedSpecs(plan, n, n)...)
	}
	return merge(specs)
}

// evaluate sets r's output: its share of the outputs of n inferences, at most
// those that are left. They may span blocks.
func (p *prepared) evaluate(ctx context.Context, r *request) error {
	in := p.plan.Nodes[0]
	shape := []int{r.inferences, in.Shape.H, in.Shape.W, in.Shape.C}
	words := r.share.Share(p.session, shape, in.Frac).Share()
	if err := p.session.Err(); err != nil {
		return err
	}
	rounds, sent := p.session.Rounds(), p.session.Sent()
	for missing := r.inferences; missing > 0; {
		block := p.blocks[0]
		n := min(missing, block.Left())
		part := words[:n*in.Shape.Len()]
		shape[0] = n
		out, err := block.Evaluate(ctx, p.session.Share(shape, in.Frac, part))
		if err != nil {
			return err
		}
		r.output.Words = append(r.output.Words, out.Share()...)
		words, missing = words[len(part):], missing-n
		p.left -= n
		if block.Left() == 0 {
			p.blocks = p.blocks[1:]
		}
	}
	r.rounds, r.sent = p.session.Rounds()-rounds, p.session.Sent()-sent
	return nil
}

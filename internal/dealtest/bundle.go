package dealtest

import (
	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// Bundle deals both halves of a bundle as a trusted dealer would who knew the
// weights: the server's half is a seed and the openings, the client's holds its
// shares.
func Bundle(p *model.Plan, w *model.Weights) (server, client *correlation.Bundle) {
	spec := p.Bundle()
	server = &correlation.Bundle{Spec: spec, Party: 0, Seed: ring.NewSeed()}
	client = &correlation.Bundle{Spec: spec, Party: 1, Seed: ring.NewSeed()}
	shares := make([][]uint64, len(p.Nodes))
	act, linear := 0, 0
	for i, n := range p.Nodes {
		shares[i] = make([]uint64, n.Shape.Len())
		switch n.Op {
		case model.OpInput:
			shares[i] = client.InputMask()
		case model.OpLinear:
			h0, h1 := correlation.NewHalf(spec.Linear[linear], 0), correlation.NewHalf(spec.Linear[linear], 1)
			correlation.CompleteLinear(w.Layers[linear].W, shares[n.Inputs[0]], h0, h1)
			server.Linear = append(server.Linear, h0)
			shares[i] = h1.Y()
			linear++
		case model.OpPolynomial:
			h0, h1 := correlation.NewHalf(spec.Activations[act].Powers, 0), correlation.NewHalf(spec.Activations[act].Powers, 1)
			correlation.Complete(h1, h0)
			server.Powers, client.Powers = append(server.Powers, h0), append(client.Powers, h1)
			z := client.OpeningMask(act)
			ring.Add(z, z, shares[n.Inputs[0]])
			client.Opening = append(client.Opening, z)
			server.Opening = append(server.Opening, z)
			shares[i] = client.ActivationMask(act)
			act++
		default:
			in := make([][]uint64, len(n.Inputs))
			for j, k := range n.Inputs {
				in[j] = shares[k]
			}
			p.Public(i, shares[i], in...)
		}
	}
	client.Output = shares[len(shares)-1]
	return server, client
}

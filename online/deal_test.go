package online

import (
	"math/bits"
	"testing"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// deal makes both halves of a bundle as a trusted dealer would who knew the
// weights: the server's half is a seed and the openings, the client's holds its
// shares.
func deal(t testing.TB, p *model.Plan, w *model.Weights) (server, client *correlation.Bundle) {
	t.Helper()
	spec := p.Bundle()
	server = &correlation.Bundle{Spec: spec, Party: 0, Seed: ring.NewSeed()}
	client = &correlation.Bundle{Spec: spec, Party: 1, Seed: ring.NewSeed(), Shares: make([][]ring.Vec128, len(spec.Activations))}
	shares := make([][]uint64, len(p.Nodes))
	act, linear := 0, 0
	for i, n := range p.Nodes {
		shares[i] = make([]uint64, n.Shape.Len())
		switch n.Op {
		case model.OpInput:
			shares[i] = client.InputMask()
		case model.OpLinear:
			ring.Conv(shares[i], shares[n.Inputs[0]], w.Layers[linear].W, n.Linear)
			ring.Sub(shares[i], shares[i], server.LinearMask(linear))
			linear++
		case model.OpPolynomial:
			h0, h1 := server.Powers(act), client.Powers(act)
			h1.Shares = clientPowers(h0, h1)
			if err := correlation.VerifyPowers(h0, h1); err != nil {
				t.Fatal(err)
			}
			client.Shares[act] = h1.Shares
			z := client.OpeningMask(act, h1.Rho())
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

// clientPowers completes the server's shares of ρ² to ρ^d.
func clientPowers(h0, h1 correlation.PowersHalf) []ring.Vec128 {
	rho0, rho1 := h0.Rho(), h1.Rho()
	var out []ring.Vec128
	for k, s := range h0.Expand() {
		v := ring.MakeVec128(len(rho0))
		for i := range rho0 {
			rho := rho0[i] + rho1[i]
			lo, hi := rho, uint64(0)
			for range k + 1 {
				h, l := bits.Mul64(lo, rho)
				lo, hi = l, h+hi*rho
			}
			var borrow uint64
			v.Lo[i], borrow = bits.Sub64(lo, s.Lo[i], 0)
			v.Hi[i], _ = bits.Sub64(hi, s.Hi[i], borrow)
		}
		out = append(out, v)
	}
	return out
}

package model

// BundleMemory returns roughly what one inference's correlations and shares
// take in memory at either party, in bytes.
func (p *Plan) BundleMemory() int {
	bytes := 0
	for _, n := range p.Nodes {
		words := 2 // the share and a working copy
		if n.Op == OpPolynomial {
			words += 4 + 2*n.Act.Degree() // masks, opening, powers
		}
		bytes += 8 * words * n.Shape.Len()
	}
	return bytes
}

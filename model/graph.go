package model

import "pascaline/ring"

// Graph is a network before compilation: the same steps and the same order as a
// [Plan], in real numbers. Batch normalisation and constants are folded into
// its linear nodes by the import.
type Graph struct {
	Name  string
	Nodes []GraphNode // topological; node 0 is the only input, the last the output
}

// GraphNode is one step of a graph.
type GraphNode struct {
	Name   string
	Op     Op
	Inputs []int
	Shape  Shape // of the output

	Linear ring.ConvShape // OpLinear
	W      []float32      // OpLinear: KH×KW×C×K
	Bias   []float32      // OpLinear: K, or one for each element of the output

	Pool    ring.ConvShape // OpPool, C = K
	Divisor float64        // OpPool: each window's sum is divided by it

	Parts []Part // OpConcat

	Coeffs []float64 // OpPolynomial: P(t) = Σ Coeffs[k] t^k
	// Replaces is the function of the node's input in whose place an import put
	// Coeffs on request, if one: see [ImportOptions].
	Replaces string
}

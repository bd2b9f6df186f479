package model

import (
	"encoding/hex"
	"math"
)

// Summary is what a plan says about itself, to be shown or written as JSON.
type Summary struct {
	Name    string `json:"name"`
	Hash    string `json:"hash"`    // of the plan, hexadecimal
	Weights string `json:"weights"` // commitment to the weights, hexadecimal
	Sigma   uint   `json:"sigma"`

	Nodes []NodeSummary `json:"nodes"`

	Inputs      int `json:"inputs"`
	Outputs     int `json:"outputs"`
	Activations int `json:"activations"` // opened values
	MACs        int `json:"macs"`
	Parameters  int `json:"parameters"`
	// Rounds counts messages each way until the client has the outputs: one for
	// each round of activations, and one for the outputs.
	Rounds int `json:"rounds"`
	// BytesUp and BytesDown are what one inference sends: eight bytes for each
	// element of the input and each activation up, for each activation and each
	// output down.
	BytesUp   int `json:"bytes_up"`
	BytesDown int `json:"bytes_down"`

	// Distance is [Plan.Distance], TruncationError [Plan.TruncationError].
	Distance        float64 `json:"distance"`
	TruncationError float64 `json:"truncation_error"`
}

// NodeSummary is one step of a summary.
type NodeSummary struct {
	Name   string `json:"name"`
	Op     string `json:"op"`
	Inputs []int  `json:"inputs,omitempty"`
	Shape  [3]int `json:"shape"` // height, width, channels
	Frac   uint   `json:"frac"`

	// Of linear layers; WeightFrac is the fractional bits of the weights.
	WeightFrac uint `json:"weight_frac,omitempty"`
	MACs       int  `json:"macs,omitempty"`
	Parameters int  `json:"parameters,omitempty"`

	Activation *ActivationSummary `json:"activation,omitempty"`
}

// ActivationSummary is the arithmetic of one polynomial layer.
type ActivationSummary struct {
	Round        int       `json:"round"` // the round of the protocol that opens it
	Degree       int       `json:"degree"`
	Coefficients []float64 `json:"coefficients"` // a_0, a_1, …
	ArgumentFrac uint      `json:"argument_frac"`
	DroppedBits  uint      `json:"dropped_bits"`
	MaskBits     uint      `json:"mask_bits"`
	// Range bounds |y| in the calibrated range, which is 2^RangeBits units of y's
	// last place; HidingBits is how well a value in it hides. Values up to
	// ExactRange still compute as they should.
	Range      float64 `json:"range"`
	RangeBits  uint    `json:"range_bits"`
	HidingBits uint    `json:"hiding_bits"`
	ExactRange float64 `json:"exact_range"`
	// Calibrated is the largest |y| that the compilation saw, where that is known.
	Calibrated float64 `json:"calibrated,omitempty"`
	// A value of up to ValueBits has TruncatedBits dropped, and in any of the layer's
	// elements of one inference wrongly with a probability of TruncationError at most.
	ValueBits       int     `json:"value_bits"`
	TruncatedBits   uint    `json:"truncated_bits"`
	TruncationError float64 `json:"truncation_error"`
}

// Summary describes a valid plan.
func (p *Plan) Summary() *Summary {
	hash := p.Hash()
	rounds := p.Rounds()
	s := &Summary{
		Name:            p.Name,
		Hash:            hex.EncodeToString(hash[:]),
		Weights:         hex.EncodeToString(p.Weights[:]),
		Sigma:           p.Sigma,
		Nodes:           make([]NodeSummary, len(p.Nodes)),
		Inputs:          p.Nodes[0].Shape.Len(),
		Outputs:         p.Nodes[len(p.Nodes)-1].Shape.Len(),
		Rounds:          len(rounds) + 1,
		Distance:        p.Distance(),
		TruncationError: p.TruncationError(),
	}
	for i := range p.Nodes {
		n, d := &p.Nodes[i], &s.Nodes[i]
		*d = NodeSummary{
			Name: n.Name, Op: n.Op.String(), Inputs: n.Inputs,
			Shape: [3]int{n.Shape.H, n.Shape.W, n.Shape.C}, Frac: n.Frac,
		}
		switch n.Op {
		case OpLinear:
			d.WeightFrac = n.Frac - p.Nodes[n.Inputs[0]].Frac
			d.MACs = n.Linear.MACs()
			d.Parameters = n.Linear.WeightLen() + n.BiasLen()
			s.MACs += d.MACs
			s.Parameters += d.Parameters
		case OpPolynomial:
			d.Activation = n.activation(p.Nodes[n.Inputs[0]].Frac)
			s.Activations += n.Shape.Len()
		}
	}
	for k, nodes := range rounds {
		for _, i := range nodes {
			s.Nodes[i].Activation.Round = k + 1
		}
	}
	s.BytesUp = 8 * (s.Inputs + s.Activations)
	s.BytesDown = 8 * (s.Activations + s.Outputs)
	return s
}

// Summary describes a valid model: its plan, and what the compilation saw.
func (m *Model) Summary() *Summary {
	s := m.Plan.Summary()
	if m.Calibration == nil {
		return s
	}
	for i := range s.Nodes {
		if a := s.Nodes[i].Activation; a != nil {
			a.Calibrated = m.Calibration.Nodes[m.Plan.Nodes[i].Inputs[0]].Max
		}
	}
	return s
}

// activation describes a polynomial node whose inputs have frac fractional bits.
func (n *Node) activation(frac uint) *ActivationSummary {
	a := n.Act
	s := &ActivationSummary{
		Degree:          a.Degree(),
		ArgumentFrac:    a.Fa,
		DroppedBits:     a.Fw,
		MaskBits:        a.MaskBits,
		Range:           math.Ldexp(1, int(a.M)-int(frac)),
		RangeBits:       a.M,
		HidingBits:      a.HidingBits(),
		ExactRange:      math.Ldexp(1, int(n.ExactBits())-int(frac)),
		TruncationError: n.truncationError(),
	}
	for _, alpha := range a.Alpha {
		s.Coefficients = append(s.Coefficients, math.Ldexp(float64(alpha), -int(a.Q)))
	}
	if poly, err := a.pascal(n.Frac); err == nil { // of a valid plan, always
		s.ValueBits, s.TruncatedBits = poly.Magnitude(a.largestArgument()), poly.Shift()
	}
	return s
}

package model

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Calibration is what a compilation saw of a network and what it was asked for:
// enough to choose scales again, for another σ or margin. It says something about
// the weights and the calibration inputs, and stays with the weights.
type Calibration struct {
	Samples int // calibration inputs
	Margin  float64
	// ActivationBits and WeightBits are those of [Options]: 0 where chosen.
	ActivationBits, WeightBits uint
	Nodes                      []NodeCalibration // by node
}

// NodeCalibration is what a compilation saw of one node.
type NodeCalibration struct {
	Max float64 // the largest absolute value of its output

	// Of a linear node: its largest weight in absolute value, and by how many bits
	// more than their share its weights get, where rounding them does more harm to
	// the output than rounding what they multiply.
	LargestWeight, Balance float64
}

// A section CALB is
//
//	samples                          uint32
//	margin                           float64
//	activation bits, weight bits     uint8 each
//	number of nodes                  uint32
//	max, largest weight, balance     float64 each, for each node
const (
	calibrationHeader = 4 + 8 + 1 + 1 + 4
	calibrationNode   = 3 * 8
)

func (c *Calibration) encode() []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, calibrationHeader+calibrationNode*len(c.Nodes)), uint32(c.Samples))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Margin))
	b = append(b, byte(c.ActivationBits), byte(c.WeightBits))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Nodes)))
	for _, n := range c.Nodes {
		for _, v := range [...]float64{n.Max, n.LargestWeight, n.Balance} {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}

// decodeCalibration takes memory only for what the bytes hold.
func decodeCalibration(b []byte) (*Calibration, error) {
	if len(b) < calibrationHeader {
		return nil, fmt.Errorf("truncated: %d bytes", len(b))
	}
	c := &Calibration{
		Samples:        int(binary.LittleEndian.Uint32(b)),
		Margin:         math.Float64frombits(binary.LittleEndian.Uint64(b[4:])),
		ActivationBits: uint(b[12]),
		WeightBits:     uint(b[13]),
	}
	n := binary.LittleEndian.Uint32(b[14:])
	if b = b[calibrationHeader:]; uint64(len(b)) != calibrationNode*uint64(n) {
		return nil, fmt.Errorf("%d bytes for %d nodes, not %d", len(b), n, calibrationNode*uint64(n))
	}
	c.Nodes = make([]NodeCalibration, n)
	for i := range c.Nodes {
		v := &c.Nodes[i]
		for _, f := range [...]*float64{&v.Max, &v.LargestWeight, &v.Balance} {
			*f, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		}
	}
	return c, nil
}

// check reports what makes c no calibration of p.
func (c *Calibration) check(p *Plan) error {
	switch {
	case c.Samples < 1 || int64(c.Samples) > math.MaxUint32:
		return fmt.Errorf("calibration on %d inputs", c.Samples)
	case !validMargin(c.Margin):
		return fmt.Errorf("calibration with a margin of %v; it must be from 1 to %d", c.Margin, MaxMargin)
	case !validBits(c.ActivationBits, MaxActivationBits) || !validBits(c.WeightBits, MaxWeightBits):
		return fmt.Errorf("calibration for %d fractional bits of activations and %d of weights, which nobody can ask for", c.ActivationBits, c.WeightBits)
	case len(c.Nodes) != len(p.Nodes):
		return fmt.Errorf("calibration of %d nodes for a plan of %d", len(c.Nodes), len(p.Nodes))
	}
	for i, n := range c.Nodes {
		if !(n.Max >= 0 && n.Max <= math.MaxFloat64 && n.LargestWeight >= 0 && n.LargestWeight <= math.MaxFloat32 && math.Abs(n.Balance) <= maxFrac) {
			return fmt.Errorf("calibration of node %d %q: values up to %v, weights up to %v and a balance of %v bits are none",
				i, printable(p.Nodes[i].Name), n.Max, n.LargestWeight, n.Balance)
		}
	}
	return nil
}

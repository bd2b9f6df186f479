package model

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/ring"
)

// Hash identifies the plan, and through Weights the model: the SHA-256 of the
// plan's encoding, the very bytes that its file holds. The plan must be one that
// [Plan.Validate] accepts.
func (p *Plan) Hash() [32]byte { return sha256.Sum256(p.encode()) }

// encode returns the canonical encoding of a valid plan: deterministic
// protobuf, without anything that follows from the rest (the sizes of windows'
// inputs and outputs, MaskBits).
func (p *Plan) encode() []byte {
	m := &api.Plan{
		Name:    utf8Text(p.Name),
		Sigma:   uint32(p.Sigma),
		Nodes:   make([]*api.PlanNode, len(p.Nodes)),
		Weights: p.Weights[:],
	}
	for _, l := range p.Labels {
		m.Labels = append(m.Labels, utf8Text(l))
	}
	for i := range p.Nodes {
		m.Nodes[i] = p.Nodes[i].toWire()
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		// Unreachable: marshalling fails on text that is not UTF-8 alone.
		panic("model: encoding a plan: " + err.Error())
	}
	return b
}

func utf8Text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func (n *Node) toWire() *api.PlanNode {
	m := &api.PlanNode{
		Name:     utf8Text(n.Name),
		Op:       api.PlanOp(n.Op),
		Height:   uint32(n.Shape.H),
		Width:    uint32(n.Shape.W),
		Channels: uint32(n.Shape.C),
		Frac:     uint32(n.Frac),
	}
	for _, j := range n.Inputs {
		m.Inputs = append(m.Inputs, uint32(j))
	}
	for _, s := range n.Shifts {
		m.Shifts = append(m.Shifts, uint32(s))
	}
	for _, p := range n.Parts {
		m.Parts = append(m.Parts, &api.PlanPart{Input: uint32(p.Input + 1), From: uint32(p.From), Channels: uint32(p.Channels)})
	}
	m.PixelBias = n.PixelBias
	switch n.Op {
	case OpLinear:
		m.Window = windowToWire(n.Linear)
	case OpPool:
		m.Window = windowToWire(n.Pool)
	}
	if a := n.Act; a != nil {
		m.Activation = &api.PlanActivation{
			Alpha: a.Alpha, Q: uint32(a.Q), Fa: uint32(a.Fa), Fw: uint32(a.Fw), M: uint32(a.M),
		}
	}
	return m
}

func windowToWire(s ring.ConvShape) *api.PlanWindow {
	return &api.PlanWindow{
		KernelHeight: uint32(s.KH), KernelWidth: uint32(s.KW),
		StrideHeight: uint32(s.StrideH), StrideWidth: uint32(s.StrideW),
		PadTop: uint32(s.PadTop), PadLeft: uint32(s.PadLeft),
		PadBottom: uint32(s.PadBottom), PadRight: uint32(s.PadRight),
	}
}

// decodePlan reads a plan from bytes of any origin and validates it. Only the
// canonical encoding is taken, so that a plan has one hash.
func decodePlan(b []byte) (*Plan, error) {
	if len(b) > maxPlanBytes {
		return nil, fmt.Errorf("decoding plan: %d bytes; at most %d are taken", len(b), maxPlanBytes)
	}
	var m api.Plan
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("decoding plan: %w", err)
	}
	if len(m.Weights) != sha256.Size {
		return nil, fmt.Errorf("decoding plan: commitment to the weights is %d bytes, not %d", len(m.Weights), sha256.Size)
	}
	if len(m.Nodes) > maxNodes {
		return nil, fmt.Errorf("decoding plan: %d nodes; at most %d are taken", len(m.Nodes), maxNodes)
	}
	p := &Plan{
		Name:    m.Name,
		Sigma:   uint(m.Sigma),
		Nodes:   make([]Node, len(m.Nodes)),
		Labels:  m.Labels,
		Weights: [32]byte(m.Weights),
	}
	for i, w := range m.Nodes {
		if err := p.nodeFromWire(i, w); err != nil {
			return nil, fmt.Errorf("decoding plan: node %d %q: %w", i, w.GetName(), err)
		}
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("decoding plan: %w", err)
	}
	if !bytes.Equal(p.encode(), b) {
		return nil, errors.New("decoding plan: not in canonical form; it was not written by pascaline, or by a newer version of it")
	}
	return p, nil
}

// nodeFromWire sets node i of p; the nodes before it are set.
func (p *Plan) nodeFromWire(i int, w *api.PlanNode) error {
	n := &p.Nodes[i]
	*n = Node{
		Name:  w.GetName(),
		Op:    Op(w.GetOp()),
		Shape: Shape{H: int(w.GetHeight()), W: int(w.GetWidth()), C: int(w.GetChannels())},
		Frac:  uint(w.GetFrac()),

		PixelBias: w.GetPixelBias(),
	}
	if w.GetOp() < 0 || w.GetOp() > api.PlanOp_PLAN_CONCAT {
		return fmt.Errorf("unknown operation %d", w.GetOp())
	}
	for _, j := range w.GetInputs() {
		if int64(j) >= int64(i) {
			return fmt.Errorf("takes node %d, which does not come before it", j)
		}
		n.Inputs = append(n.Inputs, int(j))
	}
	for _, s := range w.GetShifts() {
		n.Shifts = append(n.Shifts, uint(s))
	}
	for _, part := range w.GetParts() {
		n.Parts = append(n.Parts, Part{int(part.GetInput()) - 1, int(part.GetFrom()), int(part.GetChannels())})
	}
	if v := w.GetWindow(); v != nil {
		if len(n.Inputs) == 0 {
			return errors.New("has a window but no input")
		}
		in := p.Nodes[n.Inputs[0]].Shape
		s := ring.ConvShape{
			H: in.H, W: in.W, C: in.C, K: n.Shape.C,
			KH: int(v.GetKernelHeight()), KW: int(v.GetKernelWidth()),
			StrideH: int(v.GetStrideHeight()), StrideW: int(v.GetStrideWidth()),
			PadTop: int(v.GetPadTop()), PadLeft: int(v.GetPadLeft()),
			PadBottom: int(v.GetPadBottom()), PadRight: int(v.GetPadRight()),
		}
		if n.Op == OpPool {
			n.Pool = s
		} else {
			n.Linear = s
		}
	}
	if a := w.GetActivation(); a != nil {
		n.Act = &Activation{
			Alpha: a.GetAlpha(), Q: uint(a.GetQ()), Fa: uint(a.GetFa()), Fw: uint(a.GetFw()), M: uint(a.GetM()),
			MaskBits: maskBits(uint(a.GetFw())),
		}
	}
	return nil
}

// maskBits returns B = 62 − fw (design section 4), or zero, which no plan
// accepts, where there is none.
func maskBits(fw uint) uint {
	if fw > 62 {
		return 0
	}
	return 62 - fw
}

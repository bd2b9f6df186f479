package wire

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/ring"
)

const (
	// MaxOpen bounds the message that opens a run.
	MaxOpen = 1 << 20
	// maxLayers and maxWeights bound the layers of a run and their weights.
	maxLayers  = 1 << 12
	maxWeights = 1 << 28
)

// CheckRun reports what makes a run impossible, weights apart.
func CheckRun(run correlation.Run) error {
	if run.Party != 0 && run.Party != 1 {
		return fmt.Errorf("party %d; there are 0 and 1", run.Party)
	}
	if len(run.Layers) > maxLayers {
		return fmt.Errorf("%d layers; a run has at most %d", len(run.Layers), maxLayers)
	}
	weights := 0
	for i, l := range run.Layers {
		if err := l.Shape.Validate(); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		if weights += l.Shape.WeightLen(); weights > maxWeights {
			return fmt.Errorf("the layers have more than %d weights", maxWeights)
		}
	}
	return checkSettings(run.Settings)
}

// EncodeOpen encodes a run, weights apart, in which each side has that many
// blocks.
func EncodeOpen(run correlation.Run, blocks int) ([]byte, error) {
	if err := CheckRun(run); err != nil {
		return nil, err
	}
	m := &api.BackendOpen{Party: uint32(run.Party), Settings: run.Settings, Blocks: uint32(blocks)}
	for i, l := range run.Layers {
		if len(l.Weights) != l.Shape.WeightLen()*(1-run.Party) {
			return nil, fmt.Errorf("layer %d has %d weights at party %d", i, len(l.Weights), run.Party)
		}
		s := l.Shape
		m.Layers = append(m.Layers, &api.BackendLayer{
			Height: uint32(s.H), Width: uint32(s.W), Channels: uint32(s.C), Outputs: uint32(s.K),
			Window: &api.PlanWindow{
				KernelHeight: uint32(s.KH), KernelWidth: uint32(s.KW),
				StrideHeight: uint32(s.StrideH), StrideWidth: uint32(s.StrideW),
				PadTop: uint32(s.PadTop), PadLeft: uint32(s.PadLeft), PadBottom: uint32(s.PadBottom), PadRight: uint32(s.PadRight),
			},
		})
	}
	b, err := proto.Marshal(m)
	if err == nil && len(b) > MaxOpen {
		err = fmt.Errorf("the run's description takes %d bytes; it may have %d", len(b), MaxOpen)
	}
	return b, err
}

// DecodeOpen is the inverse of [EncodeOpen] for what came from anybody.
func DecodeOpen(b []byte) (run correlation.Run, blocks int, err error) {
	var m api.BackendOpen
	if err := proto.Unmarshal(b, &m); err != nil {
		return correlation.Run{}, 0, fmt.Errorf("decoding OPEN: %w", err)
	}
	run = correlation.Run{Party: int(min(m.Party, math.MaxInt16)), Settings: m.Settings}
	for _, l := range m.Layers[:min(len(m.Layers), maxLayers+1)] {
		w := l.GetWindow()
		run.Layers = append(run.Layers, correlation.Layer{Shape: ring.ConvShape{
			H: int(l.GetHeight()), W: int(l.GetWidth()), C: int(l.GetChannels()), K: int(l.GetOutputs()),
			KH: int(w.GetKernelHeight()), KW: int(w.GetKernelWidth()),
			StrideH: int(w.GetStrideHeight()), StrideW: int(w.GetStrideWidth()),
			PadTop: int(w.GetPadTop()), PadLeft: int(w.GetPadLeft()), PadBottom: int(w.GetPadBottom()), PadRight: int(w.GetPadRight()),
		}})
	}
	if err := CheckRun(run); err != nil {
		return correlation.Run{}, 0, fmt.Errorf("decoding OPEN: %w", err)
	}
	return run, int(min(m.Blocks, math.MaxInt16)), nil
}

// EncodeWeights encodes a layer's weights.
func EncodeWeights(w []int16) []byte {
	b := make([]byte, 2*len(w))
	for i, x := range w {
		binary.LittleEndian.PutUint16(b[2*i:], uint16(x))
	}
	return b
}

// DecodeWeights is the inverse of [EncodeWeights].
func DecodeWeights(b []byte) []int16 {
	w := make([]int16, len(b)/2)
	for i := range w {
		w[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return w
}

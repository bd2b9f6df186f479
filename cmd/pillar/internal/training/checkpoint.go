package training

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/internal/whole"
)

// A checkpoint is all that training goes on from, in one file:
//
//	+------------------------+------------+--------+-----------------+----------+
//	| "pillar checkpoint 1\n" | length: u32 | header | tensors: float32 | SHA-256 |
//	+------------------------+------------+--------+-----------------+----------+
//
// Numbers are little-endian, the header is JSON, the tensors follow each other in the
// order of network.State, and the hash is of all before it. How many there are, the
// options and the images say.
const checkpointMagic = "pillar checkpoint 1\n"

// maxHeader bounds the header: a history of ten thousand epochs.
const maxHeader = 16 << 20

// header is the part of a checkpoint that people can read.
type header struct {
	Options Options `json:"options"`
	Data    string  `json:"data"` // a digest of the images trained on
	History []Epoch `json:"history"`
	Step    int     `json:"step"`
}

// ErrOther says that a checkpoint is of another training run.
var ErrOther = errors.New("is of a training run with other options or images")

// writeCheckpoint writes a checkpoint to path, whole or not at all: for its owner alone,
// as a compiled model, because it has the weights.
func writeCheckpoint(path string, h *header, state *network.State) error {
	if err := whole.WriteFile(path, 0o600, func(w io.Writer) error { return encodeCheckpoint(w, h, state) }); err != nil {
		before := "the checkpoint before is as it was, and the same command goes on from there"
		if len(h.History) == 1 {
			before = "there is none before it"
		}
		return fmt.Errorf("writing a checkpoint after epoch %d: %w; %s", len(h.History), err, before)
	}
	return nil
}

func encodeCheckpoint(w io.Writer, h *header, state *network.State) error {
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	if _, err := io.WriteString(both, checkpointMagic); err != nil {
		return err
	}
	if err := binary.Write(both, binary.LittleEndian, uint32(len(head))); err != nil {
		return err
	}
	if _, err := both.Write(head); err != nil {
		return err
	}
	for _, t := range state.List() {
		values, err := tensors.CopyFlatData[float32](t)
		if err != nil {
			return err
		}
		if err := binary.Write(both, binary.LittleEndian, values); err != nil {
			return err
		}
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// readCheckpoint reads a checkpoint of a network whose state has the shapes of like.
// A file that is not there is fs.ErrNotExist; one of another run is ErrOther.
func readCheckpoint(path string, want *header, like *network.State) (*header, *network.State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	defer f.Close()
	h, state, err := decodeCheckpoint(f, want, like)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint %s %w", path, err)
	}
	return h, state, nil
}

// ReadHistory reads how far the run of a checkpoint is. What follows the history in
// the file is left alone: whether it is whole, New finds out.
func ReadHistory(path string) (Options, []Epoch, error) {
	f, err := os.Open(path)
	if err != nil {
		return Options{}, nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	defer f.Close()
	h, err := decodeHeader(f)
	if err != nil {
		return Options{}, nil, fmt.Errorf("checkpoint %s %w", path, err)
	}
	if err := h.Options.Check(); err != nil {
		return Options{}, nil, fmt.Errorf("checkpoint %s is damaged, or of another version: %w", path, err)
	}
	return h.Options, h.History, nil
}

// decodeHeader reads the part before the tensors.
func decodeHeader(r io.Reader) (*header, error) {
	start := make([]byte, len(checkpointMagic)+4)
	if _, err := io.ReadFull(r, start); err != nil || string(start[:len(checkpointMagic)]) != checkpointMagic {
		return nil, errors.New("is no checkpoint of this version; move it away to start anew")
	}
	length := binary.LittleEndian.Uint32(start[len(checkpointMagic):])
	if length > maxHeader {
		return nil, errors.New("is damaged: its header is too long; move it away to start anew")
	}
	head := make([]byte, length)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, errors.New("is cut short; move it away to start anew")
	}
	h := &header{}
	if err := json.Unmarshal(head, h); err != nil {
		return nil, fmt.Errorf("is damaged, move it away to start anew: %w", err)
	}
	if len(h.History) < 1 || len(h.History) > h.Options.Epochs || h.Step < 0 {
		return nil, errors.New("is damaged: it counts what cannot be; move it away to start anew")
	}
	return h, nil
}

func decodeCheckpoint(r io.Reader, want *header, like *network.State) (*header, *network.State, error) {
	sum := sha256.New()
	both := io.TeeReader(r, sum)
	h, err := decodeHeader(both)
	if err != nil {
		return nil, nil, err
	}
	if h.Options != want.Options || h.Data != want.Data {
		return nil, nil, ErrOther
	}
	var all []*tensors.Tensor
	for _, t := range like.List() {
		values := make([]float32, t.Shape().Size())
		if err := binary.Read(both, binary.LittleEndian, values); err != nil {
			return nil, nil, errors.New("is cut short; move it away to start anew")
		}
		for _, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, nil, errors.New("is damaged: it has numbers that are none; move it away to start anew")
			}
		}
		all = append(all, tensors.FromFlatDataAndDimensions(values, t.Shape().Dimensions...))
	}
	got := sum.Sum(nil)
	end, err := io.ReadAll(io.LimitReader(r, sha256.Size+1))
	if err != nil || !bytes.Equal(end, got) {
		return nil, nil, errors.New("is damaged: its digest is another; move it away to start anew")
	}
	return h, like.With(all), nil
}

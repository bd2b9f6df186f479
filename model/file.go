package model

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"pascaline/internal/whole"
)

// A .pasc file is a compiled model, or its plan alone:
//
//	"PASC"                     4 bytes
//	version                    uint16: 1, or 2 with a section CALB
//	number of sections         uint16: 1 or 3, or 4
//	sections, in this order:
//	  tag                      4 bytes: "PLAN"; then "SALT", "WGTS" or neither; then "CALB" in version 2
//	  length                   uint64
//	  payload                  length bytes
//	SHA-256 of all the above   32 bytes
//
//	PLAN  the plan and its labels, deterministic protobuf (api/plan.proto);
//	      the plan's hash is the SHA-256 of this payload
//	SALT  32 bytes, uniform
//	WGTS  number of layers     uint32
//	      for each layer:
//	        number of weights  uint32
//	        number of biases   uint32
//	        weights            int16 each, KH×KW×C×K
//	        biases             uint64 each
//	CALB  what the compilation saw: calibration.go
//
// All integers are little-endian. The plan holds SHA-256(SALT ‖ WGTS): the
// encoding of the weights is injective, and the salt keeps anyone who guesses
// the weights from confirming the guess. The trailing hash finds damage; it
// stops nobody who means to change a file.
//
// All of this is part of the format: never change it, raise the version.
const (
	fileMagic      = "PASC"
	fileVersion    = 1
	calibratedFile = 2 // the version with a calibration
	tagPlan        = "PLAN"
	tagSalt        = "SALT"
	tagWeights     = "WGTS"
	tagCalibration = "CALB"

	fileHeader    = len(fileMagic) + 2 + 2
	sectionHeader = 4 + 8
	saltSize      = 32

	// maxFileBytes bounds what is read into memory: all weights that a plan
	// may have, twice over for biases and the rest.
	maxFileBytes = 4 * maxTotal
)

// ErrNoWeights reports a file that holds a plan alone where the weights are
// needed.
var ErrNoWeights = errors.New("holds the plan alone, without the weights; use the file that compiling wrote for the server")

// Model is a compiled network: the plan, which both parties hold, and the
// server's secrets.
type Model struct {
	Plan *Plan
	// Weights and Salt are the server's. Weights is nil in the client's copy.
	Weights *Weights
	Salt    [saltSize]byte
	// Calibration, where there are weights, is what the compilation saw; nil where
	// the model was not compiled, or by a program that did not keep it.
	Calibration *Calibration
}

// NewModel commits p to w: it draws a salt and sets p.Weights. It takes p and w
// over.
func NewModel(p *Plan, w *Weights) (*Model, error) {
	return newModel(p, w, [saltSize]byte{})
}

// newModel draws a salt unless there is one.
func newModel(p *Plan, w *Weights, salt [saltSize]byte) (*Model, error) {
	m := &Model{Plan: p, Weights: w, Salt: salt}
	if salt == [saltSize]byte{} {
		rand.Read(m.Salt[:]) // never fails: crypto/rand ends the program instead
	}
	p.Weights = m.commitment()
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// PlanOnly returns what the client may have.
func (m *Model) PlanOnly() *Model { return &Model{Plan: m.Plan} }

// Validate reports the first thing that makes m no model: a plan that is none,
// weights of other shapes, or others than the plan is committed to.
func (m *Model) Validate() error {
	if m.Plan == nil {
		return errors.New("model without a plan")
	}
	if err := m.Plan.Validate(); err != nil {
		return err
	}
	if m.Weights == nil {
		if m.Calibration != nil {
			return fmt.Errorf("plan %q: with a calibration but no weights", m.Plan.Name)
		}
		return nil
	}
	if err := m.Plan.checkWeights(m.Weights); err != nil {
		return fmt.Errorf("weights of plan %q: %w", m.Plan.Name, err)
	}
	if m.Calibration != nil {
		if err := m.Calibration.check(m.Plan); err != nil {
			return fmt.Errorf("plan %q: %w", m.Plan.Name, err)
		}
	}
	c := m.commitment()
	if subtle.ConstantTimeCompare(c[:], m.Plan.Weights[:]) != 1 {
		return fmt.Errorf("weights of plan %q: they are not those the plan is committed to; take plan and weights from one compilation", m.Plan.Name)
	}
	return nil
}

// commitment returns SHA-256(salt ‖ weights).
func (m *Model) commitment() [sha256.Size]byte {
	h := sha256.New()
	h.Write(m.Salt[:])
	h.Write(m.Weights.encode())
	return [sha256.Size]byte(h.Sum(nil))
}

// Encode returns the bytes of m's file; without weights those of the plan
// alone.
func (m *Model) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("encoding model: %w", err)
	}
	sections := []section{{tagPlan, m.Plan.encode()}}
	if len(sections[0].payload) > maxPlanBytes {
		return nil, fmt.Errorf("encoding model: plan of %d bytes; shorten the labels and names to at most %d in all",
			len(sections[0].payload), maxPlanBytes)
	}
	version := uint16(fileVersion)
	if m.Weights != nil {
		sections = append(sections, section{tagSalt, m.Salt[:]}, section{tagWeights, m.Weights.encode()})
	}
	if m.Calibration != nil {
		version = calibratedFile
		sections = append(sections, section{tagCalibration, m.Calibration.encode()})
	}
	b := binary.LittleEndian.AppendUint16([]byte(fileMagic), version)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(sections)))
	for _, s := range sections {
		b = append(b, s.tag...)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s.payload)))
		b = append(b, s.payload...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

type section struct {
	tag     string
	payload []byte
}

// Decode reads the bytes of a file, of any origin, and checks everything in
// them: a model that it returns is valid.
func Decode(b []byte) (*Model, error) {
	sections, err := splitSections(b)
	if err != nil {
		return nil, fmt.Errorf("decoding model: %w", err)
	}
	m := new(Model)
	if m.Plan, err = decodePlan(sections[0].payload); err != nil {
		return nil, fmt.Errorf("decoding model: %w", err)
	}
	if len(sections) > 1 {
		if len(sections[1].payload) != saltSize {
			return nil, fmt.Errorf("decoding model: salt of %d bytes, not %d", len(sections[1].payload), saltSize)
		}
		copy(m.Salt[:], sections[1].payload)
		if m.Weights, err = decodeWeights(sections[2].payload); err != nil {
			return nil, fmt.Errorf("decoding model: weights: %w", err)
		}
		if len(sections) > 3 {
			if m.Calibration, err = decodeCalibration(sections[3].payload); err != nil {
				return nil, fmt.Errorf("decoding model: calibration: %w", err)
			}
		}
		if err := m.Validate(); err != nil {
			return nil, fmt.Errorf("decoding model: %w", err)
		}
	}
	return m, nil
}

// splitSections checks the frame of a file and returns the section PLAN, alone
// or with SALT and WGTS after it, and CALB after those.
func splitSections(b []byte) ([]section, error) {
	if len(b) < len(fileMagic) || string(b[:len(fileMagic)]) != fileMagic {
		return nil, errors.New("not a pascaline model: it does not begin with " + fileMagic)
	}
	if len(b) < fileHeader+sha256.Size {
		return nil, fmt.Errorf("truncated: %d bytes are too few", len(b))
	}
	version, count := binary.LittleEndian.Uint16(b[4:]), int(binary.LittleEndian.Uint16(b[6:]))
	if version != fileVersion && version != calibratedFile {
		return nil, fmt.Errorf("format version %d, but this program reads versions %d and %d; compile the model again, or use the version that wrote it",
			version, fileVersion, calibratedFile)
	}
	body := b[:len(b)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(body):]) {
		return nil, errors.New("damaged or truncated: the contents do not match the checksum; copy the file again")
	}
	tags := []string{tagPlan, tagSalt, tagWeights, tagCalibration}
	if count != 1 && count != 3 && count != 4 || (count == 4) != (version == calibratedFile) {
		return nil, fmt.Errorf("has %d sections in version %d; a plan has 1 and a model 3 in version %d, 4 in version %d", count, version, fileVersion, calibratedFile)
	}
	rest := body[fileHeader:]
	var sections []section
	for _, tag := range tags[:count] {
		if len(rest) < sectionHeader || string(rest[:4]) != tag {
			return nil, fmt.Errorf("section %s is missing", tag)
		}
		n := binary.LittleEndian.Uint64(rest[4:])
		if rest = rest[sectionHeader:]; n > uint64(len(rest)) {
			return nil, fmt.Errorf("section %s has %d bytes, but only %d are left", tag, n, len(rest))
		}
		sections = append(sections, section{tag, rest[:n]})
		rest = rest[n:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes follow the last section", len(rest))
	}
	return sections, nil
}

func (w *Weights) encode() []byte {
	n := 4
	for _, l := range w.Layers {
		n += 8 + 2*len(l.W) + 8*len(l.Bias)
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, n), uint32(len(w.Layers)))
	for _, l := range w.Layers {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(l.W)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(l.Bias)))
		for _, v := range l.W {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
		for _, v := range l.Bias {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	return b
}

// decodeWeights takes memory only for what the bytes hold.
func decodeWeights(b []byte) (*Weights, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("truncated: %d bytes", len(b))
	}
	layers := binary.LittleEndian.Uint32(b)
	if layers > maxNodes {
		return nil, fmt.Errorf("%d layers; at most %d are taken", layers, maxNodes)
	}
	w := &Weights{Layers: make([]LayerWeights, layers)}
	b = b[4:]
	for i := range w.Layers {
		if len(b) < 8 {
			return nil, fmt.Errorf("truncated before layer %d", i)
		}
		n, k := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
		if b = b[8:]; 2*n+8*k > uint64(len(b)) {
			return nil, fmt.Errorf("layer %d has %d weights and %d biases, but only %d bytes are left", i, n, k, len(b))
		}
		l := LayerWeights{W: make([]int16, n), Bias: make([]uint64, k)}
		for j := range l.W {
			l.W[j] = int16(binary.LittleEndian.Uint16(b[2*j:]))
		}
		b = b[2*n:]
		for j := range l.Bias {
			l.Bias[j] = binary.LittleEndian.Uint64(b[8*j:])
		}
		b = b[8*k:]
		w.Layers[i] = l
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%d bytes follow the last layer", len(b))
	}
	return w, nil
}

// WriteFile writes m to a file at path, whole or not at all: readable by its
// owner alone if it holds weights, by all if it is a plan.
func WriteFile(path string, m *Model) error {
	b, err := m.Encode()
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	mode := fs.FileMode(0o644)
	if m.Weights != nil {
		mode = 0o600
	}
	err = whole.WriteFile(path, mode, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// ReadFile reads the file at path: a model, or a plan alone.
func ReadFile(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading model: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading model %s: %w", path, err)
	}
	if len(b) > maxFileBytes {
		return nil, fmt.Errorf("reading model %s: larger than the %d bytes that a model can have", path, maxFileBytes)
	}
	m, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading model %s: %w", path, err)
	}
	return m, nil
}

// ReadModel reads the file at path and insists on the weights.
func ReadModel(path string) (*Model, error) {
	m, err := ReadFile(path)
	if err == nil && m.Weights == nil {
		return nil, fmt.Errorf("reading model %s: it %w", path, ErrNoWeights)
	}
	return m, err
}

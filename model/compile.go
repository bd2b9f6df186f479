package model

import (
	"errors"
	"fmt"
)

// Options are the choices of a compilation; the zero value asks for the
// defaults.
type Options struct {
	Name   string   // of the model; the graph's if empty
	Labels []string // of the outputs, or none

	// Sigma is the number of bits with which every opened value hides, 40 if
	// zero.
	Sigma uint
	// Margin is how far beyond the largest calibrated pre-activation the range
	// of a layer reaches, 1.5 if zero. A value outside the range still computes
	// correctly; it hides with fewer bits.
	Margin float64
	// ActivationBits and WeightBits, if not zero, fix the fractional bits of
	// every activation tensor and of every linear layer's weights instead of
	// choosing them layer by layer.
	ActivationBits, WeightBits uint
	// Salt, if not zero, is that of the commitment to the weights instead of a
	// random one: the plan is then the same for every compilation. It is for
	// weights that are no secret.
	Salt [saltSize]byte
}

// Defaults of [Options].
const (
	DefaultSigma  = 40
	DefaultMargin = 1.5
)

// MaxMargin bounds [Options.Margin].
const MaxMargin = 1 << 10

// validBits reports whether b is a choice of fractional bits, 0 being none.
func validBits(b, most uint) bool { return b == 0 || b >= MinBits && b <= most }

func validMargin(m float64) bool { return m >= 1 && m <= MaxMargin }

// Report is what a compilation measured.
type Report struct {
	Samples int
	Layers  []LayerReport
	// OutputMax is the largest output in absolute value, OutputError the largest
	// difference of an output between fixed point and real arithmetic, and
	// Agreement the share of calibration inputs on which both name the same
	// largest output.
	OutputMax   float64
	OutputError float64
	Agreement   float64
}

// LayerReport is the calibration of one node that multiplies: a linear layer,
// or the input of a polynomial.
type LayerReport struct {
	Node string
	Op   Op
	Max  float64 // largest calibrated |y|: of a linear layer's output, or a polynomial's input
	// Bits is the fractional bits of a linear layer's weights, or of a
	// polynomial's argument.
	Bits uint
	// WeightError is the largest difference that rounding makes to a weight, or
	// to a coefficient.
	WeightError float64
}

// Compile turns a network of real numbers into a plan and weights of integers.
// The calibration inputs (NHWC, as the network will meet them) say how large
// values grow: from a few hundred typical inputs follow the scales of all
// layers. The network is refused where its values leave no room in the opening
// (design section 3), naming the layer, the range seen and what would help.
func Compile(g *Graph, calibration [][]float32, opts Options) (*Model, *Report, error) {
	m, r, err := compile(g, calibration, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("compiling %q: %w", printable(g.Name), err)
	}
	return m, r, nil
}

func compile(g *Graph, calibration [][]float32, opts Options) (*Model, *Report, error) {
	if err := opts.setDefaults(g); err != nil {
		return nil, nil, err
	}
	if len(calibration) == 0 {
		return nil, nil, errors.New("no calibration inputs; give some hundred typical ones")
	}
	if err := g.Validate(); err != nil {
		return nil, nil, err
	}
	g, err := foldDivisors(g)
	if err != nil {
		return nil, nil, err
	}
	stats, err := calibrate(g, calibration)
	if err != nil {
		return nil, nil, err
	}
	seen := stats.calibration(g, &opts)
	s := newScaling(g, seen.Nodes, &opts)
	if err := s.choose(); err != nil {
		return nil, nil, err
	}
	w, err := s.weights(stats)
	if err != nil {
		return nil, nil, err
	}
	m, err := newModel(s.plan(), w, opts.Salt)
	if err != nil {
		return nil, nil, err
	}
	m.Calibration = seen
	r, err := s.report(m, calibration, stats.outputs)
	if err != nil {
		return nil, nil, err
	}
	return m, r, nil
}

func (o *Options) setDefaults(g *Graph) error {
	if o.Name == "" {
		o.Name = g.Name
	}
	if o.Sigma == 0 {
		o.Sigma = DefaultSigma
	}
	if o.Margin == 0 {
		o.Margin = DefaultMargin
	}
	switch {
	case o.Sigma < MinSigma || o.Sigma > MaxSigma:
		return fmt.Errorf("σ = %d bits; it must be from %d to %d", o.Sigma, MinSigma, MaxSigma)
	case !validMargin(o.Margin):
		return fmt.Errorf("margin %v; it must be from 1 to %d", o.Margin, MaxMargin)
	case !validBits(o.ActivationBits, MaxActivationBits) || !validBits(o.WeightBits, MaxWeightBits):
		return fmt.Errorf("%d fractional bits of activations and %d of weights; from %d to %d and to %d are taken, or 0 to have them chosen",
			o.ActivationBits, o.WeightBits, MinBits, MaxActivationBits, MaxWeightBits)
	}
	return nil
}

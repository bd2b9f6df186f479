package correlation

import (
	"fmt"

	"pascaline/ring"
)

// BundleSpec says what one inference of one model needs. It follows from the
// model's plan (model.Plan.Bundle) and both parties derive it alike.
type BundleSpec struct {
	Plan        [32]byte // hash of the plan
	Input       int      // elements of the input, each under a mask of the client's
	Activations []ActivationSpec
	Linear      []Spec // by linear layer, of one inference
	Output      int    // elements of the output
}

// ActivationSpec is one activation layer of a bundle.
type ActivationSpec struct {
	Powers Spec
	// LowBits is fw: the opened mask is R = ρ·2^LowBits + λ, λ below
	// 2^LowBits at each party, so that the bits that truncation drops are
	// hidden too (design section 4).
	LowBits uint
}

// Bundle is one party's half of a bundle: linear and powers correlations
// already bound to the layers of one inference.
type Bundle struct {
	Spec  *BundleSpec
	Party int // 0 server, 1 client
	// Seed expands to what this party draws by itself, by the methods below.
	Seed ring.Seed
	// Powers are the halves of the powers, by activation layer.
	Powers []*Half
	// Linear are the server's halves of the linear correlations, by linear layer
	// (server only: the client's are used up in making the bundle).
	Linear []*Half
	// Opening[l] is z_C = y_C + R_C of activation layer l, mod 2^64: what the
	// client would send in step 1 of the online protocol, sent ahead. Both
	// parties hold it.
	Opening [][]uint64
	// Output is the client's share y_C of the output, mod 2^64 (client only).
	Output []uint64
}

// OpeningMask returns this party's part of R = ρ·2^fw + λ for activation layer
// l: integers below 2^(MaskBits+LowBits).
func (b *Bundle) OpeningMask(l int) []uint64 {
	low, rho := b.Spec.Activations[l].LowBits, b.Powers[l].Rho()
	r := make([]uint64, len(rho))
	ring.NewStream(b.Seed, "bundle/lambda", uint64(l)).FillBits(r, low)
	for i := range r {
		r[i] += rho[i] << low
	}
	return r
}

// InputMask returns the client's mask r of the input, uniform mod 2^64.
func (b *Bundle) InputMask() []uint64 {
	r := make([]uint64, b.Spec.Input)
	ring.NewStream(b.Seed, "bundle/input").Fill(r)
	return r
}

// ActivationMask returns the client's mask r of the output of activation layer
// l, uniform mod 2^64.
func (b *Bundle) ActivationMask(l int) []uint64 {
	r := make([]uint64, b.Spec.Activations[l].Powers.N)
	ring.NewStream(b.Seed, "bundle/activation", uint64(l)).Fill(r)
	return r
}

// Dither returns what the server adds to the output, uniform from −2^(bits−1) to
// 2^(bits−1) (exclusive), in two's complement; zero for bits = 0.
func (b *Bundle) Dither(bits uint) []uint64 {
	u := make([]uint64, b.Spec.Output)
	if bits == 0 {
		return u
	}
	ring.NewStream(b.Seed, "bundle/dither").FillBits(u, bits)
	for i := range u {
		u[i] -= 1 << (bits - 1)
	}
	return u
}

// Validate reports the first thing that makes s impossible.
func (s *BundleSpec) Validate() error {
	if s.Input < 1 || s.Input > MaxElements || s.Output < 1 || s.Output > MaxElements {
		return fmt.Errorf("bundle of %d inputs and %d outputs; there must be from 1 to %d", s.Input, s.Output, MaxElements)
	}
	for l, a := range s.Activations {
		if err := isOf(Powers, a.Powers); err != nil {
			return fmt.Errorf("activation layer %d: %w", l, err)
		}
		if a.LowBits > 62-a.Powers.MaskBits {
			return fmt.Errorf("activation layer %d: masks of %d + %d bits leave no room in 64", l, a.Powers.MaskBits, a.LowBits)
		}
	}
	for l, c := range s.Linear {
		if err := isOf(Linear, c); err != nil {
			return fmt.Errorf("linear layer %d: %w", l, err)
		}
		if c.N != 1 || c.Layer != l {
			return fmt.Errorf("linear layer %d: specification of %d inferences with layer %d", l, c.N, c.Layer)
		}
	}
	return nil
}

// isOf checks that a specification is valid and of a kind.
func isOf(k Kind, s Spec) error {
	if s.Kind != k {
		return fmt.Errorf("%v in the place of %v", s.Kind, k)
	}
	return s.Validate()
}

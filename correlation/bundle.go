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
	Linear      []LinearSpec
	Output      int // elements of the output
}

// ActivationSpec is one activation layer of a bundle.
type ActivationSpec struct {
	Powers PowersSpec
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
	// Seed expands to everything uniform in this half, by the methods below.
	Seed ring.Seed
	// Shares[l], where not nil, holds this party's shares of the powers of
	// activation layer l explicitly; else they are expanded from the seed.
	Shares [][]ring.Vec128
	// Opening[l] is z_C = y_C + R_C of activation layer l, mod 2^64: what the
	// client would send in step 1 of the online protocol, sent ahead. Both
	// parties hold it.
	Opening [][]uint64
	// Output is the client's share y_C of the output, mod 2^64 (client only).
	Output []uint64
}

// Powers returns the half of the powers correlation of activation layer l.
func (b *Bundle) Powers(l int) PowersHalf {
	h := PowersHalf{Spec: b.Spec.Activations[l].Powers, Seed: b.Seed.Derive("bundle/powers", uint64(l))}
	if b.Shares != nil {
		h.Shares = b.Shares[l]
	}
	return h
}

// OpeningMask returns this party's part of R = ρ·2^fw + λ for activation layer
// l, given its part of ρ: integers below 2^(MaskBits+LowBits).
func (b *Bundle) OpeningMask(l int, rho []uint64) []uint64 {
	low := b.Spec.Activations[l].LowBits
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

// LinearMask returns the server's half s of linear layer l, uniform mod 2^64.
func (b *Bundle) LinearMask(l int) []uint64 {
	s := make([]uint64, b.Spec.Linear[l].Shape.OutLen())
	ring.NewStream(b.Seed, "bundle/linear", uint64(l)).Fill(s)
	return s
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
	if s.Input < 1 || s.Input > maxElements || s.Output < 1 || s.Output > maxElements {
		return fmt.Errorf("bundle of %d inputs and %d outputs; there must be from 1 to %d", s.Input, s.Output, maxElements)
	}
	for l, a := range s.Activations {
		if err := a.Powers.Validate(); err != nil {
			return fmt.Errorf("activation layer %d: %w", l, err)
		}
		if a.LowBits > 62-a.Powers.MaskBits {
			return fmt.Errorf("activation layer %d: masks of %d + %d bits leave no room in 64", l, a.Powers.MaskBits, a.LowBits)
		}
	}
	for l, c := range s.Linear {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("linear layer %d: %w", l, err)
		}
	}
	return nil
}

package sdk

import (
	"pascaline/correlation"
	"pascaline/ring"
)

// What a backend is, and what it is asked for; package correlation says more of
// each.
type (
	// Backend is what [Serve] serves.
	Backend = correlation.Backend
	// Generator is one party's side of a run.
	Generator = correlation.Generator
	// Description is what a backend says of itself.
	Description = correlation.Description
	// Run is what the requests of a run have in common.
	Run = correlation.Run
	// Layer is a linear layer of a model; party 0 alone has its weights.
	Layer = correlation.Layer
	// Twin carries messages to and from the other party's side of the run.
	Twin = correlation.Twin
	// Request asks for one correlation.
	Request = correlation.Request
	// Spec says what a correlation is.
	Spec = correlation.Spec
	// Kind says of which kind it is.
	Kind = correlation.Kind
	// Half is one party's half of a correlation.
	Half = correlation.Half
	// Column is one vector of a half.
	Column = correlation.Column
)

// The kinds, and what parties 0 and 1 hold of each element.
const (
	Triples     = correlation.Triples     // shares of a, b and ab
	Squares     = correlation.Squares     // shares of a and a²
	Products    = correlation.Products    // party 0: a and a share of ab; party 1: b and a share of ab
	Matrix      = correlation.Matrix      // shares of A (m×k), B (k×n) and AB
	Convolution = correlation.Convolution // shares of an image A, weights B, and A convolved with B
	Powers      = correlation.Powers      // ρ_0 / ρ_1 and shares of ρ², ρ³, …, ρ = ρ_0 + ρ_1
	Linear      = correlation.Linear      // for the server's W: s / r and W·r − s
)

// Kinds lists all kinds.
func Kinds() []Kind { return correlation.Kinds() }

// Randomness.
type (
	// Seed stands for as much uniform randomness as one wants.
	Seed = ring.Seed
	// Stream is the keystream of a seed in one domain.
	Stream = ring.Stream
)

// SeedSize is the length of a [Seed] in bytes.
const SeedSize = ring.SeedSize

// NewSeed draws a seed from crypto/rand.
func NewSeed() Seed { return ring.NewSeed() }

// NewStream opens the stream of a seed in a domain; each domain is used once.
func NewStream(seed Seed, domain string, index ...uint64) *Stream {
	return ring.NewStream(seed, domain, index...)
}

// NewHalf returns a half that is a fresh seed.
func NewHalf(spec Spec, party int) *Half { return correlation.NewHalf(spec, party) }

// SeedHalf returns the half that a seed stands for. No two halves may have the
// same.
func SeedHalf(spec Spec, party int, seed Seed) *Half { return correlation.SeedHalf(spec, party, seed) }

// Complete makes the product columns of h explicit such that h and other, the
// other party's half of the same specification, form a correlation. It is not for
// linear ones.
func Complete(h, other *Half) { correlation.Complete(h, other) }

// CompleteLinear makes y of h1 explicit such that h0 and h1 form a linear
// correlation with weights w and the client's masks r.
func CompleteLinear(w []int16, r []uint64, h0, h1 *Half) {
	correlation.CompleteLinear(w, r, h0, h1)
}

// Shapes and vectors.
type (
	// ConvShape is the geometry of a convolution on one image; a matrix product is
	// one of a kernel of one pixel.
	ConvShape = ring.ConvShape
	// Vec128 is a vector over Z_{2^128}.
	Vec128 = ring.Vec128
)

// Add sets dst = a + b mod 2^64, elementwise; dst may be a or b.
func Add(dst, a, b []uint64) { ring.Add(dst, a, b) }

// Sub sets dst = a − b mod 2^64, elementwise; dst may be a or b.
func Sub(dst, a, b []uint64) { ring.Sub(dst, a, b) }

// Convolve sets dst (OutH×OutW×K) to the convolution of the image src (H×W×C)
// with w (KH×KW×C×K), mod 2^64. dst must not overlap src.
func Convolve(dst, src, w []uint64, s ConvShape) { ring.ConvWide(dst, src, w, s) }

package main

import (
	"context"
	"encoding/binary"
	"fmt"

	"pascaline/plugins/sdk"
)

// linear makes the halves of a linear correlation, s at party 0 and y at party 1
// with s + y = W·r, the way a dealer does who knows neither W nor r. The dealer
// deals
//
//	B, as W, uniform mod 2^64, to party 0, one for each layer of a run;
//	r', as r, and y' = B·r' − s' to party 1;
//	s' to party 0.
//
// Party 0 sends F = W − B, once, and party 1 sends e = r − r'. Then
//
//	s = s' + B·e,  y = F·r + y':  s + y = B·(r' + e) + F·r = W·r.
//
// F and e are uniform to whoever does not know B and r'. Here both parties could
// know them, because the dealer is the seed that both have: each uses only what is
// dealt to it, and nothing but its goodwill makes it. h0 holds s'.
func (g *generator) linear(ctx context.Context, r sdk.Request, seed sdk.Seed, h0 *sdk.Half) (*sdk.Half, error) {
	spec := r.Spec
	b := make([]uint64, spec.Shape.WeightLen())
	sdk.NewStream(g.seed, "weights", uint64(spec.Layer)).Fill(b)
	input := make([]uint64, spec.N*spec.Shape.InLen()) // r'
	sdk.NewStream(seed, "input").Fill(input)
	if g.run.Party == 0 {
		return g.linear0(ctx, spec, b, h0)
	}
	return g.linear1(ctx, r, b, input, h0)
}

// linear0 is party 0's side.
func (g *generator) linear0(ctx context.Context, spec sdk.Spec, b []uint64, h0 *sdk.Half) (*sdk.Half, error) {
	if g.layers[spec.Layer] == nil {
		f := make([]uint64, len(b))
		for i, w := range g.run.Layers[spec.Layer].Weights {
			f[i] = uint64(int64(w)) - b[i]
		}
		if err := send(ctx, g.run.Twin, f); err != nil {
			return nil, fmt.Errorf("sending masked weights: %w", err)
		}
		g.layers[spec.Layer] = f
	}
	e, err := receive(ctx, g.run.Twin, spec.N*spec.Shape.InLen())
	if err != nil {
		return nil, fmt.Errorf("receiving masked inputs: %w", err)
	}
	s := convolve(spec, e, b)
	sdk.Add(s, s, h0.S())
	h0.Columns[0] = s
	return h0, nil
}

// linear1 is party 1's side.
func (g *generator) linear1(ctx context.Context, r sdk.Request, b, input []uint64, h0 *sdk.Half) (*sdk.Half, error) {
	spec := r.Spec
	f := g.layers[spec.Layer]
	if f == nil {
		var err error
		if f, err = receive(ctx, g.run.Twin, spec.Shape.WeightLen()); err != nil {
			return nil, fmt.Errorf("receiving masked weights: %w", err)
		}
		g.layers[spec.Layer] = f
	}
	e := make([]uint64, len(input))
	sdk.Sub(e, r.Input, input)
	if err := send(ctx, g.run.Twin, e); err != nil {
		return nil, fmt.Errorf("sending masked inputs: %w", err)
	}
	y := convolve(spec, input, b)
	sdk.Sub(y, y, h0.S()) // y'
	sdk.Add(y, y, convolve(spec, r.Input, f))
	h1 := sdk.NewHalf(spec, 1)
	h1.Columns[0] = y
	return h1, nil
}

// convolve returns the convolution of w with one image after the other.
func convolve(spec sdk.Spec, images, w []uint64) []uint64 {
	s := spec.Shape
	out := make([]uint64, spec.N*s.OutLen())
	for i := range spec.N {
		sdk.Convolve(out[i*s.OutLen():][:s.OutLen()], images[i*s.InLen():][:s.InLen()], w, s)
	}
	return out
}

// pieceWords is how many words one message carries at most.
const pieceWords = 1 << 17

// send sends words, eight bytes each.
func send(ctx context.Context, twin sdk.Twin, v []uint64) error {
	b := make([]byte, 0, 8*min(len(v), pieceWords))
	for len(v) > 0 {
		n := min(len(v), pieceWords)
		b = b[:0]
		for _, x := range v[:n] {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		if err := twin.Send(ctx, b); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// receive receives n words.
func receive(ctx context.Context, twin sdk.Twin, n int) ([]uint64, error) {
	v := make([]uint64, n)
	for rest := v; len(rest) > 0; {
		size := min(len(rest), pieceWords)
		b, err := twin.Recv(ctx, 8*size)
		if err != nil {
			return nil, err
		}
		if len(b) != 8*size {
			return nil, fmt.Errorf("a message of %d bytes where %d are due", len(b), 8*size)
		}
		for i := range rest[:size] {
			rest[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
		rest = rest[size:]
	}
	return v, nil
}

package model

import (
	"slices"

	"pascaline/ring"
)

// takesBehind reports whether everything that reads p can take factors and offsets
// of p's elements into itself, or hand them on.
func (f *folder) takesBehind(p *step, scale, shift channels) bool {
	for _, c := range f.consumers[p] {
		ok := false
		_, each := scale.every(p.Shape.C)
		switch c.Op {
		case OpLinear:
			ok = each && (f.plainShift(c.Linear, shift) || c.Linear.MACs() < maxFoldedMACs)
		case OpPolynomial:
			ok = scale.same() && shift.same() && !f.weights
		case opAffine:
			ok = true
		case OpPool:
			ok = each && (f.plainShift(c.Pool, shift) || c.Pool.MACs() < maxFoldedMACs) && f.takesBehind(c, scale, pooled(c, shift))
		case OpAdd:
			ok = scale.same() && scale[0] == 1 && f.takesBehind(c, scale, shift)
		case OpReshape:
			ok = f.takesBehind(c, scale, shift)
		case OpConcat:
			ok = f.takesBehind(c, c.spread(p, scale, 1), c.spread(p, shift, 0))
		}
		if !ok {
			return false
		}
	}
	return len(f.consumers[p]) > 0
}

// maxFoldedMACs bounds the work that folding an offset into one layer may take.
const maxFoldedMACs = 1 << 30

// plainShift reports whether an offset moves all windows alike.
func (f *folder) plainShift(s ring.ConvShape, shift channels) bool {
	_, even := shift.every(s.C)
	return !slices.ContainsFunc(shift, nonZero) || even && !padded(s)
}

// behind makes what reads p compute on p's elements times scale plus shift.
func (f *folder) behind(p *step, scale, shift channels) {
	var joins []*step
	for _, c := range f.consumers[p] {
		switch c.Op {
		case OpLinear:
			f.into(c, scale, shift)
		case OpPolynomial:
			c.Coeffs = polynomial(c.Coeffs).of(polynomial{shift[0], scale[0]})
			c.Replaces = ""
		case opAffine:
			product := func(a, b float64) float64 { return a * b }
			sum := func(a, b float64) float64 { return a + b }
			c.shift = c.scale.with(shift, product).with(c.shift, sum)
			c.scale = c.scale.with(scale, product)
			c.weights = c.weights || f.weights
		case OpPool:
			f.behind(c, scale, pooled(c, shift))
		case OpAdd, OpReshape:
			f.behind(c, scale, shift)
		case OpConcat:
			if !slices.Contains(joins, c) { // once, however often it reads p
				joins = append(joins, c)
				f.behind(c, c.spread(p, scale, 1), c.spread(p, shift, 0))
			}
		}
	}
}

// into makes a linear step compute on its input times scale plus shift.
func (f *folder) into(c *step, scale, shift channels) {
	s := c.Linear
	scale, _ = scale.every(s.C)
	if f.plainShift(s, shift) {
		shift, _ = shift.every(s.C)
		bias := make([]float64, s.K) // summed with all its bits
		for i, w := range c.W {
			channel := i / s.K % s.C
			bias[i%s.K] += float64(w) * shift.at(channel)
		}
		for i := range c.Bias {
			c.Bias[i] = float32(float64(c.Bias[i]) + bias[i%s.K])
		}
	} else {
		// Windows that reach into the padding meet zeros there, not the offset.
		bias := make(channels, s.OutLen())
		floatConv(bias, shift.tensor(s.InLen()), c.W, make([]float32, s.K), s)
		for i := range bias {
			bias[i] += float64(c.Bias[i%len(c.Bias)])
		}
		bias, _ = bias.every(len(bias))
		c.Bias = make([]float32, len(bias))
		for i, b := range bias {
			c.Bias[i] = float32(b)
		}
	}
	for i, w := range c.W {
		c.W[i] = float32(float64(w) * scale.at(i/s.K%s.C))
	}
}

// tensor writes the numbers out for n elements.
func (c channels) tensor(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = c.at(i)
	}
	return v
}

// pooled returns what an offset of a pool's input is at its output.
func pooled(p *step, shift channels) channels {
	if !slices.ContainsFunc(shift, nonZero) {
		return channels{0}
	}
	if even, ok := shift.every(p.Shape.C); ok && !padded(p.Pool) {
		out := slices.Clone(even)
		for i := range out {
			out[i] *= float64(p.Pool.KH) * float64(p.Pool.KW) / p.Divisor
		}
		return out
	}
	out := make(channels, p.Pool.OutLen())
	floatPool(out, shift.tensor(p.Pool.InLen()), p.Pool, p.Divisor)
	if even, ok := out.every(p.Shape.C); ok {
		return even
	}
	return out
}

// spread returns the numbers for what a concatenation yields, with other for the
// channels that are not in's.
func (s *step) spread(in *step, c channels, other float64) channels {
	pixels := 1
	if _, even := c.every(in.Shape.C); !even {
		pixels = s.Shape.H * s.Shape.W
	}
	out := make(channels, pixels*s.Shape.C)
	for i := range pixels {
		at := i * s.Shape.C
		for _, p := range s.Parts {
			for k := range p.Channels {
				if out[at+k] = other; p.Input >= 0 && s.inputs[p.Input] == in {
					out[at+k] = c.at(i*in.Shape.C + p.From + k)
				}
			}
			at += p.Channels
		}
	}
	return out
}

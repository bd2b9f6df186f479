package model

import (
	"fmt"
	"slices"
)

// folder merges the factors and offsets of single channels into the weights and
// coefficients next to them.
type folder struct {
	consumers map[*step][]*step // one entry for each input that reads the step
}

// fold removes every opAffine that out depends on: into the steps before it, if
// nothing else reads what they yield, or else into those behind. It returns the
// step that yields the network's output.
func fold(steps []*step, out *step) (*step, error) {
	f := &folder{consumers: map[*step][]*step{}}
	live := reachable(out)
	for _, s := range steps {
		if live[s] {
			for _, in := range s.inputs {
				f.consumers[in] = append(f.consumers[in], s)
			}
		}
	}
	for _, s := range steps {
		if s.Op != opAffine || !live[s] {
			continue
		}
		in := s.inputs[0]
		switch {
		case f.takesBefore(in, s, slices.ContainsFunc(s.shift, nonZero)):
			f.before(in, s.scale, s.shift)
		case f.takesBehind(s, s.scale, s.shift):
			f.behind(s, s.scale, s.shift)
		default:
			return nil, f.refuse(s)
		}
		f.bypass(s)
		if s == out {
			out = in
		}
	}
	return out, nil
}

func nonZero(v float64) bool { return v != 0 }

// same reports whether all channels have the same factor and offset.
func (s *step) same() bool { return s.scale.same() && s.shift.same() }

func (c channels) same() bool {
	return !slices.ContainsFunc(c, func(v float64) bool { return v != c[0] })
}

// bypass makes what reads s read its input.
func (f *folder) bypass(s *step) {
	in := s.inputs[0]
	i := slices.Index(f.consumers[in], s)
	f.consumers[in] = slices.Delete(f.consumers[in], i, i+1)
	for _, c := range f.consumers[s] {
		f.consumers[in] = append(f.consumers[in], c)
		for j := range c.inputs {
			if c.inputs[j] == s {
				c.inputs[j] = in
			}
		}
	}
}

// takesBefore reports whether p, and what it reads, can take the factors and,
// if shifted, the offsets of a into themselves.
func (f *folder) takesBefore(p, a *step, shifted bool) bool {
	if len(f.consumers[p]) != 1 {
		return false
	}
	switch p.Op {
	case OpLinear:
		return true
	case OpPool:
		// The mean of a window moves with its elements unless some are padding.
		return !(shifted && padded(p.Pool)) && f.takesBefore(p.inputs[0], a, shifted)
	case OpAdd:
		for i, in := range p.inputs {
			if !f.takesBefore(in, a, shifted && i == 0) {
				return false
			}
		}
		return true
	case OpReshape:
		return a.same() && f.takesBefore(p.inputs[0], a, shifted)
	case OpPolynomial:
		return a.same()
	}
	return false
}

// before multiplies the channels that p yields by scale and adds shift.
func (f *folder) before(p *step, scale, shift channels) {
	switch p.Op {
	case OpLinear:
		k := p.Linear.K
		for i, w := range p.W {
			p.W[i] = float32(float64(w) * scale.at(i%k))
		}
		for i, b := range p.Bias {
			p.Bias[i] = float32(float64(b)*scale.at(i) + shift.at(i))
		}
	case OpPool:
		f.before(p.inputs[0], scale, shift)
	case OpAdd:
		f.before(p.inputs[0], scale, shift)
		for _, in := range p.inputs[1:] {
			f.before(in, scale, channels{0})
		}
	case OpReshape:
		f.before(p.inputs[0], scale[:1], shift[:1])
	case OpPolynomial:
		p.Coeffs = polynomial{shift[0]}.plus(p.Coeffs, scale[0])
	}
}

// takesBehind reports whether everything that reads p can take the factors and
// offsets of p's channels into itself, or hand them on.
func (f *folder) takesBehind(p *step, scale, shift channels) bool {
	shifted := slices.ContainsFunc(shift, nonZero)
	for _, c := range f.consumers[p] {
		ok := false
		switch c.Op {
		case OpLinear:
			ok = !(shifted && padded(c.Linear)) // padding is zero, not the offset
		case OpPolynomial:
			ok = scale.same() && shift.same()
		case opAffine:
			ok = true
		case OpPool:
			ok = !(shifted && padded(c.Pool)) && f.takesBehind(c, scale, shift)
		case OpReshape:
			ok = (scale.same() && shift.same() || c.Shape.H*c.Shape.W == 1) &&
				f.takesBehind(c, scale.flattened(c.Shape.C), shift.flattened(c.Shape.C))
		}
		if !ok {
			return false
		}
	}
	return len(f.consumers[p]) > 0
}

// flattened returns the numbers for the n elements of an image as a vector: in
// the order H, W, C they come round again with every pixel.
func (c channels) flattened(n int) channels {
	if c.same() {
		return c[:1]
	}
	out := make(channels, n)
	for i := range out {
		out[i] = c[i%len(c)]
	}
	return out
}

// behind makes what reads p compute on p's channels times scale plus shift.
func (f *folder) behind(p *step, scale, shift channels) {
	for _, c := range f.consumers[p] {
		switch c.Op {
		case OpLinear:
			k := c.Linear.K
			bias := make([]float64, k) // summed with all its bits
			for i, w := range c.W {
				channel := i / k % c.Linear.C
				bias[i%k] += float64(w) * shift.at(channel)
				c.W[i] = float32(float64(w) * scale.at(channel))
			}
			for i := range bias {
				c.Bias[i] = float32(float64(c.Bias[i]) + bias[i])
			}
		case OpPolynomial:
			c.Coeffs = polynomial(c.Coeffs).of(polynomial{shift[0], scale[0]})
		case opAffine:
			n := max(len(scale), len(shift), len(c.scale), len(c.shift))
			newScale, newShift := make(channels, n), make(channels, n)
			for i := range n {
				newScale[i] = c.scale.at(i) * scale.at(i)
				newShift[i] = c.scale.at(i)*shift.at(i) + c.shift.at(i)
			}
			c.scale, c.shift = newScale, newShift
		case OpPool:
			f.behind(c, scale, shift)
		case OpReshape:
			f.behind(c, scale.flattened(c.Shape.C), shift.flattened(c.Shape.C))
		}
	}
}

func (f *folder) refuse(s *step) error {
	in := s.inputs[0]
	err := fmt.Errorf("%s cannot be folded into a convolution or linear layer: it follows %s", s.from, in.from)
	if in.Op == OpInput {
		return fmt.Errorf("%w, and what reads it cannot take it over, as a convolution without padding or a"+
			" linear layer could; normalise the data before they enter the network", err)
	}
	if len(f.consumers[in]) > 1 {
		return fmt.Errorf("%w, whose output is used elsewhere too;"+
			" put it directly behind a convolution or linear layer that feeds nothing else", err)
	}
	if in.Op == OpPolynomial {
		return fmt.Errorf("%w, an activation; put batch normalisation before the activation, and use one number for all"+
			" channels as the coefficient of a polynomial", err)
	}
	return fmt.Errorf("%w; put it directly behind a convolution or linear layer that feeds nothing else", err)
}

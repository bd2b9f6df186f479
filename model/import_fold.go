package model

import (
	"fmt"
	"slices"
)

// channels are numbers for the elements of a tensor: they come round again after
// one, for all elements alike, or after as many as there are channels, or not at
// all.
type channels []float64

func (c channels) at(i int) float64 { return c[i%len(c)] }

func nonZero(v float64) bool { return v != 0 }

// same reports whether all numbers are the same.
func (c channels) same() bool {
	return !slices.ContainsFunc(c, func(v float64) bool { return v != c[0] })
}

// every returns the numbers as such that come round again after n channels; false if
// they differ from pixel to pixel. Behind a reshape n may have nothing to do with
// len(c): what comes round after either does so after their greatest common divisor.
func (c channels) every(n int) (channels, bool) {
	period := len(c)
	for rest := n; rest != 0; {
		period, rest = rest, period%rest
	}
	for i, v := range c {
		if v != c[i%period] {
			return nil, false
		}
	}
	return c[:period], true
}

// with combines numbers for the same elements.
func (c channels) with(d channels, f func(a, b float64) float64) channels {
	n := len(c) // the least common multiple
	for n%len(d) != 0 {
		n += len(c)
	}
	out := make(channels, n)
	for i := range out {
		out[i] = f(c.at(i), d.at(i))
	}
	return out
}

// folder merges the factors and offsets of single elements into the weights and
// coefficients next to them.
type folder struct {
	consumers map[*step][]*step // one entry for each input that reads the step
	// weights says that what is being folded are weights, which no polynomial may take:
	// clients see its coefficients.
	weights bool
}

// fold removes every opAffine that out depends on: into the steps before it, if
// nothing else reads what they yield, or else into those behind, or else it becomes
// a linear layer of its own. It returns the step that yields the network's output.
func (im *importer) fold(out *step) (*step, error) {
	f := &folder{consumers: map[*step][]*step{}}
	live := reachable(out)
	for _, s := range im.steps {
		if live[s] {
			for _, in := range s.inputs {
				f.consumers[in] = append(f.consumers[in], s)
			}
		}
	}
	for _, s := range im.steps {
		if s.Op != opAffine || !live[s] {
			continue
		}
		in := s.inputs[0]
		f.weights = s.weights
		switch {
		case f.takesBefore(in, s.scale, s.shift):
			f.before(in, s.scale, s.shift)
		case f.takesBehind(s, s.scale, s.shift):
			f.behind(s, s.scale, s.shift)
		default:
			if err := im.diagonal(s); err != nil {
				return nil, err
			}
			continue
		}
		f.bypass(s)
		if s == out {
			out = in
		}
	}
	return out, nil
}

// diagonal makes an opAffine a layer of its own.
func (im *importer) diagonal(s *step) error {
	c := s.Shape.C
	scale, ok := s.scale.every(c)
	if !ok {
		return fmt.Errorf("%s multiplies by a constant that differs from pixel to pixel, and follows %s, which cannot take it over;"+
			" only one number for each channel is supported", s.from, s.inputs[0].from)
	}
	n := c
	if _, even := s.shift.every(c); !even {
		n = s.Shape.Len()
	}
	if err := im.charge(c*c + n); err != nil {
		return fmt.Errorf("%s: %w", s.from, err)
	}
	w, bias := make([]float32, c*c), make([]float32, n)
	for i := range c {
		w[i*c+i] = float32(scale.at(i))
	}
	for i := range bias {
		bias[i] = float32(s.shift.at(i))
	}
	s.Op, s.Linear, s.W, s.Bias = OpLinear, s.Shape.window(), w, bias
	im.note(s.from, "follows %s and is a linear layer of its own, which takes fractional bits from its neighbours; directly behind a"+
		" convolution or linear layer that nothing else reads, or before layers alone, it costs nothing", s.inputs[0].from)
	return nil
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

// takesBefore reports whether p, and what it reads, can take factors and offsets of
// its elements into themselves.
func (f *folder) takesBefore(p *step, scale, shift channels) bool {
	if len(f.consumers[p]) != 1 {
		return false
	}
	_, each := scale.every(p.Shape.C)
	switch p.Op {
	case OpLinear:
		return each
	case OpPool:
		// The mean of a window moves with its elements unless some are padding.
		_, even := shift.every(p.Shape.C)
		moves := !slices.ContainsFunc(shift, nonZero) || even && !padded(p.Pool) && p.Divisor == float64(p.Pool.KH)*float64(p.Pool.KW)
		return each && moves && f.takesBefore(p.inputs[0], scale, shift)
	case OpAdd:
		for i, in := range p.inputs {
			if i > 0 {
				shift = channels{0}
			}
			if !f.takesBefore(in, scale, shift) {
				return false
			}
		}
		return true
	case OpConcat:
		if !p.plain() {
			return false
		}
		for i, in := range p.inputs {
			if !f.takesBefore(in, p.part(i, scale), p.part(i, shift)) {
				return false
			}
		}
		return true
	case OpReshape:
		return f.takesBefore(p.inputs[0], scale, shift)
	case OpPolynomial:
		return scale.same() && shift.same() && !f.weights
	}
	return false
}

// before multiplies the elements that p yields by scale and adds shift.
func (f *folder) before(p *step, scale, shift channels) {
	switch p.Op {
	case OpLinear:
		k := p.Linear.K
		scale, _ = scale.every(k)
		for i, w := range p.W {
			p.W[i] = float32(float64(w) * scale.at(i%k))
		}
		n := len(p.Bias)
		if _, even := shift.every(k); !even {
			n = p.Shape.Len()
		}
		bias := make([]float32, n)
		for i := range bias {
			bias[i] = float32(float64(p.Bias[i%len(p.Bias)])*scale.at(i) + shift.at(i))
		}
		p.Bias = bias
	case OpPool, OpReshape:
		f.before(p.inputs[0], scale, shift)
	case OpAdd:
		f.before(p.inputs[0], scale, shift)
		for _, in := range p.inputs[1:] {
			f.before(in, scale, channels{0})
		}
	case OpConcat:
		for i, in := range p.inputs {
			f.before(in, p.part(i, scale), p.part(i, shift))
		}
	case OpPolynomial:
		p.Coeffs = polynomial{shift[0]}.plus(p.Coeffs, scale[0])
	}
}

// plain reports whether a concatenation holds every channel of its inputs once.
func (s *step) plain() bool {
	if len(s.Parts) != len(s.inputs) {
		return false
	}
	for i, p := range s.Parts {
		if p.Input != i || p.Channels != s.inputs[i].Shape.C {
			return false
		}
	}
	return true
}

// part returns those of the numbers for a plain concatenation that are for input i.
func (s *step) part(i int, c channels) channels {
	if c.same() {
		return c[:1]
	}
	from, n, pixels := 0, s.inputs[i].Shape.C, 1
	for _, in := range s.inputs[:i] {
		from += in.Shape.C
	}
	if _, even := c.every(s.Shape.C); !even {
		pixels = s.Shape.H * s.Shape.W
	}
	out := make(channels, pixels*n)
	for e := range out {
		out[e] = c.at(e/n*s.Shape.C + from + e%n)
	}
	return out
}

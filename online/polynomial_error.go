package online

import "math"

// Range returns the magnitude up to which arguments of frac fractional bits are
// computed at all: beyond it an integer reaches the sign bit of its ring. With
// local truncation results fail long before, with a probability that grows with
// the argument ([Polynomial.GrossErrorRate]) and is one half here.
func (p Polynomial) Range(frac uint) float64 {
	low, high := 0.0, math.Ldexp(1, maxBits-int(frac))
	if p.fits(frac, high) {
		return high
	}
	for range 60 {
		if x := (low + high) / 2; p.fits(frac, x) {
			low = x
		} else {
			high = x
		}
	}
	return low
}

// fits reports whether no integer in evaluating P at x reaches the sign bit of
// its ring.
func (p Polynomial) fits(frac uint, x float64) bool {
	if p.magnitude(x, int(p.Frac)) >= math.Ldexp(1, 63) {
		return false
	}
	if p.Method == Powers {
		return p.magnitude(x, p.Degree()*int(p.ArgFrac)+int(p.Q)) < math.Ldexp(1, 127)
	}
	for k := 2; k <= p.Degree(); k++ {
		if p.power(frac, k, x) >= math.Ldexp(1, 63) {
			return false
		}
	}
	return p.magnitude(x, int(frac+p.Q)) < math.Ldexp(1, 63)
}

// magnitude returns Σ |α_k x^k| / 2^q with that many fractional bits.
func (p Polynomial) magnitude(x float64, frac int) float64 {
	sum := 0.0
	for k := p.Degree(); k >= 0; k-- {
		sum = sum*math.Abs(x) + math.Abs(float64(p.Alpha[k]))
	}
	return math.Ldexp(sum, frac-int(p.Q))
}

// power returns |x^k| as the integer that ESPN or Tree truncates.
func (p Polynomial) power(frac uint, k int, x float64) float64 {
	bits := 2 * frac
	if p.Method == ESPN {
		bits = espnFrac(k, frac)
	}
	return math.Ldexp(math.Pow(math.Abs(x), float64(k)), int(bits))
}

// ErrorBound returns the most by which a result can differ from P(x), x an
// argument of frac fractional bits up to limit in magnitude, short of a gross
// error (docs/session.md derives it).
func (p Polynomial) ErrorBound(frac uint, limit float64) float64 {
	unit := math.Ldexp(1, -int(p.Frac))
	for k, e := range p.powerErrors(frac, limit) {
		unit += math.Abs(float64(p.Alpha[k])) * math.Ldexp(e, -int(p.Q))
	}
	return unit
}

// powerErrors returns by how much the x^k that is summed up can differ from x^k,
// k = 0..d, for |x| ≤ limit.
func (p Polynomial) powerErrors(frac uint, limit float64) []float64 {
	errors := make([]float64, p.Degree()+1)
	unit := math.Ldexp(1, -int(frac))
	pow := func(x float64, k int) float64 { return math.Pow(x, float64(k)) }
	for k := 1; k < len(errors); k++ {
		switch {
		case p.Method == Powers:
			// The opening rounds the argument, to within one and a half units.
			if frac > p.ArgFrac {
				errors[k] = pow(limit+1.5*math.Ldexp(1, -int(p.ArgFrac)), k) - pow(limit, k)
			}
		case k == 1:
		case p.Method == ESPN:
			// Dividing the share rounds, then the power is truncated.
			if e := espnDivision(k, frac); e > 0 {
				errors[k] = pow(limit+math.Ldexp(1, int(e)-int(frac)), k) - pow(limit, k)
			}
			if espnFrac(k, frac) > frac {
				errors[k] += unit
			}
		default:
			// x^k = x^m·x^j with the largest m = 2^i < k.
			m := 1
			for 2*m < k {
				m *= 2
			}
			em, ej := errors[m], errors[k-m]
			errors[k] = em*pow(limit, k-m) + ej*pow(limit, m) + em*ej + unit
		}
	}
	return errors
}

// GrossErrorRate returns the probability that a result is grossly wrong, by an
// integer of some 2^(64 − bits dropped) and not by rounding, on average over the
// arguments xs, of frac fractional bits, whose shares are uniform. It is the sum
// over the local truncations of |v| / 2^64, v the integer that is truncated
// (docs/session.md); for [Powers] it is 0 unless more than 64 bits are dropped.
func (p Polynomial) GrossErrorRate(frac uint, xs ...float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += min(1, p.grossErrorRate(frac, x))
	}
	return sum / float64(max(1, len(xs)))
}

func (p Polynomial) grossErrorRate(frac uint, x float64) float64 {
	value := 0.0
	for k := p.Degree(); k >= 0; k-- {
		value = value*x + math.Ldexp(float64(p.Alpha[k]), -int(p.Q))
	}
	value = math.Abs(value)
	if p.Method == Powers {
		full := p.Degree()*int(p.ArgFrac) + int(p.Q)
		if full-int(p.Frac) <= 64 {
			return 0
		}
		return math.Ldexp(value, full-128)
	}
	v, divided := 0.0, false
	for k, counts := range p.counts() {
		switch {
		case !counts || k < 2:
		case p.Method == Tree:
			if frac > 0 {
				v += p.power(frac, k, x)
			}
		default:
			if espnFrac(k, frac) > frac {
				v += p.power(frac, k, x)
			}
			divided = divided || espnDivision(k, frac) > 0
		}
	}
	// Where party 0's share is below x it is so for all k: one event.
	if divided {
		v += math.Ldexp(math.Abs(x), int(frac))
	}
	if frac+p.Q > p.Frac {
		v += math.Ldexp(value, int(frac+p.Q))
	}
	return math.Ldexp(v, -64)
}

// counts reports of each power whether P depends on it: in a tree also by other
// powers.
func (p Polynomial) counts() []bool {
	counts := make([]bool, p.Degree()+1)
	for k := p.Degree(); k >= 0; k-- {
		counts[k] = counts[k] || p.Alpha[k] != 0
		if !counts[k] || p.Method != Tree || k < 2 {
			continue
		}
		m := 1
		for 2*m < k {
			m *= 2
		}
		counts[m], counts[k-m] = true, true
	}
	return counts
}
